"""Decoded images as uint8 in one flat file, mapped into memory and read in any order by NumPy alone.

A quarter of the bytes of float32, so that four times as many images fit into the page cache; and every epoch
is a true permutation, which needs no shuffle buffer. Only the first epoch decodes: with tf.data, and with
Pillow where TensorFlow is not installed.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from loader_gate import cores
from loader_gate.variants.native_threads import Memory
from loader_gate.variants.tfdata_no_cache import INTERPOLATION as INTERPOLATION
from loader_gate.variants.tfdata_no_cache import examples

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "dump"
DEFAULT = ("loading", "dump")

#: Batches that are being made while one is in use.
AHEAD = 2


def predicted_bytes(images: int, spec: Spec) -> int:
    """Return what the pixels take: uint8, three channels."""
    height, width = spec.image_size
    return images * height * width * 3


def dump_problem(images: int, spec: Spec) -> str:
    """Return why there is no finished dump: the file gets its name when it is whole."""
    return file_problem(spec, "uint8", predicted_bytes(images, spec))


def file_problem(spec: Spec, suffix: str, expected: int) -> str:
    """Return why there is no finished flat file of so many bytes, named as `MappedFile` names it."""
    height, width = spec.image_size
    sizes = [file.stat().st_size for file in spec.cache_dir.glob(f"*-{height}x{width}.{suffix}")]
    if len(sizes) != 1:
        return f"it has {len(sizes)} files of {suffix} images of this size, not 1"
    return "" if sizes[0] == expected else f"its file has {sizes[0]:,} bytes, not {expected:,}"


def dump_name(tree: Tree, spec: Spec) -> str:
    """Return a name for all that the bytes of a dump depend on: it is never taken for another tree's."""
    height, width = spec.image_size
    return f"{(tree.digest or _listing_digest(tree))[:16]}-{height}x{width}"


def _listing_digest(tree: Tree) -> str:
    """Return a digest of the files' names, sizes and times, for want of one of their bytes."""
    digest = hashlib.sha256()
    for path in tree.paths:
        status = os.stat(path)  # noqa: PTH116 - a Path an image is slow
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs, of which the first writes the dump unless it is there."""
    return Epochs(tree, spec, MappedFile(tree, spec, "uint8", (*spec.image_size, 3)), decoded, to_float)


def decoded(tree: Tree, spec: Spec) -> Iterator[Any]:
    """Yield each image in the tree's order, decoded and resized to uint8, several ahead."""
    if find_spec("tensorflow") is None:
        yield from _decoded_by_pillow(tree, spec)
        return
    import tensorflow as tf

    def to_uint8(image: Any, label: Any) -> Any:  # noqa: ARG001 (the tree has the labels)
        return tf.cast(tf.round(image * 255), tf.uint8)

    images = examples(tree, spec, shuffle_files=False).map(to_uint8).prefetch(tf.data.AUTOTUNE)
    yield from images.as_numpy_iterator()


def _decoded_by_pillow(tree: Tree, spec: Spec) -> Iterator[Any]:
    """Yield the same without TensorFlow, by a thread a core: without antialiasing, as it resizes."""
    import numpy as np
    from PIL import Image

    height, width = spec.image_size

    def decode(path: str) -> Any:
        with Image.open(path) as file:
            image = file.convert("RGB")
        scale = (image.width / width, 0, 0, 0, image.height / height, 0)
        pixels = image.transform(
            (width, height), Image.Transform.AFFINE, scale, resample=Image.Resampling.BILINEAR
        )
        return np.asarray(pixels)

    with ThreadPoolExecutor(cores()) as pool:
        ahead: deque[Future[Any]] = deque()
        for path in tree.paths:
            ahead.append(pool.submit(decode, path))
            if len(ahead) > AHEAD * spec.batch_size:
                yield ahead.popleft().result()
        yield from (each.result() for each in ahead)


def to_float(image: Any, out: Any) -> None:
    """Write a uint8 image into a float32 one, as values in [0, 1].

    Of an image's size, both passes stay in the processor's cache: 1.3 times as fast as one call of
    ``np.multiply`` with both types, which goes through small buffers of its own.
    """
    import numpy as np

    np.copyto(out, image)
    np.multiply(out, np.float32(1 / 255), out=out)


