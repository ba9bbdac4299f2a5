"""Variants against something else: base, the baseline and its floors, a limit of the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loader_gate.registry.variant import BASELINE
from loader_gate.report.benchmarks import BenchmarkRow
from loader_gate.report.json_values import as_figure
from loader_gate.report.page.parts import NONE, Chart, Section, Table, spread, three_decimals
from loader_gate.report.page.sections.forest_plot import Axis, ForestRow, figures_of, forest_plot
from loader_gate.verdict.sentence import number

_CHANGES = Axis("head / base, below 1 is faster", three_decimals, mark="tolerance")
_SPEEDUPS = Axis("times as fast as the baseline, log scale", number, mark="floor")
_SHARES = Axis("share of the limit", number, extra="Limit", log=False)


def changes(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return what became of each variant against base."""
    charts, tables, unchanged = [], [], ""
    for workload, rows in workloads.items():
        compared = [row for row in rows if row.changes]
        if any(row.text("change_outcome") == "unchanged" for row in compared):
            unchanged = " What is unchanged runs the same code, and was not timed at the base."
        if not compared:
            continue
        shown = [row for row in compared if row.figure("change") is not None]
        if shown:
            charts.append(_changes_chart(workload, shown))
        tables.append(_changes_table(workload, compared))
    about = (
        "Each variant was paired with itself at the base revision, seconds apart. Above 1 this checkout "
        "takes more. A regression is proven to be beyond the tolerance, slower is proven and within it."
    )
    return (
        Section("changes", "Changes against the base", about + unchanged, charts, tables) if tables else None
    )


def _changes_chart(workload: str, shown: Sequence[BenchmarkRow]) -> Chart:
    rows = []
    for row in shown:
        seconds = next(iter(row.changes.values()))
        rows.append(
            ForestRow(
                row.variant,
                row.verdict,
                figures_of(row.info, "change", "change_low", "change_high"),
                look=str(seconds.get("outcome")),
                mark=1 + (as_figure(seconds.get("tolerance")) or 0),
            )
        )
    title = f"Seconds of this checkout / seconds of the base: {workload}"
    return forest_plot(f"changes-{workload}", title, rows, _CHANGES)


def _changes_table(workload: str, compared: Sequence[BenchmarkRow]) -> Table:
    cells = [
        (
            row.variant,
            figure,
            spread(three_decimals, *figures_of(each, "change", "low", "high")),
            f"{100 * (as_figure(each.get('tolerance')) or 0):.3g} %",
            str(each.get("outcome")),
        )
        for row in compared
        for figure, each in row.changes.items()
    ]
    headings = ("Variant", "Figure", "Head / base (95 % CI)", "Tolerance", "Outcome")
    return Table(f"Changes: {workload}", headings, cells)


def speedups(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return the forest plots of speedups with their floors."""
    charts = []
    for workload, rows in workloads.items():
        shown = largest_first([row for row in rows if row.variant != BASELINE], "speedup")
        if not shown:
            continue
        drawn = [
            ForestRow(
                row.variant,
                row.verdict,
                figures_of(row.info, "speedup", "speedup_low", "speedup_high"),
                look="limit" if row.is_limit else row.verdict,
                mark=row.figure("floor"),
            )
            for row in shown
        ]
        title = f"Speedup over the baseline: {workload}"
        charts.append(forest_plot(f"speedups-{workload}", title, drawn, _SPEEDUPS))
    about = (
        "A point is the measured speedup, its line the 95 % interval, and the upright bar the floor. "
        "An interval right of its floor passes, one left of it fails, and one that holds it is undecided. "
        "A limit is no loader, but what the machine can do at best."
    )
    return Section("speedups", "Speedups", about, charts) if charts else None


def limits(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return the share of the machine's limits that variants reach."""
    charts = []
    for workload, rows in workloads.items():
        shown = largest_first(rows, "share_of_limit")
        if not shown:
            continue
        drawn = [
            ForestRow(
                row.variant,
                row.verdict,
                figures_of(row.info, "share_of_limit", "share_of_limit_low", "share_of_limit_high"),
                look="share",
                extra=row.text("limit") or NONE,
            )
            for row in shown
        ]
        title = f"Share of the limit: {workload}"
        charts.append(forest_plot(f"limits-{workload}", title, drawn, _SHARES))
    about = "How much of what this machine can do at most each variant reaches; 1 is the limit itself."
    return Section("limits", "Share of the limit", about, charts) if charts else None


def largest_first(rows: Sequence[BenchmarkRow], name: str) -> list[BenchmarkRow]:
    """Return the benchmarks that have a figure, the largest first."""
    shown: list[tuple[float, BenchmarkRow]] = [
        (figure, row) for row in rows if (figure := row.figure(name)) is not None
    ]
    return [row for _, row in sorted(shown, key=lambda each: -each[0])]
