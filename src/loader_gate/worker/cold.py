"""Begins a pass with nothing of its data in the page cache, or says why that cannot be.

It is done in the worker: what a loader has mapped into its memory, only its own process can give back.
"""

from __future__ import annotations

import os
import time
from functools import cached_property
from typing import TYPE_CHECKING

from loader_gate.machine.page_cache import cached_share, evict, give_back_mapped, without_doubles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: The most of its data that may be in the page cache when a cold pass begins.
MOST_CACHED = 0.02
#: So often what has stayed is asked to leave: it may be on its way to the disk, or from there.
TRIES = 5
#: Before the second try; twice as long before each further one.
PAUSE_SECONDS = 0.1


class NotColdError(Exception):
    """A pass could not begin cold; the message says what was found, and what to do."""


class ColdStart:
    """Evicts what a variant reads: the files of its tree, and those in its own folder."""

    def __init__(
        self, paths: Sequence[str], folder: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Remember what is to be evicted; the files are looked at when that is first asked for.

        Args:
            paths: The files of the tree.
            folder: The folder that the variant writes to; what is in it is looked up anew each time.
            pause: Waits for so many seconds.
        """
        self._paths, self._folder, self._pause = paths, folder, pause

    @cached_property
    def _tree(self) -> list[str]:
        return without_doubles(self._paths)

    def evict(self) -> float:
        """Let the data leave the page cache; return the share that has stayed.

        It is the larger one of two: of the tree's files, and of what the variant has written. A dump that is
        small beside its tree is not lost sight of so.

        Raises:
            NotColdError: More has stayed than a cold pass may begin with.
        """
        written = without_doubles(
            os.path.join(parent, name)  # noqa: PTH118 (os.walk gives strings)
            for parent, _, names in os.walk(self._folder)
            for name in names
        )
        return max(
            _evicted(self._tree, "the tree's files", self._pause),
            _evicted(written, "what it has written", self._pause),
        )


def _evicted(files: Sequence[str], what: str, pause: Callable[[float], None]) -> float:
    """Evict some files; return the share that has stayed.

    Raises:
        NotColdError: It is too much.
    """
    for number in range(TRIES):
        if number:
            pause(PAUSE_SECONDS * 2 ** (number - 1))
        give_back_mapped(files)
        evict(files)
        share = cached_share(files)
        share = 1.0 if share is None else share
        if share <= MOST_CACHED:
            return share
    raise NotColdError(
        f"no pass of it began cold: {share:.0%} of {what} stayed in the page cache after {TRIES} tries, and "
        f"{MOST_CACHED:.0%} may (--cold). A process that maps these files or reads them keeps them there, "
        "such as one that the loader itself has started, and a file system in memory has no other place for "
        "them: end it, move them (TMPDIR is where variants write), or measure without --cold"
    )
