"""What NVIDIA's management library shows of the GPU that workers train on, as data.

It is asked through nvidia-ml-py (the extra ``gpu``). Nothing here makes the GPU do anything, and nothing of
CUDA is loaded. Where there are several, it is about the first one that may be used: workers see no other.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: CUDA calls a GPU by its number, its UUID or the beginning of that; a slice of one has a UUID of its own.
_MIG = "MIG-"


@dataclass(frozen=True)
class GpuReading:
    """What is shown of one GPU, or of a slice of one (MIG), at one moment; None where it is not shown.

    Attributes:
        name: Its name, such as NVIDIA H200.
        visible: How many this process may use.
        is_slice: Whether it is a slice of a GPU (MIG): clock and power are then those of the whole.
        memory_used: Bytes of its memory that are in use, by whomever.
        memory_bytes: Bytes of its memory.
        busy: Share of the last moments (a sixth of a second to a whole one) in which it did anything.
        clock: Of its multiprocessors, in MHz.
        highest_clock: The most that this clock may be, in MHz.
        watts: What it takes.
        most_watts: The limit that it is held to.
        users: How many processes have something on it. In a container there may be some that are not shown.
    """

    name: str
    visible: int
    is_slice: bool = False
    memory_used: int | None = None
    memory_bytes: int | None = None
    busy: float | None = None
    clock: int | None = None
    highest_clock: int | None = None
    watts: float | None = None
    most_watts: float | None = None
    users: int | None = None


def visible_gpus(environment: Mapping[str, str]) -> tuple[str, ...] | None:
    """Return the GPUs that CUDA may use by ``CUDA_VISIBLE_DEVICES``, as they are called there; None if all.

    As CUDA has it, -1 or nothing ends the list.
    """
    given = environment.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return None
    found: list[str] = []
    for each in given.split(","):
        if each.strip() in ("", "-1"):
            break
        found.append(each.strip())
    return tuple(found)


def only_the_first(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that let a process see the first visible GPU and no other one.

    They are numbered as NVIDIA's tools number them: CUDA would by itself begin with the fastest.
    """
    visible = visible_gpus(environment)
    first = "0" if visible is None else "".join(visible[:1]) or "-1"
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", **environment, "CUDA_VISIBLE_DEVICES": first}


def read_gpu(environment: Mapping[str, str] | None = None, library: Any = None) -> GpuReading | str:
    """Return what is shown of the first GPU that may be used; in words why nothing is, if so.

    Args:
        environment: Where ``CUDA_VISIBLE_DEVICES`` is looked up; this process' if None.
        library: Stands for ``pynvml``; only in tests.
    """
    if library is None:
        try:
            library = importlib.import_module("pynvml")
        except ImportError:
            return "nvidia-ml-py is not installed (the extra gpu)"
    try:
        with _opened(library):
            return _read(library, visible_gpus(os.environ if environment is None else environment))
    except library.NVMLError as error:
        return f"NVIDIA's management library says: {error}"


@contextlib.contextmanager
def _opened(library: Any) -> Iterator[None]:
    library.nvmlInit()
    try:
        yield
    finally:
        library.nvmlShutdown()


def _read(library: Any, visible: tuple[str, ...] | None) -> GpuReading | str:
    number = library.nvmlDeviceGetCount() if visible is None else len(visible)
    if not number:
        return "no GPU may be used (CUDA_VISIBLE_DEVICES)"
    whole, part = _first(library, "0" if visible is None else visible[0])

    def shown(ask: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return ask(*arguments)
        except library.NVMLError:  # not of this GPU, or not for this user
            return None

    memory = shown(library.nvmlDeviceGetMemoryInfo, part)
    rates = shown(library.nvmlDeviceGetUtilizationRates, part)
    watts = shown(library.nvmlDeviceGetPowerUsage, whole)
    most_watts = shown(library.nvmlDeviceGetEnforcedPowerLimit, whole)
    users = shown(library.nvmlDeviceGetComputeRunningProcesses, part)
    sm = library.NVML_CLOCK_SM
    return GpuReading(
        name=library.nvmlDeviceGetName(part),
        visible=number,
        is_slice=part is not whole,
        memory_used=memory and memory.used,
        memory_bytes=memory and memory.total,
        busy=None if rates is None else rates.gpu / 100,
        clock=shown(library.nvmlDeviceGetClockInfo, whole, sm),
        highest_clock=shown(library.nvmlDeviceGetMaxClockInfo, whole, sm),
        watts=None if watts is None else watts / 1000,
        most_watts=None if most_watts is None else most_watts / 1000,
        users=None if users is None else len(users),
    )


def _first(library: Any, called: str) -> tuple[Any, Any]:
    """Return a GPU and what may be used of it: itself, or the first of its slices where it has any."""
    if called.startswith(_MIG):
        part = library.nvmlDeviceGetHandleByUUID(called)
        return library.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part), part
    if called.isdecimal():
        whole = library.nvmlDeviceGetHandleByIndex(int(called))
    else:
        every = map(library.nvmlDeviceGetHandleByIndex, range(library.nvmlDeviceGetCount()))
        named = (each for each in every if library.nvmlDeviceGetUUID(each).startswith(called))
        whole = next(named, None) or library.nvmlDeviceGetHandleByUUID(called)  # which says what is wrong
    with contextlib.suppress(library.NVMLError):  # most know of no slices
        if library.nvmlDeviceGetMigMode(whole)[0]:
            for index in range(library.nvmlDeviceGetMaxMigDeviceCount(whole)):
                with contextlib.suppress(library.NVMLError):  # there need not be so many
                    return whole, library.nvmlDeviceGetMigDeviceHandleByIndex(whole, index)
    return whole, whole


def describe_gpu(before: GpuReading, after: GpuReading, clocks: Sequence[int] = ()) -> str:
    """Return what of a GPU belongs to the noise that a workload was measured in, in one line for people.

    Args:
        before: What was shown before anything of ours was on it.
        after: The same when nothing was any more.
        clocks: Its clock at the end of passes, in MHz.
    """
    which = f" (the first of {before.visible} visible)" if before.visible > 1 else ""
    parts = [f"{before.name}{which}{', a slice of it (MIG)' if before.is_slice else ''}"]
    if clocks:
        low, high = min(clocks), max(clocks)
        pace = f"{low:,}" if low == high else f"{low:,}–{high:,}"
        most = f" of {before.highest_clock:,}" if before.highest_clock else ""
        parts.append(f"clock {pace}{most} MHz at the end of passes")
    if before.most_watts is not None:
        changed = f", {after.most_watts:.0f} W at the end" if after.most_watts != before.most_watts else ""
        parts.append(f"power limit {before.most_watts:.0f} W{changed}")
    return ", ".join([*parts, *_of_others(before, after)])


def _of_others(before: GpuReading, after: GpuReading) -> Iterator[str]:
    """Say who else uses it: nothing of ours is on it at either moment."""
    users = [each.users for each in (before, after) if each.users is not None]
    if users:
        most = max(users)
        yield f"{most or 'no'} other process{'' if most == 1 else 'es'} on it"
    used = [each.memory_used for each in (before, after) if each.memory_used is not None]
    if used and before.memory_bytes:
        yield f"{max(used) / 1e9:.1f} of {before.memory_bytes / 1e9:.1f} GB of its memory in use without us"
    if before.busy is not None:  # afterwards it may be of our own last moments
        yield f"{before.busy:.0%} busy before"
