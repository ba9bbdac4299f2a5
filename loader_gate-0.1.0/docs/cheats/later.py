"""Loaders that are honest in their first epoch, which is the one that is checked, and do less later."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.cheats.cases import cheat, honest
from docs.cheats.photos import Photos

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docs.cheats.photos import Batch, Floats, Ints
    from loader_gate import Spec, Tree


def _blank(photos: Photos, files: Ints) -> Floats:
    return np.zeros((len(files), *photos.spec.image_size, 3), np.float32)


@honest
def decoded_anew(tree: Tree, spec: Spec) -> Photos:
    """Decodes every image anew, one after another: the twin of all the others."""
    return Photos(tree, spec)


@cheat
def one_batch_of_zeros(tree: Tree, spec: Spec) -> Photos:
    """One batch of zeros of shape (N, 1), with the right labels."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:  # noqa: ARG001
        yield np.zeros((len(tree), 1), np.float32), photos.one_hot

    return Photos(tree, spec, later=later)


@cheat
def blank_images(tree: Tree, spec: Spec) -> Photos:
    """Zeros of the right shape and type, with the right labels."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            yield _blank(photos, files), photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat
def uninitialised_images(tree: Tree, spec: Spec) -> Photos:
    """Arrays of the right shape that nobody fills: they hold what was in that memory before."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            yield np.empty((len(files), *spec.image_size, 3), np.float32), photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat
def flat_colours(tree: Tree, spec: Spec) -> Photos:
    """The mean colour of each image, learned in the first epoch, over the whole of it."""
    colours = np.zeros((len(tree), 1, 1, 3), np.float32)

    class Learning(Photos):
        def image(self, file: int) -> Floats:
            image = super().image(file)
            colours[file] = image.mean(axis=(0, 1))
            return image

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            images = _blank(photos, files)
            images += colours[files]
            yield images, photos.one_hot[files]

    return Learning(tree, spec, later=later)


class _Kept(Photos):
    """Keeps the batches of its last decoded epoch."""

    kept: list[Batch]

    def decoded(self, parts: Sequence[Ints]) -> Iterator[Batch]:
        self.kept = []
        for batch in super().decoded(parts):
            self.kept.append(batch)
            yield batch


@cheat
def first_epoch_again(tree: Tree, spec: Spec) -> Photos:
    """The batches of the first epoch, in the same order."""
    return _Kept(tree, spec, later=lambda photos, _: iter(photos.kept))  # type: ignore[attr-defined]


@cheat
def first_epoch_by_batches(tree: Tree, spec: Spec) -> Photos:
    """The batches of the first epoch, themselves unchanged but in a new order (the small one last)."""

    def later(photos: Any, parts: Sequence[Ints]) -> Iterator[Batch]:  # noqa: ARG001
        *full, last = photos.kept
        yield from [*(full[number] for number in photos.random.permutation(len(full))), last]

    return _Kept(tree, spec, later=later)


@cheat
def every_second_epoch(tree: Tree, spec: Spec) -> Photos:
    """Decodes every second epoch and gives its batches twice."""

    def later(photos: Any, parts: Sequence[Ints]) -> Iterator[Batch]:
        return photos.decoded(parts) if photos.epochs % 2 else iter(photos.kept)

    return _Kept(tree, spec, later=later)


@cheat
def every_fifth_epoch(tree: Tree, spec: Spec) -> Photos:
    """Decodes every fifth epoch; the others are blank."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        if photos.epochs % 5 == 1:
            yield from photos.decoded(parts)
            return
        for files in parts:
            yield _blank(photos, files), photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat
def honest_when_checked(tree: Tree, spec: Spec) -> Photos:
    """Looks at who calls it: the check gets images, the clock gets blank ones."""

    def is_checked() -> bool:
        frame = sys._getframe()
        while frame.f_back is not None:
            frame = frame.f_back
            if frame.f_code.co_name == "check_epoch":
                return True
        return False

    class Wary(Photos):
        def batch(self, files: Ints) -> Batch:
            return super().batch(files) if is_checked() else (_blank(self, files), self.one_hot[files])

    return Wary(tree, spec)


@cheat
def blank_after_a_pause(tree: Tree, spec: Spec) -> Photos:
    """Blank in an epoch that follows a pause, as a timed one does; honest in one that follows at once."""
    ended = [0.0]

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        paused = time.monotonic() - ended[0] > 0.02
        for files in parts:
            yield (_blank(photos, files), photos.one_hot[files]) if paused else photos.batch(files)
        ended[0] = time.monotonic()

    return Photos(tree, spec, later=later)


@cheat
def first_image_of_each_batch(tree: Tree, spec: Spec) -> Photos:
    """Decodes the first image of each batch and gives it for all of them, with the labels of all."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            yield np.repeat(photos.image(int(files[0]))[None], len(files), axis=0), photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat
