"""From estimates, a floor and a tolerance to a verdict, and to the one sentence that a person reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from loader_gate.registry.variant import BASELINE
from loader_gate.statistics.control import Control
from loader_gate.statistics.estimate import Estimate
from loader_gate.statistics.passes import FEWEST_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Sequence

Status: TypeAlias = Literal["pass", "fail", "undecided", "unmeasured"]
Gate: TypeAlias = Literal["strict", "lenient"]
Outcome: TypeAlias = Literal["regression", "improvement", "same", "undecided"]

#: So many cores used by others count as a busy machine.
BUSY_CORES = 0.25
#: Without a floor there is nothing to decide: a variant is measured until its interval is within this share.
PRECISION = 0.05


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
        """Return it in words: "seconds 1.071 times base's (95 % interval …), a regression beyond 3 %"."""
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


@dataclass(frozen=True)
class Share:
    """How near a variant comes to what bounds it.

    Attributes:
        limit: The name of the limit.
        estimate: The variant's images a second / the limit's.
    """

    limit: str
    estimate: Estimate


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one variant in one workload.

    Attributes:
        status: `pass`, `fail`, `undecided` or `unmeasured`.
        floor: The smallest speedup allowed, or None where there is none.
        estimate: The speedup, or None when unmeasured.
        reason: Why, and what to do next: the end of the sentence that `sentence` builds.
        changes: What changed against base, the seconds first; empty without ``--against``.
    """

    status: Status
    floor: float | None
    estimate: Estimate | None
    reason: str
    changes: tuple[Change, ...] = ()


class UndecidedWarning(UserWarning):
    """A speedup could not be told from its floor, or there is none, and the gate is lenient."""


def judge(estimate: Estimate, floor: float | None, last: bool) -> Verdict | None:
    """Return the verdict on a speedup, or None while more blocks are needed.

    Without a floor it is always undecided in the end, never a silent pass.

    Args:
        estimate: The speedup from all blocks so far.
        floor: The smallest speedup allowed, if there is one.
        last: Whether there is no time for another block.
    """
    enough = estimate.blocks >= FEWEST_BLOCKS
    if floor is not None and enough and estimate.low >= floor:
        return Verdict("pass", floor, estimate, f"which clears its floor of {number(floor)}")
    if floor is not None and enough and estimate.high < floor:
        return Verdict(
            "fail",
            floor,
            estimate,
            f"below its floor of {number(floor)}: find what slowed it, or lower the floor with "
            "--update-floors if the slowdown is meant",
        )
    precise = floor is None and enough and estimate.half_width <= PRECISION
    if not (last or precise):
        return None
    if floor is None:
        reason = (
            "and has no floor to clear: set one with --floor VARIANT=X, "
            "or write down what this machine supports with --update-floors"
        )
    elif not enough:
        reason = (
            f"not told from its floor of {number(floor)} by so few blocks: give it a larger --budget, or a "
            "smaller tree"
        )
    else:
        reason = (
            f"too near its floor of {number(floor)} to tell in the time there was: give it a larger "
            "--budget, measure on a quieter machine, or lower the floor a little"
        )
    return Verdict("undecided", floor, estimate, reason)


def is_excused(estimate: Estimate, floor: float | None, others: float, cores: int) -> bool:
    """Return whether other programs may be why a speedup is below its floor.

    They take cores from a loader of several threads, and none from the baseline's one thread.

    Args:
        estimate: The speedup.
        floor: The floor that it misses.
        others: How many cores other programs kept busy.
        cores: How many there are.
    """
    if floor is None or others < BUSY_CORES:
        return False
    return estimate.high * cores / max(cores - others, BUSY_CORES) >= floor


