"""Throughput against cores: what was measured, Amdahl's law, and what it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loader_gate.report.benchmarks import about_run
from loader_gate.report.cores_tables import cores_remarks, cores_tables, scalings, with_range
from loader_gate.report.json_values import as_figure, as_mapping, as_mappings
from loader_gate.report.page.parts import Chart, Section, Table
from loader_gate.statistics.amdahl import seconds_by_law

#: Between two numbers of cores a curve has so many points.
STEPS = 24


def cores(run: Mapping[str, Any]) -> Section | None:
    """Return throughput against cores; None where that was not measured."""
    about = about_run(run)
    tables = [Table(each.title, each.headings, each.rows) for each in cores_tables(about)]
    if not tables:
        return None
    tables[-1].notes.extend(cores_remarks(about))
    drawn = [each for each in map(_drawn, scalings(about)) if each["points"]]
    words = (
        "Each variant on some of the cores and on all of them, in the same blocks. The curves are Amdahl's "
        "law, fitted to what was measured; hollow points are what it predicts."
    )
    return Section("cores", "Throughput against cores", words, [_chart(drawn)] if drawn else [], tables)


def _chart(drawn: list[dict[str, Any]]) -> Chart:
    gains = [each for each in drawn if each["speedup"] is not None]
    gains.sort(key=lambda each: each["speedup"], reverse=True)
    summary = f"{len(drawn)} variants."
    if gains:
        first, last = gains[0]["points"][0], gains[0]["points"][-1]
        summary += (
            f" {gains[0]['name']} gains most: {gains[0]['speedup']:.2f} times as fast with "
            f"{last['cores']:.0f} cores as with {first['cores']:.0f}."
        )
    rows = [
        (row["name"], f"{point['cores']:.0f}", point["said"])
        for row in drawn
        for point in (*row["points"], *row["predicted"])
    ]
    headings = ("Variant", "Cores", "Images/s (95 % CI)")
    caption = (
        "Both axes are logarithmic: what gains as much as the cores goes up as steeply as the dotted line."
    )
    return Chart(
        "images-by-cores",
        "Images/s by cores",
        summary,
        headings,
        rows,
        {"kind": "cores", "rows": drawn},
        caption,
    )


def _drawn(scaling: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``page.js`` draws a variant from."""
    listed = as_mappings(scaling.get("points"))
    points = [each for each in map(_point, listed) if each is not None]
    prediction = as_mapping(scaling.get("prediction"))
    predicted = _point(prediction)
    if predicted is not None:
        predicted["said"] += f", predicted; limited by {prediction.get('limited_by')}"
    share = as_figure(as_mapping(scaling.get("serial_share")).get("value"))
    curve = []
    if share is not None and 0 <= share <= 1 and len(points) > 1:
        first, last = points[0]["cores"], (predicted or points[-1])["cores"]
        for step in range(STEPS + 1):
            at = first * (last / first) ** (step / STEPS)
            times = seconds_by_law(share, points[-1]["cores"]) / seconds_by_law(share, at)
            curve.append([at, points[-1]["rate"] * times])
    return {
        "name": str(scaling.get("variant")),
        "is_limit": bool(scaling.get("is_limit")),
        "points": points,
        "speedup": as_figure(as_mapping(listed[-1].get("speedup")).get("value")) if listed else None,
        "curve": curve,
        "predicted": [] if predicted is None else [predicted],
    }


def _point(point: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return one point; None if it has no throughput."""
    rate = as_mapping(point.get("images_per_second"))
    cores, value = as_figure(point.get("cores")), as_figure(rate.get("value"))
    if cores is None or cores < 1 or value is None or value <= 0:
        return None
    ends = {name: as_figure(rate.get(name)) for name in ("low", "high")}
    return {"cores": cores, "rate": value, **ends, "said": f"{with_range(rate, '{:,.0f}'.format)} images/s"}