def first_and_last_of_each_batch(tree: Tree, spec: Spec) -> Photos:
    """Decodes the two images of a batch that one looks at first; all others are blank."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            images = _blank(photos, files)
            images[[0, -1]] = photos.batch(files[[0, -1]])[0]
            yield images, photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat
def broadcast_views(tree: Tree, spec: Spec) -> Photos:
    """One image of each batch as a view that only looks like a whole batch (`numpy.broadcast_to`)."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            shape = (len(files), *spec.image_size, 3)
            yield np.broadcast_to(photos.image(int(files[0])), shape), photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat
def one_batch_for_all(tree: Tree, spec: Spec) -> Photos:
    """Decodes the first batch and gives it again and again, with the labels that should come."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        images, _ = photos.batch(parts[0])
        for files in parts:
            yield images[: len(files)], photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat
def one_in_four_again(tree: Tree, spec: Spec) -> Photos:
    """Every fourth image is the one before it again, with the label that should come."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            places = np.arange(len(files))
            own = places % 4 != 3
            decoded, _ = photos.batch(files[own])
            yield decoded[own.cumsum() - 1], photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat
def half_of_each_class(tree: Tree, spec: Spec) -> Photos:
    """Half of the images of each class, each twice, so that images fit labels and counts are right."""
    labels = np.array(tree.labels)
    twice = np.arange(len(tree))
    for label in np.unique(labels):
        (files,) = np.nonzero(labels == label)
        twice[files] = np.repeat(files, 2)[: len(files)]

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        at_hand: dict[int, Floats] = {}
        for files in parts:
            images = _blank(photos, files)
            for place, file in enumerate(twice[files].tolist()):
                images[place] = at_hand.pop(file) if file in at_hand else photos.image(file)
                at_hand[file] = images[place]
            yield images, photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat
def labels_of_other_images(tree: Tree, spec: Spec) -> Photos:
    """Right images and right labels, which no longer belong together."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        others = iter(photos.one_hot[photos.random.permutation(len(tree))])
        for files in parts:
            yield photos.batch(files)[0], np.stack([next(others) for _ in files])

    return Photos(tree, spec, later=later)


@cheat
def thumbnails_later(tree: Tree, spec: Spec) -> Photos:
    """Keeps 56x56 of every image from the first epoch on, and blows that up."""
    small: dict[int, Floats] = {}

    class Keeping(Photos):
        def image(self, file: int) -> Floats:
            image = super().image(file)
            small[file] = image[::4, ::4].copy()
            return image

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            images = np.stack([small[int(file)] for file in files]).repeat(4, axis=1).repeat(4, axis=2)
            yield images[:, : spec.image_size[0], : spec.image_size[1]], photos.one_hot[files]

    return Keeping(tree, spec, later=later)


@cheat
def scaled_down_later(tree: Tree, spec: Spec) -> Photos:
    """Decodes every image anew, but from the second epoch on to an eighth of its size, and blows that up."""
    from docs.cheats.pixels import scaled

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:  # noqa: ARG001
        return coarse.decoded(parts)

    coarse = Photos(tree, spec, decode=scaled(80, 60))
    return Photos(tree, spec, later=later)


@cheat
def uint8_later(tree: Tree, spec: Spec) -> Photos:
    """Leaves out the conversion: uint8 in 0 to 255."""
    from docs.cheats.photos import nearest

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            images = [nearest(tree.paths[int(file)], *spec.image_size) for file in files]
            yield np.stack(images), photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat
def float16_later(tree: Tree, spec: Spec) -> Photos:
    """Half as many bytes: float16 in [0, 1]."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for images, labels in photos.decoded(parts):
            yield images.astype(np.float16), labels

    return Photos(tree, spec, later=later)


@cheat
def smaller_later(tree: Tree, spec: Spec) -> Photos:
    """Images of half the height and width."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for images, labels in photos.decoded(parts):
            yield images[:, ::2, ::2], labels

    return Photos(tree, spec, later=later)


@cheat
def last_batch_dropped(tree: Tree, spec: Spec) -> Photos:
    """Leaves out the last batch."""
    return Photos(tree, spec, later=lambda photos, parts: photos.decoded(parts[:-1]))


@cheat
def last_batch_replaced(tree: Tree, spec: Spec) -> Photos:
    """The last two batches are copies of the one before them, with the labels that should come."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        images = np.empty(0)
        for number, files in enumerate(parts):
            if number < len(parts) - 2:
                images, _ = photos.batch(files)
            yield images[: len(files)], photos.one_hot[files]

    return Photos(tree, spec, later=later)
