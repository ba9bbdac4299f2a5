"""A speedup and its interval, from one log-ratio a block.

Blocks of different loaders have three habits, seen in recordings, that an interval has to live with:

- **Something else runs now and then**, and a pass takes twice as long. No block is left out for it, as that
  would have to be decided by one side's passes and move the estimate to the other's. The middle is Huber's
  M-estimate, which hardly heeds what is far off on either side, and its spread is that of clipped data.
- **Neighbours resemble each other**, as a machine's moods slow the two loaders differently. A mean of n such
  blocks is known as well as one of fewer: of n (1 - r) / (1 + r), if correlations fade from block to block by
  r, as in an AR(1) series. A session is too short to tell r, so that it is shrunk to what was recorded.
- **A calm that does not last.** A dozen blocks in a row may agree within 1 %, and the next within 10 %. So
  few blocks are not believed to be much calmer than blocks usually are, and what is as far off as is usual
  is not clipped.

How often it misses, and what it costs: ``docs/study/coverage.md``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from loader_gate.statistics.estimate import Estimate, count_blocks, exp_or_infinity, t_quantile
from loader_gate.statistics.sequences import middle, scores_of, t_bound

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

#: A block that is further from the middle than so many deviations, and than the usual deviation, moves it no
#: more than one just so far.
BLOCKS_CLIPPED_AT = 2.0
#: What neighbouring blocks have in common, as recorded: the r whose (1 + r) / (1 - r) is by how much means of
#: five neighbours vary beyond what a fifth of the blocks' variance explains.
USUAL_RESEMBLANCE = 0.3
#: So many blocks tell as much of a session's own resemblance as the recordings do.
RESEMBLANCE_WEIGHT = 50
#: No session is taken for one whose neighbours resemble each other more than this: it would never decide.
MOST_RESEMBLANCE = 0.8
#: The usual standard deviation of a block's log-ratio, on two shared cores, and how many blocks tell as much.
USUAL_DEVIATION = 0.08
DEVIATION_WEIGHT = 10
#: Blocks that take so many seconds outlast a machine's moods: how calm they are is believed.
LONG_BLOCK_SECONDS = 5.0


def block_estimate(log_ratios: Sequence[float], error: float, *, is_long: bool = True) -> Estimate:
    """Return the ratio and its interval from the log-ratios of blocks that are looked at once.

    The bound is Student's t, of as many data as are not clipped (after Tukey and McLaughlin, "Less vulnerable
    confidence and significance procedures for location based on a single sample", Sankhya A 25, 1963).
    One log-ratio has an interval from 0 to infinity.

    Args:
        log_ratios: One a block.
        error: The chance of a miss that the interval may have, both sides together.
        is_long: Whether the blocks are long enough to believe how calm they are; see `LONG_BLOCK_SECONDS`.

    Raises:
        ValueError: There is no log-ratio, or one is not finite.
    """
    weight = 0 if is_long else DEVIATION_WEIGHT
    return _estimate(log_ratios, lambda count: t_quantile(1 - error / 2, count - 1), weight)


def block_estimate_at_any_look(log_ratios: Sequence[float], error: float) -> Estimate:
    """Return the ratio with an interval that may be looked at after every block; see `t_bound`.

    A handful of log-ratios give an interval from 0 to infinity.

    Args:
        log_ratios: One a block.
        error: The chance that a session ever gets an interval that misses, on either side.

    Raises:
        ValueError: There is no log-ratio, or one is not finite.
    """
    return _estimate(log_ratios, lambda count: t_bound(error, count), DEVIATION_WEIGHT)


def _estimate(log_ratios: Sequence[float], most_t: Callable[[int], float], deviation_weight: int) -> Estimate:
    """Return Huber's M-estimate, with an interval of all ratios whose t statistic is small enough.

    Args:
        log_ratios: One a block.
        most_t: Gives the largest t statistic that a ratio in the interval may have, by the number of data.
        deviation_weight: How many blocks tell as much of the spread as the usual one does.
    """
    import numpy as np

    blocks = count_blocks(log_ratios, 1)
    centre, bound = middle_of_blocks(log_ratios)
    scores = scores_of(np.asarray(log_ratios), centre, bound)
    unclipped = int(np.count_nonzero(np.abs(scores) < 1))
    most = most_t(unclipped) if unclipped > 1 else math.inf
    if math.isinf(most):
        return Estimate(math.exp(centre), 0.0, math.inf, blocks)
    # Of the estimate, as if it were a mean: the scores' variance over the square of their mean slope.
    variance = (bound * blocks / unclipped) ** 2 * float(scores @ scores) / (blocks - 1)
    usual = (blocks * variance + deviation_weight * USUAL_DEVIATION**2) / (blocks + deviation_weight)
    resembling = resemblance(scores)
    alone = blocks * (1 - resembling) / (1 + resembling)
    half = most * math.sqrt(max(variance, usual) / alone)
    return Estimate(math.exp(centre), math.exp(centre - half), exp_or_infinity(centre + half), blocks)


def middle_of_blocks(log_ratios: Sequence[float]) -> tuple[float, float]:
    """Return the middle that estimates are of, and the distance from it at which blocks are clipped."""
    return middle(log_ratios, BLOCKS_CLIPPED_AT, USUAL_DEVIATION)


def resemblance(scores: NDArray[np.float64]) -> float:
    """Return how much neighbouring blocks resemble each other, by their scores and the recordings.

    Args:
        scores: How far off the blocks are, in order; their sum is 0.
    """
    squares = float(scores @ scores)
    own = float(scores[1:] @ scores[:-1]) / squares if squares > 0 else 0.0
    weighted = len(scores) * own + RESEMBLANCE_WEIGHT * USUAL_RESEMBLANCE
    return min(max(weighted / (len(scores) + RESEMBLANCE_WEIGHT), 0.0), MOST_RESEMBLANCE)
