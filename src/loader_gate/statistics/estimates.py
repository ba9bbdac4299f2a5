"""From the seconds of paired passes to a ratio with an interval; and how long and how often to time.

A block is balanced (A B C … C B A), so that each variant runs twice, at the same mean time as the baseline,
and a slow drift of the machine cancels. For a speedup the datum is a block: one log-ratio each. Head and base
run side by side, in either order, so that their two pairs of passes in a block are two data.

A verdict may be taken after every block from the fourth on, whenever it is clear. The intervals for that are
confidence sequences: the chance that *any* interval of a session misses the true ratio is at most the error,
however often it is looked at and for whatever reason measuring stops.

- Of a speedup, `estimate_at_any_look` inverts the t-test that mixes over the size of the effect (Wang and
  Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance", 2023).
- Of a change, `robust_estimate_at_any_look` does not take noise for normal, but for symmetric, as it is if
  both sides run the same code; who goes first is drawn, so that this favours neither. A pass that is far off
  has a bounded say.

Where there is room for few blocks only, nothing is gained by looking early: they are looked at once, at the
end, by Student's t.

What each interval does assume is that the data are independent. Slow drift cancels within a block and does no
harm; a state that lasts for several blocks and slows one variant only would: `docs/statistics.md` says by how
much.

Estimator, looks and errors are chosen here and nowhere else, by the table that ``tox run -e study`` makes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

#: A verdict takes at least so many blocks, and no variant is measured for more than so many.
FEWEST_BLOCKS = 4
MOST_BLOCKS = 150

#: Where the budget has room for fewer blocks, they are looked at once.
FEWEST_TO_LOOK_EARLY = 12

#: The chance that any interval of one session's looks at one variant misses its true ratio. This interval is
#: the one that is shown, and may pass.
ERROR = 0.05
#: The same of the intervals by which a speedup or the seconds of a change may fail: it takes more to be sure
#: of that, as blocks of a speedup resemble their neighbours, and as most commits change no loader.
FAILING_ERROR = 0.005
#: Of the mixture over sizes of effects: that of so many data, or a little more, is told apart best.
MIXED_OVER = 4.0
#: The same for robust estimates, in squared scores: of a datum that is at most 1, and about a half.
SCORES_MIXED_OVER = 2.0
#: Of a robust estimate: further off than so many deviations (`TO_DEVIATION`), a datum has no more say.
CLIPPED_AT = 1.0
#: The median absolute deviation of normal noise, times this, is its standard deviation.
TO_DEVIATION = 1.4826
#: The least standard deviation, on the log scale: made-up passes may agree exactly.
LEAST_DEVIATION = 1e-9
#: How well ends and middles are found, as a share of that bound: far better than anything is known.
ROOT_TOLERANCE = 1e-6

#: The error of an interval that is looked at only once, beside the one that decides when to stop.
SINGLE_LOOK_ERROR = 0.001

#: A block is contaminated if its two baseline passes differ by so many times what they usually do, and by
#: at least this much (on the log scale): normal noise hardly ever does that.
CONTAMINATED_TIMES = 5.0
CONTAMINATED_LEAST = 0.10

#: Passes before the first timed one: caches fill and tf.data's autotuner settles.
FEWEST_WARMUP_PASSES = 2
MOST_WARMUP_PASSES = 6

#: A pass that is faster than all before it by more than this share says that warming up is not over.
WARMUP_GAIN = 0.10


@dataclass(frozen=True)
class Estimate:
    """A ratio of seconds, and how well it is known.

    Attributes:
        ratio: Of a speedup the geometric mean of baseline seconds / variant seconds; of a change Huber's
            M-estimate of head seconds / base seconds.
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

    def widened(self, times: float) -> Estimate:
        """Return the same ratio with an interval that is so many times as wide on the log scale."""
        if self.low <= 0 or math.isinf(self.high):
            return self
        if math.isinf(times):
            return Estimate(self.ratio, 0.0, math.inf, self.blocks)
        mean = math.log(self.ratio)
        low, high = (_exp(mean + times * (math.log(end) - mean)) for end in (self.low, self.high))
        return Estimate(self.ratio, low, high, self.blocks)