def judge_change(estimate: Estimate, tolerance: float, last: bool) -> Change | None:
    """Return what became of the seconds of head against those of base, or None while more blocks are needed.

    A regression has an interval that excludes no change, and an estimate beyond the tolerance; an improvement
    likewise, the other way round. Head is the same if its interval ends within the tolerance.

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


def moved_reason(control: Control) -> str:
    """Return why a variant that would fail is undecided instead, on a machine that moves."""
    ratio, low, high = (
        1 / each for each in (control.estimate.ratio, control.estimate.high, control.estimate.low)
    )
    return (
        "but the machine moved under the measurement: the baseline's second passes took "
        f"{ratio:.3f} times its first ones ({low:.3f} to {high:.3f}); measure again, on a quieter machine"
    )


def beside_others(others: float | None, cores: int) -> str:
    """Return what other programs take of the machine, in words; nothing if that is little, or not known.

    Args:
        others: How many cores they kept busy, if the system shows it.
        cores: How many there are.
    """
    if others is None or others < BUSY_CORES:
        return ""
    return f"beside other programs, which used {others:.1f} of {cores} cores"


def unconfirmed_reason(beside: str) -> str:
    """Return why a variant is not failed though its interval leaves out no change; beside which programs."""
    beside = f" {beside}" if beside else ""
    return (
        f"not told from what passes, and pairs of processes of one code, differ by{beside}: measure again, "
        "on a quieter machine or with a larger --budget"
    )


def with_changes(verdict: Verdict, changes: Sequence[Change]) -> Verdict:
    """Return the verdict of floor and changes together.

    A regression fails; a change that is undecided leaves a pass undecided; and where there is no floor, the
    change alone decides.

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
    elif "undecided" in outcomes and status == "pass":
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


def baseline_verdict(blocks: int) -> Verdict:
    """Return the verdict on the baseline after so many blocks: a pass, with a speedup of exactly 1."""
    return Verdict(
        "pass", None, Estimate(1.0, 1.0, 1.0, blocks), "the baseline: its speedup is 1 by definition"
    )


def limit_verdict(estimate: Estimate) -> Verdict:
    """Return the verdict on a limit without a floor: a pass, as it is there to hold others against it."""
    return Verdict("pass", None, estimate, "a limit, which others are held against")


def unmeasured(reason: str, floor: float | None = None) -> Verdict:
    """Return the verdict on a variant that has no estimate; the reason should say what to do."""
    return Verdict("unmeasured", floor, None, reason)


def fails_item(verdict: Verdict, gate: Gate) -> bool:
    """Return whether a verdict fails its test item; an undecided one does so under `strict` only."""
    return verdict.status in ("fail", "unmeasured") or (verdict.status == "undecided" and gate == "strict")


def sentence(verdict: Verdict, variant: str, workload: str, profile: str | None) -> str:
    """Return the verdict as one sentence, with everything a person needs to act on it.

    Args:
        verdict: The verdict.
        variant: The variant's name.
        workload: The workload's name.
        profile: The name of the profile that the floors come from, or None.
    """
    subject = f"{variant} ({workload}, {f'profile {profile}' if profile else 'no profile'})"
    if verdict.estimate is None:
        return f"{subject} was not measured: {verdict.reason}"
    if variant == BASELINE:
        return f"{subject} is {verdict.reason}."
    return f"{subject} is {times(verdict.estimate)}, {verdict.reason}."


def times(estimate: Estimate) -> str:
    """Return an estimate in words: "1.21 times as fast as … (95 % interval 1.15 to 1.28, 9 blocks)"."""
    blocks = "1 block" if estimate.blocks == 1 else f"{estimate.blocks} blocks"
    if estimate.low > 0:
        interval = f"95 % interval {number(estimate.low)} to {number(estimate.high)}, {blocks}"
    else:
        interval = f"no interval from {blocks}"
    return f"{number(estimate.ratio)} times as fast as {BASELINE} ({interval})"


def number(speedup: float) -> str:
    """Return a speedup or floor as people read it: two decimals, fewer where they would mean nothing."""
    return f"{speedup:.{2 if speedup < 10 else 1 if speedup < 100 else 0}f}"
