"""Whether the boxes of epochs are drawn as ``--augment crop-flip`` asks: pure, and no pixel is looked at.

What an honest loader does by chance less often than once in 10^9 epochs counts as nothing that it has drawn.
Loaders draw in ways of their own: ``tf.image.sample_distorted_bounding_box`` draws the height of a box where
torchvision draws its area, so that small ones are more frequent. On pictures of 640x480, 500x375, 375x500 and
600x200 the share of boxes up to any size, or ratio, differs by less than 0.2 between the two, and up to any
place by less than 0.06 (``tests/test_boxes.py``). That of a part that is always the same differs by half.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from loader_gate.registry.boxes import AREA, RATIO, random_box
from loader_gate.same_work.order import CHANCE

if TYPE_CHECKING:
    import numpy.typing as npt

    from loader_gate.same_work.reference import Ints

#: By so much the share of boxes up to any size, or ratio, may differ from torchvision's, beyond chance.
OTHER_SHAPES = 0.3
#: The same of their places, from one side of what is left of a picture to the other.
OTHER_PLACES = 0.1
#: How far from a half the share of mirrored images may be, beyond chance.
OTHER_FLIPS = 0.05
#: The share of boxes that an honest loader may draw again in a picture of at least `LEAST_SIDE`.
DRAWN_AGAIN = 0.02
#: Of a picture with a shorter side, there are too few boxes to tell.
LEAST_SIDE = 64
# Of so many files it is remembered, for so many epochs, which boxes they had.
_REMEMBERED_FILES, _REMEMBERED_EPOCHS = 256, 64
# From so many boxes it is known how the sizes of those that torchvision draws are distributed.
_DRAWN = 4096
_CELLS = 64
# Where less is left of a picture beside a box, there is hardly a choice, and a place is none.
_LEAST_LEFT_OVER = _CELLS // 4


class Boxes:
    """The boxes of one loader, epoch after epoch."""

    def __init__(self, sizes: Ints, seed: int) -> None:
        """Begin with no epoch.

        Args:
            sizes: ``(images, 2)``, height and width of each file of the tree, in pixels.
            seed: Draws of which files it is remembered what boxes they had.
        """
        self._sizes = sizes
        random = np.random.default_rng(seed)
        large = np.flatnonzero(sizes.min(axis=1) >= LEAST_SIDE)
        self._remembered: Ints = random.permutation(large)[:_REMEMBERED_FILES]
        self._seen: set[tuple[int, ...]] = set()
        self._epochs = self._count = self._flipped = 0
        files = random.choice(len(sizes), _DRAWN)
        drawn = [(0, *random_box(rows, columns, random)) for rows, columns in sizes[files].tolist()]
        self._expected = _distributions(np.array(drawn, np.int64), sizes[files])
        self._found = {name: np.zeros(_CELLS) for name in self._expected}

    def form_problem(self, boxes: npt.NDArray[np.integer]) -> str | None:
        """Return one sentence if the rows of a batch are not boxes of files of the tree, None if they are.

        Args:
            boxes: ``(batch, 6)``: file, top, left, height, width, mirrored.
        """
        some = boxes.astype(np.int64)
        files, begin, length = some[:, 0], some[:, 1:3], some[:, 3:5]
        is_file = (files >= 0) & (files < len(self._sizes))
        sizes = self._sizes[np.where(is_file, files, 0)]
        is_within: npt.NDArray[np.bool_] = (begin >= 0) & (length > 0) & (begin + length <= sizes)
        is_inside = is_within[:, 0] & is_within[:, 1]
        is_box = is_file & is_inside & np.isin(some[:, 5], (0, 1))
        if is_box.all():
            return None
        bad = int(is_box.argmin())
        file, top, left, height, width, flipped = some[bad].tolist()
        rows, columns = sizes[bad].tolist()
        if not is_file[bad]:
            return f"a box is of file {file}, expected 0 to {len(self._sizes) - 1}: a position in tree.paths"
        if not is_inside[bad]:
            hint = "; height and width, or top and left, may be swapped" if rows != columns else ""
            return (
                f"a box has top {top}, left {left}, height {height} and width {width}, expected a part of "
                f"its file's {rows} rows and {columns} columns, in pixels{hint}"
            )
        return f"the last number of a box is {flipped}, expected 1 if it is mirrored, else 0"

    def problem(self, boxes: Ints) -> str | None:
        """Take the boxes of one whole epoch; return one sentence if they are not drawn as asked.

        Args:
            boxes: ``(images, 6)``, as in `form_problem`, each file once, in any order.
        """
        sizes = self._sizes[boxes[:, 0]]
        return self._outside(boxes, sizes) or self._not_random(boxes, sizes) or self._again(boxes)

    def _outside(self, boxes: Ints, sizes: Ints) -> str | None:
        """Return why a box is none that can be drawn: one along a whole side may be of a long picture."""
        height, width = boxes[:, 3], boxes[:, 4]
        along = (boxes[:, 3:5] == sizes).any(axis=1)
        # What is drawn is rounded to whole pixels.
        small = (height + 1) * (width + 1) < AREA[0] * sizes.prod(axis=1)
        narrow = width + 1 < RATIO[0] * (height - 1)
        wide = (width - 1) / (height + 1) > RATIO[1]
        bad = np.flatnonzero((small | narrow | wide) & ~along)
        if not len(bad):
            return None
        (rows, columns), (rows_of, columns_of) = boxes[bad[0], 3:5].tolist(), sizes[bad[0]].tolist()
        return (
            f"{len(bad)} of {len(boxes)} boxes have another size than spec.augment asks for, such as {rows} "
            f"rows and {columns} columns of {rows_of} and {columns_of}: expected 8 to 100 % of the area, and "
            "a width of 3/4 to 4/3 of the height"
        )

    def _not_random(self, boxes: Ints, sizes: Ints) -> str | None:
        """Return why the boxes of all epochs so far are not drawn at random."""
        self._count += len(boxes)
        self._flipped += int(boxes[:, 5].sum())
        mirrored = self._flipped / self._count
        by_chance = _by_chance(self._count)
        if abs(mirrored - 0.5) > OTHER_FLIPS + by_chance:
            return f"{mirrored:.0%} of {self._count:,} images are mirrored, expected about half"
        for name, found in _distributions(boxes, sizes).items():
            self._found[name] += found
        for name, furthest in self.distances().items():
            allowed = OTHER_SHAPES if name in ("area", "ratio") else OTHER_PLACES
            # What they are held against is drawn, too.
            slack = _by_chance(int(self._found[name].sum())) + _by_chance(int(self._expected[name].sum()))
            if furthest > allowed + slack:
                what = {
                    "area": "their share of the picture's area",
                    "ratio": "their ratio of width to height",
                }
                told = what.get(name, f"where they lie in the picture ({name})")
                return (
                    f"boxes are not drawn at random: {told} is distributed in another way (Kolmogorov-"
                    f"Smirnov distance {furthest:.2f} over {self._count:,} images, expected "
                    f"{allowed + slack:.2f} or less); it may always be the same part"
                )
        return None

    def distances(self) -> dict[str, float]:
        """Return how far the boxes of all epochs so far are from torchvision's, from 0 to 1.

        It is the Kolmogorov-Smirnov distance of their ``area`` and ``ratio``, and of where they lie ``down``
        and ``across`` the picture; 0 where there is none to tell of.
        """
        found = {}
        for name, expected in self._expected.items():
            both = (self._found[name], expected)
            shares = [each.cumsum() / max(each.sum(), 1) for each in both]
            is_told = min(each.sum() for each in both) > 0
            found[name] = float(np.abs(shares[0] - shares[1]).max()) if is_told else 0.0
        return found

    def _again(self, boxes: Ints) -> str | None:
        """Return that boxes of an earlier epoch came again, if they did."""
        of_file = np.empty(len(self._sizes), np.int64)
        of_file[boxes[:, 0]] = np.arange(len(boxes))
        own = boxes[of_file[self._remembered]]
        # The middle of a long picture is all that there is of it.
        is_along = (own[:, 3:5] == self._sizes[self._remembered]).any(axis=1)
        told = [tuple(box) for box in own[~is_along].tolist()]
        again = sum(box in self._seen for box in told)
        if self._epochs < _REMEMBERED_EPOCHS:
            self._seen.update(told)
        self._epochs += 1
        if again and _tail(again, len(told), DRAWN_AGAIN) < CHANCE:
            return (
                f"{again} of {len(told)} boxes looked at are those of the same file in an earlier epoch: "
                "draw them anew each epoch"
            )
        return None


def _by_chance(count: int) -> float:
    """Return how far the shares of so many that are drawn may be off (Dvoretzky, Kiefer, Wolfowitz)."""
    return math.sqrt(math.log(2 / CHANCE) / (2 * max(count, 1)))


def _tail(least: int, count: int, share: float) -> float:
    """Return how likely at least so many of ``count`` are, each of them with such a share."""
    return sum(
        math.comb(count, each) * share**each * (1 - share) ** (count - each)
        for each in range(least, count + 1)
    )


def _distributions(boxes: Ints, sizes: Ints) -> dict[str, Ints]:
    """Return how many boxes are in each cell of what is looked at, by name."""
    height, width = boxes[:, 3], boxes[:, 4]
    left_over = sizes - boxes[:, 3:5]
    values: dict[str, tuple[npt.NDArray[np.float64], float, float]] = {
        "area": (height * width / sizes.prod(axis=1), 0.0, 1.0),
        "ratio": (np.log(width / height), 1.5 * math.log(RATIO[0]), 1.5 * math.log(RATIO[1])),
    }
    for axis, name in enumerate(("down", "across")):
        free = left_over[:, axis] >= _LEAST_LEFT_OVER
        place = (boxes[free, 1 + axis] + 0.5) / (left_over[free, axis] + 1)
        values[name] = place, 0.0, 1.0
    return {
        name: np.histogram(np.clip(value, low, high), _CELLS, (low, high))[0]
        for name, (value, low, high) in values.items()
    }
