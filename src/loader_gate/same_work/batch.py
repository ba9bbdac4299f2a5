"""What every batch of an epoch must be: shape, type, size, range, labels."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loader_gate.same_work.words import DifferenceError

if TYPE_CHECKING:
    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.same_work.reference import Ints
    from loader_gate.trees.tree import Tree

Array = npt.NDArray[Any]


#: How far a cubic filter that is not clipped goes beyond black or white, of what is between them.
_OVERSHOOT = 0.20
#: In what share of values.
_MOST_OVERSHOOTING = 0.05


@functools.lru_cache(maxsize=8)
def _name(dtype: np.dtype[Any]) -> str:
    return str(dtype)  # slow


@functools.lru_cache(maxsize=1)
def _one_hot(classes: int) -> npt.NDArray[np.float32]:
    return np.eye(classes, dtype=np.float32)


class Batches:
    """The batches of one epoch, each checked by itself.

    Attributes:
        images: How many images have come.
        lowest: The lowest value of all.
        highest: The highest.
    """

    def __init__(self, tree: Tree, spec: Spec, declared: DeclaredOutput) -> None:
        """Expect batches of this tree and spec, as they are declared."""
        self._tree, self._spec, self._declared = tree, spec, declared
        self._shape = (*spec.image_size, 3)
        self._last_batch = spec.batch_size
        self._batch = self.images = 0
        self.highest, self.lowest = -math.inf, math.inf

    def add(self, batch: Any) -> tuple[Array, Ints]:
        """Return the images of a batch, and the class of each.

        Raises:
            DifferenceError: It is not what was asked for and declared.
        """
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            size = f" of {len(batch)}" if isinstance(batch, (tuple, list, dict)) else ""
            raise DifferenceError(
                f"Batch {self._batch + 1} is a {type(batch).__name__}{size}, "
                "expected a pair (images, labels)."
            )
        images, labels = np.asarray(batch[0]), np.asarray(batch[1])
        classes = self.add_form(images, labels)
        self.check_values(images)
        return images, classes

    def add_form(self, images: Array, labels: Array) -> Ints:
        """Check all of a batch but its pixels, which takes microseconds.

        Returns:
            The class of each image, ``(batch,)``.

        Raises:
            DifferenceError: It is not what was asked for and declared.
        """
        self._batch += 1
        self._check_form(images)
        self._check_size(len(images))
        return self._classes(labels, len(images))

    def _check_form(self, images: Array) -> None:
        if images.ndim != 4:
            raise DifferenceError(
                f"Images of batch {self._batch} have shape {images.shape}, {self._expected()}."
            )
        shape = self._declared.channels_last(images).shape[1:]
        if shape != self._shape:
            height, width, _ = self._shape
            hint = "."
            if images.shape[1:] == (3, height, width):
                hint = ": are the channels first?"
            elif images.shape[1:] == (height, width, 3):
                hint = ": are the channels last?"
            elif shape == (width, height, 3):
                hint = ": are height and width swapped?"
            elif shape[2] in (1, 4):
                hint = ": are they grey?" if shape[2] == 1 else ": is there an alpha channel?"
            raise DifferenceError(
                f"Images of batch {self._batch} have shape {images.shape}, {self._expected()}{hint}"
            )
        found, wanted = images.dtype, self._declared.dtype
        if _name(found) != wanted:
            raise DifferenceError(
                f"Images of batch {self._batch} are {found}, expected the declared {wanted}."
            )

    def _expected(self) -> str:
        return f"expected {self._declared.image_axes.format(*self._spec.image_size)}"

    def _check_size(self, size: int) -> None:
        wanted = self._spec.batch_size
        if self._last_batch < wanted and size:
            raise DifferenceError(
                f"Batch {self._batch - 1} has {self._last_batch} images and another follows, "
                f"expected {wanted}: only the last batch may be smaller."
            )
        if not 0 < size <= wanted:
            raise DifferenceError(f"Batch {self._batch} has {size} images, expected {wanted}.")
        self._last_batch = size
        self.images += size
        if self.images > len(self._tree):
            raise DifferenceError(
                f"The epoch did not end after the {len(self._tree)} images of the tree: "
                "does it repeat, or is its last batch filled up?"
            )

    def check_values(self, images: Array) -> None:
        """Check that values are finite and in the declared range.

        Raises:
            DifferenceError: They are not.
        """
        lowest, highest = float(images.min()), float(images.max())
        if not (math.isfinite(lowest) and math.isfinite(highest)):
            raise DifferenceError(
                f"Images of batch {self._batch} hold values that are not finite (NaN or infinity)."
            )
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        black, white = self._declared.bounds
        if self._is_outside(images, lowest, highest):
            hint = "."
            if 1.5 < highest < 256 and lowest >= 0:
                hint = ": are they 0 to 255, not divided by 255?"
            elif lowest < 0 <= black:
                hint = ": are they centred or standardised?"
            raise DifferenceError(
                f"Images of batch {self._batch} have values from {lowest:g} to {highest:g}, "
                f"expected {black:g} to {white:g}{hint}"
            )

    def _is_outside(self, images: Array, lowest: float, highest: float) -> bool:
        """Return whether values are outside, other than as a cubic filter makes them: few, and by little."""
        black, white = self._declared.bounds
        most, slack = _OVERSHOOT * (white - black), (white - black) / 255
        if lowest >= black - slack and highest <= white + slack:
            return False
        if lowest < black - most or highest > white + most:
            return True
        outside = np.count_nonzero((images < black - slack) | (images > white + slack))
        return bool(outside > _MOST_OVERSHOOTING * images.size)

    def _classes(self, labels: Array, size: int) -> Ints:
        """Return the ``(batch,)`` int64 classes of labels."""
        if self._declared.labels == "index":
            return self._indices(labels, size)
        classes = len(self._tree.class_names)
        if labels.shape != (size, classes):
            hint = "."
            if labels.ndim == 1 or labels.shape[1:] == (1,):
                hint = ": are they class numbers instead of one-hot?"
            elif labels.ndim == 2 and labels.shape[0] == size:
                hint = ": is a class missing or a background class added?"
            raise DifferenceError(
                f"Labels of batch {self._batch} have shape {labels.shape}, expected {(size, classes)}{hint}"
            )
        if labels.dtype != np.float32:
            raise DifferenceError(f"Labels of batch {self._batch} are {labels.dtype}, expected float32.")
        found: Ints = labels.argmax(axis=1)
        expected = _one_hot(classes).take(found, axis=0)
        # Bytes are compared faster, but 0 and -0 are the same number.
        if labels.tobytes() != expected.tobytes() and not np.array_equal(labels, expected):
            raise DifferenceError(
                f"Labels of batch {self._batch} are not one-hot: expected a single 1 a row, else 0."
            )
        return found

    def _indices(self, labels: Array, size: int) -> Ints:
        """Return the classes of labels that are their numbers."""
        if labels.shape not in ((size,), (size, 1)) or not np.issubdtype(labels.dtype, np.integer):
            raise DifferenceError(
                f"Labels of batch {self._batch} are {labels.dtype} of shape {labels.shape}, expected the "
                f"declared integers of shape ({size},) or ({size}, 1)."
            )
        found = self._declared.classes(labels)
        last = len(self._tree.class_names) - 1
        if not 0 <= found.min() <= found.max() <= last:
            raise DifferenceError(
                f"Labels of batch {self._batch} are from {found.min()} to {found.max()}, expected 0 to "
                f"{last}: are classes counted from 1, or is a background class added?"
            )
        return found
