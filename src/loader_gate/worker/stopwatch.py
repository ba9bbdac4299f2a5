"""The clock of a worker's epochs: their seconds, their CPU time, and what is used up between them."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from loader_gate.machine.processes import (
    bytes_read,
    cpu_seconds_of_children,
    descendants,
    held_memory,
    page_faults,
    peak_memory,
    read_by_thread,
)
from loader_gate.worker.part import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


Result = TypeVar("Result")

#: The most CPU time that looking at a batch may take: above that, something else than the harness works.
LONGEST_LOOK = 0.002
#: In how many epochs of a process memory is looked at before the end, too. They warm it up: what it has
#: started works on meanwhile.
EPOCHS_WATCHED = 2
#: A look at memory takes long where much is held: before the last one of an epoch, so much time for each.
SECONDS_FOR_A_LOOK = 10


class _Used(NamedTuple):
    """What had been used at some moment.

    Attributes:
        children: CPU seconds of all child processes.
        read: Bytes that they and this process had read from disks.
        by_others: What of that the harness' threads did not.
    """

    children: float
    read: int
    by_others: int


class _Reading:
    """What the harness' threads read from disks, and what of it is the loader's.

    Where memory is short, the harness has to read its own pages again, of programs and of the reference.

    Attributes:
        of_loader: Bytes that the thread which asks for batches has read for the loader.
    """

    def __init__(self, aside: int) -> None:
        """Take the native number of the thread for work aside; this one asks for batches."""
        self._asking, self._aside = threading.get_native_id(), aside
        self.of_loader = self._torn_down_from = 0

    def used(self) -> _Used:
        """Return what has been used until now, by all."""
        by_harness = read_by_thread(self._asking).disk + read_by_thread(self._aside).disk
        read = bytes_read()
        return _Used(cpu_seconds_of_children(), read, read - by_harness)

    def begin_teardown(self) -> None:
        """Let all that is read from now on be the loader's."""
        self._torn_down_from = read_by_thread(self._asking).disk

    def end_teardown(self) -> None:
        """Let it be the harness' again."""
        self.of_loader += read_by_thread(self._asking).disk - self._torn_down_from

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Let what a handler of a signal reads be the loader's.

        It is seen if it does so by system calls, but not if it maps files: pages that this thread itself has
        lost while it slept, and reads again, look the same.
        """
        before = read_by_thread(self._asking)
        try:
            yield
        finally:
            now = read_by_thread(self._asking)
            self.of_loader += min(now.disk - before.disk, now.calls - before.calls)


def _seconds_of(thread: int) -> Callable[[], float]:
    """Return what tells the CPU time of another thread of this process; 0, where that is not to be had."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return lambda: 0.0
    clock = time.pthread_getcpuclockid(thread)
    return lambda: time.clock_gettime(clock)


class Collector:
    """The garbage collector, off while the harness works: it might call the loader, or find what is its."""

    def __init__(self) -> None:
        """Leave it as it is."""
        self._is_held, self._collects = False, True

    def hold(self) -> None:
        """Turn it off, unless that has been done."""
        if not self._is_held:
            self._is_held, self._collects = True, gc.isenabled()
            gc.disable()

    def release(self) -> None:
        """Let it be as the loader has it."""
        if self._is_held and self._collects:
            gc.enable()
        self._is_held = False