@dataclass(frozen=True)
class Control:
    """What the two baseline passes of every block say of the machine.

    Attributes:
        estimate: The baseline over itself, which is 1 unless the machine moves under the measurement; of all
            blocks that are not contaminated. Above 1, second passes were the faster ones.
        contaminated: Indices of blocks whose two baseline passes differ far more than they usually do.
        moved: Whether the estimate has left 1 by more than chance allows.
    """

    estimate: Estimate
    contaminated: tuple[int, ...]
    moved: bool


def planned_blocks(budget_seconds: float, block_seconds: float, most: int = MOST_BLOCKS) -> int:
    """Return how many blocks a variant may be measured for: one always is, and never more than the most.

    It is fixed by the seconds of the first block, before anything is known of a ratio.
    """
    return max(1, int(min(budget_seconds / block_seconds, most)))


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
    return [_log(one) - _log(other) for one, other in zip(above, below, strict=True)]


def estimate(log_ratios: Sequence[float], error: float, per_block: int = 1) -> Estimate:
    """Return the ratio and its interval from the log-ratios of blocks that are looked at once.

    Fewer than two log-ratios give an interval from 0 to infinity.

    Args:
        log_ratios: One a block, or as many as said.
        error: The chance of a miss that the interval may have, both sides together.
        per_block: How many log-ratios there are of each block.

    Raises:
        ValueError: There is no log-ratio, or one is not finite.
    """
    return _estimate(log_ratios, per_block, lambda count: _t_quantile(1 - error / 2, count - 1))


def estimate_at_any_look(log_ratios: Sequence[float], error: float, per_block: int = 1) -> Estimate:
    """Return the ratio and its interval; of all that a session looks at, none misses but with this error.

    A handful of log-ratios give an interval from 0 to infinity.

    Args:
        log_ratios: One a block, or as many as said.
        error: The chance that any interval of a session misses, both sides and all looks together.
        per_block: How many log-ratios there are of each block.

    Raises:
        ValueError: There is no log-ratio, or one is not finite.
    """
    return _estimate(log_ratios, per_block, lambda count: _t_bound(error, count))


def robust_estimate_at_any_look(log_ratios: Sequence[float], error: float, per_block: int = 1) -> Estimate:
    """Return the same from independent noise of any shape, as long as it is symmetric.

    The ratio is the mean of `clipped`. The interval holds the ratios against which the scores (how far
    off data are, up to a bound) do not add up to more than chance allows: where noise is symmetric, the
    square of their sum outgrows the sum of their squares with a known chance only (de la Peña's
    supermartingale with a normal mixture, as in Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform,
    nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49, 2021). The bound is taken
    from all data so far, which theory does not cover; simulations of many noises do.

    A handful of log-ratios give an interval from 0 to infinity.

    Args:
        log_ratios: One a block, or as many as said.
        error: The chance that any interval of a session misses, both sides and all looks together.
        per_block: How many log-ratios there are of each block.

    Raises:
        ValueError: There is no log-ratio, or one is not finite.
    """
    # Inside functions: SciPy takes a third of a second to import, and `pytest --help` needs none of it.
    import numpy as np
    from scipy.optimize import brentq

    blocks = _check(log_ratios, per_block)
    data = np.asarray(log_ratios, dtype=float)
    middle, bound = _middle(log_ratios)

    def beyond_chance(ratio: float) -> float:
        scores = _scores(data, ratio, bound)
        mixed = float(scores @ scores) + SCORES_MIXED_OVER
        allowed = mixed * (math.log(mixed / SCORES_MIXED_OVER) + 2 * math.log(1 / error))
        return float(scores.sum()) ** 2 - allowed

    reach = float(np.abs(data - middle).max()) + bound  # beyond all data
    if beyond_chance(middle + reach) <= 0:
        return Estimate(math.exp(middle), 0.0, math.inf, blocks)
    low, high = (
        float(brentq(beyond_chance, middle, middle + side * reach, xtol=ROOT_TOLERANCE * bound))
        for side in (-1, 1)
    )
    return Estimate(math.exp(middle), math.exp(low), _exp(high), blocks)


