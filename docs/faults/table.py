"""The table of what came of each fault at each stage."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docs.faults.judge import Row


def summary(rows: Sequence[Row]) -> str:
    """Return how many were tried, and how many were right."""
    tried = [row for row in rows if not row.skipped]
    wrong = sum(bool(row.wrong) for row in tried)
    lost, left = sum(row.lost for row in tried), sum(row.left for row in tried)
    return (
        f"{len(tried)} tried, {len(tried) - wrong} right, {wrong} wrong, {lost:,} bytes lost, "
        f"{left} processes left; {len(rows) - len(tried)} not tried"
    )


def write_table(rows: Sequence[Row], path: Path) -> None:
    """Write the page."""
    from loader_gate.machine.machine import read_machine

    today = datetime.datetime.now(datetime.timezone.utc).date()
    lines = [
        "# What came of each fault",
        "",
        f"**{summary(rows)}**",
        "",
        f"`tox run -e faults`, {today}, {read_machine().describe()}.",
        "What the columns mean: [README.md](README.md#the-table).",
        "",
        "| fault | stage | expected | what happened | right | bytes lost | processes left |",
        "| --- | --- | --- | --- | --- | --: | --: |",
        *(_line(row) for row in rows),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(row: Row) -> str:
    right = "not tried" if row.skipped else f"**wrong**: {row.wrong}" if row.wrong else "right"
    cells = (
        row.fault,
        row.stage,
        row.expected,
        row.skipped or row.happened,
        right,
        f"{row.lost:,}",
        str(row.left),
    )
    return (
        "| "
        + " | ".join(" ".join(cell.replace("|", "/").replace("<", "&lt;").split()) for cell in cells)
        + " |"
    )
