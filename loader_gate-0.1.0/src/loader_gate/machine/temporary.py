"""Temporary folders, which the next session removes if the process that made them was killed.

A file in each is locked for as long as its owner lives: the system lets go of the lock of whoever ends,
however that ends. The number of a process could be another's by then, in a container or after a restart.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: What the names of our temporary folders begin with.
PREFIX = "loader-gate-"
_LOCK = ".owner"
#: A process may start others while it is looked for.
_TRIES = 5


class OwnedFolder(tempfile.TemporaryDirectory[str]):
    """A temporary folder that is known to be in use."""

    def __init__(self) -> None:
        """Make it."""
        super().__init__(prefix=PREFIX, ignore_cleanup_errors=True)
        self._lock = _locked(Path(self.name), os.O_CREAT)
        while self._lock is None:  # somebody has taken it for abandoned, in between
            super().__init__(prefix=PREFIX, ignore_cleanup_errors=True)
            self._lock = _locked(Path(self.name), os.O_CREAT)

    def cleanup(self) -> None:
        """Remove it."""
        super().cleanup()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def remove_abandoned() -> None:
    """Remove this user's folders whose owner was killed, and end what still runs of its workers."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            about = folder.lstat()
            if about.st_uid != os.geteuid() or folder.is_symlink():
                continue
            lock = _locked(folder, 0)
            if lock is not None:
                end_processes_in(folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def end_processes_in(folder: Path) -> None:
    """Kill every process of this user whose temporary folder this is: workers have one each (Linux only).

    What a worker has started inherits the variable, also if it is no descendant any more, as a process that
    was forked twice in a session of its own.
    """
    for _ in range(_TRIES):
        found = [*_processes_with(f"TMPDIR={folder}".encode())]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _processes_with(entry: bytes) -> Iterator[int]:
    """Yield the processes that have an entry in the environment that they were started with."""
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208 (a Path a process takes longer than reading its file)
            if name.isdecimal() and int(name) != os.getpid():
                # Not those of other users; and one that has ended has none any more.
                with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123
                    if entry in file.read().split(b"\0"):
                        yield int(name)


def _locked(folder: Path, flags: int) -> int | None:
    """Return a descriptor that holds a folder's lock until it is closed; None if somebody else does."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), (folder / _LOCK).stat()):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None
