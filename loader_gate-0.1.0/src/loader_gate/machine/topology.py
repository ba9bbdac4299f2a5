"""Which processors share a core, and how a process is started on a few of them: what only Linux has."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from loader_gate.machine.cores import processors as allowed_processors
from loader_gate.machine.files import lines_of


@dataclass(frozen=True)
class Binding:
    """Some of the processors that a session may run on.

    Attributes:
        processors: Their numbers.
        shares_cores: Whether some of them are hyper-threads of one core, as there are not enough cores.
    """

    processors: tuple[int, ...]
    shares_cores: bool = False

    @property
    def cores(self) -> int:
        """Return how many there are."""
        return len(self.processors)


def bind(count: int, allowed: Collection[int], root: Path = Path("/")) -> Binding:
    """Choose processors: each on a core of its own as long as there are any, the first ones first.

    Where the system does not tell which processors share a core, each counts as one.

    Args:
        count: How many, at most as many as are allowed.
        allowed: Their numbers.
        root: The folder that holds ``sys``; another one only in tests.
    """
    firsts: list[int] = []
    siblings: list[int] = []
    taken: set[int] = set()
    for processor in sorted(allowed):
        (siblings if processor in taken else firsts).append(processor)
        taken |= _siblings(processor, root)
    return Binding(tuple(sorted([*firsts, *siblings][:count])), count > len(firsts))


def _siblings(processor: int, root: Path) -> set[int]:
    """Return the numbers of the processors that are on the same core as one, itself among them."""
    folder = root / f"sys/devices/system/cpu/cpu{processor}/topology"
    # The second is the name before Linux 5.4.
    for name in ("core_cpus_list", "thread_siblings_list"):
        for line in lines_of(folder / name):
            with contextlib.suppress(ValueError):
                return {processor, *_numbers(line)}
    return {processor}


def _numbers(line: str) -> Iterator[int]:
    """Yield what a list such as ``0,4-6`` stands for."""
    for part in line.strip().split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


@contextlib.contextmanager
def bound_to(processors: Iterable[int]) -> Iterator[None]:
    """Let whatever this thread starts run on these processors only, from its first instruction on.

    A new process has the affinity of the thread that starts it, and so do its threads and children, whatever
    library they are of. Other threads of this process keep theirs.

    Args:
        processors: Their numbers; none for no bounds, nor are there any where the system has no affinity.

    Raises:
        OSError: The system does not allow it.
    """
    wanted, before = {*processors}, allowed_processors()
    if not wanted or before is None:
        yield
        return
    os.sched_setaffinity(0, wanted)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
