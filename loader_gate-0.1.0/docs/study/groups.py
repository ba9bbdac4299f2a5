"""A cgroup of our own: what its processes may use, and what the kernel says that they have used."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docs.study.errors import StudyError
from loader_gate.machine.cores import ROOT, cgroup_folders

if TYPE_CHECKING:
    from collections.abc import Iterator

_PERIOD = 100_000


@dataclass(frozen=True)
class Group:
    """A cgroup, in version 1 or 2 of their files; version 1 has a folder for each of the three.

    Attributes:
        cpu: Where its quota is.
        cpuacct: Where its CPU time is.
        memory: Where its memory is.
    """

    cpu: Path
    cpuacct: Path
    memory: Path

    def limit(self, quota: float | None) -> None:
        """Allow so many cores' time, or all there is."""
        if (self.cpu / "cpu.max").exists():
            most = "max" if quota is None else int(quota * _PERIOD)
            (self.cpu / "cpu.max").write_text(f"{most} {_PERIOD}")
            return
        (self.cpu / "cpu.cfs_period_us").write_text(f"{_PERIOD}")
        (self.cpu / "cpu.cfs_quota_us").write_text("-1" if quota is None else f"{int(quota * _PERIOD)}")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be in it: what is started meanwhile is in it from its first page on."""
        before = [next(cgroup_folders(name, ROOT)) for name in ("cpu", "cpuacct", "memory")]
        _put((self.cpu, self.cpuacct, self.memory))
        try:
            yield
        finally:
            _put(before)

    def processes(self) -> list[int]:
        """Return what is in it."""
        return [int(pid) for pid in (self.memory / "cgroup.procs").read_text().split()]

    def resident_bytes(self) -> int:
        """Return what its processes hold of memory that is no file's: page cache is not theirs."""
        stat = _numbers(self.memory / "memory.stat")
        older = "total_rss" in stat
        return stat["total_rss"] + stat["total_shmem"] if older else stat["anon"] + stat["shmem"]

    def remove(self) -> None:
        """End what is left in it, and remove it."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for folder in dict.fromkeys((self.cpu, self.cpuacct, self.memory)):
            folder.rmdir()


def new_group(name: str) -> Group:
    """Make a cgroup.

    Raises:
        StudyError: That is not possible here.
    """
    mount = ROOT / "sys/fs/cgroup"
    try:
        if (mount / "cgroup.controllers").exists():
            # Of version 2, only the topmost group may have both processes and groups that are limited.
            (mount / "cgroup.subtree_control").write_text("+cpu +memory")
            folders = [mount / name] * 3
        else:
            folders = [next(cgroup_folders(each, ROOT)) / name for each in ("cpu", "cpuacct", "memory")]
        for folder in dict.fromkeys(folders):
            folder.mkdir()
    except (OSError, StopIteration) as error:
        raise StudyError(
            f"witness: skipped, as no cgroup could be made ({error}); it needs root, and leave to write to "
            "the controllers cpu, cpuacct and memory of version 1, or cpu and memory of version 2, in "
            f"{mount}."
        ) from None
    return Group(*folders)


def cpu_seconds_of_group() -> float:
    """Return the CPU time that the cgroup of this process has used, as its kernel accounts for it."""
    # What runs is charged at each tick, and when it lets others run.
    os.sched_yield()
    for folder in cgroup_folders("cpuacct", ROOT):
        with contextlib.suppress(OSError):
            return int((folder / "cpuacct.usage").read_text()) / 1e9
    return _numbers(next(cgroup_folders("cpu", ROOT)) / "cpu.stat")["usage_usec"] / 1e6


def _put(folders: tuple[Path, ...] | list[Path]) -> None:
    for folder in dict.fromkeys(folders):
        (folder / "cgroup.procs").write_text(f"{os.getpid()}")


def _numbers(file: Path) -> dict[str, int]:
    """Return the lines "name 12" of a file."""
    return {name: int(value) for name, value in (line.split() for line in file.read_text().splitlines())}
