"""A verdict in words: the one sentence that a person reads, and how it writes numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loader_gate.registry.variant import BASELINE

if TYPE_CHECKING:
    from loader_gate.statistics.estimates import Estimate
    from loader_gate.verdict.verdict import Verdict


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
