"""The parts of the page that show one run: pictures and tables, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from loader_gate.advice.frontier import Placed, placed, points_of
from loader_gate.registry.variant import BASELINE
from loader_gate.report.article import COCO_IMAGES
from loader_gate.report.page.parts import (
    NONE,
    Chart,
    Section,
    Table,
    in_seconds,
    listed,
    spread,
    three_decimals,
)
from loader_gate.report.reading import Row, about_run, as_figure, as_list, as_mapping, as_mappings, name_of
from loader_gate.sizes import format_size
from loader_gate.verdict.sentence import number

_FRONT = {"yes": "yes", "no": "no", "undecided": "maybe"}


def changes(workloads: Mapping[str, Sequence[Row]]) -> Section | None:
    """Return what became of each variant against base."""
    charts, tables = [], []
    for workload, rows in workloads.items():
        compared = [row for row in rows if row.changes]
        if not compared:
            continue
        shown = [row for row in compared if row.figure("change") is not None]
        if shown:
            charts.append(
                _intervals(
                    f"changes-{workload}",
                    f"Seconds of this checkout / seconds of the base: {workload}",
                    shown,
                    [_figures(row.info, "change", "change_low", "change_high") for row in shown],
                    written=three_decimals,
                    marks=[1 + (as_figure(_first(row.changes).get("tolerance")) or 0) for row in shown],
                    mark_name="tolerance",
                    shown_as=[str(_first(row.changes).get("outcome")) for row in shown],
                    axis="head / base, below 1 is faster",
                )
            )
        cells = [
            (
                row.variant,
                figure,
                spread(three_decimals, *_figures(each, "change", "low", "high")),
                f"{100 * (as_figure(each.get('tolerance')) or 0):.3g} %",
                str(each.get("outcome")),
            )
            for row in compared
            for figure, each in row.changes.items()
        ]
        headings = ("Variant", "Figure", "Head / base (95 % CI)", "Tolerance", "Outcome")
        tables.append(Table(f"Changes: {workload}", headings, cells))
    about = (
        "Each variant was paired with itself at the base revision, seconds apart. Above 1 this checkout "
        "takes more. A regression is beyond the tolerance, with an interval that leaves 1 out."
    )
    return Section("changes", "Changes against the base", about, charts, tables) if tables else None


def _first(changes: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(iter(changes.values()))


def speedups(workloads: Mapping[str, Sequence[Row]]) -> Section | None:
    """Return the forest plots of speedups with their floors."""
    charts = []
    for workload, rows in workloads.items():
        shown = [row for row in rows if row.figure("speedup") is not None and row.variant != BASELINE]
        if not shown:
            continue
        shown.sort(key=lambda row: -(row.figure("speedup") or 0))
        charts.append(
            _intervals(
                f"speedups-{workload}",
                f"Speedup over the baseline: {workload}",
                shown,
                [_figures(row.info, "speedup", "speedup_low", "speedup_high") for row in shown],
                written=number,
                marks=[row.figure("floor") for row in shown],
                mark_name="floor",
                shown_as=["limit" if row.is_limit else row.verdict for row in shown],
                axis="times as fast as the baseline, log scale",
            )
        )
    about = (
        "A point is the measured speedup, its line the 95 % interval, and the upright bar the floor. "
        "An interval right of its floor passes, one left of it fails, and one that holds it is undecided. "
        "A limit is no loader, but what the machine can do at best."
    )
    return Section("speedups", "Speedups", about, charts) if charts else None


def which_variant(run: Mapping[str, Any], rows: Sequence[Row]) -> Section | None:
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


def _map(rows: Sequence[Row]) -> tuple[Chart | None, str]:
    """Return throughput against bytes, and how to read it."""
    found = placed(points_of(row.info for row in rows))
    shown = [
        each for each in found if each.point.disk_bytes is not None and each.point.memory_bytes is not None
    ]
    if len({_bytes(each) for each in shown}) < 2:
        return None, ""
    table = [
        (
            each.point.variant,
            f"{each.point.images_per_second:,.0f}",
            format_size(each.point.disk_bytes or 0),
            format_size(each.point.memory_bytes or 0),
            _FRONT[each.front],
            ", ".join(each.others) or NONE,
        )
        for each in found
        if each in shown
    ]
    spec = {
        "kind": "map",
        "points": [
            {
                "name": each.point.variant,
                "where": "memory" if each.point.memory_bytes else "disk" if each.point.disk_bytes else "none",
                "bytes": _bytes(each),
                "rate": each.point.images_per_second,
                "front": each.front,
                "said": f"{each.point.images_per_second:,.0f} images/s, {format_size(_bytes(each))} an image",
            }
            for each in shown
        ],
    }
    front = [each.point.variant for each in shown if each.front == "yes"]
    summary = f"{len(shown)} variants. "
    summary += (
        f"No other one is surely better than {listed(front, 8)}." if front else "None is surely the best."
    )
    chart = Chart(
        "throughput",
        "Throughput against bytes an image",
        summary,
        (
            "Variant",
            "Images/s",
            "On disk, an image",
            "In memory, an image",
            "On the front",
            "Beaten by, or maybe",
        ),
        table,
        spec,
    )
    about = (
        "On the map, up is faster and left takes fewer bytes beside the tree. Filled points are on the "
        "front: no variant that takes as little is as fast for certain."
    )
    left = [each.point.variant for each in found if each not in shown]
    if left:
        about += f" Not on the map, as their bytes are not known: {', '.join(left)}."
    return chart, about


def _bytes(each: Placed) -> float:
    return (each.point.disk_bytes or 0) + (each.point.memory_bytes or 0)


def limits(workloads: Mapping[str, Sequence[Row]]) -> Section | None:
    """Return the share of the machine's limits that variants reach."""
    charts = []
    for workload, rows in workloads.items():
        shown = [row for row in rows if row.figure("share_of_limit") is not None]
        if not shown:
            continue
        shown.sort(key=lambda row: -(row.figure("share_of_limit") or 0))
        chart = _intervals(
            f"limits-{workload}",
            f"Share of the limit: {workload}",
            shown,
            [
                _figures(row.info, "share_of_limit", "share_of_limit_low", "share_of_limit_high")
                for row in shown
            ],
            written=number,
            marks=[None] * len(shown),
            mark_name="",
            shown_as=["share"] * len(shown),
            axis="share of the limit",
            log=False,
            extra=("Limit", [row.text("limit") or NONE for row in shown]),
        )
        charts.append(chart)
    about = "How much of what this machine can do at most each variant reaches; 1 is the limit itself."
    return Section("limits", "Share of the limit", about, charts) if charts else None


