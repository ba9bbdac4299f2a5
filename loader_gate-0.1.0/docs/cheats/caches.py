"""Caches that do not say so, and kinds that are none."""

from __future__ import annotations

import io
import os
import queue
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.cheats.cases import cheat, declares, honest
from docs.cheats.elsewhere import Destroyed, windowed
from docs.cheats.order import swapped
from docs.cheats.photos import Epochs, Photos, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docs.cheats.photos import Batch, Floats, Ints
    from loader_gate import Spec, Tree

#: Where `cache_elsewhere` keeps its dump; `docs.cheats` removes it.
ELSEWHERE = Path(tempfile.gettempdir()) / "loader-gate-cheats-cache"


class _Cached(Photos):
    """Decodes some images once, and keeps them."""

    def __init__(self, tree: Tree, spec: Spec, every: int = 1) -> None:
        super().__init__(tree, spec)
        self._kept: dict[int, Floats] = {}
        self._every = every

    def image(self, file: int) -> Floats:
        image = self._kept.get(file)
        if image is None:
            image = super().image(file)
            if file % self._every == 0:
                self._kept[file] = image
        return image


@cheat
def undeclared_memory(tree: Tree, spec: Spec) -> Photos:
    """Keeps every decoded image, and calls itself streaming."""
    return _Cached(tree, spec)


@cheat
def half_in_memory(tree: Tree, spec: Spec) -> Photos:
    """Keeps every second image: no faster than two cores could decode all."""
    return _Cached(tree, spec, every=2)


@cheat
@declares(KIND="rival")
def memory_as_rival(tree: Tree, spec: Spec) -> Photos:
    """Keeps every decoded image, and calls itself a rival."""
    return _Cached(tree, spec)


