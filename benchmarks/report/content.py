"""What the page says: a saved run in words, tables and charts. Nothing here knows of HTML."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.article import COCO_IMAGES
from benchmarks.frontier import Placed, placed, points_of
from benchmarks.gate import number
from benchmarks.limits import format_size
from benchmarks.registry import BASELINE

#: Verdicts from worst to best, with the sign that goes with each: colour is never the only one.
SIGNS = {"fail": "✗", "unmeasured": "!", "undecided": "?", "pass": "✓"}
_FRONT = {"yes": "yes", "no": "no", "undecided": "maybe"}
_NONE = "–"


@dataclass(frozen=True)
class Row:
    """One benchmark of a run, or a variant that has none as it was not measured.

    Attributes:
        workload: The workload's name.
        variant: The variant's name.
        verdict: `pass`, `fail`, `undecided` or `unmeasured`.
        reason: Why, and what to do.
        info: What the run says of it: the ``extra_info``.
    """

    workload: str
    variant: str
    verdict: str
    reason: str
    info: Mapping[str, Any]

    def figure(self, name: str) -> float | None:
        """Return a figure, or None if it is not there or is none."""
        return _figure(self.info.get(name))

    def figures(self, name: str) -> list[float]:
        """Return a list of figures, without what is none."""
        return _figures(self.info.get(name))

    def text(self, name: str) -> str:
        """Return text, empty if it is not there."""
        value = self.info.get(name)
        return "" if value is None else str(value)

    @property
    def seconds(self) -> float | None:
        """Return the median seconds of an epoch."""
        passes = self.figures("variant_seconds")
        return median(passes) if passes else None

    @property
    def is_doubtful(self) -> bool:
        """Return whether somebody will want to see its passes."""
        return self.verdict in ("fail", "undecided")

    @property
    def changes(self) -> dict[str, Mapping[str, Any]]:
        """Return what changed against base, by figure."""
        found = self.info.get("changes")
        return (
            {str(name): each for name, each in found.items() if isinstance(each, Mapping)}
            if isinstance(found, Mapping)
            else {}
        )


@dataclass(frozen=True)
class Chart:
    """A picture, and the same in words and numbers for those who do not see it.

    Attributes:
        key: Its name on the page.
        title: The heading.
        summary: What it shows, in a sentence or two.
        headings: Of the table of its numbers.
        rows: The table; the first cell of a row names it.
        spec: What ``page.js`` draws it from.
        caption: How to read it.
    """

    key: str
    title: str
    summary: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    spec: dict[str, Any]
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """A table for people.

    Attributes:
        title: The caption.
        headings: One a column.
        rows: The first cell of a row names it.
        notes: What is to be said below it.
    """

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        key: Its name in links.
        title: Its heading.
        about: How to read it, in a sentence or two.
        charts: Its pictures.
        tables: Its tables.
        tables_first: Whether they come before the pictures.
    """

    key: str
    title: str
    about: str = ""
    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    tables_first: bool = False


@dataclass(frozen=True)
class VerdictRow:
    """A line of the first table, as text."""

    variant: str
    verdict: str
    sign: str
    speedup: str
    floor: str
    images_per_second: str
    change: str
    reason: str


@dataclass(frozen=True)
class Page:
    """All that the page says.

    Attributes:
        status: The worst verdict, or `nothing`.
        headline: The outcome in a few words.
        lead: Who is behind it, in a sentence.
        session_notes: What is said of the session as a whole, a sentence each.
        facts: When, where and of what the run is, as names and values.
        verdicts: The first table, by workload.
        has_changes: Whether variants were compared with a base.
        notes: What is said of each workload as a whole.
        sections: The rest, in order.
    """

    status: str
    headline: str
    lead: str
    session_notes: list[str]
    facts: list[tuple[str, str]]
    verdicts: dict[str, list[VerdictRow]]
    has_changes: bool
    notes: dict[str, list[str]]
    sections: list[Section]


