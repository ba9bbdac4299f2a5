"""The tables of a run's Markdown. They need nothing but the standard library."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loader_gate.report.benchmarks import BenchmarkRow
from loader_gate.report.cores_tables import cores_remarks, cores_tables
from loader_gate.report.json_values import as_figure, as_mappings
from loader_gate.report.markdown import LONGEST_NAME, code, escaped, figure_with_interval, formatted, table
from loader_gate.verdict.sentence import number

EMOJI = {"pass": "✅", "fail": "❌", "undecided": "⚠️", "unmeasured": "🚫"}


def verdicts_table(benchmarks: Sequence[BenchmarkRow]) -> str:
    """Return throughput, shuffle quality, speedup, headspace, floor, change and verdict of each benchmark."""
    several = len({each.workload for each in benchmarks}) > 1
    compared = any(_change(each) != "–" for each in benchmarks)
    shuffled = any(each.figure("shuffle_quality") is not None for each in benchmarks)
    trained = any(each.figure("headspace") is not None for each in benchmarks)
    columns = ["variant", *(["workload"] if several else []), "images/s"]
    columns += [*(["shuffle quality"] if shuffled else []), "speedup (95 % CI)"]
    columns += [*(["headspace (95 % CI)"] if trained else []), "floor"]
    columns += [*(["change (95 % CI)"] if compared else []), "verdict"]
    rows = [
        [
            code(each.variant),
            *([escaped(each.workload, LONGEST_NAME)] if several else []),
            formatted(each.figure("images_per_second"), "{:,.0f}"),
            *([formatted(each.figure("shuffle_quality"), "{:.2f}")] if shuffled else []),
            _interval(each, "speedup", number),
            *([_interval(each, "headspace", number)] if trained else []),
            "–" if (floor := each.figure("floor")) is None else number(floor),
            *([_change(each)] if compared else []),
            f"{EMOJI[each.verdict]} {each.verdict}",
        ]
        for each in benchmarks
    ]
    return table(columns, rows)


def figures_table(benchmarks: Sequence[BenchmarkRow]) -> str:
    """Return what benchmarks take: CPU time, memory, disk and so on, as far as it was measured."""
    columns = {
        "CPU ms/image": (("cpu_seconds_per_image",), 1000, "{:.2f}"),
        "cores": (("cores_used",), 1, "{:.2f}"),
        "first batch ms": (("first_batch_seconds",), 1000, "{:,.0f}"),
        "99 % of batches ms": (("batch_seconds", "p99"), 1000, "{:,.3g}"),
        "longest batch ms": (("batch_seconds", "longest"), 1000, "{:,.3g}"),
        "teardown ms": (("teardown_seconds",), 1000, "{:,.0f}"),
        "peak MB": (("peak_rss_bytes",), 1e-6, "{:,.0f}"),
        "cold epoch s": (("cold_seconds",), 1, "{:.3g}"),
        "dump MB": (("dump_bytes",), 1e-6, "{:,.1f}"),
        "accelerator busy": (("accelerator_utilisation",), 1, "{:.0%}"),
        "MB/s from disk": (("bytes_per_second",), 1e-6, "{:,.1f}"),
        "cached at the start": (("cached_share",), 1, "{:.1%}"),
        "share of limit": (("share_of_limit",), 1, "{:.0%}"),
    }
    shown = {
        heading: rest
        for heading, rest in columns.items()
        if any(each.figure(*rest[0]) is not None for each in benchmarks)
    }
    words = any(each.text("bottleneck") for each in benchmarks)
    rows = [
        [
            code(each.variant),
            escaped(each.workload, LONGEST_NAME),
            *(formatted(each.figure(*name), form, scale) for name, scale, form in shown.values()),
            *([escaped(each.text("bottleneck") or "–", LONGEST_NAME)] if words else []),
        ]
        for each in benchmarks
    ]
    return table(["variant", "workload", *shown, *(["bottleneck"] if words else [])], rows)


def _change(benchmark: BenchmarkRow) -> str:
    """Return the change of the seconds, or that nothing could have changed."""
    is_unchanged = benchmark.text("change_outcome") == "unchanged"
    return "unchanged" if is_unchanged else _interval(benchmark, "change", "{:.3f}".format)


def changes_table(benchmarks: Sequence[BenchmarkRow]) -> str:
    """Return the changes of all figures but the seconds, which the table of verdicts has."""
    figures = dict.fromkeys(figure for each in benchmarks for figure in [*each.changes][1:])
    rows = [
        [
            code(each.variant),
            escaped(each.workload, LONGEST_NAME),
            *(
                formatted(as_figure(each.changes.get(figure, {}).get("change")), "{:.3f}")
                for figure in figures
            ),
        ]
        for each in benchmarks
        if len(each.changes) > 1
    ]
    headings = [escaped(figure, LONGEST_NAME) for figure in figures]
    return table(["variant", "workload", *headings], rows) if figures else ""


def article_table(about: Mapping[str, Any]) -> str:
    """Return the article's rows with what was measured here; nothing if there are none."""
    rows = []
    for row in as_mappings(about.get("article")):
        speedup, low, high = (as_figure(row.get(name)) for name in ("speedup", "speedup_low", "speedup_high"))
        rows.append(
            [
                escaped(row.get("row", ""), LONGEST_NAME),
                formatted(as_figure(row.get("article_minutes")), "{:.0f} min"),
                formatted(as_figure(row.get("article_speedup")), "{:.2f}"),
                "–" if speedup is None else figure_with_interval(speedup, low, high, number),
                formatted(as_figure(row.get("minutes")), "{:,.3g} min"),
                escaped(row.get("why", "")),
            ]
        )
    headings = ["row", "article", "its speedup", "speedup here (95 % CI)", "here, at its size", "why"]
    return table(headings, rows) if rows else ""


def cores_markdown(about: Mapping[str, Any]) -> str:
    """Return throughput against cores, and what is predicted; nothing where that was not measured."""
    tables = [
        table(
            [*each.headings],
            [[code(row[0]), *(escaped(cell, LONGEST_NAME) for cell in row[1:])] for row in each.rows],
        )
        for each in cores_tables(about)
    ]
    remarks = "\n".join(f"- {escaped(each)}" for each in cores_remarks(about))
    return "\n\n".join(filter(None, [*tables, remarks]))


def _interval(benchmark: BenchmarkRow, name: str, form: Callable[[float], str]) -> str:
    value, low, high = (benchmark.figure(each) for each in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return "–"
    return figure_with_interval(value, low, high, form)
