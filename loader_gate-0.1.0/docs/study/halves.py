"""Halves of the cores, and what binds processes to them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TypeAlias

from docs.study.errors import StudyError
from loader_gate.machine.cores import processors
from loader_gate.machine.processes import descendants

#: The numbers of some cores.
Half: TypeAlias = tuple[int, ...]


def halves_of(cores: Collection[int] | None) -> tuple[Half, Half]:
    """Return two halves of the cores; of an odd number of them, the last is left out.

    Args:
        cores: Their numbers; None if the system does not show them.

    Raises:
        StudyError: There are no two halves.
    """
    if cores is None:
        raise StudyError(
            "duet: this system cannot bind a process to cores; take one that can, such as Linux."
        )
    if len(cores) < 2:
        raise StudyError("duet: one core has no two halves; expected two cores at least.")
    ordered, half = sorted(cores), len(cores) // 2
    return tuple(ordered[:half]), tuple(ordered[half : 2 * half])


@contextlib.contextmanager
def bound_to(cores: Collection[int]) -> Iterator[None]:
    """Bind this thread to cores: what it starts meanwhile is bound to them from its first thread on."""
    before = processors()
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)


def move(pid: int, cores: Collection[int]) -> None:
    """Move every thread of a process, and of all that it has started, to other cores."""
    moved: set[int] = set()
    while left := _threads(pid) - moved:  # again: one that has begun meanwhile is where its parent was
        for thread in left:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(thread, cores)
        moved |= left


def _threads(pid: int) -> set[int]:
    """Return the threads of a process, and of all that it has started."""
    found: set[int] = set()
    for process in (pid, *descendants(pid)):
        with contextlib.suppress(FileNotFoundError):  # it has ended
            found |= {int(thread.name) for thread in Path(f"/proc/{process}/task").iterdir()}
    return found
