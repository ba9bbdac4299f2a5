"""The table of what was found."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docs.cheats.judge import GOOD

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docs.cheats.cases import Case
    from docs.cheats.sessions import Found

#: Letters of a reason that a table has room for.
LONGEST = 150


@dataclass(frozen=True)
class Row:
    """One loader, and what became of it.

    Attributes:
        name: Of the loader.
        case: What is expected of it; None of a variant of the suite.
        found: What a session said.
        outcome: What became of it.
        before: The same before there was any of the defences, if that is known.
    """

    name: str
    case: Case | None
    found: Found
    outcome: str
    before: str = ""


def summary(rows: Sequence[Row]) -> str:
    """Return how many cheats were caught, and how many honest ones passed."""
    parts = []
    for title, chosen in _sorted(rows):
        good = sum(row.outcome in GOOD for row in chosen)
        parts.append(f"{title}: {good} of {len(chosen)}")
    return "; ".join(parts)


def _sorted(rows: Sequence[Row]) -> tuple[tuple[str, list[Row]], ...]:
    return (
        ("cheats caught", [row for row in rows if row.case is not None and row.case.is_cheat]),
        ("honest ones passed", [row for row in rows if row.case is not None and not row.case.is_cheat]),
        ("ours passed", [row for row in rows if row.case is None]),
    )


def write_table(rows: Sequence[Row], path: Path, seconds: float) -> None:
    """Write the page."""
    from loader_gate.machine.machine import read_machine

    machine = read_machine()
    lines = ["# What became of each loader", ""]
    lines += [f"- **{part}**" for part in summary(rows).split("; ")]
    today = datetime.datetime.now(datetime.timezone.utc).date()
    lines += [
        "",
        f"`tox run -e cheats`, {today}, {machine.describe()}, {seconds / 60:.0f} minutes.",
        "What the columns mean: [README.md](README.md#the-table).",
    ]
    for title, chosen in _sorted(rows):
        lines += ["", f"## {title[0].upper()}{title[1:]}", ""]
        lines += ["| loader | what it does | before | now | seconds of the twin's | what was said |"]
        lines += ["| --- | --- | --- | --- | --: | --- |"]
        lines += [_line(row) for row in chosen]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(row: Row) -> str:
    about = "" if row.case is None else row.case.about
    share = "" if row.found.of_twin is None else f"{row.found.of_twin:.2g}"
    said = row.found.reason if row.found.verdict == "unmeasured" else row.found.verdict
    said = said if len(said) <= LONGEST else said[: LONGEST - 1].rstrip() + "…"
    cells = (f"`{row.name}`", about, row.before, row.outcome, share, said)
    return "| " + " | ".join(" ".join(cell.replace("|", "/").split()) for cell in cells) + " |"
