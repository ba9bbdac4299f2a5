"""CPU time and memory of processes that others have started."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from loader_gate.machine.page_cache import file_system_of
from loader_gate.machine.processes import (
    Read,
    bytes_read,
    cpu_seconds_of_children,
    descendants,
    held_memory,
    ignores_ended_children,
    page_faults,
    peak_memory,
    read_by_thread,
)
from loader_gate.session.cold import NEVER_COLD

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@contextmanager
def started(code: str) -> Iterator[subprocess.Popen[str]]:
    """Start Python with some code, which has to say a line when it is ready; end it with all its children."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield process
    finally:
        os.killpg(process.pid, 9)
        process.communicate()


def test_children_and_theirs() -> None:
    """All are found, of every thread; and none is left when they have ended."""
    code = """
        import subprocess, sys, threading, time
        child = "import subprocess; subprocess.Popen(['sleep', '60']); print(1, flush=True); input()"
        def start():
            found = subprocess.Popen([sys.executable, "-c", child], stdin=-1, stdout=-1)
            found.stdout.readline()
            keep.append(found)
        keep = []
        thread = threading.Thread(target=start); thread.start(); thread.join()
        start()
        print("ready", flush=True); time.sleep(60)
        """
    with started(code) as process:
        found = descendants(process.pid)
        assert len(found) == len(set(found)) == 4
        assert process.pid in descendants(os.getpid())
    assert descendants(process.pid) == []


def test_cpu_time_of_children_that_run_and_that_have_ended() -> None:
    """It only grows: what a child has used stays when it ends."""
    before = cpu_seconds_of_children()
    with started("print('ready', flush=True)\nwhile True: pass"):
        while cpu_seconds_of_children() < before + 0.2:
            time.sleep(0.01)
        running = cpu_seconds_of_children()
    assert cpu_seconds_of_children() >= running - 0.02  # of what has ended, the system may show hundredths


@linux
def test_what_a_child_has_waited_for_counts() -> None:
    """A server that forks workers, and outlives them, has what they used."""
    code = """
        import os, sys, time
        from loader_gate.machine.processes import cpu_seconds_of_children
        ended, end = os.pipe()
        if os.fork() == 0:
            if os.fork() == 0:
                while time.process_time() < 0.3: pass
                os._exit(0)
            os.wait()
            os.write(end, b"x")
            time.sleep(60)
        os.read(ended, 1)
        assert cpu_seconds_of_children() > 0.25
        print("ready", flush=True); time.sleep(60)
        """
    with started(code):
        pass


@linux
def test_what_orphans_use_counts() -> None:
    """A child that goes on when its parent has ended is adopted, so that its work still counts."""
    code = """
        import os, subprocess, sys, time
        from loader_gate.machine.processes import adopt_orphans, cpu_seconds_of_children, descendants
        adopt_orphans()
        orphan = "import os\\nif os.fork() == 0:\\n  while True: pass"
        subprocess.run([sys.executable, "-c", orphan], check=True)
        before = cpu_seconds_of_children()
        time.sleep(0.5)
        assert descendants(os.getpid())
        assert cpu_seconds_of_children() > before
        os.kill(descendants(os.getpid())[0], 9)
        print("ready", flush=True); time.sleep(60)
        """
    with started(code):
        pass


FORKS = """
    import os, time
    kept = bytearray(100_000_000)
    ended, end = os.pipe()
    for _ in range({children}):
        if os.fork() == 0:
            {child}
            os.write(end, b"x")
            time.sleep(60)
    for _ in range({children}):
        os.read(ended, 1)
    print("ready", flush=True); time.sleep(60)
    """


@linux
@pytest.mark.parametrize("measure", [held_memory, peak_memory])
def test_what_forked_children_share_counts_once(measure: object) -> None:
    """Four children of a process that holds 100 MB hold no 500 MB, unless they write to it."""
    assert callable(measure)
    with started(FORKS.format(children=4, child="pass")) as process:
        assert 100e6 < measure(process.pid) < 200e6
    with started(FORKS.format(children=4, child="kept[::4096] = b'x' * len(kept[::4096])")) as process:
        assert 500e6 < measure(process.pid) < 700e6


@linux
def test_a_peak_that_is_over() -> None:
    """It is remembered, of the process itself and of a child that still runs."""
    code = """
        import os, time
        ended, end = os.pipe()
        if os.fork() == 0:
            bytearray(100_000_000)
            os.write(end, b"x")
            time.sleep(60)
        bytearray(100_000_000)
        os.read(ended, 1)
        print("ready", flush=True); time.sleep(60)
        """
    with started(code) as process:
        assert held_memory(process.pid) < 100e6
        assert peak_memory(process.pid) > 200e6


def test_a_process_that_is_gone_holds_nothing() -> None:
    """It may end at any moment."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert (held_memory(process.pid), peak_memory(process.pid), descendants(process.pid)) == (0, 0, [])


@linux
def test_a_child_that_lets_its_children_be_forgotten() -> None:
    """What they use is nobody's, as if the worker itself did so."""
    assert not ignores_ended_children()
    code = """
        import signal, time
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("ready", flush=True); time.sleep(60)
        """
    with started(code):
        assert ignores_ended_children()


@linux
def test_who_waits_for_no_child_and_who_adopts_none() -> None:
    """Either would lose what children have used."""
    code = """
        import ctypes, os, signal
        from loader_gate.machine import processes
        assert not processes.ignores_ended_children()
        class Action(ctypes.Structure):
            _fields_ = [("handler", ctypes.c_void_p), ("mask", ctypes.c_ubyte * 128), ("flags", ctypes.c_int),
                        ("restorer", ctypes.c_void_p)]
        ctypes.CDLL(None).sigaction(int(signal.SIGCHLD), ctypes.byref(Action(flags=2)), None)
        assert processes.ignores_ended_children()
        assert not processes.adopts_orphans()
        processes.adopt_orphans()
        assert processes.adopts_orphans()
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@linux
def test_pages_are_faults_when_they_are_first_touched() -> None:
    """Those of this thread only, and no more when they are read again."""
    with mmap.mmap(-1, 64 * mmap.PAGESIZE) as pages:
        before = page_faults()
        pages[:: mmap.PAGESIZE] = b"1" * 64
        touched = page_faults()
        assert touched > before
        for page in range(0, len(pages), mmap.PAGESIZE):
            assert pages[page] == ord("1")
        assert page_faults() - touched <= 2  # of the interpreter


@linux
def test_what_a_thread_reads(tmp_path: Path) -> None:
    """By calls, be it in the page cache; of one thread, and not of another; nothing where there is none."""
    file = tmp_path / "file"
    file.write_bytes(b"1" * 300_000)
    own = threading.get_native_id()
    before = read_by_thread(own)
    with ThreadPoolExecutor(1) as other:
        number = other.submit(threading.get_native_id).result()
        assert other.submit(file.read_bytes).result()
        assert read_by_thread(number).calls >= 300_000
    assert read_by_thread(own).calls - before.calls < 100_000
    assert read_by_thread(2**22 + 1) == Read()


@linux
def test_what_a_thread_reads_from_a_disk(tmp_path: Path) -> None:
    """What is not in the page cache, as of the whole process."""
    if file_system_of(str(tmp_path)) in NEVER_COLD:
        pytest.skip("temporary files are in memory")
    file = tmp_path / "file"
    file.write_bytes(b"1" * 300_000)
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        before, process = read_by_thread(threading.get_native_id()), bytes_read()
        opened.read()
    assert read_by_thread(threading.get_native_id()).disk - before.disk >= 300_000
    assert bytes_read() - process >= 300_000
