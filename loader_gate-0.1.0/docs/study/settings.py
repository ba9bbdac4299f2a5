"""Other settings of the decision code than the chosen one, to see what they would give.

The decision code keeps its settings as names of modules. Here they are put in its place for the duration of
a ``with`` block; nothing else ever does that.
"""

from __future__ import annotations

import contextlib
import functools
import math
from dataclasses import dataclass, replace
from statistics import fmean, variance
from typing import TYPE_CHECKING, Any, Literal

from docs.study.virtual import PACE
from loader_gate.rotation import looks
from loader_gate.rotation import pace as paces
from loader_gate.rotation.looks import EARLIEST_CHANGE_SECONDS
from loader_gate.statistics import sequences
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.statistics.estimate import Estimate, estimate, exp_or_infinity
from loader_gate.statistics.sequences import (
    CLIPPED_AT,
    ERROR,
    t_bound,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    import numpy as np
    from numpy.typing import NDArray

    Estimator = Callable[[Sequence[float], float, int], Estimate]

#: What `evidence_of_squares` is tuned for, as a sum of squared scores.
SQUARES_MIXED_OVER = 2.0
#: The next look is at so many times the blocks of the last one, rounded up.
GEOMETRIC = 1.5
#: From this share of the planned blocks on every block is a look: passes that have become slower may use the
#: budget up before the last one that was planned.
LATE = 0.9


@dataclass(frozen=True)
class Setting:
    """One way to set up the code that decides on changes.

    Attributes:
        name: Short, for tables.
        error: Of the interval that a change takes.
        earliest: The measuring time before which nothing is called a change, in seconds.
        clipped_at: Of the robust estimate.
        evidence: Of its confidence sequence: by bets, or by sums of squares, as it was chosen at first.
        datum: The mean score of a block, which is of one pair of processes; the score of each pair of
            passes; or the score of a block's mean.
        looks: How looks have one error together: by the confidence sequence; or by the union bound, over
            every block or ever fewer of them.
        power: How late the union bound's error is spent, by the power family of Kim and DeMets ("Design and
            analysis of group sequential tests based on the type I error spending rate function", Biometrika
            74, 1987).
        centre: With the confidence sequence: the robust estimate, or the mean with that of the t-test. With
            the union bound: the mean with Student's interval, or the median with that of order statistics.
    """

    name: str
    error: float = PACE.failing_error
    earliest: float = EARLIEST_CHANGE_SECONDS
    clipped_at: float = CLIPPED_AT
    evidence: Literal["bets", "squares"] = "bets"
    datum: Literal["processes", "passes", "means"] = "processes"
    looks: Literal["sequence", "every block", "geometric"] = "sequence"
    power: float = 3
    centre: Literal["robust", "mean", "median"] = "robust"


CHOSEN = Setting("chosen")
#: The chosen one, over only as many sessions as every alternative gets: what those are held against.
HELD_AGAINST = Setting("chosen, over the same sessions")
#: What was chosen at first.
UNION = Setting(
    "union bound",
    error=ERROR,
    earliest=0.0,
    datum="means",
    looks="every block",
    centre="mean",
)


def alternatives() -> tuple[Setting, ...]:
    """Return the settings to hold against the chosen one."""
    return (
        *(replace(CHOSEN, name=f"error {error:g}", error=error) for error in (0.05, 0.01, 0.0002)),
        *(replace(CHOSEN, name=f"clipped at {at:g}", clipped_at=at) for at in (0.5, 2.0)),
        replace(CHOSEN, name="sums of squares", evidence="squares"),
        replace(CHOSEN, name="passes, not processes", datum="passes"),
        replace(CHOSEN, name="passes, by sums of squares", datum="passes", evidence="squares"),
        replace(CHOSEN, name="means of blocks", datum="means"),
        replace(CHOSEN, name="from the first look on", earliest=0.0),
        replace(CHOSEN, name="mean, t-test", centre="mean", datum="means"),
        replace(CHOSEN, name="mean, t-test, error 0.03", centre="mean", datum="means", error=0.03),
        UNION,
        *(replace(UNION, name=f"union bound, power {power}", power=power) for power in (1, 4)),
        replace(UNION, name="union bound over passes", datum="passes"),
        replace(UNION, name="union bound, geometric looks", looks="geometric"),
        replace(UNION, name="union bound, median", centre="median"),
    )


@contextlib.contextmanager
def applied(setting: Setting, planned: int) -> Iterator[None]:
    """Let the decision code use a setting, in this process, until the block ends.

    Args:
        setting: The setting.
        planned: How many blocks a union bound shares the error among.
    """
    changes: list[tuple[ModuleType, str, Any]] = [
        (looks, "EARLIEST_CHANGE_SECONDS", setting.earliest),
        (sequences, "CLIPPED_AT", setting.clipped_at),
    ]
    if setting.evidence == "squares":
        changes.append((sequences, "evidence", evidence_of_squares))
    if setting.error != CHOSEN.error:
        changes.append((paces, "failing_error", lambda _comparisons: setting.error))
    estimator: Estimator = sequences.robust_estimate_at_any_look
    if setting.looks != "sequence":
        estimator = _union_bound(setting, planned)
    elif setting.centre == "mean":
        estimator = mean_at_any_look
    if setting.datum == "means":
        estimator = _of_blocks(estimator)
    elif setting.datum == "passes":
        estimator = _of_passes(estimator)
    if estimator is not sequences.robust_estimate_at_any_look:
        changes.append((looks, "robust_estimate_at_any_look", estimator))
    with replaced(changes):
        yield


@contextlib.contextmanager
def replaced(changes: Sequence[tuple[ModuleType, str, Any]]) -> Iterator[None]:
    """Let names of modules stand for other values until the block ends."""
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    try:
        for module, name, value in changes:
            setattr(module, name, value)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def mean_at_any_look(log_ratios: Sequence[float], error: float, per_block: int = 1) -> Estimate:
    """Return the geometric mean with the t-test's interval for any look, of data that are independent."""
    count, mean = len(log_ratios), fmean(log_ratios)
    most = t_bound(error, count) if count > 1 else math.inf
    if math.isinf(most):
        return Estimate(math.exp(mean), 0.0, math.inf, count // per_block)
    half = most * math.sqrt(variance(log_ratios, mean) / count)
    return Estimate(math.exp(mean), math.exp(mean - half), exp_or_infinity(mean + half), count // per_block)


def evidence_of_squares(scores: NDArray[np.float64]) -> float:
    """Return the log of the e-value that was chosen at first: of de la Peña's bound, mixed over bets.

    See Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
    sequences", Annals of Statistics 49, 2021.

    Args:
        scores: ``(n,)``, from -1 to 1.
    """
    total, mixed = float(scores.sum()), float(scores @ scores) + SQUARES_MIXED_OVER
    if total <= 0:  # it knows no sides
        return -math.inf
    return (total**2 / mixed - math.log(mixed / SQUARES_MIXED_OVER)) / 2


def _of_passes(estimator: Estimator) -> Estimator:
    """Return an estimator that takes each log-ratio for a datum, whatever it has in common with others."""

    def estimate_passes(log_ratios: Sequence[float], error: float, per_block: int = 1) -> Estimate:
        found = estimator(log_ratios, error, 1)
        return replace(found, blocks=found.blocks // per_block)

    return estimate_passes


def _of_blocks(estimator: Estimator) -> Estimator:
    """Return an estimator that takes the mean of each block's log-ratios for one datum."""

    def estimate_blocks(log_ratios: Sequence[float], error: float, per_block: int = 1) -> Estimate:
        starts = range(0, len(log_ratios), per_block)
        return estimator([fmean(log_ratios[start : start + per_block]) for start in starts], error, 1)

    return estimate_blocks


def _union_bound(setting: Setting, planned: int) -> Estimator:
    """Return an estimator whose looks share an error, so that it adds up to no more."""

    def estimate_look(log_ratios: Sequence[float], error: float, per_block: int = 1) -> Estimate:
        blocks = len(log_ratios) // per_block
        geometric = setting.looks == "geometric"
        share = spent_at(min(blocks, planned), planned, setting.power, geometric)
        if setting.centre == "median":
            return median_estimate(log_ratios, error * share)
        if share == 0:
            return Estimate(math.exp(fmean(log_ratios)), 0.0, math.inf, blocks)
        return estimate(log_ratios, error * share, per_block)

    return estimate_look


@functools.cache
def spent_at(blocks: int, planned: int, power: float, geometric: bool = False) -> float:
    """Return the share of the error for the look after so many blocks; none where there is no look.

    Of N planned blocks, the first k may spend (k/N) to the power. What looks in between would have had
    belongs to the next one.

    Args:
        blocks: Blocks so far.
        planned: Blocks that were planned for.
        power: How late it is spent.
        geometric: Whether looks are ever fewer, or after every block.
    """
    planned = max(planned, FEWEST_BLOCKS)
    looks = geometric_looks(planned) if geometric else tuple(range(FEWEST_BLOCKS, planned + 1))
    if blocks < FEWEST_BLOCKS:
        blocks = FEWEST_BLOCKS
    if blocks not in looks:
        return 0.0
    before = max((look for look in looks if look < blocks), default=0)
    return float((blocks / planned) ** power - (before / planned) ** power)


@functools.cache
def geometric_looks(planned: int) -> tuple[int, ...]:
    """Return after which blocks there is a look."""
    looks = [FEWEST_BLOCKS]
    while looks[-1] < LATE * planned:
        looks.append(min(math.ceil(GEOMETRIC * looks[-1]), math.ceil(LATE * planned)))
    return (*looks, *range(looks[-1] + 1, planned + 1))


def median_estimate(log_ratios: Sequence[float], error: float) -> Estimate:
    """Return the median ratio with the interval of order statistics, which assumes no distribution."""
    ordered = sorted(log_ratios)
    count = len(ordered)
    middle = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    rank = _rank(count, error)
    if rank == 0:
        return Estimate(math.exp(middle), 0.0, math.inf, count)
    return Estimate(math.exp(middle), math.exp(ordered[rank - 1]), math.exp(ordered[count - rank]), count)


@functools.lru_cache(maxsize=100_000)
def _rank(count: int, error: float) -> int:
    """Return the largest rank from either end whose interval misses the median with at most this chance."""
    chance, rank = 0.5**count, 0
    while 2 * chance <= error and rank < count // 2:
        rank += 1
        chance += math.comb(count, rank) * 0.5**count
    return rank
