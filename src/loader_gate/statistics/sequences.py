"""Confidence sequences: intervals that may be looked at after every block.

A verdict may be taken as soon as it is clear, after every block from the fourth on, where the budget has room
for more than a few. An interval that is made for one look would be wrong far more often than it says if it
were looked at again and again until it is clear. These are made for that: the chance that *any* interval of
a session misses the true ratio is at most the error, however many looks there are and for whatever reason
measuring stops.

- Of a speedup, ``blocks.py`` takes the bound of the t-test that mixes over the size of the effect (Wang and
  Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance", 2023).
- Of a change, `robust_estimate_at_any_look` does not take noise for normal, but for symmetric, as it is if
  both sides run the same code; who goes first is drawn, so that this favours neither. A pass that is far off
  has a bounded say, and passes of one pair of processes count as one datum, as what one process has over
  another is in all of them. What a session has found against a ratio is an e-value, and those of independent
  sessions multiply: a later session goes on where an earlier one has ended, with one error for all of them.

Estimators and errors are chosen here and nowhere else, by the table that ``tox run -e study`` makes.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING

from loader_gate.statistics.estimate import (
    TO_DEVIATION,
    Estimate,
    count_blocks,
    exp_or_infinity,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


#: The error of the interval that is shown, and that a verdict of pass takes: the chance that a session ever
#: shows one, for one variant, that misses the true ratio. To fail takes more: see ``session_error.py``.
ERROR = 0.05
#: How many data the t-test is tuned for: it needs the fewest to tell effects apart that take about so many.
MIXED_OVER = 4.0
#: What is bet on scores, by `evidence`, in equal parts: small bets win if many data tell a little, large ones
#: if few data tell much.
BETS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
#: A datum that is further from the middle than so many deviations (`TO_DEVIATION`) moves the robust estimate
#: no more than one that is just so far.
CLIPPED_AT = 1.0
#: The least standard deviation, on the log scale: made-up passes may agree exactly.
LEAST_DEVIATION = 1e-9
#: How exactly ends and middles are solved for, as a share of the distance at which data are clipped.
ROOT_TOLERANCE = 1e-6
#: Newton's method needs four or five steps; where data agree to the last digit, rounding may keep it going.
MOST_STEPS = 30


def robust_estimate_at_any_look(
    log_ratios: Sequence[float], error: float, per_block: int = 1, earlier: Sequence[Sequence[float]] = ()
) -> Estimate:
    """Return the ratio with an interval for any look, from noise of any shape that is symmetric.

    The ratio is Huber's M-estimate. The interval ends where the `evidence` that the true ratio is beyond, on
    that side, is more than half the error allows. The distance at which data are clipped is taken from all of
    them so far, which theory does not cover; simulations of many noises do.

    A handful of log-ratios give an interval from 0 to infinity, and so do sessions that contradict each
    other, so that no ratio is left that all of them allow.

    Args:
        log_ratios: One a block, or as many as said.
        error: The chance that this session, or one before it, ever gets an interval that misses, on either
            side.
        per_block: How many log-ratios there are of each block, which have one pair of processes in common.
        earlier: Those of each earlier session whose evidence counts, too.

    Raises:
        ValueError: There is no log-ratio, or one is not finite.
    """
    # Inside functions: SciPy takes a third of a second to import, and `pytest --help` needs none of it.
    from scipy.optimize import brentq

    blocks = sum(count_blocks(each, per_block) for each in (log_ratios, *earlier))
    sessions = [_Session.of(each, per_block) for each in (log_ratios, *earlier)]
    needed = math.log(2 / error)

    def above(ratio: float) -> float:
        return sum(evidence(each.blocks_at(ratio)) for each in sessions) - needed

    def below(ratio: float) -> float:
        return sum(evidence(-each.blocks_at(ratio)) for each in sessions) - needed

    centre, tolerance = _pooled(sessions), ROOT_TOLERANCE * min(each.bound for each in sessions)
    reach = max(each.reach for each in sessions)
    least = min(each.centre for each in sessions) - reach
    most = max(each.centre for each in sessions) + reach
    nothing = Estimate(math.exp(centre), 0.0, math.inf, blocks)
    if above(least) <= 0:  # nor is there as much from the other end
        return nothing
    low, high = (float(brentq(beyond, least, most, xtol=tolerance)) for beyond in (above, below))
    if low > high:
        return nothing
    return Estimate(math.exp(min(max(centre, low), high)), math.exp(low), exp_or_infinity(high), blocks)


def evidence(scores: NDArray[np.float64]) -> float:
    """Return the log of an e-value against scores being as likely as their opposites: it grows above 0.

    Of a score s and a bet b, exp(b s) / cosh(b s) and the same of -s have a mean of 1. So a product of them
    over data is a martingale if each score is as likely as its opposite, whatever was before, and it ever
    exceeds 1 / error with at most that chance (Ville's inequality); so does the mean of several bets. It is
    never less than exp(b s - (b s)^2 / 2), of which de la Peña has a supermartingale ("A general class of
    exponential inequalities for martingales and ratios", Annals of Probability 27, 1999).

    Args:
        scores: ``(n,)``, from -1 to 1.
    """
    import numpy as np

    # exp(b s) / cosh(b s), so that nothing overflows.
    won = len(scores) * math.log(2) - np.log1p(np.exp(np.outer(BETS, -2.0 * scores))).sum(axis=1)
    most = float(won.max())
    return most + math.log(float(np.exp(won - most).mean()))


@dataclass(frozen=True)
class _Session:
    """The log-ratios of one session, with their `middle`.

    Attributes:
        data: The log-ratios.
        per_block: How many there are of each block.
        centre: Their middle.
        bound: The distance from it at which they are clipped.
    """

    data: NDArray[np.float64]
    per_block: int
    centre: float
    bound: float

    @classmethod
    def of(cls, log_ratios: Sequence[float], per_block: int) -> _Session:
        """Return a session with its middle."""
        import numpy as np

        return cls(np.asarray(log_ratios), per_block, *middle(log_ratios))

    @property
    def reach(self) -> float:
        """Return how far from the middle all data are clipped, and on the same side."""
        return float(abs(self.data - self.centre).max()) + self.bound

    def blocks_at(self, ratio: float) -> NDArray[np.float64]:
        """Return the mean score of each block against a ratio."""
        scores = scores_of(self.data, ratio, self.bound).reshape(-1, self.per_block)
        means: NDArray[np.float64] = scores.sum(axis=1) / self.per_block
        return means

    def pull(self, ratio: float) -> float:
        """Return how far its data pull an estimate upward from a ratio, the more the less noisy they are."""
        return float(scores_of(self.data, ratio, self.bound).sum()) / self.bound


def _pooled(sessions: Sequence[_Session]) -> float:
    """Return Huber's M-estimate of all sessions, each with its own distance at which data are clipped."""
    from scipy.optimize import brentq

    least, most = (end(sessions, key=attrgetter("centre")) for end in (min, max))

    def pull(ratio: float) -> float:
        return sum(each.pull(ratio) for each in sessions)

    if pull(least.centre) <= 0:
        return least.centre
    if pull(most.centre) >= 0:
        return most.centre
    tolerance = ROOT_TOLERANCE * min(each.bound for each in sessions)
    return float(brentq(pull, least.centre, most.centre, xtol=tolerance))


def middle(
    log_ratios: Sequence[float], clipped_at: float | None = None, least: float = LEAST_DEVIATION
) -> tuple[float, float]:
    """Return Huber's M-estimate, and the distance from it at which data are clipped.

    See Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.

    Args:
        log_ratios: At least one.
        clipped_at: That distance in deviations; `CLIPPED_AT` if None.
        least: The least that it is.
    """
    ordered = sorted(log_ratios)
    median = _median(ordered)
    deviation = TO_DEVIATION * _median(sorted(abs(ratio - median) for ratio in ordered))
    bound = max((clipped_at or CLIPPED_AT) * deviation, least)
    # The sum of scores falls with the ratio, in straight pieces: Newton's steps end on the right one.
    sums = [0.0, *accumulate(ratio - median for ratio in ordered)]
    centre = median
    for _ in range(MOST_STEPS):
        first, last = bisect_left(ordered, centre - bound), bisect_right(ordered, centre + bound)
        within = last - first
        total = (sums[last] - sums[first] - within * (centre - median)) / bound + len(ordered) - last - first
        if abs(total) <= ROOT_TOLERANCE:
            break
        centre += bound * total / max(within, 1)
    return centre, bound


def _median(ordered: Sequence[float]) -> float:
    count = len(ordered)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def scores_of(data: NDArray[np.float64], ratio: float, bound: float) -> NDArray[np.float64]:
    """Return Huber's score of data: their distance as a share of the bound, from -1 to 1."""
    import numpy as np

    # A third of what `clip` takes for so few data.
    return np.minimum(np.maximum((data - ratio) / bound, -1.0), 1.0)


def t_bound(error: float, count: int) -> float:
    """Return the bound of the t statistic of a growing sample, at this size.

    The chance that a sample without an effect ever exceeds its bound, at whatever size, is the error. The
    mixture's likelihood ratio against no effect is a martingale, which reaches 1 / error with at most
    that chance (Ville's inequality). This solves for the t statistic at which it does; where no t is enough
    to reach it, there is no bound yet.
    """
    shrinkage = MIXED_OVER / (count + MIXED_OVER)
    growth = (error * math.sqrt(shrinkage)) ** (-2 / count)
    if growth * shrinkage >= 1:
        return math.inf
    return math.sqrt((count - 1) * (growth - 1) / (1 - growth * shrinkage))
