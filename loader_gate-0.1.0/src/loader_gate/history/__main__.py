"""Lists, shows, compares, prunes, imports and exports saved runs, and finds steps in their speedups."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from loader_gate.argument_types import count
from loader_gate.history.all_runs import HistoryError, storage_folder
from loader_gate.history.commands.comparing import Tolerance, compare_runs
from loader_gate.history.commands.finding import show_detection_rates, show_steps
from loader_gate.history.commands.looking import list_runs, show_run
from loader_gate.history.commands.moving import export, import_from, prune
from loader_gate.text import printable

#: Carries out what the arguments ask for, and returns the exit code.
Command: TypeAlias = Callable[[argparse.Namespace], int]
#: Adds a sub-command: its name, what carries it out, what its help says, and whether it takes ``--branch``.
Add: TypeAlias = Callable[[str, Command, str, bool], argparse.ArgumentParser]


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a sub-command; return the exit code: 1 for a regression, 2 for a wrong argument."""
    options = _parser().parse_args(arguments)
    try:
        if options.command is not show_detection_rates:
            options.folder = storage_folder(options.storage, create=options.command is import_from)
        code: int = options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (HistoryError, OSError) as error:
        print(printable(str(error)), file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loader_gate.history", description=__doc__)
    parser.set_defaults(command=list_runs, last=0, branch=None)
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

    def add(name: str, carry_out: Command, about: str, of_branch: bool) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about, parents=[storage])
        command.set_defaults(command=carry_out)
        if of_branch:
            command.add_argument("--branch", metavar="NAME", help="only runs of that branch")
        return command

    _add_what_reads(add)
    _add_what_writes(add)
    trial = add(
        "trial", show_detection_rates, "show how often steps and drift are found, in made-up histories", False
    )
    trial.add_argument("--count", type=count, default=200, metavar="N", help="histories of each kind (200)")
    trial.add_argument("--series", type=count, default=1, metavar="N", help="of a history (default: 1)")
    trial.add_argument("--seed", type=int, default=0, metavar="N", help="of what is made up (default: 0)")
    return parser


def _add_what_reads(add: Add) -> None:
    """Add the sub-commands that only show runs."""
    command = add("list", list_runs, "list the runs, oldest first", True)
    command.add_argument("--last", type=count, default=0, metavar="N", help="only the last N")
    command = add("show", show_run, "show one run", False)
    command.add_argument("run", metavar="RUN", help="its number, its folder and number, or its file")
    command = add(
        "compare", compare_runs, "compare the speedups of two runs; exit with 1 if one is slower", True
    )
    command.add_argument("then", nargs="?", metavar="THEN", help="default: the last accepted run before NOW")
    command.add_argument("now", nargs="?", metavar="NOW", help="default: the last run")
    command.add_argument(
        "--tolerance",
        type=Tolerance.parse,
        action="append",
        metavar="[NAME=]PERCENT",
        help="the slowdown that is allowed (default: 1%%), or that of one VARIANT or WORKLOAD/VARIANT; may "
        "be given again",
    )
    command = add("steps", show_steps, "find the steps and the drift of every series of speedups", True)
    command.add_argument("--variant", metavar="NAME", help="only of that variant")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn (default: 0)")


def _add_what_writes(add: Add) -> None:
    """Add the sub-commands that delete, copy or write files."""
    command = add("prune", prune, "delete old runs; never what --benchmark-compare would compare with", False)
    command.add_argument("--keep", type=count, metavar="N", help="the newest N of each folder stay")
    command.add_argument("--newer-than", type=count, metavar="DAYS", help="and those of the last DAYS days")
    command.add_argument("--delete", action="store_true", help="delete them; otherwise they are only listed")
    command = add("import", import_from, "copy runs of other machines and branches into the storage", False)
    command.add_argument(
        "sources", nargs="+", type=Path, metavar="PATH", help="files of runs, or folders of them"
    )
    command = add("export", export, "write runs for other programs", True)
    command.add_argument(
        "format",
        choices=["csv", "parquet", "github-bigger", "github-smaller"],
        help="csv and parquet: all runs; github-…: one run as customBiggerIsBetter or customSmallerIsBetter "
        "of github-action-benchmark",
    )
    command.add_argument("--run", metavar="RUN", help="for github-…: another one than the last")
    command.add_argument("--output", type=Path, metavar="FILE", help="where to; standard output if left out")


if __name__ == "__main__":
    sys.exit(main())
