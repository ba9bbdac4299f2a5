"""How much memory or disk a variant will need, and how much it may use."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.sizes import format_size

if TYPE_CHECKING:
    from loader_gate.registry.spec import Spec
    from loader_gate.registry.variant import Variant

#: What a worker takes before it holds any image: mostly TensorFlow itself.
WORKER_BYTES = 700_000_000
#: The same with a model that trains.
TRAINING_WORKER_BYTES = 900_000_000

#: The same without TensorFlow.
LIMIT_WORKER_BYTES = 200_000_000
#: The kinds of variants that may write to disk: of limits, the one that reads a dump; of rivals, those that
#: read archives.
WRITING_KINDS = ("dump", "limit", "rival")


def memory_needed(variant: Variant, images: int, spec: Spec) -> int:
    """Return the memory that a variant's cache or buffer of decoded images is predicted to take, in bytes.

    Args:
        variant: The variant.
        images: How many images the tree has.
        spec: The epoch to deliver.
    """
    if variant.kind == "memory":
        return variant.predicted_bytes(images, spec) or 0
    return variant.predicted_buffer_bytes(images, spec)


def memory_problem(
    variant: Variant,
    images: int,
    spec: Spec,
    free: int,
    limit: int | None,
    alternatives: Collection[str],
    worker_bytes: int = WORKER_BYTES,
    others: int = 0,
) -> str:
    """Return why what a variant holds will not fit into memory, or nothing if it will.

    Args:
        variant: The variant.
        images: How many images the tree has.
        spec: The epoch to deliver.
        free: The memory that this session may still take, in bytes.
        limit: ``--memory-limit`` of each worker, in bytes, if given.
        alternatives: Variants to name that need less memory.
        worker_bytes: What the worker takes beside its cache or buffer.
        others: What the other workers will take of the free memory: all live at once.
    """
    needed = memory_needed(variant, images, spec)
    left = max(0, free - others)
    allowed = min(left, limit or left)
    if not needed or needed + worker_bytes <= allowed:
        return ""
    what = f"cache of {images:,} images" if variant.kind == "memory" else "buffer of decoded images"
    crowded = bool(others) and allowed == left
    held_back = (
        f" beside the {format_size(others)} of the other workers"
        if crowded
        else _given("--memory-limit", limit, allowed)
    )
    ways_out = [
        f"use {' or '.join(alternatives)}" if alternatives else "",
        "fewer variants at once" if crowded else "",
        "a smaller tree",
    ]
    return (
        f"its {what} would take {format_size(needed)} of memory and its worker {format_size(worker_bytes)}, "
        f"but may use {format_size(allowed)}{held_back}: {', '.join(filter(None, ways_out))}, or --no-guard "
        "to see it fail"
    )


def disk_needed(variant: Variant, images: int, spec: Spec) -> int:
    """Return what a variant is predicted to write to disk, in bytes; 0 if nobody knows.

    Args:
        variant: The variant.
        images: How many images the tree has.
        spec: The epoch to deliver.
    """
    return (variant.predicted_bytes(images, spec) or 0) if variant.kind in WRITING_KINDS else 0


def disk_problem(
    variant: Variant, images: int, spec: Spec, folder: Path, limit: int | None, others: int = 0
) -> str:
    """Return why a variant's dump will not fit onto the disk, or nothing if it will.

    Args:
        variant: The variant.
        images: How many images the tree has.
        spec: The epoch to deliver.
        folder: A folder on that disk.
        limit: ``--disk-limit``, in bytes, if given.
        others: What the other variants will write to the same disk: all is there at once.
    """
    predicted = disk_needed(variant, images, spec)
    left = max(0, shutil.disk_usage(folder).free - others)
    allowed = left if limit is None else min(left, limit)
    if predicted <= allowed:
        return ""
    crowded = bool(others) and allowed == left
    held_back = (
        f" beside the {format_size(others)} of the other variants"
        if crowded
        else _given("--disk-limit", limit, allowed)
    )
    return (
        f"its dump of {images:,} images would take {format_size(predicted)}, but it may use "
        f"{format_size(allowed)} of the disk{held_back}: free some, set TMPDIR or "
        f"--keep-dumps to a larger disk, {'fewer variants at once, ' if crowded else ''}use a smaller tree, "
        "or --no-guard to see it fail"
    )


def _given(option: str, limit: int | None, allowed: int) -> str:
    """Name the option if it is what holds the variant back."""
    return f" ({option})" if limit == allowed else ""
