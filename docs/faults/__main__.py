"""Let everything go wrong at every stage, and write the table; 1 if anything that comes of it is wrong."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import tempfile
from concurrent.futures import as_completed
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from docs.faults.at_once import AT_ONCE, tried_at_once
from docs.faults.cases import Case, all_cases
from docs.faults.judge import Row, judged
from docs.faults.places import PREPARATIONS
from docs.faults.sessions import Place
from docs.faults.surroundings import CONTROL_GROUP, control_group, missing
from docs.faults.table import summary, write_table
from docs.held import several_at_once
from loader_gate.kept_files import write_whole
from loader_gate.machine.cores import cores

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE = Path(__file__).with_name("table.md")

#: What sessions are told to end by.
TOLD_BY = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM)
#: What is held in a place in which something was left: a session without a fault.
CALM = Case("nothing", "everywhere", "passes", (0,), r"\d passed")


class Tries:
    """Tries one case after another, each in a place of its own."""

    def __init__(self, folder: Path) -> None:
        """Hold the session whose place all others begin with: nothing goes wrong in it.

        Args:
            folder: An empty folder.
        """
        self._folder, self._template = folder, folder / "template"
        found = Place(self._template).hold(CALM)
        if found.code or found.left:
            raise SystemExit(
                f"a session without a fault: exit code {found.code}, left {found.left}\n{found.said}"
            )

    def rows(self, case: Case) -> list[Row]:
        """Try a case."""
        if why := missing(case.needs):
            return [_not_tried(case, f"{case.needs}: {why}")]
        with tempfile.TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as folder:
            place = Place(Path(folder) / "place", self._template)
            if case.before:
                PREPARATIONS[case.before](place)
            if case.fault.startswith(AT_ONCE):
                return tried_at_once(case, place)
            with control_group() if case.needs == CONTROL_GROUP else nullcontext("") as group:
                found = place.hold(case, group)
            # Of the same kind: only that of a comparison looks after worktrees.
            after = replace(CALM, session=case.session)
            afterwards = place.hold(after) if case.stays and found.left else None
        rows = judged(case, found, afterwards)
        if any(row.wrong for row in rows):
            next_said = "" if afterwards is None else f"\nthe next session:\n{afterwards.said}"
            print(f"{case.name}:\n{found.said}{next_said}", file=sys.stderr)
        return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Try everything and write the table; return 1 if anything was wrong."""
    options = _parser().parse_args(arguments)
    for number in TOLD_BY:  # sessions inherit what is ignored, as in a shell's background or by nohup
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    known = _known(options.found, wrong_too=options.no_more)
    wanted = [case for case in all_cases() if options.only is None or re.search(options.only, case.name)]
    todo = [case for case in wanted if case.name not in known]
    if options.no_more:
        known |= {case.name: [_not_tried(case, "not reached yet")] for case in todo}
        todo = []
    with (
        tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder,
        several_at_once(options.jobs) as pool,
    ):
        tries = Tries(Path(folder)) if todo else None
        jobs = {} if tries is None else {pool.submit(tries.rows, case): case for case in todo}
        for job in as_completed(jobs):
            name = jobs[job].name
            known[name] = job.result()
            _tell(name, known[name])
            _keep(options.found, known)
    rows = [row for case in wanted for row in known[case.name]]
    if options.only is None:
        write_table(rows, TABLE)
    print(summary(rows))
    return 1 if any(row.wrong for row in rows) else 0


def _not_tried(case: Case, why: str) -> Row:
    return Row(case.fault, case.stage, case.expected, skipped=why)


def _tell(name: str, rows: Sequence[Row]) -> None:
    for row in rows:
        became = (
            f"not tried ({row.skipped})" if row.skipped else f"wrong: {row.wrong}" if row.wrong else "right"
        )
        print(f"{name}, {row.fault}: {became}", flush=True)


def _known(file: Path | None, *, wrong_too: bool) -> dict[str, list[Row]]:
    """Return what an earlier run has found right; it was cut short, or what was wrong has been mended."""
    if file is None or not file.exists():
        return {}
    kept = json.loads(file.read_text(encoding="utf-8"))
    found = {name: [Row(**row) for row in rows] for name, rows in kept.items()}
    return {name: rows for name, rows in found.items() if wrong_too or not any(row.wrong for row in rows)}


def _keep(file: Path | None, known: dict[str, list[Row]]) -> None:
    if file is not None:
        write_whole(file, json.dumps({name: [asdict(row) for row in rows] for name, rows in known.items()}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m docs.faults", description=__doc__)
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        help='only what is called so ("SIGKILL at .*"); leaves the table as it is',
    )
    parser.add_argument(
        "--found",
        type=Path,
        metavar="FILE",
        help="keep what was found; what is right in there is not tried again",
    )
    parser.add_argument(
        "--no-more", action="store_true", help="write the table of what --found has, and try nothing"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", default=2 * cores(), help="as many at once (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
