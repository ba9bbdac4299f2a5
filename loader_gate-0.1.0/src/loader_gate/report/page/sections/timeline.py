"""The history: how each benchmark went, run by run, with steps and drift."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from loader_gate.history.steps import what_changed
from loader_gate.registry.variant import BASELINE
from loader_gate.report.page.parts import Chart, Section, Table
from loader_gate.runs.sentences import with_interval
from loader_gate.verdict.sentence import number

if TYPE_CHECKING:
    from loader_gate.history.series import Series, SeriesPoint
    from loader_gate.history.steps import Changes, Drift, Step
    from loader_gate.runs.comparison import Ratio

#: How many of the last runs a chart's table of numbers has: all of them would make the page large.
LISTED = 20


def timeline(
    series: Sequence[Series],
    find_changes: Callable[[Sequence[Series]], Sequence[Changes]],
    damaged: Sequence[str] = (),
) -> tuple[Section | None, list[dict[str, Any]]]:
    """Return the section, and the runs that its charts refer to by number.

    Args:
        series: Each benchmark over time.
        find_changes: Finds the steps and the drift of all of them.
        damaged: Files that were passed over, a sentence each.
    """
    shown = [each for each in series if each.variant != BASELINE and len(each.points) > 1]
    if not shown:
        return None, []
    runs: dict[str, dict[str, Any]] = {}
    numbers: dict[str, int] = {}
    for each in shown:
        for point in each.points:
            if str(point.path) not in runs:
                numbers[str(point.path)] = len(runs)
                runs[str(point.path)] = _run(point)
    found = sorted(
        find_changes(shown), key=lambda each: (each.series.is_limit, _worst(each.steps, each.drift))
    )
    charts = [_chart(index, each.series, each.steps, each.drift, numbers) for index, each in enumerate(found)]
    cells = [cell for each in found for cell in _cells(each)]
    headings = ("Benchmark", "What", "After / before (95 % CI)", "First run", "Revision", "Changed with it")
    table = Table("Steps and drift", headings, cells)
    about = (
        f"Speedups of {len(runs)} runs, oldest on the left: ratios within a session, so other days and "
        "machines may be compared. The band is the 95 % interval. A dashed line is a step, a dotted one "
        "another version, machine or tree. Drag over a chart to zoom; double-click or press All to see all."
    )
    if not cells:
        about += " There is no step and no drift."
    if damaged:
        about += f" {len(damaged)} files could not be read: {' '.join(damaged[:3])}"
    section = Section("history", "History", about, charts, [table] if cells else [], tables_first=True)
    return section, list(runs.values())


def _worst(steps: Sequence[Step], drift: Drift | None) -> tuple[float, int]:
    ratios = [step.ratio.value for step in steps] + ([] if drift is None else [drift.ratio.value])
    slower = [ratio for ratio in ratios if ratio < 1]
    return min(slower, default=1.0), -len(ratios)


def _run(point: SeriesPoint) -> dict[str, Any]:
    return {
        "run": point.run,
        "on": point.saved_on[:10],
        "of": str(point.checkout),
        "branch": point.checkout.branch,
    }


def _chart(
    index: int, series: Series, steps: Sequence[Step], drift: Drift | None, numbers: Mapping[str, int]
) -> Chart:
    points = series.points
    summary = f"{number(points[-1].speedup)} times the baseline in the last of {len(points)} runs"
    for step in steps[-2:]:
        summary += f"; {_percent(step.ratio)} from run {step.run} on ({step.checkout})"
    if drift is not None:
        summary += f"; drifted by {_percent(drift.ratio)} since run {points[drift.first].run}"
    if not steps and drift is None:
        summary += "; no step and no drift"
    edges = [0, *(step.index for step in steps), len(points)]
    levels = [steps[0].before, *(step.after for step in steps)] if steps else []
    at = [numbers[str(point.path)] for point in points]
    spec = {
        "kind": "history",
        "runs": at[0] if at == [*range(at[0], at[0] + len(at))] else at,
        "value": [_short(point.speedup) for point in points],
        "half": [_half_width(point) for point in points],
        "rate": [
            None if point.images_per_second is None else _short(point.images_per_second) for point in points
        ],
        "levels": [
            {"from": begin, "to": end - 1, "value": _short(level)}
            for begin, end, level in zip(edges, edges[1:], levels, strict=False)
        ],
        "steps": [
            {
                "at": step.index,
                "said": _percent(step.ratio),
                "slower": step.ratio.value < 1,
                "more": f"{step.checkout}{'; with ' if step.changed else ''}{', '.join(step.changed)}",
            }
            for step in steps
        ],
        "marks": _marks(points),
    }
    table = [
        (
            point.run,
            point.saved_on[:10],
            str(point.checkout),
            with_interval(point.speedup, point.low, point.high),
            point.verdict or "–",
        )
        for point in reversed(points[-LISTED:])
    ]
    caption = f"The table has the last {LISTED} runs." if len(points) > LISTED else ""
    headings = ("Run", "Saved", "Revision", "Speedup (95 % CI)", "Verdict")
    return Chart(f"history-{index}", series.name, f"{summary}.", headings, table, spec, caption)


def _marks(points: Sequence[SeriesPoint]) -> list[dict[str, Any]]:
    """Return where a version, the machine or the tree is another than in the run before."""
    return [
        {"at": index, "said": ", ".join(said)}
        for index, (then, now) in enumerate(pairwise(points), 1)
        if (said := [*what_changed(then, now)])
    ]


def _half_width(point: SeriesPoint) -> float | None:
    """Return the half-width of an interval, on the log scale, where it is the same to either side."""
    if not 0 < point.low < point.high < math.inf:
        return None
    return round((math.log(point.high) - math.log(point.low)) / 2, 4)


def _cells(changes: Changes) -> list[tuple[str, ...]]:
    series, drift = changes.series, changes.drift
    cells: list[tuple[str, ...]] = [
        (
            series.name,
            "slower" if step.ratio.value < 1 else "faster",
            _spread(step.ratio),
            f"{step.run} ({series.points[step.index].saved_on[:10]})",
            str(step.checkout),
            ", ".join(step.changed) or "–",
        )
        for step in changes.steps
    ]
    if drift is not None:
        first = series.points[drift.first]
        way = "drifts down" if drift.ratio.value < 1 else "drifts up"
        cells.append((series.name, way, _spread(drift.ratio), first.run, str(first.checkout), "–"))
    for other in changes.bottlenecks:
        point, words = series.points[other.index], f"{other.before} → {other.after}"
        date = f"{point.run} ({point.saved_on[:10]})"
        cells.append((series.name, "another bottleneck", words, date, str(point.checkout), "–"))
    return cells


def _spread(ratio: Ratio) -> str:
    bounded = 0 < ratio.low < ratio.high < math.inf
    return _percent(ratio) + (f" ({_signed(ratio.low)} to {_signed(ratio.high)})" if bounded else "")


def _percent(ratio: Ratio) -> str:
    return f"{_signed(ratio.value)} %"


def _signed(ratio: float) -> str:
    return f"{(ratio - 1) * 100:+.1f}".replace("-", "−")


def _short(value: float) -> float:
    """Return a figure with as many digits as a picture can show."""
    return float(f"{value:.4g}")
