"""Series of one benchmark's speedups over saved runs.

Speedups are ratios within a session, so those of other days, versions and machines make one series. Other
work does not: another image size, batch size or device is another series. A tree or a machine that took the
place of the one before goes on with its series, and a step there names it. Where two of them take turns,
their levels would alternate, so each has a series of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loader_gate.history.all_runs import labels_of
from loader_gate.runs.names import named_alike
from loader_gate.runs.saved import Checkout, Key, SavedRun, WorkKey


@dataclass(frozen=True)
class SeriesPoint:
    """One run's figures of one benchmark.

    Attributes:
        run: The run's label.
        path: Its file.
        saved_on: When, in ISO format; may be empty.
        checkout: What was checked out.
        fingerprint: Of its machine, if known.
        machine: The machine in words.
        versions: Of Python and of packages, by name.
        work: The key of the work that was done.
        speedup: The speedup.
        low: Lower end of its interval; 0 if there is none.
        high: Upper end; infinite if there is none.
        images_per_second: Its throughput, if known.
        verdict: The verdict; may be empty.
        accepted: Whether the run was accepted; None if it is from before runs were marked.
        is_limit: Whether it is of a limit.
        bottleneck: What held it up, in a word; empty if that is not known.
    """

    run: str
    path: Path
    saved_on: str
    checkout: Checkout
    fingerprint: str | None
    machine: str
    versions: Mapping[str, str]
    work: WorkKey
    speedup: float
    low: float
    high: float
    images_per_second: float | None
    verdict: str
    accepted: bool | None
    is_limit: bool = False
    bottleneck: str = ""


@dataclass(frozen=True)
class Series:
    """A benchmark over time.

    Attributes:
        workload: The workload's name.
        variant: The variant's name.
        points: Oldest first.
        about: What tells it from other series of the same benchmark, in words; empty if it is the only one.
    """

    workload: str
    variant: str
    points: tuple[SeriesPoint, ...]
    about: str = ""

    @property
    def name(self) -> str:
        """Return its name for people."""
        return f"{self.variant} ({self.workload}{self.about and ', '}{self.about})"

    @property
    def is_limit(self) -> bool:
        """Return whether it is of a limit, which nobody can make slower."""
        return self.points[-1].is_limit


def series_of(runs: Sequence[SavedRun]) -> list[Series]:
    """Return the series of these runs, by benchmark in the order in which they first appear.

    Args:
        runs: Oldest first.
    """
    labels = labels_of(runs)
    runs = [*reversed(named_alike([*reversed(runs)]))]
    found: dict[Key, list[SeriesPoint]] = {}
    for run in runs:
        for entry in run.entries:
            point = SeriesPoint(
                run=labels[run.path],
                path=run.path,
                saved_on=run.saved_on,
                checkout=run.checkout,
                fingerprint=run.fingerprint,
                machine=run.machine,
                versions=run.versions,
                work=entry.work,
                speedup=entry.estimate.ratio,
                low=entry.estimate.low,
                high=entry.estimate.high,
                images_per_second=entry.images_per_second,
                verdict=entry.verdict,
                accepted=run.accepted,
                is_limit=entry.is_limit,
                bottleneck=entry.bottleneck,
            )
            found.setdefault(entry.key, []).append(point)
    return [series for key, points in found.items() for series in _told_apart(key, points)]


def _told_apart(key: Key, points: Iterable[SeriesPoint]) -> list[Series]:
    """Return the series of one benchmark, each said to be what it is if there are several."""
    by_work: dict[tuple[str, ...], list[SeriesPoint]] = {}
    for point in points:
        work = point.work
        trained = (work.device, work.backend, work.arithmetic)
        alike = (work.image_size, work.batch_size, *trained, work.rotation, work.cache, work.service)
        by_work.setdefault(alike, []).append(point)
    found = [chain for alike in by_work.values() for chain in _chains(alike)]
    told = [_what_it_is(chain[-1]) for chain in found]
    return [
        Series(*key, tuple(chain), ", ".join(text for name, text in what.items() if _differs(name, told)))
        for chain, what in zip(found, told, strict=True)
    ]


def _chains(points: Sequence[SeriesPoint]) -> list[list[SeriesPoint]]:
    """Return points that belong to one series each.

    A place is a tree on a machine. A place whose first run came after the last run of another one took its
    turn, and continues its series.
    """
    places: dict[tuple[str, str | None], list[int]] = {}
    for number, point in enumerate(points):
        places.setdefault((point.work.tree, point.fingerprint), []).append(number)
    chains: list[list[int]] = []
    for numbers in places.values():  # in the order of their first points
        over = [chain for chain in chains if chain[-1] < numbers[0]]
        if over:
            max(over, key=lambda chain: chain[-1]).extend(numbers)
        else:
            chains.append(numbers)
    return [[points[number] for number in chain] for chain in chains]


def _what_it_is(point: SeriesPoint) -> dict[str, str]:
    work = point.work
    return {
        "image size": f"image size {work.image_size}",
        "batch size": f"batch size {work.batch_size}",
        "device": f"device {work.device}",
        "backend": f"backend {work.backend}",
        "arithmetic": work.arithmetic,
        "rotation": f"rotation {work.rotation}",
        "cache": f"{work.cache} cache",
        "service": f"service {work.service}",
        "tree": f"tree {work.tree[:12]}",
        "machine": f"on {point.machine}",
    }


def _differs(name: str, told: Sequence[Mapping[str, str]]) -> bool:
    return len({what[name] for what in told}) > 1
