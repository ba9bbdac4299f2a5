"""A forest plot: a point and its interval for each variant, with the table of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from loader_gate.report.json_values import as_figure
from loader_gate.report.page.parts import NONE, Chart, spread

#: A figure and the ends of its interval, None for what is not there.
Figures: TypeAlias = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class ForestRow:
    """One variant.

    Attributes:
        variant: Its name.
        verdict: Its verdict.
        figures: The point, and the ends of its interval.
        look: The class of ``page.js`` that it is drawn in: a verdict, an outcome, or what else it is.
        mark: Where its upright bar is, if it has one.
        extra: What the extra column says, if there is one.
    """

    variant: str
    verdict: str
    figures: Figures
    look: str
    mark: float | None = None
    extra: str = ""


@dataclass(frozen=True)
class Axis:
    """What all variants of a plot share.

    Attributes:
        label: What the axis shows.
        written: How its figures are written.
        mark: What the upright bars are; empty if there are none.
        extra: The heading of the extra column; empty if there is none.
        log: Whether its scale is logarithmic.
    """

    label: str
    written: Callable[[float], str]
    mark: str = ""
    extra: str = ""
    log: bool = True


def forest_plot(key: str, title: str, rows: Sequence[ForestRow], axis: Axis) -> Chart:
    """Return the plot of these variants, of which there is at least one.

    Args:
        key: Its name on the page.
        title: Its heading.
        rows: The variants, from the largest figure to the smallest.
        axis: What they share.
    """
    table = [_cells(row, axis) for row in rows]
    best, worst = table[0], table[-1]
    summary = f"{best[0]} {best[1]}"
    summary = f"From {summary} down to {worst[0]} {worst[1]}." if len(rows) > 1 else f"{summary}."
    headings = ["Variant", "Value (95 % CI)"]
    headings += [axis.mark.capitalize()] if axis.mark else []
    headings += [axis.extra] if axis.extra else []
    drawn = [_drawn(row, axis) for row in rows]
    spec = {"kind": "intervals", "log": axis.log, "axis": axis.label, "mark": axis.mark, "rows": drawn}
    return Chart(key, title, summary, (*headings, "Verdict"), table, spec)


def _cells(row: ForestRow, axis: Axis) -> tuple[str, ...]:
    """Return a variant's row in the table of numbers."""
    cells = [row.variant, spread(axis.written, *row.figures)]
    if axis.mark:
        cells.append(NONE if row.mark is None else axis.written(row.mark))
    if axis.extra:
        cells.append(row.extra)
    return (*cells, row.verdict)


def _drawn(row: ForestRow, axis: Axis) -> dict[str, Any]:
    """Return what ``page.js`` draws a variant from."""
    said = spread(axis.written, *row.figures)
    words = f", {axis.mark} {axis.written(row.mark)}" if row.mark is not None else ""
    value, low, high = row.figures
    return {
        "name": row.variant,
        "value": value,
        "low": low or None,
        "high": high,
        "mark": row.mark,
        "as": row.look,
        "value_said": said,
        "said": f"{said}{words}: {row.verdict}",
    }


def figures_of(info: Mapping[str, Any], value: str, low: str, high: str) -> Figures:
    """Return a figure and the ends of its interval.

    Args:
        info: Where they are.
        value: The figure's name.
        low: The name of the lower end.
        high: The name of the upper end.
    """
    return as_figure(info.get(value)), as_figure(info.get(low)), as_figure(info.get(high))
