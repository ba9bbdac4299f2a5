"""Change what judges, bit by bit, and write which changes no test notices; 1 if one has no reason."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from docs.mutation.mutants import mutate
from docs.mutation.page import outdated, read_reasons, section, unexplained, with_section
from docs.mutation.rooms import ROOMS
from loader_gate.argument_types import count
from loader_gate.kept_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE, REASONS = (Path(__file__).with_name(name) for name in ("README.md", "reasons.toml"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it, and write the page; return 1 if an unnoticed change has no reason, or a reason no change."""
    names = [room.name for room in ROOMS]
    parser = argparse.ArgumentParser(prog="python -m docs.mutation", description=__doc__)
    parser.add_argument("room", nargs="*", metavar="ROOM", help=f"only these, of {', '.join(names)}")
    parser.add_argument("--children", type=count, default=2, help="so many at once (default: 2)")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="go on with what was left here, and leave it"
    )
    options = parser.parse_args(arguments)
    if unknown := {*options.room} - {*names}:
        parser.error(f"{', '.join(sorted(unknown))}: no such room; expected {', '.join(names)}")
    reasons, problems = read_reasons(REASONS), 0
    with nullcontext(options.work) if options.work else tempfile.TemporaryDirectory() as folder:
        for room in ROOMS:
            if options.room and room.name not in options.room:
                continue
            mutants = mutate(room, Path(folder).resolve() / room.name, options.children)
            page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
            write_whole(PAGE, with_section(page, room.name, section(room.name, mutants, reasons), names))
            for mutant in unexplained(mutants, reasons):
                print(f"{mutant.file}:{mutant.line}: {mutant.status}: {mutant.before} → {mutant.after}")
                problems += 1
            for reason in outdated(mutants, reasons):
                print(f"{REASONS.name}: there is no such change, or a test notices it: {reason}")
                problems += 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
