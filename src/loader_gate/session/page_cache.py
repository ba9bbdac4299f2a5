"""How much of a dump the system holds in memory already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loader_gate.session.dumps import dump_files

if TYPE_CHECKING:
    from pathlib import Path


def cached_share(folder: Path) -> float | None:
    """Return the share of a dump's bytes that the system holds in its page cache, or None if it does not say.

    Linux's ``mincore`` says which pages of a mapped file are resident.
    """
    import ctypes
    import mmap

    try:
        libc = ctypes.CDLL(None, use_errno=True)
        mincore, map_file, unmap = libc.mincore, libc.mmap, libc.munmap
    except (OSError, AttributeError):
        return None
    map_file.restype = ctypes.c_void_p
    map_file.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    unmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    resident = pages = 0
    for file in dump_files(folder):
        size = file.stat().st_size
        if size == 0:
            continue
        with file.open("rb") as opened:
            address = map_file(None, size, mmap.PROT_READ, mmap.MAP_SHARED, opened.fileno(), 0)
        if address in (None, ctypes.c_void_p(-1).value):
            return None
        count = -(-size // mmap.PAGESIZE)
        seen = ctypes.create_string_buffer(count)
        failed = mincore(address, size, seen)
        unmap(address, size)
        if failed:
            return None
        resident += sum(byte & 1 for byte in seen.raw)
        pages += count
    return resident / pages if pages else None
