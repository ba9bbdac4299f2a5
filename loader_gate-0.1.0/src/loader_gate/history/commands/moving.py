"""The sub-commands ``prune``, ``import`` and ``export``: what leaves the storage, and what comes in."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone

from loader_gate.history.all_runs import HistoryError, find_run
from loader_gate.history.commands.common import last_of, runs_of, say, warn
from loader_gate.history.export import as_csv, as_github, rows_of, write_parquet
from loader_gate.history.keeping import import_runs, superfluous
from loader_gate.history.series import series_of
from loader_gate.kept_files import alone, write_whole
from loader_gate.text import printable


def prune(options: argparse.Namespace) -> int:
    """List old runs, or delete them."""
    if options.keep is None and options.newer_than is None:
        raise HistoryError("prune: say what stays, with --keep N, --newer-than DAYS or both.")
    days = options.newer_than
    since = None if days is None else datetime.now(timezone.utc) - timedelta(days=days)
    with ExitStack() as stack:
        runs = runs_of(options)
        if options.delete:
            # Read again: a session may have accepted one meanwhile, and others are measured against it then.
            for folder in sorted({run.path.parent for run in runs}):
                stack.enter_context(alone(folder))
            runs = runs_of(options)
        going = superfluous(runs, options.keep, since)
        for run in going:
            print(printable(str(run.path)))
            if options.delete:
                run.path.unlink()
    kept = f"{len(runs) - len(going)} of {len(runs)} runs stay"
    say(
        f"{len(going)} deleted, {kept}."
        if options.delete
        else f"{kept}. Nothing is deleted without --delete."
    )
    return 0


def import_from(options: argparse.Namespace) -> int:
    """Copy runs of other machines and branches into the storage."""
    found = import_runs(options.folder, options.sources)
    for source, target in found.copied:
        print(printable(f"{source} → {target}"))
    for source, target in found.duplicates:
        print(printable(f"{source} is there already: {target}"))
    warn(found.damaged)
    say(f"{len(found.copied)} imported, {len(found.duplicates)} there already.")
    return 0


def export(options: argparse.Namespace) -> int:
    """Write runs for other programs."""
    if options.format == "parquet":
        if options.output is None:
            raise HistoryError("export parquet: say where to, with --output FILE.")
        write_parquet(rows_of(series_of(runs_of(options))), options.output)
        return 0
    if options.format == "csv":
        text = as_csv(rows_of(series_of(runs_of(options))))
    else:
        runs = runs_of(options)
        run = find_run(runs, options.run) if options.run else last_of(runs)
        text = as_github(run, "bigger" if options.format == "github-bigger" else "smaller")
    if options.output is None:
        sys.stdout.write(text)
    else:
        write_whole(options.output, text)
    return 0
