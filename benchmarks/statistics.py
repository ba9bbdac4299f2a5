"""From the seconds of paired passes to a speedup with an interval; and how long and how often to time.

The datum is a block: balanced passes (A B C … C B A), so that each variant runs twice, at the same mean
time as the baseline, and a slow drift of the machine cancels. A block gives one log-ratio a variant; the
log-ratios of a session give an interval by Student's t.

A verdict may be taken at the block counts in `LOOKS` and at no others. Each look has its own share of the
error, `spent_at`, and the shares add up to `ERROR`: by the union bound, the chance that *any* interval of a
session misses the true speedup is at most `ERROR`, however much the looks depend on each other. Fixed looks
with an error share each are the idea of group-sequential trials (Lan and DeMets, "Discrete sequential
boundaries for clinical trials", Biometrika 70, 1983), without its use of the looks' joint distribution, which
would need normal noise.

What each interval does assume is that the log-ratios of different blocks are independent. Slow drift cancels
within a block and does no harm; a state that lasts for several blocks and slows one variant only would:
`docs/statistics.md` says by how much.

Estimator, looks and shares are chosen here and nowhere else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Block counts at which a verdict may be taken. Each is about 1.45 times the one before: a session ends at
#: most that much later than it could have, and the error is split into few shares.
LOOKS = (4, 6, 9, 13, 19, 28, 40)

#: The chance that any interval of one session's looks at one variant misses its true speedup.
ERROR = 0.05

#: Passes before the first timed one: caches fill and tf.data's autotuner settles.
FEWEST_WARMUP_PASSES = 2
MOST_WARMUP_PASSES = 6

#: A pass that is faster than all before it by more than this share says that warming up is not over.
WARMUP_GAIN = 0.10


@dataclass(frozen=True)
class Estimate:
    """How many times as fast as the baseline a variant is, and how well that is known.

    Attributes:
        speedup: Baseline seconds / variant seconds, the geometric mean over blocks.
        low: Lower end of the interval; 0 when there are too few blocks for one.
        high: Upper end of the interval; infinite when there are too few blocks for one.
        blocks: The number of blocks behind it.
    """

    speedup: float
    low: float
    high: float
    blocks: int

    @property
    def half_width(self) -> float:
        """Return half the interval as a share of the speedup, on the log scale: 0.05 is "within 5 %"."""
        return math.sqrt(self.high / self.low) - 1 if self.low > 0 else math.inf


def next_look(blocks: int) -> int | None:
    """Return the first look at `blocks` or more blocks, or None after the last look."""
    return next((look for look in LOOKS if look >= blocks), None)


def spent_at(look: int) -> float:
    """Return the share of `ERROR` that the interval at a look may spend, both sides together.

    In proportion to the blocks: an early look at few blocks decides what is far from its floor and needs
    little error for it; the late ones have to tell near things apart.

    Raises:
        ValueError: No verdict is taken at that number of blocks.
    """
    if look not in LOOKS:
        raise ValueError(f"{look} blocks is not a look: expected one of {LOOKS}")
    return ERROR * look / sum(LOOKS)


def block_log_ratio(baseline_seconds: Sequence[float], variant_seconds: Sequence[float]) -> float:
    """Return the log of a variant's speedup in one block, from the seconds of the block's passes.

    Raises:
        ValueError: A side has no passes, or seconds that are not positive and finite.
    """
    return _mean_log(baseline_seconds, "baseline") - _mean_log(variant_seconds, "variant")


def estimate(log_ratios: Sequence[float]) -> Estimate:
    """Return the speedup and its interval from the log-ratios of all blocks so far.

    Between two looks the interval has the share of the look to come: good for a progress bar, never for a
    verdict. Fewer than two blocks give an interval from 0 to infinity.

    Raises:
        ValueError: There is no log-ratio, or one is not finite.
    """
    blocks = len(log_ratios)
    if blocks == 0:
        raise ValueError("no block to estimate a speedup from: expected at least one log-ratio")
    for index, ratio in enumerate(log_ratios):
        if not math.isfinite(ratio):
            raise ValueError(f"the log-ratio of block {index} is {ratio}: expected a finite number")
    mean = math.fsum(log_ratios) / blocks
    if blocks == 1:
        return Estimate(math.exp(mean), 0.0, math.inf, blocks)
    variance = math.fsum((ratio - mean) ** 2 for ratio in log_ratios) / (blocks - 1)
    share = spent_at(next_look(blocks) or LOOKS[-1])
    half = _t_quantile(1 - share / 2, blocks - 1) * math.sqrt(variance / blocks)
    return Estimate(math.exp(mean), math.exp(mean - half), _exp(mean + half), blocks)


def control_estimate(first_passes: Sequence[float], last_passes: Sequence[float]) -> Estimate:
    """Return the baseline's "speedup" over itself, which is 1 unless the machine moves under the measurement.

    Args:
        first_passes: Seconds of the first of each block's two baseline passes.
        last_passes: Seconds of the second; an estimate above 1 says that it was the faster one.

    Raises:
        ValueError: The two differ in length, are empty, or hold seconds that are not positive and finite.
    """
    if len(first_passes) != len(last_passes):
        raise ValueError(
            f"{len(first_passes)} first passes and {len(last_passes)} last: expected one each a block"
        )
    return estimate(
        [block_log_ratio([first], [last]) for first, last in zip(first_passes, last_passes, strict=True)]
    )


def steady(passes_seconds: Sequence[float]) -> bool:
    """Return whether a worker is warm after these passes: the last is no longer a clear gain on the best.

    Always false before `FEWEST_WARMUP_PASSES` and true from `MOST_WARMUP_PASSES` on: a noisy machine may go
    on setting records by chance, and a little warmth left to come costs little.

    Raises:
        ValueError: Seconds are not positive and finite.
    """
    _mean_log(passes_seconds or [1.0], "warm-up")
    if len(passes_seconds) < FEWEST_WARMUP_PASSES:
        return False
    if len(passes_seconds) >= MOST_WARMUP_PASSES:
        return True
    *before, last = passes_seconds
    return last >= (1 - WARMUP_GAIN) * min(before)


def epochs_per_pass(epoch_seconds: float, shortest_pass_seconds: float = 0.25, most: int = 64) -> int:
    """Return how many epochs make a pass that is long enough to time.

    Args:
        epoch_seconds: Seconds of one warm epoch.
        shortest_pass_seconds: A shorter pass is mostly noise of the scheduler and of starting the iterator.
        most: The most epochs a pass may have, so that a block stays short.

    Raises:
        ValueError: `epoch_seconds` is not positive and finite.
    """
    _mean_log([epoch_seconds], "epoch")
    # Bounded before it is rounded: a tiny epoch makes a ratio that no int can hold.
    return max(1, math.ceil(min(shortest_pass_seconds / epoch_seconds, most)))


def _mean_log(seconds: Sequence[float], whose: str) -> float:
    if not seconds:
        raise ValueError(f"no {whose} passes: expected at least one")
    for index, value in enumerate(seconds):
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{whose} pass {index} took {value} seconds: expected a positive, finite number")
    return math.fsum(math.log(value) for value in seconds) / len(seconds)


def _t_quantile(probability: float, degrees: int) -> float:
    # Inside the function: SciPy takes a third of a second to import, and `pytest --help` needs none of it.
    from scipy.special import stdtrit

    return float(stdtrit(degrees, probability))


def _exp(value: float) -> float:
    # Two blocks that contradict each other wildly have an interval that overflows a float: it is unbounded.
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
