"""Compares the speedups of two sessions, and says in words what became of each benchmark.

A speedup is a ratio of one session, so it may be held against one of another day or machine; seconds may not,
unless the machine is the same. Everything here is a pure function of what was read and measured.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from loader_gate.registry.variant import BASELINE
from loader_gate.runs.saved import Entry, Key, SavedRun, printable
from loader_gate.verdict.sentence import number

if TYPE_CHECKING:
    from loader_gate.statistics.estimates import Estimate

#: Why a benchmark of a saved run has no figures in this session: it is gone; it was left out by an option; or
#: its test was selected and gave none.
Absent: TypeAlias = Literal["missing", "not run", "unmeasured"]
#: What became of a benchmark. The first four are of a comparison; ``other work`` could not be compared.
Word: TypeAlias = Literal["slower", "faster", "same", "not known", "new", "other work"] | Absent


@dataclass(frozen=True)
class Ratio:
    """The speedup now / the speedup then, with its interval: below 1 is slower.

    Attributes:
        value: The ratio.
        low: Lower end of its interval; 0 if there is none.
        high: Upper end; infinite if there is none.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """What became of one benchmark.

    Attributes:
        workload: The workload's name.
        variant: The variant's name.
        word: The outcome.
        then: The saved figures, if there are any.
        now: This session's, if there are any.
        run: The run that the saved ones are of.
        ratio: Of the two speedups, if they can be compared.
    """

    workload: str
    variant: str
    word: Word
    then: Entry | None = None
    now: Entry | None = None
    run: SavedRun | None = None
    ratio: Ratio | None = None

    @property
    def name(self) -> str:
        """Return the benchmark's name in a sentence."""
        return f"{self.variant} ({self.workload})"

    @property
    def is_regression(self) -> bool:
        """Return whether a loader has become slower; a limit is none."""
        return self.word == "slower" and self.now is not None and not self.now.is_limit


def parse_tolerance(text: str) -> float:
    """Return the fraction that a percentage such as ``3`` or ``3%`` stands for.

    Raises:
        argparse.ArgumentTypeError: It is none, or makes no sense here.
    """
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 <= percent < 100:
        raise argparse.ArgumentTypeError(f"{text!r}: expected percent from 0 to below 100, such as 3 or 3%")
    return percent / 100


def ratio_of(then: Estimate, now: Estimate) -> Ratio:
    """Return how a speedup has changed between two sessions.

    The sessions are independent, so the half-widths of their intervals, on the log scale, add in quadrature.
    """
    value = now.ratio / then.ratio
    half = math.hypot(log_half_width(then), log_half_width(now))
    if not half < 700:  # no interval, or one that no float can hold
        return Ratio(value, 0.0, math.inf)
    return Ratio(value, value * math.exp(-half), value * math.exp(half))


def log_half_width(estimate: Estimate) -> float:
    """Return half of an interval's width on the log scale; infinite where there is no interval."""
    if estimate.low <= 0 or not math.isfinite(estimate.high):
        return math.inf
    return (math.log(estimate.high) - math.log(estimate.low)) / 2


def word_for(ratio: Ratio, tolerance: float) -> Word:
    """Return what a ratio shows.

    It is a change if it is larger than the tolerance and its interval leaves no change out; it is the same
    if the whole interval is within the tolerance. Anything else is not known.
    """
    least, most = 1 - tolerance, 1 / (1 - tolerance)
    if ratio.value < least and ratio.high < 1:
        return "slower"
    if ratio.value > most and ratio.low > 1:
        return "faster"
    if least <= ratio.low and ratio.high <= most:
        return "same"
    return "not known"


def compare_entry(now: Entry, saved: Sequence[tuple[SavedRun, Entry]], tolerance: float) -> Row:
    """Return the row of a benchmark that this session has measured.

    Args:
        now: What was measured.
        saved: Where it was measured before, newest first. The first on the same work counts.
        tolerance: The slowdown that is allowed, as a fraction.
    """
    if not saved:
        return Row(now.workload, now.variant, "new", now=now)
    run, then = next(((run, then) for run, then in saved if then.work == now.work), saved[0])
    if then.work != now.work:
        return Row(now.workload, now.variant, "other work", then, now, run)
    # The baseline's speedup is 1 by definition, in every session.
    ratio = Ratio(1.0, 1.0, 1.0) if now.variant == BASELINE else ratio_of(then.estimate, now.estimate)
    return Row(now.workload, now.variant, word_for(ratio, tolerance), then, now, run, ratio)


def by_key(runs: Sequence[SavedRun]) -> dict[Key, list[tuple[SavedRun, Entry]]]:
    """Return where each benchmark was measured: what it is best compared with comes first.

    That is the newest figures, which need not be in the last run, as a run may be of a part of the suite.
    Once a run without it was accepted although nobody had left it out, it is no longer part of the suite.
    Doubtful figures come last: a slowdown that noise has hidden would else become the baseline, and then the
    next one.

    Args:
        runs: The runs, newest first.
    """
    found: dict[Key, list[tuple[SavedRun, Entry]]] = {}
    gone: set[Key] = set()
    for run in runs:
        for entry in run.entries:
            if entry.key not in gone:
                found.setdefault(entry.key, []).append((run, entry))
        gone |= run.missing
    return {
        key: sorted(saved, key=lambda each: each[1].key in each[0].doubtful) for key, saved in found.items()
    }


def is_doubtful(row: Row, tolerance: float) -> bool:
    """Return whether a benchmark seems to have become slower, but not certainly."""
    return row.word == "not known" and row.ratio is not None and row.ratio.value < 1 - tolerance


def percent(tolerance: float) -> str:
    """Return a tolerance as people read it."""
    return f"{tolerance * 100:.3g} %"


def slower_sentence(row: Row, tolerance: float) -> str:
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


def absent_sentences(rows: Iterable[Row]) -> list[str]:
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
    rows: Sequence[Row], newest: SavedRun, tolerance: float, fingerprint: str | None, machine: str
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
        f"now/then: below 1 is slower. Tolerance {percent(tolerance)} (--tolerance); same: all of the "
        "interval is within it; not known: the interval is too wide to tell."
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


def _throughput(compared: Sequence[Row], fingerprint: str | None, machine: str) -> list[str]:
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


def _names(rows: Iterable[Row], word: str) -> str:
    return ", ".join(row.name for row in rows if row.word == word)


def _runs_of(rows: Iterable[Row]) -> list[SavedRun]:
    found: list[SavedRun] = []
    for row in rows:
        if row.run is not None and not any(row.run is run for run in found):
            found.append(row.run)
    return found
