"""Whether what came of a session is right: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docs.faults.cases import Case
    from docs.faults.sessions import Found

#: What pytest and Python say of an error that nobody has put into words.
_UNFORESEEN = re.compile(
    r"Traceback \(most recent call last\)|^(INTERNALERROR|E   .*|Exception ignored .*|Fatal Python error)",
    re.MULTILINE,
)
#: Letters of what was said that a table has room for.
LONGEST = 160


@dataclass(frozen=True)
class Row:
    """What came of one fault at one stage.

    Attributes:
        fault: What has happened.
        stage: Where.
        expected: What had to come of it.
        happened: What did.
        wrong: What is wrong with that; empty if it is right.
        lost: Bytes of what was kept that are gone.
        left: Processes that were left.
        skipped: Why it was not tried; empty if it was.
    """

    fault: str
    stage: str
    expected: str
    happened: str = ""
    wrong: str = ""
    lost: int = 0
    left: int = 0
    skipped: str = ""


def judged(case: Case, found: Found, afterwards: Found | None) -> list[Row]:
    """Return the rows of a case: one for each loader, if it is about loaders.

    Args:
        case: What was tried.
        found: What came of the session.
        afterwards: What came of the next one in the same place, if there was one.
    """
    problems = [*_problems(case, found), *_left(case, found, afterwards)]
    left = len(found.left.processes) + (0 if afterwards is None else len(afterwards.left.processes))
    lost = found.lost + (0 if afterwards is None else afterwards.lost)
    if not case.loaders:
        happened = f"exit code {found.code}{_said(case.words, found.said)}"
        return [Row(case.fault, case.stage, case.expected, happened, "; ".join(problems), lost, left)]
    rows = []
    for loader, words in case.loaders.items():
        reason = found.reason(loader)
        unlike = [] if re.search(words, reason) else [f"expected “{words}”"]
        name = f"{case.fault.partition(',')[0]}: {loader.removesuffix(f'_{case.stage}')}"
        rows.append(
            Row(
                name,
                case.stage,
                case.expected,
                _shortened(reason),
                "; ".join([*problems, *unlike]),
                lost,
                left,
            )
        )
        problems, lost, left = [], 0, 0  # of the session, and said of its first row
    return rows


def _problems(case: Case, found: Found) -> list[str]:
    problems = [] if found.reached else ["the session never came to where it was to happen"]
    if found.code not in case.codes:
        problems.append(f"exit code {found.code}, not {' or '.join(map(str, case.codes))}")
    if not re.search(case.words, found.said):
        problems.append(f"nothing like “{case.words}” was said")
    if unforeseen := _UNFORESEEN.search(found.said):
        problems.append(f"an error without a sentence: {_shortened(unforeseen[0])}")
    if found.lost:
        problems.append(f"{found.lost:,} bytes of what was kept are gone")
    return problems


def _left(case: Case, found: Found, afterwards: Found | None) -> list[str]:
    problems = []
    if found.left.processes:
        problems.append(f"still runs: {', '.join(found.left.processes)}")
    if found.left and not case.stays:
        problems.append(f"left behind: {found.left}")
    if afterwards is not None and (afterwards.code or afterwards.left or afterwards.lost):
        what = afterwards.left or f"exit code {afterwards.code}, {afterwards.lost:,} bytes gone"
        problems.append(f"after the next session: {what}")
    return problems


def _said(words: str, said: str) -> str:
    """Return the line in which something like these words was said."""
    if not words:
        return ""
    line = next((line for line in said.splitlines() if re.search(words, line)), "")
    return f": {_shortened(line.strip(' =!'))}" if line else ""


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"
