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

from loader_gate.machine.cores import cores_within, cpu_quota
from loader_gate.machine.files import lines_of
from loader_gate.machine.gpu import visible_gpus
from loader_gate.machine.memory import usable_memory

if TYPE_CHECKING:
    from collections.abc import Mapping


#: Packages whose versions a loader's speed may depend on; those not installed are left out.
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "jax", "torch", "numpy", "pillow")
_GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """A machine, as far as this process may use it.

    Attributes:
        cpu: The CPU's model name.
        cores: Cores this process may use, as ``loader_gate.cores`` has it.
        memory_bytes: Memory it may use: the machine's or its cgroup's limit.
        os: The operating system, such as Linux.
        architecture: Such as x86_64.
        gpu: The name of the first NVIDIA GPU that may be used, or None.
        versions: Version of Python and of each of `PACKAGES` that is installed, by name.
        quota: How many cores' time a cgroup allows; None if no less than all processors' it may run on.
    """

    cpu: str
    cores: int
    memory_bytes: int
    os: str
    architecture: str
    gpu: str | None
    versions: Mapping[str, str]
    quota: float | None = None

    @property
    def fingerprint(self) -> str:
        """Return a hex digest, equal for two runs whose seconds may be compared.

        Versions are not part of it: to compare those is what many runs are for. Memory counts in whole GiB,
        as what a kernel keeps for itself changes from boot to boot.
        """
        parts = (self.cpu, self.cores, round(self.memory_bytes / _GIB), self.os, self.architecture, self.gpu)
        # Quotas of 1.5 and 1.9 are both of one core, but not as fast. Without one, the digest is as it was
        # before there was a place for it: saved runs have it.
        limited = () if self.quota is None else (self.quota,)
        return hashlib.sha256(repr(parts + limited).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """Return the machine in one line for people."""
        cores = _cores(self.cores)
        if self.quota is not None:
            cores += f" by a quota of {self.quota:.3g}"
        gpu = self.gpu or "no GPU"
        memory = f"{self.memory_bytes / _GIB:.1f} GiB"
        return f"{self.cpu}, {cores}, {memory}, {gpu}, {self.os} {self.architecture}"

    def remarks(self) -> tuple[str, ...]:
        """Return what there is to say of it beside what was measured on it, in sentences for people."""
        if self.quota is None:
            return ()
        return (
            f"A quota allows the CPU time of {_cores(self.quota)}: loaders, limits and the choice of a "
            f"profile count on {_cores(self.cores)}, and nobody knows what other programs take from it.",
        )


def read_machine(root: Path = Path("/")) -> Machine:
    """Return the machine that this process runs on.

    Args:
        root: The folder that holds ``proc`` and ``sys``; another one only in tests.
    """
    quota = cpu_quota(root)
    return Machine(
        cpu=_cpu_model(root),
        cores=cores_within(quota),
        memory_bytes=usable_memory(root),
        os=platform.system(),
        architecture=platform.machine(),
        gpu=_gpu_name(root),
        versions=_versions(),
        quota=quota if quota < math.inf else None,
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


def _cores(number: float) -> str:
    return "1 core" if number == 1 else f"{number:.3g} cores"


def _gpu_name(root: Path) -> str | None:
    visible = visible_gpus(os.environ)
    if visible == ():
        return None
    first = "0" if visible is None else visible[0]
    gpus = _gpus(root)
    for number, (name, uuid) in enumerate(gpus):
        if first == str(number) or uuid.startswith(first):
            return name
    # Of a slice (MIG), files do not tell whose it is; and a container may show others than its own.
    slice_of = "a slice (MIG) of " if first.startswith("MIG-") else ""
    return f"{slice_of}{gpus[0][0]}" if gpus else None


def _gpus(root: Path) -> list[tuple[str, str]]:
    """Return the name and UUID of each NVIDIA GPU, in the order of their numbers."""
    found = []
    # A container can see the host's driver without having its devices.
    if any((root / "dev").glob("nvidia[0-9]*")):
        for information in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
            lines = (line.partition(":") for line in lines_of(information))
            said = {key.strip(): value.strip() for key, _, value in lines}
            if "Model" in said:
                found.append((said["Model"], said.get("GPU UUID", "")))
    # Under WSL there is only the tool. "GPU 0: NVIDIA A10G (UUID: GPU-…)"
    for line in [] if found else _output("nvidia-smi", "-L").splitlines():
        if line.startswith("GPU "):
            name, _, uuid = line.partition(":")[2].partition("(UUID:")
            found.append((name.strip(), uuid.strip(" )")))
    return found


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
