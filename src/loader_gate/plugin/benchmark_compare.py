"""``--benchmark-compare`` of one session: what it is held against, and whether it becomes a baseline itself.

What a session is compared with is the last accepted run: one whose session did not fail. A slowdown that was
saved is no baseline, so running again does not make it pass.
"""

from __future__ import annotations

import argparse
import textwrap
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.plugin.benchmark_storage import Chosen, CompareError, Storage
from loader_gate.report.terminal import WIDTH, comparison_table
from loader_gate.runs.comparison import (
    Absent,
    Row,
    absent_sentences,
    by_key,
    compare_entry,
    is_doubtful,
    remarks,
    slower_sentence,
)
from loader_gate.runs.saved import Entry, Key, SavedRun, mark_accepted, printable, read_entry

if TYPE_CHECKING:
    from loader_gate.machine.machine import Machine


class Comparison:
    """What one session is compared with, and what came of it.

    Attributes:
        wanted: Whether ``--benchmark-compare`` was given.
        gating: Whether a benchmark that is slower or missing fails: ``--benchmark-compare-fail`` was given.
    """

    def __init__(self, options: argparse.Namespace, machine: Machine) -> None:
        """Find the saved runs that the options ask for.

        Args:
            options: pytest's parsed options.
            machine: The machine of this session.

        Raises:
            CompareError: An option cannot be used, or a run that was asked for is not there.
        """
        self.wanted = bool(options.benchmark_compare)
        self.gating = self.wanted and bool(options.benchmark_compare_fail)
        self._options = options
        self._machine = machine
        self._run_id = uuid.uuid4().hex
        self._now: dict[Key, Entry] = {}
        self._slower: dict[Key, str] = {}
        if options.benchmark_compare_fail and not self.wanted:
            raise CompareError(
                "--benchmark-compare-fail: there is nothing to compare with; add --benchmark-compare."
            )
        if options.accept and not (self._is_stored or options.benchmark_json):
            raise CompareError(
                "--accept: this run would not be saved; add --benchmark-autosave or --benchmark-save=NAME."
            )
        self._storage: Storage | None = None
        try:
            self._storage = Storage(options.benchmark_storage)
        except CompareError as error:
            self._chosen = Chosen((), (str(error),))
            return
        if not self.wanted:
            self._chosen = Chosen((), ())
        elif options.benchmark_compare is True:
            self._chosen = self._storage.accepted
        else:
            self._chosen = self._storage.named(options.benchmark_compare)

    @property
    def _is_stored(self) -> bool:
        return bool(self._options.benchmark_autosave or self._options.benchmark_save)

    @cached_property
    def _saved(self) -> dict[Key, list[tuple[SavedRun, Entry]]]:
        return by_key(self._chosen.runs)

    def tell_pytest_benchmark(self) -> None:
        """Let pytest-benchmark, which is about to read its options, compare with the same run."""
        if self._storage is not None and self._options.benchmark_compare is True:
            self._options.benchmark_compare = str(self._chosen.runs[0].path) if self._chosen.runs else []
        if not self._options.benchmark_compare:
            # It would take that for a wrong option, but a first run has nothing to compare with.
            self._options.benchmark_compare_fail = None

    def enter(self, extra_info: Mapping[str, Any], node_id: str) -> str:
        """Take a benchmark's figures in; return why its test has to fail, or nothing.

        Args:
            extra_info: What the books say of it.
            node_id: pytest's name of the test.
        """
        entry = read_entry(extra_info, node_id, self._options.device)
        if entry is None:
            return ""
        self._now[entry.key] = entry
        slower = slower_sentence(self._row(entry), self._options.tolerance) if self.gating else ""
        if slower:
            self._slower[entry.key] = slower
        return slower

    def _row(self, now: Entry) -> Row:
        return compare_entry(now, self._saved.get(now.key, []), self._options.tolerance)

    def rows(self, why_absent: Callable[[Entry], Absent]) -> list[Row]:
        """Return what became of every benchmark: this session's in its order, then those that it lacks.

        Args:
            why_absent: Tells why a benchmark of a saved run has no figures in this one.
        """
        if not self._chosen.runs:
            return []
        lacking = [saved[0] for key, saved in self._saved.items() if key not in self._now]
        return [
            *map(self._row, self._now.values()),
            *(Row(*then.key, why_absent(then), then=then, run=run) for run, then in lacking),
        ]

    def failures(self, rows: Sequence[Row]) -> list[str]:
        """Return why the session has to fail although no test may have, in lines."""
        return _wrapped(absent_sentences(rows)) if self.gating else []

    def lines(self, rows: Sequence[Row], colour: bool) -> list[str]:
        """Return what there is to say of the comparison, in lines for people."""
        about, below, table = [*self._chosen.about], [], []
        if rows:
            machine = self._machine
            below = remarks(
                rows,
                self._chosen.runs[0],
                self._options.tolerance,
                machine.fingerprint,
                machine.describe(),
            )
            table = comparison_table([row for row in rows if row.word != "not run"], colour)
        elif self.gating:
            about.append("So --benchmark-compare-fail has nothing to hold this run against.")
        return [*_wrapped(about), *table, *_wrapped(below)]

    def hide_what_differs(self, mapping: dict[Any, dict[str, Any]], folder: Path) -> None:
        """Take out of pytest-benchmark's comparison of seconds what is from another machine or other work.

        Args:
            mapping: Saved benchmarks by file and by the test's name, as pytest-benchmark will use them.
            folder: Where files without a folder are.
        """
        runs = {run.path.resolve(): run for run in self._chosen.runs}
        works = {entry.node_id: entry.work for entry in self._now.values()}
        for path, benchmarks in mapping.items():
            run = runs.get((folder / path).resolve())
            for then in () if run is None else run.entries:
                elsewhere = run is not None and run.fingerprint != self._machine.fingerprint
                if elsewhere or then.work != works.get(then.node_id, then.work):
                    benchmarks.pop(then.node_id, None)

    def as_json(self, why_absent: Callable[[Entry], Absent]) -> dict[str, Any]:
        """Return what a run says to those after it. Whether it is accepted is not known yet.

        Args:
            why_absent: Tells why a benchmark of a saved run has no figures in this one.
        """
        history = by_key(() if self._storage is None else self._storage.accepted.runs)
        missing = [
            key
            for key, saved in history.items()
            if key not in self._now and why_absent(saved[0][1]) == "missing"
        ]
        tolerance = self._options.tolerance
        doubtful = [
            key
            for key, now in self._now.items()
            if is_doubtful(compare_entry(now, history.get(key, []), tolerance), tolerance)
        ]
        return {
            "accepted": False,
            "run": self._run_id,
            "device": self._options.device,
            "missing": _named(missing),
            "slower": [
                {"workload": workload, "variant": variant, "reason": reason}
                for (workload, variant), reason in self._slower.items()
            ],
            # Who accepts a run on purpose has no doubt.
            "doubtful": [] if self._options.accept else _named(doubtful),
        }

    def is_accepted(self, passed: bool, failed: bool) -> bool:
        """Return whether this run becomes a baseline.

        Args:
            passed: Whether the session has ended well.
            failed: Whether tests or the session have failed; neither if it was cut short.
        """
        return bool(self._now) and (passed or (failed and self._options.accept))

    def verdict(self, accepted: bool, failed: bool) -> str:
        """Return in a sentence whether this run becomes a baseline; nothing if it is not kept."""
        if not (self._is_stored and self._now and self._storage is not None):
            return ""
        if not accepted:
            return "This run is saved, but not accepted: --benchmark-compare passes it over."
        how = " although it failed (--accept)" if failed else ""
        return f"This run is accepted{how}: --benchmark-compare takes it from now on."

    def accept(self) -> str:
        """Mark the files just saved as accepted; return what went wrong, or nothing."""
        try:
            if self._options.benchmark_json is not None:
                mark_accepted(self._options.benchmark_json, self._run_id)
            if self._is_stored and self._storage is not None:
                self._storage.accept(self._run_id)
        except OSError as error:
            return f"This run could not be marked as accepted, so it is not: {error}."
        return ""


def _wrapped(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in textwrap.wrap(printable(text), WIDTH, break_on_hyphens=False)]


def _named(keys: Iterable[Key]) -> list[dict[str, str]]:
    return [{"workload": workload, "variant": variant} for workload, variant in keys]