def page_of(run: Mapping[str, Any], history: Section | None = None) -> Page:
    """Return what there is to say of a run.

    Args:
        run: The JSON of pytest-benchmark.
        history: The section that shows the runs before it, if there is one.
    """
    rows = sorted(_rows(run), key=_worst_first)
    workloads = {row.workload: [each for each in rows if each.workload == row.workload] for row in rows}
    sections = [
        _changes(workloads),
        _speedups(workloads),
        _map(rows),
        _limits(workloads),
        _phases(workloads),
        _resources(workloads),
        _dumps(rows),
        _accelerator(rows),
        _article(run),
        history,
        _passes(rows),
        _machine(run),
    ]
    session = _mapping(_about(run).get("session"))
    notes = [str(each) for each in _items(session.get("notes"))]
    if session.get("cut_short"):
        notes.append("The session was cut short: what it had not measured by then is missing here.")
    status, headline, lead = _outcome(rows)
    # Others than the verdicts can fail a session, --gate strict among them.
    if rows and (session.get("failed") or session.get("cut_short")) and status not in ("fail", "unmeasured"):
        how = "Cut short" if session.get("cut_short") else "Failed"
        status, headline = "fail", f"{how}: {headline[:1].lower()}{headline[1:]}"
    return Page(
        status=status,
        headline=headline,
        lead=lead,
        session_notes=notes,
        facts=_facts(run, rows),
        verdicts={name: [_verdict_row(row) for row in found] for name, found in workloads.items()},
        has_changes=any(row.changes for row in rows),
        notes=_notes(run),
        sections=[section for section in sections if section is not None],
    )


def _rows(run: Mapping[str, Any]) -> Iterable[Row]:
    slower = {
        (str(each.get("workload")), str(each.get("variant"))): str(each.get("reason"))
        for each in _list(_about(run).get("slower"))
    }
    for benchmark in _list(run.get("benchmarks")):
        info = benchmark.get("extra_info")
        if not isinstance(info, Mapping) or not {"workload", "variant"} <= info.keys():
            continue  # a benchmark of somebody else's
        verdict = str(info.get("verdict"))
        # Runs of the first days did not say why.
        reason = str(info.get("reason") or "")
        known = verdict if verdict in SIGNS else "undecided"
        key = str(info["workload"]), str(info["variant"])
        if key in slower:
            known, reason = "fail", slower[key]
        yield Row(*key, known, reason, info)
    for each in _list(_about(run).get("unmeasured")):
        yield Row(
            str(each.get("workload")), str(each.get("variant")), "unmeasured", str(each.get("reason")), {}
        )


def _worst_first(row: Row) -> tuple[int, bool, float]:
    is_regression = any(change.get("outcome") == "regression" for change in row.changes.values())
    rank = -1 if is_regression else [*SIGNS].index(row.verdict)
    return rank, row.variant == BASELINE, -(row.figure("speedup") or 0)


def _outcome(rows: Sequence[Row]) -> tuple[str, str, str]:
    """Return the worst verdict, all of them in a few words, and who is behind the bad ones."""
    counts = {verdict: [row for row in rows if row.verdict == verdict] for verdict in SIGNS}
    measured = [row for row in rows if row.verdict != "unmeasured"]
    if not rows:
        return "nothing", "Nothing was measured", "The session ended before any variant had figures."
    status = next(verdict for verdict in SIGNS if counts[verdict])
    parts = [f"{len(found)} {verdict}" for verdict, found in counts.items() if found]
    bad = [*counts["fail"], *counts["unmeasured"]] or counts["undecided"]
    if not bad:
        fastest = max(measured, key=lambda row: row.figure("speedup") or 0)
        speedup = fastest.figure("speedup") or 1
        lead = f"Every variant clears its floor. {_name(fastest)} is the fastest: {number(speedup)} times the baseline."
        return status, "All pass" if len(rows) > 1 else "Pass", lead
    return status, ", ".join(parts), f"Look at {_listed([_name(row) for row in bad])}."


def _name(row: Row) -> str:
    return f"{row.variant} ({row.workload})"


