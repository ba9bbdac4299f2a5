"""Does a variant do the same work? One epoch of it against the reference decode, before anything is timed.

Every image has to come exactly once, with its label, in the shape, type and range the variant declares, and
with pixels near the reference. A loaded image is recognised by its mean-pooled grid of 8x8 cells
(see `recognition`), and where pixels are kept its peak signal-to-noise ratio (PSNR) is taken.

The limits lie between what honest loaders and wrong ones were measured to do at 224x224, on 120 photographs
and 50 drawn images with much fine texture. The distance over the grid is in grey levels of 255:

====================================================  ================  ======================================
loader                                                grid              PSNR, dB
====================================================  ================  ======================================
``bilinear``, TensorFlow's JPEG decoder               at most 1.6       40 or more; 35 if not fancy-upsampled
``nearest``, TensorFlow's decoder and resize          at most 1.6       24 or more; ties go to the other pixel
``area``: box, triangle, cubic, Lanczos, TensorFlow   at most 1.6       28 or more
``area``: DCT-scaled decode, then bilinear            at most 1.4       27 or more; 24 at 96x128
declared ``bilinear``, did ``nearest``                at most 1.8       lowest 22, median 25 to 31
declared ``area``, did ``nearest``                    at most 2.5       lowest 20, median 22 to 29
swapped red and blue, flipped, grey, cropped          medians 13 to 43  medians 11 to 23
====================================================  ================  ======================================
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loader_gate.registry.spec import Spec
from loader_gate.same_work.recognition import Match, Miscount, Recogniser
from loader_gate.same_work.reference import INTERPOLATIONS, Floats, Ints, Reference, pooled
from loader_gate.trees.tree import Tree

#: The lowest PSNR of an image to the reference of its interpolation, in dB.
PSNR_FLOOR = {"nearest": 22.0, "bilinear": 30.0, "area": 22.0}
#: The largest distance of a loaded image to its file, root mean square over the grid, in grey levels of 255.
CLOSE = 5.0
#: Files this close to a loaded image, or within twice the distance of the closest, might as well be the one.
ALIKE = 1.5
#: Of more files than this that all look alike, only the number of images is compared.
ALIKE_LIMIT = 2000
#: Images of an unknown file or a wrong label after which the rest is not looked at.
ENOUGH = 64
#: PSNR of equal images, in dB.
PSNR_EQUAL = 100.0

_FILES_NAMED = 3
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Declared:
    """What a variant says it delivers.

    Attributes:
        interpolation: One of `INTERPOLATIONS`; None takes the one that fits best.
        dtype: NumPy's name of the images' type.
        value_range: The values of black and white.
    """

    interpolation: str | None = None
    dtype: str = "float32"
    value_range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse what cannot be checked.

        Raises:
            ValueError: An unknown interpolation, or a range that is not one.
        """
        if self.interpolation not in (None, *INTERPOLATIONS):
            known = ", ".join(INTERPOLATIONS)
            raise ValueError(f"interpolation {self.interpolation!r} is unknown, expected one of {known}.")
        if not self.value_range[0] < self.value_range[1]:
            raise ValueError(f"value_range {self.value_range} is empty, expected (black, white).")


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
    """

    reason: str | None
    images: int
    interpolation: str | None
    compared: int
    lowest_psnr: float | None
    median_psnr: float | None


class EpochCount:
    """Counts images and labels of a pass while it is timed, at a few microseconds a batch."""

    def __init__(self) -> None:
        """Start at none."""
        self.images = 0
        self._labels: Any = 0

    def add(self, images: Any, labels: Any) -> None:
        """Count one batch.

        Args:
            images: ``(batch, height, width, 3)`` of any library.
            labels: ``(batch, classes)``, one-hot, of any library.
        """
        self.images += len(images)
        self._labels = self._labels + np.asarray(labels).sum(axis=0)

    def problem(self, tree: Tree) -> str | None:
        """Return one sentence if what came is not one epoch of the tree, None if it is."""
        if self.images != len(tree):
            return f"{self.images} images came, expected the {len(tree)} of the tree."
        expected = np.bincount(tree.labels, minlength=len(tree.class_names))
        if np.shape(self._labels) != expected.shape:
            return f"labels of shape {np.shape(self._labels)} came, expected {len(expected)} classes."
        for name, found, wanted in zip(tree.class_names, self._labels, expected, strict=True):
            if abs(found - wanted) > 0.5:
                return f"{found:.0f} images of class {name!r} came, expected {wanted}."
        return None


class _DifferenceError(Exception):
    """The variant does something else; the message is the reason."""


def check_epoch(
    batches: Iterable[Any], tree: Tree, spec: Spec, declared: Declared, reference: Reference
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

    Returns:
        What was found. Exceptions of the loader pass through.

    Raises:
        ValueError: The reference is one of another tree or size.
    """
    if (reference.digest, reference.image_size) != (tree.digest, tuple(spec.image_size)):
        raise ValueError(
            f"The reference is of another tree or size ({reference.image_size}): build it again."
        )
    epoch = _Epoch(tree, spec, declared, reference)
    reason = None
    try:
        for batch in batches:
            epoch.add(batch)
        epoch.finish()
    except _DifferenceError as difference:
        reason = str(difference)
    return epoch.result(reason)


