"""Files that somebody keeps: saved runs, floors, reports. They are written whole or not at all.

A session may be killed at any moment, its disk may be full, and another may write the same file. So what is
new is written to a file of its own, brought to the disk, and moved over the old; and who reads a file to
write it back, or takes the next free number, is alone in its folder meanwhile. It imports no room.
"""

from __future__ import annotations

import errno
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

#: What the name of an unfinished file ends with.
UNFINISHED = ".loader-gate.tmp"
#: So long another session may take for one file before this one gives up.
WAIT_SECONDS = 60.0
_PAUSE_SECONDS = 0.02


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep all others from writing files that are kept in a folder, as far as they ask.

    The folder itself is locked, which leaves no file behind, and ends with the process. Unfinished files of
    sessions that were killed are removed. A file system that has no locks does without.

    Args:
        folder: An existing folder.

    Raises:
        OSError: Another session does not come to its end.
    """
    with ExitStack() as closing:
        if _locked(folder, closing):
            for stale in folder.glob(f".*{UNFINISHED}"):
                with suppress(OSError):
                    stale.unlink()
        yield


def _locked(folder: Path, closing: ExitStack) -> bool:
    """Lock a folder until all is closed; return whether it could be, as it can on most file systems."""
    taken, deadline = None, time.monotonic() + WAIT_SECONDS
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        closing.callback(os.close, descriptor)
        while not (taken := _taken(descriptor)) and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
    if taken is False:
        words = f"another session has been writing there for {WAIT_SECONDS:.0f} s"
        raise OSError(errno.EBUSY, words, str(folder))
    return bool(taken)


def _taken(descriptor: int) -> bool:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file that somebody keeps.

    Args:
        path: The file; a link stays one, and what is no plain file, such as ``/dev/stdout``, is written into.
        content: All that it is to hold; text as UTF-8.

    Raises:
        OSError: It cannot be written; what was there still is.
    """
    if _is_no_plain_file(path):
        path.write_bytes(_encoded(content))
        return
    with alone(path.resolve().parent):
        replace_whole(path, content)


def replace_whole(path: Path, content: str | bytes) -> None:
    """Do as `write_whole` does, for who is `alone` in the folder already.

    Args:
        path: The file, a plain one or one that is not there yet; a link stays one.
        content: All that it is to hold; text as UTF-8.

    Raises:
        OSError: It cannot be written; what was there still is.
    """
    target = path.resolve()
    # Not all of the name: with more in it, it might be too long.
    beside = target.with_name(f".{target.name[:40]}.{uuid.uuid4().hex}{UNFINISHED}")
    try:
        with beside.open("xb") as file:
            file.write(_encoded(content))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            beside.chmod(target.stat().st_mode & 0o7777)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    # The new name has to reach the disk, too; not every file system can be asked for that.
    with suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _is_no_plain_file(path: Path) -> bool:
    return path.exists() and (not path.is_file() or path.is_relative_to("/dev"))


def _encoded(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
