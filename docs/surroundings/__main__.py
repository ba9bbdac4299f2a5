"""Hold a session in every surrounding, and write the table; 1 if one of them goes wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from docs.cases.row import RIGHT, WRONG, Row, read_rows, write_rows
from docs.held import several_at_once
from docs.surroundings import repository
from docs.surroundings.machines import MACHINES
from docs.surroundings.plugins import PLUGINS
from docs.surroundings.repositories import REPOSITORIES
from docs.surroundings.trial import Trial, held

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOUND = Path(__file__).resolve().parent / "found.jsonl"
GROUPS: Mapping[str, tuple[Trial, ...]] = {
    "machines": MACHINES,
    "plugins": PLUGINS,
    "repositories": REPOSITORIES,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Hold the sessions and write what was found."""
    parser = argparse.ArgumentParser(prog="python -m docs.surroundings", description=__doc__)
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only this, or this group (may be given again)"
    )
    parser.add_argument("--resume", action="store_true", help="not those again that have been right")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many at once (default: 1)")
    options = parser.parse_args(arguments)
    found = {(row.group, row.name): row for row in read_rows(FOUND)}
    every = [(group, trial) for group, trials in GROUPS.items() for trial in trials]
    wanted = [
        (group, trial) for group, trial in every if not options.only or {group, trial.name} & {*options.only}
    ]
    if options.resume:
        wanted = [(group, each) for group, each in wanted if not _is_right(found.get((group, each.name)))]
    with tempfile.TemporaryDirectory(prefix="surroundings-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # a session of another user looks into it
        template = folder / "template"
        template.mkdir()
        repository.make(template)
        with several_at_once(options.jobs) as pool:
            for done in as_completed([pool.submit(_held, *each, template, folder) for each in wanted]):
                row = done.result()
                print(f"{row.group}, {row.name}: {row.outcome}: {row.said}", file=sys.stderr, flush=True)
                found[row.group, row.name] = row
                write_rows(FOUND, _in_order(every, found))
    return 1 if any(row.outcome == WRONG for row in found.values()) else 0


def _held(group: str, trial: Trial, template: Path, folder: Path) -> Row:
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as work:
        return held(trial, group, template, Path(work))


def _is_right(row: Row | None) -> bool:
    return row is not None and row.outcome == RIGHT


def _in_order(every: Sequence[tuple[str, Trial]], found: Mapping[tuple[str, str], Row]) -> list[Row]:
    return [found[group, trial.name] for group, trial in every if (group, trial.name) in found]


if __name__ == "__main__":
    sys.exit(main())
