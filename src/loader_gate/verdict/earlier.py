"""What earlier sessions of the same comparison know, and what a later one may make of it.

A rerun must not turn a regression green by luck. So what failed stays failed, unless all sessions together
rule a slowdown out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loader_gate.statistics.estimate import pair_log_ratios
from loader_gate.verdict.change import Change

if TYPE_CHECKING:
    from loader_gate.verdict.verdict import Verdict


@dataclass(frozen=True)
class PairedSeconds:
    """The seconds of one session's passes that head and base ran beside each other, two a block, in order.

    Attributes:
        head: Of head.
        base: As many of base.
    """

    head: tuple[float, ...]
    base: tuple[float, ...]

    @property
    def log_ratios(self) -> list[float]:
        """Return head / base of each pair; see `pair_log_ratios`, which says what it raises."""
        return pair_log_ratios(self.head, self.base)


@dataclass(frozen=True)
class EarlierSessions:
    """What is known of a variant that an earlier session has left undecided, or failed.

    Attributes:
        run: What the last of these sessions is called, for people.
        sessions: The seconds of each that has any, the oldest first.
        failed: The tolerance of each figure that was a regression, by its name.
    """

    run: str
    sessions: tuple[PairedSeconds, ...] = ()
    failed: Mapping[str, float] = field(default_factory=dict)

    @property
    def log_ratios(self) -> tuple[list[float], ...]:
        """Return head / base of the pairs of passes of each session."""
        return tuple(each.log_ratios for each in self.sessions)


def confirmed(verdict: Verdict, earlier: EarlierSessions) -> Verdict:
    """Return the verdict of a later session, in which what failed before stays failed until it is ruled out.

    The seconds are judged by all sessions together. No other figure is: one that is no regression in the
    passes of the later session was one by chance, or comes and goes, and that is said.

    Args:
        verdict: The verdict on the speedup of the later session, with its changes.
        earlier: What is known of the variant.
    """
    if verdict.status == "unmeasured":
        return verdict
    changes = {change.figure: change for change in verdict.changes}
    said, stays = [], False
    for figure, tolerance in earlier.failed.items():
        now = changes.get(figure, Change(figure, "undecided", None, tolerance))
        if now.outcome == "undecided":
            reason = f"a regression in {earlier.run} that is not ruled out here, so it stays one"
            changes[figure] = replace(now, outcome="regression", reason=reason)
            said.append(str(changes[figure]))
            stays = True
        elif now.outcome != "regression":
            said.append(f"{figure} a regression in {earlier.run}, and none any more")
    return replace(
        verdict,
        status="fail" if stays else verdict.status,
        reason="; ".join([verdict.reason, *said]),
        changes=tuple(changes.values()),
    )
