"""What a session says of one workload at its end: to people below its table, and to the JSON.

See ``terminal.py`` for the tables, and ``plugin/books.py`` for what the JSON says of each benchmark.
"""

from __future__ import annotations

import textwrap
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loader_gate.machine.noise import describe_noise
from loader_gate.registry.variant import BASELINE
from loader_gate.report.article import article_rows
from loader_gate.report.bottlenecks import bottleneck_lines
from loader_gate.report.cold_table import HEADINGS, cold_rows
from loader_gate.report.profiles import stage_lines
from loader_gate.report.terminal import change_table, share_lines, shuffle_lines, verdict_table
from loader_gate.statistics.control import read_control
from loader_gate.statistics.session_error import SESSION_ERROR
from loader_gate.text import WIDTH, text_table
from loader_gate.verdict.sentence import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loader_gate.machine.machine import Machine
    from loader_gate.session.result import Result


_ANYWHERE = 10.0


@dataclass(frozen=True)
class TableNotes:
    """What there is to say beside the figures of a workload.

    Attributes:
        machine: The machine.
        floors: Why these floors hold, or why none does.
        base: What variants are compared with, in words; None if with nothing.
        skipped: Variants that are not installed, with what they need.
        seed: What the order of passes was drawn from.
        comparisons: How many of the whole session may fail, at most.
    """

    machine: Machine
    floors: str
    base: str | None = None
    skipped: tuple[str, ...] = ()
    seed: int = 0
    comparisons: int = 1


def session_table(result: Result, notes: TableNotes, colour: bool) -> list[str]:
    """Return the tables of a workload and what is to be said below them, in lines for people.

    Args:
        result: What was measured.
        notes: What there is to say beside that.
        colour: Whether to colour verdicts for a terminal.
    """
    measurements = [*result.measurements.values()]
    lines = verdict_table(measurements, len(result.tree), colour)
    if rows := cold_rows(result.extra_info.items()):
        lines += ["", *text_table(HEADINGS, rows, colour)]
    about = [*result.notes, *share_lines(measurements), *shuffle_lines(measurements)]
    about += stage_lines(result.extra_info)
    about += bottleneck_lines(result.extra_info)
    if notes.base is not None:
        lines += ["", *change_table(measurements, colour)]
        about.append(f"Change: head / base, below 1 is better. Base: {notes.base}.")
        if any(change.outcome == "unchanged" for each in measurements for change in each.verdict.changes):
            about.append(
                "What is unchanged runs the same code at base, so it was not timed there; "
                "--compare-unchanged does that all the same."
            )
    about += [f"Skipped: {each}" for each in notes.skipped]
    about += [
        notes.floors,
        f"Machine: {notes.machine.describe()}.",
        f"Noise: {noise_seen(result)}.",
        f"Order: drawn from --session-seed {notes.seed}.",
        f"{notes.comparisons} comparison{'' if notes.comparisons == 1 else 's'}: at most "
        f"{100 * SESSION_ERROR:g} % of sessions with nothing changed fail.",
    ]
    return [*lines, *(line for text in about for line in textwrap.wrap(text, WIDTH))]


def about_run(results: Mapping[str, Result], notes: Mapping[str, TableNotes]) -> dict[str, Any]:
    """Return what the JSON says of a session's workloads, each by its name, and of the article.

    Args:
        results: What was measured.
        notes: What there is to say beside that.
    """
    return {
        "about": {name: _about_workload(result, notes[name]) for name, result in results.items()},
        "article": [asdict(row) for row in article_rows(results)],
        "unmeasured": [
            {"variant": variant, "workload": name, "reason": measurement.verdict.reason}
            for name, result in results.items()
            for variant, measurement in result.measurements.items()
            # Nobody has asked for batches that are already there: a note says why there are none.
            if measurement.verdict.status == "unmeasured"
            and not measurement.variant.traits.hands_over_batches
        ],
    }


def _about_workload(result: Result, notes: TableNotes) -> dict[str, Any]:
    """Return what the JSON says of a workload as a whole."""
    return {
        "tree": result.tree.name,
        "images": len(result.tree),
        "notes": list(result.notes),
        "floors": notes.floors,
        "noise": noise_seen(result),
        "base": notes.base,
    }


def noise_seen(result: Result) -> str:
    """Return what is known of the noise that a workload was measured in, in words."""
    passes = [timing.seconds for timing in result.measurements[BASELINE].variant_passes]
    every = (timing for each in result.measurements.values() for timing in each.variant_passes)
    clocks = [timing.gpu.clock for timing in every if timing.gpu is not None and timing.gpu.clock is not None]
    parts = [describe_noise(*result.noise, clocks)]
    if passes:
        control = read_control([passes])
        found = control.estimate
        # Of a few blocks it may reach to anywhere.
        is_known = found.half_width < _ANYWHERE
        interval = f" ({number(found.low)}–{number(found.high)})" if is_known else ""
        moved = ": the machine moved" if control.moved else ""
        parts.append(f"the baseline against itself {number(found.ratio)}{interval}{moved}")
    return ", ".join(parts)
