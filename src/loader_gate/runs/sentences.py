"""What is said of a comparison, in sentences for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from loader_gate.registry.variant import BASELINE
from loader_gate.runs.comparison import ComparedBenchmark
from loader_gate.runs.saved import SavedRun
from loader_gate.text import printable
from loader_gate.verdict.sentence import number


def with_interval(value: float, low: float, high: float) -> str:
    """Return a speedup, or a ratio of two, with its interval if it has one."""
    bounded = 0 < low < high < math.inf
    return number(value) + (f" ({number(low)}–{number(high)})" if bounded else "")


def percent(tolerance: float) -> str:
    """Return a tolerance as people read it."""
    return f"{tolerance * 100:.3g} %"


def slower_sentence(row: ComparedBenchmark, tolerance: float) -> str:
    """Return why a benchmark that is a regression fails, in one sentence; nothing of any other row."""
    if not row.is_regression or row.then is None or row.now is None or row.run is None or row.ratio is None:
        return ""
    ratio = row.ratio
    then, now = number(row.then.estimate.ratio), number(row.now.estimate.ratio)
    return printable(
        f"{row.name} has become slower: it was {then} times as fast as {BASELINE} in run {row.run.label} "
        f"and is {now} times now, {number(ratio.value)} of that (95 % interval {number(ratio.low)} to "
        f"{number(ratio.high)}), which is beyond the tolerance of {percent(tolerance)}: find what slowed it, "
        "or run once more with --accept if the slowdown is meant."
    )


def absent_sentences(rows: Iterable[ComparedBenchmark]) -> list[str]:
    """Return why a session fails that lacks benchmarks it should have, a sentence a reason."""
    rows = [*rows]
    missing, unmeasured = _names(rows, "missing"), _names(rows, "unmeasured")
    sentences = []
    if missing:
        sentences.append(
            f"This run fails, as it lacks what the saved one has: {missing}. Run once more with --accept if "
            "they were renamed or removed on purpose."
        )
    if unmeasured:
        sentences.append(f"This run fails, as these were selected but gave no figures: {unmeasured}.")
    return [printable(sentence) for sentence in sentences]


def remarks(
    rows: Sequence[ComparedBenchmark],
    newest: SavedRun,
    tolerance: float,
    fingerprint: str | None,
    machine: str,
) -> list[str]:
    """Return what a table of rows cannot say, a sentence or two each.

    Args:
        rows: The rows.
        newest: The run that rows are compared with unless they say otherwise.
        tolerance: The slowdown that is allowed, as a fraction.
        fingerprint: Of the machine of this session.
        machine: That machine in words.
    """
    texts = [
        f"now/then: below 1 is slower. Tolerance {percent(tolerance)} (--tolerance). Slower: proven to be "
        "beyond it, by a wider interval than the one shown; same: the one shown is hardly beyond it; not "
        "known: the interval is too wide to tell."
    ]
    compared = [row for row in rows if row.ratio is not None]
    for row in rows:
        if row.word == "other work" and row.then is not None and row.now is not None and row.run is not None:
            difference = row.then.work.differences(row.now.work)
            texts.append(f"{row.name} is not compared with run {row.run.label}: {difference}.")
    for run in _runs_of(compared):
        if run is not newest:
            names = ", ".join(row.name for row in compared if row.run is run)
            texts.append(f"Compared with run {run.label}{when(run)}, the last to tell on this work: {names}.")
    texts += _throughput(compared, fingerprint, machine)
    for text, word in (
        ("New, in no saved run", "new"),
        ("Missing, in a saved run only", "missing"),
        ("Not run in this session", "not run"),
    ):
        names = _names(rows, word)
        texts += [f"{text}: {names}."] if names else []
    return texts


def _throughput(compared: Sequence[ComparedBenchmark], fingerprint: str | None, machine: str) -> list[str]:
    """Return images a second then and now where the machine is the same, and else why not."""
    same: dict[str, list[str]] = {}
    for row in compared:
        then, now = (None if each is None else each.images_per_second for each in (row.then, row.now))
        if row.run is not None and row.run.fingerprint == fingerprint and then and now:
            same.setdefault(row.workload, []).append(f"{row.variant} {then:,.0f} → {now:,.0f}")
    others = [run for run in _runs_of(compared) if run.fingerprint != fingerprint]
    return [
        *(
            f"Images/s then → now, on the same machine, {workload}: {'; '.join(rates)}."
            for workload, rates in same.items()
        ),
        *(
            f"Seconds and images/s are not compared with run {run.label}, as the machine differs: "
            f"{run.machine} then; {machine} now."
            for run in others
        ),
    ]


def when(run: SavedRun) -> str:
    """Return the end of a sentence that says when a run was saved."""
    return f", saved {run.saved_on[:10]}" if run.saved_on else ""


def _names(rows: Iterable[ComparedBenchmark], word: str) -> str:
    return ", ".join(row.name for row in rows if row.word == word)


def _runs_of(rows: Iterable[ComparedBenchmark]) -> list[SavedRun]:
    found: list[SavedRun] = []
    for row in rows:
        if row.run is not None and not any(row.run is run for run in found):
            found.append(row.run)
    return found
