"""A limit: copying finished float32 batches from memory, on all cores, into memory that is used again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TYPE_CHECKING

from loader_gate import cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "limit"
DECODERS = ""
BOUNDS = ("memory", "dump")

#: Of finished batches, which are copied again and again: more bytes than a CPU's cache holds.
MOST_HELD = 256_000_000


def predicted_buffer_bytes(images: int, spec: Spec) -> int:
    """Return what the batches take in memory, and each thread's destination."""
    return _batch_bytes(spec) * (_batches(images, spec) + min(cores(), -(-images // spec.batch_size)))


def _batches(images: int, spec: Spec) -> int:
    """Return how many batches are copied again and again."""
    return max(1, min(images // spec.batch_size, MOST_HELD // _batch_bytes(spec)))


def _batch_bytes(spec: Spec) -> int:
    """Return what a batch takes: float32, three channels."""
    height, width = spec.image_size
    return 4 * 3 * height * width * spec.batch_size


class Copies:
    """Epochs of batches that a thread a core copies; a new destination each time would cost page faults."""

    def __init__(self, images: int, spec: Spec) -> None:
        """Fill the batches that are copied.

        Args:
            images: How many images an epoch has.
            spec: Their size, and how many make a batch.
        """
        import numpy as np

        shape = (spec.batch_size, *spec.image_size, 3)
        batch = np.full(shape, 0.5, np.float32)
        self._batches = [batch.copy() for _ in range(_batches(images, spec))]
        full, rest = divmod(images, spec.batch_size)
        self._sizes = [spec.batch_size] * full + [rest] * bool(rest)
        self._own = local()
        self._threads = ThreadPoolExecutor(cores())

    def __iter__(self) -> Iterator[int]:
        """Yield the size of each batch as soon as it is copied."""
        return self._threads.map(self._copy, range(len(self._sizes)), self._sizes)

    def _copy(self, number: int, size: int) -> int:
        import numpy as np

        batch = self._batches[number % len(self._batches)]
        if not hasattr(self._own, "destination"):
            self._own.destination = np.ones_like(batch)
        np.copyto(self._own.destination[:size], batch[:size])
        return size


def load(tree: Tree, spec: Spec) -> Copies:
    """Return epochs of counts of images."""
    return Copies(len(tree), spec)
