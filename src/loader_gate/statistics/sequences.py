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
  has a bounded say. What a session has found against a ratio is an e-value, and those of independent sessions
  multiply: a later session goes on where an earlier one has ended, with one error for all of them.

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
#: What the robust estimate is tuned for, as the sum of squared scores. A square is at most 1, and half on
#: average, so that this is about the same number of data.
SCORES_MIXED_OVER = 2.0
#: A datum that is further from the middle than so many deviations (`TO_DEVIATION`) moves the robust estimate
#: no more than one that is just so far.
CLIPPED_AT = 1.0
#: The least standard deviation, on the log scale: made-up passes may agree exactly.
LEAST_DEVIATION = 1e-9
#: How exactly ends and middles are solved for, as a share of the distance at which data are clipped.
ROOT_TOLERANCE = 1e-6
#: At so many ratios between the middles of several sessions it is looked whether all of them allow it.
BETWEEN_MIDDLES = 33
#: Newton's method needs four or five steps; where data agree to the last digit, rounding may keep it going.
MOST_STEPS = 30


def robust_estimate_at_any_look(
    log_ratios: Sequence[float], error: float, per_block: int = 1, earlier: Sequence[Sequence[float]] = ()
) -> Estimate:
    """Return the ratio with an interval for any look, from noise of any shape that is symmetric.

    The ratio is Huber's M-estimate. The interval holds the ratios against which the scores (how far
    off data are, up to a bound) do not add up to more than chance allows: where noise is symmetric, the
    square of their sum outgrows the sum of their squares with a known chance only (de la Peña's
    supermartingale with a normal mixture, as in Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform,
    nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49, 2021). The bound is taken
    from all data so far, which theory does not cover; simulations of many noises do.

    A handful of log-ratios give an interval from 0 to infinity, and so do sessions that contradict each
    other, so that no ratio is left that all of them allow.

    Args:
        log_ratios: One a block, or as many as said.
        error: The chance that this session, or one before it, ever gets an interval that misses, on either
            side.
        per_block: How many log-ratios there are of each block.
        earlier: Those of each earlier session whose evidence counts, too.

    Raises:
        ValueError: There is no log-ratio, or one is not finite.
    """
    # Inside functions: SciPy takes a third of a second to import, and `pytest --help` needs none of it.
    import numpy as np
    from scipy.optimize import brentq

    blocks = sum(count_blocks(each, per_block) for each in (log_ratios, *earlier))
    now, *before = (_Session(np.asarray(each, dtype=float), *middle(each)) for each in (log_ratios, *earlier))

    def beyond_chance(ratio: float) -> float:
        scores = scores_of(now.data, ratio, now.bound)
        mixed = float(scores @ scores) + SCORES_MIXED_OVER
        known = sum(each.evidence_against(ratio) for each in before)
        allowed = mixed * (math.log(mixed / SCORES_MIXED_OVER) + 2 * math.log(1 / error) - 2 * known)
        return float(scores.sum()) ** 2 - allowed

    sessions = (now, *before)
    centre, tolerance = _pooled(sessions), ROOT_TOLERANCE * min(each.bound for each in sessions)
    nothing = Estimate(math.exp(centre), 0.0, math.inf, blocks)
    # Evidence grows away from all middles. Between them it may be anything.
    least, most = (end(each.centre for each in sessions) for end in (min, max))
    reach = max(float(np.abs(each.data - each.centre).max()) + each.bound for each in sessions)
    between = [least] if least == most else np.linspace(least, most, BETWEEN_MIDDLES).tolist()
    if beyond_chance(most + reach) <= 0:
        return nothing
    held = [index for index, ratio in enumerate(between) if beyond_chance(ratio) <= 0]
    if not held:
        return nothing
    ratios = [least - reach, *between, most + reach]
    first, last = held[0], held[-1] + 1
    low = float(brentq(beyond_chance, ratios[first + 1], ratios[first], xtol=tolerance))
    high = float(brentq(beyond_chance, ratios[last], ratios[last + 1], xtol=tolerance))
    return Estimate(math.exp(min(max(centre, low), high)), math.exp(low), exp_or_infinity(high), blocks)


def pooled_scores(sessions: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return the scores of each session's log-ratios against the middle of all of them.

    Sessions need not be equally noisy: scores are shares of what is far off in their own.

    Args:
        sessions: At least one, of at least one log-ratio each.
    """
    import numpy as np

    found = [_Session(np.asarray(each, dtype=float), *middle(each)) for each in sessions]
    centre = _pooled(found)
    return [scores_of(each.data, centre, each.bound).tolist() for each in found]


@dataclass(frozen=True)
class _Session:
    """The log-ratios of one session, with their `middle`."""

    data: NDArray[np.float64]
    centre: float
    bound: float

    def evidence_against(self, ratio: float) -> float:
        """Return the log of its e-value against a ratio: of an expectation of at most 1 if that is true."""
        scores = scores_of(self.data, ratio, self.bound)
        mixed = float(scores @ scores) + SCORES_MIXED_OVER
        return (float(scores.sum()) ** 2 / mixed - math.log(mixed / SCORES_MIXED_OVER)) / 2

    def pull(self, ratio: float) -> float:
        """Return how far its data pull an estimate upward from a ratio, the more the less noisy they are."""
        return float(scores_of(self.data, ratio, self.bound).sum()) / self.bound


def _pooled(sessions: Sequence[_Session]) -> float:
    """Return Huber's M-estimate of all sessions, each with its own distance at which data are clipped."""
    from scipy.optimize import brentq

    least, most = (end(sessions, key=attrgetter("centre")) for end in (min, max))

    def pull(ratio: float) -> float:
        return sum(each.pull(ratio) for each in sessions)

    if least.centre == most.centre or pull(least.centre) <= 0:
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
    # The sum of scores falls with the ratio, in straight pieces: Newton's steps, and halves where they fail.
    sums = [0.0, *accumulate(ratio - median for ratio in ordered)]
    centre, low, high = median, ordered[0], ordered[-1]
    for attempt in range(2 * MOST_STEPS):
        first, last = bisect_left(ordered, centre - bound), bisect_right(ordered, centre + bound)
        within = last - first
        total = (sums[last] - sums[first] - within * (centre - median)) / bound + len(ordered) - last - first
        if abs(total) <= ROOT_TOLERANCE or high - low <= ROOT_TOLERANCE * bound:
            break
        low, high = (centre, high) if total > 0 else (low, centre)
        step = centre + bound * total / max(within, 1)
        centre = step if low < step < high and attempt < MOST_STEPS else (low + high) / 2
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
