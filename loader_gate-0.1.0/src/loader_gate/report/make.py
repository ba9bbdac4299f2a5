"""A report of one run: from the JSON of pytest-benchmark to a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loader_gate.history.all_runs import load_runs
from loader_gate.history.series import series_of
from loader_gate.history.steps import find_changes
from loader_gate.kept_files import write_whole
from loader_gate.report.page.content import page_of
from loader_gate.report.page.html import render
from loader_gate.report.page.sections.timeline import timeline
from loader_gate.runs.parsing import parse_run
from loader_gate.runs.saved import SavedRun


def write_report(
    path: Path, run: Mapping[str, Any], history: Sequence[SavedRun] = (), damaged: Sequence[str] = ()
) -> None:
    """Write the report of a run, whole or not at all.

    Args:
        path: The file to write.
        run: The JSON of pytest-benchmark.
        history: Saved runs, oldest first; this one among them, if it is to be in its history.
        damaged: What could not be read of them, a sentence each.

    Raises:
        OSError: It cannot be written.
    """
    section, runs = timeline(series_of(history), find_changes, damaged)
    write_whole(path, render(page_of(run, section), runs))


def write_session_report(path: Path, run: Mapping[str, Any], storage: Path) -> None:
    """Write the report of the session that is about to end, as `write_report` does.

    Args:
        path: The file to write.
        run: The JSON that pytest-benchmark makes of the session, saved or not.
        storage: The folder of the runs before it.

    Raises:
        OSError: It cannot be written.
    """
    loaded = load_runs(storage)
    history = list(loaded.runs)
    if all(each.run_id != run["loader_gate"]["run"] for each in history):
        folder = history[-1].path.parent if history else storage
        history.append(parse_run(folder / "this session", run))
    write_report(path, run, history, loaded.damaged)
