"""What an epoch takes: its time by phases, CPU, memory, and the time of the accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loader_gate.report.benchmarks import BenchmarkRow
from loader_gate.report.page.parts import Chart, Section, in_seconds


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
    return Section("phases", "Phases of an epoch", about, charts) if charts else None


def resources(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return what variants take of CPU and memory."""
    charts = []
    for workload, rows in workloads.items():
        for name, title, scale, written in (
            ("cpu_seconds_per_image", "CPU time an image", 1000.0, _milliseconds),
            ("peak_rss_bytes", "Peak memory", 1e-6, lambda figure: f"{figure:,.0f} MB"),
        ):
            shown = [(row.variant, scale * figure) for row in rows if (figure := row.figure(name))]
            if not shown:
                continue
            shown.sort(key=lambda each: each[1])
            least, most = shown[0], shown[-1]
            summary = f"{written(least[1])} ({least[0]})"
            summary = (
                f"From {summary} to {written(most[1])} ({most[0]})." if len(shown) > 1 else f"{summary}."
            )
            charts.append(
                Chart(
                    f"{name}-{workload}",
                    f"{title}: {workload}",
                    summary,
                    ("Variant", title),
                    [(variant, written(figure)) for variant, figure in shown],
                    {
                        "kind": "bars",
                        "rows": [
                            {"name": variant, "value": figure, "said": written(figure)}
                            for variant, figure in shown
                        ],
                    },
                )
            )
    about = (
        "Of the variant's process and its children: median CPU time, and the most memory resident at once."
    )
    return Section("resources", "CPU and memory", about, charts) if charts else None


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
