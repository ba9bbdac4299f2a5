"""What sessions say of a step, and how sure all steps together are: pure.

Each step compares a commit, or some changed packages, with the good side in one session. Seconds of two
sessions are never held against each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from loader_gate.statistics.session_error import SESSION_ERROR
from loader_gate.verdict.change import RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Iterable

Judgement: TypeAlias = Literal["slower", "not slower", "skipped"]

#: What `git bisect run` takes for bad, good, and not to be told.
EXIT_CODES: dict[Judgement, int] = {"slower": 1, "not slower": 0, "skipped": 125}
#: The least tolerance of a step: with less, a step would hardly end.
LEAST_TOLERANCE = 0.001
#: The most: an option takes less than 100 %, and what is twice as slow needs no more.
MOST_TOLERANCE = 0.9
#: The chance that what is slower by the tolerance and `RESOLUTION` is not found so: one side of 95 %.
MISSED = 0.025
#: How many times as long a session may be that follows an undecided one.
LONGER = 2.0


@dataclass(frozen=True)
class Found:
    """What a session has found.

    Attributes:
        outcome: Of the seconds, as ``verdict/change.py`` has it; `unmeasured` if they were not compared.
        change: Seconds / seconds of the good side; None without a comparison.
        low: The lower end of its interval of 95 %.
        high: The upper end.
        reason: The session's own sentence, or why it has measured nothing.
        seconds: How long it took in all.
        error: The chance that a session in which nothing has changed fails.
        sessions: How many sessions were held for it; all but the last one could not decide.
    """

    outcome: str
    change: float | None
    low: float | None
    high: float | None
    reason: str
    seconds: float
    error: float = SESSION_ERROR
    sessions: int = 1

    def __str__(self) -> str:
        """Return the change in words, or why there is none."""
        if self.change is None:
            return self.reason
        ends = "" if self.low is None or self.high is None else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{self.change:.3f} times as long{ends}"

    @property
    def judgement(self) -> Judgement:
        """Return what it means for the search."""
        if self.outcome == "regression":
            return "slower"
        return "not slower" if self.outcome in ("same", "unchanged", "slower", "improvement") else "skipped"

    @property
    def misled(self) -> float:
        """Return the chance that it is wrong: whichever sessions could have decided so are counted."""
        if self.judgement == "skipped" or self.outcome == "unchanged":
            return 0.0
        return self.sessions * (self.error if self.judgement == "slower" else MISSED)


@dataclass(frozen=True)
class Line:
    """The line between slower and not slower: half of what the bad side is slower by.

    Attributes:
        change: How many times as long the bad side takes as the good one.
    """

    change: float

    @property
    def half(self) -> float:
        """Return half of it, on the scale of ratios: the line is as far from one side as from the other.

        It is less where half would be more than a session can be told.
        """
        return min(math.sqrt(self.change), 1 + MOST_TOLERANCE + RESOLUTION / 2)

    @property
    def tolerance(self) -> float:
        """Return the tolerance of a step's session, so that the line is in the middle of what it leaves open.

        A session proves a slowdown beyond its tolerance, or rules one of `RESOLUTION` more out.
        """
        return self.half - 1 - RESOLUTION / 2

    @property
    def is_wide_enough(self) -> bool:
        """Return whether a step can tell both sides from each other."""
        return self.tolerance >= LEAST_TOLERANCE


def narrowest() -> float:
    """Return the least change that steps can be told by."""
    return (1 + LEAST_TOLERANCE + RESOLUTION / 2) ** 2


def summed_error(steps: Iterable[Found]) -> float:
    """Return the chance that any of some steps was misled, at most, whatever they have in common."""
    return min(1.0, sum(step.misled for step in steps))


def steps_left(candidates: int) -> int:
    """Return how many steps it takes at most to find one among some, if none is skipped."""
    return max(0, candidates - 1).bit_length()
