"""A search among changed packages from end to end: one commit, and two environments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.base.repository import RevisionError
from loader_gate.bisect.asked import BisectError
from loader_gate.bisect.commits import has_changes, without_option
from loader_gate.bisect.halving import fewest
from loader_gate.bisect.judging import Found, Line
from loader_gate.bisect.packages import Differences, Environment
from loader_gate.bisect.search import FOUND, NOT_SLOWER, SEVERAL, say
from loader_gate.bisect.session import Stage
from loader_gate.bisect.words import about_end, about_line, about_step, about_sureness, why_no_search
from loader_gate.text import wrapped
from loader_gate.verdict.change import TOLERANCE

if TYPE_CHECKING:
    from loader_gate.base.repository import Repository
    from loader_gate.bisect.asked import Asked


class _Search:
    """Holds sessions of some bad packages against the good environment, and keeps what they found."""

    def __init__(self, asked: Asked, top: Path, differences: Differences) -> None:
        """Begin with no session.

        Args:
            asked: What is measured.
            top: The folder of the checkout.
            differences: What differs.
        """
        self._asked, self._top, self._differences = asked, top, differences
        self.found: dict[tuple[str, ...], Found] = {}
        self.tolerance = TOLERANCE

    def compare(self, names: tuple[str, ...], title: str) -> Found:
        """Hold the session of some packages."""
        with self._differences.mixed(names) as python:
            against = ("against-python", self._differences.good.program)
            found = Stage(self._asked, self._top, against, python, sys.stderr).compare(self.tolerance, title)
        self.found[names] = found
        return found

    def is_slow(self, names: tuple[str, ...]) -> bool:
        """Take one step: return whether some packages are slow, as far as that can be told."""
        title = f"Step {len(self.found)}"
        found = self.compare(names, f"{title}, {', '.join(names)}")
        say(about_step(title, ", ".join(names), found))
        return found.judgement == "slower"


def search_packages(repository: Repository, asked: Asked, good: Path, bad: Path) -> int:
    """Find the changed packages that make a loader slower, at the last commit; return the exit code.

    Args:
        repository: The user's repository.
        asked: What is measured.
        good: The Python of the good environment.
        bad: That of the bad one.

    Raises:
        BisectError: One of them is none, or nothing can be compared.
    """
    differences = Differences(Environment.of("--good-python", good), Environment.of("--bad-python", bad))
    changed, movable = differences.changed, differences.movable
    if not changed:
        raise BisectError(f"{good} and {bad} have the same packages in the same versions.")
    say(
        wrapped(
            f"{len(changed)} packages differ: {', '.join(map(differences.describe, changed))}.", others="    "
        )
    )
    fixed = [f"{each}, as {differences.fixed(each)}" for each in changed if each not in movable]
    if fixed:
        say(wrapped(f"Not tried: {'; '.join(fixed)}.", others="    "))
    pythons = differences.good.version, differences.bad.version
    if pythons[0] != pythons[1]:
        say(wrapped(f"Python differs too, {pythons[0]} and {pythons[1]}, and is the good one here."))
    if differences.good.series != differences.bad.series:
        raise BisectError("Packages of one Python do not fit another: make both environments of one version.")
    if not movable:
        raise BisectError(
            "None of them can be tried. Install them one by one into a copy of the good environment."
        )
    if has_changes(repository):
        say(
            wrapped(
                "Files here have changes: only the last commit is looked at, and the files stay as they are."
            )
        )
    try:
        with repository.worktree(repository.commit("HEAD")) as folder:
            # A variant may come with the suite, from the environments.
            if asked.loader and (absence := asked.absence(folder)):
                raise BisectError(f"The last commit cannot be measured: {absence}.")
            return _search(_Search(asked, folder, differences), movable, differences)
    except RevisionError as error:
        raise BisectError(without_option(error)) from error


def _search(search: _Search, movable: tuple[str, ...], differences: Differences) -> int:
    """Search in a checkout."""
    names = "the good environment", "the good environment with all of them"
    confirmed = search.compare(movable, f"Is {names[1]} slower?")
    reason = why_no_search(confirmed, *names)
    if reason or confirmed.change is None:
        say(wrapped(reason))
        return NOT_SLOWER
    line = Line(confirmed.change)
    say(about_line(line, confirmed, *names))
    search.tolerance = line.tolerance
    left = fewest(movable, search.is_slow)
    described = {each: differences.describe(each) for each in left}
    if len(left) == 1:
        say(about_end(left, described, {left[0]: search.found[left]}, "package"))
    else:
        say(
            wrapped(
                "Slow together, and not known to be slow with any of them left out: "
                f"{', '.join(described.values())}.",
                others="    ",
            )
        )
    say(about_sureness([*search.found.values()]))
    return FOUND if len(left) == 1 else SEVERAL
