"""The machine a run is made on: what it is, and what it can show of noise.

Everything is read from files and package metadata, and nothing heavy is imported. What a container may use
counts, not what the host has: the affinity of the process and the limits of its cgroup.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Packages whose versions a loader's speed may depend on; those not installed are left out.
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "torch", "numpy", "pillow")

_GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """A machine, as far as this process may use it.

    Attributes:
        cpu: The CPU's model name.
        cores: Cores this process may use: by affinity and cgroup quota, rounded down, at least 1.
        memory_bytes: Memory it may use: the machine's or its cgroup's limit.
        os: The operating system, such as Linux.
        architecture: Such as x86_64.
        gpu: The first NVIDIA GPU's name, or None.
        versions: Version of Python and of each of `PACKAGES` that is installed, by name.
    """

    cpu: str
    cores: int
    memory_bytes: int
    os: str
    architecture: str
    gpu: str | None
    versions: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """Return a hex digest, equal for two runs whose seconds may be compared.

        Versions are not part of it: to compare those is what many runs are for. Memory counts in whole GiB,
        as what a kernel keeps for itself changes from boot to boot.
        """
        parts = (self.cpu, self.cores, round(self.memory_bytes / _GIB), self.os, self.architecture, self.gpu)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """Return the machine in one line for people."""
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        gpu = self.gpu or "no GPU"
        memory = f"{self.memory_bytes / _GIB:.1f} GiB"
        return f"{self.cpu}, {cores}, {memory}, {gpu}, {self.os} {self.architecture}"


@dataclass(frozen=True)
class NoiseReading:
    """What the system shows of noise at one moment; None where it does not show it.

    Attributes:
        load: Load average of the last minute: runnable tasks, our own among them.
        steal_ticks: CPU time since boot that the hypervisor gave to others.
        cpu_ticks: All CPU time since boot, idle or not, in the same unit.
        throttled_periods: Scheduler periods in which the cgroup's CPU quota stopped its processes.
        moment: When it was taken, in seconds of a clock that only goes forward.
        busy_seconds: CPU time that the cores we may use have worked since boot, for whomever. None also under
            a quota of CPU time, where other programs on them may take nothing from us.
        own_seconds: CPU time of this process and all that it has started.
    """

    load: float | None
    steal_ticks: int | None
    cpu_ticks: int | None
    throttled_periods: int | None
    moment: float = 0.0
    busy_seconds: float | None = None
    own_seconds: float = 0.0


def read_machine(root: Path = Path("/")) -> Machine:
    """Return the machine that this process runs on.

    Args:
        root: The folder that holds ``proc`` and ``sys``; another one only in tests.
    """
    import psutil

    return Machine(
        cpu=_cpu_model(root),
        cores=_usable_cores(root),
        memory_bytes=min(psutil.virtual_memory().total, *_memory_limits(root)),
        os=platform.system(),
        architecture=platform.machine(),
        gpu=_gpu_name(root),
        versions=_versions(),
    )


def free_memory(root: Path = Path("/")) -> int:
    """Return how many bytes of memory may still be taken: of the machine, and of our cgroup's limits.

    Args:
        root: The folder that holds ``proc`` and ``sys``; another one only in tests.
    """
    import psutil

    free = psutil.virtual_memory().available
    for folder in _cgroup_folders("memory", root):
        used = max(_number(folder / name) for name in ("memory.current", "memory.usage_in_bytes"))
        # Files that nobody has touched for a while count as used, but make room when somebody asks for it.
        files = max(
            (
                int(line.split()[1])
                for line in _lines(folder / "memory.stat")
                if line.startswith(("inactive_file ", "total_inactive_file "))
            ),
            default=0,
        )
        for limit in _limits_of(folder):
            free = min(free, limit - max(0, used - files))
    return max(0, free)


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
    for line in _lines(root / "proc/stat"):
        ticks = line.split()
        if ticks[:1] == ["cpu"] and len(ticks) > 8:
            steal, total = int(ticks[8]), sum(map(int, ticks[1:9]))
    throttled = [
        int(line.split()[1])
        for folder in _cgroup_folders("cpu", root)
        for line in _lines(folder / "cpu.stat")
        if line.startswith("nr_throttled ")
    ]
    return NoiseReading(
        load,
        steal,
        total,
        sum(throttled) if throttled else None,
        time.monotonic(),
        _busy_seconds(root),
        _own_seconds(),
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


def throttled_periods(before: NoiseReading, after: NoiseReading) -> int | None:
    """Return in how many scheduler periods between two readings the CPU quota stopped us, or None."""
    if before.throttled_periods is None or after.throttled_periods is None:
        return None
    return max(0, after.throttled_periods - before.throttled_periods)


def used_by_others(before: NoiseReading, after: NoiseReading) -> float | None:
    """Return how many of our cores other programs have kept busy between two readings, or None."""
    elapsed = after.moment - before.moment
    if before.busy_seconds is None or after.busy_seconds is None or elapsed <= 0:
        return None
    own = after.own_seconds - before.own_seconds
    return max(0.0, (after.busy_seconds - before.busy_seconds - own) / elapsed)


def describe_noise(before: NoiseReading, after: NoiseReading) -> str:
    """Return what the system showed of noise between two readings, in one line for people."""
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
    throttled = throttled_periods(before, after)
    if throttled is not None:
        parts.append(f"throttled in {throttled} periods" if throttled else "not throttled")
    return ", ".join(parts) or "this system shows nothing of load, steal or throttling"


def _cpu_model(root: Path) -> str:
    names: dict[str, str] = {}
    for line in _lines(root / "proc/cpuinfo"):
        key, _, value = line.partition(":")
        names.setdefault(key.strip(), value.strip())
    if names.get("model name"):
        return names["model name"]
    if "CPU part" in names:
        # ARM gives numbers in place of a name; they tell machines apart all the same.
        return f"ARM implementer {names.get('CPU implementer', '?')} part {names['CPU part']}"
    if platform.system() == "Darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine() or "unknown CPU"


def _usable_cores(root: Path) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(cores, *_cpu_quotas(root))))


def _busy_seconds(root: Path) -> float | None:
    if not hasattr(os, "sched_getaffinity") or any(quota < math.inf for quota in _cpu_quotas(root)):
        return None
    ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    busy = 0
    # user nice system idle iowait irq softirq
    for line in _lines(root / "proc/stat"):
        name, *ticks = line.split()
        if name in ours and len(ticks) > 6:
            busy += sum(int(ticks[index]) for index in (0, 1, 2, 5, 6))
            ours.remove(name)
    return None if ours else busy / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    import psutil

    total = sum(os.times()[:4])
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it ended since it was listed
            total += sum(child.cpu_times()[:4])
    return total


def _cpu_quotas(root: Path) -> Iterator[float]:
    # At least one, so that the callers may unpack it beside their own number.
    yield math.inf
    for folder in _cgroup_folders("cpu", root):
        # Version 2: "QUOTA PERIOD", where QUOTA may be "max"; version 1: a file each, where -1 is no quota.
        quota, period = [*_words(folder / "cpu.max"), "", ""][:2]
        if not quota:
            quota = " ".join(_words(folder / "cpu.cfs_quota_us"))
            period = " ".join(_words(folder / "cpu.cfs_period_us"))
        if quota.isdigit() and period.isdigit() and int(quota) > 0 and int(period) > 0:
            yield int(quota) / int(period)


def _memory_limits(root: Path) -> Iterator[int]:
    yield 2**63
    for folder in _cgroup_folders("memory", root):
        yield from _limits_of(folder)


def _limits_of(folder: Path) -> Iterator[int]:
    """Yield the memory limit of one cgroup, if it has one."""
    # Without a limit, version 2 says "max" and version 1 a number beyond any memory.
    for name in ("memory.max", "memory.limit_in_bytes"):
        limit = _number(folder / name)
        if limit > 0:
            yield limit


def _number(path: Path) -> int:
    """Return the number that a file holds, or 0."""
    text = " ".join(_words(path))
    return int(text) if text.isdigit() else 0


def _cgroup_folders(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folder of our cgroup for a controller and all folders above it: each may set a limit."""
    mount = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        # "0::/path" is version 2; "4:cpu,cpuacct:/path" is version 1, mounted under all its names or one.
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            base = mount
        elif controller in controllers.split(","):
            base = next(
                (mount / name for name in (controller, controllers) if (mount / name).is_dir()), mount
            )
        else:
            continue
        # Inside a container the path may be the host's, of which only the mount itself is to be seen.
        folder = base / path.lstrip("/")
        yield folder
        while folder != base:
            folder = folder.parent
            yield folder


def _gpu_name(root: Path) -> str | None:
    # What TensorFlow would be told to see: an empty list or -1 hides every GPU.
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return None
    # A container can see the host's driver without having its devices.
    if any((root / "dev").glob("nvidia[0-9]*")):
        for information in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
            for line in _lines(information):
                key, _, name = line.partition(":")
                if key.strip() == "Model":
                    return name.strip()
    # Under WSL there is only the tool. "GPU 0: NVIDIA A10G (UUID: GPU-…)"
    for line in _output("nvidia-smi", "-L").splitlines():
        if line.startswith("GPU "):
            return line.partition(":")[2].partition("(UUID")[0].strip()
    return None


def _versions() -> dict[str, str]:
    # A package may be found more than once, and the first on the path is the one that is imported.
    installed = {
        name: found[0].version for name in PACKAGES if (found := [*metadata.distributions(name=name)])
    }
    return {"python": platform.python_version(), **installed}


def _output(program: str, *arguments: str) -> str:
    """Return what a program prints, or nothing when it is missing, fails or takes long."""
    found = shutil.which(program)
    if found is None:
        return ""
    try:
        result = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
