"""Commits between a good and a bad one, which `git bisect run` steps through in a temporary worktree.

What git notes of a bisection belongs to that worktree, and goes with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.base.repository import Repository, RevisionError, git_command
from loader_gate.bisect.asked import BisectError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: How long a step that was told to end may take: its session ends first.
_END_SECONDS = 90.0
_CANDIDATES = ("refs/bisect/bad", "--not", "--glob=refs/bisect/good-*")


@dataclass(frozen=True)
class Range:
    """Two commits of a repository, with others between them.

    Attributes:
        repository: The user's repository; only temporary worktrees of it are ever written to.
        good: The full id of the good commit.
        bad: The full id of the bad one, which has the good one behind it.
    """

    repository: Repository
    good: str
    bad: str

    @property
    def candidates(self) -> int:
        """Return how many commits may be the first bad one: all after the good one."""
        return int(self.repository.git("rev-list", "--count", self.bad, f"^{self.good}").stdout)


def repository_of(folder: Path) -> Repository:
    """Return the repository that a folder lies in.

    Raises:
        BisectError: There is no git, or no repository.
    """
    if shutil.which("git") is None:
        raise BisectError("There is no git on PATH: install it.")
    try:
        repository = Repository.holding(folder)
    except RevisionError as error:
        raise BisectError(without_option(error)) from error
    if repository is None:
        raise BisectError(f"{folder} lies in no git repository; start in the one that holds the loader.")
    return repository


def commit_of(repository: Repository, name: str, revision: str) -> str:
    """Return the full id of a commit.

    Args:
        repository: Where it is looked for.
        name: Which it is: GOOD or BAD.
        revision: As the user has given it.

    Raises:
        BisectError: There is none.
    """
    if not revision.strip() or revision.startswith("-"):
        raise BisectError(f"{name} {revision!r}: expected a git revision, such as HEAD~20 or a commit's id.")
    try:
        return repository.commit(revision)
    except RevisionError as error:
        raise BisectError(f"{name} {without_option(error)}") from error


def range_between(repository: Repository, good: str, bad: str) -> Range:
    """Return the commits between two revisions.

    Raises:
        BisectError: One is unknown, or the good one is not behind the bad one.
    """
    found = Range(repository, commit_of(repository, "GOOD", good), commit_of(repository, "BAD", bad))
    if found.good == found.bad:
        raise BisectError(
            f"GOOD {good} and BAD {bad} are the same commit, {repository.describe(found.good)}."
        )
    if repository.git("merge-base", "--is-ancestor", found.good, found.bad).returncode == 0:
        return found
    if repository.git("merge-base", "--is-ancestor", found.bad, found.good).returncode == 0:
        raise BisectError(
            f"GOOD {good} comes after BAD {bad}: give the earlier one first. What made a loader faster is "
            "not found by this."
        )
    common = repository.git("merge-base", found.good, found.bad).stdout.strip()
    if common:
        hint = f"their last common commit is {repository.describe(common)}: give that one, if it is good"
    elif repository.git("rev-parse", "--is-shallow-repository").stdout.strip() == "true":
        hint = "it is a shallow clone: get its history with `git fetch --unshallow`"
    else:
        hint = "they have no common commit: give one of BAD's own history, see `git log`"
    raise BisectError(f"GOOD {good} is no ancestor of BAD {bad}; {hint}.")


def has_changes(repository: Repository) -> bool:
    """Return whether files that git tracks differ from the last commit."""
    return bool(repository.git("status", "--porcelain", "--untracked-files=no").stdout.strip())


def start(worktree: Repository, between: Range) -> None:
    """Begin the bisection in a worktree.

    Raises:
        BisectError: git does not.
    """
    begun = worktree.git("bisect", "start", between.bad, between.good)
    if begun.returncode:
        raise BisectError(f"git cannot begin to bisect: {begun.stderr.strip()}")


def candidates(worktree: Repository) -> list[str]:
    """Return the commits that may be the first bad one, by what is known so far, newest first."""
    return worktree.git("rev-list", *_CANDIDATES).stdout.split()


def run(worktree: Repository, step: Sequence[str], passed: Sequence[int] = ()) -> None:
    """Let git step through the commits to the end.

    Args:
        worktree: Where it checks them out.
        step: The command of a step, whose exit code judges what is checked out.
        passed: File descriptors that steps write to.

    Raises:
        BisectError: A step has failed in a way that says nothing of its commit.
    """
    command, environment = git_command(worktree.top, "bisect", "run", *step)
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        pass_fds=passed,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate()
    except BaseException:
        # All of them, as git does not hand a signal on. They hold its output open until the last has ended.
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_END_SECONDS)
        _signal(process.pid, signal.SIGKILL)
        raise
    # It also fails when only skipped commits are left beside a bad one, which is a finding.
    skipped = worktree.git("for-each-ref", "--format=%(objectname)", "refs/bisect/skip-*").stdout.split()
    if process.returncode and not {*candidates(worktree)[1:]} <= {*skipped}:
        last = [line for line in said.splitlines() if line.strip()][-5:]
        raise BisectError(f"`git bisect run` has stopped: {' | '.join(last)}")


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def without_option(error: RevisionError) -> str:
    """Return what is wrong without the option of a session, which nobody has given here."""
    return str(error).removeprefix("--against").lstrip(": ")
