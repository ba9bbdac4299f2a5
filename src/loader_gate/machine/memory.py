"""How much memory may still be taken."""

from __future__ import annotations

from pathlib import Path

from loader_gate.machine.cgroup import cgroup_folders, limits_of, number_in
from loader_gate.machine.files import lines_of


def free_memory(root: Path = Path("/")) -> int:
    """Return how many bytes of memory may still be taken: of the machine, and of our cgroup's limits.

    Args:
        root: The folder that holds ``proc`` and ``sys``; another one only in tests.
    """
    import psutil

    free = psutil.virtual_memory().available
    for folder in cgroup_folders("memory", root):
        used = max(number_in(folder / name) for name in ("memory.current", "memory.usage_in_bytes"))
        # Files that nobody has touched for a while count as used, but make room when somebody asks for it.
        files = max(
            (
                int(line.split()[1])
                for line in lines_of(folder / "memory.stat")
                if line.startswith(("inactive_file ", "total_inactive_file "))
            ),
            default=0,
        )
        for limit in limits_of(folder):
            free = min(free, limit - max(0, used - files))
    return max(0, free)