def clipped(log_ratios: Sequence[float]) -> list[float]:
    """Return the log-ratios, with those that are far off brought in; their mean is Huber's M-estimate.

    See Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.
    """
    middle, bound = _middle(log_ratios)
    return [min(max(ratio, middle - bound), middle + bound) for ratio in log_ratios]


def _middle(log_ratios: Sequence[float]) -> tuple[float, float]:
    """Return Huber's M-estimate, and how far from it a datum is far off."""
    import numpy as np
    from scipy.optimize import brentq

    data = np.asarray(log_ratios, dtype=float)
    median = float(np.median(data))
    deviation = TO_DEVIATION * float(np.median(np.abs(data - median)))
    bound = CLIPPED_AT * max(deviation, LEAST_DEVIATION)

    def sum_of_scores(ratio: float) -> float:
        return float(_scores(data, ratio, bound).sum())

    ends = (float(data.min()) - bound, float(data.max()) + bound)
    return float(brentq(sum_of_scores, *ends, xtol=ROOT_TOLERANCE * bound)), bound


def _scores(data: NDArray[np.float64], ratio: float, bound: float) -> NDArray[np.float64]:
    """Return how far off data are, as a share of the bound, and at most 1 either way (Huber's score)."""
    import numpy as np

    # A third of what `clip` takes for so few data.
    return np.minimum(np.maximum((data - ratio) / bound, -1.0), 1.0)


