"""What a search says, in lines for people: pure."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from loader_gate.bisect.judging import LONGER, MISSED, Found, Line, narrowest, summed_error
from loader_gate.progress import minutes_and_seconds
from loader_gate.statistics.session_error import SESSION_ERROR
from loader_gate.text import wrapped
from loader_gate.verdict.change import RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_INDENT = "    "
#: What a step has said of a worker already, and the end need not say again.
_LAST_WORDS = "; its last words"


def time_left(steps: int, seconds: Sequence[float]) -> str:
    """Return about how long some steps take.

    Args:
        steps: How many.
        seconds: What each of those before took.
    """
    return f"about {minutes_and_seconds(steps * fmean(seconds))} left"


def about_step(title: str, described: str, found: Found) -> list[str]:
    """Return what a step has found.

    Args:
        title: Which step it is.
        described: What was compared.
        found: What the session found.
    """
    reason = f": {found.reason}" if found.outcome == "undecided" else ""
    twice = f", in {found.sessions} sessions" if found.sessions > 1 else ""
    return wrapped(f"{title}: {described}: {found.judgement}{twice}, {found}{reason}", others=_INDENT)


def about_line(line: Line, found: Found, good: str, bad: str) -> list[str]:
    """Return by how much the bad side is slower, and what makes a step slower."""
    half = "half of that" if line.half**2 >= line.change * 0.999 else "less than half of that"
    return [
        *wrapped(f"{bad} is slower than {good}: {found}.", others=_INDENT),
        *wrapped(
            f"A step is slower beyond {half}, {line.half:.3f} times as long. So its session has a "
            f"tolerance of {100 * line.tolerance:.3g} %: it proves more than that, or rules "
            f"{100 * RESOLUTION:g} % more out. One that can do neither is held once more, {LONGER:g} times "
            "as long, and then skipped.",
            others=_INDENT,
        ),
    ]


def why_no_search(found: Found, good: str, bad: str) -> str:
    """Return why there is nothing to search for, in a sentence; empty if there is.

    Args:
        found: What the session of the bad side against the good one has found.
        good: The good side, for people.
        bad: The bad side.
    """
    if found.judgement == "skipped":
        what = "could not be compared" if found.change is None else f"may be slower or not, {found}"
        return f"{bad} {what}, so nothing is searched for: {found.reason.rstrip('.')}."
    if found.judgement == "not slower":
        much = "is hardly slower" if found.outcome == "slower" else "is not slower"
        return (
            f"{bad} {much} than {good}: {found}. There is nothing to search for: take a BAD that is slower. "
            "Only seconds are looked at, no other figure."
        )
    if found.change is None or not Line(found.change).is_wide_enough:
        return (
            f"{bad} is slower than {good}, {found}, but by too little to tell commit by commit: that takes "
            f"{narrowest():.3f} times as long."
        )
    return ""


def about_end(
    candidates: Sequence[str], described: Mapping[str, str], steps: Mapping[str, Found], what: str
) -> list[str]:
    """Return what was found.

    Args:
        candidates: What may have made it slower.
        described: Each of the candidates, for people.
        steps: What was found of each that was looked at, by the same ids.
        what: What a candidate is: commit, or package.
    """
    if len(candidates) == 1:
        lines = wrapped(f"The first slow {what}: {described[candidates[0]]}", others=_INDENT)
    else:
        lines = wrapped(
            f"One of these {len(candidates)} {what}s is the first slow one, and it is not known which:"
        )
        for each in candidates:
            skipped = steps[each].judgement == "skipped" if each in steps else False
            why = f": skipped, {steps[each].reason.partition(_LAST_WORDS)[0]}" if skipped else ""
            lines += wrapped(f"{described[each]}{why}", _INDENT, 2 * _INDENT)
    session = steps.get(candidates[0])
    if session is not None and session.judgement == "slower" and session.reason:
        whose = "Its session" if len(candidates) == 1 else f"The session of {described[candidates[0]]}"
        lines += wrapped(f"{whose} said: {session.reason}", others=_INDENT)
    return lines


def about_sureness(every: Sequence[Found]) -> list[str]:
    """Return how sure it is, and what that number is not.

    Args:
        every: What all sessions have found: that of the bad side, and those of the steps.
    """
    counts = {
        f"found it slower ({100 * SESSION_ERROR:g} % each)": "slower",
        f"ruled that out ({100 * MISSED:g} % each)": "not slower",
        "could not be had, or not decide": "skipped",
    }
    parts = {words: sum(each.judgement == judgement for each in every) for words, judgement in counts.items()}
    said = ", ".join(f"{number} {words}" for words, number in parts.items() if number)
    return wrapped(
        f"How sure: with at most {100 * summed_error(every):.2g} %, noise has misled any of these sessions: "
        f"{said}, added up. That is the error of measuring. It is not the chance that something else is to "
        "blame: what became slower bit by bit has passed half of it here.",
        others=_INDENT,
    )
