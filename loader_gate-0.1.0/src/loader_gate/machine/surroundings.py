"""What the system shows of what may disturb: processors and their pace, memory, power, temporary files.

What is counted since boot (`SurroundingsReading.swapped_pages`, say) tells something as a difference of two
readings. What a system does not show is None, or empty.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from loader_gate.machine.cores import cpu_quota, processors
from loader_gate.machine.files import lines_of, words_of
from loader_gate.machine.memory import free_memory
from loader_gate.machine.processes import shows_children, shows_shares

#: Bytes that are written to see how fast a disk is: a second or two of a slow one.
WRITTEN = 32 * 2**20
_SYSTEM_CPU = "sys/devices/system/cpu"


@dataclass(frozen=True)
class TemporaryFolder:
    """The disk of temporary files.

    Attributes:
        path: The folder.
        filesystem: Such as ext4 or tmpfs; empty if that is not shown.
        free: Bytes that are left.
        size: Bytes in all.
        written_per_second: Bytes a second that came onto the disk, of one file; None if it could not be.
    """

    path: str
    filesystem: str
    free: int
    size: int
    written_per_second: float | None


@dataclass(frozen=True)
class SurroundingsReading:
    """What may disturb, at one moment.

    Attributes:
        shown_processors: How many processors the machine shows, switched on.
        usable_processors: How many of them this process may run on.
        quota: How many cores' time our cgroups allow; infinity without a quota below all of them.
        sharing_processors: How many of those that we may use share a core with another one of them
            (hyper-threads).
        governors: What drives the clock of processors, such as powersave, each once.
        turbo: Whether the clock may rise above its nominal pace while it is cool.
        throttled_by_heat: How often a processor was slowed down because of its heat, since boot.
        on_battery: How full the battery is, in percent, where the machine lives on it; None on mains.
        free_memory: Bytes of memory that may still be taken.
        swapped_pages: Pages that came from and went to swap since boot.
        temporary: The disk of temporary files.
        shows_children: Whether the system lists a process' children without a walk through all processes.
        shows_shares: Whether it shows what processes share of memory.
    """

    shown_processors: int | None
    usable_processors: int | None
    quota: float
    sharing_processors: int | None
    governors: tuple[str, ...]
    turbo: bool | None
    throttled_by_heat: int | None
    on_battery: float | None
    free_memory: int
    swapped_pages: int | None
    temporary: TemporaryFolder
    shows_children: bool
    shows_shares: bool


def read_surroundings(root: Path = Path("/")) -> SurroundingsReading:
    """Return what may disturb now; this writes a file of `WRITTEN` bytes, and removes it.

    Args:
        root: The folder that holds ``proc`` and ``sys``; another one only in tests.
    """
    bound_to = processors()
    shown = _numbers(" ".join(words_of(root / _SYSTEM_CPU / "online")))
    return SurroundingsReading(
        shown_processors=len(shown) or None,
        usable_processors=None if bound_to is None else len(bound_to),
        quota=cpu_quota(root),
        sharing_processors=_sharing(root, shown if bound_to is None else bound_to),
        governors=_governors(root),
        turbo=_turbo(root),
        throttled_by_heat=_throttled_by_heat(root),
        on_battery=_on_battery(),
        free_memory=free_memory(root),
        swapped_pages=_swapped_pages(root),
        temporary=_temporary_folder(root),
        shows_children=shows_children(),
        shows_shares=shows_shares(),
    )


def _numbers(text: str) -> frozenset[int]:
    """Return the numbers of a list such as "0-3,8"; none of what is none."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and (last or first).isdigit():
            found |= {*range(int(first), int(last or first) + 1)}
    return frozenset(found)


def _sharing(root: Path, ours: frozenset[int]) -> int | None:
    """Return how many of our processors share a core with another one of ours, or None if not shown."""
    cores = {
        number: _numbers(
            " ".join(words_of(root / f"{_SYSTEM_CPU}/cpu{number}/topology/thread_siblings_list"))
        )
        for number in ours
    }
    if not cores or not all(cores.values()):
        return None
    return sum(len(siblings & ours) > 1 for siblings in cores.values())


def _governors(root: Path) -> tuple[str, ...]:
    files = (root / _SYSTEM_CPU).glob("cpu[0-9]*/cpufreq/scaling_governor")
    return tuple(sorted({word for file in files for word in words_of(file)}))


def _turbo(root: Path) -> bool | None:
    """Return whether the clock may rise above its nominal pace: the drivers of two makers say it."""
    if words := words_of(root / _SYSTEM_CPU / "intel_pstate/no_turbo"):
        return words[0] == "0"
    if words := words_of(root / _SYSTEM_CPU / "cpufreq/boost"):
        return words[0] == "1"
    return None


def _throttled_by_heat(root: Path) -> int | None:
    files = (root / _SYSTEM_CPU).glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    counts = [int(word) for file in files for word in words_of(file) if word.isdigit()]
    return sum(counts) if counts else None


def _on_battery() -> float | None:
    import psutil

    read = getattr(psutil, "sensors_battery", None)  # not of every system
    battery = read() if read is not None else None
    return None if battery is None or battery.power_plugged is not False else float(battery.percent)


def _swapped_pages(root: Path) -> int | None:
    pages = [
        int(line.split()[1])
        for line in lines_of(root / "proc/vmstat")
        if line.startswith(("pswpin ", "pswpout "))
    ]
    return sum(pages) if pages else None


def _temporary_folder(root: Path) -> TemporaryFolder:
    folder = Path(tempfile.gettempdir()).resolve()
    usage = shutil.disk_usage(folder)
    return TemporaryFolder(
        str(folder), _filesystem(root, folder), usage.free, usage.total, _write_speed(folder)
    )


def _filesystem(root: Path, folder: Path) -> str:
    """Return the file system of a folder: of the mounts that hold it the deepest, and of those the last."""
    found = (0, "")
    for line in lines_of(root / "proc/self/mounts"):
        # Device, folder, file system, options; a space in the folder's name is \040.
        _, mount, filesystem = [*line.split(" "), "", "", ""][:3]
        place = Path(mount.replace("\\040", " "))
        if (place == folder or place in folder.parents) and len(place.parts) >= found[0]:
            found = (len(place.parts), filesystem)
    return found[1]


def _write_speed(folder: Path) -> float | None:
    """Return how many bytes a second came onto the disk, of one new file; None if it could not be written."""
    data = os.urandom(2**20)  # what is all zeros might take no room
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            started = time.monotonic()
            for _ in range(WRITTEN // len(data)):
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
            return WRITTEN / max(time.monotonic() - started, 1e-9)
    except OSError:
        return None
