"""CPU time and memory of a process and all that it has started, without a walk through all processes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
_PR_SET_PTRACER, _PR_SET_PTRACER_ANY = 0x59616D61, -1
_SA_NOCLDWAIT = 2
_IS_LINUX: bool = sys.platform == "linux"
# Not every kernel is built with it.
_SHOWS_CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children").exists()


def shows_children() -> bool:
    """Return whether the system lists a process' children; if not, all processes are walked through."""
    return _SHOWS_CHILDREN


def shows_shares() -> bool:
    """Return whether the system shows what processes share of memory; if not, it counts in each."""
    return bool(_shares(os.getpid()))


def adopt_orphans() -> None:
    """Become the parent of what children leave behind when they end, so that it still counts (Linux only)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def let_be_traced() -> None:
    """Let any process of this user look into this one, not its ancestors alone (Linux only)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_PR_SET_PTRACER_ANY), 0, 0, 0)


def adopts_orphans() -> bool:
    """Return whether this process still does so; where it cannot, it has nobody to lose."""
    adopts = ctypes.c_int(1)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(adopts), 0, 0, 0)
    return bool(adopts.value)


def ignores_ended_children() -> bool:
    """Return whether this process, or one that it has started, lets the system forget what its children used.

    Only Linux shows it; and of other processes it does not show SA_NOCLDWAIT, by which they may do so, too.
    """
    if _waits_for_no_child():
        return True
    return any(map(_ignores_ended_children, (os.getpid(), *descendants(os.getpid()))))


class _Action(ctypes.Structure):
    """What a process does about a signal: ``struct sigaction`` of the C libraries of Linux."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ubyte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


def _waits_for_no_child() -> bool:
    if not _IS_LINUX:
        return False
    action = _Action()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).sigaction(int(signal.SIGCHLD), None, ctypes.byref(action))
    return bool(action.flags & _SA_NOCLDWAIT)


def _ignores_ended_children(pid: int) -> bool:
    ignored = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigIgn:"):
                ignored = int(line.split()[1], 16)
    return bool(ignored >> (signal.SIGCHLD - 1) & 1)


def resident_memory(pid: int) -> int:
    """Return the memory, in bytes, of a process and what it has started; what is shared counts in each."""
    return sum(_status(each).get("VmRSS", 0) for each in (pid, *descendants(pid)))


def descendants(pid: int) -> list[int]:
    """Return the running children of a process, theirs, and so on."""
    if not _SHOWS_CHILDREN:
        return _descendants_by_psutil(pid)
    found: list[int] = []
    todo = [pid]
    while todo:
        those = list(children(todo.pop()))
        found += those
        todo += those
    return found


def children(pid: int) -> Iterator[int]:
    """Yield the children of all threads of a process; none where the system does not list them."""
    folder = f"/proc/{pid}/task"
    with contextlib.suppress(OSError):  # it, or one of its threads, has ended
        for thread in os.listdir(folder):  # noqa: PTH208 (a Path a thread takes longer than reading its file)
            with contextlib.suppress(OSError), open(f"{folder}/{thread}/children", "rb") as file:  # noqa: PTH123
                yield from map(int, file.read().split())


def _descendants_by_psutil(pid: int) -> list[int]:
    import psutil

    try:
        return [each.pid for each in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def cpu_seconds_of_children() -> float:
    """Return the CPU time of all that this process has started: what runs, and what has ended."""
    ended, running = _ended_seconds(), 0.0
    for _ in range(3):  # again if one has ended in between: it would count twice, or not at all
        before = ended
        running = sum(map(_cpu_seconds_of, descendants(os.getpid())))
        ended = _ended_seconds()
        if ended == before:
            break
    return running + ended


def _ended_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _cpu_seconds_of(pid: int) -> float:
    """Return the CPU time of another process, and of its children that have ended; 0 if it has itself."""
    if _IS_LINUX:
        try:
            # The clock that clock_getcpuclockid() gives: to the nanosecond, where /proc has hundredths.
            own = time.clock_gettime(~pid << 3 | 2)
            # A server that forks, as of multiprocessing, has waited for what it forked: nobody else has it.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return 0.0
        return own + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # cutime, cstime
    import psutil

    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(sum(used[:4]))  # user and system time, of itself and of its ended children


def bytes_read() -> int:
    """Return the bytes that this process, and what it has started, have had read from disks (Linux only).

    What is in the page cache already does not count: to take that uses CPU time.
    """
    return sum(_read_in(f"/proc/{each}/io").disk for each in (os.getpid(), *descendants(os.getpid())))


class Read(NamedTuple):
    """Bytes that were read.

    Attributes:
        disk: Had from disks; what is in the page cache already does not count.
        calls: That ``read`` and its like have given, from wherever it came; what is mapped is not.
    """

    disk: int = 0
    calls: int = 0


def read_by_thread(thread: int) -> Read:
    """Return what a thread of this process, by its native number, has had read (Linux only)."""
    return _read_in(f"/proc/self/task/{thread}/io")


def _read_in(accounts: str) -> Read:
    """Return what a process, with its children that have ended, or a thread has had read."""
    try:
        lines = (line.split() for line in Path(accounts).read_text().splitlines())
        found = {name: int(value) for name, value in lines}
    except (OSError, ValueError):
        return Read()
    return Read(found.get("read_bytes:", 0), found.get("rchar:", 0))


def page_faults() -> int:
    """Return how many pages were not there yet when this thread, or this process, first touched them."""
    usage = resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF))
    return usage.ru_minflt + usage.ru_majflt


def peak_memory(pid: int) -> int:
    """Return the most memory, in bytes, that a process and what it has started have held: see `held_memory`.

    Whether all held their most at the same moment is not known. Of processes that have ended, this one's
    children count if one alone has held more than all that are left.
    """
    held = _memory([pid, *descendants(pid)], at_peak=True)
    if pid != os.getpid():
        return held
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return max(held, ended if sys.platform == "darwin" else ended * 1024)


def peak_memory_alone(pid: int) -> int:
    """Return the most memory, in bytes, that a process itself has held so far; 0 if it has ended.

    Where the system does not show that of others (macOS), it is what the process holds now.
    """
    return _status(pid).get("VmHWM", 0)


def forget_peak_memory() -> None:
    """Let the peak of this process begin anew (Linux only)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def held_memory(pid: int) -> int:
    """Return how much memory, in bytes, a process and what it has started hold.

    What they share counts once, where the system shows it: pages that a forked child has not written to, and
    shared memory, by the share of each (PSS); of files that are mapped, libraries most of all, what the one
    has that has most. The share of each would count less of a file the more other programs use it.
    """
    return _memory([pid, *descendants(pid)], at_peak=False)


