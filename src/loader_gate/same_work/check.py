"""Does a variant do the same work? One epoch of it against the reference decode, before anything is timed.

Every image has to come exactly once, with its label, in the shape, type and range the variant declares, and
with pixels near the reference: `thresholds` says how near, and why. `batch` looks at the form of images and
labels, `identity` at which file an image is and so at its label, `pixels` at the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.same_work.batch import Batches
from loader_gate.same_work.identity import Identities
from loader_gate.same_work.pixels import Compared, Pixels
from loader_gate.same_work.reference import INTERPOLATIONS, Floats, Ints, Reference, pooled
from loader_gate.same_work.undeclared import lines_to_add
from loader_gate.same_work.words import DifferenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.trees.tree import Tree


@dataclass(frozen=True)
class SameWork:
    """What the check of one epoch found.

    Attributes:
        reason: None if the variant does the same work, otherwise one sentence that says what differs.
        images: Images that came until the check ended.
        interpolation: The declared one, or the one that fits best; None if no pixels were compared.
        compared: Images whose pixels were compared.
        lowest_psnr: The lowest PSNR of these to the reference, in dB, at most :data:`PSNR_EQUAL`.
        median_psnr: The median of the same.
        detail: The lowest and the median share of the reference's luma detail that these have, of 1; None if
            no reference has enough to tell.
        chroma: The same of chroma.
        not_told_apart: Images that might as well be files of another label, so that their own shows nothing.
        order: ``(images,)`` int64, for each image that came the position in the tree of a file that it may
            be, the first of those that look alike; -1 if it is none.
    """

    reason: str | None
    images: int
    interpolation: str | None
    compared: int
    lowest_psnr: float | None
    median_psnr: float | None
    detail: tuple[float, float] | None = None
    chroma: tuple[float, float] | None = None
    not_told_apart: int = 0
    order: Ints = field(compare=False, default_factory=lambda: np.empty(0, np.int64))


def check_epoch(
    batches: Iterable[Any],
    tree: Tree,
    spec: Spec,
    declared: DeclaredOutput,
    reference: Reference,
    learn: Callable[[npt.NDArray[Any], Ints], None] | None = lambda _images, _files: None,
) -> SameWork:
    """Compare one epoch with the reference.

    One batch is held at a time. An iterator that does not end is left as soon as it has given more images
    than there are.

    Args:
        batches: Pairs of images and labels: arrays or tensors of any library, converted by ``np.asarray``.
        tree: The images that should come.
        spec: The size and batch size that were asked for.
        declared: What the variant says it delivers.
        reference: The reference decode of the same tree at the same size.
        learn: Given the images of each batch, as they were delivered, and what they are; see
            `SameWork.order`. None if only a part of an epoch is there to look at: none of its images may come
            too often, but not all have to come.

    Returns:
        What was found. Exceptions of the loader pass through.

    Raises:
        ValueError: The reference is one of another tree or size.
    """
    if (reference.digest, reference.image_size) != (tree.digest, tuple(spec.image_size)):
        raise ValueError(
            f"The reference is of another tree or size ({reference.image_size}): build it again."
        )
    epoch = _Epoch(tree, spec, declared, reference, learn)
    reason = None
    try:
        for batch in batches:
            epoch.add(batch)
        epoch.finish()
    except DifferenceError as difference:
        reason = f"{difference} {epoch.lines_to_add()}".rstrip()
    return epoch.result(reason)


class _Epoch:
    """One epoch on its way through the check."""

    def __init__(
        self,
        tree: Tree,
        spec: Spec,
        declared: DeclaredOutput,
        reference: Reference,
        learn: Callable[[npt.NDArray[Any], Ints], None] | None,
    ) -> None:
        self._tree, self._spec, self._declared, self._learn = tree, spec, declared, learn
        self._order: list[Ints] = []
        self._last: Any = None
        names = (declared.interpolation,) if declared.interpolation else INTERPOLATIONS
        self._batches = Batches(tree, spec, declared)
        self._identities = Identities(tree, declared, reference, names, self._batches)
        self._pixels = Pixels(tree, reference, names)

    def add(self, batch: Any) -> None:
        """Check one batch and remember what is needed at the end."""
        self._last = batch
        images, classes = self._batches.add(batch)
        levels = self._declared.levels(self._declared.channels_last(images))
        matches = self._identities.add(pooled(levels), classes)
        files = np.array([-1 if match is None else match.file for match in matches], np.int64)
        self._order.append(files)
        if self._learn is not None:
            self._learn(images, files)
        for level, match in zip(levels, matches, strict=True):
            if match is not None:
                self._pixels.add(level, match)
        self._identities.check_so_far()

    def finish(self) -> None:
        """Check what only many images show."""
        if self._learn is None:
            self._identities.check_part()
        else:
            self._identities.check(self._spec.batch_size)
        self._pixels.check()

    def lines_to_add(self) -> str:
        """Say how to declare what the last batch is, if that is not as declared."""
        if not isinstance(self._last, (tuple, list)) or len(self._last) != 2:
            return ""
        images, labels = map(np.asarray, self._last)
        return lines_to_add(
            images,
            labels,
            len(self._tree.class_names),
            self._spec,
            self._declared,
            lambda levels: self._identities.knows(pooled(levels)),
        )

    def result(self, reason: str | None) -> SameWork:
        """Return the figures with the reason."""
        order = np.concatenate(self._order) if self._order else np.empty(0, np.int64)
        found = same_work(reason, self._batches.images, self._pixels.best(), order)
        return replace(found, not_told_apart=self._identities.not_told_apart)


def same_work(reason: str | None, images: int, compared: Compared | None, order: Ints) -> SameWork:
    """Return what the check of an epoch found; see `SameWork`.

    Args:
        reason: What differs, if anything does.
        images: Images that came.
        compared: How those are to the reference whose pixels were compared; None if none were.
        order: Which files came.
    """
    if compared is None:
        return SameWork(reason, images, None, 0, None, None, order=order)
    lowest, median = _lowest_and_median(compared.psnr, 2) or (None, None)
    return SameWork(
        reason=reason,
        images=images,
        interpolation=compared.interpolation,
        compared=len(compared.psnr),
        lowest_psnr=lowest,
        median_psnr=median,
        detail=_lowest_and_median(compared.detail, 3),
        chroma=_lowest_and_median(compared.chroma, 3),
        order=order,
    )


def _lowest_and_median(values: Floats, digits: int) -> tuple[float, float] | None:
    """Return both, rounded, of those that are known."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    return round(float(known.min()), digits), round(float(np.median(known)), digits)
