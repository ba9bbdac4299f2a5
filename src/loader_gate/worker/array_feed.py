"""How batches come to a model of Keras on JAX or torch: a thread reads ahead, and puts them where it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.worker.read_ahead import read_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    import numpy.typing as npt

    from loader_gate.same_work.declared import DeclaredOutput


class ArrayFeed:
    """Hands batches to what trains, and keeps some pixels of every image that a model is trained on.

    These are taken from the very array that the model gets, where that is, so that nothing has to be copied
    from a device while it trains.
    """

    def __init__(self, declared: DeclaredOutput, backend: str) -> None:
        """Prepare for batches as they are declared, on ``jax`` or ``torch``."""
        import keras

        self._keras, self._declared, self._backend = keras, declared, backend
        self._own, self._placed = _of_torch() if backend == "torch" else _of_jax()
        self._epoch: Generator[Any, None, None] | None = None
        self._came_at = 0.0
        self._kept: list[tuple[Any, ...]] = []

    def sequential(self) -> Any:
        """Return the class of the model."""
        return self._keras.Sequential

    def begin(self, batches: Iterable[Any], places: npt.NDArray[np.int64]) -> Any:
        """Return one epoch, of which the pixels at these places are kept.

        Returns:
            What ``fit`` takes; on torch, its batches for a loop, read from when the first is asked for.
        """
        where = self._placed(self._own(places))

        def begun() -> Iterator[Any]:
            self.end()
            self._kept = []
            self._epoch = self._placed_batches(read_ahead(batches, self._own_batch), where)
            return self._epoch

        if self._backend == "torch":
            return begun()
        from keras.src.trainers.data_adapters.data_adapter import DataAdapter

        class Adapter(DataAdapter):  # type: ignore[misc, unused-ignore]
            """One epoch, of which Keras need not know how many batches it has, nor load any to learn it.

            Only a model that has never been fitted looks at a batch before, of an epoch of its own.
            """

            num_batches = batch_size = has_partial_batch = partial_batch_size = None

            def get_jax_iterator(self) -> Iterator[Any]:
                return begun()

        return Adapter()

    def since_it_came(self) -> float:
        """Return how many seconds ago the last batch came."""
        return time.perf_counter() - self._came_at

    def end(self) -> None:
        """Let go of an epoch, whether all of it was taken or not."""
        if self._epoch is not None:
            self._epoch.close()
        self._epoch = None

    def seen(self, images: int) -> tuple[npt.NDArray[Any], ...]:
        """Return what was kept of so many images; Keras may have asked for a batch more than it trained on.

        Returns:
            Their pixels, ``(images, POINTS, 3)``, their classes, and their boxes if they have any.
        """
        kept = [
            (self._on_host(pixels), self._declared.classes(self._on_host(labels)), *boxes)
            for pixels, labels, *boxes in self._kept
        ]
        if not kept:
            return np.empty((0, 0, 3)), np.empty(0, np.int64)
        pixels, *others = (np.concatenate(each)[:images] for each in zip(*kept, strict=True))
        return pixels.transpose(0, 2, 1) if self._declared.layout == "NCHW" else pixels, *others

    def _own_batch(self, batch: Any) -> tuple[Any, ...]:
        images, labels, *boxes = batch
        labels = np.asarray(labels)
        labels = self._declared.classes(labels) if self._declared.labels == "index" else labels
        return self._own(images), self._own(labels), *(np.array(each) for each in boxes)

    def _placed_batches(
        self, batches: Generator[Any, None, None], places: Any
    ) -> Generator[tuple[Any, Any], None, None]:
        ops = self._keras.ops
        is_first = self._declared.layout == "NCHW"
        try:
            for images, labels, *boxes in batches:
                self._came_at = time.perf_counter()
                images, labels = self._placed(images), self._placed(labels)
                rows = (len(images), 3, -1) if is_first else (len(images), -1, 3)
                pixels = ops.take(ops.reshape(images, rows), places, axis=2 if is_first else 1)
                self._kept.append((pixels, labels, *boxes))
                yield images, labels
        finally:
            batches.close()

    def _on_host(self, array: Any) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = self._keras.ops.convert_to_numpy(array)
        return found


def _of_jax() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return what makes an array JAX's own, where the model is, and what is left to do for the model."""
    import jax

    def own(array: Any) -> Any:
        # Until it has been copied, it may not change.
        return jax.block_until_ready(jax.device_put(np.asarray(array), may_alias=False))

    return own, lambda array: array


def _of_torch() -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Return what makes an array torch's own, and what puts that where the model is.

    For a GPU, batches lie in pinned memory, which the reading thread fills as that of ``DataLoader`` does,
    and are copied without waiting: https://docs.pytorch.org/tutorials/intermediate/pinmem_nonblock.html
    """
    import keras
    import torch

    device = keras.ops.zeros(()).device
    is_pinned = device.type == "cuda"

    def own(array: Any) -> Any:
        if is_pinned and isinstance(array, torch.Tensor) and array.is_pinned():
            return array  # by a thread of its loader, for this batch alone
        found = np.asarray(array)
        tensor = torch.empty(found.shape, dtype=getattr(torch, found.dtype.name), pin_memory=is_pinned)
        if tensor.dtype == torch.bfloat16:  # which NumPy knows by another library's type
            tensor.view(torch.int16).numpy()[...] = found.view(np.int16)
        else:
            tensor.numpy()[...] = found
        return tensor

    return own, lambda tensor: tensor.to(device, non_blocking=True)
