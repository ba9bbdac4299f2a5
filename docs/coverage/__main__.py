"""Run tests, workers and all, and write which statements and branches of the package they leave out."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from docs.coverage.page import page, read_report
from loader_gate.kept_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = Path(__file__).with_name("README.md")
PROJECT = Path(__file__).resolve().parents[2]
#: Those of `tox run -e test`.
_TESTS = (
    *("tests", "--ignore-glob=*_end_to_end.py", "--ignore-glob=*_long.py"),
    *("-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"),
    # SIGTERM ends a measured process by a handler of coverage's.
    "--deselect=tests/test_held.py",
)
_SETTINGS = """\
[run]
branch = true
parallel = true
source_pkgs = loader_gate
# What is compared with base has the package's files a second time, for as long as a test takes.
omit = */loader-gate-*/base/*
# Of processes that tests start, that are forked from a template, and that end themselves or are told to.
patch =
    _exit
    fork
    subprocess
sigterm = true
data_file = {folder}/data
# Many a process of a test runs nothing of ours.
disable_warnings =
    module-not-imported
    module-not-measured
    no-data-collected

[report]
exclude_also =
    if TYPE_CHECKING:
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it, and write the page; return the exit code of the tests."""
    parser = argparse.ArgumentParser(prog="python -m docs.coverage", description=__doc__)
    parser.add_argument(
        "tests", nargs="*", metavar="PYTEST_ARGUMENT", help="after a --; default: those of `tox run -e test`"
    )
    tests = parser.parse_args(arguments).tests or list(_TESTS)
    with tempfile.TemporaryDirectory(prefix="coverage-") as name:
        settings = Path(name) / "settings"
        settings.write_text(_SETTINGS.format(folder=name), encoding="utf-8")
        coverage, where = [sys.executable, "-m", "coverage"], f"--rcfile={settings}"
        options = ["-p", "no:cacheprovider", "--benchmark-disable", "-W", "error"]
        done = subprocess.run(
            [*coverage, "run", where, "-m", "pytest", *tests, *options],
            cwd=PROJECT,
            env={**os.environ, "COVERAGE_CORE": "ctrace"},  # the one that knows branches on every Python
            check=False,
        )
        subprocess.run([*coverage, "combine", where, "--quiet"], cwd=PROJECT, check=True)
        report = Path(name) / "report.json"
        subprocess.run([*coverage, "json", where, "--quiet", "-o", str(report)], cwd=PROJECT, check=True)
        files = read_report(report)
    write_whole(PAGE, page(files, " ".join(tests), done.returncode))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