def _memory(pids: list[int], at_peak: bool) -> int:
    statuses = {pid: status for pid in pids if (status := _status(pid))}
    shares = {pid: _shares(pid) for pid in statuses} if len(statuses) > 1 else {}
    if any(shares.values()):  # who has none has ended in between: in full, it would count what it shared
        statuses = {pid: status for pid, status in statuses.items() if shares[pid]}
    fallen = sum(each["VmHWM"] - each["VmRSS"] for each in statuses.values()) if at_peak else 0
    resident = sum(each["VmRSS"] for each in statuses.values())
    if any(shares.values()):
        own = sum(shares[pid]["Pss_Anon"] + shares[pid]["Pss_Shmem"] for pid in statuses)
        resident = min(resident, own + max(each["RssFile"] for each in statuses.values()))
    return resident + fallen


def _status(pid: int) -> dict[str, int]:
    """Return sizes of a process in bytes; nothing if it has ended, or is about to be."""
    sizes = _sizes(f"/proc/{pid}/status")
    if "VmRSS" in sizes:
        return {name: sizes.get(name, sizes["VmRSS"]) for name in ("VmRSS", "VmHWM")} | {
            "RssFile": sizes.get("RssFile", 0)
        }
    if _IS_LINUX:
        return {}
    import psutil

    with contextlib.suppress(psutil.Error):
        resident = int(psutil.Process(pid).memory_info().rss)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if pid == os.getpid() else 0
        return {"VmRSS": resident, "VmHWM": max(resident, most), "RssFile": 0}
    return {}


def _shares(pid: int) -> dict[str, int]:
    """Return a process' share of memory that it may share, in bytes; nothing where it is not shown."""
    sizes = _sizes(f"/proc/{pid}/smaps_rollup")
    return {name: sizes[name] for name in ("Pss_Anon", "Pss_Shmem")} if "Pss_Shmem" in sizes else {}


def _sizes(path: str) -> dict[str, int]:
    """Return the lines "Name: 12 kB" of a file, in bytes; none if it cannot be read."""
    found = {}
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    for line in lines:
        name, _, value = line.partition(":")
        number, _, unit = value.strip().partition(" ")
        if unit == "kB":
            found[name] = int(number) * 1024
    return found
