"""Whose rank flips: which of two variants is the faster one, with few cores and with more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from loader_gate.scaling.scaling import has_scaled, paired
from loader_gate.statistics.sequences import ERROR

if TYPE_CHECKING:
    from loader_gate.session.result import Result
    from loader_gate.statistics.amdahl import Figure
    from loader_gate.worker.timing import PassTiming

#: How many flips are told.
MOST_TOLD = 5


@dataclass(frozen=True)
class Flip:
    """Two variants of which one is surely faster with few cores, and the other one with more.

    Attributes:
        first: Who is faster with few cores.
        second: Who is faster with more.
        few: The few cores.
        more: The more cores.
        by: How many times as fast the first one is with few cores.
        then: How many times as fast the second one is with more.
    """

    first: str
    second: str
    few: int
    more: int
    by: Figure
    then: Figure


def flips(result: Result, cores: int) -> list[Flip]:
    """Return every flip of two variants, the largest first; limits have no rank.

    All comparisons share one error, by Bonferroni's inequality.

    Args:
        result: What was measured.
        cores: How many all cores are.
    """
    passes: dict[str, Mapping[int, Sequence[PassTiming]]] = {}
    for name, each in result.measurements.items():
        if has_scaled(each) and not each.variant.traits.is_limit:
            few = {len(one.processors): one.passes for one in each.on_fewer_cores if not one.problem}
            passes[name] = {**few, cores: each.variant_passes}
    pairs = [*combinations(passes, 2)]
    counts = sorted({number for each in passes.values() for number in each})
    error = ERROR / max(1, len(pairs) * len(counts))
    found = []
    for one, other in pairs:
        speedups = {
            number: _speedup(passes[one][number], passes[other][number], error)
            for number in counts
            if passes[one].get(number) and passes[other].get(number)
        }
        found += _flips_of(one, other, speedups)
    return sorted(found, key=lambda each: -min(each.by.value, each.then.value))


def _speedup(one: Sequence[PassTiming], other: Sequence[PassTiming], error: float) -> Figure:
    """Return how many times as fast the second is, of the blocks that both took part in."""
    count = min(len(one), len(other))
    return paired(one[:count], other[:count], error)


def _flips_of(one: str, other: str, speedups: Mapping[int, Figure]) -> list[Flip]:
    """Return the flip of two variants between the fewest and the most cores that show it, if any do."""
    sure = {number: each for number, each in speedups.items() if each.low > 1 or each.high < 1}
    for few, more in combinations(sorted(sure), 2):
        before, after = sure[few], sure[more]
        if before.high < 1 < after.low:
            return [Flip(one, other, few, more, _inverse(before), after)]
        if after.high < 1 < before.low:
            return [Flip(other, one, few, more, before, _inverse(after))]
    return []


def _inverse(speedup: Figure) -> Figure:
    return type(speedup)(1 / speedup.value, 1 / speedup.high, 1 / speedup.low)