class _Epoch:
    """One epoch on its way through the check."""

    def __init__(self, tree: Tree, spec: Spec, declared: Declared, reference: Reference) -> None:
        self._tree, self._spec, self._declared, self._reference = tree, spec, declared, reference
        self._names = (declared.interpolation,) if declared.interpolation else INTERPOLATIONS
        self._recogniser = Recogniser(
            reference, tree.labels, self._names, close=CLOSE, alike=ALIKE, alike_limit=ALIKE_LIMIT
        )
        self._last_batch = spec.batch_size
        self._batch = self._images = 0
        self._highest, self._lowest = -math.inf, math.inf
        self._unknown: list[Floats] = []
        self._relabelled: list[tuple[int, int]] = []
        self._psnr: list[tuple[float, ...]] = []
        self._poor: list[tuple[int, dict[str, float]]] = []

    # What can be told from one batch.

    def add(self, batch: Any) -> None:
        """Check one batch and remember what is needed at the end."""
        self._batch += 1
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            size = f" of {len(batch)}" if isinstance(batch, (tuple, list, dict)) else ""
            raise _DifferenceError(
                f"Batch {self._batch} is a {type(batch).__name__}{size}, expected a pair (images, labels)."
            )
        images, labels = np.asarray(batch[0]), np.asarray(batch[1])
        self._check_form(images)
        self._check_size(len(images))
        self._check_values(images)
        classes = self._classes(labels, len(images))
        black, white = self._declared.value_range
        levels = np.subtract(images, black, dtype=np.float32)
        levels *= 255 / (white - black)
        grids = pooled(levels)
        for row, match in enumerate(self._recogniser.add(grids, classes)):
            if match is None:
                self._unknown.append(grids[row])
            elif match.label_fits:
                self._compare(levels[row], match)
            else:
                self._relabelled.append((match.file, int(classes[row])))
        if len(self._unknown) + len(self._relabelled) >= ENOUGH:
            self._raise_unknown()

    def _check_form(self, images: Array) -> None:
        height, width = self._spec.image_size
        expected = f"expected (batch, {height}, {width}, 3)"
        if images.ndim != 4:
            raise _DifferenceError(f"Images of batch {self._batch} have shape {images.shape}, {expected}.")
        if images.shape[1:] != (height, width, 3):
            hint = ""
            if images.shape[1:] == (3, height, width):
                hint = ": are the channels first?"
            elif images.shape[1:] == (width, height, 3):
                hint = ": are height and width swapped?"
            elif images.shape[3] in (1, 4):
                hint = ": are they grey?" if images.shape[3] == 1 else ": is there an alpha channel?"
            raise _DifferenceError(
                f"Images of batch {self._batch} have shape {images.shape}, {expected}{hint or '.'}"
            )
        if str(images.dtype) != self._declared.dtype:
            found, wanted = images.dtype, self._declared.dtype
            raise _DifferenceError(
                f"Images of batch {self._batch} are {found}, expected the declared {wanted}."
            )

    def _check_size(self, size: int) -> None:
        wanted = self._spec.batch_size
        if self._last_batch < wanted and size:
            raise _DifferenceError(
                f"Batch {self._batch - 1} has {self._last_batch} images and another follows, "
                f"expected {wanted}: only the last batch may be smaller."
            )
        if not 0 < size <= wanted:
            raise _DifferenceError(f"Batch {self._batch} has {size} images, expected {wanted}.")
        self._last_batch = size
        self._images += size
        if self._images > len(self._tree):
            raise _DifferenceError(
                f"The epoch did not end after the {len(self._tree)} images of the tree: "
                "does it repeat, or is its last batch filled up?"
            )

    def _check_values(self, images: Array) -> None:
        lowest, highest = float(images.min()), float(images.max())
        if not (math.isfinite(lowest) and math.isfinite(highest)):
            raise _DifferenceError(
                f"Images of batch {self._batch} hold values that are not finite (NaN or infinity)."
            )
        self._lowest, self._highest = min(self._lowest, lowest), max(self._highest, highest)
        black, white = self._declared.value_range
        slack = (white - black) / 255
        if lowest < black - slack or highest > white + slack:
            hint = "."
            if 1.5 < highest < 256 and lowest >= 0:
                hint = ": are they 0 to 255, not divided by 255?"
            elif lowest < 0 <= black:
                hint = ": are they centred or standardised?"
            raise _DifferenceError(
                f"Images of batch {self._batch} have values from {lowest:g} to {highest:g}, "
                f"expected {black:g} to {white:g}{hint}"
            )

    def _classes(self, labels: Array, size: int) -> Ints:
        """Return the ``(batch,)`` int64 classes of one-hot labels."""
        classes = len(self._tree.class_names)
        if labels.shape != (size, classes):
            hint = "."
            if labels.ndim == 1 or labels.shape[1:] == (1,):
                hint = ": are they class numbers instead of one-hot?"
            elif labels.ndim == 2 and labels.shape[0] == size:
                hint = ": is a class missing or a background class added?"
            raise _DifferenceError(
                f"Labels of batch {self._batch} have shape {labels.shape}, expected {(size, classes)}{hint}"
            )
        if labels.dtype != np.float32:
            raise _DifferenceError(f"Labels of batch {self._batch} are {labels.dtype}, expected float32.")
        found: Ints = labels.argmax(axis=1)
        if not np.array_equal(labels, np.eye(classes, dtype=np.float32)[found]):
            raise _DifferenceError(
                f"Labels of batch {self._batch} are not one-hot: expected a single 1 a row, else 0."
            )
        return found

    def _compare(self, image: Floats, match: Match) -> None:
        """Take the PSNR of an image: the best if several files may be its own, none if one has no pixels."""
        rows = self._reference.pixel_row[match.pictures]
        if (rows < 0).any():
            return
        psnr = {name: self._best_psnr(image, name, rows) for name in self._names}
        self._psnr.append(tuple(psnr.values()))
        if all(value < PSNR_FLOOR[name] for name, value in psnr.items()) and len(self._poor) < ENOUGH:
            every = {name: self._best_psnr(image, name, rows) for name in INTERPOLATIONS}
            self._poor.append((match.file, every))

    def _best_psnr(self, image: Floats, name: str, rows: Ints) -> float:
        pixels = self._reference.pixels[name]
        return max(_psnr(image, pixels[row]) for row in rows[:4])

    # What can be told at the end.

    def finish(self) -> None:
        """Check what only a whole epoch shows."""
        self._raise_unknown()
        miscounts = self._recogniser.miscounts()
        missing = [one for one in miscounts if one.found < one.expected]
        extra = [one for one in miscounts if one.found > one.expected]
        if miscounts:
            parts = []
            if missing:
                number = sum(one.expected - one.found for one in missing)
                parts.append(f"{number} of {len(self._tree)} images are missing ({self._list(missing)})")
            if extra:
                number = sum(one.found - one.expected for one in extra)
                parts.append(f"{number} came too often ({self._list(extra)})")
            full, rest = divmod(len(self._tree), self._spec.batch_size)
            dropped = rest and not extra and self._images == full * self._spec.batch_size
            hint = ": is the last, smaller batch dropped?" if dropped else "."
            raise _DifferenceError(" and ".join(parts) + hint)
        self._raise_poor()

    def _raise_unknown(self) -> None:
        """Tell of images that are no file of the tree or have another label."""
        if self._unknown:
            least = self._recogniser.least_distance(self._unknown[0])
            raise _DifferenceError(
                f"{len(self._unknown)} of the first {self._images} images look like no file of the tree "
                f"(one is {least:.1f} grey levels from the closest, expected {CLOSE:.0f}): {self._hint()}"
            )
        if self._relabelled:
            names, labels = self._tree.class_names, self._tree.labels
            told = ", ".join(
                f"{self._file(position)} came as {names[label]!r}, expected {names[labels[position]]!r}"
                for position, label in self._relabelled[:_FILES_NAMED]
            )
            pairs = {(labels[position], label) for position, label in self._relabelled}
            many = 2 * len(self._relabelled) > self._images
            renumbered = many and len(pairs) == len({wanted for wanted, _ in pairs})
            hint = ": are the classes numbered in sorted order?" if renumbered else "."
            count = len(self._relabelled)
            raise _DifferenceError(
                f"{count} of the first {self._images} images have a wrong label ({told}){hint}"
            )

    def _hint(self) -> str:
        """Say what may have been done to the images that were not recognised."""
        black, white = self._declared.value_range
        if self._highest <= black + (white - black) * 1.001 / 255:
            return f"no value is above {self._highest:.4g}, were they scaled down twice?"
        if black < 0 and self._lowest >= 0:
            return f"no value is below 0, are they not in the declared range of {black:g} to {white:g}?"
        grids = np.stack(self._unknown)
        if float(np.ptp(grids, axis=3).max()) < 1:
            return "they are grey, expected colour."
        changes = {
            "red and blue are swapped, expected RGB.": grids[..., ::-1],
            "they are mirrored, left to right.": grids[:, :, ::-1],
            "they are upside down.": grids[:, ::-1],
            "they are turned by half, was EXIF orientation applied?": grids[:, ::-1, ::-1],
        }
        if grids.shape[1] == grids.shape[2]:
            changes["height and width are transposed."] = grids.swapaxes(1, 2)
            for turns in (1, 3):
                hint = f"they are turned by {90 * turns} degrees, was EXIF orientation applied?"
                changes[hint] = np.rot90(grids, turns, (1, 2))
        for hint, changed in changes.items():
            if 2 * sum(len(pictures) > 0 for pictures, _ in self._recogniser.near(changed)) > len(grids):
                return hint
        return "are they cropped, padded, augmented or scaled in another way?"

    def _raise_poor(self) -> None:
        """Tell of images whose pixels are too far from the reference."""
        name, psnr = self._best()
        if name is None or psnr.min() >= PSNR_FLOOR[name]:
            return
        position, others = min(self._poor, key=lambda poor: poor[1][name], default=(None, {}))
        fits = [
            other
            for other in INTERPOLATIONS
            if other != name and all(poor[other] >= PSNR_FLOOR["bilinear"] for _, poor in self._poor)
        ]
        file = "" if position is None else f", {self._file(position)} the most"
        hint = f": is it {fits[0]!r}, at {others[fits[0]]:.1f} dB?" if fits and others else "."
        floor = PSNR_FLOOR[name]
        raise _DifferenceError(
            f"Pixels of {int((psnr < floor).sum())} of {len(psnr)} compared images differ from the reference "
            f"for {name!r}{file}: {psnr.min():.1f} dB, expected {floor:.0f} or more{hint}"
        )

    def _best(self) -> tuple[str | None, Floats]:
        """Return the interpolation with the most to spare, and each compared image's PSNR to it."""
        if not self._psnr:
            return None, np.empty(0, np.float32)
        psnr = np.asarray(self._psnr, np.float32)
        spare = [psnr[:, column].min() - PSNR_FLOOR[name] for column, name in enumerate(self._names)]
        best = int(np.argmax(spare))
        return self._names[best], psnr[:, best]

    def _list(self, miscounts: list[Miscount]) -> str:
        told = []
        for one in miscounts[:_FILES_NAMED]:
            absent = (one.found, one.expected) == (0, 1)
            copies = "" if absent else f" {one.found} times, expected {one.expected}"
            told.append(f"{self._file(one.file)}{copies}")
        return ", ".join(told) + (", ..." if len(miscounts) > _FILES_NAMED else "")

    def _file(self, position: int) -> str:
        path, root = self._tree.paths[position], f"{self._tree.root}"
        return path[len(root) :].lstrip("/\\") if path.startswith(root) else path

    def result(self, reason: str | None) -> SameWork:
        """Return the figures with the reason."""
        name, psnr = self._best()
        compared = len(psnr)
        return SameWork(
            reason=reason,
            images=self._images,
            interpolation=name,
            compared=compared,
            lowest_psnr=round(float(psnr.min()), 2) if compared else None,
            median_psnr=round(float(np.median(psnr)), 2) if compared else None,
        )


def _psnr(image: Floats, pixels: npt.NDArray[np.uint8]) -> float:
    """Return the PSNR of an image in 0 to 255 to reference pixels, in dB."""
    difference = (image - pixels).ravel()
    error = float(np.einsum("i,i", difference, difference)) / difference.size
    return PSNR_EQUAL if error < 255**2 / 10 ** (PSNR_EQUAL / 10) else 10 * math.log10(255**2 / error)
