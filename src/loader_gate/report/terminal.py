"""The table at the end of a session, for people."""

from __future__ import annotations

import io
import math
import textwrap
from statistics import median
from typing import TYPE_CHECKING

from loader_gate.registry.variant import BASELINE
from loader_gate.runs.saved import printable
from loader_gate.sizes import format_size
from loader_gate.statistics.estimates import FEWEST_BLOCKS
from loader_gate.verdict.change import COMPARED_TOO
from loader_gate.verdict.sentence import number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from rich.table import Table

    from loader_gate.advice.frontier import Placed
    from loader_gate.report.article import Row
    from loader_gate.rotation.measurement import Measurement
    from loader_gate.runs.comparison import Row as ComparedRow
    from loader_gate.runs.saved import Entry
    from loader_gate.verdict.change import Change
    from loader_gate.verdict.share import Share

WIDTH = 100
#: From worst to best.
_OUTCOMES = {"regression": "bold red", "undecided": "yellow", "improvement": "green", "same": ""}
_STYLES = {"pass": "green", "fail": "bold red", "undecided": "yellow", "unmeasured": "bold red"}
_WORD_STYLES = {"slower": "bold red", "missing": "bold red", "faster": "green", "not known": "yellow"}


def verdict_table(measurements: Iterable[Measurement], images: int, colour: bool) -> list[str]:
    """Return the lines of a table of verdicts, at most `WIDTH` columns wide.

    Args:
        measurements: What was measured, a row each.
        images: Images an epoch.
        colour: Whether to colour verdicts for a terminal.
    """
    from rich.text import Text

    table = _new_table("variant")
    measurements = [*measurements]
    limited = any(measurement.share is not None for measurement in measurements)
    for heading in ("images/s", "speedup (95 % CI)", *(["% limit"] * limited)):
        table.add_column(heading, justify="right")
    for heading in ("floor", "CPU ms", "peak MB"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for measurement in measurements:
        verdict, timings = measurement.verdict, measurement.variant_passes
        cells = ["–"] * (5 + limited)
        if timings and verdict.estimate is not None:
            estimate = verdict.estimate
            bounded = measurement.variant.name != BASELINE and estimate.low > 0
            interval = f" ({number(estimate.low)}–{number(estimate.high)})" if bounded else ""
            cells = [
                f"{images / median(timing.seconds for timing in timings):,.0f}",
                number(estimate.ratio) + interval,
                *([_of_limit(measurement.share)] * limited),
                "–" if verdict.floor is None else number(verdict.floor),
                f"{median(timing.cpu_seconds for timing in timings) / images * 1000:.2f}",
                f"{max(timing.peak_rss_bytes for timing in timings) / 1e6:,.0f}",
            ]
        table.add_row(
            Text(measurement.variant.name), *cells, Text(verdict.status, style=_STYLES[verdict.status])
        )
    return _lines(table, colour)


def _of_limit(share: Share | None) -> str:
    """Return a share of a limit in percent, with half of its interval: what a narrow column has room for."""
    if share is None:
        return "–"
    found = share.estimate
    percent = 100 * found.ratio
    spread = f" ±{50 * (found.high - found.low):.0f}" if 0 < found.low < found.high < math.inf else ""
    return f"{percent:.{0 if percent >= 10 else 1}f}{spread}"


def share_lines(measurements: Iterable[Measurement]) -> list[str]:
    """Return, a line a limit, what share of it the variants reach that it bounds, with intervals."""
    shares: dict[str, list[str]] = {}
    for measurement in measurements:
        share = measurement.share
        if share is not None and measurement.verdict.estimate is not None:
            found = _spread(share.estimate.ratio, share.estimate.low, share.estimate.high)
            shares.setdefault(share.limit, []).append(f"{measurement.variant.name} {found}")
    return [f"Share of {limit} (95 % CI): {', '.join(each)}." for limit, each in shares.items()]


def change_table(measurements: Collection[Measurement], colour: bool) -> list[str]:
    """Return the lines of a table of what changed against base, at most `WIDTH` columns wide.

    Below it, which variants had only their seconds compared, as the machine moved.

    Args:
        measurements: What was measured, a row each.
        colour: Whether to colour outcomes for a terminal.
    """
    from rich.text import Text

    figures = ("seconds", *COMPARED_TOO, "peak memory", "dump bytes")
    found = [
        (each.variant.name, {change.figure: change for change in each.verdict.changes})
        for each in measurements
    ]
    shown = [figure for figure in figures if any(figure in changes for _, changes in found)]
    table = _new_table("against base")
    for figure in shown:
        table.add_column(f"{figure} (95 % CI)" if figure == "seconds" else figure, justify="right")
    table.add_column("change")
    for name, changes in found:
        worst = min(
            (change.outcome for change in changes.values()), key=[*_OUTCOMES].index, default="undecided"
        )
        cells = [_change(changes.get(figure), figure == "seconds") for figure in shown]
        outcome = Text(worst, style=_OUTCOMES[worst]) if changes else Text("not compared")
        table.add_row(Text(name), *cells, outcome)
    moved = [
        each.variant.name
        for each in measurements
        if len(each.verdict.changes) == 1 and len(each.base_passes) >= 2 * FEWEST_BLOCKS
    ]
    note = f"Only the seconds of {', '.join(moved)} were compared: the machine moved under the measurement."
    return [*_lines(table, colour), *(textwrap.wrap(note, WIDTH) if moved else ())]


def _change(change: Change | None, with_interval: bool) -> str:
    if change is None or change.estimate is None:
        return "–"
    found = change.estimate
    if not with_interval or found.low <= 0:
        return f"{found.ratio:.3f}"
    return f"{found.ratio:.3f} ({found.low:.3f}–{found.high:.3f})"


def article_table(rows: Sequence[Row], colour: bool) -> list[str]:
    """Return the lines of the article's table, at most `WIDTH` columns wide; below it, why the rows differ.

    Args:
        rows: The rows.
        colour: Whether colours may be used.
    """
    table = _new_table("row")
    for heading in ("article", "speedup", "here", "speedup (95 % CI)", "at its size"):
        table.add_column(heading, justify="right")
    for row in rows:
        here = "–" if row.speedup is None else number(row.speedup)
        if row.speedup_low is not None and row.speedup_high is not None:
            here += f" ({number(row.speedup_low)}–{number(row.speedup_high)})"
        table.add_row(
            row.row,
            "–" if row.article_minutes is None else f"{row.article_minutes:.0f} min",
            "–" if row.article_speedup is None else number(row.article_speedup),
            "–" if row.seconds is None else f"{_rounded(row.seconds)} s",
            here,
            "–" if row.minutes is None else f"{_rounded(row.minutes)} min",
        )
    reasons = [textwrap.wrap(f"{row.row}: {row.why}.", WIDTH, subsequent_indent="  ") for row in rows]
    return [*_lines(table, colour), *(line for lines in reasons for line in lines)]


def map_table(found: Sequence[Placed], colour: bool) -> list[str]:
    """Return the lines of the map, without the variants that another one beats.

    Args:
        found: The variants, from the fastest to the slowest.
        colour: Whether colours may be used.
    """
    from rich.text import Text

    table = _new_table("variant")
    for heading in ("images/s", "speedup", "disk/image", "memory/image"):
        table.add_column(heading, justify="right")
    table.add_column("Pareto-optimal")
    for each in found:
        point = each.point
        if each.front != "no":
            front = Text(each.front, "green" if each.front == "yes" else "yellow")
            table.add_row(
                Text(printable(point.variant)),
                f"{point.images_per_second:,.0f}",
                number(point.speedup.ratio),
                _bytes(point.disk_bytes),
                _bytes(point.memory_bytes),
                front,
            )
    return _lines(table, colour)


def _bytes(size: float | None) -> str:
    if size is None:
        return "not known"
    return format_size(size) if size else "–"


def comparison_table(rows: Sequence[ComparedRow], colour: bool) -> list[str]:
    """Return the lines of the tables that hold this session against saved ones, one a workload.

    Args:
        rows: The benchmarks.
        colour: Whether colours may be used.
    """
    from rich.text import Text

    lines = []
    for workload in dict.fromkeys(row.workload for row in rows):
        table = _new_table(printable(workload))
        for heading in ("then (95 % CI)", "now (95 % CI)", "now/then"):
            table.add_column(heading, justify="right")
        table.add_column("")
        for row in rows:
            if row.workload != workload:
                continue
            cells = [_speedup(row.then), _speedup(row.now), "–"]
            if row.ratio is not None and row.variant != BASELINE:
                cells[2] = _spread(row.ratio.value, row.ratio.low, row.ratio.high)
            word = "" if row.variant == BASELINE and row.ratio is not None else row.word
            style = _WORD_STYLES.get(word, "")
            table.add_row(Text(printable(row.variant)), *cells, Text(word, style=style))
        lines += _lines(table, colour)
    return lines


def _speedup(entry: Entry | None) -> str:
    if entry is None:
        return "–"
    return _spread(entry.estimate.ratio, entry.estimate.low, entry.estimate.high)


def _spread(value: float, low: float, high: float) -> str:
    """Return a figure with its interval, if it has one."""
    bounded = 0 < low < high < math.inf
    return number(value) + (f" ({number(low)}–{number(high)})" if bounded else "")


def _rounded(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def _new_table(first: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column(first, overflow="fold")
    return table


def _lines(table: Table, colour: bool) -> list[str]:
    from rich.console import Console

    text = io.StringIO()
    console = Console(
        file=text,
        width=WIDTH,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
    )
    console.print(table)
    return [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]], colour: bool) -> list[str]:
    """Return the lines of a table of texts from files, at most `WIDTH` columns wide.

    Args:
        headings: Of the columns.
        rows: A text for each of them.
        colour: Whether colours may be used.
    """
    from rich.text import Text

    table = _new_table(headings[0])
    for heading in headings[1:]:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(text)) for text in row))
    return _lines(table, colour)
