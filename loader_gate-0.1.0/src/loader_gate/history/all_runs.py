"""Reads every saved run of a storage, of whatever machine, system and Python."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from loader_gate.runs.parsing import run_or_problem
from loader_gate.runs.saved import NUMBERED, SavedRun


class HistoryError(Exception):
    """A command cannot be carried out; the message names the argument and says what to do."""


@dataclass(frozen=True)
class LoadedRuns:
    """What a storage holds.

    Attributes:
        runs: Oldest first.
        damaged: What was passed over, a sentence each.
    """

    runs: tuple[SavedRun, ...]
    damaged: tuple[str, ...]


def storage_folder(address: str, create: bool = False) -> Path:
    """Return the folder that a value of ``--benchmark-storage`` stands for.

    Args:
        address: The value.
        create: Whether it may be a new one.

    Raises:
        HistoryError: It is no folder.
    """
    if "://" in address and not address.startswith("file://"):
        raise HistoryError(f"--storage {address}: expected a folder, or file:// and a folder.")
    folder = Path(address.removeprefix("file://"))
    if create:
        folder.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        raise HistoryError(
            f"--storage {address}: there is no such folder; save a run with --benchmark-autosave."
        )
    return folder


def run_files(storage: Path) -> list[Path]:
    """Return the files of a storage's numbered runs, in no order that means anything."""
    return sorted([*storage.glob(f"{NUMBERED}*.json"), *storage.glob(f"*/{NUMBERED}*.json")])


def load_runs(storage: Path) -> LoadedRuns:
    """Return all runs of a storage; a file that cannot be read is named, passed over and left alone."""
    return load_files(run_files(storage))


def load_files(paths: Iterable[Path]) -> LoadedRuns:
    """Return the runs in these files, oldest first."""
    read = [run_or_problem(path) for path in paths]
    runs = sorted((each for each in read if isinstance(each, SavedRun)), key=age)
    problems = [each for each in read if isinstance(each, str)]
    return LoadedRuns(tuple(runs), (*problems, *(text for run in runs for text in run.damaged)))


def age(run: SavedRun) -> tuple[datetime, str, str]:
    """Return what sorts runs by when they were measured; numbers decide where that is not known."""
    return when_saved(run) or datetime.min.replace(tzinfo=timezone.utc), run.path.name, str(run.path.parent)


def when_saved(run: SavedRun) -> datetime | None:
    """Return when a run was saved, if it says so."""
    try:
        saved_on = datetime.fromisoformat(run.saved_on)
    except ValueError:
        return None
    return saved_on if saved_on.tzinfo else saved_on.replace(tzinfo=timezone.utc)


def labels_of(runs: Iterable[SavedRun]) -> dict[Path, str]:
    """Return each run's label by its file: its number, with its folder where there are several."""
    runs = [*runs]
    several = len({run.path.parent for run in runs}) > 1
    return {run.path: f"{run.path.parent.name}/{run.label}" if several else run.label for run in runs}


def find_run(runs: Sequence[SavedRun], name: str) -> SavedRun:
    """Return the run of that name: its number, its folder and number, or its file.

    Raises:
        HistoryError: There is none, or there are several.
    """
    labels = labels_of(runs)
    number = name.zfill(4) if name.isdigit() else name
    for run in runs:
        if name in (labels[run.path], str(run.path), run.path.name):
            return run
    found = [run for run in runs if number in (run.label, f"{run.path.parent.name}/{run.label}")]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(labels[run.path] for run in found)
        raise HistoryError(f"{name}: there are several of that number: {several}.")
    last = ", ".join(labels[run.path] for run in runs[-3:]) or "none"
    raise HistoryError(f"{name}: there is no such run; the last ones are: {last}.")
