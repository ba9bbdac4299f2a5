"""A limit: what the disk gives of the tree's files, read past the page cache in the files' order.

Several files are on their way at once, as a fast disk answers many requests in the time of one, and a loader
with threads asks so, too. They are read with ``O_DIRECT``, where the file system has that; elsewhere they are
read as any file is, from a page cache that a cold pass has emptied.
"""

from __future__ import annotations

import mmap
import os
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TYPE_CHECKING

from loader_gate import cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "limit"
DECODERS = ""
BOUNDS = ("streaming", "dump", "rival")
CACHE = "cold"
DEFAULT = ("loading",)

#: Requests at once, for each core.
AT_ONCE = 8
#: Read at once, at most: of a file that is larger, one part after another.
PART_BYTES = 1 << 20


class DirectReads:
    """Epochs of files that are read in their order, several at once, into memory that is used again."""

    def __init__(self, tree: Tree) -> None:
        """Start no thread yet; the first epoch does.

        Args:
            tree: Whose files are read.
        """
        self._paths = tree.paths
        self._own = local()
        self._threads = ThreadPoolExecutor(AT_ONCE * cores())

    def __iter__(self) -> Iterator[int]:
        """Yield 1 for each file that has been read."""
        return self._threads.map(self._read, self._paths)

    def _read(self, path: str) -> int:
        if not hasattr(self._own, "destination"):
            self._own.destination = mmap.mmap(-1, PART_BYTES)  # it begins with a page, as O_DIRECT wants it
        file = _opened(path)
        try:
            at = 0
            # A part that is not full is the last one; to read on from there would not be aligned.
            while os.preadv(file, [self._own.destination], at) == PART_BYTES:
                at += PART_BYTES
        finally:
            os.close(file)
        return 1


def _opened(path: str) -> int:
    """Open a file past the page cache, if the file system lets it be."""
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_DIRECT", 0))
    except OSError:
        return os.open(path, os.O_RDONLY)


def load(tree: Tree, spec: Spec) -> DirectReads:  # noqa: ARG001 (as every variant is loaded)
    """Return epochs of counts of files."""
    return DirectReads(tree)
