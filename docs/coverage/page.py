"""The page of what was covered: a row a room, and below it what was not."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: The name of what lies beside the rooms.
BESIDE = "beside the rooms"
_PACKAGE = ("src", "loader_gate")
_INTRODUCTION = """\
# Branch coverage

What of the package the tests run, statement by statement and branch by branch, in their own process and in
those that they start. `tox run -e coverage` measures it with [coverage.py](https://coverage.readthedocs.io)
and writes this page: by default with the tests of `tox run -e test`. The end-to-end tests run more: real
sessions, and workers with TensorFlow. What a worker has run that is killed is not known, and neither is what
another interpreter has.

"""


@dataclass(frozen=True)
class File:
    """What was covered of a file.

    Attributes:
        path: Of the file, relative to the package.
        statements: How many there are.
        covered: How many of them were run.
        branches: How many ways there are out of statements that have several.
        taken: How many of them were taken.
        missing: The lines of statements that were not run, in order.
        not_taken: The branches that were not taken: from which line, to which; a line below 0 is the end of
            what begins there.
    """

    path: str
    statements: int
    covered: int
    branches: int
    taken: int
    missing: tuple[int, ...]
    not_taken: tuple[tuple[int, int], ...]

    @property
    def room(self) -> str:
        """The room that it is in."""
        parts = PurePath(self.path).parts
        return parts[0] if len(parts) > 1 else BESIDE


def read_report(report: Path) -> list[File]:
    """Return what a report says, as ``coverage json`` writes it."""
    found = json.loads(report.read_text(encoding="utf-8"))["files"]
    files = []
    for path, each in found.items():
        of, parts = each["summary"], PurePath(path).parts
        if parts[:2] != _PACKAGE:  # what tests have written, and copies of the package
            continue
        inside = PurePath(*parts[2:]).as_posix()
        branches = tuple((start, end) for start, end in each["missing_branches"])
        files.append(
            File(
                inside,
                *(of["num_statements"], of["covered_lines"], of["num_branches"], of["covered_branches"]),
                tuple(each["missing_lines"]),
                # What is not run has branches that nobody has to name.
                tuple(branch for branch in branches if branch[0] not in each["missing_lines"]),
            )
        )
    return sorted(files, key=lambda file: file.path)


def page(files: Sequence[File], tests: str, code: int) -> str:
    """Return the page.

    Args:
        files: What was covered of each file.
        tests: Which tests were run, as pytest's arguments.
        code: The exit code of pytest.
    """
    rooms = sorted({each.room for each in files}, key=lambda room: (room == BESIDE, room))
    by_room = {room: [each for each in files if each.room == room] for room in rooms}
    today = datetime.datetime.now(datetime.timezone.utc).date()
    passed = "all passed" if code == 0 else f"not all passed: pytest's exit code was {code}"
    lines = [
        f"{today}, `pytest {tests}`, {passed}.",
        "",
        "| room | statements | run | branches | taken | of both |",
        "| --- | --: | --: | --: | --: | --: |",
        *(_row(f"[{room}](#{_anchor(room)})", by_room[room]) for room in rooms),
        _row("**all**", files),
        "",
        "What was not run, by lines, and which branches of what was run were not taken: `12→15` is the way",
        "from line 12 to line 15, and `12→end` that out of the function.",
    ]
    for room in rooms:
        lines += ["", f"## {room}", ""]
        left_out = [each for each in by_room[room] if each.missing or each.not_taken]
        lines += [f"- `{each.path}`: {'; '.join(_left_out(each))}" for each in left_out] or ["Nothing."]
    return _INTRODUCTION + "\n".join(lines) + "\n"


def _row(name: str, files: Sequence[File]) -> str:
    statements, branches = sum(each.statements for each in files), sum(each.branches for each in files)
    covered, taken = sum(each.covered for each in files), sum(each.taken for each in files)
    there = statements + branches
    share = f"{100 * (covered + taken) / there:.1f} %" if there else "–"
    return f"| {name} | {statements:,} | {covered:,} | {branches:,} | {taken:,} | {share} |"


def _anchor(heading: str) -> str:
    return heading.replace(" ", "-")


def _left_out(file: File) -> list[str]:
    said = []
    if file.missing:
        said.append("lines " + ", ".join(ranges(file.missing)))
    if file.not_taken:
        ways = (f"{start}→{end if end > 0 else 'end'}" for start, end in file.not_taken)
        said.append("branches " + ", ".join(ways))
    return said


def ranges(lines: Iterable[int]) -> list[str]:
    """Return lines, which are in order, as ranges: ``3``, ``5-7``."""
    found: list[list[int]] = []
    for line in lines:
        if found and line == found[-1][-1] + 1:
            found[-1][1:] = [line]
        else:
            found.append([line])
    return ["-".join(map(str, each)) for each in found]