def _intervals(
    key: str,
    title: str,
    rows: Sequence[Row],
    spreads: Sequence[tuple[float | None, float | None, float | None]],
    *,
    written: Callable[[float], str],
    marks: Sequence[float | None],
    mark_name: str,
    shown_as: Sequence[str],
    axis: str,
    log: bool = True,
    extra: tuple[str, list[str]] | None = None,
) -> Chart:
    """Return a forest plot: a point and an interval a row."""
    table: list[tuple[str, ...]] = []
    drawn: list[dict[str, Any]] = []
    for index, (row, figures) in enumerate(zip(rows, spreads, strict=True)):
        said, mark = spread(written, *figures), marks[index]
        cells = [row.variant, said]
        if mark_name:
            cells.append(NONE if mark is None else written(mark))
        if extra:
            cells.append(extra[1][index])
        table.append((*cells, row.verdict))
        words = f", {mark_name} {written(mark)}" if mark is not None else ""
        drawn.append(
            {
                "name": row.variant,
                "value": figures[0],
                "low": figures[1] or None,
                "high": figures[2],
                "mark": mark,
                "as": shown_as[index],
                "value_said": said,
                "said": f"{said}{words}: {row.verdict}",
            }
        )
    headings = ["Variant", "Value (95 % CI)"]
    headings += [mark_name.capitalize()] if mark_name else []
    headings += [extra[0]] if extra else []
    best, worst = table[0], table[-1]
    summary = f"{best[0]} {best[1]}"
    summary = f"From {summary} down to {worst[0]} {worst[1]}." if len(rows) > 1 else f"{summary}."
    spec = {"kind": "intervals", "log": log, "axis": axis, "mark": mark_name, "rows": drawn}
    return Chart(key, title, summary, (*headings, "Verdict"), table, spec)


def phases(workloads: Mapping[str, Sequence[Row]]) -> Section | None:
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


def resources(workloads: Mapping[str, Sequence[Row]]) -> Section | None:
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


def dumps(rows: Sequence[Row]) -> Section | None:
    """Return what dumps take on disk, and what they gain."""
    shown = [row for row in rows if row.figure("dump_bytes") is not None]
    if not shown:
        return None
    cells, riddle = [], []
    for row in shown:
        each = row.figure("dump_bytes_per_image") or 0
        predicted, cold, warm = (
            row.figure("predicted_bytes_per_image"),
            row.figure("cold_seconds"),
            row.seconds,
        )
        off = f" ({each / predicted - 1:+.2%})".replace("%", " %") if predicted else ""
        cells.append(
            (
                row.variant,
                format_size(row.figure("dump_bytes") or 0),
                f"{each / 1000:,.1f} KB",
                f"{predicted / 1000:,.1f} KB{off}" if predicted else NONE,
                NONE if cold is None else in_seconds(cold),
                NONE if warm is None else in_seconds(warm),
                row.text("break_even") or NONE,
            )
        )
        riddle.append(f"{row.variant} {format_size(each * COCO_IMAGES)}")
    headings = ("Variant", "Dump", "An image", "Predicted", "Writing epoch", "Reading epoch", "Break-even")
    notes = [
        f"At this size an image, COCO2017's {COCO_IMAGES:,} images would take: {'; '.join(riddle)}.",
        "That is all there is to the article's 90 GB: its file cache keeps 4 bytes for each number of an "
        f"image, and {COCO_IMAGES:,} x 256 x 256 x 3 x 4 bytes are 92.2 GB, whatever the JPEGs take.",
    ]
    return Section(
        "dumps",
        "Dumps on disk",
        tables=[Table("What was written, and what it gains", headings, cells, notes)],
    )