@cheat
@declares(KIND="limit")
def kind_limit(tree: Tree, spec: Spec) -> Epochs:
    """Calls itself a limit, which nobody compares: blank images from the first epoch on."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for files in photos.parts():
            yield np.zeros((len(files), *spec.image_size, 3), np.float32), photos.one_hot[files]

    return Epochs(epoch)


@cheat
@declares(KIND="limit")
def kind_limit_of_numbers(tree: Tree, spec: Spec) -> Epochs:  # noqa: ARG001
    """Calls itself a limit and gives what a limit does: numbers of images, without any."""
    numbers: Any = [len(tree)]
    return Epochs(lambda: iter(numbers))


@cheat
@declares(KIND="turbo")
def kind_of_its_own(tree: Tree, spec: Spec) -> Photos:
    """A cache of a kind that nobody has heard of, which no limit bounds."""
    return _Cached(tree, spec)


@cheat
@declares(KIND=["streaming"])
def kind_no_text(tree: Tree, spec: Spec) -> Photos:
    """A kind that is no text."""
    return Photos(tree, spec)


class _Dump:
    """Writes a raw dump once and maps it."""

    def __init__(self, tree: Tree, spec: Spec, folder: Path, dtype: str = "uint8") -> None:
        self._photos, self._dtype = Photos(tree, spec), dtype
        self._shape = (len(tree), *spec.image_size, 3)
        self._file = folder / f"{tree.digest[:16]}.raw"

    def __iter__(self) -> Iterator[Batch]:
        if not self._file.exists():
            self._write()
        levels = np.memmap(self._file, self._dtype, "r", shape=self._shape)
        parts = self._photos.parts()
        for files in parts:
            images: Any = levels[files]
            if self._dtype == "uint8":
                images = np.multiply(images, 1 / 255, dtype=np.float32)
            yield images, self._photos.one_hot[files]

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(f".{os.getpid()}")
        levels = np.memmap(part, self._dtype, "w+", shape=self._shape)
        scale = 255 if self._dtype == "uint8" else 1
        for file in range(len(levels)):
            levels[file] = np.rint(self._photos.image(file) * 255) / (255 / scale)
        levels.flush()
        part.replace(self._file)


@cheat
def undeclared_dump(tree: Tree, spec: Spec) -> _Dump:
    """Writes a raw dump of decoded images in its first epoch, and calls itself streaming."""
    return _Dump(tree, spec, spec.cache_dir)


@cheat
def cache_elsewhere(tree: Tree, spec: Spec) -> _Dump:
    """Keeps that dump where nobody looks, for later processes to find."""
    return _Dump(tree, spec, ELSEWHERE)


@cheat
def dump_that_is_empty(tree: Tree, spec: Spec) -> Photos:
    """Views of a mapped file, from the second epoch on, that nobody has written anything to."""
    shape = (len(tree), *spec.image_size, 3)

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        mapped = np.memmap(spec.cache_dir / "empty.raw", np.float32, "w+", shape=shape)
        start = 0
        for files in parts:
            yield mapped[start : start + len(files)], photos.one_hot[files]
            start += len(files)

    return Photos(tree, spec, later=later)


class _Views:
    """Writes float32 files, each with all images in its own order; batches but the last are views."""

    def __init__(self, tree: Tree, spec: Spec, many: int, begins_anywhere: bool) -> None:
        self._photos, self._begins_anywhere, self._epochs = Photos(tree, spec), begins_anywhere, 0
        random = np.random.default_rng(spec.seed)
        # The first images come again at the end: no batch is cut in two.
        length = len(tree) + spec.batch_size
        self._orders = [np.resize(random.permutation(len(tree)), length) for _ in range(many)]

    def __iter__(self) -> Iterator[Batch]:
        photos, number = self._photos, self._epochs % len(self._orders)
        self._epochs += 1
        images, labels = self._images(number), photos.one_hot[self._orders[number]]
        count, size = len(photos.tree), photos.spec.batch_size
        begin = photos.random.integers(count) if self._begins_anywhere else 0
        full, rest = divmod(count, size)
        for start in (begin + size * photos.random.permutation(full)) % count:
            yield images[start : start + size], labels[start : start + size]
        if rest:  # a copy in which two are swapped, so that no epoch is quite the same
            last = (begin + full * size + swapped(np.arange(rest), photos.random, 1)) % count
            yield images[last], labels[last]

    def _images(self, number: int) -> Any:
        spec, order = self._photos.spec, self._orders[number]
        file = spec.cache_dir / f"{number}.raw"
        shape = (len(order), *spec.image_size, 3)
        if not file.exists():
            images = np.memmap(file, np.float32, "w+", shape=shape)
            for place, each in enumerate(order.tolist()):
                images[place] = self._photos.image(each)
        return np.memmap(file, np.float32, "r", shape=shape)


@cheat
@declares(KIND="dump")
def mapped_slices(tree: Tree, spec: Spec) -> _Views:
    """Slices of a mapped file that was shuffled once, in a new order: nobody reads anything of them."""
    return _Views(tree, spec, 1, begins_anywhere=False)


@cheat
@declares(KIND="dump")
def rolled_mapped_views(tree: Tree, spec: Spec) -> _Views:
    """The same of two such files in turn, each from a drawn image on, so that batches are new ones."""
    return _Views(tree, spec, 2, begins_anywhere=True)


class _Levels(Photos):
    """Keeps the grey levels of every image, and makes batches of them."""

    _levels: Any = None

    def levels(self, files: Ints) -> Any:
        """Return those of some images: ``(files, height, width, 3)`` uint8."""
        if self._levels is None:
            self._levels = np.stack([nearest(path, *self.spec.image_size) for path in self.tree.paths])
        return self._levels[files]

    def batch(self, files: Ints) -> Batch:
        return np.multiply(self.levels(files), 1 / 255, dtype=np.float32), self.one_hot[files]


@cheat
@declares(KIND="memory")
def memory_ready(tree: Tree, spec: Spec) -> Epochs:
    """Makes the batches of the next epoch of what it keeps in the destructor of an iterator."""
    photos, ready = _Levels(tree, spec), list[Any]()

    def make() -> None:
        ready[:] = [*photos.decoded(photos.parts())]

    def epoch() -> Iterator[Batch]:
        if not ready:
            make()
        now = ready[:]
        ready.clear()
        yield from now

    return Epochs(lambda: Destroyed(epoch(), make))


@cheat
@declares(KIND="memory")
def memory_thread(tree: Tree, spec: Spec) -> Epochs:
    """A thread that makes batches of what it keeps, and does not know where an epoch ends."""
    photos = _Levels(tree, spec)
    many = len(photos.parts())
    batches: queue.Queue[Batch] = queue.Queue(16 * many)

    def fill() -> None:
        while True:
            for files in photos.parts():
                batches.put(photos.batch(files))

    threading.Thread(target=fill, daemon=True).start()
    return Epochs(lambda: (batches.get() for _ in range(many)))


@honest
@declares(KIND="memory")
def undithered(tree: Tree, spec: Spec) -> Photos:
    """Keeps grey levels, and makes its batches of them in time."""
    return _Levels(tree, spec)


class _Dithered(_Levels):
    """Adds less than a grey level."""

    def batch(self, files: Ints) -> Batch:
        images = self.levels(files).astype(np.float32)
        images += self.random.random(images.shape, np.float32) * 2 - 1
        return np.clip(images / 255, 0, 1, out=images), self.one_hot[files]


@honest
@declares(KIND="memory")
def dithered(tree: Tree, spec: Spec) -> Photos:
    """The same with noise of less than a level, so that no pixel is the same in two epochs."""
    return _Dithered(tree, spec)


class _Jpegs(Photos):
    """Keeps what it has resized as JPEGs."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        super().__init__(tree, spec)
        self._kept: dict[int, io.BytesIO] = {}

    def image(self, file: int) -> Floats:
        from PIL import Image

        if file in self._kept:
            levels = np.asarray(Image.open(self._kept[file]))
            scaled: Floats = np.multiply(levels, 1 / 255, dtype=np.float32)
            return scaled
        image, kept = super().image(file), io.BytesIO()
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(kept, "JPEG", quality=90)
        self._kept[file] = kept
        return image


