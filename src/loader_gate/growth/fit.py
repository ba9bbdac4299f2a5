"""Exponents: how each figure grows with the number of images, of a power law that is fitted to its samples.

If cost = a images^b, log cost is a line over log images, whose slope b is fitted with least squares. Its
interval is Student's, of the residuals: what noise does, and what is no power law at all, both widen it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from loader_gate.growth.figures import FIGURES, Figure, Sample
from loader_gate.statistics.amdahl import Figure as Interval
from loader_gate.statistics.estimate import t_quantile
from loader_gate.statistics.sequences import ERROR

#: An exponent that is larger by no more than this is taken for that of linear growth.
LINEAR_WITHIN = 0.05

Answer = Literal["yes", "no", "not told"]


@dataclass(frozen=True)
class Growth:
    """How one figure of one variant, or of the suite, grows.

    Attributes:
        figure: What it is.
        subject: The variant and its workload; empty for the suite itself.
        middles: The median of what was measured at each size, by size, ascending.
        exponent: The exponent and its 95 % interval, which is infinite where there are too few samples; None
            where there are not two sizes.
    """

    figure: Figure
    subject: str
    middles: tuple[tuple[int, float], ...]
    exponent: Interval | None

    @property
    def is_worse(self) -> Answer:
        """Return whether it costs more than in proportion to the images, by more than `LINEAR_WITHIN`."""
        if self.exponent is None:
            return "not told"
        low, high = self.exponent.low - self.figure.linear, self.exponent.high - self.figure.linear
        if self.figure.is_rate:
            low, high = -high, -low
        return _above(low, high, LINEAR_WITHIN)

    @property
    def is_as_wanted(self) -> Answer:
        """Return whether it grows no faster than the suite wants; a rate is to be the same at every size."""
        if self.exponent is None or self.figure.wanted is None or not math.isfinite(self.exponent.high):
            return "not told"
        if self.figure.is_rate:
            return "yes" if self.exponent.low <= self.figure.wanted <= self.exponent.high else "no"
        above = _above(self.exponent.low, self.exponent.high, self.figure.wanted)
        return "yes" if above == "no" else "no" if above == "yes" else "not told"


def growth_of(samples: Sequence[Sample]) -> list[Growth]:
    """Return how each figure grows: the suite's own first, then those of each variant.

    Args:
        samples: What was measured, in any order, at each size once or more.
    """
    subjects = sorted({each.subject for each in samples})
    found = []
    for subject in subjects:
        for figure in FIGURES:
            of_it = [each for each in samples if (each.subject, each.figure) == (subject, figure)]
            if of_it:
                sizes = sorted({each.images for each in of_it})
                middles = tuple(
                    (size, median(each.value for each in of_it if each.images == size)) for size in sizes
                )
                found.append(Growth(of_it[0].figure, subject, middles, exponent_of(of_it)))
    return found


def exponent_of(samples: Sequence[Sample]) -> Interval | None:
    """Return the exponent of a power law over the number of images; None where there are not two sizes.

    Args:
        samples: Of one figure and one subject.
    """
    across = [math.log(each.images) for each in samples]
    up = [math.log(each.value) for each in samples]
    if len({each.images for each in samples}) < 2:
        return None
    number = len(samples)
    middle, height = math.fsum(across) / number, math.fsum(up) / number
    spread = math.fsum((x - middle) ** 2 for x in across)
    slope = math.fsum((x - middle) * (y - height) for x, y in zip(across, up, strict=True)) / spread
    if number < 3:
        return Interval(slope, -math.inf, math.inf)
    residuals = math.fsum((y - height - slope * (x - middle)) ** 2 for x, y in zip(across, up, strict=True))
    half = t_quantile(1 - ERROR / 2, number - 2) * math.sqrt(residuals / (number - 2) / spread)
    return Interval(slope, slope - half, slope + half)


def _above(low: float, high: float, limit: float) -> Answer:
    """Return whether what lies between two ends is above a limit."""
    return "yes" if low > limit else "no" if high <= limit else "not told"
