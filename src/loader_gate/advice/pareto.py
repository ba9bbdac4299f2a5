"""The map of throughput against bytes on disk and in memory, and its Pareto front.

A variant beats another one if it takes no more bytes, of either kind, and is faster for certain: the gap of
their speedups, on the log scale, is larger than the half-widths of both intervals, added in quadrature. That
is careful, as the baseline's noise is in both intervals. A variant is on the front for certain if no other
one that takes as little is faster, or might be; what the intervals cannot tell apart is undecided.

Everything is read from a benchmark's ``extra_info``, of this session or of a saved run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from loader_gate.registry.kind import kind_named
from loader_gate.runs.comparison import log_half_width
from loader_gate.runs.parsing import read_entry
from loader_gate.runs.saved import WorkKey
from loader_gate.statistics.estimate import Estimate
from loader_gate.workloads import dump, loading

Front: TypeAlias = Literal["yes", "no", "undecided"]

#: Sizes this close are the same: what formats write around the pixels is no reason to choose one.
SAME_BYTES = 1.02

#: The workloads that a map can be of, the first that has something to say.
MAPPED_WORKLOADS = (loading.WORKLOAD.name, dump.WORKLOAD.name)


@dataclass(frozen=True)
class MapPoint:
    """One variant on the map.

    Attributes:
        variant: Its name.
        kind: ``streaming``, ``memory``, ``dump`` or ``rival``.
        images_per_second: Its throughput.
        speedup: How many times as fast as the baseline, with its interval.
        disk_bytes: Bytes on disk an image, beside the tree; None if it takes some and nobody knows how many.
        memory_bytes: Bytes in memory an image, for as many images as there are; None likewise.
        buffer_bytes: Bytes in memory besides, however large the tree.
        cold_seconds: Seconds an image of the epoch that writes the dump; None if not measured.
        from_disk: Its throughput where a pass begins with nothing in the page cache; None if not measured.
        disk_bytes_per_second: What it had from the disk in such passes; None if that is not known.
        images_from_disk: How many images an epoch had there; None likewise.
    """

    variant: str
    kind: str
    images_per_second: float
    speedup: Estimate
    disk_bytes: float | None = 0.0
    memory_bytes: float | None = 0.0
    buffer_bytes: float = 0.0
    cold_seconds: float | None = None
    from_disk: float | None = None
    disk_bytes_per_second: float | None = None
    images_from_disk: float | None = None


@dataclass(frozen=True)
class Placed:
    """A variant, and whether it is on the front.

    Attributes:
        point: The variant.
        front: ``no`` if another one beats it, ``yes`` if none can, ``undecided`` in between.
        others: Names of those that beat it, or might; the fastest first.
    """

    point: MapPoint
    front: Front
    others: tuple[str, ...]


def points_of(
    extra_infos: Iterable[Mapping[str, Any]], cold_infos: Iterable[Mapping[str, Any]] = ()
) -> list[MapPoint]:
    """Return the variants that did the same work and were measured, as points; limits are none.

    All are of one workload: `loading`, unless only `dump` has variants of two kinds. A point of `loading`
    also has the bytes and seconds that `dump` measured of the same variant's dump.

    Args:
        extra_infos: The ``extra_info`` of each benchmark of one run.
        cold_infos: Those of another one, whose passes began cold. Of the variants that have done the same
            work there, it is known how fast they are from the disk.
    """
    colds = {
        (str(info.get("workload")), read[0].variant): read for info in cold_infos if (read := _read(info))
    }
    found: dict[str, dict[str, tuple[MapPoint, WorkKey]]] = {name: {} for name in MAPPED_WORKLOADS}
    for info in extra_infos:
        workload = info.get("workload")
        read = _read(info) if isinstance(workload, str) and workload in found else None
        if read is not None:
            found[str(workload)][read[0].variant] = read
    by_workload = [[point for point, _ in found[name].values()] for name in MAPPED_WORKLOADS]
    chosen = MAPPED_WORKLOADS[
        0 if offers_a_choice(by_workload[0]) or not offers_a_choice(by_workload[1]) else 1
    ]
    points = []
    for name, (point, work) in found[chosen].items():
        dumped, dump_work = found[dump.WORKLOAD.name].get(name, (point, work))
        if dump_work == work:
            point = replace(point, disk_bytes=dumped.disk_bytes, cold_seconds=dumped.cold_seconds)
        cold, cold_work = colds.get((chosen, name), (point, work))
        # A pass from the disk may be a part of an epoch where one from memory is a whole one.
        if replace(cold_work, cache=work.cache, rotation=work.rotation, passes=work.passes) == work:
            point = replace(
                point,
                from_disk=cold.from_disk,
                disk_bytes_per_second=cold.disk_bytes_per_second,
                images_from_disk=cold.images_from_disk,
            )
        points.append(point)
    return points


def _read(info: Mapping[str, Any]) -> tuple[MapPoint, WorkKey] | None:
    """Return a variant and what it was measured on; None if it was not, or is a limit."""
    try:
        entry = read_entry(info, "", None)
    except ValueError:  # a damaged run has less to show
        return None
    kind, images = info.get("kind"), _size(info.get("images"))
    if entry is None or entry.images_per_second is None or info.get("verdict") == "unmeasured":
        return None
    if not isinstance(kind, str) or kind_named(kind).is_limit:
        return None
    # Runs from before the map say nothing of bytes, but the kind tells what takes none.
    written = _size(info.get("dump_bytes_per_image"))
    disk = _size(info.get("disk_bytes_per_image")) if written is None else written
    memory = _size(info.get("memory_bytes_per_image"))
    cold = _size(info.get("cold_seconds")) if info.get("dump_of_this_machine") else None
    is_cold = entry.work.cache == "cold"
    point = MapPoint(
        variant=entry.variant,
        kind=kind,
        images_per_second=entry.images_per_second,
        speedup=entry.estimate,
        disk_bytes=0.0 if disk is None and not kind_named(kind).writes_dump else disk,
        memory_bytes=0.0 if memory is None and not kind_named(kind).fills_memory else memory,
        buffer_bytes=_size(info.get("buffer_bytes")) or 0.0,
        cold_seconds=cold / images if cold and images else None,
        from_disk=entry.images_per_second if is_cold else None,
        disk_bytes_per_second=_size(info.get("bytes_per_second")) if is_cold else None,
        images_from_disk=images if is_cold else None,
    )
    return point, entry.work


def _size(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        return None
    return float(value)


def placed(points: Sequence[MapPoint]) -> list[Placed]:
    """Return whether each variant is on the front, from the fastest to the slowest.

    Args:
        points: The variants.
    """
    fastest_first = sorted(points, key=lambda each: -each.speedup.ratio)
    beaten = {
        point.variant: [
            other for other in fastest_first if takes_no_more(other, point) and surely_faster(other, point)
        ]
        for point in fastest_first
    }
    return [_placed(point, fastest_first, beaten) for point in fastest_first]


def _placed(
    point: MapPoint, fastest_first: Sequence[MapPoint], beaten: Mapping[str, Sequence[MapPoint]]
) -> Placed:
    if beaten[point.variant]:
        return Placed(point, "no", tuple(other.variant for other in beaten[point.variant]))
    # A rival that is beaten itself is left out: the one that beats it is a rival as well.
    rivals = tuple(
        other.variant
        for other in fastest_first
        if other is not point
        and not beaten[other.variant]
        and takes_no_more(other, point) is not False
        and not surely_faster(point, other)
    )
    return Placed(point, "undecided" if rivals else "yes", rivals)


def surely_faster(one: MapPoint, other: MapPoint) -> bool:
    """Return whether one variant is faster than another beyond what their intervals leave open."""
    gap = math.log(one.speedup.ratio / other.speedup.ratio)
    return gap > math.hypot(log_half_width(one.speedup), log_half_width(other.speedup))


def takes_no_more(one: MapPoint, other: MapPoint) -> bool | None:
    """Return whether one variant takes no more bytes than another, of either kind; None if nobody knows."""
    answers = [
        _is_no_more(one.disk_bytes, other.disk_bytes),
        _is_no_more(one.memory_bytes, other.memory_bytes),
    ]
    if False in answers:
        return False
    return None if None in answers else True


def _is_no_more(one: float | None, other: float | None) -> bool | None:
    if one == 0 or other == 0:
        return one == 0
    return None if one is None or other is None else one <= SAME_BYTES * other


def offers_a_choice(points: Sequence[MapPoint]) -> bool:
    """Return whether there is a choice to show: variants of one kind differ in nothing but their speed."""
    return len({point.kind for point in points}) > 1


def map_as_json(found: Sequence[Placed]) -> list[dict[str, Any]]:
    """Return the map as a run's JSON has it.

    Args:
        found: The variants.
    """
    return [
        {
            "variant": each.point.variant,
            "kind": each.point.kind,
            "images_per_second": each.point.images_per_second,
            "disk_bytes_per_image": each.point.disk_bytes,
            "memory_bytes_per_image": each.point.memory_bytes,
            "pareto": each.front,
            "others": list(each.others),
            **(
                {}
                if each.point.from_disk is None
                else {
                    "images_per_second_from_disk": each.point.from_disk,
                    "bytes_per_second": each.point.disk_bytes_per_second,
                }
            ),
        }
        for each in found
    ]
