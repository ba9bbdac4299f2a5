"""``--benchmark-compare`` of one session: the saved runs it is held against, and whether it becomes one.

What a session is compared with is the last accepted run: one whose session did not fail. A slowdown that was
saved is not accepted, so running again does not make it pass.
"""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.plugin.benchmark_storage import BenchmarkStorage, CompareError, told
from loader_gate.runs.acceptance import acceptance_sentence, gone_for_good, in_doubt, mark_accepted
from loader_gate.runs.choosing import ChosenRuns
from loader_gate.runs.comparison import (
    Absent,
    ComparedBenchmark,
    SavedFigures,
    compare_entry,
    compare_session,
    figures_by_key,
)
from loader_gate.runs.comparison_table import comparison_table
from loader_gate.runs.names import named_alike
from loader_gate.runs.parsing import read_entry
from loader_gate.runs.saved import Entry, Key
from loader_gate.runs.sentences import absent_sentences, remarks, slower_sentence
from loader_gate.text import wrapped

if TYPE_CHECKING:
    from loader_gate.machine.machine import Machine

_NOT_MARKED = "This run is saved, but could not be marked as accepted"
_PASSED_OVER = "--benchmark-compare passes it over: make room, and run again"


class EarlierRuns:
    """The saved runs that one session is compared with, and what came of it.

    Attributes:
        wanted: Whether ``--benchmark-compare`` was given.
        gating: Whether a benchmark that is slower or missing fails: ``--fail-if-slower`` was given.
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
        self.gating = bool(options.fail_if_slower)
        self._options = options
        self._machine = machine
        self._is_stored = bool(options.benchmark_autosave or options.benchmark_save)
        self._run_id = uuid.uuid4().hex
        self._now: dict[Key, Entry] = {}
        self._slower: dict[Key, str] = {}
        self._loaders: dict[str, str] = {}
        for option in ("fail-if-slower", "benchmark-compare-fail"):
            if getattr(options, option.replace("-", "_")) and not self.wanted:
                raise CompareError(f"--{option}: there is nothing to compare with; add --benchmark-compare.")
        if options.accept and not (self._is_stored or options.benchmark_json):
            raise CompareError(
                "--accept: this run would not be saved; add --benchmark-autosave or --benchmark-save=NAME."
            )
        self._storage: BenchmarkStorage | None = None
        try:
            self._storage = BenchmarkStorage(options.benchmark_storage)
        except CompareError as error:
            self._chosen = ChosenRuns((), (str(error),))
            return
        if not self.wanted:
            self._chosen = ChosenRuns((), ())
        elif options.benchmark_compare is True:
            self._chosen = self._storage.accepted
        else:
            self._chosen = self._storage.named(options.benchmark_compare)

    @cached_property
    def _saved(self) -> SavedFigures:
        return figures_by_key(named_alike(self._chosen.runs, self._loaders))

    def name_loaders(self, names: Mapping[str, str]) -> None:
        """Take the names that loaders have in this session, by ``MODULE:FUNCTION``, before any is entered."""
        self._loaders = dict(names)

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
        if not self.gating:
            return ""
        tolerance = self._options.tolerance
        compared = compare_entry(entry, self._saved.get(entry.key, ()), tolerance, len(self._saved))
        slower = slower_sentence(compared, tolerance)
        if slower:
            self._slower[entry.key] = slower
        return slower

    def rows(self, why_absent: Callable[[Entry], Absent]) -> list[ComparedBenchmark]:
        """Return what became of every benchmark: this session's in its order, then those that it lacks.

        Args:
            why_absent: Tells why a benchmark of a saved run has no figures in this one.
        """
        if not self._chosen.runs:
            return []
        return compare_session(self._now, self._saved, self._options.tolerance, why_absent)

    def failures(self, rows: Sequence[ComparedBenchmark]) -> list[str]:
        """Return why the session has to fail although no test may have, in lines."""
        return _lines(absent_sentences(rows)) if self.gating else []

    def lines(self, rows: Sequence[ComparedBenchmark], colour: bool) -> list[str]:
        """Return what there is to say of the comparison, in lines for people."""
        if not rows:
            nothing = "So --fail-if-slower has nothing to hold this run against."
            return _lines([*self._chosen.about, *([nothing] if self.gating else [])])
        machine = self._machine
        below = remarks(
            rows, self._chosen.runs[0], self._options.tolerance, machine.fingerprint, machine.describe()
        )
        table = comparison_table([row for row in rows if row.word != "not run"], colour)
        return [*_lines(self._chosen.about), *table, *_lines(below)]

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
        runs = () if self._storage is None else self._storage.accepted.runs
        accepted = figures_by_key(named_alike(runs, self._loaders))
        # Who accepts a run on purpose has no doubt.
        doubtful = [] if self._options.accept else in_doubt(self._now, accepted, self._options.tolerance)
        return {
            "accepted": False,
            "run": self._run_id,
            "device": self._options.device,
            "missing": _named(gone_for_good(self._now, accepted, why_absent)),
            "slower": [
                {"workload": workload, "variant": variant, "reason": reason}
                for (workload, variant), reason in self._slower.items()
            ],
            "doubtful": _named(doubtful),
        }

    def is_accepted(self, passed: bool, failed: bool) -> bool:
        """Return whether this run becomes one that later ones are compared with.

        Args:
            passed: Whether the session has ended well.
            failed: Whether tests or the session have failed; neither if it was cut short.
        """
        return bool(self._now) and (passed or (failed and self._options.accept))

    def acceptance(self, accepted: bool, failed: bool) -> str:
        """Return in a sentence what becomes of this run; nothing if it is not kept."""
        if not (self._is_stored and self._now and self._storage is not None):
            return ""
        return acceptance_sentence(accepted, failed)

    def accept(self) -> list[str]:
        """Mark the files just saved as accepted; return a sentence on each that could not be marked."""
        path, address, problems = self._options.benchmark_json, self._options.benchmark_storage, list[str]()
        with told(problems, f"{_NOT_MARKED}: --benchmark-json {path}", _PASSED_OVER):
            if path is not None:
                mark_accepted(path, self._run_id)
        with told(problems, f"{_NOT_MARKED}: --benchmark-storage {address}", _PASSED_OVER):
            if self._is_stored and self._storage is not None:
                self._storage.accept(self._run_id)
        return problems


def _lines(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in wrapped(text)]


def _named(keys: Iterable[Key]) -> list[dict[str, str]]:
    return [{"workload": workload, "variant": variant} for workload, variant in keys]
