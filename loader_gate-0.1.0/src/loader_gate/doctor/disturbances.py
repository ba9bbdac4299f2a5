"""What disturbs a measurement, from readings of the system, in words: what was found, and what to do.

Nothing is said of what a system does not show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.machine.noise import steal_share, throttled_periods, throttled_seconds, used_by_others
from loader_gate.sizes import format_size
from loader_gate.verdict.excuses import BUSY_CORES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate.machine.noise import NoiseReading
    from loader_gate.machine.surroundings import SurroundingsReading, TemporaryFolder

#: More stolen CPU time than this is worth a word, as a share.
STOLEN = 0.01
#: A disk that takes fewer bytes a second is slow: a dump of a small tree takes seconds to come onto it.
SLOW_DISK = 50_000_000
#: With fewer bytes left a disk is nearly full: the dumps of some variants take as much.
NEARLY_FULL = 5_000_000_000
#: Pages that may come from swap without anybody noticing: 4 MB.
FEW_PAGES = 1000


@dataclass(frozen=True)
class Disturbance:
    """Something that disturbs, and what to do about it."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Readings:
    """What the system showed before and after a recording, and what this took of it.

    Attributes:
        noise: Two readings of noise.
        surroundings: Two readings of the surroundings.
        cores: How many cores there are to use.
        worker_bytes: Memory that all workers of a session hold at once.
    """

    noise: tuple[NoiseReading, NoiseReading]
    surroundings: tuple[SurroundingsReading, SurroundingsReading]
    cores: int
    worker_bytes: int


def disturbances(readings: Readings) -> list[Disturbance]:
    """Return what disturbs, the worst first."""
    return [Disturbance(*each) for each in _found(readings)]


def _found(readings: Readings) -> Iterator[tuple[str, str]]:
    first, last = readings.surroundings
    yield from _of_others(readings)
    yield from _of_memory(readings)
    yield from _of_processors(first, last)
    yield from _of_the_disk(first.temporary)
    if not first.shows_children:
        yield (
            "the system does not list the children of a process (/proc/PID/task/TID/children)",
            "take a kernel or container that does: to know the CPU seconds and memory of loaders that start "
            "some, all processes have to be walked through",
        )
    if not first.shows_shares:
        yield (
            "the system does not show which memory processes share (/proc/PID/smaps_rollup)",
            "take a kernel or container that does: memory that a loader's processes share counts in each",
        )


def _of_others(readings: Readings) -> Iterator[tuple[str, str]]:
    before, after = readings.noise
    others = used_by_others(before, after)
    if others is not None and others >= BUSY_CORES:
        yield (
            f"other programs used {others:.1f} of {readings.cores} cores",
            "stop them, or measure when they have ended: beside them a failure takes 30 s of measuring",
        )
    stolen = steal_share(before, after)
    if stolen is not None and stolen >= STOLEN:
        yield (
            f"{100 * stolen:.0f} % of CPU time was stolen by other machines of this host",
            "take a machine with cores of its own, or another hour",
        )
    quota = readings.surroundings[0].quota
    if quota < math.inf:
        yield (
            f"a quota allows the CPU time of {quota:.3g} {'core' if quota == 1 else 'cores'}",
            "take it away, or give whole cores (a cpuset): under it nobody sees what other programs take",
        )
    periods, seconds = throttled_periods(before, after), throttled_seconds(before, after)
    if periods:
        long = "" if seconds is None else f" for {seconds:.1f} s"
        yield (
            f"the quota stopped the measurement{long} ({periods:,} times)",
            "raise it: a loader that is stopped seems slow at random",
        )


def _of_memory(readings: Readings) -> Iterator[tuple[str, str]]:
    first, last = readings.surroundings
    if first.free_memory < readings.worker_bytes:
        yield (
            f"{format_size(first.free_memory)} of memory were free, and a session of these variants takes "
            f"{format_size(readings.worker_bytes)} at once",
            "compare fewer variants at a time (--variant), use a smaller tree (--tree-images), or free some",
        )
    if first.swapped_pages is not None and last.swapped_pages is not None:
        pages = last.swapped_pages - first.swapped_pages
        if pages > FEW_PAGES:
            yield (
                f"the machine swapped meanwhile ({pages:,} pages)",
                "free memory, or switch swap off: what comes from it is as slow as the disk",
            )


def _of_processors(first: SurroundingsReading, last: SurroundingsReading) -> Iterator[tuple[str, str]]:
    shown, usable = first.shown_processors, first.usable_processors
    if shown is not None and usable is not None and usable < shown:
        yield (
            f"this process may run on {usable} of the machine's {shown} processors",
            "start it without taskset, or give the container more; if it is meant, keep others off them",
        )
    if first.sharing_processors:
        yield (
            f"{first.sharing_processors} of {usable or shown} processors are hyper-threads, two on a core",
            "run on one of each core (taskset), or switch them off: each slows the other one",
        )
    paces = [each for each in first.governors if each != "performance"]
    if paces:
        yield (
            f"the processors' clock follows the load (governor {', '.join(paces)})",
            "keep it up while measuring: cpupower frequency-set -g performance",
        )
    if first.turbo:
        yield (
            "turbo is on, so that the clock depends on heat and on how many cores work",
            "switch it off while measuring: 1 into /sys/devices/system/cpu/intel_pstate/no_turbo, or 0 into "
            "/sys/devices/system/cpu/cpufreq/boost",
        )
    if first.throttled_by_heat is not None and last.throttled_by_heat is not None:
        times = last.throttled_by_heat - first.throttled_by_heat
        if times > 0:
            yield (
                f"processors were slowed down because of their heat, {times:,} times",
                "cool the machine, or switch turbo off",
            )
    battery = last.on_battery if first.on_battery is None else first.on_battery
    if battery is not None:
        yield f"the machine lives on its battery ({battery:.0f} %)", "plug it in: on battery its clock is low"


def _of_the_disk(folder: TemporaryFolder) -> Iterator[tuple[str, str]]:
    if folder.filesystem in ("tmpfs", "ramfs"):
        yield (
            f"temporary files are kept in memory ({folder.path} is {folder.filesystem})",
            "set TMPDIR to a folder on a disk: dumps take memory from loaders, and are read as no disk is",
        )
    elif folder.written_per_second is not None and folder.written_per_second < SLOW_DISK:
        speed = format_size(folder.written_per_second)
        yield (
            f"the disk of temporary files ({folder.path}) takes {speed} a second",
            "set TMPDIR to a folder on a faster one",
        )
    if folder.free < NEARLY_FULL:
        yield (
            f"{format_size(folder.free)} are left for temporary files ({folder.path})",
            "free some, or set TMPDIR to a folder on a larger disk",
        )
