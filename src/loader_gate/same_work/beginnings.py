"""Whether parts of epochs are samples of all images: each begins with images that chance has drawn anew.

A pass that is a part of an epoch stands for the whole only if its images do. Those of a loader that shuffles
all files do; one that reads in the order of files, or through a small buffer, begins every epoch with the
same images, and so would one that keeps what its epochs begin with.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from loader_gate.same_work.order import CHANCE

if TYPE_CHECKING:
    from loader_gate.same_work.reference import Ints

#: Each part is held against so many of the first ones, and of the last.
FIRST_KEPT, LAST_KEPT = 4, 4
#: How many comparisons a session has at most, about: they share one error.
_COMPARISONS = 10_000


class Beginnings:
    """The parts of epochs that one loader has delivered."""

    def __init__(self) -> None:
        """Begin with none."""
        self._first: list[Ints] = []
        self._last: deque[Ints] = deque(maxlen=LAST_KEPT)

    def problem(self, came: Ints, groups: Ints, *, shuffle: bool) -> str | None:
        """Remember a part; return what tells that it is no sample of all images, if anything does.

        Args:
            came: ``(images,)``, the position in the tree of each image of the part; -1 if that is not known.
            groups: ``(all images,)``, a number for each file of the tree that it shares with those that it
                cannot be told apart from.
            shuffle: Whether each epoch should come in a new order.
        """
        if not shuffle:
            return "Its passes are parts of epochs in the order of the files: they have the first files only."
        now = came[came >= 0]
        found = [(common(now, each, groups), each) for each in chain(self._first, self._last)]
        if len(self._first) < FIRST_KEPT:
            self._first.append(now)
        else:
            self._last.append(now)
        for (same, expected), each in found:
            if same > most_by_chance(expected):
                return (
                    f"Its passes are parts of epochs, and two of {len(now):,} and {len(each):,} images have "
                    f"{same:,} in common, expected about {expected:,.0f} of {len(groups):,} by chance: they "
                    "are no samples of all images. Shuffle all files anew for each epoch, or let whole ones "
                    "be timed (a larger --budget, or fewer --tree-images)."
                )
        return None


def common(one: Ints, other: Ints, groups: Ints) -> tuple[int, float]:
    """Return how many groups two parts have in common, and how many they would have by chance.

    Args:
        one: Positions in the tree.
        other: Those of another part.
        groups: As in `Beginnings.problem`.
    """
    same = len(np.intersect1d(groups[one], groups[other]))
    sizes = np.bincount(groups)
    # In a part of n images of N, a group of s files is missing with about the chance (1 - n / N) ** s.
    chances = [1 - (1 - len(part) / len(groups)) ** sizes for part in (one, other)]
    return same, float((chances[0] * chances[1]).sum())


def most_by_chance(expected: float) -> float:
    """Return how many groups honest parts hardly ever have more of in common than so.

    By Bernstein's inequality, which holds for draws without replacement, too: these are negatively associated
    (Joag-Dev and Proschan, "Negative Association of Random Variables", 1983).
    """
    surely = math.log(_COMPARISONS / CHANCE)
    return expected + surely / 3 + math.sqrt(surely**2 / 9 + 2 * surely * expected)
