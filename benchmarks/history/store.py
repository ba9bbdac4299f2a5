"""Every saved run of a storage, of whatever machine, system and Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.saved_runs import SavedRun, run_or_problem

#: How pytest-benchmark names its files, by folders of one system and Python each.
_NUMBERED = "[0-9][0-9][0-9][0-9]_*.json"


@dataclass(frozen=True)
class Loaded:
    """What a storage holds.

    Attributes:
        runs: Oldest first.
        damaged: What was passed over, a sentence each.
    """

    runs: tuple[SavedRun, ...]
    damaged: tuple[str, ...]


def run_files(storage: Path) -> list[Path]:
    """Return the files of a storage's numbered runs, in no order that means anything."""
    return sorted([*storage.glob(_NUMBERED), *storage.glob(f"*/{_NUMBERED}")])


def load_runs(storage: Path) -> Loaded:
    """Return all runs of a storage; a file that cannot be read is named, passed over and left alone."""
    return load_files(run_files(storage))


def load_files(paths: Iterable[Path]) -> Loaded:
    """Return the runs in these files, oldest first."""
    read = [run_or_problem(path) for path in paths]
    runs = sorted((each for each in read if isinstance(each, SavedRun)), key=_age)
    problems = [each for each in read if isinstance(each, str)]
    return Loaded(tuple(runs), (*problems, *(text for run in runs for text in run.damaged)))


def _age(run: SavedRun) -> tuple[datetime, str, str]:
    """Return what sorts runs by when they were measured; numbers decide where that is not known."""
    try:
        saved_on = datetime.fromisoformat(run.saved_on)
    except ValueError:
        saved_on = datetime.min  # before all others
    if saved_on.tzinfo is None:
        saved_on = saved_on.replace(tzinfo=timezone.utc)
    return saved_on, run.path.name, str(run.path.parent)
