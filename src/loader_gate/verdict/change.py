"""What decides a regression: from an estimate of head / base to a change, and from changes to the verdict.

See ``rotation/looks.py``, too: what is a change here has to be one by a surer interval as well, after some
measuring time, and a regression on a machine that did not move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeAlias

from loader_gate.statistics.counts import FEWEST_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.statistics.estimate import Estimate
    from loader_gate.verdict.verdict import Status, Verdict
    from loader_gate.worker.timing import PassTiming

Outcome: TypeAlias = Literal["regression", "improvement", "same", "undecided"]


@dataclass(frozen=True)
class Figure:
    """A figure of a pass that is compared with base beside the seconds.

    Attributes:
        of: Returns it; None where a pass has none.
        tolerance: The share by which head may be above base.
    """

    of: Callable[[PassTiming], float | None]
    tolerance: float


def _longest_batch(timing: PassTiming) -> float | None:
    return None if timing.batch_seconds is None else timing.batch_seconds["longest"]


#: Each is one more chance of a false alarm, so that one alone stands for the times of batches: a stall is in
#: the longest, however many batches there are, and one that comes often is in the seconds as well.
#: Noise is for intervals to carry; tolerances say what matters. The longest of many batches is mostly the
#: machine's, and an epoch's end may wait for a timer, at random.
COMPARED_TOO: Mapping[str, Figure] = MappingProxyType(
    {
        "CPU seconds": Figure(lambda timing: timing.cpu_seconds, 0.05),
        "first batch": Figure(lambda timing: timing.first_batch_seconds, 0.20),
        "longest batch": Figure(_longest_batch, 0.50),
        "seconds with teardown": Figure(lambda timing: timing.seconds + timing.teardown_seconds, 0.10),
    }
)
#: Likewise of the most memory resident at once, and of the size of a dump.
PEAK_MEMORY, PEAK_MEMORY_TOLERANCE = "peak memory", 0.15
DUMP_BYTES, DUMP_BYTES_TOLERANCE = "dump bytes", 0.01
#: From fewer pairs of processes there is no verdict on memory.
FEWEST_PROCESSES = 3


@dataclass(frozen=True)
class Change:
    """What a figure of head is, relative to base.

    Attributes:
        figure: What is compared, such as ``seconds``.
        outcome: `regression`, `improvement`, `same` or `undecided`.
        estimate: Head / base, or None where base could not be measured.
        tolerance: The share by which head may be above base.
        reason: Why it is undecided, if it is.
    """

    figure: str
    outcome: Outcome
    estimate: Estimate | None
    tolerance: float
    reason: str = ""

    def __str__(self) -> str:
        """Return it in words: "seconds 1.071 times base's (1.042 to 1.101), an improvement", say."""
        if self.estimate is None:
            return f"{self.figure} not compared with base: {self.reason}"
        low, high = self.estimate.low, self.estimate.high
        interval = f" ({low:.3f} to {high:.3f})" if 0 < low < high else ""
        words = {
            "regression": f"a regression beyond the tolerance of {100 * self.tolerance:.3g} %",
            "improvement": "an improvement",
            "same": "no change that matters",
            "undecided": self.reason,
        }
        return f"{self.figure} {self.estimate.ratio:.3f} times base's{interval}, {words[self.outcome]}"


def judge_change(estimate: Estimate, tolerance: float, last: bool) -> Change | None:
    """Return what became of the seconds of head against those of base, or None while more blocks are needed.

    A regression has an interval that excludes no change, and an estimate beyond the tolerance; an improvement
    likewise, the other way round. Head is the same if its interval ends within the tolerance and, as long as
    there is time for another block, begins within it, too. Fewer than `FEWEST_BLOCKS` decide nothing.

    Args:
        estimate: Head seconds / base seconds, from all blocks so far.
        tolerance: The share by which head may be slower, such as 0.03.
        last: Whether there is no time for another block.
    """
    most = 1 + tolerance
    outcome: Outcome | None = None
    if estimate.blocks >= FEWEST_BLOCKS:
        if estimate.low > 1 and estimate.ratio > most:
            outcome = "regression"
        elif estimate.high < 1 and estimate.ratio < 1 / most:
            outcome = "improvement"
        elif estimate.high <= most and (last or estimate.low >= 1 / most):
            outcome = "same"
    if outcome is not None:
        return Change("seconds", outcome, estimate, tolerance)
    if not last:
        return None
    reason = (
        "too uncertain to rule out a regression in the time there was: give it a larger --budget, or measure "
        "on a quieter machine"
    )
    return Change("seconds", "undecided", estimate, tolerance, reason)


def judge_once(figure: str, estimate: Estimate, tolerance: float) -> Change:
    """Return what became of a figure that is looked at only once, when the seconds have been decided."""
    if estimate.low > 1 and estimate.ratio > 1 + tolerance:
        return Change(figure, "regression", estimate, tolerance)
    if estimate.high < 1 and estimate.ratio < 1 / (1 + tolerance):
        return Change(figure, "improvement", estimate, tolerance)
    return Change(figure, "same", estimate, tolerance)


def judge_peak_memory(estimate: Estimate, tolerance: float) -> Change:
    """Return what became of the most memory: one maximum a process, so that few processes tell little.

    Where it seems to be more than the tolerance, and that may be chance, it is undecided.

    Args:
        estimate: Head / base, from as many blocks as there were pairs of processes.
        tolerance: The share by which head may be above base.
    """
    pairs = estimate.blocks
    if pairs < FEWEST_PROCESSES:
        if estimate.ratio <= 1 + tolerance:  # nothing that somebody has to look into
            return Change(PEAK_MEMORY, "same", estimate, tolerance)
        seen = f"{pairs} pair{'' if pairs == 1 else 's'} of processes"
        reason = f"not known from {seen}, as it takes {FEWEST_PROCESSES}: give it a larger --budget"
        return Change(PEAK_MEMORY, "undecided", estimate, tolerance, reason)
    change = judge_once(PEAK_MEMORY, estimate, tolerance)
    if change.outcome != "same" or estimate.ratio <= 1 + tolerance:
        return change
    reason = f"no larger than what {pairs} pairs of processes may differ by: give it a larger --budget"
    return replace(change, outcome="undecided", reason=reason)


def with_changes(verdict: Verdict, changes: Sequence[Change]) -> Verdict:
    """Return the verdict of floor and changes together.

    A regression fails; seconds that are undecided leave a pass undecided; and where there is no floor, the
    change alone decides. Another figure that is undecided, as memory may be, is only said: it is so of many a
    session that has room for few processes, and a gate that warns each time would be switched off.

    Args:
        verdict: The verdict on the speedup.
        changes: What changed against base.
    """
    if verdict.status == "unmeasured" or not changes:
        return replace(verdict, changes=tuple(changes))
    outcomes = {change.outcome for change in changes}
    # Without a floor a verdict is undecided, or that of the baseline.
    gated = verdict.floor is not None or verdict.status == "pass"
    status: Status = verdict.status if gated else "pass"
    if "regression" in outcomes:
        status = "fail"
    elif changes[0].outcome == "undecided" and status == "pass":
        status = "undecided"
    worth_saying = [change for change in changes[1:] if change.outcome != "same"]
    said = "; ".join(map(str, [changes[0], *worth_saying]))
    hint = ""
    if "regression" in outcomes:
        hint = ". Find what made it so, or give a larger --tolerance for this run if it is meant"
    reason = verdict.reason if gated else "without a floor"
    return replace(verdict, status=status, reason=f"{reason}; {said}{hint}", changes=tuple(changes))


def with_one_more(verdict: Verdict, change: Change) -> Verdict:
    """Return a verdict that has its changes already, and one more that was found later."""
    changes = (*verdict.changes, change)
    if change.outcome == "same":
        return replace(verdict, changes=changes)
    status = "fail" if change.outcome == "regression" else verdict.status
    return replace(verdict, status=status, reason=f"{verdict.reason}; {change}", changes=changes)
