"""The rules of a session: how its options turn an estimate into a verdict.

See ``verdict.py`` for what decides a speedup, ``change.py`` for a regression, ``rotation/looks.py`` for when.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loader_gate.registry.variant import BASELINE
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.verdict import change, excuses
from loader_gate.verdict.floors import supported_floor
from loader_gate.verdict.sentence import number
from loader_gate.verdict.verdict import Verdict, baseline_verdict, judge, limit_verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loader_gate.registry.variant import Variant
    from loader_gate.statistics.estimate import Estimate
    from loader_gate.verdict.change import Change

#: No floor is written from an interval that reaches further than this share of the speedup to either side.
WIDEST = 0.50


@dataclass(frozen=True)
class Rules:
    """What a session holds its variants to.

    Attributes:
        floors: The smallest speedup allowed, or None, of each variant whose test runs; a variant that is not
            here is only there to be compared with.
        cores: How many cores there are, to hold against what other programs used of them.
        updates_floors: Whether floors are to be found rather than kept.
        vague_above: No variant passes early while half its interval is wider than this share: a saved run is
            to gate later ones by it. None if none is.
    """

    floors: Mapping[str, float | None]
    cores: int
    updates_floors: bool = False
    vague_above: float | None = None

    def judge(self, variant: Variant, estimate: Estimate, last: bool, others: float | None) -> Verdict | None:
        """Return the verdict on a speedup, or None while more blocks are needed.

        Args:
            variant: The variant.
            estimate: Its speedup, from all blocks so far.
            last: Whether there is no time for another block.
            others: How many cores other programs kept busy meanwhile, if the system shows it.
        """
        if variant.name == BASELINE:
            return baseline_verdict(estimate.blocks)
        if variant.name not in self.floors:
            return Verdict("pass", None, estimate, "not gated in this workload")
        floor = self.floors[variant.name]
        if variant.traits.is_limit and (floor is None or self.updates_floors):
            return limit_verdict(estimate) if last or estimate.blocks >= FEWEST_BLOCKS else None
        if self.updates_floors:
            return _found_floor(estimate, last)
        return self._held_to(floor, estimate, last, others)

    def judge_change(
        self, estimate: Estimate, surely: Estimate, tolerance: float, last: bool
    ) -> Change | None:
        """Return what became of the seconds of head against those of base; see ``change.judge_change``."""
        return change.judge_change(estimate, surely, tolerance, last)

    def busy_elsewhere(self, others: float | None) -> str:
        """Return what other programs take of the machine, in words; nothing if that is little."""
        return excuses.busy_elsewhere(others, self.cores)

    def _held_to(
        self, floor: float | None, estimate: Estimate, last: bool, others: float | None
    ) -> Verdict | None:
        verdict = judge(estimate, floor, last)
        if verdict is None:
            return None
        if verdict.status == "pass" and not last and self._is_vague(estimate):
            return None
        if verdict.status == "fail" and (excuse := excuses.excuse(estimate, floor, others, self.cores)):
            return replace(verdict, status="undecided", reason=excuse) if last else None
        return verdict

    def _is_vague(self, estimate: Estimate) -> bool:
        """Return whether a speedup is not known well enough for a saved run to gate later ones by it."""
        return self.vague_above is not None and estimate.half_width > self.vague_above


def _found_floor(estimate: Estimate, last: bool) -> Verdict | None:
    """Return a verdict whose floor is the one that the speedup supports, once it is known precisely."""
    measured = judge(estimate, None, last)
    if measured is None:
        return None
    if estimate.half_width > WIDEST:
        reason = "too uncertain to set a floor from: give it a larger --budget or a quieter machine"
        return replace(measured, reason=reason)
    floor = supported_floor(estimate)
    return Verdict("pass", floor, estimate, f"so its floor becomes {number(floor)}")
