"""What all sub-commands share: the runs of the storage, and how lines are printed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence

from loader_gate.history.all_runs import HistoryError, load_runs
from loader_gate.runs.saved import SavedRun
from loader_gate.text import printable, wrapped


def runs_of(options: argparse.Namespace) -> Sequence[SavedRun]:
    """Return the runs of the storage, of one branch if that was asked for, oldest first.

    Raises:
        HistoryError: There is none.
    """
    loaded = load_runs(options.folder)
    warn(loaded.damaged)
    branch = getattr(options, "branch", None)
    runs = [run for run in loaded.runs if branch in (None, run.checkout.branch)]
    if not runs:
        of_branch = "" if branch is None else f" of branch {branch}"
        raise HistoryError(
            f"There is no run{of_branch} in {options.folder}; save one with --benchmark-autosave."
        )
    return runs


def last_of(runs: Sequence[SavedRun]) -> SavedRun:
    """Return the last run that has speedups.

    Raises:
        HistoryError: There is none.
    """
    found = next((run for run in reversed(runs) if run.entries), None)
    if found is None:
        raise HistoryError("No run has any speedups.")
    return found


def say(text: str, indent: str = "") -> None:
    """Print a text in lines as wide as a terminal."""
    print_lines(wrapped(text, indent, indent))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        print(line)


def warn(problems: Iterable[str]) -> None:
    """Print what could not be read, to standard error."""
    for problem in problems:
        print(printable(problem), file=sys.stderr)


def colour() -> bool:
    """Return whether colours may be used."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
