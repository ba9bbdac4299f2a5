"""The system's page cache: what share of files it holds, and how files leave it.

What leaves is the data of files. Their names, sizes and places on the disk stay in memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The lowest bit of what ``mincore`` says of a page: whether it is in memory.
_IS_RESIDENT = bytes(byte & 1 for byte in range(256))
_MADV_DONTNEED = 4


def cached_share(files: Iterable[str]) -> float | None:
    """Return the share of the pages of files that the page cache holds, 0 to 1.

    Linux's ``mincore`` says which pages of a mapped file are resident: to whoever owns the file or may write
    to it. To anybody else it says that all are.

    Args:
        files: Paths of files; one that has gone counts for nothing.

    Returns:
        The share, 0 of files that have no pages; None if the system does not say it.
    """
    resident = pages = 0
    for file in _opened(files):
        found = _pages(file)
        if found is None:
            return None
        resident, pages = resident + found[0], pages + found[1]
    return resident / max(1, pages)


def evict(files: Iterable[str]) -> None:
    """Let files leave the page cache (Linux only), as far as they do.

    A page stays that has not been written to the disk yet, that some process has mapped, or that is being
    read. So a file of which anything has stayed is written to the disk, and asked to leave once more.

    Args:
        files: Paths of files; one that has gone is passed over.
    """
    if sys.platform != "linux":
        return
    for file in _opened(files):
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        found = _pages(file)
        if found is None or found[0]:
            with contextlib.suppress(OSError):  # a file system that cannot has nothing to write
                os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def give_back_mapped(files: Iterable[str]) -> None:
    """Let this process give back the pages of files that it has mapped (Linux only), or they could not leave.

    The mapping stays, and its pages are read again when they are used. Only shared mappings are given back:
    what was written through one belongs to the file, so that nothing is lost.

    Args:
        files: Paths of files.
    """
    call = _libc()
    wanted = {*map(_identity, files)} - {None}
    if call is None or not wanted:
        return
    with contextlib.suppress(OSError), open("/proc/self/maps", "rb") as maps:  # noqa: PTH123 (as others here)
        for line in maps:
            place, rights, _, _, _, *path = line.rstrip(b"\n").split(maxsplit=5)
            if rights.endswith(b"s") and path and _identity(os.fsdecode(path[0])) in wanted:
                start, end = (int(each, 16) for each in place.split(b"-"))
                call.madvise(start, end - start, _MADV_DONTNEED)


def without_doubles(files: Iterable[str]) -> list[str]:
    """Return one path of each file that is there: hard links to one have the same pages."""
    found = {identity: file for file in files if (identity := _identity(file)) is not None}
    return [*found.values()]


def file_system_of(path: str) -> str:
    """Return the kind of file system that a path lies on, such as ``ext4``; empty if that is not known."""
    import psutil

    place = os.path.join(os.path.realpath(path), "")  # noqa: PTH118 (with a slash at its end)
    found, length = "", -1
    for each in psutil.disk_partitions(all=True):
        mount = os.path.join(each.mountpoint, "")  # noqa: PTH118
        if place.startswith(mount) and len(mount) >= length:  # of two at one place, the later one is seen
            found, length = each.fstype, len(mount)
    return found


def _identity(file: str) -> tuple[int, int] | None:
    """Return what tells a file from all others, by whatever path; None if it has gone."""
    try:
        status = os.stat(file)  # noqa: PTH116 (a Path a file is slow)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _opened(files: Iterable[str]) -> Iterator[int]:
    """Yield the descriptor of each file while it is open."""
    for path in files:
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        try:
            yield file
        finally:
            os.close(file)


def _pages(file: int) -> tuple[int, int] | None:
    """Return how many pages of a file are in memory, and how many it has; None if the system does not say."""
    size, call = os.fstat(file).st_size, _libc()
    if size == 0:
        return 0, 0
    if call is None:
        return None
    address = call.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        return None
    pages = -(-size // mmap.PAGESIZE)
    seen = ctypes.create_string_buffer(pages)
    failed = call.mincore(address, size, seen)
    call.munmap(address, size)
    return None if failed else (seen.raw.translate(_IS_RESIDENT).count(1), pages)


@cache
def _libc() -> Any:
    """Return the C library with the functions that are called here; None if it lacks one."""
    try:
        found = ctypes.CDLL(None, use_errno=True)
        found.mmap.restype = ctypes.c_void_p
        found.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        found.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
        found.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        found.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    except (OSError, AttributeError):
        return None
    return found
