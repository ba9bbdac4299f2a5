"""A git repository, and temporary worktrees of it, by way of the git program."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.machine.temporary import PREFIX, OwnedFolder, remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Large files stay pointers in a worktree, whether or not git-lfs is installed.
_NO_LFS = ("-c", "filter.lfs.smudge=", "-c", "filter.lfs.process=", "-c", "filter.lfs.required=false")

#: Of a hook that runs pytest: they would turn every command to the hook's repository.
_OF_A_HOOK = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)
#: No hook of the user's may run, and nothing may stay behind to watch a folder that goes away.
_SETTINGS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "submodule.recurse=false")


class RevisionError(Exception):
    """There is nothing to compare with; the message names what was asked for and says what to do."""


@dataclass(frozen=True)
class Repository:
    """A git repository with files checked out.

    Attributes:
        top: The folder that its files are checked out to, with all links resolved.
    """

    top: Path

    @classmethod
    def holding(cls, folder: Path) -> Repository | None:
        """Return the repository that a folder lies in, or None if it lies in none.

        Raises:
            RevisionError: There is no git, or it refuses to look, as at a folder of somebody else's.
        """
        asked = _run(folder, "rev-parse", "--show-toplevel")
        if asked.returncode == 0 and asked.stdout.strip():
            return cls(Path(asked.stdout.rstrip("\n")).resolve())
        if "not a git repository" in asked.stderr or "must be run in a work tree" in asked.stderr:
            return None
        raise RevisionError(f"--against: git will not look at {folder}: {asked.stderr.strip()}")

    def commit(self, revision: str) -> str:
        """Return the full id of the commit that a revision names.

        Raises:
            RevisionError: There is no such commit here.
        """
        found = self.git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        if found.returncode == 0:
            return found.stdout.strip()
        raise RevisionError(
            f"--against {revision}: {self.top} knows no such revision; {self._way(revision)}."
        )

    def _way(self, revision: str) -> str:
        """Return how to come by a revision that is not there."""
        remotes = self.git("remote").stdout.split()
        remote = "origin" if "origin" in remotes or not remotes else remotes[0]
        of_remotes = self.git("for-each-ref", "--format=%(refname:short)", f"refs/remotes/*/{revision}")
        if of_remotes.returncode == 0 and of_remotes.stdout.strip():
            return f"give {of_remotes.stdout.split()[0]}, which it does know"
        if self.git("rev-parse", "--is-shallow-repository").stdout.strip() == "true":
            return (
                "it is a shallow clone: get its history with `git fetch --unshallow` (in GitHub Actions, "
                "give actions/checkout `fetch-depth: 0`), or that revision alone with "
                f"`git fetch {remote} {revision}` and compare with FETCH_HEAD"
            )
        if not remotes:
            return "see `git log --all --oneline` for those that it does"
        return (
            f"get it with `git fetch {remote} {revision}` and compare with FETCH_HEAD, or see "
            "`git branch --all` for those that it does"
        )

    def describe(self, commit: str) -> str:
        """Return a commit's short id and subject, for people."""
        return self.git("log", "-1", "--format=%h %s", "--no-show-signature", commit).stdout.strip()

    def short(self, commit: str) -> str:
        """Return a commit's short id."""
        return self.git("rev-parse", "--short", commit).stdout.strip()

    def has_folder(self, commit: str, folder: Path) -> bool:
        """Return whether a commit has a folder, given relative to the top."""
        return self.git("cat-file", "-t", f"{commit}:{folder.as_posix()}").stdout.strip() == "tree"

    def is_tracked(self, path: Path) -> bool:
        """Return whether git knows a file, or any file of a folder."""
        return bool(self.git("ls-files", "-z", "--", f":(literal){path}").stdout)

    def deleted_modules(self, commit: str) -> list[Path]:
        """Return the Python files that a commit has and this checkout lacks, relative to the top."""
        names = self.git(
            "diff",
            "--name-only",
            "-z",
            "--no-renames",
            "--no-ext-diff",
            "--diff-filter=D",
            commit,
            "--",
            "*.py",
        ).stdout.split("\0")
        return [Path(name) for name in names if name and not (self.top / name).exists()]

    def changed_files(self, commit: str) -> list[Path]:
        """Return the files that differ from a commit, relative to the top: new ones too.

        Those that git is to ignore are not among them.

        Raises:
            RevisionError: git cannot tell.
        """
        names: list[str] = []
        for command in (
            ("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", commit, "--"),
            ("ls-files", "--others", "--exclude-standard", "-z"),
        ):
            ran = self.git(*command)
            if ran.returncode:
                raise RevisionError(f"--against: git cannot compare {self.top}: {ran.stderr.strip()}")
            names += ran.stdout.split("\0")
        return [Path(name) for name in names if name]

    @contextlib.contextmanager
    def worktree(self, commit: str) -> Iterator[Path]:
        """Check a commit out to a temporary folder, and remove it again.

        Raises:
            RevisionError: It cannot be checked out.
        """
        remove_abandoned()
        self._forget_lost()
        with OwnedFolder() as name:
            yield from self._checked_out(commit, Path(name).resolve() / "base")

    def _checked_out(self, commit: str, folder: Path) -> Iterator[Path]:
        try:
            made = self.git(*_NO_LFS, "worktree", "add", "--quiet", "--detach", str(folder), commit)
            if made.returncode:
                raise RevisionError(
                    f"--against: git cannot check {commit[:12]} of {self.top} out to {folder}: "
                    f"{made.stderr.strip()}"
                )
            yield folder
        finally:
            try:
                self._remove(folder)
            except KeyboardInterrupt:
                self._remove(folder)
                raise

    def _remove(self, folder: Path) -> None:
        """Remove a worktree and git's entry of it, even if one of them is only half there.

        Where no process can be started, the entry stays: the next session removes it.
        """
        # Twice --force: when an `add` is interrupted its entry stays locked.
        remove = ("worktree", "remove", "--force", "--force", str(folder))
        with contextlib.suppress(OSError):
            if self.git(*remove).returncode:
                shutil.rmtree(folder, ignore_errors=True)
                self.git(*remove)
        shutil.rmtree(folder, ignore_errors=True)

    def _forget_lost(self) -> None:
        """Remove the entries of worktrees of ours whose folder has gone, as after a kill and a restart.

        Not `git worktree prune`, which would forget the user's own on a drive that is not mounted just now.
        """
        for line in self.git("worktree", "list", "--porcelain").stdout.splitlines():
            label, _, name = line.partition(" ")
            if label == "worktree" and Path(name).parent.name.startswith(PREFIX) and not Path(name).exists():
                self.git("worktree", "remove", "--force", "--force", name)

    def git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run git in it, and return what it printed and its exit code, whatever that is."""
        return _run(self.top, *arguments)


def git_command(folder: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that runs git in a folder, and its environment: it may not ask or fetch large files.

    Raises:
        RevisionError: There is no git.
    """
    program = shutil.which("git")
    if program is None:
        raise RevisionError("--against: there is no git on PATH; install it, or leave out --against.")
    environment = {
        **{name: value for name, value in os.environ.items() if name not in _OF_A_HOOK},
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }
    return [program, *_SETTINGS, "-C", str(folder), *arguments], environment


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git to its end."""
    command, environment = git_command(folder, *arguments)
    with subprocess.Popen(
        command,
        env={**environment, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="surrogateescape",
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate()
        except BaseException:
            # With its children, which would go on to write files while they are being removed.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
