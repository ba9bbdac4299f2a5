"""What the loaders are made of: an honest one, of which parts can be replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loader_gate import Spec, Tree

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float32]
    Batch = tuple[Any, Any]
    Decode = Callable[[str, int, int], npt.NDArray[Any]]
    Order = Callable[["Photos"], Ints]
    Later = Callable[["Photos", Sequence[Ints]], Iterator[Batch]]


def nearest(path: str, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Decode a file and stretch it: ``(height, width, 3)`` uint8."""
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.NEAREST))


def permuted(photos: Photos) -> Ints:
    """Return a new order for each epoch, or the tree's where no shuffling was asked for."""
    count = len(photos.tree)
    return photos.random.permutation(count) if photos.spec.shuffle else np.arange(count)


class Photos:
    """Decodes every image anew in every epoch, one after another.

    Attributes:
        tree: The images.
        spec: The epoch to deliver.
        epochs: How many have begun.
        random: What is drawn is drawn from it.
        one_hot: ``(images, classes)``, the labels of all.
    """

    def __init__(
        self,
        tree: Tree,
        spec: Spec,
        decode: Decode = nearest,
        order: Order = permuted,
        later: Later | None = None,
    ) -> None:
        """Prepare; nothing is decoded yet.

        Args:
            tree: The images.
            spec: The epoch to deliver.
            decode: Takes a path, height and width, returns ``(height, width, 3)`` in grey levels of 0 to 255.
            order: Returns the order of an epoch.
            later: What to give for each list of files from the second epoch on; None for the same as in the
                first.
        """
        self.tree, self.spec, self.epochs = tree, spec, 0
        self.random = np.random.default_rng(spec.seed)
        self.one_hot: Floats = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
        self._decode, self._order, self._later = decode, order, later

    def parts(self) -> list[Ints]:
        """Return the files of each batch of a new epoch."""
        order, size = self._order(self), self.spec.batch_size
        return [order[start : start + size] for start in range(0, len(order), size)]

    def image(self, file: int) -> Floats:
        """Return one image, decoded now: ``(height, width, 3)`` float32 in [0, 1]."""
        levels = self._decode(self.tree.paths[file], *self.spec.image_size)
        return np.multiply(levels, 1 / 255, dtype=np.float32)

    def batch(self, files: Ints) -> Batch:
        """Return the images and labels of files, decoded now."""
        images = np.empty((len(files), *self.spec.image_size, 3), np.float32)
        for place, file in enumerate(files):
            images[place] = self.image(int(file))
        return images, self.one_hot[files]

    def decoded(self, parts: Sequence[Ints]) -> Iterator[Batch]:
        """Yield batches of files, each decoded when it is asked for."""
        for files in parts:
            yield self.batch(files)

    def __iter__(self) -> Iterator[Batch]:
        """Begin an epoch."""
        self.epochs += 1
        parts = self.parts()
        return self.decoded(parts) if self.epochs == 1 or self._later is None else self._later(self, parts)


class Epochs:
    """Begins an epoch by calling a function."""

    def __init__(self, begin: Callable[[], Iterator[Batch]]) -> None:
        """Remember what to call."""
        self._begin = begin

    def __iter__(self) -> Iterator[Batch]:
        """Begin an epoch."""
        return self._begin()
