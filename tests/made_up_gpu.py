"""GPUs that are made up, and what NVIDIA's management library would say of them."""
# ruff: noqa: D102, N802 (each is called as NVIDIA calls it, and its name says what it is)

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class NvmlError(Exception):
    """What NVIDIA's library raises."""


@dataclass(eq=False)
class MadeUpGpu:
    """One GPU, or a slice of one."""

    name: str
    uuid: str
    slices: list[MadeUpGpu] = field(default_factory=list)
    whole: MadeUpGpu | None = None


@dataclass
class MadeUpLibrary:
    """As much of ``pynvml`` as is asked for; what is in `lacking` this GPU does not support."""

    gpus: list[MadeUpGpu]
    lacking: tuple[str, ...] = ()
    users: int = 0
    is_open: bool = False

    NVMLError = NvmlError
    NVML_CLOCK_SM = 1

    def __post_init__(self) -> None:
        for name in self.lacking:
            setattr(self, name, self._refuse)

    def _refuse(self, *_: Any) -> None:
        raise NvmlError("Not Supported")

    def nvmlInit(self) -> None:
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> MadeUpGpu:
        if index >= len(self.gpus):
            raise NvmlError("Invalid Argument")
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> MadeUpGpu:
        for each in [*self.gpus, *(part for gpu in self.gpus for part in gpu.slices)]:
            if each.uuid == uuid:
                return each
        raise NvmlError("Not Found")

    def nvmlDeviceGetUUID(self, gpu: MadeUpGpu) -> str:
        return gpu.uuid

    def nvmlDeviceGetName(self, gpu: MadeUpGpu) -> str:
        return gpu.name

    def nvmlDeviceGetMigMode(self, gpu: MadeUpGpu) -> list[int]:
        return [int(bool(gpu.slices)), 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, _: MadeUpGpu) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: MadeUpGpu, index: int) -> MadeUpGpu:
        if not 1 <= index <= len(gpu.slices):  # the first place is empty
            raise NvmlError("Not Found")
        return gpu.slices[index - 1]

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, part: MadeUpGpu) -> MadeUpGpu | None:
        return part.whole

    def nvmlDeviceGetMemoryInfo(self, _: MadeUpGpu) -> Any:
        return SimpleNamespace(used=600_000_000, total=150_000_000_000)

    def nvmlDeviceGetUtilizationRates(self, _: MadeUpGpu) -> Any:
        return SimpleNamespace(gpu=37, memory=12)

    def nvmlDeviceGetPowerUsage(self, gpu: MadeUpGpu) -> int:
        assert gpu.whole is None
        return 75_000

    def nvmlDeviceGetEnforcedPowerLimit(self, _: MadeUpGpu) -> int:
        return 700_000

    def nvmlDeviceGetComputeRunningProcesses(self, _: MadeUpGpu) -> list[object]:
        return [object()] * self.users

    def nvmlDeviceGetClockInfo(self, gpu: MadeUpGpu, kind: int) -> int:
        assert (gpu.whole, kind) == (None, self.NVML_CLOCK_SM)
        return 345

    def nvmlDeviceGetMaxClockInfo(self, gpu: MadeUpGpu, kind: int) -> int:
        assert (gpu.whole, kind) == (None, self.NVML_CLOCK_SM)
        return 1980


def two() -> list[MadeUpGpu]:
    """Return two GPUs, the second of which is cut into slices."""
    first = MadeUpGpu("NVIDIA H200", "GPU-1111-aaaa")
    second = MadeUpGpu("NVIDIA A100", "GPU-2222-bbbb")
    second.slices = [MadeUpGpu("NVIDIA A100 MIG 1g.5gb", f"MIG-{number}", whole=second) for number in (3, 4)]
    return [first, second]
