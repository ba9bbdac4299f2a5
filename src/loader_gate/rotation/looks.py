"""A look at one variant: estimate, judge, stop. Pure: noise readings are arguments.

After every block each variant is looked at. The intervals of all its looks have one error together (see
``statistics/sequences.py``), so that measuring may stop at the first look that is clear. A verdict that fails
somebody takes a second interval, which is surer, and more than a machine explains that moved or was busy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Protocol

from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation.compared import figures_of, peak_memory
from loader_gate.rotation.contestant import Contestant, Decisions
from loader_gate.statistics.blocks import (
    LONG_BLOCK_SECONDS,
    block_estimate,
    block_estimate_at_any_look,
)
from loader_gate.statistics.control import read_control
from loader_gate.statistics.counts import FEWEST_BLOCKS, FEWEST_TO_LOOK_EARLY, planned_blocks
from loader_gate.statistics.estimate import (
    Estimate,
    estimate,
    log_ratios,
    pair_log_ratios,
)
from loader_gate.statistics.sequences import ERROR, robust_estimate_at_any_look
from loader_gate.verdict.change import (
    COMPARED_TOO,
    PEAK_MEMORY,
    PEAK_MEMORY_TOLERANCE,
    Change,
    judge_once,
    judge_peak_memory,
    with_changes,
)
from loader_gate.verdict.excuses import BEYOND_OR_NOT, CONTRADICTION, moved_reason, unconfirmed_reason
from loader_gate.verdict.headspace import headspace_of
from loader_gate.verdict.share import Share, share_of_disk, share_of_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loader_gate.rotation.contestant import Arm
    from loader_gate.rotation.pace import Pace
    from loader_gate.verdict.verdict import Verdict
    from loader_gate.worker.timing import PassTiming

#: Before so much measuring time, nothing is called a change: the blocks of a few seconds, however many they
#: are, have seen one mood of the machine only.
EARLIEST_CHANGE_SECONDS = 10.0
#: Beside other programs so much measuring time: their moods last longer.
EARLIEST_WHEN_BUSY_SECONDS = 30.0


class AnyRules(Protocol):
    """What the looks ask about an estimate; see ``verdict.rules.Rules``."""

    def judge(self, variant: Variant, estimate: Estimate, last: bool, others: float | None) -> Verdict | None:
        """Return the verdict on a speedup, or None for "more blocks"."""

    def judge_change(
        self, estimate: Estimate, surely: Estimate, tolerance: float, last: bool
    ) -> Change | None:
        """Return what became of the seconds, or None for "more blocks"."""

    def busy_elsewhere(self, others: float | None) -> str:
        """Return what other programs take of the machine, in words; nothing if that is little."""


def look(contestant: Contestant, rules: AnyRules, pace: Pace, others: float | None) -> Decisions:
    """Return what is decided of a variant after its blocks so far.

    Args:
        contestant: The variant.
        rules: Judge the estimates.
        pace: How long it may be measured.
        others: How many cores other programs kept busy since measuring began, if the system shows it.
    """
    before = contestant.decisions
    if contestant.verdict is not None or contestant.blocks == 0:
        return before
    planned = before.planned
    if planned is None:
        planned = planned_blocks(pace.budget_seconds, contestant.block_seconds(), pace.most_blocks)
    now = _Look(contestant, rules, pace, others, planned)
    if now.is_too_early:
        return replace(before, planned=planned)
    change = now.change()
    changes = now.changes(change)
    more = now.needs_more_processes(changes)
    if contestant.variant.name == BASELINE:
        return replace(
            before, planned=planned, change=change, seems_slower=now.seems_slower, more_processes=more
        )
    speedup = before.speedup or now.speedup()
    is_compared = contestant.compared_with is not None
    verdict = None
    if speedup is not None and (change is not None or not is_compared) and not more:
        verdict = with_changes(_with_hint(speedup, contestant), changes)
    return Decisions(planned, speedup, change, verdict, now.seems_slower, more)


def last_look_at_baseline(
    baseline: Contestant, rules: AnyRules, pace: Pace, others: float | None
) -> Decisions:
    """Return what is decided of the baseline once no challenger needs it any more; see `look`."""
    now = _Look(baseline, rules, pace, others, baseline.decisions.planned or 0)
    verdict = rules.judge(baseline.variant, Estimate(1.0, 1.0, 1.0, baseline.blocks), True, others)
    return replace(
        baseline.decisions, verdict=verdict and with_changes(verdict, now.changes(now.known_change()))
    )


@dataclass(frozen=True)
class _Look:
    """One look at one variant, after its first block or a later one.

    Attributes:
        contestant: The variant.
        rules: Judge the estimates.
        pace: How long it may be measured.
        others: How many cores other programs kept busy, if the system shows it.
        planned: How many blocks the variant's budget has room for.
    """

    contestant: Contestant
    rules: AnyRules
    pace: Pace
    others: float | None
    planned: int

    @property
    def looks_once(self) -> bool:
        """Return whether the blocks are looked at once: nothing waits for them, or they are too few."""
        return self.contestant.variant.traits.is_limit or self.planned < FEWEST_TO_LOOK_EARLY

    @cached_property
    def spent_seconds(self) -> float:
        """Return how much of its budget the variant has used."""
        return self.contestant.spent_seconds()

    @property
    def is_last(self) -> bool:
        """Return whether there is no time for another block."""
        another = self.spent_seconds / self.contestant.blocks
        is_over = self.spent_seconds + another > self.pace.budget_seconds
        return is_over or self.contestant.blocks >= self._most_blocks

    @property
    def is_too_early(self) -> bool:
        """Return whether blocks that are looked at once are not complete; a limit is told when to look.

        Nor are those of a variant that runs on fewer cores too, which nobody looks at before the end.
        """
        if self.is_last or self.contestant.variant.traits.is_limit:
            return False
        return self.looks_once or bool(
            self.contestant.on_fewer_cores and self.contestant.blocks < FEWEST_TO_LOOK_EARLY
        )

    @property
    def _most_blocks(self) -> int:
        """Return after how many blocks the last look is; at a limit, nothing else needs more of them."""
        if self.contestant.variant.traits.is_limit:
            return FEWEST_BLOCKS
        return self.planned if self.looks_once else self.pace.most_blocks

    def speedup(self) -> Verdict | None:
        """Judge the speedup: to fail takes a surer interval, and more than a move of the machine explains."""
        variant, last = self.contestant.variant, self.is_last
        baseline = self.contestant.baseline_passes
        ratios = log_ratios(_seconds(baseline), _seconds(self.contestant.head.passes[: len(baseline)]))
        found = self._estimate_speedup(ratios, ERROR)
        verdict = self.rules.judge(variant, found, last, self.others)
        if verdict is None or verdict.status != "fail":
            return verdict
        surely = self._estimate_speedup(ratios, self.pace.failing_error)
        confirmed = self.rules.judge(variant, surely, last, self.others)
        if confirmed is None or confirmed.status != "fail":
            return confirmed and replace(confirmed, estimate=found)
        control = read_control([_seconds(baseline)])
        excused = self.rules.judge(variant, surely.times(control.most_bias), last, self.others)
        if excused is not None and excused.status == "fail":
            return verdict
        reason = moved_reason(control, "the baseline's")
        return replace(verdict, status="undecided", reason=reason) if last else None

    def known_change(self) -> Change | None:
        """Return the change that an earlier look has decided, or that base failed, which is no change."""
        base = self.contestant.base
        if base is not None and base.problem is not None:
            return Change("seconds", "undecided", None, self.pace.tolerance, f"at base, {base.problem}")
        return self.contestant.decisions.change

    def change(self) -> Change | None:
        """Return what became of the seconds against base, if it is known or can be told now."""
        base, known = self.contestant.compared_with, self.known_change()
        return known if base is None or known is not None else self._change_against(base)

    def _change_against(self, base: Arm) -> Change | None:
        """Judge the change: to be one takes a surer interval, some time, and more than a move explains."""
        last, busy = self.is_last, self.rules.busy_elsewhere(self.others)
        ratios = self._ratios
        found = surely = self._found
        if not found.low <= 1 <= found.high:  # else a surer interval holds 1, too
            surely = self._estimate_change(ratios, self.pace.failing_error)
        change = self.rules.judge_change(found, surely, self.pace.tolerance, last)
        if change is None or (self.contestant.earlier and not last and not self._agrees(ratios, change)):
            return None
        if change.outcome == "undecided" and self.contestant.earlier and found.low <= 0:
            return replace(change, reason=CONTRADICTION)
        if change.outcome == "undecided" and found.low > 1:
            return replace(change, reason=BEYOND_OR_NOT if surely.low > 1 else unconfirmed_reason(busy))
        if change.outcome not in ("regression", "improvement"):
            return change
        earliest = EARLIEST_WHEN_BUSY_SECONDS if busy else EARLIEST_CHANGE_SECONDS
        if not last and self.spent_seconds < earliest:
            return None
        change = _unless_moved(change, surely, self.contestant.head, base)
        return change if last or change.outcome != "undecided" else None

    @property
    def seems_slower(self) -> bool:
        """Return whether head is slower by the usual interval, and so perhaps beyond the tolerance."""
        is_open = self.contestant.compared_with is not None and self.known_change() is None
        return is_open and self.contestant.blocks >= FEWEST_TO_LOOK_EARLY and self._found.low > 1

    @cached_property
    def _ratios(self) -> list[float]:
        base = self.contestant.compared_with
        return pair_log_ratios(_seconds(self.contestant.head.passes), _seconds(base.passes if base else ()))

    @cached_property
    def _found(self) -> Estimate:
        return self._estimate_change(self._ratios, ERROR)

    def _estimate_speedup(self, ratios: Sequence[float], error: float) -> Estimate:
        """Return the speedup from a log-ratio a block, valid for as often as it is looked at."""
        if self.looks_once:
            is_long = self.contestant.block_seconds() >= LONG_BLOCK_SECONDS
            return block_estimate(ratios, error, is_long=is_long)
        return block_estimate_at_any_look(ratios, error)

    def _estimate_change(self, ratios: Sequence[float], error: float) -> Estimate:
        """Return head / base from two log-ratios a block, valid for as often as it is looked at.

        Student's t has an interval for one look, and none for a session that goes on with another.
        """
        if self.contestant.earlier:
            return robust_estimate_at_any_look(ratios, error, 2, self.contestant.earlier)
        if self.looks_once:
            return estimate([fmean(pair) for pair in zip(ratios[::2], ratios[1::2], strict=True)], error)
        return robust_estimate_at_any_look(ratios, error, 2)

    def _agrees(self, ratios: Sequence[float], change: Change) -> bool:
        """Return whether this session's own passes say so too, so that there is no need to go on.

        What earlier ones have proven is so at the first look. That alone would confirm nothing.

        Args:
            ratios: Log-ratios of head / base of this session.
            change: What all sessions together say.
        """
        if self.contestant.blocks < FEWEST_BLOCKS:
            return False
        own = robust_estimate_at_any_look(ratios, ERROR, 2)
        agreeing = {"regression": own.low > 1, "improvement": own.high < 1}
        return agreeing.get(change.outcome, True)

    def changes(self, in_seconds: Change | None) -> list[Change]:
        """Return every change against base, the seconds first; the others are looked at only now."""
        base = self.contestant.compared_with
        if in_seconds is None:
            return []
        if base is None or len(base.passes) < 2 * FEWEST_BLOCKS:
            return [in_seconds]
        head = self.contestant.head.passes[: len(base.passes)]
        changes = [in_seconds]
        for name, figure in COMPARED_TOO.items():
            above, below = (figures_of(figure, passes) for passes in (head, base.passes))
            error = self.pace.failing_error
            found = _estimate_once(above, below, error) if above and below else None
            if found is not None:
                change = judge_once(name, found, max(figure.tolerance, self.pace.tolerance))
                changes.append(_unless_moved(change, found, self.contestant.head, base))
        memory = peak_memory(head, base.passes, self.pace.failing_error)
        if memory is not None:
            changes.append(judge_peak_memory(memory, max(PEAK_MEMORY_TOLERANCE, self.pace.tolerance)))
        return changes

    def needs_more_processes(self, changes: Sequence[Change]) -> bool:
        """Return whether head and base go on, as head seems to take more memory and there is time.

        Args:
            changes: All of them, after this look.
        """
        base = self.contestant.compared_with
        if base is None or self.is_last or len(base.passes) < len(self.contestant.head.passes):
            return False
        if any(change.outcome == "regression" for change in changes):  # it fails, whatever its memory is
            return False
        return any(change.figure == PEAK_MEMORY and change.outcome == "undecided" for change in changes)


def _unless_moved(change: Change, surely: Estimate, head: Arm, base: Arm) -> Change:
    """Return a change, but a regression that a move of the machine may be why of is undecided.

    Each side's two passes of a block are the same code twice, and feel whatever such a loader feels, which a
    baseline of one thread need not.

    Args:
        change: What became of a figure.
        surely: Head / base, with the interval by which a session may fail.
        head: One side.
        base: The other side, which may have fewer passes.
    """
    if change.outcome != "regression":
        return change
    control = read_control([_seconds(head.passes[: len(base.passes)]), _seconds(base.passes)])
    if surely.low / control.most_bias > 1 + change.tolerance:
        return change
    return replace(change, outcome="undecided", reason=moved_reason(control, "its"))


def _estimate_once(above: Sequence[float], below: Sequence[float], error: float) -> Estimate | None:
    """Return head / base of a figure that is looked at only now; None where there is none of it."""
    if min(*above, *below) <= 0:
        return None
    return estimate(log_ratios(above, below), error)


def _with_hint(verdict: Verdict, contestant: Contestant) -> Verdict:
    """Return a verdict that says what it would take, where the budget had no room for an interval."""
    if contestant.blocks >= FEWEST_BLOCKS:
        return verdict
    seconds = FEWEST_BLOCKS * contestant.block_seconds()
    needed = f"; {FEWEST_BLOCKS} blocks take about {seconds:,.0f} s"
    return replace(verdict, reason=verdict.reason + needed)


def share(contestant: Contestant, contestants: Iterable[Contestant]) -> Share | None:
    """Return what share of its limit a variant reaches: of the slowest one, if several bound it.

    One that is beaten comes first, unless it is a disk: what is read from that, other limits show.
    """
    shares = [
        replace(share, is_strict=limit.variant.is_strict)
        for limit, *sides in _beside_limits(contestant, contestants)
        if not limit.variant.traits.hands_over_batches
        and (share := _share_of(limit.variant, *sides)) is not None
    ]
    return max(
        shares,
        key=lambda each: (each.estimate.ratio > 1 and not each.is_of_bytes, each.estimate.ratio),
        default=None,
    )


def _share_of(limit: Variant, of_limit: Sequence[PassTiming], own: Sequence[PassTiming]) -> Share | None:
    share = share_of_disk if limit.cache == "cold" else share_of_limit
    return share(limit.name, of_limit, own)


def headspace(contestant: Contestant, contestants: Iterable[Contestant]) -> Estimate | None:
    """Return how much faster batches that are already there make an epoch; None if that was not measured."""
    for limit, *sides in _beside_limits(contestant, contestants):
        if limit.variant.traits.hands_over_batches:
            return headspace_of(*sides)
    return None


def _beside_limits(
    contestant: Contestant, contestants: Iterable[Contestant]
) -> Iterator[tuple[Contestant, Sequence[PassTiming], Sequence[PassTiming]]]:
    """Yield each limit that bounds a variant, with its passes and the variant's of the same blocks."""
    for limit in contestants:
        # Both have been in the rotation from the first block on.
        count = min(len(contestant.head.passes), len(limit.head.passes))
        is_measured = limit.verdict is not None and limit.verdict.status != "unmeasured"
        if contestant.opened.kind in limit.variant.bounds and is_measured and count > 0:
            yield limit, limit.head.passes[:count], contestant.head.passes[:count]


def _seconds(passes: Sequence[PassTiming]) -> list[float]:
    return [timing.seconds for timing in passes]
