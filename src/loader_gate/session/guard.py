"""What does not fit is refused, before anything is started: how much memory or disk a variant will need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.sizes import format_size
from loader_gate.worker.limits import WorkerLimits

if TYPE_CHECKING:
    from loader_gate.registry.spec import Spec

#: What a worker takes before it holds any image: mostly TensorFlow itself.
WORKER_BYTES = 700_000_000
#: What it takes with a model that trains.
TRAINING_WORKER_BYTES = 900_000_000
#: What the worker of a limit takes, which does without TensorFlow unless it hands over batches.
LIMIT_WORKER_BYTES = 200_000_000
#: Of these, what a worker has for itself at the very least: its unique set size was 315 MB and more where it
#: decoded. What is above that is shared, or the system may take it back.
LEAST_SHARE = 0.4
#: Files that are open for each process, and those that everything else takes.
DESCRIPTORS, SPARE_DESCRIPTORS = 4, 8
#: What a dump takes room of.
ON_DISK, IN_MEMORY = "the disk", "memory, in which that disk is"


@dataclass(frozen=True)
class Allowance:
    """What there may be of memory and disk for workers, their caches and their dumps.

    Attributes:
        limits: What each worker may take.
        guarded: Whether a variant that is predicted not to fit is refused.
        keep_dumps: Where dumps are kept from session to session, or None.
    """

    limits: WorkerLimits
    guarded: bool = True
    keep_dumps: Path | None = None


@dataclass(frozen=True)
class Need:
    """What one variant is predicted to take.

    Attributes:
        variant: The variant.
        images: Of how many images.
        memory: Bytes of its cache or its buffer of decoded images.
        worker: Bytes of its worker beside that, and of the processes that one starts.
        disk: Bytes that it will write to disk; 0 if nobody knows.
        processes: How many of them there are: two where head and base are compared.
    """

    variant: Variant
    images: int
    memory: int
    worker: int = WORKER_BYTES
    disk: int = 0
    processes: int = 1


@dataclass(frozen=True)
class Free:
    """What a session may take of the machine, in bytes.

    Attributes:
        memory: Memory, for all workers together.
        disk: Disk, for all dumps together.
        disk_is_memory: Whether that disk is memory too, as a tmpfs is: then dumps count as both.
    """

    memory: int
    disk: int
    disk_is_memory: bool = False


def need_of(
    variant: Variant,
    images: int,
    spec: Spec,
    *,
    file_bytes: float = 0.0,
    trains: bool = False,
    processes: int = 1,
) -> Need:
    """Return what a variant will take.

    Args:
        variant: The variant.
        images: How many images the tree has.
        spec: The epoch to deliver.
        file_bytes: The mean size of the files of the tree, in bytes: some rivals pack them into archives.
        trains: Whether its worker trains a model.
        processes: How many of its processes there are.
    """
    kind, predicted = variant.traits, variant.predicted_bytes(images, spec) or 0
    worker = TRAINING_WORKER_BYTES if trains else WORKER_BYTES
    if kind.is_limit and not kind.hands_over_batches:
        worker = LIMIT_WORKER_BYTES
    return Need(
        variant,
        images,
        memory=predicted if kind.fills_memory else variant.predicted_buffer_bytes(images, spec),
        worker=worker + variant.predicted_process_bytes(spec),
        disk=(predicted or variant.predicted_archive_bytes(images, file_bytes)) if kind.may_write else 0,
        processes=processes,
    )


def refused(
    needs: Sequence[Need], free: Free, limits: WorkerLimits, frugal: Sequence[Need] = ()
) -> dict[str, str]:
    """Return, by name, the variants that will not fit beside the others, with why and what to do.

    Where not all fit beside each other, batches that are already there go first, as nobody has asked for
    them, and then the largest one; where not even idle processes do, the last that were named.

    Args:
        needs: What each variant of the session needs.
        free: What there is.
        limits: What each worker may take.
        frugal: Variants that may be named to whoever lacks memory.
    """
    problems: dict[str, str] = {}
    for need in sorted(needs, key=_goes_first, reverse=True):
        left = [each for each in needs if each.variant.name not in problems]
        together = sum(each.processes * (each.worker + each.memory) for each in left)
        dumped = sum(each.processes * each.disk for each in left)
        in_memory = dumped if free.disk_is_memory else 0
        others = together + in_memory - need.worker - need.memory
        smaller = [each.variant.name for each in frugal if each.memory < need.memory]
        problem = (
            memory_problem(need, free.memory, limits.memory_limit, others, smaller)
            or disk_problem(need, free.disk, limits.disk_limit, dumped - need.disk)
            or (in_memory and disk_problem(need, free.memory, None, together + dumped - need.disk, IN_MEMORY))
        )
        if problem:
            problems[need.variant.name] = problem
    left = [each for each in needs if each.variant.name not in problems]
    return {**problems, **_crowded_out(left, free.memory)}


def _crowded_out(needs: Sequence[Need], free: int) -> dict[str, str]:
    """Return, from the last on, the variants without whose processes the others fit; never the baseline."""
    processes = sum(each.processes for each in needs)
    taken = round(LEAST_SHARE * sum(each.processes * each.worker for each in needs))
    reason = (
        f"this session would have {processes} processes at once, which take {format_size(taken)} of memory "
        f"before they hold any image, but {format_size(free)} is free: measure fewer variants at once, or "
        "--no-guard to try"
    )
    problems: dict[str, str] = {}
    for need in reversed(needs):
        if taken <= free:
            break
        if need.variant.name != BASELINE:
            problems[need.variant.name] = reason
            taken -= round(LEAST_SHARE * need.processes * need.worker)
    return problems


def descriptors_problem(processes: int, free: float) -> str:
    """Return why so many processes cannot be talked to at once, or nothing if they can.

    Args:
        processes: How many of them there are.
        free: How many files this process may still open.
    """
    needed = DESCRIPTORS * processes + SPARE_DESCRIPTORS
    if needed <= free:
        return ""
    return (
        f"this session would have {processes} processes at once, for which {needed} files have to be open, "
        f"but only {free:.0f} more may be: raise that (`ulimit -n`), or measure fewer variants at once"
    )


def _goes_first(need: Need) -> tuple[bool, int, int]:
    return need.variant.traits.hands_over_batches, need.memory, need.disk


def memory_problem(
    need: Need, free: int, limit: int | None, others: int = 0, alternatives: Sequence[str] = ()
) -> str:
    """Return why what a variant holds will not fit into memory, or nothing if it will.

    Args:
        need: What it needs.
        free: The memory that this session may still take, in bytes.
        limit: ``--memory-limit`` of each worker, in bytes, if given.
        others: What the other workers will take of the free memory: all live at once.
        alternatives: Variants to name that need less memory; the baseline does in any case.
    """
    left = max(0, free - others)
    allowed = min(left, limit or left)
    if not need.memory or need.memory + need.worker <= allowed:
        return ""
    is_cache = need.variant.traits.fills_memory
    what = f"cache of {need.images:,} images" if is_cache else "buffer of decoded images"
    crowded = bool(others) and allowed == left
    held_back = (
        f" beside the {format_size(others)} of the other workers"
        if crowded
        else _given("--memory-limit", limit, allowed)
    )
    ways_out = [
        f"use {' or '.join(alternatives or [BASELINE])}",
        "fewer variants at once" if crowded else "",
        "a smaller tree",
    ]
    return (
        f"its {what} would take {format_size(need.memory)} of memory and its worker "
        f"{format_size(need.worker)}, but may use {format_size(allowed)}{held_back}: "
        f"{', '.join(filter(None, ways_out))}, or --no-guard to see it fail"
    )


def disk_problem(need: Need, free: int, limit: int | None, others: int = 0, where: str = ON_DISK) -> str:
    """Return why a variant's dump or archive will not fit onto the disk, or nothing if it will.

    Args:
        need: What it needs.
        free: The bytes that are free on that disk.
        limit: ``--disk-limit``, in bytes, if given.
        others: What the other variants will write to the same disk: all is there at once.
        where: `ON_DISK`, or `IN_MEMORY` where it is the memory that counts.
    """
    left = max(0, free - others)
    allowed = left if limit is None else min(left, limit)
    if need.disk <= allowed:
        return ""
    kind = need.variant.traits
    # Only dumps are kept from session to session.
    is_dump = kind.writes_dump or kind.is_limit
    what, place = ("dump", "TMPDIR or --keep-dumps") if is_dump else ("archive", "TMPDIR")
    crowded = bool(others) and allowed == left
    held_back = (
        f" beside the {format_size(others)} of the other variants"
        if crowded
        else _given("--disk-limit", limit, allowed)
    )
    return (
        f"its {what} of {need.images:,} images would take {format_size(need.disk)}, but it may use "
        f"{format_size(allowed)} of {where}{held_back}: free some, set {place} to a larger disk, "
        f"{'fewer variants at once, ' if crowded else ''}use a smaller tree, or --no-guard to see it fail"
    )


def _given(option: str, limit: int | None, allowed: int) -> str:
    """Name the option if it is what holds the variant back."""
    return f" ({option})" if limit == allowed else ""