def _listed(names: Sequence[str], most: int = 4) -> str:
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _verdict_row(row: Row) -> VerdictRow:
    floor, rate, change = row.figure("floor"), row.figure("images_per_second"), row.figure("change")
    return VerdictRow(
        variant=row.variant,
        verdict=row.verdict,
        sign=SIGNS[row.verdict],
        speedup=_speedup(row),
        floor=_NONE if floor is None else number(floor),
        images_per_second=_NONE if rate is None else f"{rate:,.0f}",
        change=_NONE if change is None else _percent_change(change),
        reason=_sentence(row.reason),
    )


def _sentence(reason: str) -> str:
    """Return the end of a sentence that begins with a speedup as a sentence of its own."""
    text = reason.strip()
    for word in ("which ", "and ", "but "):
        text = text.removeprefix(word)
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _speedup(row: Row) -> str:
    if row.variant == BASELINE and row.figure("speedup") is not None:
        return "1 (baseline)"
    return _spread(row.figure("speedup"), row.figure("speedup_low"), row.figure("speedup_high"), number)


def _spread(
    value: float | None, low: float | None, high: float | None, written: Callable[[float], str]
) -> str:
    if value is None:
        return _NONE
    return written(value) + (f" ({written(low)}–{written(high)})" if low and high else "")


def _percent_change(ratio: float) -> str:
    return f"{(ratio - 1) * 100:+.1f} %".replace("-", "−")


def _facts(run: Mapping[str, Any], rows: Sequence[Row]) -> list[tuple[str, str]]:
    commit, machine = _mapping(run.get("commit_info")), _mapping(run.get("machine_info"))
    revision = str(commit.get("id") or "")[:10]
    dirty = " with uncommitted changes" if commit.get("dirty") else ""
    branch = commit.get("branch")
    on = f" on {branch}" if branch and branch != "(unknown)" else ""
    accepted = _about(run).get("accepted")
    found = [
        ("Saved", str(run.get("datetime") or "")[:16].replace("T", " ")),
        ("Revision", f"{revision}{on}{dirty}" if revision and revision != "unversione" else ""),
        ("Profile", next((row.text("profile") for row in rows if row.text("profile")), "")),
        ("Machine", str(machine.get("description") or machine.get("node") or "")),
        ("Accepted", {True: "yes, later runs are compared with it", False: "no"}.get(accepted, "")),
    ]
    return [(name, value) for name, value in found if value]


def _notes(run: Mapping[str, Any]) -> dict[str, list[str]]:
    found = {}
    for workload, about in _mapping(_about(run).get("about")).items():
        said = _mapping(about)
        images, tree = said.get("images"), said.get("tree")
        lines = [f"Tree {tree}, {images} images." if images else ""]
        lines += [str(note) for note in _items(said.get("notes"))]
        lines += [f"Compared with {said['base']}." if said.get("base") else "", str(said.get("floors") or "")]
        lines += [f"Noise: {said['noise']}." if said.get("noise") else ""]
        found[str(workload)] = [line for line in lines if line]
    return found


def _speedups(workloads: Mapping[str, Sequence[Row]]) -> Section | None:
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
                [
                    (row.figure("speedup"), row.figure("speedup_low"), row.figure("speedup_high"))
                    for row in shown
                ],
                written=number,
                marks=[row.figure("floor") for row in shown],
                mark_name="floor",
                shown_as=[row.verdict for row in shown],
                axis="times as fast as the baseline, log scale",
            )
        )
    about = (
        "A point is the measured speedup, its line the 95 % interval, and the upright bar the floor. "
        "An interval right of its floor passes, one left of it fails, and one that holds it is undecided."
    )
    return Section("speedups", "Speedups", about, charts) if charts else None


