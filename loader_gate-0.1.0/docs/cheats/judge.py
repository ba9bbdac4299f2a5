"""Whether what was found is what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docs.cheats.cases import Case
    from docs.cheats.sessions import Found

#: A cheat that takes at least this share of its twin's seconds gains nothing that could be told from noise.
GAINS_NOTHING = 0.85
CAUGHT, CHARGED, THROUGH = "caught", "charged", "**got through**"
PASSED, REFUSED, ERROR = "passed", "**refused**", "**error**"
GOOD = (CAUGHT, CHARGED, PASSED)


def outcome(case: Case | None, found: Found) -> str:
    """Return what became of a loader.

    Args:
        case: What is expected of it; None of a variant of the suite, which is honest.
        found: What a session said of it.
    """
    if found.verdict == "error":
        return ERROR
    is_refused = found.verdict == "unmeasured"
    if case is None or not case.is_cheat:
        return REFUSED if is_refused else PASSED
    if is_refused:
        return CAUGHT
    gains_nothing = found.of_twin is not None and found.of_twin >= GAINS_NOTHING
    return CHARGED if case.may_be_charged and gains_nothing else THROUGH


def is_in_doubt(case: Case, found: Found) -> bool:
    """Return whether a longer session could show that a loader is charged after all."""
    return case.may_be_charged and outcome(case, found) == THROUGH
