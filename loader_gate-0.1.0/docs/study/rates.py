"""Shares and quantiles with their intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ERROR = 0.05


@dataclass(frozen=True)
class Rate:
    """How many of how many; with the interval of Clopper and Pearson, which misses in at most 5 %.

    Attributes:
        count: How many.
        of: Of how many.
    """

    count: int
    of: int

    @property
    def share(self) -> float:
        """Return the share, or NaN of nothing."""
        return self.count / self.of if self.of else math.nan

    @property
    def low(self) -> float:
        """Return the lower end of the interval."""
        from scipy.special import betaincinv

        if self.count == 0:
            return 0.0
        return float(betaincinv(self.count, self.of - self.count + 1, ERROR / 2))

    @property
    def high(self) -> float:
        """Return the upper end of the interval."""
        from scipy.special import betaincinv

        if self.count == self.of:
            return 1.0
        return float(betaincinv(self.count + 1, self.of - self.count, 1 - ERROR / 2))

    def __str__(self) -> str:
        """Return it as people read it: "0.40 % (0.21 to 0.70)"."""
        if not self.of:
            return "–"
        decimals = 1 if 0.1 <= self.share <= 0.9 else 2
        share, low, high = (f"{100 * value:.{decimals}f}" for value in (self.share, self.low, self.high))
        return f"{share} % ({low} to {high})"


@dataclass(frozen=True)
class Quantile:
    """A quantile of a sample, with an interval that assumes no distribution: order statistics."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it as people read it: "21.4 (20.9 to 22.0)"."""
        return f"{self.value:.1f} ({self.low:.1f} to {self.high:.1f})"


def quantile(values: Sequence[float], share: float) -> Quantile:
    """Return a quantile of a sample, and its interval; the ends of the sample where there is too little.

    Args:
        values: The sample, in any order.
        share: Such as 0.5 for the median.

    Raises:
        ValueError: The sample is empty.
    """
    if not values:
        raise ValueError("no value to take a quantile of")
    ordered = sorted(values)
    count = len(ordered)
    below = _ranks_below(count, share)
    above = _ranks_below(count, 1 - share)
    low = ordered[below - 1] if below else ordered[0]
    high = ordered[count - above] if above else ordered[-1]
    return Quantile(ordered[max(0, math.ceil(share * count) - 1)], low, high)


def _ranks_below(count: int, share: float) -> int:
    """Return the rank that is above the quantile with at most half the error; 0 if even the first one is."""
    from scipy.special import bdtr

    low, high = 0, count
    while low < high:
        middle = (low + high + 1) // 2
        if bdtr(middle - 1, count, share) <= ERROR / 2:
            low = middle
        else:
            high = middle - 1
    return low