def _changes(workloads: Mapping[str, Sequence[Row]]) -> Section | None:
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
                    [
                        (row.figure("change"), row.figure("change_low"), row.figure("change_high"))
                        for row in shown
                    ],
                    written=_three,
                    marks=[1 + (_figure(_first(row.changes).get("tolerance")) or 0) for row in shown],
                    mark_name="tolerance",
                    shown_as=[str(_first(row.changes).get("outcome")) for row in shown],
                    axis="head / base, below 1 is faster",
                )
            )
        cells = [
            (
                row.variant,
                figure,
                _spread(*(_figure(each.get(name)) for name in ("change", "low", "high")), _three),
                f"{100 * (_figure(each.get('tolerance')) or 0):.3g} %",
                str(each.get("outcome")),
            )
            for row in compared
            for figure, each in row.changes.items()
        ]
        headings = ("Variant", "Figure", "Head / base (95 % CI)", "Tolerance", "Outcome")
        tables.append(Table(f"Changes: {workload}", headings, cells))
    about = (
        "Each variant was paired with itself at the base revision, seconds apart. Above 1 this checkout takes "
        "more. A regression is beyond the tolerance, with an interval that leaves 1 out."
    )
    return Section("changes", "Changes against the base", about, charts, tables) if tables else None


def _three(ratio: float) -> str:
    return f"{ratio:.3f}"


