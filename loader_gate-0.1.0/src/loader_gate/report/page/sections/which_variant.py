"""Which variant to use: the recommendation, and the map of throughput against bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loader_gate.advice.pareto import Placed, placed, points_of
from loader_gate.report.benchmarks import BenchmarkRow, about_run
from loader_gate.report.json_values import as_list, as_mappings
from loader_gate.report.page.parts import NONE, Chart, Section, listed
from loader_gate.sizes import format_size

_FRONT = {"yes": "yes", "no": "no", "undecided": "maybe"}


def which_variant(run: Mapping[str, Any], rows: Sequence[BenchmarkRow]) -> Section | None:
    """Return which variant to use, in words and as a map; None where there is no choice."""
    advice = [
        " ".join(map(str, as_list(each.get("sentences"))))
        for each in as_mappings(about_run(run).get("recommendation"))
    ]
    chart, about = _map(rows)
    if not advice and chart is None:
        return None
    charts = [] if chart is None else [chart]
    return Section("map", "Which variant to use", about, charts, advice=advice)


def _map(rows: Sequence[BenchmarkRow]) -> tuple[Chart | None, str]:
    """Return throughput against bytes, and how to read it."""
    found = placed(points_of(row.info for row in rows))
    shown = [
        each for each in found if each.point.disk_bytes is not None and each.point.memory_bytes is not None
    ]
    if len({_bytes(each) for each in shown}) < 2:
        return None, ""
    about = (
        "On the map, up is faster and left takes fewer bytes beside the tree. Filled points are on the "
        "front: no variant that takes as little is as fast for certain."
    )
    left = [each.point.variant for each in found if each not in shown]
    if left:
        about += f" Not on the map, as their bytes are not known: {', '.join(left)}."
    return _chart(shown), about


def _chart(shown: Sequence[Placed]) -> Chart:
    front = [each.point.variant for each in shown if each.front == "yes"]
    summary = f"{len(shown)} variants. "
    summary += (
        f"No other one is surely better than {listed(front, 8)}." if front else "None is surely the best."
    )
    headings = (
        *("Variant", "Images/s", "On disk, an image", "In memory, an image"),
        *("On the front", "Beaten by, or maybe"),
    )
    table = [
        (
            each.point.variant,
            f"{each.point.images_per_second:,.0f}",
            format_size(each.point.disk_bytes or 0),
            format_size(each.point.memory_bytes or 0),
            _FRONT[each.front],
            ", ".join(each.others) or NONE,
        )
        for each in shown
    ]
    spec = {"kind": "map", "points": [_drawn(each) for each in shown]}
    return Chart("throughput", "Throughput against bytes an image", summary, headings, table, spec)


def _drawn(each: Placed) -> dict[str, Any]:
    """Return what ``page.js`` draws a variant from."""
    return {
        "name": each.point.variant,
        "where": "memory" if each.point.memory_bytes else "disk" if each.point.disk_bytes else "none",
        "bytes": _bytes(each),
        "rate": each.point.images_per_second,
        "front": each.front,
        "said": f"{each.point.images_per_second:,.0f} images/s, {format_size(_bytes(each))} an image",
    }


def _bytes(each: Placed) -> float:
    return (each.point.disk_bytes or 0) + (each.point.memory_bytes or 0)
