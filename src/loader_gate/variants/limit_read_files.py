"""A limit: reading the files of the tree alone, on all cores, into memory that is used again."""

from __future__ import annotations

import multiprocessing
import random
from collections import deque
from typing import TYPE_CHECKING

from loader_gate import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.pool import AsyncResult

    from loader_gate import Spec, Tree

KIND = "limit"
DECODERS = ""
AUGMENTS = ("crop-flip",)
BOUNDS = ("streaming", "rival")
CACHE = "warm"

#: Files that a process takes at once: so few that no process has much left when the others are done.
FILES_AT_ONCE = 8
#: How many times as many as it deals with are handed out to each process.
AHEAD = 4

_buffer = bytearray(1 << 20)


class Crew:
    """Processes, one a core, that are started once and share out the files of every epoch.

    Each epoch takes them in another order, so that its beginning is a sample of all of them.
    """

    def __init__(self, work: Callable[[Sequence[str]], int], paths: Sequence[str]) -> None:
        """Start the processes.

        Args:
            work: Deals with some files, and returns how many; a function of a module.
            paths: All files.
        """
        self._work, self._paths = work, list(paths)
        self._random = random.Random(0)  # noqa: S311 (an order, no secret)
        # Spawned, as a process with threads should not fork. They stay in its process group, and end with it.
        self._pool = multiprocessing.get_context("spawn").Pool(cores())

    def __iter__(self) -> Iterator[int]:
        """Yield how many files have been dealt with since the last time, up to all of them.

        No more is handed out than keeps the processes busy, as an epoch may be left early.
        """
        order = range(0, len(self._paths), FILES_AT_ONCE)
        begun: deque[AsyncResult[int]] = deque()
        for start in self._random.sample(order, len(order)):
            begun.append(self._pool.apply_async(self._work, (self._paths[start : start + FILES_AT_ONCE],)))
            if len(begun) > AHEAD * cores():
                yield begun.popleft().get()
        while begun:
            yield begun.popleft().get()


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