def _first(changes: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return next(iter(changes.values()))


def _limits(workloads: Mapping[str, Sequence[Row]]) -> Section | None:
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
                (
                    row.figure("share_of_limit"),
                    row.figure("share_of_limit_low"),
                    row.figure("share_of_limit_high"),
                )
                for row in shown
            ],
            written=number,
            marks=[None] * len(shown),
            mark_name="",
            shown_as=["share"] * len(shown),
            axis="share of the limit",
            log=False,
            extra=("Limit", [row.text("limit") or _NONE for row in shown]),
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
    table, drawn = [], []
    for index, (row, spread) in enumerate(zip(rows, spreads, strict=True)):
        said, mark = _spread(*spread, written), marks[index]
        cells = [row.variant, said]
        if mark_name:
            cells.append(_NONE if mark is None else written(mark))
        if extra:
            cells.append(extra[1][index])
        table.append(tuple([*cells, row.verdict]))
        words = f", {mark_name} {written(mark)}" if mark is not None else ""
        drawn.append(
            {
                "name": row.variant,
                "value": spread[0],
                "low": spread[1] or None,
                "high": spread[2],
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


def _map(rows: Sequence[Row]) -> Section | None:
    found = placed(points_of(row.info for row in rows))
    shown = [
        each for each in found if each.point.disk_bytes is not None and each.point.memory_bytes is not None
    ]
    if len({_bytes(each) for each in shown}) < 2:
        return None
    table = [
        (
            each.point.variant,
            f"{each.point.images_per_second:,.0f}",
            format_size(each.point.disk_bytes or 0),
            format_size(each.point.memory_bytes or 0),
            _FRONT[each.front],
            ", ".join(each.others) or _NONE,
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
        f"No other one is surely better than {_listed(front, 8)}." if front else "None is surely the best."
    )
    chart = Chart(
        "map",
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
        "Up is faster, left takes fewer bytes beside the tree. Filled points are on the front: no variant "
        "that takes as little is as fast for certain."
    )
    left = [each.point.variant for each in found if each not in shown]
    if left:
        about += f" Not on the map, as their bytes are not known: {', '.join(left)}."
    return Section("map", "Map", about, [chart])


def _bytes(each: Placed) -> float:
    return (each.point.disk_bytes or 0) + (each.point.memory_bytes or 0)


def _phases(workloads: Mapping[str, Sequence[Row]]) -> Section | None:
    charts = []
    for workload, rows in workloads.items():
        table, drawn = [], []
        for row in sorted(rows, key=lambda row: row.seconds or 0):
            seconds, first = row.seconds, row.figure("first_batch_seconds")
            teardown = row.figure("teardown_seconds")
            if seconds is None or first is None or teardown is None:
                continue
            parts = {"first": first, "steady": max(0.0, seconds - first), "teardown": teardown}
            table.append((row.variant, *map(_seconds, parts.values())))
            drawn.append({"name": row.variant, **parts, "said": list(map(_seconds, parts.values()))})
        if drawn:
            shortest = drawn[0]["first"] + drawn[0]["steady"]
            charts.append(
                Chart(
                    f"phases-{workload}",
                    f"Phases of an epoch: {workload}",
                    f"{drawn[0]['name']} has the shortest epoch, {_seconds(shortest)}.",
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


def _resources(workloads: Mapping[str, Sequence[Row]]) -> Section | None:
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


def _seconds(figure: float) -> str:
    return f"{figure:.3g} s" if figure >= 1 else f"{1000 * figure:.3g} ms"


def _dumps(rows: Sequence[Row]) -> Section | None:
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
                f"{predicted / 1000:,.1f} KB{off}" if predicted else _NONE,
                _NONE if cold is None else _seconds(cold),
                _NONE if warm is None else _seconds(warm),
                row.text("break_even") or _NONE,
            )
        )
        riddle.append(f"{row.variant} {format_size(each * COCO_IMAGES)}")
    headings = ("Variant", "Dump", "An image", "Predicted", "Writing epoch", "Reading epoch", "Break-even")
    notes = [
        f"At this size an image, COCO2017's {COCO_IMAGES:,} images would take: {'; '.join(riddle)}.",
        "That is all there is to the article's 90 GB: its file cache keeps 4 bytes for each number of an image, "
        f"and {COCO_IMAGES:,} x 256 x 256 x 3 x 4 bytes are 92.2 GB, whatever the JPEGs take.",
    ]
    return Section(
        "dumps",
        "Dumps on disk",
        tables=[Table("What was written, and what it gains", headings, cells, notes)],
    )


def _accelerator(rows: Sequence[Row]) -> Section | None:
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


def _article(run: Mapping[str, Any]) -> Section | None:
    cells, notes = [], []
    for row in _list(_about(run).get("article")):
        minutes, speedup = _figure(row.get("article_minutes")), _figure(row.get("article_speedup"))
        seconds, here = _figure(row.get("seconds")), _figure(row.get("minutes"))
        cells.append(
            (
                str(row.get("row")),
                _NONE if minutes is None else f"{minutes:.0f} min",
                _NONE if speedup is None else number(speedup),
                _NONE if seconds is None else _seconds(seconds),
                _spread(
                    *(_figure(row.get(name)) for name in ("speedup", "speedup_low", "speedup_high")), number
                ),
                _NONE if here is None else f"{here:.3g} min",
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


def _passes(rows: Sequence[Row]) -> Section | None:
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
                f"Passes of {_name(row)}",
                "Median seconds: "
                + ", ".join(f"{name} {_seconds(median(found))}" for name, found in sides.items())
                + ".",
                ("Pass", *sides),
                [
                    (
                        f"block {index // 2 + 1}, pass {index % 2 + 1}",
                        *(
                            _seconds(found[index]) if index < len(found) else _NONE
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


def _machine(run: Mapping[str, Any]) -> Section:
    machine = _mapping(run.get("machine_info"))
    versions = {str(name): str(version) for name, version in _mapping(machine.get("versions")).items()}
    if not versions and machine.get("python_version"):
        versions["python"] = str(machine["python_version"])
    versions["pytest-benchmark"] = str(run.get("version") or _NONE)
    cells = [
        ("Machine", str(machine.get("description") or machine.get("node") or _NONE)),
        ("Fingerprint", str(machine.get("fingerprint") or _NONE)),
        *versions.items(),
    ]
    tables = [Table("Where it ran", ("What", "Which"), cells)]
    noise = [
        (str(workload), str(_mapping(said)["noise"]))
        for workload, said in _mapping(_about(run).get("about")).items()
        if _mapping(said).get("noise")
    ]
    if noise:
        note = "The baseline against itself is 1 on a calm machine; if its interval leaves 1 out, the machine moved."
        tables.append(Table("Noise while it ran", ("Workload", "What the system showed"), noise, [note]))
    about = "Seconds are only compared with runs of the same fingerprint."
    return Section("machine", "Machine, versions and noise", about, tables=tables)


def _about(run: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(run.get("loader_gate"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _list(value: object) -> list[Mapping[str, Any]]:
    return [each for each in _items(value) if isinstance(each, Mapping)]


def _figure(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _figures(value: object) -> list[float]:
    return [found for each in _items(value) if (found := _figure(each)) is not None]
