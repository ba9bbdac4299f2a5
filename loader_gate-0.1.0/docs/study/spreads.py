"""How much blocks of the same code scatter, and how long one would have to measure for a narrow interval."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from docs.study.neighbours import Ratio
from docs.study.processes import within_and_between
from loader_gate.statistics.estimate import TO_DEVIATION

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The interval that seconds are told for: this much to either side, at 95 %.
HALF_WIDTH = 0.03
_NORMAL = 1.96
DRAWS = 2000

Kind: TypeAlias = Literal["robust", "plain", "processes"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        log_ratio: Of head / base.
        seconds: What it took of the wall, from the first request to the last answer.
    """

    log_ratio: float
    seconds: float


#: Blocks by pair of processes, equally many of each.
Runs: TypeAlias = "Sequence[Sequence[Block]]"


@dataclass(frozen=True)
class Spread:
    """How much the log-ratios of blocks scatter.

    Attributes:
        blocks: How many there are.
        run: How many of them are of one pair of processes.
        seconds: What one takes (mean).
        robust: Of all blocks, 1.48 times the median absolute deviation.
        plain: Of all blocks, the standard deviation.
        within: The standard deviation from block to block of one pair of processes.
        between: That from pair to pair, beside what blocks explain; 0 if there is none.
    """

    blocks: int
    run: int
    seconds: float
    robust: float
    plain: float
    within: float
    between: float

    def needed(self, kind: Kind) -> float:
        """Return the measuring seconds that an interval of ±3 % takes.

        Args:
            kind: By which spread; of ``processes``, what pairs of them differ by counts once a pair, as no
                number of blocks of one pair takes it away.
        """
        variance = {
            "robust": self.robust**2,
            "plain": self.plain**2,
            "processes": self.within**2 + self.run * self.between**2,
        }[kind]
        return self.seconds * variance * (_NORMAL / math.log1p(HALF_WIDTH)) ** 2


def spread_of(runs: Runs) -> Spread:
    """Return how much blocks scatter, of at least two in each run."""
    ratios = [[block.log_ratio for block in run] for run in runs]
    every = [ratio for run in ratios for ratio in run]
    middle = median(every)
    within, between = within_and_between(ratios)
    return Spread(
        blocks=len(every),
        run=len(runs[0]),
        seconds=fmean(block.seconds for run in runs for block in run),
        robust=TO_DEVIATION * median(abs(ratio - middle) for ratio in every),
        plain=stdev(every),
        within=within,
        between=between,
    )


def times_fewer(turns: Runs, duet: Runs, seed: int = 0, draws: int = DRAWS) -> dict[Kind, Ratio]:
    """Return how many times fewer seconds duet needs than turns, by each spread, with 95 % intervals.

    They are percentiles of a bootstrap that draws whole pairs of processes: blocks of one resemble each
    other. The two ways were timed in the same loop, so that a draw takes the same pairs of both.

    Args:
        turns: The blocks in turn.
        duet: As many pairs of processes in duet.
        seed: Of what is drawn.
        draws: How many of them.
    """
    order = random.Random(seed)  # noqa: S311 (a bootstrap, no secret)
    drawn: dict[Kind, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(draws):
        places = order.choices(range(len(turns)), k=len(turns))
        for kind, value in _quotients([turns[each] for each in places], [duet[each] for each in places]):
            drawn[kind].append(value)
    found = {}
    for kind, value in _quotients(turns, duet):
        ordered = sorted(drawn[kind])
        found[kind] = Ratio(value, ordered[int(0.025 * draws)], ordered[-1 - int(0.025 * draws)])
    return found


def _quotients(turns: Runs, duet: Runs) -> list[tuple[Kind, float]]:
    one, other = spread_of(turns), spread_of(duet)
    return [(kind, _quotient(one.needed(kind), other.needed(kind))) for kind in KINDS]


def _quotient(above: float, below: float) -> float:
    return above / below if below else math.inf
