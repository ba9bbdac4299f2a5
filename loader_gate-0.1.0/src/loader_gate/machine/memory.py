"""How much memory there is, and how much of it may still be taken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.machine.cores import cgroup_folders
from loader_gate.machine.files import lines_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def usable_memory(root: Path = Path("/")) -> int:
    """Return how many bytes of memory there are for us: the machine's, or what our cgroups allow of it.

    Args:
        root: The folder that holds ``proc`` and ``sys``; another one only in tests.
    """
    import psutil

    limits = (limit for folder in cgroup_folders("memory", root) for limit in _limits_of(folder))
    return min(psutil.virtual_memory().total, *limits, 2**63)


def free_memory(root: Path = Path("/")) -> int:
    """Return how many bytes of memory may still be taken: of the machine, and of our cgroup's limits.

    Args:
        root: The folder that holds ``proc`` and ``sys``; another one only in tests.
    """
    import psutil

    free = psutil.virtual_memory().available
    for folder in cgroup_folders("memory", root):
        used = max(_number_in(folder / name) for name in ("memory.current", "memory.usage_in_bytes"))
        # Files that nobody has touched for a while count as used, but make room when somebody asks for it.
        files = max(
            (
                int(line.split()[1])
                for line in lines_of(folder / "memory.stat")
                if line.startswith(("inactive_file ", "total_inactive_file "))
            ),
            default=0,
        )
        for limit in _limits_of(folder):
            free = min(free, limit - max(0, used - files))
    return max(0, free)


def _limits_of(folder: Path) -> Iterator[int]:
    """Yield the memory limit of one cgroup, if it has one."""
    # Without a limit, version 2 says "max" and version 1 a number beyond any memory.
    for name in ("memory.max", "memory.limit_in_bytes"):
        limit = _number_in(folder / name)
        if limit > 0:
            yield limit


def _number_in(path: Path) -> int:
    """Return the number that a file holds, or 0."""
    text = " ".join(words_of(path))
    return int(text) if text.isdigit() else 0
