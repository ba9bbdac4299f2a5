"""A limit: reading a dump of uint8 images from one end to the other, into memory that is used again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TYPE_CHECKING

from benchmarks.variants.limit_read_files import cores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.spec import Spec
    from fixtures.tree import Tree

KIND = "limit"
BOUNDS = ("dump",)


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
        self._file: Path = spec.cache_dir / "images"
        self._image_bytes = predicted_bytes(1, spec)
        self._batch_size = spec.batch_size
        self._starts = range(0, images, spec.batch_size)
        self._images = images
        self._own = local()
        self._threads = ThreadPoolExecutor(cores())
        with self._file.open("wb") as file:
            for start in self._starts:
                file.write(b"x" * (self._size(start) * self._image_bytes))

    def __iter__(self) -> Iterator[int]:
        """Yield the size of each batch as soon as it is read."""
        return self._threads.map(self._read, self._starts)

    def _size(self, start: int) -> int:
        return min(self._batch_size, self._images - start)

    def _read(self, start: int) -> int:
        own = self._own
        if not hasattr(own, "file"):
            own.file = self._file.open("rb", buffering=0)
            own.destination = memoryview(bytearray(self._batch_size * self._image_bytes))
        size = self._size(start)
        own.file.seek(start * self._image_bytes)
        if own.file.readinto(own.destination[: size * self._image_bytes]) != size * self._image_bytes:
            raise OSError(f"{self._file} has become shorter than it was written.")
        return size


def load(tree: Tree, spec: Spec) -> Reads:
    """Return epochs of counts of images."""
    return Reads(len(tree), spec)
