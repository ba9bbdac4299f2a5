"""Which saved runs a session is compared with, and what is said of the choice.

From which of them each benchmark's figures are taken, ``comparison.figures_by_key`` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loader_gate.runs.saved import SavedRun
from loader_gate.runs.sentences import when


@dataclass(frozen=True)
class ChosenRuns:
    """The runs to compare with.

    Attributes:
        runs: Newest first.
        about: Which they are and why, or why there is none, in sentences.
    """

    runs: tuple[SavedRun, ...]
    about: tuple[str, ...]


def may_be_compared_with(run: SavedRun) -> bool:
    """Return whether a run counts without being named: it was accepted, and has speedups."""
    return bool(run.accepted and run.entries)


def choose_accepted(runs: Sequence[SavedRun], problems: Sequence[str]) -> ChosenRuns | None:
    """Return the accepted runs, the last of which a session is compared with; None if there is none.

    Args:
        runs: Newest first.
        problems: What could not be read, a sentence each.
    """
    accepted = tuple(run for run in runs if may_be_compared_with(run))
    if not accepted:
        return None
    last = accepted[0]
    which = f"Compared with run {last.label}, the last accepted one{when(last)}: {last.path.name}."
    unmarked = [run for run in runs[: runs.index(last)] if run.entries and run.accepted is None]
    older = [f"{run.path} is passed over, as it was saved before runs were marked." for run in unmarked]
    damaged = [text for run in runs if run.accepted for text in run.damaged]
    return ChosenRuns(accepted, (which, *problems, *older, *damaged))


def why_none_is_accepted(
    runs: Sequence[SavedRun], folder: Path, elsewhere: SavedRun | None
) -> tuple[str, ...]:
    """Return why there is no accepted run to compare with, and what to do, in sentences.

    Args:
        runs: Newest first; none of them is accepted.
        folder: The folder that they are in.
        elsewhere: An accepted run of another Python or system, if there is one.
    """
    about = [
        f"There is no accepted run in {folder}, so nothing is compared. A run is accepted if it passes; "
        "save it with --benchmark-autosave."
    ]
    last = next((run for run in runs if run.entries), None)
    if last is not None:
        old = last.accepted is None
        why = "was saved before runs were marked as accepted" if old else "failed or was cut short"
        about.append(f"Run {last.label} {why}; to compare with it, give --benchmark-compare={last.label}.")
    if elsewhere is not None:
        name = f"{elsewhere.path.parent.name}/{elsewhere.label}"
        about.append(f"There is one of another Python or system: --benchmark-compare={name}.")
    return tuple(about)


def choose_named(runs: Sequence[SavedRun]) -> ChosenRuns:
    """Return runs that somebody has asked for by name, accepted or not, with a word on each.

    Args:
        runs: Newest first.
    """
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
    return ChosenRuns(tuple(runs), tuple(about))
