"""The sub-command ``compare``: two runs of the storage, with tolerances of single benchmarks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from loader_gate.history.all_runs import HistoryError, find_run, labels_of
from loader_gate.history.commands.common import colour, last_of, print_lines, runs_of, say
from loader_gate.runs.comparison import ComparedBenchmark, compare_entry, parse_tolerance
from loader_gate.runs.comparison_table import comparison_table
from loader_gate.runs.names import named_alike
from loader_gate.runs.saved import Entry, SavedRun
from loader_gate.runs.sentences import percent, remarks
from loader_gate.verdict.change import TOLERANCE


@dataclass(frozen=True)
class Tolerance:
    """What benchmarks may be slower by.

    Attributes:
        name: A variant, or a workload, a slash and a variant; None for all that have none of their own.
        fraction: As a fraction.
    """

    name: str | None
    fraction: float

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Return what ``[NAME=]PERCENT`` stands for.

        Raises:
            argparse.ArgumentTypeError: The percentage is none.
        """
        name, _, amount = text.rpartition("=")
        return cls(name or None, parse_tolerance(amount))

    def is_of(self, entry: Entry) -> bool:
        """Return whether it is a benchmark's own."""
        return self.name in (entry.variant, f"{entry.workload}/{entry.variant}")


def compare_runs(options: argparse.Namespace) -> int:
    """Compare the speedups of two runs; the exit code is 1 if a loader has become slower."""
    runs, tolerances = runs_of(options), options.tolerance or ()
    now = find_run(runs, options.now) if options.now else last_of(runs)
    then = find_run(runs, options.then) if options.then else _accepted_before(runs, now)
    labels = labels_of(runs)
    rows = _compared(then, now, tolerances)
    say(f"Run {labels[then.path]} ({then.checkout}) then, run {labels[now.path]} ({now.checkout}) now.")
    print_lines(comparison_table(rows, colour()))
    for text in remarks(rows, then, _fraction(None, tolerances), now.fingerprint, now.machine):
        say(text)
    own = [f"{each.name} {percent(each.fraction)}" for each in tolerances if each.name is not None]
    if own:
        say(f"Tolerances of their own: {', '.join(own)}.")
    slower = [row.name for row in rows if row.is_regression]
    if slower:
        say(f"Slower: {', '.join(slower)}.")
    return 1 if slower else 0


def _accepted_before(runs: Sequence[SavedRun], now: SavedRun) -> SavedRun:
    before = runs[: next(number for number, run in enumerate(runs) if run is now)]
    found = next((run for run in reversed(before) if run.accepted and run.entries), None)
    if found is None:
        raise HistoryError(f"There is no accepted run before {now.label}; name the run to compare with.")
    return found


def _compared(then: SavedRun, now: SavedRun, tolerances: Sequence[Tolerance]) -> list[ComparedBenchmark]:
    """Return what became of each benchmark."""
    now, then = named_alike([now, then])
    known = [*then.entries, *now.entries]
    for each in tolerances:
        if each.name is not None and not any(each.is_of(entry) for entry in known):
            raise HistoryError(f"--tolerance {each.name}: neither run has it.")
    before = {entry.key: entry for entry in then.entries}
    measured = {entry.key for entry in now.entries}
    rows = [
        compare_entry(
            entry,
            [(then, before[entry.key])] if entry.key in before else [],
            _fraction(entry, tolerances),
            max(1, len(before)),
        )
        for entry in now.entries
    ]
    missing = (entry for entry in then.entries if entry.key not in measured)
    return [*rows, *(ComparedBenchmark(*entry.key, "missing", then=entry, run=then) for entry in missing)]


def _fraction(entry: Entry | None, tolerances: Sequence[Tolerance]) -> float:
    """Return the tolerance of a benchmark, or of those that have none of their own: the last one given."""
    general = [each for each in tolerances if each.name is None]
    own = [] if entry is None else [each for each in tolerances if each.is_of(entry)]
    return (own or general or [Tolerance(None, TOLERANCE)])[-1].fraction
