"""From an estimate and a floor to a verdict, and to the one sentence that a person reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from benchmarks.registry import BASELINE
from benchmarks.statistics import LOOKS, Estimate, next_look

Status: TypeAlias = Literal["pass", "fail", "undecided", "unmeasured"]
Gate: TypeAlias = Literal["strict", "lenient"]

#: Without a floor there is nothing to decide: a variant is measured until its interval is within this share.
PRECISION = 0.05


@dataclass(frozen=True)
class Verdict:
    """What the gate says of one variant in one workload.

    Attributes:
        status: `pass`, `fail`, `undecided` or `unmeasured`.
        floor: The smallest speedup allowed, or None where there is none.
        estimate: The speedup, or None when unmeasured.
        reason: Why, and what to do next: the end of the sentence that `sentence` builds.
    """

    status: Status
    floor: float | None
    estimate: Estimate | None
    reason: str


class UndecidedWarning(UserWarning):
    """A speedup could not be told from its floor, or there is none, and the gate is lenient."""


def judge(estimate: Estimate, floor: float | None, budget_spent: bool) -> Verdict | None:
    """Return the verdict, or None while more blocks are needed.

    It passes or fails a variant only at a look (`statistics.LOOKS`); after the last look, or once the budget
    is spent, it is undecided. Without a floor it is always undecided in the end, never a silent pass.

    Args:
        estimate: The speedup from all blocks so far.
        floor: The smallest speedup allowed, if there is one.
        budget_spent: Whether there is no time for another block.
    """
    at_look = estimate.blocks in LOOKS
    if floor is not None and at_look and estimate.low >= floor:
        return Verdict("pass", floor, estimate, f"which clears its floor of {number(floor)}")
    if floor is not None and at_look and estimate.high < floor:
        return Verdict(
            "fail",
            floor,
            estimate,
            f"below its floor of {number(floor)}: find what slowed it, or lower the floor with "
            "--update-floors if the slowdown is meant",
        )
    look_to_come = next_look(estimate.blocks + 1)
    precise = floor is None and at_look and estimate.half_width <= PRECISION
    if not (budget_spent or look_to_come is None or precise):
        return None
    if floor is None:
        reason = (
            "and has no floor to clear: set one with --floor VARIANT=X, "
            "or write down what this machine supports with --update-floors"
        )
    elif look_to_come is None:
        reason = (
            f"too near its floor of {number(floor)} to tell after the last look: "
            "measure on a quieter machine, or lower the floor a little"
        )
    else:
        reason = (
            f"not yet told from its floor of {number(floor)} when the time was spent: "
            f"give it a larger --budget, as its next look is at {look_to_come} blocks"
        )
    return Verdict("undecided", floor, estimate, reason)


def baseline_verdict(blocks: int) -> Verdict:
    """Return the verdict on the baseline after so many blocks: a pass, with a speedup of exactly 1."""
    return Verdict(
        "pass", None, Estimate(1.0, 1.0, 1.0, blocks), "the baseline: its speedup is 1 by definition"
    )


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
    return f"{number(estimate.speedup)} times as fast as {BASELINE} ({interval})"


def number(speedup: float) -> str:
    """Return a speedup or floor as people read it: two decimals, fewer where they would mean nothing."""
    return f"{speedup:.{2 if speedup < 10 else 1 if speedup < 100 else 0}f}"
