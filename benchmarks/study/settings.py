"""Other settings of the decision code than the chosen one, to see what they would give.

The decision code keeps its settings as names of modules. Here they are put in its place for the duration of
a ``with`` block; nothing else ever does that.
"""

from __future__ import annotations

import contextlib
import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from benchmarks import rotation, statistics
from benchmarks.statistics import ERROR, FEWEST_BLOCKS, SPENDING_POWER, Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

#: The next look is at so many times the blocks of the last one, rounded up.
GEOMETRIC = 1.5
#: From this share of the planned blocks on every block is a look: passes that have become slower may use the
#: budget up before the last one that was planned.
LATE = 0.9


@dataclass(frozen=True)
class Setting:
    """One way to set the decision code up.

    Attributes:
        name: Short, for tables.
        error: The error that looks share.
        power: How late they spend it.
        looks: After every block, or ever fewer of them.
        centre: Of the log-ratios: their mean with Student's interval, or their median with that of order
            statistics.
    """

    name: str
    error: float = ERROR
    power: float = SPENDING_POWER
    looks: Literal["every block", "geometric"] = "every block"
    centre: Literal["mean", "median"] = "mean"


CHOSEN = Setting("chosen")


def alternatives() -> tuple[Setting, ...]:
    """Return the settings to hold against the chosen one."""
    powers = tuple(
        Setting(f"power {power}", power=power) for power in (1, 2, 3, 4) if power != SPENDING_POWER
    )
    errors = tuple(Setting(f"error {error:g}", error=error) for error in (0.05, 0.01) if error != ERROR)
    return (
        *powers,
        *errors,
        Setting("geometric looks", looks="geometric"),
        Setting("median", centre="median"),
    )


@contextlib.contextmanager
def applied(setting: Setting) -> Iterator[None]:
    """Let the decision code use a setting, in this process, until the block ends."""
    changes: list[tuple[ModuleType, str, Any]] = [
        (statistics, "ERROR", setting.error),
        (statistics, "SPENDING_POWER", setting.power),
    ]
    if setting.looks == "geometric":
        changes.append((rotation, "spent_at", spent_at_few))
    if setting.centre == "median":
        changes.append((rotation, "estimate", median_estimate))
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


def spent_at_few(blocks: int, planned: int) -> float:
    """Return the share of the error for a look, if there is one after so many blocks; otherwise none.

    Without any error an interval has no ends, and decides nothing. What looks in between would have had
    belongs to the next one.
    """
    looks = geometric_looks(planned)
    if blocks not in looks:
        return 0.0 if blocks > FEWEST_BLOCKS else statistics.spent_at(blocks, planned)
    before = max((look for look in looks if look < blocks), default=0)
    return math.fsum(
        statistics.spent_at(each, planned) for each in range(max(before + 1, FEWEST_BLOCKS), blocks + 1)
    )


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
