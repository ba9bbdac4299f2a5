"""A limit: reading a dump of uint8 images from one end to the other, into memory that is used again."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TYPE_CHECKING

from loader_gate import cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "limit"
DECODERS = ""
BOUNDS = ("dump",)
CACHE = "warm"


def predicted_bytes(images: int, spec: Spec) -> int:
    """Return what the dump takes on disk: bytes, three channels."""
    height, width = spec.image_size
    return images * height * width * 3


class Reads:
    """Epochs of batches that a thread a core reads from a file of bytes."""

    def __init__(self, images: int, spec: Spec) -> None:
        """Write the file.

        Args:
            images: How many images it holds.
            spec: Their size, how many make a batch, and the folder of the file.
        """
        path = spec.cache_dir / "images"
        self._image_bytes = predicted_bytes(1, spec)
        self._batch_size = spec.batch_size
        self._starts = range(0, images, spec.batch_size)
        self._images = images
        self._own = local()
        self._threads = ThreadPoolExecutor(cores())
        with path.open("wb") as file:
            for start in self._starts:
                file.write(b"x" * (self._size(start) * self._image_bytes))
        self._file = os.open(path, os.O_RDONLY)  # as long as the process lives

    def __iter__(self) -> Iterator[int]:
        """Yield the size of each batch as soon as it is read."""
        return self._threads.map(self._read, self._starts)

    def _size(self, start: int) -> int:
        return min(self._batch_size, self._images - start)

    def _read(self, start: int) -> int:
        if not hasattr(self._own, "destination"):
            self._own.destination = memoryview(bytearray(self._batch_size * self._image_bytes))
        size = self._size(start)
        wanted = self._own.destination[: size * self._image_bytes]
        if os.preadv(self._file, [wanted], start * self._image_bytes) != len(wanted):
            raise OSError("the dump has become shorter than it was written")
        return size


def load(tree: Tree, spec: Spec) -> Reads:
    """Return epochs of counts of images."""
    return Reads(len(tree), spec)