@honest
@declares(KIND="memory")
def jpegs_in_memory(tree: Tree, spec: Spec) -> Photos:
    """Keeps resized JPEGs from the first epoch on, so that pixels are a little different from then on."""
    return _Jpegs(tree, spec)


@honest
@declares(KIND="memory")
def jpegs_by_threads(tree: Tree, spec: Spec) -> Epochs:
    """The same decoded by two threads that stay from epoch to epoch."""
    photos, pool = _Jpegs(tree, spec), ThreadPoolExecutor(2)
    return Epochs(lambda: windowed(photos, lambda files: pool.submit(photos.batch, files)))


@honest
@declares(KIND="memory")
def declared_memory(tree: Tree, spec: Spec) -> Photos:
    """Keeps every decoded image, and says so."""
    return _Cached(tree, spec)


@honest
@declares(KIND="dump")
def declared_dump(tree: Tree, spec: Spec) -> _Dump:
    """Writes a raw dump in its first epoch, maps it, and says so."""
    return _Dump(tree, spec, spec.cache_dir)


@honest
@declares(KIND="dump")
def declared_float_dump(tree: Tree, spec: Spec) -> _Dump:
    """The same in float32, so that nothing is left to be done but to copy."""
    return _Dump(tree, spec, spec.cache_dir, "float32")


@honest
@declares(KIND="memory")
def views_of_memory(tree: Tree, spec: Spec) -> Epochs:
    """Shuffles decoded images in place, and gives views of them: no copy of a batch, all of it real."""
    photos = Photos(tree, spec)
    images, labels = np.empty((0,)), photos.one_hot

    def epoch() -> Iterator[Batch]:
        nonlocal images, labels
        if not len(images):
            images, labels = photos.batch(np.arange(len(tree)))
        order = photos.parts()
        images, labels = images[np.concatenate(order)], labels[np.concatenate(order)]
        start = 0
        for files in order:
            yield images[start : start + len(files)], labels[start : start + len(files)]
            start += len(files)

    return Epochs(epoch)


@honest
@declares(KIND="streaming")
def declared_streaming(tree: Tree, spec: Spec) -> Photos:
    """Says of itself what is so anyway."""
    return Photos(tree, spec)
