"""A ratio of seconds and its interval, from the log-ratios of blocks.

A block is balanced (A B C … C B A), so that each variant runs twice, at the same mean time as the baseline,
and a slow drift of the machine cancels. The datum is a block, of a speedup as well as of a change: head and
base go on in fresh processes after each, so that it is a pair of processes, too. They run one right after the
other, in either order, so that a block has two log-ratios of them.

The intervals here assume that the data are independent. Slow drift cancels within a block and does no harm; a
state that lasts for several blocks and slows one side only would: ``blocks.py`` allows for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


#: The median absolute deviation of normal noise, times this, is its standard deviation.
TO_DEVIATION = 1.4826
#: The error of a figure that stands beside the one that decides when to stop, so that it is looked at once.
SINGLE_LOOK_ERROR = 0.001


@dataclass(frozen=True)
class Estimate:
    """A ratio of seconds, and how well it is known.

    Attributes:
        ratio: Of a speedup baseline seconds / variant seconds, of a change head seconds / base seconds: the
            exponential of Huber's M-estimate of log-ratios or, where it is said, of their mean.
        low: Lower end of the interval; 0 when there are too few blocks for one.
        high: Upper end of the interval; infinite when there are too few blocks for one.
        blocks: The number of blocks behind it.
    """

    ratio: float
    low: float
    high: float
    blocks: int

    @property
    def half_width(self) -> float:
        """Return half the interval as a share of the ratio, on the log scale: 0.05 is "within 5 %"."""
        return math.sqrt(self.high / self.low) - 1 if self.low > 0 else math.inf

    def times(self, factor: float) -> Estimate:
        """Return so many times the ratio, with an interval of the same width on the log scale."""
        return Estimate(factor * self.ratio, factor * self.low, factor * self.high, self.blocks)

    def widened(self, times: float) -> Estimate:
        """Return the same ratio with an interval that is so many times as wide on the log scale."""
        if self.low <= 0 or math.isinf(self.high):
            return self
        if math.isinf(times):
            return Estimate(self.ratio, 0.0, math.inf, self.blocks)
        mean = math.log(self.ratio)
        low, high = (exp_or_infinity(mean + times * (math.log(end) - mean)) for end in (self.low, self.high))
        return Estimate(self.ratio, low, high, self.blocks)


def log_ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Return the log-ratio of each block: the mean of its two of `pair_log_ratios`."""
    pairs = pair_log_ratios(above, below)
    return [(first + second) / 2 for first, second in zip(pairs[::2], pairs[1::2], strict=True)]


def pair_log_ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Return the log-ratios of pairs of passes, two a block, from the seconds of two sides' passes.

    Args:
        above: Seconds of the passes of one side, two a block, in order: of a speedup the baseline's, of a
            change head's.
        below: Seconds of the other side's.

    Raises:
        ValueError: The sides are not two passes a block each, or seconds are not positive and finite.
    """
    if len(above) != len(below) or len(above) % 2:
        raise ValueError(f"{len(above)} passes above and {len(below)} below: expected two a block of each")
    return [log_of_seconds(one) - log_of_seconds(other) for one, other in zip(above, below, strict=True)]


def estimate(log_ratios: Sequence[float], error: float, per_block: int = 1) -> Estimate:
    """Return the geometric mean and its interval from log-ratios that are looked at once.

    Fewer than two log-ratios give an interval from 0 to infinity.

    Args:
        log_ratios: One a block, or as many as said.
        error: The chance of a miss that the interval may have, both sides together.
        per_block: How many log-ratios there are of each block.

    Raises:
        ValueError: There is no log-ratio, or one is not finite.
    """
    blocks, count = count_blocks(log_ratios, per_block), len(log_ratios)
    mean = math.fsum(log_ratios) / count
    if count < 2:
        return Estimate(math.exp(mean), 0.0, math.inf, blocks)
    variance = math.fsum((ratio - mean) ** 2 for ratio in log_ratios) / (count - 1)
    half = t_quantile(1 - error / 2, count - 1) * math.sqrt(variance / count)
    return Estimate(math.exp(mean), math.exp(mean - half), exp_or_infinity(mean + half), blocks)


def count_blocks(log_ratios: Sequence[float], per_block: int) -> int:
    """Return how many blocks these log-ratios come from.

    Raises:
        ValueError: There is none, or one is not finite.
    """
    if not log_ratios:
        raise ValueError("no block to estimate a ratio from: expected at least one log-ratio")
    for index, ratio in enumerate(log_ratios):
        if not math.isfinite(ratio):
            raise ValueError(
                f"the log-ratio of block {index // per_block} is {ratio}: expected a finite number"
            )
    return len(log_ratios) // per_block


def log_of_seconds(seconds: float) -> float:
    """Return the logarithm of a pass's seconds.

    Raises:
        ValueError: They are not positive and finite.
    """
    if not 0 < seconds < math.inf:
        raise ValueError(f"a pass took {seconds} seconds: expected a positive, finite number")
    return math.log(seconds)


def t_quantile(probability: float, degrees: int) -> float:
    """Return a quantile of Student's t."""
    # Inside the function: SciPy takes a third of a second to import, and `pytest --help` needs none of it.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def exp_or_infinity(value: float) -> float:
    """Return the exponential, infinite where it overflows, as of two blocks that contradict each other."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
