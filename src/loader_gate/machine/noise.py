"""What the system shows of noise: load, CPU time of others, stolen or withheld from us.

Take a reading before measuring and one after, as ``session/measure.py`` does; each figure is of what lies
between them. ``verdict/excuses.py`` says what becomes of a verdict on a noisy machine;
``statistics/control.py`` finds noise in the passes themselves.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loader_gate.machine.cores import cgroup_folders, cpu_quota, processors
from loader_gate.machine.files import lines_of
from loader_gate.machine.gpu import GpuReading, describe_gpu
from loader_gate.machine.processes import cpu_seconds_of_children

#: Seconds in the unit that a cgroup says in how long it was throttled, in versions 2 and 1.
_THROTTLED_IN = {"throttled_usec": 1e-6, "throttled_time": 1e-9}


@dataclass(frozen=True)
class NoiseReading:
    """What the system shows of noise at one moment; None where it does not show it.

    Attributes:
        load: Load average of the last minute: runnable tasks, our own among them.
        steal_ticks: CPU time since boot that the hypervisor gave to others.
        cpu_ticks: All CPU time since boot, idle or not, in the same unit.
        throttled_periods: Scheduler periods in which the cgroup's CPU quota stopped its processes.
        moment: When it was taken, in seconds of a clock that only goes forward.
        busy_seconds: How long the cores that we may use have been busy since boot, with our programs or with
            others'. None also where a cgroup limits our CPU time: what other programs use of these cores
            need not be missing from our share then.
        own_seconds: CPU time of this process and of all processes that it has started.
        throttled_seconds: How long they were stopped in those periods, the sum of all cores.
        gpu: What is shown of the GPU, or in words why nothing is; None where none is used.
    """

    load: float | None
    steal_ticks: int | None
    cpu_ticks: int | None
    throttled_periods: int | None
    moment: float = 0.0
    busy_seconds: float | None = None
    own_seconds: float = 0.0
    throttled_seconds: float | None = None
    gpu: GpuReading | str | None = None


def read_noise(root: Path = Path("/")) -> NoiseReading:
    """Return what the system shows of noise now; take one before and one after measuring.

    Args:
        root: The folder that holds ``proc`` and ``sys``; another one only in tests.
    """
    try:
        load: float | None = os.getloadavg()[0]
    except (AttributeError, OSError):
        load = None
    steal = total = None
    # cpu user nice system idle iowait irq softirq steal guest guest_nice: user has guests in it already.
    for line in lines_of(root / "proc/stat"):
        ticks = line.split()
        if ticks[:1] == ["cpu"] and len(ticks) > 8:
            steal, total = int(ticks[8]), sum(map(int, ticks[1:9]))
    periods, throttled = _throttling(root)
    return NoiseReading(
        load, steal, total, periods, time.monotonic(), _busy_seconds(root), _own_seconds(), throttled
    )


def steal_share(before: NoiseReading, after: NoiseReading) -> float | None:
    """Return the share of CPU time between two readings that went to other machines, from 0 to 1, or None."""
    if (
        before.steal_ticks is None
        or before.cpu_ticks is None
        or after.steal_ticks is None
        or after.cpu_ticks is None
    ):
        return None
    elapsed = after.cpu_ticks - before.cpu_ticks
    return max(0.0, (after.steal_ticks - before.steal_ticks) / elapsed) if elapsed > 0 else None


def throttled_seconds(before: NoiseReading, after: NoiseReading) -> float | None:
    """Return how long the CPU quota stopped us between two readings, the sum of all cores, or None."""
    if before.throttled_seconds is None or after.throttled_seconds is None:
        return None
    return max(0.0, after.throttled_seconds - before.throttled_seconds)


def throttled_periods(before: NoiseReading, after: NoiseReading) -> int | None:
    """Return in how many scheduler periods between two readings the CPU quota stopped us, or None."""
    if before.throttled_periods is None or after.throttled_periods is None:
        return None
    return max(0, after.throttled_periods - before.throttled_periods)


def used_by_others(before: NoiseReading, after: NoiseReading) -> float | None:
    """Return how many of our cores were busy with other programs, or None if that is not shown.

    It is the mean between the two readings: the time that these cores were busy, less our own CPU time.
    """
    elapsed = after.moment - before.moment
    if before.busy_seconds is None or after.busy_seconds is None or elapsed <= 0:
        return None
    own = after.own_seconds - before.own_seconds
    return max(0.0, (after.busy_seconds - before.busy_seconds - own) / elapsed)


def describe_noise(before: NoiseReading, after: NoiseReading, clocks: Sequence[int] = ()) -> str:
    """Return what the system showed of noise between two readings, in one line for people.

    Args:
        before: The first reading.
        after: The second one.
        clocks: The GPU's clock at the end of passes, in MHz, where it is known.
    """
    parts = []
    if before.load is not None:
        # The load after measuring is mostly our own.
        parts.append(f"load {before.load:.1f} at the start")
    others = used_by_others(before, after)
    if others is not None:
        parts.append(f"{others:.1f} cores used by others")
    steal = steal_share(before, after)
    if steal is not None:
        parts.append(f"{steal:.1%} of CPU time stolen".replace("%", " %"))
    periods, seconds = throttled_periods(before, after), throttled_seconds(before, after)
    if periods is not None:
        long = "" if seconds is None else f" for {seconds:.1f} s"
        many = "1 period" if periods == 1 else f"{periods} periods"
        parts.append(f"throttled{long} in {many}" if periods else "not throttled")
    if isinstance(before.gpu, GpuReading) and isinstance(after.gpu, GpuReading):
        parts.append(describe_gpu(before.gpu, after.gpu, clocks))
    elif unknown := [each for each in (before.gpu, after.gpu) if isinstance(each, str)]:
        parts.append(f"nothing is known of the GPU: {unknown[0]}")
    return ", ".join(parts) or "this system shows nothing of load, steal or throttling"


def _throttling(root: Path) -> tuple[int | None, float | None]:
    """Return in how many periods our cgroups' quotas have stopped us, and how long; None if not shown."""
    periods, seconds = [], []
    for folder in cgroup_folders("cpu", root):
        for line in lines_of(folder / "cpu.stat"):
            name, _, value = line.partition(" ")
            if name == "nr_throttled":
                periods.append(int(value))
            elif name in _THROTTLED_IN:
                seconds.append(int(value) * _THROTTLED_IN[name])
    return sum(periods) if periods else None, sum(seconds) if seconds else None


def _busy_seconds(root: Path) -> float | None:
    """Return how long the cores that we may use have been busy, or None; see `NoiseReading`."""
    bound_to = processors()
    if bound_to is None or cpu_quota(root) < math.inf:
        return None
    ours = {f"cpu{core}" for core in bound_to}
    busy = 0
    # user nice system idle iowait irq softirq
    for line in lines_of(root / "proc/stat"):
        name, *ticks = line.split()
        if name in ours and len(ticks) > 6:
            busy += sum(int(ticks[index]) for index in (0, 1, 2, 5, 6))
            ours.remove(name)
    return None if ours else busy / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return time.process_time() + cpu_seconds_of_children()
