"""Why each variant is as fast as it is: a word, and what it was found by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loader_gate.report.benchmarks import BenchmarkRow
from loader_gate.report.json_values import as_mapping
from loader_gate.report.page.parts import NONE, Section, Table


def why(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return what holds each variant back."""
    tables = []
    for workload, rows in workloads.items():
        cells = [
            (
                row.variant,
                row.text("bottleneck"),
                str(as_mapping(row.info.get("bottleneck_evidence")).get("sentence") or NONE),
            )
            for row in rows
            if row.text("bottleneck")
        ]
        if cells:
            headings = ("Variant", "Bottleneck", "Found by")
            tables.append(Table(f"What holds each variant back: {workload}", headings, cells))
    if not tables:
        return None
    about = (
        "What would have to be cheaper for a variant to be faster, from epochs that were looked at after the "
        "last timed pass. Where the evidence carries no word, it is unclear."
    )
    return Section("why", "Why", about, tables=tables)
