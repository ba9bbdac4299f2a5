"""Temporary folders, which the next session removes if the process that made them was killed.

A file in each is locked for as long as its owner lives: the system lets go of the lock of whoever ends,
however that ends. The number of a process could be another's by then, in a container or after a restart.
Where the file system has no locks nobody can tell, so that folders of who was killed stay there.
What a disk refuses to remove, the next session removes as well: the file that is locked goes last, and an
empty folder without it is nobody's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import signal
import stat
import tempfile
import weakref
from pathlib import Path
from typing import IO

#: What the names of our temporary folders begin with.
PREFIX = "loader-gate-"
#: What `tempfile.mkdtemp` makes of that: an empty folder of any other name may be somebody else's.
_MADE_BY_US = re.compile(rf"{PREFIX}[a-z0-9_]{{8}}")
_LOCK = ".owner"
#: What a file system says that has no locks.
_HAS_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
#: A process may start others while it is looked for.
_TRIES = 5


class OwnedFolder(contextlib.AbstractContextManager[str]):
    """A temporary folder that is known to be in use.

    Attributes:
        name: Its path.
    """

    def __init__(self) -> None:
        """Make it."""
        lock = None
        while lock is None:  # again if somebody has taken it for abandoned, in between
            self.name = tempfile.mkdtemp(prefix=PREFIX)
            try:
                lock = _locked(Path(self.name), os.O_CREAT)
            except FileNotFoundError:
                continue
            except OSError:  # nobody would know whose it is
                shutil.rmtree(self.name, ignore_errors=True)
                raise
        self._removal = weakref.finalize(self, _remove, self.name, lock)

    def __enter__(self) -> str:
        """Return its path."""
        return self.name

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self.cleanup()

    def cleanup(self) -> None:
        """Remove it, unless that has been done; else it is when Python ends."""
        self._removal()


def _remove(name: str, lock: int) -> None:
    """Remove a folder and let go of its lock, also if whoever has no patience interrupts that."""
    try:
        _remove_all(name)
    except KeyboardInterrupt:
        _remove_all(name)
        raise
    finally:
        os.close(lock)


def _remove_all(name: str) -> None:
    """Remove a folder, last of all what says whose it is: what stays now, the next session removes."""
    with contextlib.suppress(OSError):
        stays = [each for each in Path(name).iterdir() if each.name != _LOCK and not _is_removed(each)]
        if not stays:
            shutil.rmtree(name, ignore_errors=True)
            if Path(name).exists():  # a worker on its way out has written into it meanwhile
                (Path(name) / _LOCK).touch()


def _is_removed(path: Path) -> bool:
    """Remove a file or a folder with all that is in it; return whether it is gone."""
    if path.is_symlink() or not path.is_dir():
        with contextlib.suppress(OSError):
            path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():  # whoever made a folder may have taken away the right to write to it
            for folder, _, _ in os.walk(path):
                with contextlib.suppress(OSError):
                    os.chmod(folder, stat.S_IRWXU)  # noqa: PTH101
            shutil.rmtree(path, ignore_errors=True)
    return not os.path.lexists(path)


def remove_abandoned() -> None:
    """Remove this user's folders whose owner has gone, and end what still runs of its workers."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            about = folder.lstat()
            if about.st_uid != os.geteuid() or folder.is_symlink():
                continue
            try:
                lock = _locked(folder, 0)
            except FileNotFoundError:
                if _MADE_BY_US.fullmatch(folder.name):
                    # Its owner was killed before it had the lock, or before the last step of removing it.
                    # One that is about to be locked is made again; one with anything in it is not removed.
                    folder.rmdir()
                continue
            if lock is not None:
                end_processes_in(folder)
                _remove(str(folder), lock)


def end_processes_in(folder: Path, stderr: IO[bytes] | None = None) -> None:
    """Kill every process of this user whose temporary folder this is: workers have one each (Linux only).

    What a worker has started inherits the variable, also if it is no descendant any more, as a process that
    was forked twice in a session of its own. One that was started with no variables has its standard error.

    Args:
        folder: The folder.
        stderr: The file that standard error of that worker goes to, and of nobody else.
    """
    entry, file = f"TMPDIR={folder}".encode(), None if stderr is None else os.fstat(stderr.fileno())
    for _ in range(_TRIES):
        found = [pid for pid in _others() if _has_entry(pid, entry) or (file and _has_stderr(pid, file))]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _others() -> list[int]:
    """Return every process but this one; none where the system does not show them."""
    with contextlib.suppress(OSError):
        # A Path a process would take longer than reading its file.
        numbers = [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208
        return [pid for pid in numbers if pid != os.getpid()]
    return []


def _has_entry(pid: int, entry: bytes) -> bool:
    """Return whether a process has an entry in the environment that it was started with.

    It is not to be seen of those of other users; and one that has ended has none any more.
    """
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
        return entry in file.read().split(b"\0")
    return False


def _has_stderr(pid: int, file: os.stat_result) -> bool:
    """Return whether standard error of a process is a file."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.stat(f"/proc/{pid}/fd/2"), file)  # noqa: PTH116
    return False


def _locked(folder: Path, flags: int) -> int | None:
    """Return a descriptor that holds a folder's lock until it is closed; None if it cannot be had.

    Who makes the folder, with ``O_CREAT``, has one without a lock where there are none.
    """
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), (folder / _LOCK).stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError as error:
        if flags & os.O_CREAT and error.errno in _HAS_NO_LOCKS:
            return descriptor
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
