"""What a perfect loader would gain in training, and what the device takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loader_gate.advice.need import need_of
from loader_gate.report.benchmarks import BenchmarkRow
from loader_gate.report.page.parts import Section
from loader_gate.report.page.sections.comparisons import largest_first
from loader_gate.report.page.sections.forest_plot import Axis, ForestRow, figures_of, forest_plot
from loader_gate.verdict.headspace import NOT_WORTH_MORE
from loader_gate.verdict.sentence import number

_HEADSPACE = Axis("times as fast with batches that are already there", number, mark="not worth more")


def headspace(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return how much faster a perfect loader would make each variant's epoch."""
    charts = []
    for workload, rows in workloads.items():
        drawn = [
            ForestRow(
                row.variant,
                row.verdict,
                figures_of(row.info, "headspace", "headspace_low", "headspace_high"),
                look="share",
                mark=NOT_WORTH_MORE,
            )
            for row in largest_first(rows, "headspace")
        ]
        if drawn:
            title = f"Headspace: {workload}"
            charts.append(forest_plot(f"headspace-{workload}", title, drawn, _HEADSPACE))
    if not charts:
        return None
    about = (
        "How many times as fast an epoch is when its batches are already there: what a perfect loader would "
        "gain. Left of the bar no loader is worth buying, as the device is the limit."
    )
    need = need_of(row.info for rows in workloads.values() for row in rows)
    advice = [] if need is None else [f"The device is to be fed with {need}.", *need.by_loading()]
    return Section("headspace", "Headspace", about, charts, advice=advice)
