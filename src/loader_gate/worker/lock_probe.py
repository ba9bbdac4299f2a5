"""How much of the time the interpreter's lock is held, in this process and in those that it forks.

A thread sleeps for a millisecond or two, and then has to take the lock to go on. It looks how long that
took, less what it waited for a processor: if it had to wait, the lock was held when it came. As it comes at
moments that nobody can foresee, the share of times that it was held is the share of time that it is. The
method is that of gilknocker (https://github.com/milesgranger/gilknocker), whose thread is no Python's.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import random
import re
import struct
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from loader_gate.machine.threads import PROBE_THREAD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

#: Seconds between two looks, from and to.
LEAST, MOST = 0.001, 0.003
#: Who has to wait for longer has found the lock taken: to wake up takes a processor a tenth of it.
TAKEN_SECONDS = 0.0003
#: So many forked processes can say what they have found.
MOST_PROCESSES = 63
#: How long a forked process waits to be asked.
PATIENCE_SECONDS = 0.02
_PR_SET_TIMERSLACK, _PR_SET_NAME = 29, 15
#: Of a process: looks, those that found the lock taken, and threads in functions that read, of all looks.
_COUNTS = struct.Struct("3d")
Counts: TypeAlias = tuple[float, float, float]
#: Words of which one is in the name of a function that reads.
READS = {"download", "open", "read", "reading", "reads", "readinto"}


class LockProbe:
    """Looks in this process, and in all that it forks from now on, while it is asked to."""

    def __init__(self) -> None:
        """Begin, and look at nothing yet."""
        self._functions: Counter[str] = Counter()
        self._shared = mmap.mmap(-1, (MOST_PROCESSES + 2) * _COUNTS.size)
        self._forked = self._earlier = 0
        os.register_at_fork(before=self._count_fork, after_in_child=self._follow)
        self._follow()

    def forget_forked(self) -> None:
        """Leave out what has been forked until now."""
        self._earlier = self._forked

    @contextlib.contextmanager
    def looking(self) -> Iterator[list[Counts]]:
        """Look meanwhile; what was found, of this process and of others, is in the list then."""
        before = self._counts()
        self._functions.clear()
        self._shared[0] = 1
        found: list[Counts] = []
        try:
            yield found
        finally:
            self._shared[0] = 0
            found += [
                (now[0] - then[0], now[1] - then[1], now[2] - then[2])
                for then, now in zip(before, self._counts(), strict=True)
            ]
            del found[1 : 1 + self._earlier]

    def most_often(self) -> str:
        """Return in which function, that is none of waiting, threads of this process were seen most often."""
        return next((name for name, _ in self._functions.most_common(1)), "")

    def _counts(self) -> list[Counts]:
        found = []
        for place in range(1, MOST_PROCESSES + 2):
            looks, taken, readers = _COUNTS.unpack_from(self._shared, place * _COUNTS.size)
            found.append((looks, taken, readers))
        return found

    def _count_fork(self) -> None:
        self._forked += 1

    def _follow(self) -> None:
        """Let a thread of this process look."""
        if self._forked <= MOST_PROCESSES:
            threading.Thread(target=self._look, args=(self._forked + 1,), daemon=True).start()

    def _look(self, place: int) -> None:
        with contextlib.suppress(OSError, AttributeError):  # wake up when it is time, and not 0.05 ms later
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
            ctypes.CDLL(None).prctl(_PR_SET_NAME, PROBE_THREAD.encode(), 0, 0, 0)
        own = threading.get_ident()
        delay = _RunDelay()
        looks = taken = reading = 0.0
        while True:
            if not self._shared[0]:
                time.sleep(PATIENCE_SECONDS)
                continue
            pause = random.uniform(LEAST, MOST)  # noqa: S311 (no secret)
            began = time.perf_counter()  # first, as to look at the queue gives the lock away
            queued = delay.seconds()
            time.sleep(pause)
            late = time.perf_counter() - began - pause
            late -= delay.seconds() - queued
            looks += 1
            taken += late > TAKEN_SECONDS
            for ident, frame in sys._current_frames().items():
                if ident != own:
                    reading += reads(frame)
                    if not _is_of_the_harness(frame):
                        self._functions[_named(frame)] += 1
            _COUNTS.pack_into(self._shared, place * _COUNTS.size, looks, taken, reading)


class _RunDelay:
    """How long this thread has waited for a processor, where the system shows it."""

    def __init__(self) -> None:
        self._file = -1
        with contextlib.suppress(OSError):  # open as long as the process lives
            self._file = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)

    def seconds(self) -> float:
        return 0.0 if self._file < 0 else int(os.pread(self._file, 64, 0).split()[1]) / 1e9


def reads(frame: FrameType) -> bool:
    """Return whether a function, or the one of the same file that has called it, is named as what reads."""
    own = frame.f_code
    caller = frame.f_back.f_code if frame.f_back is not None else own
    return _reads(own.co_name) or (caller.co_filename == own.co_filename and _reads(caller.co_name))


def _reads(name: str) -> bool:
    words = re.findall(r"[a-z]+|[A-Z][a-z]*", name)
    return not READS.isdisjoint(word.lower() for word in words)


def _is_of_the_harness(frame: FrameType) -> bool:
    """Return whether a thread only waits for requests, or for work."""
    file = Path(frame.f_code.co_filename)
    return file.name in ("connection.py", "thread.py", "threading.py", "queue.py", "rehearsal.py")


def _named(frame: FrameType) -> str:
    return f"{frame.f_code.co_name} ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
