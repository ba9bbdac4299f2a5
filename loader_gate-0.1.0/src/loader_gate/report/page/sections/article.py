"""The article's table, with what was measured here beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loader_gate.report.benchmarks import about_run
from loader_gate.report.json_values import as_figure, as_mappings
from loader_gate.report.page.parts import NONE, Section, Table, in_seconds, spread
from loader_gate.report.page.sections.forest_plot import figures_of
from loader_gate.verdict.sentence import number


def article(run: Mapping[str, Any]) -> Section | None:
    """Return the article's table."""
    cells, notes = [], []
    for row in as_mappings(about_run(run).get("article")):
        minutes, speedup = as_figure(row.get("article_minutes")), as_figure(row.get("article_speedup"))
        seconds, here = as_figure(row.get("seconds")), as_figure(row.get("minutes"))
        cells.append(
            (
                str(row.get("row")),
                NONE if minutes is None else f"{minutes:.0f} min",
                NONE if speedup is None else number(speedup),
                NONE if seconds is None else in_seconds(seconds),
                spread(number, *figures_of(row, "speedup", "speedup_low", "speedup_high")),
                NONE if here is None else f"{here:.3g} min",
            )
        )
        if row.get("why"):
            notes.append(f"{row.get('row')}: {row['why']}.")
    if not cells:
        return None
    headings = ("Row", "Article", "Speedup", "Here", "Speedup (95 % CI)", "At its size")
    about = "What the article measured, and the same measured here. Ratios travel; seconds do not."
    return Section(
        "article", "The article", about, tables=[Table("The article, measured here", headings, cells, notes)]
    )
