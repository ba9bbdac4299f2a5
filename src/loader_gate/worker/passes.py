"""Times a pass: its epochs, the CPU seconds and the memory that it takes.

What of an epoch is timed, each consumer says: see ``epoch.use_up`` and the modules of ``consumers/``.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from loader_gate.worker.epoch import Consumer, EpochTimes
from loader_gate.worker.timing import PassTiming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def run_pass(
    consumer: Consumer, batches: Iterable[Any], epochs: int, alive: Callable[[], None]
) -> PassTiming:
    """Use up some epochs, and time them.

    Args:
        consumer: Uses up an epoch.
        batches: Begins a fresh epoch whenever it is iterated.
        epochs: How many epochs make the pass.
        alive: Called after each batch.

    Raises:
        ValueError: An epoch was empty, or had other images or labels than the tree.
    """
    gc.collect()
    times: list[EpochTimes] = []
    peaks: list[int] = []
    teardown = 0.0
    cpu_before = _cpu_seconds()
    for _ in range(epochs):
        start = time.perf_counter()
        # The peak is read while child processes of the iterator are still there.
        times.append(consumer.epoch(batches, alive, lambda: peaks.append(_peak_rss_bytes())))
        teardown += time.perf_counter() - start - times[-1].end
    cpu = _cpu_seconds() - cpu_before
    busy = [each.utilisation for each in times if each.utilisation is not None]
    return PassTiming(
        seconds=sum(each.end for each in times) / epochs,
        first_batch_seconds=sum(each.first_batch for each in times) / epochs,
        teardown_seconds=teardown / epochs,
        cpu_seconds=cpu / epochs,
        peak_rss_bytes=max(peaks),
        epochs=epochs,
        accelerator_utilisation=sum(busy) / len(busy) if busy else None,
    )


def _cpu_seconds() -> float:
    """Return CPU seconds of this process, its ended children and its running descendants."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    for child in psutil.Process().children(recursive=True):
        try:
            used = child.cpu_times()
        except psutil.Error:  # it ended since it was listed
            continue
        total += used.user + used.system
    return total


def _peak_rss_bytes() -> int:
    """Return the sum of the peak resident sizes of this process and its running descendants."""
    peak = _peak_of(os.getpid())
    for child in psutil.Process().children(recursive=True):
        peak += _peak_of(child.pid)
    return peak


def _peak_of(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # no /proc, or the process has ended
        if pid != os.getpid():
            return 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(fields.get("VmHWM", "0 kB").split()[0]) * 1024


def settle() -> None:
    """Leave what was there before the passes out of them."""
    gc.collect()
    # What there is now stays: without it, the collection before a pass looks through the whole of TensorFlow,
    # which takes as long as a short pass.
    gc.freeze()
    _reset_peak_rss()


def _reset_peak_rss() -> None:
    """Let the peak begin anew, so that the check of the first epoch does not count (Linux only)."""
    with contextlib.suppress(OSError):  # the peak then includes the check's own memory
        Path("/proc/self/clear_refs").write_text("5")
