"""Measure every cheat, every honest look-alike and every variant that is installed, and write the table."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.cheats import caches
from docs.cheats.cases import TWIN, all_cases
from docs.cheats.judge import GOOD, is_in_doubt, outcome
from docs.cheats.sessions import ALL_LIMITS, LIMITS, Stage, draw_tree
from docs.cheats.table import Row, summary, write_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docs.cheats.cases import Case
    from docs.cheats.sessions import Found

FOLDER = Path(__file__).resolve().parent
#: What was found before there was any of the defences; see README.md.
BEFORE = FOLDER / "before.json"
#: Loaders of a session beside the twin, and variants of the suite in one.
LOADERS, VARIANTS = 9, 6
#: How many times the budget whoever is in doubt gets.
LONGER = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Hold the sessions and write the table; return 1 if something got through or was refused wrongly."""
    options = _parser().parse_args(arguments)
    started = time.monotonic()
    cases = {case.name: case for case in all_cases() if case.is_installed}
    wanted = [case for case in cases.values() if not options.only or case.name in options.only]
    shipped = [] if options.only else _shipped()
    sessions = [*_sessions(wanted), *_grouped(shipped, VARIANTS)]
    found = {}
    with tempfile.TemporaryDirectory(prefix="loader-gate-", ignore_cleanup_errors=True) as folder:
        stage = Stage(Path(folder) / "photographs", options.budget)
        draw_tree(stage.tree)
        for number, group in enumerate(sessions, 1):
            names = [each if isinstance(each, str) else each.name for each in group]
            print(f"Session {number} of {len(sessions)}: {', '.join(names)}", file=sys.stderr, flush=True)
            own = [each for each in group if not isinstance(each, str)]
            limits = ALL_LIMITS if any(case.module == "caches" for case in own) else LIMITS
            new = stage.hold(own, cases[TWIN], limits) if own else stage.hold_shipped(names)
            doubtful = [case for case in own if is_in_doubt(case, new[case.name])]
            if doubtful:
                print(f"  {len(doubtful)} of them again, for longer", file=sys.stderr, flush=True)
                longer = replace(stage, budget_seconds=LONGER * stage.budget_seconds)
                new.update(longer.hold(doubtful, cases[TWIN], limits))
            found.update(new)
            _show(new, cases)
            shutil.rmtree(caches.ELSEWHERE, ignore_errors=True)
    before = json.loads(BEFORE.read_text(encoding="utf-8")) if BEFORE.exists() else {}
    rows = [
        Row(name, cases.get(name), each, outcome(cases.get(name), each), before.get(name, ""))
        for name, each in found.items()
    ]
    if not options.only:
        write_table(rows, FOLDER / "table.md", time.monotonic() - started)
    print(summary(rows))
    return 0 if all(row.outcome in GOOD for row in rows) else 1


def _show(found: dict[str, Found], cases: dict[str, Case]) -> None:
    for name, each in found.items():
        became = outcome(cases.get(name), each)
        if became not in GOOD:
            print(
                f"  {name}: {became.strip('*')}: {each.reason or each.verdict}", file=sys.stderr, flush=True
            )


def _shipped() -> list[str]:
    """Return the variants of the suite that are installed and no limits; the baseline is in every session."""
    from loader_gate.registry.built_in import built_in_variants
    from loader_gate.registry.variant import BASELINE

    return [
        each.name
        for each in built_in_variants()
        if each.name != BASELINE and not each.traits.is_limit and not each.absence()
    ]


def _sessions(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Yield the loaders of each session: all of one session have as many images."""
    for few in sorted({case.images_per_class or 0 for case in cases}):
        yield from _grouped([case for case in cases if (case.images_per_class or 0) == few], LOADERS)


def _grouped(names: Sequence[Any], most: int) -> list[list[Any]]:
    return [[*names[start : start + most]] for start in range(0, len(names), most)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m docs.cheats", description=__doc__)
    parser.add_argument(
        "--budget", type=float, default=4.0, metavar="SECONDS", help="the measuring time of each (default: 4)"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these, and leave the table as it is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
