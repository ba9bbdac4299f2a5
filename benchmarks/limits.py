"""How much memory or disk a variant will need, and how much it may use."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.registry import Variant
    from benchmarks.spec import Spec

#: What a worker takes before it holds any image: mostly TensorFlow itself.
WORKER_BYTES = 700_000_000
#: The same with a model that trains.
TRAINING_WORKER_BYTES = 900_000_000

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_size(text: str) -> int:
    """Return the bytes that a text such as ``800M`` or ``1.5G`` means; units are powers of 1000.

    Raises:
        ValueError: It has another form, or is not above 0.
    """
    match = re.fullmatch(r"(?P<number>\d+(\.\d+)?)(?P<unit>[KMGT]?)B?", text.strip().upper())
    size = round(float(match["number"]) * _UNITS[match["unit"]]) if match else 0
    if size == 0:
        raise ValueError(f"expected a size such as 800M or 1.5G, found {text!r}")
    return size


def format_size(size: float) -> str:
    """Return bytes as people read them, such as ``92.2 GB``."""
    for unit in ("GB", "MB"):
        scale = _UNITS[unit[0]]
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size / 1000:,.0f} KB"


def memory_problem(
    variant: Variant,
    images: int,
    spec: Spec,
    memory_bytes: int,
    limit: int | None,
    alternatives: Iterable[str],
    worker_bytes: int = WORKER_BYTES,
) -> str:
    """Return why a variant's cache will not fit into memory, or nothing if it will.

    Args:
        variant: The variant.
        images: How many images the tree has.
        spec: The epoch to deliver.
        memory_bytes: What this machine or container may use at all.
        limit: ``--memory-limit``, in bytes, if given.
        alternatives: Variants to name that need no such memory.
        worker_bytes: What the worker takes beside its cache.
    """
    predicted = variant.predicted_bytes(images, spec)
    if variant.kind != "memory" or predicted is None:
        return ""
    import psutil

    allowed = min(psutil.virtual_memory().available, memory_bytes, limit or memory_bytes)
    if predicted + worker_bytes <= allowed:
        return ""
    option = _given("--memory-limit", limit, allowed)
    return (
        f"its cache of {images:,} images would take {format_size(predicted)} of memory and its worker "
        f"{format_size(worker_bytes)}, but may use {format_size(allowed)}{option}: "
        f"use {' or '.join(alternatives)}, a smaller tree, or --no-guard to see it fail"
    )


def disk_problem(variant: Variant, images: int, spec: Spec, folder: Path, limit: int | None) -> str:
    """Return why a variant's dump will not fit onto the disk, or nothing if it will.

    Args:
        variant: The variant.
        images: How many images the tree has.
        spec: The epoch to deliver.
        folder: A folder on that disk.
        limit: ``--disk-limit``, in bytes, if given.
    """
    predicted = variant.predicted_bytes(images, spec)
    if variant.kind != "dump" or predicted is None:
        return ""
    free = shutil.disk_usage(folder).free
    allowed = free if limit is None else min(free, limit)
    if predicted <= allowed:
        return ""
    option = _given("--disk-limit", limit, allowed)
    return (
        f"its dump of {images:,} images would take {format_size(predicted)}, but it may use "
        f"{format_size(allowed)} of the disk{option}: free some, set TMPDIR or "
        "--keep-dumps to a larger disk, use a smaller tree, or --no-guard to see it fail"
    )


def _given(option: str, limit: int | None, allowed: int) -> str:
    """Name the option if it is what holds the variant back."""
    return f" ({option})" if limit == allowed else ""
