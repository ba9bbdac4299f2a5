"""Compares the speedups of two sessions, and says in words what became of each benchmark.

A speedup is a ratio of one session, so it may be held against one of another day or machine; seconds may not,
unless the machine is the same. Everything here is a pure function of what was read and measured.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from loader_gate.registry.variant import BASELINE
from loader_gate.runs.saved import Entry, Key, SavedRun
from loader_gate.statistics.estimate import Estimate
from loader_gate.statistics.session_error import times_as_wide
from loader_gate.verdict.change import RESOLUTION

#: Why a benchmark of a saved run has no figures in this session: it is gone; it was left out by an option; or
#: its test was selected and gave none.
Absent: TypeAlias = Literal["missing", "not run", "unmeasured"]
#: What became of a benchmark. The first four are of a comparison; ``other work`` could not be compared.
Word: TypeAlias = Literal["slower", "faster", "same", "not known", "new", "other work"] | Absent

#: Where each benchmark was measured: the run and its figures there, those that are compared with first.
SavedFigures: TypeAlias = Mapping[Key, Sequence[tuple[SavedRun, Entry]]]


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
class ComparedBenchmark:
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


def word_for(ratio: Ratio, tolerance: float, comparisons: int = 1) -> Word:
    """Return what a ratio shows.

    It is a change if the whole interval is beyond the tolerance, that which a failure takes; it is the same
    if no end of the usual interval is beyond it by more than `RESOLUTION`. Anything else is not known.

    Args:
        ratio: Of the speedups, with its usual interval.
        tolerance: The slowdown that is allowed, as a fraction.
        comparisons: How many there are in the session: they share one error.
    """
    least = 1 - tolerance
    surely = Estimate(ratio.value, ratio.low, ratio.high, 0).widened(times_as_wide(comparisons))
    if surely.high < least:
        return "slower"
    if surely.low > 1 / least:
        return "faster"
    if least - RESOLUTION <= ratio.low and ratio.high <= 1 / (least - RESOLUTION):
        return "same"
    return "not known"


def compare_entry(
    now: Entry, saved: Sequence[tuple[SavedRun, Entry]], tolerance: float, comparisons: int = 1
) -> ComparedBenchmark:
    """Return what became of a benchmark that this session has measured.

    Args:
        now: What was measured.
        saved: Where it was measured before, newest first. The first on the same work counts.
        tolerance: The slowdown that is allowed, as a fraction.
        comparisons: How many there are in the session.
    """
    if not saved:
        return ComparedBenchmark(now.workload, now.variant, "new", now=now)
    run, then = next(((run, then) for run, then in saved if then.work == now.work), saved[0])
    if then.work != now.work:
        return ComparedBenchmark(now.workload, now.variant, "other work", then, now, run)
    # The baseline's speedup is 1 by definition, in every session.
    ratio = Ratio(1.0, 1.0, 1.0) if now.variant == BASELINE else ratio_of(then.estimate, now.estimate)
    word = word_for(ratio, tolerance, comparisons)
    return ComparedBenchmark(now.workload, now.variant, word, then, now, run, ratio)


def figures_by_key(runs: Sequence[SavedRun]) -> SavedFigures:
    """Return where each benchmark was measured: what it is best compared with comes first.

    That is the newest figures, which need not be in the last run, as a run may be of a part of the suite.
    Once a run without it was accepted although nobody had left it out, it is no longer part of the suite.
    Doubtful figures come last: the next run would else be held against a slowdown that noise has hidden, and
    the one after that against the next.

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


def compare_session(
    now: Mapping[Key, Entry], saved: SavedFigures, tolerance: float, why_absent: Callable[[Entry], Absent]
) -> list[ComparedBenchmark]:
    """Return what became of every benchmark: this session's in its order, then those that it lacks.

    Args:
        now: What this session has measured.
        saved: What was measured before.
        tolerance: The slowdown that is allowed, as a fraction.
        why_absent: Tells why a benchmark of a saved run has no figures in this session.
    """
    lacking = [figures[0] for key, figures in saved.items() if key not in now]
    return [
        *(compare_entry(entry, saved.get(key, ()), tolerance, len(saved)) for key, entry in now.items()),
        *(ComparedBenchmark(*then.key, why_absent(then), then=then, run=run) for run, then in lacking),
    ]


def is_doubtful(row: ComparedBenchmark, tolerance: float) -> bool:
    """Return whether a benchmark seems to have become slower, but not certainly."""
    least = 1 - tolerance - RESOLUTION
    return row.word == "not known" and row.ratio is not None and row.ratio.value < least
