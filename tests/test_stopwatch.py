"""The clock of epochs on made-up times: what counts, what does not, and what idleness is."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from loader_gate.machine.processes import Read
from loader_gate.worker import stopwatch as stopwatches
from loader_gate.worker.stopwatch import LONGEST_LOOK, Stopwatch


class Made:
    """Made-up clocks: of the wall, and of the CPU time of this thread, of the process and its children."""

    def __init__(self) -> None:
        self.wall = self.thread = self.process = self.children = self.harness = 100.0
        self.read = 100
        self.own_read = self.aside_read = Read()

    def perf_counter(self) -> float:
        """Return the time."""
        return self.wall

    def thread_time(self) -> float:
        """Return the CPU time of this thread."""
        return self.thread

    def pthread_getcpuclockid(self, thread: int) -> int:
        """Return the clock of the harness' thread, which is the only other one."""
        return thread

    def clock_gettime(self, _: int) -> float:
        """Return the CPU time of the harness' thread."""
        return self.harness

    def process_time(self) -> float:
        """Return the CPU time of all threads."""
        return self.process

    def work(self, seconds: float, others: float = 0.0, children: float = 0.0) -> None:
        """Let this thread work for some time, other threads and child processes use so much CPU time more."""
        self.wall += seconds
        self.thread += seconds
        self.process += seconds + others
        self.children += children

    def wait(self, seconds: float, others: float = 0.0, children: float = 0.0) -> None:
        """Let this thread wait."""
        self.wall += seconds
        self.process += others
        self.children += children


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Let stopwatches live by made-up clocks; what they do to the collector is undone."""
    clocks = Made()
    monkeypatch.setattr(stopwatches, "time", clocks)
    monkeypatch.setattr(stopwatches, "cpu_seconds_of_children", lambda: clocks.children)
    monkeypatch.setattr(stopwatches, "bytes_read", lambda: clocks.read)
    own = threading.get_native_id()
    monkeypatch.setattr(
        stopwatches,
        "read_by_thread",
        lambda thread: clocks.own_read if thread == own else clocks.aside_read,
    )
    monkeypatch.setattr(stopwatches, "peak_memory", lambda _: 7)
    yield clocks
    gc.enable()


def test_what_an_epoch_takes(made: Made) -> None:
    """Its seconds, and the CPU time of all threads and child processes in them."""
    watch = Stopwatch()
    watch.start()
    made.work(1.0, others=0.5, children=0.25)
    assert watch.now() == pytest.approx(1.0)
    made.wait(2.0, children=1.0)
    assert watch.stop() == watch.seconds == pytest.approx(3.0)
    assert watch.cpu_seconds == pytest.approx(1.0 + 0.5 + 0.25 + 1.0)
    assert watch.asking_cpu_seconds == pytest.approx(1.0)
    assert watch.peak_bytes == 7


def test_what_the_harness_does_is_not_on_it(made: Made) -> None:
    """Neither in the seconds nor in the CPU time; what others do meanwhile is in the CPU time."""
    watch = Stopwatch()
    watch.start()
    made.work(1.0)
    watch.pause()
    made.work(LONGEST_LOOK, others=0.1)
    watch.go_on()
    made.work(1.0)
    watch.stop()
    assert watch.seconds == pytest.approx(2.0)
    assert watch.cpu_seconds == pytest.approx(2.1)
    assert watch.asking_cpu_seconds == pytest.approx(2.0)
    assert watch.paused_seconds == pytest.approx(LONGEST_LOOK)


def test_pages_that_a_look_brings_into_memory_are_the_loader_s(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever hands over a map of a file has not read it yet; what else a look takes is left out."""
    faults = iter([5, 5, 5, 6])
    monkeypatch.setattr(stopwatches, "page_faults", lambda: next(faults))
    watch = Stopwatch()
    watch.start()
    for brings in (False, True):
        watch.pause()
        made.work(LONGEST_LOOK)
        assert watch.has_brought_pages() is brings
        made.work(LONGEST_LOOK / 2)
        watch.go_on()
    assert watch.stop() == pytest.approx(1.5 * LONGEST_LOOK)


def test_what_others_do_while_the_harness_looks_is_on_it(made: Made) -> None:
    """Work in a pause that no look takes, of this thread or while it waits for others, counts."""
    watch = Stopwatch()
    watch.start()
    watch.pause()
    made.work(1.0)
    made.wait(2.0, others=2.0)
    watch.go_on()
    watch.stop()
    assert watch.seconds == pytest.approx(3.0 - LONGEST_LOOK)
    assert watch.cpu_seconds == pytest.approx(3.0 - LONGEST_LOOK)


def test_no_garbage_is_looked_for_while_the_harness_looks(made: Made) -> None:
    """A callback of the collector would not be on the clock; a loader that turns it off has its way."""
    for collects in (True, False):
        watch = Stopwatch()
        try:
            watch.start()
            if not collects:
                gc.disable()
            watch.pause()
            assert not gc.isenabled()
            watch.go_on()
            assert gc.isenabled() == collects
            watch.stop()
            watch.torn_down()
            assert not gc.isenabled()
            watch.start()
            assert gc.isenabled() == collects
        finally:
            gc.enable()
    assert made.wall == 100.0