def _check(log_ratios: Sequence[float], per_block: int) -> int:
    """Return how many blocks these are of.

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


def _estimate(log_ratios: Sequence[float], per_block: int, most_t: Callable[[int], float]) -> Estimate:
    """Return the ratio, and every other one whose t statistic is at most this."""
    blocks, count = _check(log_ratios, per_block), len(log_ratios)
    mean = math.fsum(log_ratios) / count
    bound = most_t(count) if count > 1 else math.inf
    if math.isinf(bound):
        return Estimate(math.exp(mean), 0.0, math.inf, blocks)
    variance = math.fsum((ratio - mean) ** 2 for ratio in log_ratios) / (count - 1)
    half = bound * math.sqrt(variance / count)
    return Estimate(math.exp(mean), math.exp(mean - half), _exp(mean + half), blocks)


def _t_bound(error: float, count: int) -> float:
    """Return what the t statistic of a growing sample exceeds, at this size or any other, with this chance.

    The mixture's likelihood ratio against no effect is a martingale, which reaches 1 / error with at most
    that chance (Ville's inequality). This solves for the t statistic at which it does; where no t is enough
    to reach it, there is no bound yet.
    """
    shrinkage = MIXED_OVER / (count + MIXED_OVER)
    growth = (error * math.sqrt(shrinkage)) ** (-2 / count)
    if growth * shrinkage >= 1:
        return math.inf
    return math.sqrt((count - 1) * (growth - 1) / (1 - growth * shrinkage))


def read_control(passes_seconds: Sequence[float]) -> Control:
    """Return what the baseline's own passes say of the machine.

    Args:
        passes_seconds: Seconds of the baseline's passes, two a block, in order.

    Raises:
        ValueError: They are not two a block, there are none, or they are not positive and finite.
    """
    if len(passes_seconds) % 2 or not passes_seconds:
        raise ValueError(f"{len(passes_seconds)} baseline passes: expected two a block")
    # Over half of the blocks are always left: a contaminated one differs more than the median.
    ratios = [
        _log(first) - _log(second)
        for first, second in zip(passes_seconds[::2], passes_seconds[1::2], strict=True)
    ]
    usual = TO_DEVIATION * sorted(map(abs, ratios))[len(ratios) // 2]
    limit = max(CONTAMINATED_TIMES * usual, CONTAMINATED_LEAST)
    contaminated = tuple(index for index, ratio in enumerate(ratios) if abs(ratio) > limit)
    clean = estimate(without(ratios, contaminated), SINGLE_LOOK_ERROR)
    moved = clean.blocks >= FEWEST_BLOCKS and not clean.low <= 1 <= clean.high
    return Control(clean, contaminated, moved)


def excess_spread(runs: Sequence[Sequence[float]]) -> float:
    """Return how many times as wide to make an interval whose data come in runs that may differ.

    At least 1, and infinity where there is one run only: that tells nothing of another one.

    Data of one run resemble each other if what they come from does, such as a pair of processes. The square
    root of F, of a one-way analysis of variance, is by how much the means of runs are spread beyond what the
    data within them explain (the design effect of a clustered sample). It is a guard: of two or three runs F
    is known badly, so the wider interval does not keep the error of the one that it is made of.

    Args:
        runs: Log-ratios by run; runs of fewer than 4 tell too little, and are left out.
    """
    told = [run for run in runs if len(run) >= 4]
    count = sum(map(len, told))
    if len(told) < 2:
        return math.inf
    means = [math.fsum(run) / len(run) for run in told]
    mean = math.fsum(map(math.fsum, told)) / count
    between = math.fsum(len(run) * (own - mean) ** 2 for run, own in zip(told, means, strict=True))
    within = math.fsum((ratio - own) ** 2 for run, own in zip(told, means, strict=True) for ratio in run)
    if within == 0:
        return 1.0 if math.isclose(min(means), max(means)) else math.inf
    return math.sqrt(max(1.0, between / (len(told) - 1) / (within / (count - len(told)))))


def without(log_ratios: Sequence[float], contaminated: Sequence[int], per_block: int = 1) -> list[float]:
    """Return the log-ratios of the blocks that are not contaminated."""
    return [ratio for index, ratio in enumerate(log_ratios) if index // per_block not in contaminated]


def steady(passes_seconds: Sequence[float]) -> bool:
    """Return whether a worker is warm after these passes: the last is no longer a clear gain on the best.

    Always false before `FEWEST_WARMUP_PASSES` and true from `MOST_WARMUP_PASSES` on: a noisy machine may go
    on setting records by chance, and a little warmth left to come costs little.

    Raises:
        ValueError: Seconds are not positive and finite.
    """
    for seconds in passes_seconds:
        _log(seconds)
    if len(passes_seconds) < FEWEST_WARMUP_PASSES:
        return False
    if len(passes_seconds) >= MOST_WARMUP_PASSES:
        return True
    *before, last = passes_seconds
    return last >= (1 - WARMUP_GAIN) * min(before)


def epochs_per_pass(epoch_seconds: float, shortest_pass_seconds: float = 0.1, most: int = 64) -> int:
    """Return how many epochs make a pass that is long enough to time.

    Args:
        epoch_seconds: Seconds of one warm epoch.
        shortest_pass_seconds: A shorter pass is mostly noise of the scheduler and of starting the iterator.
        most: The most epochs a pass may have, so that a block stays short.

    Raises:
        ValueError: `epoch_seconds` is not positive and finite.
    """
    _log(epoch_seconds)
    # Bounded before it is rounded: a tiny epoch makes a ratio that no int can hold.
    return max(1, math.ceil(min(shortest_pass_seconds / epoch_seconds, most)))


def _log(seconds: float) -> float:
    if not 0 < seconds < math.inf:
        raise ValueError(f"a pass took {seconds} seconds: expected a positive, finite number")
    return math.log(seconds)


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
