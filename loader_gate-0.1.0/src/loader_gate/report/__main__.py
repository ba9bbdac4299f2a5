"""The report of a saved run, and of the history it is part of."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.history.all_runs import HistoryError, load_runs, storage_folder
from loader_gate.report.make import write_report
from loader_gate.report.page.html import ReportError, check_can_write
from loader_gate.runs.parsing import RunError, read_run
from loader_gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a report; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _report(options.run, options.storage, options.output)
    except (HistoryError, ReportError, RunError, OSError) as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    return 0


def _report(path: Path | None, storage: str | None, output: Path) -> None:
    check_can_write(output, "--output")
    if path is None and storage is None:
        raise ReportError(
            "Name a run, or a folder of saved ones with --storage; pytest-benchmark's is .benchmarks."
        )
    loaded = None if storage is None else load_runs(storage_folder(storage))
    if path is None:
        if loaded is None or not loaded.runs:
            raise ReportError(
                f"--storage {storage}: there is no saved run in it; save one with --benchmark-autosave."
            )
        path = loaded.runs[-1].path
    read_run(path)  # says what is wrong with it
    run = json.loads(path.read_text(encoding="utf-8"))
    write_report(output, run, *(() if loaded is None else (loaded.runs, loaded.damaged)))
    print(printable(f"The report of {path} is in {output}."))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loader_gate.report", description=__doc__)
    parser.add_argument(
        "run",
        nargs="?",
        type=Path,
        metavar="RUN.json",
        help="the run to show (default: the storage's newest)",
    )
    parser.add_argument(
        "--storage",
        "--benchmark-storage",
        metavar="DIR",
        help="where pytest-benchmark has saved runs, a folder or file://: adds their history",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("report.html"), metavar="FILE.html",
        help="the file to write (default: report.html)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
