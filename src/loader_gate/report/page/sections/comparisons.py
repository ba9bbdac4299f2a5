"""Variants against something else: base, the baseline and its floors, a limit of the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loader_gate.registry.variant import BASELINE
from loader_gate.report.benchmarks import BenchmarkRow
from loader_gate.report.json_values import as_figure
from loader_gate.report.page.parts import NONE, Section, Table, spread, three_decimals
from loader_gate.report.page.sections.forest_plot import figures_of, forest_plot
from loader_gate.verdict.verdict import number


def changes(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return what became of each variant against base."""
    charts, tables = [], []
    for workload, rows in workloads.items():
        compared = [row for row in rows if row.changes]
        if not compared:
            continue
        shown = [row for row in compared if row.figure("change") is not None]
        if shown:
            charts.append(
                forest_plot(
                    f"changes-{workload}",
                    f"Seconds of this checkout / seconds of the base: {workload}",
                    shown,
                    [figures_of(row.info, "change", "change_low", "change_high") for row in shown],
                    written=three_decimals,
                    marks=[1 + (as_figure(_first(row.changes).get("tolerance")) or 0) for row in shown],
                    mark_name="tolerance",
                    shown_as=[str(_first(row.changes).get("outcome")) for row in shown],
                    axis="head / base, below 1 is faster",
                )
            )
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
        tables.append(Table(f"Changes: {workload}", headings, cells))
    about = (
        "Each variant was paired with itself at the base revision, seconds apart. Above 1 this checkout "
        "takes more. A regression is beyond the tolerance, with an interval that leaves 1 out."
    )
    return Section("changes", "Changes against the base", about, charts, tables) if tables else None


def _first(changes: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(iter(changes.values()))


def speedups(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return the forest plots of speedups with their floors."""
    charts = []
    for workload, rows in workloads.items():
        shown = [row for row in rows if row.figure("speedup") is not None and row.variant != BASELINE]
        if not shown:
            continue
        shown.sort(key=lambda row: -(row.figure("speedup") or 0))
        charts.append(
            forest_plot(
                f"speedups-{workload}",
                f"Speedup over the baseline: {workload}",
                shown,
                [figures_of(row.info, "speedup", "speedup_low", "speedup_high") for row in shown],
                written=number,
                marks=[row.figure("floor") for row in shown],
                mark_name="floor",
                shown_as=["limit" if row.is_limit else row.verdict for row in shown],
                axis="times as fast as the baseline, log scale",
            )
        )
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
        shown = [row for row in rows if row.figure("share_of_limit") is not None]
        if not shown:
            continue
        shown.sort(key=lambda row: -(row.figure("share_of_limit") or 0))
        chart = forest_plot(
            f"limits-{workload}",
            f"Share of the limit: {workload}",
            shown,
            [
                figures_of(row.info, "share_of_limit", "share_of_limit_low", "share_of_limit_high")
                for row in shown
            ],
            written=number,
            marks=[None] * len(shown),
            mark_name="",
            shown_as=["share"] * len(shown),
            axis="share of the limit",
            log=False,
            extra=("Limit", [row.text("limit") or NONE for row in shown]),
        )
        charts.append(chart)
    about = "How much of what this machine can do at most each variant reaches; 1 is the limit itself."
    return Section("limits", "Share of the limit", about, charts) if charts else None
