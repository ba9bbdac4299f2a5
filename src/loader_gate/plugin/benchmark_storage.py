"""Which saved runs to compare with, out of pytest-benchmark's storage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.runs.comparison import when
from loader_gate.runs.saved import NUMBERED, SavedRun, mark_accepted, run_or_problem

if TYPE_CHECKING:
    from pytest_benchmark.storage.file import FileStorage


class CompareError(Exception):
    """An option of comparing cannot be used; the message names it and says what to do."""


@dataclass(frozen=True)
class Chosen:
    """The runs to compare with.

    Attributes:
        runs: Newest first.
        about: Which they are and why, or why there is none, in sentences.
    """

    runs: tuple[SavedRun, ...]
    about: tuple[str, ...]


class Storage:
    """Saved runs in a folder."""

    def __init__(self, address: str) -> None:
        """Open a storage.

        Args:
            address: The value of ``--benchmark-storage``.

        Raises:
            CompareError: It is no folder.
        """
        if "://" in address and not address.startswith("file://"):
            raise CompareError(
                f"--benchmark-storage {address}: expected a folder; only there are runs accepted."
            )
        self._address = address

    @cached_property
    def _files(self) -> FileStorage:
        from pytest_benchmark.storage.file import FileStorage
        from pytest_benchmark.utils import get_machine_id

        folder = self._address.removeprefix("file://")
        return FileStorage(folder, logger=None, default_machine_id=get_machine_id())

    @cached_property
    def accepted(self) -> Chosen:
        """Return the accepted runs."""
        runs, problems = _read(self._numbered())
        accepted = tuple(run for run in runs if run.accepted and run.entries)
        if not accepted:
            return Chosen((), (*self._why_none(runs), *problems))
        last = accepted[0]
        which = f"Compared with run {last.label}, the last accepted one{when(last)}: {last.path.name}."
        return Chosen(accepted, (which, *problems, *(text for run in accepted for text in run.damaged)))

    def named(self, name: str) -> Chosen:
        """Return the runs that ``--benchmark-compare`` names, accepted or not.

        Raises:
            CompareError: There is none, or one cannot be read.
        """
        option = f"--benchmark-compare {name}"
        try:
            paths = [*reversed(self._files.query(name))]
        except ValueError as error:
            raise CompareError(f"{option}: {error}") from error
        runs, problems = _read(paths)
        if problems:
            raise CompareError(f"{option}: {problems[0]} Name another run.")
        if not runs:
            known = ", ".join(path.name for path in self._numbered()[:3]) or "none"
            raise CompareError(
                f"{option}: no such run in {self._files.get('')}; the last ones there: {known}. Without a "
                "value the last accepted run is taken."
            )
        about = []
        for run in runs:
            about.append(f"Compared with run {run.label}, as asked for{when(run)}: {run.path.name}.")
            if run.accepted is None:
                about.append(f"Run {run.label} was saved before runs were marked as accepted.")
            elif not run.accepted:
                about.append(f"Run {run.label} was not accepted: its session failed or was cut short.")
            if not run.entries:
                about.append(f"Run {run.label} has no speedups.")
            about += run.damaged
        return Chosen(tuple(runs), tuple(about))

    def accept(self, run_id: str) -> None:
        """Mark the run of that id as accepted.

        Raises:
            OSError: It cannot be written.
        """
        any(mark_accepted(path, run_id) for path in self._numbered())

    def _numbered(self) -> list[Path]:
        """Return the files of saved runs, newest first."""
        return [*reversed(self._files.query(NUMBERED))]

    def _why_none(self, runs: list[SavedRun]) -> list[str]:
        folder = self._files.get("")
        about = [
            f"There is no accepted run in {folder}, so nothing is compared. A run is accepted if it passes; "
            "save it with --benchmark-autosave."
        ]
        last = next((run for run in runs if run.entries), None)
        if last is not None:
            old = last.accepted is None
            why = "was saved before runs were marked as accepted" if old else "failed or was cut short"
            about.append(
                f"Run {last.label} {why}; to compare with it, give --benchmark-compare={last.label}."
            )
        paths = [path for path in reversed(self._files.query(f"*/{NUMBERED}")) if path.parent != folder]
        other = next((run for run in _read(paths)[0] if run.accepted and run.entries), None)
        if other is not None:
            name = f"{other.path.parent.name}/{other.label}"
            about.append(f"There is one of another Python or system: --benchmark-compare={name}.")
        return about


def _read(paths: Iterable[Path]) -> tuple[list[SavedRun], list[str]]:
    """Return the runs that can be read, in the order given, and a sentence on each that cannot."""
    read = [run_or_problem(path) for path in paths]
    runs = [each for each in read if isinstance(each, SavedRun)]
    return runs, [each for each in read if isinstance(each, str)]
