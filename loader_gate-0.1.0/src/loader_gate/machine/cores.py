"""How many processors there are to use: the one definition, for variants, limits, profiles and reports.

It imports nothing else of ours: ``--against`` takes it from the other revision, and a copied variant takes
it along.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from pathlib import Path

#: The folder that holds ``proc`` and ``sys``.
ROOT = Path("/")


def cores() -> int:
    """Return how many processors this process may use.

    They are those that it may run on (its affinity), but no more than its cgroups' CPU quota allows the time
    of, rounded down, and at least 1. The affinity is asked for anew; the quota is read once in a process, so
    that this costs about a microsecond and may be called for every batch.
    """
    return cores_within(quota_of_this_process())


def cores_within(quota: float) -> int:
    """Return how many processors this process may use under a quota.

    Args:
        quota: How many cores' time it may use; infinity without a quota.
    """
    return max(1, math.floor(min(_processor_count(), quota)))


def processors() -> frozenset[int] | None:
    """Return the numbers of the processors that this process may run on, or None if that is not shown."""
    try:
        return frozenset(os.sched_getaffinity(0))
    except AttributeError:  # Not every system can bind a process to processors.
        return None


def cpu_quota(root: Path) -> float:
    """Return how many cores' time our cgroups allow; infinity if that is no less than all our processors'.

    A quota holds for all groups inside the one that has it, so the tightest one counts.

    Args:
        root: The folder that holds ``proc`` and ``sys``; another one only in tests.
    """
    quota = min(_quotas(root), default=math.inf)
    return quota if quota < _processor_count() else math.inf


def cgroup_folders(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folder of our cgroup for a controller and all folders above it: each may set a limit.

    Both versions of the files in which Linux shows them are known. See cgroups(7).
    """
    mounts = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        # "0::/path" is version 2; "4:cpu,cpuacct:/path" is version 1, mounted under all its names or one.
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            names = ["unified"]  # where both versions are mounted; else version 2 has the folder for itself
        elif controller in controllers.split(","):
            names = [controller, controllers]
        else:
            continue
        mount = next((mounts / name for name in names if (mounts / name).is_dir()), mounts)
        # Inside a container the path may be the host's, of which only the end is to be seen, or nothing but
        # the mount itself.
        parts = Path(path.lstrip("/")).parts
        ends = (mount.joinpath(*parts[start:]) for start in range(len(parts)))
        folder = next((end for end in ends if end.is_dir()), mount)
        yield folder
        while folder != mount:
            folder = folder.parent
            yield folder


def _quotas(root: Path) -> Iterator[float]:
    """Yield how many cores' time each cgroup that we are in may use, of those that have a quota."""
    for folder in cgroup_folders("cpu", root):
        # Version 2: "QUOTA PERIOD", where QUOTA may be "max"; version 1: a file each, where -1 is no quota.
        words = _text(folder / "cpu.max") or " ".join(
            _text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")
        )
        quota, period = [*words.split(), "", ""][:2]
        if quota.isdigit() and period.isdigit() and int(quota) > 0 and int(period) > 0:
            yield int(quota) / int(period)


@functools.cache
def quota_of_this_process() -> float:
    """Return `cpu_quota`, read when it is first asked for."""
    return cpu_quota(ROOT)


def _processor_count() -> int:
    bound_to = processors()
    return (os.cpu_count() or 1) if bound_to is None else len(bound_to)


def _text(path: Path) -> str:
    """Return what a file of the system holds, nothing if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
