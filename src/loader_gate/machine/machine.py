"""What the machine is that a run is made on.

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
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.machine.cgroup import cpu_quotas, memory_limits
from loader_gate.machine.files import lines_of

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def read_machine(root: Path = Path("/")) -> Machine:
    """Return the machine that this process runs on.

    Args:
        root: The folder that holds ``proc`` and ``sys``; another one only in tests.
    """
    import psutil

    return Machine(
        cpu=_cpu_model(root),
        cores=_usable_cores(root),
        memory_bytes=min(psutil.virtual_memory().total, *memory_limits(root)),
        os=platform.system(),
        architecture=platform.machine(),
        gpu=_gpu_name(root),
        versions=_versions(),
    )


def _cpu_model(root: Path) -> str:
    names: dict[str, str] = {}
    for line in lines_of(root / "proc/cpuinfo"):
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
    return max(1, math.floor(min(cores, *cpu_quotas(root))))


def _gpu_name(root: Path) -> str | None:
    # What TensorFlow would be told to see: an empty list or -1 hides every GPU.
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return None
    # A container can see the host's driver without having its devices.
    if any((root / "dev").glob("nvidia[0-9]*")):
        for information in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
            for line in lines_of(information):
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
