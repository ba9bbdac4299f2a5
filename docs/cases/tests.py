"""Cases that tests try: each test is one, with each of its parameters."""

from __future__ import annotations

import base64
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import psutil

from docs.cases.row import RIGHT, SKIPPED, WRONG, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = Path(__file__).resolve().parents[2]
_MARK = "LOADER_GATE_CASES"
#: What Hypothesis writes of a test into the JUnit XML, as base64.
_STATISTICS = "hypothesis-statistics-"
_DRAWN = re.compile(r"(\d+) passing(?: examples)?, (\d+) failing")


def tried(group: str, files: Sequence[str]) -> list[Row]:
    """Run tests, and return a case for each.

    Args:
        group: Of the cases.
        files: Of the tests, relative to the project.
    """
    with tempfile.TemporaryDirectory(prefix="cases-", ignore_cleanup_errors=True) as name:
        junit, mark = Path(name) / "junit.xml", uuid.uuid4().hex
        subprocess.run(
            [
                *(sys.executable, "-m", "pytest", *files, "-q", "-p", "no:cacheprovider"),
                *("--benchmark-disable", "-W", "error", f"--junitxml={junit}", f"--basetemp={name}/tests"),
            ],
            cwd=PROJECT,
            env={**os.environ, _MARK: mark},
            stdout=sys.stderr,
            check=False,
        )
        return rows_of(group, junit.read_text(encoding="utf-8"), _left(mark))


def rows_of(group: str, junit: str, left: int) -> list[Row]:
    """Return the cases of a JUnit XML; the processes that are left count for the first of them."""
    tree = ET.fromstring(junit)  # noqa: S314 (our own file)
    drawn = {}
    for each in tree.iter("property"):
        if each.attrib["name"].startswith(_STATISTICS):
            node = each.attrib["name"].removeprefix(_STATISTICS)
            said = base64.b64decode(each.attrib["value"]).decode()
            drawn[node.rpartition("::")[2]] = sum(sum(map(int, found)) for found in _DRAWN.findall(said))
    rows = []
    for number, case in enumerate(tree.iter("testcase")):
        name, wrong = case.attrib["name"], [*case.iter("failure"), *case.iter("error")]
        skipped = case.find("skipped") is not None
        outcome = WRONG if wrong else SKIPPED if skipped else RIGHT
        said = " ".join(wrong[0].attrib.get("message", "").split())[:200] if wrong else ""
        module = case.attrib["classname"].rpartition(".")[2]
        label = f"{module.removeprefix('test_')}: {name.removeprefix('test_')}"
        rows.append(Row(group, label, outcome, said, None, left if not number else 0, drawn.get(name, 1)))
    return rows


def _left(mark: str) -> int:
    """Return how many processes of the tests are still there."""
    count = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            count += process.environ().get(_MARK) == mark
    return count
