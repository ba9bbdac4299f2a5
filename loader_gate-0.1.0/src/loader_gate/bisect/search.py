"""A search among commits from end to end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.base.repository import Repository, RevisionError
from loader_gate.bisect import commits
from loader_gate.bisect.asked import Asked, BisectError
from loader_gate.bisect.judging import Line, steps_left
from loader_gate.bisect.session import Stage
from loader_gate.bisect.step import Plan, command
from loader_gate.bisect.words import about_end, about_line, about_sureness, time_left, why_no_search
from loader_gate.machine.temporary import OwnedFolder
from loader_gate.text import wrapped
from loader_gate.verdict.change import TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loader_gate.bisect.commits import Range
    from loader_gate.bisect.judging import Found

#: What a search ends with.
FOUND, SEVERAL, NOT_SLOWER = 0, 1, 3


def say(lines: Iterable[str]) -> None:
    """Print lines at once: a search takes long, and may go to a file."""
    for line in lines:
        print(line, flush=True)


def search_commits(repository: Repository, asked: Asked, good: str, bad: str) -> int:
    """Find the first slow commit between two; return the exit code.

    Args:
        repository: The user's repository.
        asked: What is measured.
        good: The good revision, as the user has given it.
        bad: The bad one.

    Raises:
        BisectError: There is no such commit, or git does not do what it should.
    """
    between = commits.range_between(repository, good, bad)
    if commits.has_changes(repository):
        say(wrapped("Files here have changes: only commits are looked at, and the files stay as they are."))
    names = tuple(
        f"{each} ({repository.describe(commit)})"
        for each, commit in ((good, between.good), (bad, between.bad))
    )
    number = between.candidates
    plural = "" if number == 1 else "s"
    say(wrapped(f"{asked.variant}: {number} commit{plural} after {names[0]}, up to {names[1]}."))
    try:
        with repository.worktree(between.bad) as folder:
            return _search(between, Repository(folder), asked, (good, bad))
    except RevisionError as error:
        raise BisectError(commits.without_option(error)) from error


def _search(between: Range, worktree: Repository, asked: Asked, names: tuple[str, str]) -> int:
    """Search in a worktree in which the bad commit is checked out."""
    absence = asked.absence(worktree.top)
    if absence:
        raise BisectError(f"BAD {names[1]} cannot be measured: {absence}. {_hint(asked)}")
    stage = Stage(asked, worktree.top, ("against", between.good), stream=sys.stderr)
    confirmed = stage.compare(TOLERANCE, f"Is {names[1]} slower than {names[0]}?")
    reason = why_no_search(confirmed, *names)
    if reason or confirmed.change is None:
        say(wrapped(reason))
        return NOT_SLOWER
    say(about_line(Line(confirmed.change), confirmed, *names))
    steps = {between.bad: confirmed}
    left = [between.bad]
    if between.candidates > 1:
        about = steps_left(between.candidates)
        say([f"About {about} step{'' if about == 1 else 's'}, {time_left(about, [confirmed.seconds])}."])
        commits.start(worktree, between)
        steps |= _steps(worktree, asked, between.good, confirmed)
        left = commits.candidates(worktree)
    say(about_end(left, {each: worktree.describe(each) for each in left}, steps, "commit"))
    say(about_sureness([*steps.values()]))
    return FOUND if len(left) == 1 else SEVERAL


def _steps(worktree: Repository, asked: Asked, good: str, confirmed: Found) -> dict[str, Found]:
    """Let git step through the commits; return what was found of each."""
    sys.stdout.flush()
    with OwnedFolder() as name:
        streams = [os.dup(stream.fileno()) for stream in (sys.stdout, sys.stderr)]
        try:
            found = Path(name) / "found.jsonl"
            plan = Plan(
                asked, good, confirmed.change or 1.0, found, confirmed.seconds, streams[0], streams[1]
            )
            plan.write(Path(name) / "plan.json")
            commits.run(worktree, command(Path(name) / "plan.json"), streams)
            return plan.steps()
        finally:
            for each in streams:
                os.close(each)


def _hint(asked: Asked) -> str:
    """Return what to do where the bad commit has not what is to be measured."""
    if asked.loader:
        return "Start in the repository that holds the loader, in the folder in which pytest finds it."
    return "Variants are the suite's: start in a checkout of it, or give a --loader of your own."