def test_memory_of_processes_that_end_with_an_epoch(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at while they are there, in first epochs: seldom enough, at the end, and off the clock."""
    looks: list[float] = []

    def peak(_: int) -> int:
        looks.append(made.wall)
        made.work(0.095)
        return 100 - len(looks)

    monkeypatch.setattr(stopwatches, "descendants", lambda _: [1])
    monkeypatch.setattr(stopwatches, "peak_memory", peak)
    monkeypatch.setattr(stopwatches, "held_memory", peak)
    watch = Stopwatch()
    for expected in (4, 4, 1):
        looks.clear()
        watch.start()
        for batch in range(20):
            made.work(0.1)
            watch.look_at_memory(batch == 19)
        watch.stop()
        # After batches 1, 11 and 20, and when it has ended: ten times what a look takes lies between them.
        assert len(looks) == expected
        assert watch.peak_bytes == 99
        assert watch.seconds == pytest.approx(2.0)
        assert watch.cpu_seconds == watch.asking_cpu_seconds == pytest.approx(2.0)
        watch.torn_down()


def test_tearing_down_is_a_figure_of_its_own(made: Made) -> None:
    """It is in no epoch's seconds, whatever it takes."""
    watch = Stopwatch()
    for teardown in (5.0, 0.0):
        watch.start()
        made.work(1.0)
        watch.stop()
        made.wait(teardown)
        watch.torn_down()
        assert watch.seconds == watch.cpu_seconds == pytest.approx(1.0)
        assert watch.teardown_seconds == pytest.approx(teardown)


def test_the_harness_is_not_the_loader_that_works_on(made: Made) -> None:
    """Between epochs this thread's CPU time is the harness' own, and everybody else's the loader's."""
    watch = Stopwatch()
    for others, children in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.25)):
        watch.forget_idle()
        watch.start()
        made.work(1.0, others=1.0, children=1.0)
        watch.stop()
        watch.torn_down()
        made.work(2.0)
        made.wait(3.0, others, children)
        watch.start()
        assert watch.idle_cpu_seconds == pytest.approx(others + children)
        assert watch.idle_seconds == pytest.approx(5.0)
        watch.stop()
        watch.torn_down()


def test_what_is_read_between_epochs(made: Made) -> None:
    """It need not take CPU time; what is read in an epoch is what the epoch is for."""
    watch = Stopwatch()
    watch.start()
    made.read += 1000
    watch.stop()
    made.read += 20
    watch.torn_down()
    made.read += 3
    watch.start()
    assert watch.idle_read_bytes == 23
    watch.forget_idle()
    assert watch.idle_read_bytes == 0


def test_what_the_harness_reads(made: Made) -> None:
    """Its own pages, where memory is short: that is not the loader's, but for tearing down and handlers."""

    def read(own: int = 0, aside: int = 0, loader: int = 0, calls: int = 0) -> None:
        made.own_read = Read(made.own_read.disk + own, made.own_read.calls + calls)
        made.aside_read = Read(made.aside_read.disk + aside)
        made.read += own + aside + loader

    watch = Stopwatch()
    watch.start()
    read(own=10_000)
    watch.stop(then=lambda: read(aside=5_000))
    read(own=300)
    watch.torn_down()
    read(own=7_000, loader=40)
    watch.aside(lambda: read(own=2, aside=9_000, calls=2))
    with watch.waiting():
        read(own=1_000, calls=1)
    watch.start()
    assert watch.idle_read_bytes == 300 + 40 + 2 + 1


def test_work_while_tearing_down_is_the_loaders(made: Made) -> None:
    """An iterator that decodes while it is destroyed works when it should be idle."""
    watch = Stopwatch()
    watch.start()
    watch.stop()
    made.work(0.5)
    watch.torn_down()
    made.work(2.0)
    watch.start()
    assert watch.idle_cpu_seconds == pytest.approx(0.5)


def test_what_the_harness_does_aside_is_its_own(made: Made) -> None:
    """But what happens in this thread meanwhile, such as in a handler of a signal, is the loader's."""
    watch = Stopwatch()
    watch.start()
    watch.stop()
    watch.torn_down()

    def judge() -> str:
        made.wait(2.0, others=2.0)
        made.harness += 2.0
        made.work(0.5)
        return "judged"

    assert watch.aside(judge) == "judged"
    watch.start()
    assert watch.idle_cpu_seconds == pytest.approx(0.5)


def test_work_while_the_harness_waits_is_the_loaders(made: Made) -> None:
    """A handler of a signal works in the harness' own thread."""
    watch = Stopwatch()
    watch.start()
    watch.stop()
    watch.torn_down()
    made.work(2.0)
    with watch.waiting():
        made.work(0.5)
    made.work(2.0)
    watch.start()
    assert watch.idle_cpu_seconds == pytest.approx(0.5)


def test_a_check_is_neither_an_epoch_nor_idleness(made: Made) -> None:
    """What a loader does when it is asked for an epoch to look at is no work of its own accord."""
    watch = Stopwatch()
    watch.start()
    watch.stop()
    watch.torn_down()
    made.wait(1.0, others=0.25)
    with watch.set_aside():
        made.work(4.0, others=4.0, children=4.0)
    made.wait(1.0, others=0.25)
    watch.start()
    assert watch.idle_seconds == pytest.approx(2.0)
    assert watch.idle_cpu_seconds == pytest.approx(0.5)