def accelerator(rows: Sequence[Row]) -> Section | None:
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


def article(run: Mapping[str, Any]) -> Section | None:
    """Return the article's table."""
    cells, notes = [], []
    for row in as_mappings(about_run(run).get("article")):
        minutes, speedup = as_figure(row.get("article_minutes")), as_figure(row.get("article_speedup"))
        seconds, here = as_figure(row.get("seconds")), as_figure(row.get("minutes"))
        cells.append(
            (
                str(row.get("row")),
                NONE if minutes is None else f"{minutes:.0f} min",
                NONE if speedup is None else number(speedup),
                NONE if seconds is None else in_seconds(seconds),
                spread(number, *_figures(row, "speedup", "speedup_low", "speedup_high")),
                NONE if here is None else f"{here:.3g} min",
            )
        )
        if row.get("why"):
            notes.append(f"{row.get('row')}: {row['why']}.")
    if not cells:
        return None
    headings = ("Row", "Article", "Speedup", "Here", "Speedup (95 % CI)", "At its size")
    about = "What the article measured, and the same measured here. Ratios travel; seconds do not."
    return Section(
        "article", "The article", about, tables=[Table("The article, measured here", headings, cells, notes)]
    )


def passes(rows: Sequence[Row]) -> Section | None:
    """Return every pass of the variants that fail or are undecided."""
    charts = []
    for row in rows:
        baseline, own = row.figures("baseline_seconds"), row.figures("variant_seconds")
        if not row.is_doubtful or row.variant == BASELINE or not own:
            continue
        sides = {"baseline": baseline, "base": row.figures("base_seconds"), row.variant: own}
        sides = {name: seconds for name, seconds in sides.items() if seconds}
        most = max(map(len, sides.values()))
        charts.append(
            Chart(
                f"passes-{row.workload}-{row.variant}",
                f"Passes of {name_of(row)}",
                "Median seconds: "
                + ", ".join(f"{name} {in_seconds(median(found))}" for name, found in sides.items())
                + ".",
                ("Pass", *sides),
                [
                    (
                        f"block {index // 2 + 1}, pass {index % 2 + 1}",
                        *(
                            in_seconds(found[index]) if index < len(found) else NONE
                            for found in sides.values()
                        ),
                    )
                    for index in range(most)
                ],
                {
                    "kind": "passes",
                    "sides": [{"name": name, "seconds": found} for name, found in sides.items()],
                },
            )
        )
    about = "Of the variants that fail or are undecided: every pass, two a block, in the order they were run."
    return Section("passes", "Passes of the doubtful", about, charts) if charts else None


def machine(run: Mapping[str, Any]) -> Section:
    """Return where it ran."""
    machine = as_mapping(run.get("machine_info"))
    versions = {str(name): str(version) for name, version in as_mapping(machine.get("versions")).items()}
    if not versions and machine.get("python_version"):
        versions["python"] = str(machine["python_version"])
    versions["pytest-benchmark"] = str(run.get("version") or NONE)
    cells = [
        ("Machine", str(machine.get("description") or machine.get("node") or NONE)),
        ("Fingerprint", str(machine.get("fingerprint") or NONE)),
        *versions.items(),
    ]
    tables = [Table("Where it ran", ("What", "Which"), cells)]
    noise = [
        (str(workload), str(as_mapping(said)["noise"]))
        for workload, said in as_mapping(about_run(run).get("about")).items()
        if as_mapping(said).get("noise")
    ]
    if noise:
        note = (
            "The baseline against itself is 1 on a calm machine; if its interval leaves 1 out, the machine "
            "moved, and nobody fails."
        )
        tables.append(Table("Noise while it ran", ("Workload", "What the system showed"), noise, [note]))
    about = "Seconds are only compared with runs of the same fingerprint."
    return Section("machine", "Machine, versions and noise", about, tables=tables)


def _figures(
    info: Mapping[str, Any], value: str, low: str, high: str
) -> tuple[float | None, float | None, float | None]:
    return as_figure(info.get(value)), as_figure(info.get(low)), as_figure(info.get(high))
