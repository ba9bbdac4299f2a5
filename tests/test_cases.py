"""The table of cases: what counts as right, how cases are gathered, and that none is wrong."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from docs.cases.__main__ import DOCS, TABLE
from docs.cases.pages import faults, file_kinds
from docs.cases.row import RIGHT, SKIPPED, WRONG, Row, read_rows, write_rows
from docs.cases.table import summary, write_table
from docs.cases.tests import rows_of
from docs.surroundings.__main__ import FOUND, GROUPS
from docs.surroundings.trial import Ended, Trial, row_of

BOOKS: Mapping[str, Any] = {
    "benchmarks": [{"extra_info": {"variant": "quick", "verdict": "pass"}}],
    "loader_gate": {"unmeasured": [{"variant": "mirrored"}, {"variant": "keras"}]},
}
MEASURED, STOPPED = Ended(1, "1 passed, 1 failed", BOOKS), Ended(4, "ERROR: set TMPDIR\nto one.", {})
PLAIN, REFUSED = Trial("plain"), Trial("refused", said="set TMPDIR to one")


@pytest.mark.parametrize(
    ("trial", "ended", "outcome"),
    [
        (PLAIN, MEASURED, RIGHT),
        (PLAIN, replace(MEASURED, code=0), WRONG),
        (PLAIN, STOPPED, WRONG),
        (PLAIN, replace(MEASURED, code=None), WRONG),
        (PLAIN, replace(MEASURED, text="Traceback (most recent call last):"), WRONG),
        (PLAIN, replace(MEASURED, text="INTERNALERROR> x"), WRONG),
        (PLAIN, replace(MEASURED, text="    open(x)\nE   OSError: x\n"), WRONG),
        (PLAIN, replace(MEASURED, bytes_lost=1), WRONG),
        (PLAIN, replace(MEASURED, left=("python",)), WRONG),
        (PLAIN, replace(MEASURED, litter=("loader-gate-x",)), WRONG),
        (Trial("said", also="in memory"), MEASURED, WRONG),
        (Trial("said", also="1 failed"), MEASURED, RIGHT),
        (Trial("closed", silent=True), replace(MEASURED, code=120, text=""), RIGHT),
        (REFUSED, STOPPED, RIGHT),
        (REFUSED, replace(STOPPED, code=0), WRONG),
        (REFUSED, MEASURED, WRONG),
    ],
)
def test_what_is_right_in_a_surrounding(trial: Trial, ended: Ended, outcome: str) -> None:
    """The same verdicts, or the sentence; and nothing lost, left or thrown."""
    row = row_of("machines", trial, ended)
    assert (row.outcome, row.name) == (outcome, trial.name)


def test_surroundings_have_names_of_their_own() -> None:
    """In each group, and there are many."""
    names = [(group, trial.name) for group, trials in GROUPS.items() for trial in trials]
    assert len(names) == len({*names})
    assert len(names) > 120


def test_what_was_found() -> None:
    """Nothing is wrong, lost or left; and nothing is there that is tried no more."""
    rows = read_rows(FOUND)
    assert [row for row in rows if row.outcome == WRONG] == []
    assert [row for row in rows if row.bytes_lost or row.processes_left] == []
    known = {(group, trial.name) for group, trials in GROUPS.items() for trial in trials}
    assert {(row.group, row.name) for row in rows} <= known


def test_the_table() -> None:
    """It has many cases, and none that is wrong."""
    total = next(line for line in TABLE.read_text(encoding="utf-8").splitlines() if "**all**" in line)
    _, _, tried, right, wrong, _, lost, left, _, _ = (cell.strip() for cell in total.split("|"))
    assert int(tried.partition(",")[0]) == int(right) >= 300
    assert (wrong, lost, left) == ("0", "0", "0")


def test_rows_are_kept(tmp_path: Path) -> None:
    """Every row is what it was."""
    rows = [Row("names", "a\nb | é", RIGHT), Row("faults", "kill", WRONG, "said", 3, 1, 7)]
    write_rows(tmp_path / "found.jsonl", rows)
    assert read_rows(tmp_path / "found.jsonl") == rows
    assert read_rows(tmp_path / "none.jsonl") == []


def test_file_kinds_of_the_page() -> None:
    """There are many, and what is said of each agrees with what libraries do."""
    rows = file_kinds(DOCS / "file_kinds.md")
    assert len(rows) > 60
    assert [row for row in rows if row.outcome == WRONG] == []


@pytest.mark.parametrize(
    ("answers", "said", "outcome"),
    [
        ("same | same | same | otherwise", "nothing, measured", RIGHT),  # OpenCV is none of ours
        ("same | otherwise | same | same", "nothing, measured", WRONG),
        ("same | refused | same | same", "is a BMP: TensorFlow refuses it; Pillow reads it", RIGHT),
        ("same | refused | same | same", "is a BMP: TensorFlow gives another; Pillow reads it", WRONG),
        ("same | otherwise | same | same", "is a BMP: TensorFlow refuses it; Pillow reads it", WRONG),
        ("same | same | same | refused", "cannot be decoded: image file is truncated", WRONG),
        ("same | same | same | same", "has too many pixels", RIGHT),
        ("refused | read | read | read", "is WebP, named .jpg: convert it", RIGHT),
        ("refused | read | refused | refused", "is a JPEG of 12 bits, which no loader reads", WRONG),
    ],
)
def test_what_is_right_of_a_file_kind(tmp_path: Path, answers: str, said: str, outcome: str) -> None:
    """All read it alike and nothing is said of it, or what is said is what they do."""
    page = tmp_path / "page.md"
    page.write_text(
        "# Kinds\n\n| kind | Pillow | TensorFlow | simplejpeg | OpenCV | said of it |\n| --- |\n"
        f"| a | {answers} | {said} |\n",
        encoding="utf-8",
    )
    assert [row.outcome for row in file_kinds(page)] == [outcome]


def test_faults_of_their_table(tmp_path: Path) -> None:
    """Each is right, wrong, or not tried, as its own table says; without one there are none."""
    page = tmp_path / "table.md"
    assert faults(page) == []
    head = "| fault | stage | expected | what happened | right | bytes lost | processes left |\n| --- |\n"
    page.write_text(
        f"{head}| kill | saving | x | exit code 1 | right | 0 | 0 |\n"
        "| full disk | report | x | y | **wrong**: z | 1,024 | 2 |\n"
        "| OOM | dump | x | y | not tried | 0 | 0 |\n",
        encoding="utf-8",
    )
    assert faults(page) == [
        Row("faults", "kill, saving", RIGHT, "exit code 1", 0, 0),
        Row("faults", "full disk, report", WRONG, "y", 1024, 2),
        Row("faults", "OOM, dump", SKIPPED, "y", 0, 0),
    ]


def test_cases_that_tests_are() -> None:
    """Each with its parameters; of drawn ones it is said how many there were."""
    said = "  - during generate phase:\n    - Typical\n    - 25 passing, 0 failing, and 3 invalid test cases"
    text = base64.b64encode(said.encode()).decode()
    junit = (
        f'<testsuites><testsuite><properties><property name="hypothesis-statistics-tests/a.py::test_b" '
        f'value="{text}"/></properties><testcase classname="tests.test_a" name="test_b"/>'
        '<testcase classname="tests.test_a" name="test_c[x]"><failure message="no\n good"/></testcase>'
        '<testcase classname="tests.test_a" name="test_d"><skipped/></testcase></testsuite></testsuites>'
    )
    assert rows_of("names", junit, 2) == [
        Row("names", "a: b", RIGHT, processes_left=2, drawn=25),
        Row("names", "a: c[x]", WRONG, "no good", processes_left=0),
        Row("names", "a: d", SKIPPED, processes_left=0),
    ]


def test_a_table_of_them(tmp_path: Path) -> None:
    """Names are text in it, and every group has its sums."""
    rows = [Row("names", "a\n| <b>", RIGHT, "x", 0, 0), Row("names", "c", SKIPPED, drawn=3)]
    write_table({"names": rows}, {"names": "`tests/a.py`"}, tmp_path / "table.md")
    page = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| names | 1, by 3 drawn inputs | 1 | 0 | 1 | 0 | 0 | `tests/a.py` |" in page
    assert "| a\\n/ &lt;b> | right | x |" in page
    assert summary(rows) == "1 tried: 1 right, 0 wrong, 0 bytes lost, 0 processes left; 1 not tried here"
