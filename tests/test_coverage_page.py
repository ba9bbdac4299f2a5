"""The page of branch coverage: what coverage.py says becomes a row a room, and lists of what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs.coverage.page import BESIDE, File, page, ranges, read_report

WHOLE = File("one/whole.py", 4, 4, 2, 2, (), ())
PARTLY = File("two/partly.py", 10, 7, 4, 2, (3, 4, 9), ((6, 8), (7, -5)))


def test_what_coverage_says(tmp_path: Path) -> None:
    """Branches out of lines that were never run are named by those lines."""
    summary = {"num_statements": 10, "covered_lines": 8, "num_branches": 4, "covered_branches": 1}
    file = {"summary": summary, "missing_lines": [3, 4], "missing_branches": [[3, 4], [6, 8], [7, -5]]}
    report = tmp_path / "report.json"
    report.write_text(
        json.dumps({"files": {"src/loader_gate/sizes.py": file, "src/loader_gate/a/b.py": file}})
    )
    found = read_report(report)
    assert [(each.path, each.room) for each in found] == [("a/b.py", "a"), ("sizes.py", BESIDE)]
    assert found[0] == File("a/b.py", 10, 8, 4, 1, (3, 4), ((6, 8), (7, -5)))


def test_the_table_and_what_is_left_out() -> None:
    """A row a room and one of all, and below each room its files with lines and branches."""
    text = page([WHOLE, PARTLY], "tests -n 4", 0)
    assert "`pytest tests -n 4`, all passed." in text
    assert "| [one](#one) | 4 | 4 | 2 | 2 | 100.0 % |\n| [two](#two) | 10 | 7 | 4 | 2 | 64.3 % |" in text
    assert "| **all** | 14 | 11 | 6 | 4 | 75.0 % |" in text
    assert "## one\n\nNothing.\n" in text
    assert "- `two/partly.py`: lines 3-4, 9; branches 6→8, 7→end\n" in text


def test_tests_that_fail_are_told() -> None:
    """Else a page of half the tests would look like one of all."""
    assert "not all passed: pytest's exit code was 1." in page([WHOLE], "tests", 1)


@pytest.mark.parametrize(
    ("lines", "said"), [([], []), ([3], ["3"]), ([1, 2, 3, 5, 7, 8], ["1-3", "5", "7-8"])]
)
def test_ranges(lines: list[int], said: list[str]) -> None:
    """Lines that follow each other are one."""
    assert ranges(lines) == said
