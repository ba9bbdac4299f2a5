"""Lists, shows, compares, prunes, imports and exports saved runs, and finds steps in their speedups."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from loader_gate.history import export, keeping, trial
from loader_gate.history.series import Series, series_of
from loader_gate.history.steps import Drift, Step, find_drift, find_steps
from loader_gate.history.store import HistoryError, find_run, labels_of, load_runs, storage_folder
from loader_gate.report.terminal import WIDTH, comparison_table, text_table
from loader_gate.runs.comparison import Row, compare_entry, parse_tolerance, percent, remarks
from loader_gate.runs.saved import Entry, SavedRun, printable
from loader_gate.verdict.sentence import number

#: Carries out what the arguments ask for, and returns the exit code.
Command: TypeAlias = Callable[[argparse.Namespace], int]

#: What a run may be slower by, as a fraction.
TOLERANCE = 0.03


@dataclass(frozen=True)
class Tolerance:
    """What benchmarks may be slower by.

    Attributes:
        name: A variant, or a workload, a slash and a variant; None for all that have none of their own.
        fraction: As a fraction.
    """

    name: str | None
    fraction: float

    def is_of(self, entry: Entry) -> bool:
        """Return whether it is a benchmark's own."""
        return self.name in (entry.variant, f"{entry.workload}/{entry.variant}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command; return the exit code: 1 for a regression, 2 for a wrong argument."""
    options = _parser().parse_args(arguments)
    try:
        if options.command is not _trial:
            options.folder = storage_folder(options.storage, create=options.command is _import)
        code: int = options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (HistoryError, OSError) as error:
        print(printable(str(error)), file=sys.stderr)
        return 2
    return code


# Commands.


def _list(options: argparse.Namespace) -> int:
    runs = _runs(options)
    labels = labels_of(runs)
    rows = [
        (
            labels[run.path],
            run.saved_on[:16].replace("T", " "),
            str(run.revision),
            run.revision.branch,
            _accepted(run),
            str(len(run.entries)),
            run.machine,
        )
        for run in runs[-options.last :]
    ]
    _print(
        text_table(("run", "saved", "revision", "branch", "accepted", "figures", "machine"), rows, _colour())
    )
    return 0


def _show(options: argparse.Namespace) -> int:
    run = find_run(_runs(options), options.run)
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    _say(f"Run {run.label}, {run.path}")
    _say(f"Saved {run.saved_on or 'at an unknown time'}; accepted: {_accepted(run)}.")
    _say(f"Revision {run.revision}{run.revision.branch and f' of {run.revision.branch}'}.")
    _say(f"Machine: {run.machine}; {versions or 'versions not known'}.")
    rows = [(entry.workload, entry.variant, *_figures(entry)) for entry in run.entries]
    _print(text_table(("workload", "variant", "speedup (95 % CI)", "images/s", "verdict"), rows, _colour()))
    return 0


def _compare(options: argparse.Namespace) -> int:
    runs = _runs(options)
    now = find_run(runs, options.now) if options.now else _last(runs)
    then = find_run(runs, options.then) if options.then else _accepted_before(runs, now)
    labels = labels_of(runs)
    rows = _rows(then, now, options.tolerance or ())
    _say(f"Run {labels[then.path]} ({then.revision}) then, run {labels[now.path]} ({now.revision}) now.")
    _print(comparison_table(rows, _colour()))
    general = _fraction(None, options.tolerance or ())
    for text in remarks(rows, then, general, now.fingerprint, now.machine):
        _say(text)
    own = [each for each in options.tolerance or () if each.name is not None]
    if own:
        _say(
            "Tolerances of their own: "
            + ", ".join(f"{each.name} {percent(each.fraction)}" for each in own)
            + "."
        )
    slower = [row.name for row in rows if row.is_regression]
    if slower:
        _say(f"Slower: {', '.join(slower)}.")
    return 1 if slower else 0


def _steps(options: argparse.Namespace) -> int:
    _check_ruptures()
    found = [series for series in _series(options) if options.variant in (None, series.variant)]
    if not found:
        raise HistoryError(f"--variant {options.variant}: no run has it.")
    for series in found:
        steps, drift = find_steps(series, options.seed), find_drift(series, options.seed)
        last = series.points[-1].speedup if not steps else steps[-1].after
        count = len(series.points)
        runs = "1 run" if count == 1 else f"{count} runs, {series.points[0].run} to {series.points[-1].run}"
        _say(
            f"{series.name}: {runs}; speedup {number(last)}{'' if steps or drift else '; no step, no drift'}"
        )
        for step in steps:
            _say(_of_step(series, step), "    ")
        if drift is not None:
            _say(_of_drift(series, drift), "    ")
    return 0


def _prune(options: argparse.Namespace) -> int:
    if options.keep is None and options.newer_than is None:
        raise HistoryError("prune: say what stays, with --keep N, --newer-than DAYS or both.")
    runs = _runs(options)
    days = options.newer_than
    since = None if days is None else datetime.now(timezone.utc) - timedelta(days=days)
    going = keeping.superfluous(runs, options.keep, since)
    for run in going:
        print(printable(str(run.path)))
        if options.delete:
            run.path.unlink()
    kept = f"{len(runs) - len(going)} of {len(runs)} runs stay"
    _say(
        f"{len(going)} deleted, {kept}."
        if options.delete
        else f"{kept}. Nothing is deleted without --delete."
    )
    return 0


def _import(options: argparse.Namespace) -> int:
    found = keeping.import_runs(options.folder, options.sources)
    for source, target in found.copied:
        print(printable(f"{source} → {target}"))
    for source, target in found.duplicates:
        print(printable(f"{source} is there already: {target}"))
    _warn(found.damaged)
    _say(f"{len(found.copied)} imported, {len(found.duplicates)} there already.")
    return 0


def _export(options: argparse.Namespace) -> int:
    if options.format == "parquet":
        if options.output is None:
            raise HistoryError("export parquet: say where to, with --output FILE.")
        export.write_parquet(export.rows_of(_series(options)), options.output)
        return 0
    if options.format == "csv":
        text = export.as_csv(export.rows_of(_series(options)))
    else:
        runs = _runs(options)
        run = find_run(runs, options.run) if options.run else _last(runs)
        text = export.as_github(run, "bigger" if options.format == "github-bigger" else "smaller")
    if options.output is None:
        sys.stdout.write(text)
    else:
        options.output.write_text(text, encoding="utf-8")
    return 0


def _trial(options: argparse.Namespace) -> int:
    _check_ruptures()
    _print(trial.table(trial.hold(options.count, options.seed), _colour()))
    return 0


def _check_ruptures() -> None:
    if find_spec("ruptures") is None:
        raise HistoryError('Finding steps needs ruptures: pip install "loader-gate[history]".')


# Runs.


def _runs(options: argparse.Namespace) -> Sequence[SavedRun]:
    """Return the runs of the storage, of one branch if that was asked for."""
    loaded = load_runs(options.folder)
    _warn(loaded.damaged)
    branch = getattr(options, "branch", None)
    runs = [run for run in loaded.runs if branch in (None, run.revision.branch)]
    if not runs:
        of_branch = "" if branch is None else f" of branch {branch}"
        raise HistoryError(
            f"There is no run{of_branch} in {options.folder}; save one with --benchmark-autosave."
        )
    return runs


def _series(options: argparse.Namespace) -> list[Series]:
    return series_of(_runs(options))


def _last(runs: Sequence[SavedRun]) -> SavedRun:
    found = next((run for run in reversed(runs) if run.entries), None)
    if found is None:
        raise HistoryError("No run has any speedups.")
    return found


def _accepted_before(runs: Sequence[SavedRun], now: SavedRun) -> SavedRun:
    before = runs[: next(number for number, run in enumerate(runs) if run is now)]
    found = next((run for run in reversed(before) if run.accepted and run.entries), None)
    if found is None:
        raise HistoryError(f"There is no accepted run before {now.label}; name the run to compare with.")
    return found


def _rows(then: SavedRun, now: SavedRun, tolerances: Sequence[Tolerance]) -> list[Row]:
    """Return what became of each benchmark."""
    known = [*then.entries, *now.entries]
    for each in tolerances:
        if each.name is not None and not any(each.is_of(entry) for entry in known):
            raise HistoryError(f"--tolerance {each.name}: neither run has it.")
    before = {entry.key: entry for entry in then.entries}
    measured = {entry.key for entry in now.entries}
    rows = [
        compare_entry(
            entry,
            [(then, before[entry.key])] if entry.key in before else [],
            _fraction(entry, tolerances),
        )
        for entry in now.entries
    ]
    missing = (entry for entry in then.entries if entry.key not in measured)
    return [*rows, *(Row(*entry.key, "missing", then=entry, run=then) for entry in missing)]


def _fraction(entry: Entry | None, tolerances: Sequence[Tolerance]) -> float:
    """Return the tolerance of a benchmark, or of those that have none of their own: the last one given."""
    general = [each for each in tolerances if each.name is None]
    own = [] if entry is None else [each for each in tolerances if each.is_of(entry)]
    return (own or general or [Tolerance(None, TOLERANCE)])[-1].fraction


# Words.


def _accepted(run: SavedRun) -> str:
    return {True: "yes", False: "no", None: "not known"}[run.accepted]


def _figures(entry: Entry) -> tuple[str, str, str]:
    estimate = entry.estimate
    bounded = 0 < estimate.low < estimate.high < float("inf")
    interval = f" ({number(estimate.low)}–{number(estimate.high)})" if bounded else ""
    rate = "–" if entry.images_per_second is None else f"{entry.images_per_second:,.0f}"
    return f"{number(estimate.ratio)}{interval}", rate, entry.verdict or "–"


def _of_step(series: Series, step: Step) -> str:
    points, word = series.points, "slower" if step.ratio.value < 1 else "faster"
    about = points[step.index]
    date = f", {about.saved_on[:10]}" if about.saved_on else ""
    may = ""
    if step.earliest != step.latest:
        may = f" It may as well be any of {points[step.earliest].run} to {points[step.latest].run}."
    changed = f" Changed with it: {'; '.join(step.changed)}." if step.changed else ""
    return (
        f"{word} since run {step.run} (revision {step.revision}{date}): speedup {number(step.before)} → "
        f"{number(step.after)}, {number(step.ratio.value)} of before (95 % interval "
        f"{number(step.ratio.low)} to {number(step.ratio.high)}, p = {step.p_value:.2g}).{may}{changed}"
    )


def _of_drift(series: Series, drift: Drift) -> str:
    first, last = series.points[drift.first], series.points[drift.last]
    word = "slower" if drift.ratio.value < 1 else "faster"
    return (
        f"{word} little by little, without a step, from run {first.run} to run {last.run}: "
        f"{number(drift.ratio.value)} of what it was (95 % interval {number(drift.ratio.low)} to "
        f"{number(drift.ratio.high)}, p = {drift.p_value:.2g})."
    )


def _say(text: str, indent: str = "") -> None:
    _print(
        textwrap.wrap(
            printable(text), WIDTH, break_on_hyphens=False, initial_indent=indent, subsequent_indent=indent
        )
    )


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _warn(problems: Iterable[str]) -> None:
    for problem in problems:
        print(printable(problem), file=sys.stderr)


def _colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


# Arguments.


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loader_gate.history", description=__doc__)
    parser.set_defaults(command=_list, last=0, branch=None)
    storage = argparse.ArgumentParser(add_help=False)
    for each, default in ((parser, "file://./.benchmarks"), (storage, argparse.SUPPRESS)):
        each.add_argument(
            "--storage",
            "--benchmark-storage",
            default=default,
            metavar="DIR",
            help="where pytest-benchmark has saved runs, a folder or file:// (default: .benchmarks)",
        )
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name: str, carry_out: Command, about: str, of_branch: bool = False) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about, parents=[storage])
        command.set_defaults(command=carry_out)
        if of_branch:
            command.add_argument("--branch", metavar="NAME", help="only runs of that branch")
        return command

    command = add("list", _list, "list the runs, oldest first", of_branch=True)
    command.add_argument("--last", type=_count, default=0, metavar="N", help="only the last N")
    command = add("show", _show, "show one run")
    command.add_argument("run", metavar="RUN", help="its number, its folder and number, or its file")
    command = add(
        "compare", _compare, "compare the speedups of two runs; exit with 1 if one is slower", of_branch=True
    )
    command.add_argument("then", nargs="?", metavar="THEN", help="default: the last accepted run before NOW")
    command.add_argument("now", nargs="?", metavar="NOW", help="default: the last run")
    command.add_argument(
        "--tolerance",
        type=_tolerance,
        action="append",
        metavar="[NAME=]PERCENT",
        help="the slowdown that is allowed (default: 3%%), or that of one VARIANT or WORKLOAD/VARIANT; may "
        "be given again",
    )
    command = add("steps", _steps, "find the steps and the drift of every series of speedups", of_branch=True)
    command.add_argument("--variant", metavar="NAME", help="only of that variant")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn (default: 0)")
    command = add("prune", _prune, "delete old runs; never what --benchmark-compare would compare with")
    command.add_argument("--keep", type=_count, metavar="N", help="the newest N of each folder stay")
    command.add_argument("--newer-than", type=_count, metavar="DAYS", help="and those of the last DAYS days")
    command.add_argument("--delete", action="store_true", help="delete them; otherwise they are only listed")
    command = add("import", _import, "copy runs of other machines and branches into the storage")
    command.add_argument(
        "sources", nargs="+", type=Path, metavar="PATH", help="files of runs, or folders of them"
    )
    command = add("export", _export, "write runs for other programs", of_branch=True)
    command.add_argument(
        "format",
        choices=["csv", "parquet", "github-bigger", "github-smaller"],
        help="csv and parquet: all runs; github-…: one run as customBiggerIsBetter or customSmallerIsBetter "
        "of github-action-benchmark",
    )
    command.add_argument("--run", metavar="RUN", help="for github-…: another one than the last")
    command.add_argument("--output", type=Path, metavar="FILE", help="where to; standard output if left out")
    command = add("trial", _trial, "show how often steps and drift are found, on made-up series")
    command.add_argument("--count", type=_count, default=200, metavar="N", help="series of each kind (200)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the series (default: 0)")
    return parser


def _tolerance(text: str) -> Tolerance:
    name, _, amount = text.rpartition("=")
    return Tolerance(name or None, parse_tolerance(amount))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
