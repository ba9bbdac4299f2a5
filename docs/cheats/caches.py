"""Caches that do not say so, and kinds that are none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.cheats.cases import cheat, declares, honest
from docs.cheats.photos import Epochs, Photos

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
