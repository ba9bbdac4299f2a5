"""A limit: reading the files of the tree alone, on all cores, into memory that is used again."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING

from loader_gate import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loader_gate import Spec, Tree

KIND = "limit"
AUGMENTS = ("crop-flip",)
BOUNDS = ("streaming", "rival")

#: Files that a process takes at once: so few that no process has much left when the others are done.
FILES_AT_ONCE = 8

_buffer = bytearray(1 << 20)


class Crew:
    """Processes, one a core, that are started once and share out the files of every epoch."""

    def __init__(self, work: Callable[[Sequence[str]], int], paths: Sequence[str]) -> None:
        """Start the processes.

        Args:
            work: Deals with some files, and returns how many; a function of a module.
            paths: All files.
        """
        self._work = work
        self._shares = [paths[start : start + FILES_AT_ONCE] for start in range(0, len(paths), FILES_AT_ONCE)]
        # Spawned, as a process with threads should not fork. They stay in its process group, and end with it.
        self._pool = multiprocessing.get_context("spawn").Pool(cores())

    def __iter__(self) -> Iterator[int]:
        """Yield how many files have been dealt with since the last time, up to all of them."""
        return iter(self._pool.imap_unordered(self._work, self._shares))


def read(paths: Sequence[str]) -> int:
    """Read some files; return how many."""
    for path in paths:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a Path takes as long as a small file)
            while file.readinto(_buffer):
                pass
    return len(paths)


def load(tree: Tree, spec: Spec) -> Crew:  # noqa: ARG001 (as every variant is loaded)
    """Return epochs of counts of files."""
    return Crew(read, tree.paths)
