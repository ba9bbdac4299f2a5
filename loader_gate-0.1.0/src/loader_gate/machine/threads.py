"""What the threads of processes are doing: running, blocked in reading, asleep, or waiting (Linux only)."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from loader_gate.machine.processes import descendants

if TYPE_CHECKING:
    from collections.abc import Collection

#: Seconds between two looks, and between two looks at which threads there are.
LOOK_SECONDS, LIST_SECONDS = 0.008, 0.05
#: Who runs for a smaller share of the time keeps a timer, and delays nobody when it sleeps.
SOME_WORK = 0.002
#: Numbers of system calls: of files that are opened, looked at or read; and of sleeping. See syscalls(2).
_OPENS = {"x86_64": {2, 4, 5, 6, 217, 257, 262, 332}, "aarch64": {56, 61, 79, 80, 291}}
_READS = {"x86_64": {0, 17, 19, 295, 327, 40}, "aarch64": {63, 65, 67, 69, 71, 286}}
_SLEEPS = {"x86_64": {35, 230}, "aarch64": {101, 115}}
_MACHINE = platform.machine()
#: A process and one of its threads.
Task: TypeAlias = tuple[int, str]
#: The name of a thread that sleeps and looks for us in a process; see ``worker/lock_probe.py``.
PROBE_THREAD = "lock-probe"


@dataclass(frozen=True)
class Activity:
    """How many threads were, on average, doing what.

    Attributes:
        running: Running, or waiting for a processor.
        reading: Blocked in opening or reading a file, or in a page of one that is mapped; or asleep while
            one of the files that are asked about is open.
        asleep: Asleep until a moment, of those that do some work in between.
        queued: Waiting for a processor.
        looks: How often it was looked.
    """

    running: float
    reading: float
    asleep: float
    queued: float
    looks: int


class Watcher:
    """Looks at the threads of a process and of all that it has started, from outside."""

    def __init__(self, pid: int, folders: Collection[str]) -> None:
        """Prepare.

        Args:
            pid: The process.
            folders: The folders of the files whose being open tells that they are read.
        """
        self._pid, self._folders = pid, {*folders}
        self._found: Counter[str] = Counter()
        self._asleep: Counter[Task] = Counter()
        self._looks = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        self._began, self._before = time.perf_counter(), _used(pid)

    def stop(self) -> Activity | None:
        """Look no longer; return what was seen, or None where the system does not show it."""
        self._ends.set()
        self._thread.join()
        after, seconds = _used(self._pid), time.perf_counter() - self._began
        if not self._looks or _MACHINE not in _OPENS:
            return None
        queued, asleep = 0.0, 0
        for task, (ran, waited) in after.items():
            ran_before, waited_before = self._before.get(task, (0.0, 0.0))
            queued += waited - waited_before
            if ran - ran_before >= SOME_WORK * seconds:
                asleep += self._asleep[task]
        running, reading = (self._found[each] / self._looks for each in ("running", "reading"))
        return Activity(running, reading, asleep / self._looks, queued / seconds, self._looks)

    def _watch(self) -> None:
        listed_at, tasks = 0.0, []
        while not self._ends.wait(LOOK_SECONDS):
            if time.perf_counter() - listed_at > LIST_SECONDS:
                tasks, listed_at = _tasks(self._pid), time.perf_counter()
            doing = {task: _doing(*task) for task in tasks}
            found = Counter(doing.values())
            if found["unknown"] == len(tasks):
                continue
            asleep = [task for task, what in doing.items() if what == "asleep"]
            reading = sum(_open_in(pid, self._folders) for pid in {pid for pid, _ in asleep})
            if reading:
                self._found["reading"] += min(reading, len(asleep))
            else:
                self._asleep.update(asleep)
            self._found += found
            self._looks += 1


def _tasks(pid: int) -> list[Task]:
    found: list[Task] = []
    for each in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            found += [
                (each, task)
                for task in os.listdir(f"/proc/{each}/task")  # noqa: PTH208
                if _text(f"/proc/{each}/task/{task}/comm").strip() != PROBE_THREAD
            ]
    return found


def _doing(pid: int, task: str) -> str:
    """Return what a thread is doing: ``running``, ``reading``, ``asleep``, ``waiting`` or ``unknown``."""
    folder = f"/proc/{pid}/task/{task}"
    words = _text(f"{folder}/syscall").split()
    if not words:
        return "unknown"
    if words[0] == "running":
        return "running"
    call = int(words[0])
    if call == -1:  # in no system call: it waits for a page, or for a processor
        state = _text(f"{folder}/stat").rpartition(")")[2].split()[:1]
        return "reading" if state == ["D"] else "running"
    if call in _SLEEPS[_MACHINE]:
        return "asleep"
    if call in _OPENS[_MACHINE] or (call in _READS[_MACHINE] and _is_file(pid, int(words[1], 16))):
        return "reading"
    return "waiting"


def _is_file(pid: int, descriptor: int) -> bool:
    with contextlib.suppress(OSError):
        target = os.readlink(f"/proc/{pid}/fd/{descriptor}")  # noqa: PTH115
        return target.startswith("/") and not target.startswith("/dev/")
    return False


def _open_in(pid: int, folders: Collection[str]) -> int:
    """Return how many files of these folders a process has open."""
    found = 0
    with contextlib.suppress(OSError):
        for each in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{each}")  # noqa: PTH115
                found += target.rpartition("/")[0] in folders
    return found


def _used(pid: int) -> dict[Task, tuple[float, float]]:
    """Return how long each thread has run so far, and how long it has waited for a processor, in seconds."""
    found = {}
    for each, task in _tasks(pid):
        words = _text(f"/proc/{each}/task/{task}/schedstat").split()
        if len(words) > 1:
            found[each, task] = int(words[0]) / 1e9, int(words[1]) / 1e9
    return found


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123 (a Path takes as long again)
            return file.read()
    except OSError:
        return ""
