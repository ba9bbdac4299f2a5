"""The table of all cases."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from docs.cases.row import RIGHT, SKIPPED, WRONG, Row

if TYPE_CHECKING:
    from pathlib import Path

_INTRODUCTION = """\
# Cases

What was tried, and what came of it. A case is right if it is measured like any other, or named in a sentence
with what to do before anything is timed; and if, after it, nobody's file is changed or gone and no process is
left. `python -m docs.cases` runs the tests among them, takes the rest from the tables of the commands named,
and writes this page. Fuzz cases are drawn; each of their tests is one case here.

{machine}, {date}.

"""
_HEAD = "| kind | tried | right | wrong | not tried here | bytes lost | processes left | by |"


def write_table(groups: Mapping[str, Sequence[Row]], sources: Mapping[str, str], path: Path) -> None:
    """Write the page.

    Args:
        groups: The cases, by group.
        sources: What has tried each group: a command, or tests.
        path: The file.
    """
    from loader_gate.machine.machine import read_machine

    every = [row for rows in groups.values() for row in rows]
    lines = [_HEAD, "| --- | --: | --: | --: | --: | --: | --: | --- |"]
    lines += [_line(name, rows, sources[name]) for name, rows in groups.items()]
    lines.append(_line("**all**", every, ""))
    for name, rows in groups.items():
        lines += [
            "",
            f"## {name[0].upper()}{name[1:]}",
            "",
            "| case | | what came of it |",
            "| --- | --- | --- |",
        ]
        lines += [f"| {_cell(row.name)} | {_outcome(row)} | {_cell(row.said)} |" for row in rows]
    introduction = _INTRODUCTION.format(
        machine=read_machine().describe(), date=datetime.datetime.now(datetime.timezone.utc).date()
    )
    path.write_text(introduction + "\n".join(lines) + "\n", encoding="utf-8")


def summary(rows: Sequence[Row]) -> str:
    """Return how many were tried, and what came of them, in a line."""
    counted = {outcome: sum(row.outcome == outcome for row in rows) for outcome in (RIGHT, WRONG, SKIPPED)}
    return (
        f"{counted[RIGHT] + counted[WRONG]} tried: {counted[RIGHT]} right, {counted[WRONG]} wrong, "
        f"{_sum(row.bytes_lost for row in rows)} bytes lost, {_sum(row.processes_left for row in rows)} "
        f"processes left; {counted[SKIPPED]} not tried here"
    )


def _line(name: str, rows: Sequence[Row], source: str) -> str:
    outcomes = [row.outcome for row in rows]
    right, wrong, skipped = (outcomes.count(each) for each in (RIGHT, WRONG, SKIPPED))
    drawn = sum(row.drawn for row in rows if row.drawn > 1)
    tried = f"{right + wrong}, by {drawn:,} drawn inputs" if drawn and source else f"{right + wrong}"
    lost, left = (_sum(getattr(row, each) for row in rows) for each in ("bytes_lost", "processes_left"))
    return f"| {name} | {tried} | {right} | {wrong} | {skipped} | {lost} | {left} | {source} |"


def _sum(counts: object) -> str:
    counted = [count for count in counts if count is not None]  # type: ignore[attr-defined]
    return f"{sum(counted):,}" if counted else "–"


def _outcome(row: Row) -> str:
    return {RIGHT: "right", WRONG: "**wrong**", SKIPPED: "not tried"}[row.outcome]


def _cell(text: str) -> str:
    """Return text as a cell of Markdown."""
    shown = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return " ".join(shown.replace("|", "/").replace("<", "&lt;").replace("`", "'").split())
