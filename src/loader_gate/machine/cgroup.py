"""The limits of our cgroup, in version 1 or 2 of the files that Linux shows them in."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.machine.files import lines_of, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def cpu_quotas(root: Path) -> Iterator[float]:
    """Yield how many cores' time each cgroup that we are in may use; infinity comes first."""
    yield math.inf
    for folder in cgroup_folders("cpu", root):
        # Version 2: "QUOTA PERIOD", where QUOTA may be "max"; version 1: a file each, where -1 is no quota.
        quota, period = [*words_of(folder / "cpu.max"), "", ""][:2]
        if not quota:
            quota = " ".join(words_of(folder / "cpu.cfs_quota_us"))
            period = " ".join(words_of(folder / "cpu.cfs_period_us"))
        if quota.isdigit() and period.isdigit() and int(quota) > 0 and int(period) > 0:
            yield int(quota) / int(period)


def memory_limits(root: Path) -> Iterator[int]:
    """Yield how many bytes each cgroup that we are in may use; a number beyond any memory comes first."""
    yield 2**63
    for folder in cgroup_folders("memory", root):
        yield from limits_of(folder)


def limits_of(folder: Path) -> Iterator[int]:
    """Yield the memory limit of one cgroup, if it has one."""
    # Without a limit, version 2 says "max" and version 1 a number beyond any memory.
    for name in ("memory.max", "memory.limit_in_bytes"):
        limit = number_in(folder / name)
        if limit > 0:
            yield limit


def number_in(path: Path) -> int:
    """Return the number that a file holds, or 0."""
    text = " ".join(words_of(path))
    return int(text) if text.isdigit() else 0


def cgroup_folders(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folder of our cgroup for a controller and all folders above it: each may set a limit."""
    mount = root / "sys/fs/cgroup"
    for line in lines_of(root / "proc/self/cgroup"):
        # "0::/path" is version 2; "4:cpu,cpuacct:/path" is version 1, mounted under all its names or one.
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            base = mount
        elif controller in controllers.split(","):
            base = next(
                (mount / name for name in (controller, controllers) if (mount / name).is_dir()), mount
            )
        else:
            continue
        # Inside a container the path may be the host's, of which only the mount itself is to be seen.
        folder = base / path.lstrip("/")
        yield folder
        while folder != base:
            folder = folder.parent
            yield folder
