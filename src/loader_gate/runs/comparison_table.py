"""The table that holds the speedups of two sessions side by side."""

from __future__ import annotations

from collections.abc import Sequence

from loader_gate.registry.variant import BASELINE
from loader_gate.runs.comparison import ComparedBenchmark
from loader_gate.runs.saved import Entry
from loader_gate.runs.sentences import with_interval
from loader_gate.text import new_table, printable, table_lines

_WORD_STYLES = {"slower": "bold red", "missing": "bold red", "faster": "green", "not known": "yellow"}


def comparison_table(rows: Sequence[ComparedBenchmark], colour: bool) -> list[str]:
    """Return the lines of the tables that hold this session against saved ones, one a workload.

    Args:
        rows: The benchmarks.
        colour: Whether colours may be used.
    """
    from rich.text import Text

    lines = []
    for workload in dict.fromkeys(row.workload for row in rows):
        table = new_table(printable(workload))
        for heading in ("then (95 % CI)", "now (95 % CI)", "now/then"):
            table.add_column(heading, justify="right")
        table.add_column("")
        for row in rows:
            if row.workload != workload:
                continue
            cells = [_speedup(row.then), _speedup(row.now), "–"]
            if row.ratio is not None and row.variant != BASELINE:
                cells[2] = with_interval(row.ratio.value, row.ratio.low, row.ratio.high)
            word = "" if row.variant == BASELINE and row.ratio is not None else row.word
            style = _WORD_STYLES.get(word, "")
            table.add_row(Text(printable(row.variant)), *cells, Text(word, style=style))
        lines += table_lines(table, colour)
    return lines


def _speedup(entry: Entry | None) -> str:
    if entry is None:
        return "–"
    return with_interval(entry.estimate.ratio, entry.estimate.low, entry.estimate.high)
