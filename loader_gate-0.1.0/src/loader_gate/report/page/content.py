"""What the page says of a run: outcome and verdicts first, then its parts. Nothing here knows of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loader_gate.registry.variant import BASELINE
from loader_gate.report.benchmarks import SIGNS, BenchmarkRow, about_run, benchmark_rows, name_of
from loader_gate.report.json_values import as_list, as_mapping
from loader_gate.report.page.parts import NONE, Section, listed, percent_change, spread
from loader_gate.report.page.sections.article import article
from loader_gate.report.page.sections.circumstances import machine, passes
from loader_gate.report.page.sections.comparisons import changes, limits, speedups
from loader_gate.report.page.sections.cores import cores
from loader_gate.report.page.sections.dumps import dumps
from loader_gate.report.page.sections.headspace import headspace
from loader_gate.report.page.sections.profiles import profiles
from loader_gate.report.page.sections.resources import accelerator, phases, resources
from loader_gate.report.page.sections.which_variant import which_variant
from loader_gate.report.page.sections.why import why
from loader_gate.verdict.sentence import number

#: What is said of a run by whether it was accepted; nothing where that is not known.
_ACCEPTED = {"True": "yes, later runs are compared with it", "False": "no"}


@dataclass(frozen=True)
class VerdictRow:
    """A line of the first table, as text."""

    variant: str
    verdict: str
    sign: str
    speedup: str
    floor: str
    images_per_second: str
    shuffle: str
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
        has_shuffle: Whether it is known how well any variant shuffles.
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
    has_shuffle: bool
    notes: dict[str, list[str]]
    sections: list[Section]


def page_of(run: Mapping[str, Any], history: Section | None = None) -> Page:
    """Return what there is to say of a run.

    Args:
        run: The JSON of pytest-benchmark.
        history: The section that shows the runs before it, if there is one.
    """
    rows = sorted(benchmark_rows(run), key=_worst_first)
    workloads = _by_workload(rows)
    loaders = _by_workload([row for row in rows if not row.is_limit])
    parts = [
        changes(workloads),
        speedups(workloads),
        which_variant(run, rows),
        why(loaders),
        profiles(loaders),
        headspace(workloads),
        limits(workloads),
        cores(run),
        phases(loaders),
        resources(loaders),
        dumps(rows),
        accelerator(rows),
        article(run),
        history,
        passes(rows),
        machine(run),
    ]
    about = about_run(run)
    session = as_mapping(about.get("session"))
    notes = [str(each) for each in as_list(about.get("notes"))]
    if session.get("cut_short"):
        notes.append("The session was cut short: what it had not measured by then is missing here.")
    status, headline, lead = _outcome(rows)
    # Others than the verdicts can fail a session; of a saved run only --gate strict is known.
    failed = session.get("failed") or (about.get("gate") == "strict" and status == "undecided")
    if rows and (failed or session.get("cut_short")) and status not in ("fail", "unmeasured"):
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
        has_shuffle=any(row.figure("shuffle_quality") is not None for row in rows),
        notes=_notes(run),
        sections=[part for part in parts if part is not None],
    )


def _by_workload(rows: Sequence[BenchmarkRow]) -> dict[str, list[BenchmarkRow]]:
    return {row.workload: [each for each in rows if each.workload == row.workload] for row in rows}


def _worst_first(row: BenchmarkRow) -> tuple[int, bool, float]:
    is_regression = any(change.get("outcome") == "regression" for change in row.changes.values())
    rank = -1 if is_regression else [*SIGNS].index(row.verdict)
    return rank, row.variant == BASELINE, -(row.figure("speedup") or 0)


def _outcome(rows: Sequence[BenchmarkRow]) -> tuple[str, str, str]:
    """Return the worst verdict, all of them in a few words, and who is behind the bad ones."""
    counts = {verdict: [row for row in rows if row.verdict == verdict] for verdict in SIGNS}
    loaders = [row for row in rows if not row.is_limit]
    if not rows:
        return "nothing", "Nothing was measured", "The session ended before any variant had figures."
    status = next(verdict for verdict in SIGNS if counts[verdict])
    parts = [f"{len(found)} {verdict}" for verdict, found in counts.items() if found]
    bad = [*counts["fail"], *counts["unmeasured"]] or counts["undecided"]
    if not bad:
        fastest = max(loaders or rows, key=lambda row: row.figure("speedup") or 0)
        speedup = fastest.figure("speedup") or 1
        lead = f"{name_of(fastest)} is the fastest: {number(speedup)} times the baseline."
        return status, "All pass" if len(rows) > 1 else "Pass", f"Every variant clears its floor. {lead}"
    return status, ", ".join(parts), f"Look at {listed([name_of(row) for row in bad])}."


def _verdict_row(row: BenchmarkRow) -> VerdictRow:
    floor, rate, change = row.figure("floor"), row.figure("images_per_second"), row.figure("change")
    return VerdictRow(
        variant=row.variant,
        verdict=row.verdict,
        sign=SIGNS[row.verdict],
        speedup=_speedup(row),
        floor=NONE if floor is None else number(floor),
        images_per_second=NONE if rate is None else f"{rate:,.0f}",
        shuffle=NONE if (shuffle := row.figure("shuffle_quality")) is None else f"{shuffle:.2f}",
        change=NONE if change is None else percent_change(change),
        reason=_sentence(row.reason),
    )


def _sentence(reason: str) -> str:
    """Return the end of a sentence that begins with a speedup as a sentence of its own."""
    text = reason.strip()
    for word in ("which ", "and ", "but "):
        text = text.removeprefix(word)
    text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _speedup(row: BenchmarkRow) -> str:
    if row.variant == BASELINE and row.figure("speedup") is not None:
        return "1 (baseline)"
    return spread(number, row.figure("speedup"), row.figure("speedup_low"), row.figure("speedup_high"))


def _facts(run: Mapping[str, Any], rows: Sequence[BenchmarkRow]) -> list[tuple[str, str]]:
    commit, where = as_mapping(run.get("commit_info")), as_mapping(run.get("machine_info"))
    revision = str(commit.get("id") or "")[:10]
    dirty = " with uncommitted changes" if commit.get("dirty") else ""
    branch = commit.get("branch")
    on = f" on {branch}" if branch and branch != "(unknown)" else ""
    accepted, seed = about_run(run).get("accepted"), about_run(run).get("seed")
    found = [
        ("Saved", str(run.get("datetime") or "")[:16].replace("T", " ")),
        ("Revision", f"{revision}{on}{dirty}" if revision and revision != "unversione" else ""),
        ("Profile", next((row.text("profile") for row in rows if row.text("profile")), "")),
        ("Machine", str(where.get("description") or where.get("node") or "")),
        ("Accepted", _ACCEPTED.get(str(accepted), "")),
        ("Order drawn from", f"--session-seed {seed}" if isinstance(seed, int) else ""),
    ]
    return [(name, value) for name, value in found if value]


def _notes(run: Mapping[str, Any]) -> dict[str, list[str]]:
    found = {}
    for workload, about in as_mapping(about_run(run).get("about")).items():
        said = as_mapping(about)
        images, tree = said.get("images"), said.get("tree")
        lines = [f"Tree {tree}, {images} images." if images else ""]
        lines += [str(note) for note in as_list(said.get("notes"))]
        lines += [f"Compared with {said['base']}." if said.get("base") else "", str(said.get("floors") or "")]
        lines += [f"Noise: {said['noise']}." if said.get("noise") else ""]
        found[str(workload)] = [line for line in lines if line]
    return found
