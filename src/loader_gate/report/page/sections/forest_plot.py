"""A forest plot: a point and its interval for each variant, with the table of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loader_gate.report.benchmarks import BenchmarkRow
from loader_gate.report.json_values import as_figure
from loader_gate.report.page.parts import NONE, Chart, spread


def forest_plot(
    key: str,
    title: str,
    rows: Sequence[BenchmarkRow],
    spreads: Sequence[tuple[float | None, float | None, float | None]],
    *,
    written: Callable[[float], str],
    marks: Sequence[float | None],
    mark_name: str,
    shown_as: Sequence[str],
    axis: str,
    log: bool = True,
    extra: tuple[str, list[str]] | None = None,
) -> Chart:
    """Return a forest plot: a point and an interval a row."""
    table: list[tuple[str, ...]] = []
    drawn: list[dict[str, Any]] = []
    for index, (row, figures) in enumerate(zip(rows, spreads, strict=True)):
        said, mark = spread(written, *figures), marks[index]
        cells = [row.variant, said]
        if mark_name:
            cells.append(NONE if mark is None else written(mark))
        if extra:
            cells.append(extra[1][index])
        table.append((*cells, row.verdict))
        words = f", {mark_name} {written(mark)}" if mark is not None else ""
        drawn.append(
            {
                "name": row.variant,
                "value": figures[0],
                "low": figures[1] or None,
                "high": figures[2],
                "mark": mark,
                "as": shown_as[index],
                "value_said": said,
                "said": f"{said}{words}: {row.verdict}",
            }
        )
    headings = ["Variant", "Value (95 % CI)"]
    headings += [mark_name.capitalize()] if mark_name else []
    headings += [extra[0]] if extra else []
    best, worst = table[0], table[-1]
    summary = f"{best[0]} {best[1]}"
    summary = f"From {summary} down to {worst[0]} {worst[1]}." if len(rows) > 1 else f"{summary}."
    spec = {"kind": "intervals", "log": log, "axis": axis, "mark": mark_name, "rows": drawn}
    return Chart(key, title, summary, (*headings, "Verdict"), table, spec)


def figures_of(
    info: Mapping[str, Any], value: str, low: str, high: str
) -> tuple[float | None, float | None, float | None]:
    """Return a figure and the ends of its interval, None for what is not there.

    Args:
        info: Where they are.
        value: The figure's name.
        low: The name of the lower end.
        high: The name of the upper end.
    """
    return as_figure(info.get(value)), as_figure(info.get(low)), as_figure(info.get(high))
