"""The sub-commands ``list`` and ``show``."""

from __future__ import annotations

import argparse

from loader_gate.history.all_runs import find_run, labels_of
from loader_gate.history.commands.common import colour, print_lines, runs_of, say
from loader_gate.runs.saved import Entry, SavedRun
from loader_gate.runs.sentences import with_interval
from loader_gate.text import text_table


def list_runs(options: argparse.Namespace) -> int:
    """List the runs, oldest first."""
    runs = runs_of(options)
    labels = labels_of(runs)
    rows = [
        (
            labels[run.path],
            run.saved_on[:16].replace("T", " "),
            str(run.checkout),
            run.checkout.branch,
            _accepted(run),
            str(len(run.entries)),
            run.machine,
        )
        for run in runs[-options.last :]
    ]
    headings = ("run", "saved", "revision", "branch", "accepted", "figures", "machine")
    print_lines(text_table(headings, rows, colour()))
    return 0


def show_run(options: argparse.Namespace) -> int:
    """Show one run."""
    run = find_run(runs_of(options), options.run)
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    branch = run.checkout.branch
    say(f"Run {run.label}, {run.path}")
    say(f"Saved {run.saved_on or 'at an unknown time'}; accepted: {_accepted(run)}.")
    say(f"Revision {run.checkout}{branch and f' of {branch}'}.")
    say(f"Machine: {run.machine}; {versions or 'versions not known'}.")
    rows = [(entry.workload, entry.variant, *_figures(entry)) for entry in run.entries]
    print_lines(
        text_table(("workload", "variant", "speedup (95 % CI)", "images/s", "verdict"), rows, colour())
    )
    return 0


def _accepted(run: SavedRun) -> str:
    return {True: "yes", False: "no", None: "not known"}[run.accepted]


def _figures(entry: Entry) -> tuple[str, str, str]:
    speedup = with_interval(entry.estimate.ratio, entry.estimate.low, entry.estimate.high)
    rate = "–" if entry.images_per_second is None else f"{entry.images_per_second:,.0f}"
    return speedup, rate, entry.verdict or "–"