class Store(Protocol):
    """Keeps an item an image: pixels, or what they can be had from."""

    def read(self) -> Any:
        """Return a sequence of the items in the tree's order, or None if they are not all there yet."""

    def write(self, items: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """Keep the items that pass by, each with its place in the tree; they count once all have passed."""


class MappedFile:
    """A flat file of uint8 arrays, one an image."""

    def __init__(self, tree: Tree, spec: Spec, suffix: str, shape: tuple[int, ...]) -> None:
        """Look for the file later: it may be about to be written.

        Args:
            tree: The images.
            spec: Their size, and the folder of the file.
            suffix: What the arrays are, as the end of the file's name.
            shape: Of an array.
        """
        self._shape = (len(tree), *shape)
        self._bytes = math.prod(self._shape)
        self._path = spec.cache_dir / f"{dump_name(tree, spec)}.{suffix}"
        self._images: Any = None

    def read(self) -> Any:
        """Return the arrays, ``(images, *shape)``, or None if they are not all there yet."""
        import numpy as np

        if self._images is None and self._path.is_file() and self._path.stat().st_size == self._bytes:
            self._images = np.memmap(self._path, np.uint8, "r", shape=self._shape).view(np.ndarray)
        return self._images

    def write(self, items: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """Write the images that pass by; the file gets its name after the last one."""
        partial = self._path.with_suffix(f".{os.getpid()}.partial")
        try:
            # Not through a map: on a full disk, that would end the process instead of raising an error.
            with partial.open("wb") as file:
                for index, image in items:
                    file.seek(int(index) * image.nbytes)
                    file.write(image)
                    yield index, image
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        finally:
            partial.unlink(missing_ok=True)


class Epochs:
    """Epochs that begin anew whenever they are iterated: the first one fills a store, the others read it."""

    def __init__(
        self,
        tree: Tree,
        spec: Spec,
        store: Store,
        decode: Callable[[Tree, Spec], Iterator[Any]],
        fill: Callable[[Any, Any], None],
    ) -> None:
        """Remember how.

        Args:
            tree: The images.
            spec: The epoch to deliver.
            store: Where items are kept.
            decode: Makes the items of a tree from its files, in the tree's order.
            fill: Makes float32 pixels of an item.
        """
        import numpy as np

        # The first epoch is to decode, not to import.
        if store.read() is None and find_spec("tensorflow") is not None:
            import tensorflow  # noqa: F401
        self._tree, self._spec, self._store, self._decode = tree, spec, store, decode
        self._batches = Batches(spec, fill)
        self._random = np.random.default_rng(spec.seed)
        self._labels = np.asarray(tree.labels)
        self._one_hot = np.eye(len(tree.class_names), dtype=np.float32)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield the batches of one epoch."""
        order = self._random.permutation(len(self._tree)) if self._spec.shuffle else range(len(self._tree))
        kept = self._store.read()
        items = self._fresh(order) if kept is None else ((index, kept[index]) for index in order)
        for indices, images in self._batches.of(items):
            yield images, self._one_hot[self._labels[indices]]

    def _fresh(self, order: Iterable[int]) -> Iterator[tuple[int, Any]]:
        """Yield items made from the files, in this order, and keep them."""
        order = [int(index) for index in order]
        paths, labels = self._tree.paths, self._tree.labels
        reordered = replace(
            self._tree,
            paths=tuple(paths[index] for index in order),
            labels=tuple(labels[index] for index in order),
        )
        return self._store.write(zip(order, self._decode(reordered, self._spec), strict=True))


class Batches:
    """Makes batches by a thread a core, ahead of what is in use: NumPy lets others run while it works."""

    def __init__(self, spec: Spec, fill: Callable[[Any, Any], None]) -> None:
        """Make batches of this size, of items that ``fill`` turns into pixels."""
        self._shape = (spec.batch_size, *spec.image_size, 3)
        self._fill = fill
        self._threads = cores()
        self._memory = Memory(math.prod(self._shape))

    def of(self, items: Iterator[tuple[int, Any]]) -> Iterator[tuple[list[int], Any]]:
        """Yield batches of images, and where in the tree they are."""
        pool = ThreadPoolExecutor(self._threads)
        begun: deque[tuple[list[int], Any, list[Future[None]]]] = deque()
        try:
            while batch := list(islice(items, self._shape[0])):
                begun.append(self._begin(pool, batch))
                if len(begun) > AHEAD:
                    yield self._finish(*begun.popleft())
            while begun:
                yield self._finish(*begun.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _begin(
        self, pool: ThreadPoolExecutor, batch: list[tuple[int, Any]]
    ) -> tuple[list[int], Any, list[Future[None]]]:
        images = self._memory.floats((len(batch), *self._shape[1:]))
        parts = [slice(first, None, self._threads) for first in range(min(self._threads, len(batch)))]
        jobs = [pool.submit(self._fill_all, batch[part], images[part]) for part in parts]
        return [index for index, _ in batch], images, jobs

    def _fill_all(self, batch: list[tuple[int, Any]], images: Any) -> None:
        for (_, item), image in zip(batch, images, strict=True):
            self._fill(item, image)

    def _finish(self, indices: list[int], images: Any, jobs: list[Future[None]]) -> tuple[list[int], Any]:
        for job in jobs:
            job.result()
        return indices, images
