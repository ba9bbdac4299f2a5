"""What decides a regression: from estimates of head / base to a change, and from changes to the verdict.

The tolerance is what is allowed: a regression is proven to be beyond it, by the interval of which the whole
session has one error. See ``rotation/looks.py``, too: a regression takes some measuring time, and a machine
that did not move.
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

Outcome: TypeAlias = Literal["regression", "slower", "improvement", "same", "unchanged", "undecided"]

#: The share by which head may be slower, if nothing is said.
TOLERANCE = 0.01
#: Nothing is called the same before a slowdown is ruled out that is larger than the tolerance by this share.
RESOLUTION = 0.02
#: Nor before an improvement is ruled out that is larger by this one, if there is time: nobody fails for it,
#: so that telling one from nothing is worth less.
RESOLUTION_OF_IMPROVEMENTS = 0.05


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
#: How many figures of a variant may be a regression by chance: the seconds, those beside them, and memory.
CHANGES = 1 + len(COMPARED_TOO) + 1


@dataclass(frozen=True)
class Change:
    """What a figure of head is, relative to base.

    Attributes:
        figure: What is compared, such as ``seconds``.
        outcome: `regression`, which is proven to be beyond the tolerance; `slower`, proven, within it, and no
            failure; `improvement`, `same` or `undecided`; `unchanged` where base was not measured, as both
            sides run the same code.
        estimate: Head / base, or None where base was not measured.
        tolerance: The share by which head may be above base.
        reason: Why it is undecided, if it is; or why it is a regression, if this session alone does not say.
    """

    figure: str
    outcome: Outcome
    estimate: Estimate | None
    tolerance: float
    reason: str = ""

    def __str__(self) -> str:
        """Return it in words: "seconds 1.071 times base's (1.042 to 1.101), an improvement", say."""
        if self.outcome == "unchanged":
            return "the same code as at base"
        if self.estimate is None:
            return f"{self.figure} not compared with base: {self.reason}"
        low, high = self.estimate.low, self.estimate.high
        interval = f" ({low:.3f} to {high:.3f})" if 0 < low < high else ""
        words = {
            "regression": self.reason or f"a regression beyond the tolerance of {100 * self.tolerance:.3g} %",
            "slower": f"more, but within the tolerance of {100 * self.tolerance:.3g} %",
            "improvement": "an improvement",
            "same": "no change that matters",
            "undecided": self.reason,
        }
        return f"{self.figure} {self.estimate.ratio:.3f} times base's{interval}, {words[self.outcome]}"


def judge_change(estimate: Estimate, surely: Estimate, tolerance: float, last: bool) -> Change | None:
    """Return what became of the seconds of head against those of base, or None while more blocks are needed.

    A regression is beyond the tolerance with the whole interval by which a session may fail; an improvement
    likewise, the other way round. Head is the same if its usual interval ends at most `RESOLUTION` beyond the
    tolerance and, as long as there is time for another block, begins at most `RESOLUTION_OF_IMPROVEMENTS`
    beyond it on the other side; it is slower if it is that by the surer interval. Fewer than `FEWEST_BLOCKS`
    decide nothing.

    Args:
        estimate: Head seconds / base seconds, from all blocks so far.
        surely: The same with the interval by which a session may fail.
        tolerance: The share by which head may be slower, such as 0.01.
        last: Whether there is no time for another block.
    """
    most = 1 + tolerance
    enough = estimate.blocks >= FEWEST_BLOCKS
    if enough and (outcome := _beyond(surely, tolerance)):
        return Change("seconds", outcome, estimate, tolerance)
    resolved = last or estimate.low >= 1 / (most + RESOLUTION_OF_IMPROVEMENTS)
    if enough and estimate.high <= most + RESOLUTION and resolved:
        return Change("seconds", "slower" if surely.low > 1 else "same", estimate, tolerance)
    if not last:
        return None
    reason = (
        "too uncertain to rule out a regression in the time there was: give it a larger --budget, or measure "
        "on a quieter machine"
    )
    return Change("seconds", "undecided", estimate, tolerance, reason)


def _beyond(surely: Estimate, tolerance: float) -> Literal["regression", "improvement", ""]:
    """Return what a figure has become, if it has left the tolerance for certain."""
    if surely.low > 1 + tolerance:
        return "regression"
    return "improvement" if surely.high < 1 / (1 + tolerance) else ""


def judge_once(figure: str, surely: Estimate, tolerance: float) -> Change:
    """Return what became of a figure that is looked at only once, when the seconds have been decided.

    Args:
        figure: Its name.
        surely: Head / base, with the interval by which a session may fail.
        tolerance: The share by which head may be above base.
    """
    outcome: Outcome = _beyond(surely, tolerance) or ("slower" if surely.low > 1 else "same")
    return Change(figure, outcome, surely, tolerance)


def judge_peak_memory(surely: Estimate, tolerance: float) -> Change:
    """Return what became of the most memory: one maximum a process.

    Where it seems to be more than the tolerance, and that may be chance, it is undecided.

    Args:
        surely: Head / base, from as many blocks as there were pairs of processes, with the interval by which
            a session may fail.
        tolerance: The share by which head may be above base.
    """
    change = judge_once(PEAK_MEMORY, surely, tolerance)
    if change.outcome == "regression" or surely.ratio <= 1 + tolerance:
        return change
    reason = (
        f"no larger than what {surely.blocks} pairs of processes may differ by: give it a larger --budget"
    )
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
    worth_saying = [change for change in changes[1:] if change.outcome not in ("same", "slower")]
    said = "; ".join(map(str, [changes[0], *worth_saying]))
    hint = ""
    if "regression" in outcomes:
        hint = ". Find what made it so, or give a larger --tolerance for this run if it is meant"
    reason = verdict.reason if gated else "without a floor"
    return replace(verdict, status=status, reason=f"{reason}; {said}{hint}", changes=tuple(changes))


def with_one_more(verdict: Verdict, change: Change) -> Verdict:
    """Return a verdict that has its changes already, and one more that was found later."""
    changes = (*verdict.changes, change)
    if change.outcome in ("same", "slower"):
        return replace(verdict, changes=changes)
    status = "fail" if change.outcome == "regression" else verdict.status
    return replace(verdict, status=status, reason=f"{verdict.reason}; {change}", changes=changes)
