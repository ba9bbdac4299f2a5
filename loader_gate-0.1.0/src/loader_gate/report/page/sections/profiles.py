"""Where the time of variants goes: stages, flame graphs, and what changed against base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loader_gate.report.benchmarks import BenchmarkRow, name_of
from loader_gate.report.json_values import as_figure, as_list, as_mappings
from loader_gate.report.page.parts import NONE, Chart, Section, Table
from loader_gate.report.profiles import gained_words, place, stage_shares


def profiles(workloads: Mapping[str, Sequence[BenchmarkRow]]) -> Section | None:
    """Return the profiles of a run."""
    charts, tables = [], []
    for workload, rows in workloads.items():
        profiled = [row for row in rows if stage_shares(row.info)]
        for row in profiled:
            charts += [chart for compared in (True, False) if (chart := _flame(row, compared)) is not None]
        if profiled:
            tables.append(_stages(workload, profiled))
    about = (
        "Each variant ran once more when everything was timed, while a profiler looked at it. A bar is as "
        "wide as the time that threads spent in a function, added up; below it is what it has called. Click "
        "on one to enlarge it."
    )
    return Section("profiles", "Profiles", about, charts, tables, tables_first=True) if tables else None


def _stages(workload: str, rows: Sequence[BenchmarkRow]) -> Table:
    """Return the share of each stage in the time of all threads."""
    shares = [stage_shares(row.info) for row in rows]
    stages = list(dict.fromkeys(stage for each in shares for stage in each))
    cells = [
        (row.variant, *(f"{100 * each[stage]:.0f} %" if stage in each else NONE for stage in stages))
        for row, each in zip(rows, shares, strict=True)
    ]
    note = (
        "Of the time of all threads and processes together, waiting too. Of tf.data, only what its threads "
        "do is recorded."
    )
    return Table(f"Share of each stage: {workload}", ("Variant", *stages), cells, [note])


def _flame(row: BenchmarkRow, compared: bool) -> Chart | None:
    """Return a flame graph of a variant: alone, or coloured by what changed against base."""
    nodes = _nodes(row, compared)
    if nodes is None:
        return None
    kind = "changes" if compared else "profile"
    return Chart(
        f"{kind}-of-{row.workload}-{row.variant}",
        f"{'What changed in' if compared else 'Where the time goes in'} {name_of(row)}",
        _gained(row) if compared else _largest(row),
        *(_gained_table(row) if compared and gained_words(row.info) else _functions_table(row)),
        {"kind": "flame", "nodes": nodes},
        "Red has gained time against base, blue has lost some: the stronger, the more."
        if compared
        else "Colours are of stages; hover over a bar to see which, and how long it takes.",
    )


def _nodes(row: BenchmarkRow, compared: bool) -> dict[str, Any] | None:
    """Return the nodes of a flame graph in columns; None if there are none that can be read."""
    found: dict[str, list[Any]] = {
        name: [] for name in ("parents", "names", "said", "stages", "head", "base")
    }
    for number, each in enumerate(as_list(row.info.get("profile_flame"))):
        values = as_list(each)
        if len(values) != 6 or not isinstance(values[0], int) or not -1 <= values[0] < number:
            return None
        parent, function, file, stage = values[:4]
        head, base = as_figure(values[4]), as_figure(values[5])
        if head is None or (compared and base is None):
            return None
        said = f"{place({'function': function, 'file': file})}, {stage}: {head:.3g} ms an image"
        found["parents"].append(parent)
        found["names"].append(str(function))
        found["said"].append(f"{said}, base {base:.3g}" if compared else said)
        found["stages"].append(str(stage))
        found["head"].append(max(0.0, head))
        found["base"].append(max(0.0, base or 0.0))
    if not found["names"]:
        return None
    return {**found, "base": found["base"] if compared else None}


def _gained(row: BenchmarkRow) -> str:
    words = gained_words(row.info)
    return f"{words[:1].upper()}{words[1:]}." if words else "No function has gained time for certain."


def _largest(row: BenchmarkRow) -> str:
    shares = list(stage_shares(row.info).items())[:3]
    return f"Most of it: {', '.join(f'{stage} {100 * share:.0f} %' for stage, share in shares)}."


def _gained_table(row: BenchmarkRow) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
    cells = [
        (place(each), NONE if milliseconds is None else f"{milliseconds:.3g}")
        for each in as_mappings(row.info.get("profile_gained"))
        for milliseconds in [as_figure(each.get("milliseconds_an_image"))]
    ]
    return ("Function", "Gained, ms an image"), cells


def _functions_table(row: BenchmarkRow) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
    def percent(value: object) -> str:
        share = as_figure(value)
        return NONE if share is None else f"{100 * share:.1f} %"

    cells = [
        (place(each), percent(each.get("self")), percent(each.get("total")))
        for each in as_mappings(row.info.get("profile_functions"))
    ]
    return ("Function", "Itself", "With what it calls"), cells
