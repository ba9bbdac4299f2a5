"""Removes old runs from a storage, and takes in runs of other machines and branches."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from loader_gate.history.all_runs import HistoryError, age, load_files, load_runs, run_files, when_saved
from loader_gate.kept_files import alone, replace_whole
from loader_gate.runs.saved import Key, SavedRun, WorkKey

#: A folder of pytest-benchmark's storage: system, implementation, Python and width.
_FOLDER = re.compile(r"[A-Za-z]+-[A-Za-z]+-\d+\.\d+-\d+bit")


def superfluous(runs: Sequence[SavedRun], newest: int | None, since: datetime | None) -> list[SavedRun]:
    """Return the runs that may go, oldest first.

    What ``--benchmark-compare`` would compare with stays whatever its age: of each benchmark, work and folder
    the last accepted run that is sure of it.

    Args:
        runs: Oldest first.
        newest: So many of each folder stay.
        since: And those saved since then, or at a time that is not known.
    """
    kept: set[Path] = set()
    baselines: set[tuple[Path, Key, WorkKey, bool]] = set()
    counts: dict[Path, int] = {}
    for run in reversed(runs):
        folder = run.path.parent
        counts[folder] = counts.get(folder, 0) + 1
        saved_on = when_saved(run)
        if newest is not None and counts[folder] <= newest:
            kept.add(run.path)
        if since is not None and (saved_on is None or saved_on >= since):
            kept.add(run.path)
        if run.accepted:
            told = {(folder, entry.key, entry.work, entry.key in run.doubtful) for entry in run.entries}
            if told - baselines:
                kept.add(run.path)
            baselines |= told
    return [run for run in runs if run.path not in kept]


@dataclass(frozen=True)
class Imported:
    """What became of runs that were to be imported.

    Attributes:
        copied: From where to where.
        duplicates: What was there already, and as what.
        damaged: What was passed over, a sentence each.
    """

    copied: tuple[tuple[Path, Path], ...]
    duplicates: tuple[tuple[Path, Path], ...]
    damaged: tuple[str, ...]


def import_runs(storage: Path, sources: Iterable[Path]) -> Imported:
    """Copy runs into a storage, with the next free numbers, oldest first. Nothing is overwritten.

    Args:
        storage: The storage.
        sources: Files of runs, and folders of them: storages, or parts of them.

    Raises:
        HistoryError: A source is not there, or holds no run.
    """
    loaded = load_files(path for source in sources for path in _files(source))
    known = {_identity(run): run.path for run in load_runs(storage).runs}
    copied, duplicates = [], []
    for run in sorted(loaded.runs, key=age):
        identity = _identity(run)
        if identity in known:
            duplicates.append((run.path, known[identity]))
            continue
        known[identity] = _copy(run, storage)
        copied.append((run.path, known[identity]))
    return Imported(tuple(copied), tuple(duplicates), loaded.damaged)


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    found = (run_files(source) or sorted(source.glob("*.json"))) if source.is_dir() else []
    if not found:
        raise HistoryError(f"{source}: expected the JSON file of a run, or a folder of them.")
    return found


def _identity(run: SavedRun) -> str:
    """Return what is the same of a run and its copies, also where only one of them was accepted since."""
    return run.run_id or hashlib.sha256(run.path.read_bytes()).hexdigest()


def _copy(run: SavedRun, storage: Path) -> Path:
    content = run.path.read_bytes()
    folder = storage / _folder_of(run.path, content)
    folder.mkdir(exist_ok=True)
    with alone(folder):
        numbers = [int(path.name[:4]) for path in run_files(folder) if path.parent == folder]
        number = max(numbers, default=0) + 1
        if number > 9999:
            raise HistoryError(f"{folder} is full: pytest-benchmark has numbers up to 9999. Prune it first.")
        name = run.path.name.partition("_")[2] if run.label != run.path.name else run.path.name
        target = folder / f"{number:04}_{name}"
        replace_whole(target, content)
    return target


def _folder_of(path: Path, content: bytes) -> str:
    """Return the folder that pytest-benchmark would have saved a run in."""
    if _FOLDER.fullmatch(path.parent.name):
        return path.parent.name
    machine = json.loads(content)["machine_info"]
    system, implementation = machine.get("system"), machine.get("python_implementation")
    python = ".".join(str(machine.get("python_version")).split(".")[:2])
    folder = f"{system}-{implementation}-{python}-64bit"
    return folder if _FOLDER.fullmatch(folder) else "imported"
