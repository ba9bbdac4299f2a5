"""What one revision is in every repository that a session compares, checked out when it is first needed.

The temporary worktree itself is made and removed by ``base/repository.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from loader_gate.base.repository import Repository


class Checkouts:
    """The worktrees of a revision, one a repository.

    Attributes:
        revision: What ``--against`` was given.
    """

    def __init__(self, revision: str, worktrees: ExitStack) -> None:
        """Begin with none; those that are made are entered into ``worktrees``."""
        self.revision = revision
        self._worktrees = worktrees
        self._commits: dict[Repository, str] = {}
        self._folders: dict[Repository, Path] = {}
        self._changed: dict[Repository, list[Path]] = {}

    def commit(self, repository: Repository) -> str:
        """Return the full id of the commit that the revision is in a repository.

        Raises:
            RevisionError: It knows no such revision.
        """
        if repository not in self._commits:
            self._commits[repository] = repository.commit(self.revision)
        return self._commits[repository]

    def changed_files(self, repository: Repository) -> list[Path]:
        """Return what differs from the revision in a repository; see `Repository.changed_files`.

        Raises:
            RevisionError: git cannot tell.
        """
        if repository not in self._changed:
            self._changed[repository] = repository.changed_files(self.commit(repository))
        return self._changed[repository]

    def called(self, repository: Repository) -> str:
        """Return the revision's name and short id."""
        short = repository.short(self.commit(repository))
        return self.revision if self.revision.startswith(short) else f"{self.revision} ({short})"

    def folder(self, repository: Repository) -> Path:
        """Return the worktree of a repository, made if there is none yet."""
        if repository not in self._folders:
            worktree = repository.worktree(self.commit(repository))
            self._folders[repository] = self._worktrees.enter_context(worktree)
        return self._folders[repository]

    @property
    def is_known(self) -> bool:
        """Return whether any repository was asked for the revision, and knew it."""
        return bool(self._commits)

    @property
    def _compared(self) -> list[Repository]:
        """Return the repositories that were checked out; all that know the revision if none was."""
        return [*(self._folders or self._commits)]

    def first_commit(self) -> str:
        """Return the commit of the repository that was checked out first."""
        return self._commits[self._compared[0]]

    def describe(self) -> str:
        """Return for people what was asked for, and what that is in each repository."""
        several = len(self._compared) > 1
        commits = [
            repository.describe(self._commits[repository]) + (f" in {repository.top.name}" if several else "")
            for repository in self._compared
        ]
        return f"{self.revision} ({', '.join(commits)})"
