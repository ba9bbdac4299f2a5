"""What `git bisect run` runs for each commit: one session against the good one, and an exit code.

It is told by a file what to measure, and adds to another one what it has found.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from loader_gate.base.repository import Repository
from loader_gate.bisect.asked import Asked
from loader_gate.bisect.commits import candidates
from loader_gate.bisect.judging import EXIT_CODES, Found, Line, steps_left
from loader_gate.bisect.session import Stage
from loader_gate.bisect.words import about_step, time_left
from loader_gate.plugin.interrupts import clean_end_when_told

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What is checked out may hold another loader_gate: ours decides, as it is where the search was started.
_START = (
    "import sys; sys.path[:] = [sys.argv[1], *filter(None, sys.path)]; import loader_gate; "
    "del sys.path[0]; from loader_gate.bisect.step import main; sys.exit(main())"
)
#: As of a program that was interrupted: `git bisect run` stops at it.
INTERRUPTED = 130


@dataclass(frozen=True)
class Plan:
    """What every step is told.

    Attributes:
        asked: What is measured.
        good: The full id of the commit to compare with.
        change: How many times as long the bad commit takes.
        found: The file of what steps have found, a line each.
        session_seconds: How long a session took before there was any step.
        output: The file descriptor that findings are shown on.
        progress: The file descriptor that progress is shown on.
    """

    asked: Asked
    good: str
    change: float
    found: Path
    session_seconds: float
    output: int
    progress: int

    def write(self, file: Path) -> None:
        """Write it for `read`."""
        file.write_text(json.dumps({**asdict(self), "found": str(self.found)}), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Plan:
        """Return the plan that `write` has written."""
        data = json.loads(file.read_text(encoding="utf-8"))
        return cls(**{**data, "asked": Asked.from_json(data["asked"]), "found": Path(data["found"])})

    def steps(self) -> dict[str, Found]:
        """Return what steps have found so far, by the full id of the commit."""
        return dict(self._lines())

    def add(self, commit: str, found: Found) -> None:
        """Add what a step has found."""
        with self.found.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"commit": commit, **asdict(found)}) + "\n")

    def _lines(self) -> Iterator[tuple[str, Found]]:
        if self.found.exists():
            for line in self.found.read_text(encoding="utf-8").splitlines():
                data = json.loads(line)
                yield data.pop("commit"), Found(**data)


def command(plan: Path) -> list[str]:
    """Return the command of a step.

    Args:
        plan: The file of the plan.
    """
    return [sys.executable, "-c", _START, str(Path(__file__).resolve().parents[2]), str(plan)]


def main() -> int:
    """Take the step of the commit that is checked out; return the exit code for git."""
    clean_end_when_told()
    plan = Plan.read(Path(sys.argv[2]))
    with os.fdopen(plan.output, "w") as output, os.fdopen(plan.progress, "w") as progress:
        try:
            return EXIT_CODES[_step(plan, output, progress).judgement]
        except KeyboardInterrupt:
            return INTERRUPTED


def _step(plan: Plan, output: TextIO, progress: TextIO) -> Found:
    worktree = Repository(Path.cwd().resolve())
    commit, before = worktree.git("rev-parse", "HEAD").stdout.strip(), plan.steps()
    left = steps_left(len(candidates(worktree)))
    of_each = [plan.session_seconds, *(each.seconds for each in before.values() if each.seconds)]
    number = len(before) + 1
    title = f"Step {number} of about {number + max(0, left - 1)}"
    absence = plan.asked.absence(worktree.top)
    stage = Stage(plan.asked, worktree.top, ("against", plan.good), stream=progress)
    described = worktree.describe(commit)
    if absence:
        found = Found("unmeasured", None, None, None, absence, 0.0)
    else:
        about = f"{title}, {described}, {time_left(left, of_each)}"
        found = stage.compare(Line(plan.change).tolerance, about)
    plan.add(commit, found)
    output.write("".join(f"{line}\n" for line in about_step(title, described, found)))
    return found
