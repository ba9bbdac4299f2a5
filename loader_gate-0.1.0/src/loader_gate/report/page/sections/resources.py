"""What an epoch takes: its time by phases, CPU, memory, and the time of the accelerator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loader_gate.report.benchmarks import BenchmarkRow
from loader_gate.report.cold_table import HEADINGS, cold_rows
from loader_gate.report.page.parts import NONE, Chart, Section, Table, in_seconds

_ABOUT_COLD = (
    "Before each pass the tree's files and the variant's dump were evicted from the page cache; the share "
    "that was there all the same when a pass began is the largest of all passes."
)


def phases(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return how an epoch's time is spent."""
    charts = []
    for workload, rows in workloads.items():
        table: list[tuple[str, ...]] = []
        drawn: list[dict[str, Any]] = []
        for row in sorted(rows, key=lambda row: row.seconds or 0):
            seconds, first = row.seconds, row.figure("first_batch_seconds")
            teardown = row.figure("teardown_seconds")
            if seconds is None or first is None or teardown is None:
                continue
            parts = {"first": first, "steady": max(0.0, seconds - first), "teardown": teardown}
            table.append((row.variant, *map(in_seconds, parts.values())))
            drawn.append({"name": row.variant, **parts, "said": list(map(in_seconds, parts.values()))})
        if drawn:
            shortest = drawn[0]["first"] + drawn[0]["steady"]
            charts.append(
                Chart(
                    f"phases-{workload}",
                    f"Phases of an epoch: {workload}",
                    f"{drawn[0]['name']} has the shortest epoch, {in_seconds(shortest)}.",
                    ("Variant", "First batch", "Steady", "Teardown"),
                    table,
                    {"kind": "phases", "rows": drawn},
                )
            )
    about = (
        "The share of an epoch until the first batch, from there to the last one, and what ending the "
        "iterator takes, which no speedup counts. Hover for seconds."
    )
    tables = [*_batches(workloads)]
    return Section("phases", "Phases of an epoch", about, charts, tables) if charts or tables else None


def _batches(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Iterator[Table]:
    """Return a table a workload of how long the next batch takes; a stall is in the longest."""
    for workload, rows in workloads.items():
        cells: list[tuple[str, ...]] = []
        for row in rows:
            times = [row.figure("batch_seconds", part) for part in ("p50", "p95", "p99", "longest")]
            if None not in times:
                cells.append((row.variant, *(in_seconds(each or 0) for each in times)))
        if cells:
            note = "Without the first batch of an epoch: medians over passes, and the longest of all."
            headings = ("Variant", "50 % of batches within", "95 %", "99 %", "Longest")
            yield Table(f"Time to the next batch: {workload}", headings, cells, [note])


def resources(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return what variants take of CPU and memory."""
    charts = []
    for workload, rows in workloads.items():
        for name, title, scale, written in (
            ("cpu_seconds_per_image", "CPU time an image", 1000.0, _milliseconds),
            ("peak_rss_bytes", "Peak memory", 1e-6, lambda figure: f"{figure:,.0f} MB"),
        ):
            shown = [(row, scale * figure) for row in rows if (figure := row.figure(name))]
            if not shown:
                continue
            shown.sort(key=lambda each: each[1])
            least, most = shown[0], shown[-1]
            summary = f"{written(least[1])} ({least[0].variant})"
            if len(shown) > 1:
                summary = f"From {summary} to {written(most[1])} ({most[0].variant})"
            cores = name == "cpu_seconds_per_image" and any(row.figure("cores_used") for row, _ in shown)
            charts.append(
                Chart(
                    f"{name}-{workload}",
                    f"{title}: {workload}",
                    f"{summary}.",
                    ("Variant", title, *(["Cores busy"] * cores)),
                    [(row.variant, written(figure), *([_cores(row)] * cores)) for row, figure in shown],
                    {
                        "kind": "bars",
                        "rows": [
                            {"name": row.variant, "value": figure, "said": written(figure)}
                            for row, figure in shown
                        ],
                    },
                )
            )
    about = (
        "Of the variant's process and its children: median CPU time, and the most memory resident at once."
    )
    tables = [
        Table(f"From the disk: {workload}", ("Variant", *HEADINGS[1:]), cells, [_ABOUT_COLD])
        for workload, rows in workloads.items()
        if (cells := cold_rows((row.variant, row.info) for row in rows))
    ]
    return Section("resources", "CPU and memory", about, charts, tables) if charts or tables else None


def _cores(row: BenchmarkRow) -> str:
    cores = row.figure("cores_used")
    return NONE if cores is None else f"{cores:.2f}"


def _milliseconds(figure: float) -> str:
    return f"{figure:.3g} ms"


def accelerator(rows: Sequence[BenchmarkRow]) -> Section | None:
    """Return how busy the accelerator is kept."""
    shown = [row for row in rows if row.figure("accelerator_utilisation") is not None]
    if not shown:
        return None
    shown.sort(key=lambda row: -(row.figure("accelerator_utilisation") or 0))
    busy = [row.figure("accelerator_utilisation") or 0 for row in shown]
    said = [f"{share:.0%}".replace("%", " %") for share in busy]
    chart = Chart(
        "utilisation",
        "How busy the accelerator is kept",
        f"From {said[-1]} ({shown[-1].variant}) to {said[0]} ({shown[0].variant}).",
        ("Variant", "Busy", "Device"),
        [(row.variant, share, row.text("device")) for row, share in zip(shown, said, strict=True)],
        {
            "kind": "bars",
            "most": 100,
            "rows": [
                {"name": row.variant, "value": 100 * share, "said": words}
                for row, share, words in zip(shown, busy, said, strict=True)
            ],
        },
    )
    about = (
        "The share of the time after its first step that the accelerator works instead of waiting for images."
    )
    return Section("accelerator", "Accelerator", about, [chart])