class Stopwatch:
    """Times epochs, one after another; nothing of what the harness does is on it.

    An epoch goes through `start`, `stop` and `torn_down`, with `pause` and `go_on` in between, all of them
    called by one thread: its CPU time outside of epochs is the harness' own, but for tearing down and
    `waiting`, and so is that of what is done `aside`. All other CPU time there is the loader's, which should
    be idle then; so it is with what they read. The collector is off there.

    Attributes:
        seconds: What the last epoch took, when it has been stopped.
        cpu_seconds: CPU time that it took, of all processes of the worker.
        asking_cpu_seconds: What of that is this thread's, which asks for the batches.
        paused_seconds: How much of it was left out.
        read_bytes: What these processes have had read from disks in it.
        peak_bytes: The most memory that these processes have held until its end.
        teardown_seconds: From its end until its iterator was destroyed, when that has happened.
        idle_seconds: How long nothing was asked for, before and between epochs, since `forget_idle`.
        idle_cpu_seconds: CPU time that the loader used meanwhile, and while it was torn down.
        idle_read_bytes: What it had read from disks then.
    """

    def __init__(self) -> None:
        """Wait for the first epoch: what was before it does not count."""
        self.seconds = self.cpu_seconds = self.paused_seconds = self.teardown_seconds = 0.0
        self.peak_bytes = self.read_bytes = self._read_at = 0
        self._epochs = self._faults_at = self._watched_bytes = 0
        self._began = self._paused_at = self._asking_at = self.asking_cpu_seconds = 0.0
        self._own_at = self._children_at = self._looks_again_at = 0.0
        self._collector = Collector()
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="harness")
        self._aside_seconds = _seconds_of(self._aside.submit(threading.get_ident).result())
        self._reading = _Reading(self._aside.submit(threading.get_native_id).result())
        self.forget_idle()
        self._rest()
        self._collector.release()

    def start(self) -> None:
        """Begin an epoch."""
        now = self.aside(self._reading.used)
        self._children_at, self._read_at = now.children, now.read
        self._count_idle(now)
        self.paused_seconds = self._looks_again_at = 0.0
        self.peak_bytes = self._watched_bytes
        self._collector.release()
        self._asking_at = time.thread_time()
        self._own_at = time.process_time()
        self._began = time.perf_counter()

    def now(self) -> float:
        """Return the seconds of the epoch so far."""
        return time.perf_counter() - self._began - self.paused_seconds

    def pause(self) -> None:
        """Leave out the work of this thread that follows, until `go_on`."""
        self._collector.hold()
        self._faults_at = page_faults()
        self._paused_at = time.thread_time()

    def has_brought_pages(self) -> bool:
        """Return whether what was done since `pause` has brought pages into memory, and let it count then."""
        has = page_faults() != self._faults_at
        if has:
            self._paused_at = time.thread_time()
        return has

    def go_on(self) -> None:
        """Let the clock run again.

        Left out is the CPU time of this thread, and no more of it than a look takes: whatever others do while
        this thread waits is on the clock, and so is a handler of a signal that works in it.
        """
        self.paused_seconds += min(time.thread_time() - self._paused_at, LONGEST_LOOK)
        self._collector.release()

    def stop(self, then: Callable[[], object] | None = None) -> float:
        """End the epoch, whose iterator is still there, and do something `aside`; return its seconds."""
        self.seconds = self.now()
        own = time.process_time()
        self.asking_cpu_seconds = time.thread_time() - self._asking_at - self.paused_seconds
        self._collector.hold()
        self._rest(own)
        self.cpu_seconds = (
            own - self._own_at + self._rested.children - self._children_at - self.paused_seconds
        )
        self.read_bytes = self._rested.read - self._read_at
        self._epochs += 1
        if then is not None:
            self.aside(then)
        self.peak_bytes = max(self.peak_bytes, self.aside(lambda: peak_memory(os.getpid())))
        self._reading.begin_teardown()
        self._teardown_cpu_at = time.thread_time()
        self._teardown_at = time.perf_counter()
        return self.seconds

    def look_at_memory(self, is_last: bool) -> None:
        """Let what is held now, in first epochs, count for the peak of all: some processes end with one.

        Args:
            is_last: Whether nothing is left to be done in this epoch.
        """
        is_due = is_last or self.now() >= self._looks_again_at
        if self._epochs < EPOCHS_WATCHED and is_due and descendants(os.getpid()):
            began, cpu = time.perf_counter(), time.thread_time()
            # Whether all held their most at once, nobody knows: at the end it is all that there is to know.
            look = peak_memory if is_last else held_memory
            self._watched_bytes = max(self._watched_bytes, look(os.getpid()))
            self.peak_bytes = max(self.peak_bytes, self._watched_bytes)
            took = self._leave_out(began, cpu)
            self._looks_again_at = self.now() + SECONDS_FOR_A_LOOK * took

    def mark(self, images: int) -> Mark:
        """Return what the epoch has taken until now, when so many images have come."""
        began, cpu, paused = time.perf_counter(), time.thread_time(), self.paused_seconds
        used = time.process_time() - self._own_at + cpu_seconds_of_children() - self._children_at
        read = bytes_read() - self._read_at
        mark = Mark(images, self.now(), used - paused, cpu - self._asking_at - paused, paused, read)
        self._leave_out(began, cpu)
        return mark

    def end_mark(self, images: int) -> Mark:
        """Return what the last epoch, of so many images, has taken in all."""
        times = self.seconds, self.cpu_seconds, self.asking_cpu_seconds, self.paused_seconds
        return Mark(images, *times, self.read_bytes)

    def _leave_out(self, began: float, cpu: float) -> float:
        """Leave out what this thread has done since then, by both clocks; return how long that was."""
        took, looked = time.perf_counter() - began, time.thread_time() - cpu
        self._own_at += looked
        self._asking_at += looked
        self._began += took
        return took

    def torn_down(self) -> None:
        """Say that the iterator has been destroyed."""
        self._idle_at = time.perf_counter()
        self.teardown_seconds = self._idle_at - self._teardown_at
        self._loaders_cpu += time.thread_time() - self._teardown_cpu_at
        self._reading.end_teardown()
        self._collector.hold()

    def aside(self, work: Callable[[], Result]) -> Result:
        """Return what some work of the harness returns, which is done between epochs in a thread of its own.

        Handlers of signals run in this thread, which waits: what they do is the loader's.
        """
        self._collector.hold()
        future = self._aside.submit(work)
        with self.waiting():
            return future.result()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Let this thread wait for a request; what it uses meanwhile is of a loader's handler of a signal."""
        with self._reading.waiting():
            began = time.thread_time()
            try:
                yield
            finally:
                self._loaders_cpu += time.thread_time() - began

    @contextlib.contextmanager
    def set_aside(self) -> Iterator[None]:
        """Let something be done that is no epoch to time, and no idleness."""
        self._count_idle(self.aside(self._reading.used))
        self._collector.release()
        yield
        self._collector.hold()
        self._rest()

    def forget_idle(self) -> None:
        """Begin to count idleness anew."""
        self.idle_seconds = self.idle_cpu_seconds = 0.0
        self.idle_read_bytes = 0

    def begin_idleness(self) -> float:
        """Let idleness begin only now; return the CPU seconds that the loader used in it until now."""
        before = self.idle_seconds, self.idle_cpu_seconds, self.idle_read_bytes
        with self.set_aside():
            used = self.idle_cpu_seconds - before[1]
        self.idle_seconds, self.idle_cpu_seconds, self.idle_read_bytes = before
        return used

    def _rest(self, own: float | None = None) -> None:
        """Let idleness begin."""
        self._idle_own_at = time.process_time() if own is None else own
        self._idle_thread_at = time.thread_time()
        self._loaders_cpu = 0.0
        self._reading.of_loader = 0
        self._aside_at = self._aside_seconds()
        self._rested = self.aside(self._reading.used)
        self._idle_at = time.perf_counter()

    def _count_idle(self, now: _Used) -> None:
        """Let idleness end, when so much has been used."""
        self.idle_seconds += time.perf_counter() - self._idle_at
        self.idle_read_bytes += max(0, now.by_others - self._rested.by_others) + self._reading.of_loader
        children = now.children - self._rested.children
        harness = time.thread_time() - self._idle_thread_at - self._loaders_cpu
        harness += self._aside_seconds() - self._aside_at
        self.idle_cpu_seconds += max(0.0, children + time.process_time() - self._idle_own_at - harness)
