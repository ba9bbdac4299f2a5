"""What was tried and what came of it: the one form in which every command of cases keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RIGHT, WRONG, SKIPPED = "right", "wrong", "skipped"


@dataclass(frozen=True)
class Row:
    """One case.

    Attributes:
        group: What kind of case it is, such as ``environments``.
        name: The case, unique in its group.
        outcome: ``right``, ``wrong``, or ``skipped`` where this machine cannot try it.
        said: What came of it, in one line.
        bytes_lost: Bytes of somebody's files that were changed or are gone; None where nobody counts them.
        processes_left: Processes that were still there when the command had ended; None likewise.
        drawn: How many inputs it was tried with, where they are drawn at random.
    """

    group: str
    name: str
    outcome: str
    said: str = ""
    bytes_lost: int | None = None
    processes_left: int | None = None
    drawn: int = 1


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write cases, a line of JSON each."""
    lines = [json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    """Return the cases of a file; none if it is not there."""
    if not path.is_file():
        return []
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
