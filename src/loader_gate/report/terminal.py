"""The tables that a terminal shows of a session: verdicts, changes against base, the article's rows."""

from __future__ import annotations

import math
import textwrap
from statistics import median
from typing import TYPE_CHECKING, Any

from loader_gate.registry.variant import BASELINE
from loader_gate.report.cores_tables import cores_remarks, cores_tables
from loader_gate.runs.sentences import with_interval
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.text import WIDTH, new_table, table_lines, text_table, wrapped
from loader_gate.verdict.change import COMPARED_TOO, DUMP_BYTES, PEAK_MEMORY
from loader_gate.verdict.sentence import number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from loader_gate.report.article import ArticleRow
    from loader_gate.rotation.measurement import Measurement
    from loader_gate.verdict.change import Change
    from loader_gate.verdict.share import Share

#: From this shuffle quality on, nobody needs to look at who has which.
SHUFFLED_WELL = 0.95
#: What of the changes has a column in a terminal: as many as there is room for.
_IN_COLUMNS = ("seconds", "CPU seconds", "first batch", PEAK_MEMORY, DUMP_BYTES)
#: From worst to best.
_OUTCOMES = {
    "regression": "bold red",
    "undecided": "yellow",
    "slower": "",
    "improvement": "green",
    "same": "",
    "unchanged": "",
}
_STYLES = {"pass": "green", "fail": "bold red", "undecided": "yellow", "unmeasured": "bold red"}


def verdict_table(measurements: Iterable[Measurement], images: int, colour: bool) -> list[str]:
    """Return the lines of a table of verdicts, at most `WIDTH` columns wide.

    Args:
        measurements: What was measured, a row each.
        images: Images an epoch.
        colour: Whether to colour verdicts for a terminal.
    """
    from rich.text import Text

    table = new_table("variant")
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
    return table_lines(table, colour)


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
            found = with_interval(share.estimate.ratio, share.estimate.low, share.estimate.high)
            shares.setdefault(share.limit, []).append(f"{measurement.variant.name} {found}")
    return [f"Share of {limit} (95 % CI): {', '.join(each)}." for limit, each in shares.items()]


def shuffle_lines(measurements: Iterable[Measurement]) -> list[str]:
    """Return a line on how well variants shuffle, with the names of those that do so visibly less."""
    known = {
        each.variant.name: each.shuffle_quality
        for each in measurements
        if each.shuffle_quality is not None and each.verdict.estimate is not None
    }
    if not known:
        return []
    less = {name: quality for name, quality in known.items() if quality < SHUFFLED_WELL}
    parts = [f"{name} {quality:.2f}" for name, quality in sorted(less.items(), key=lambda each: each[1])]
    if len(less) < len(known):
        rest = min(quality for quality in known.values() if quality >= SHUFFLED_WELL)
        parts.append(f"{'all others' if less else 'all'} {rest:.2f} or more")
    return [f"Shuffle quality, 1 as if drawn at random: {', '.join(parts)}."]


def change_table(measurements: Collection[Measurement], colour: bool) -> list[str]:
    """Return the lines of a table of what changed against base, at most `WIDTH` columns wide.

    Below it, what changed of figures that have no column, and which variants had only their seconds compared,
    as the machine moved.

    Args:
        measurements: What was measured, a row each.
        colour: Whether to colour outcomes for a terminal.
    """
    from rich.text import Text

    found = [
        (each.variant.name, {change.figure: change for change in each.verdict.changes})
        for each in measurements
    ]
    shown = [figure for figure in _IN_COLUMNS if any(figure in changes for _, changes in found)]
    table = new_table("against base")
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
    notes = [*_without_column(found)]
    note = f"Only the seconds of {', '.join(moved)} were compared: the machine moved under the measurement."
    notes += [note] if moved else []
    return [*table_lines(table, colour), *(line for each in notes for line in textwrap.wrap(each, WIDTH))]


def _without_column(found: Iterable[tuple[str, Mapping[str, Change]]]) -> Iterator[str]:
    """Return a line for each figure without a column that has changed, with the variants."""
    figures = [figure for figure in COMPARED_TOO if figure not in _IN_COLUMNS]
    for figure in figures:
        changed = [
            f"{name} {_change(changes[figure], True)}, {changes[figure].outcome}"
            for name, changes in found
            if figure in changes and changes[figure].outcome != "same"
        ]
        if changed:
            what = f"{figure.capitalize()}, head / base (with the interval that a failure takes)"
            yield f"{what}: {'; '.join(changed)}."


def _change(change: Change | None, with_interval: bool) -> str:
    if change is None or change.estimate is None:
        return "–"
    found = change.estimate
    if not with_interval or found.low <= 0:
        return f"{found.ratio:.3f}"
    return f"{found.ratio:.3f} ({found.low:.3f}–{found.high:.3f})"


def article_table(rows: Sequence[ArticleRow], colour: bool) -> list[str]:
    """Return the lines of the article's table, at most `WIDTH` columns wide; below it, why the rows differ.

    Args:
        rows: The rows.
        colour: Whether colours may be used.
    """
    table = new_table("row")
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
    return [*table_lines(table, colour), *(line for lines in reasons for line in lines)]


def cores_lines(about: Mapping[str, Any], colour: bool) -> list[str]:
    """Return the lines of throughput against cores, at most `WIDTH` columns wide, and what is to be said.

    Args:
        about: What the JSON says of the run as a whole.
        colour: Whether colours may be used.
    """
    lines = []
    for table in cores_tables(about):
        lines += [*text_table(table.headings, table.rows, colour), ""]
    return [*lines, *(line for each in cores_remarks(about) for line in wrapped(each))]


def _rounded(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
