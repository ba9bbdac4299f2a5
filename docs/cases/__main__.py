"""Gather every case that was tried, run the tests among them, and write the table; 1 if one is wrong."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from docs.cases.pages import faults, file_kinds
from docs.cases.row import SKIPPED, WRONG, Row, read_rows
from docs.cases.table import summary, write_table
from docs.cases.tests import tried
from docs.surroundings.__main__ import FOUND, GROUPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DOCS = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_name("table.md")
#: The groups that tests are, and their files.
TESTS: Mapping[str, tuple[str, ...]] = {
    "names": ("tests/test_file_names.py",),
    "COCO files": ("tests/test_trees_coco.py",),
    "damaged, missing and linked files": ("tests/test_trees_check.py", "tests/test_trees_source.py"),
    "saved runs": ("tests/test_saved_runs.py",),
    "fuzz": ("tests/test_fuzz.py",),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Gather them, and write the page; return 1 if a case is wrong."""
    argparse.ArgumentParser(prog="python -m docs.cases", description=__doc__).parse_args(arguments)
    groups = {"file kinds": file_kinds(DOCS / "file_kinds.md")}
    sources = {"file kinds": "[`python -m docs.file_kinds`](../file_kinds.md)"}
    for name, files in TESTS.items():
        groups[name] = tried(name, files)
        sources[name] = ", ".join(f"`{file}`" for file in files)
    found = read_rows(FOUND)
    by_name = {(row.group, row.name): row for row in found}
    for group, trials in GROUPS.items():
        untried = {each.name: Row(group, each.name, SKIPPED, "not tried yet") for each in trials}
        groups[group] = [by_name.get((group, name), row) for name, row in untried.items()]
        sources[group] = "[`python -m docs.surroundings`](../surroundings/README.md)"
    if of_faults := faults(DOCS / "faults" / "table.md"):
        groups["faults"] = of_faults
        sources["faults"] = "[`python -m docs.faults`](../faults/table.md)"
    write_table(groups, sources, TABLE)
    every = [row for rows in groups.values() for row in rows]
    print(summary(every))
    return 1 if any(row.outcome == WRONG for row in every) else 0


if __name__ == "__main__":
    sys.exit(main())
