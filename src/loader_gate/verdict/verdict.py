"""What decides on a speedup: from an estimate and a floor to a verdict; and which verdicts fail a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.sentence import number

if TYPE_CHECKING:
    from loader_gate.verdict.change import Change

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
