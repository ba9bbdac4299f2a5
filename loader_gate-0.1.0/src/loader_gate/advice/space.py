"""What a variant takes of memory and disk, and what is free of them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.registry.kind import kind_named
from loader_gate.registry.spec import Spec

if TYPE_CHECKING:
    from loader_gate.registry.variant import Variant
    from loader_gate.workloads.workload import Workload

#: Images of a tree so large that every buffer is full.
_MANY = 1_000_000


def taken_bytes(
    variant: Variant, kind: str, images: int, workload: Workload, written: int = 0
) -> dict[str, Any]:
    """Return what the JSON says of the bytes that a variant takes; null where it takes some nobody knows.

    Args:
        variant: The variant.
        kind: Its kind.
        images: How many images it was measured with.
        workload: What it was asked to deliver.
        written: Bytes that it had written to disk when it was built, as some rivals write archives.
    """
    spec = Spec(workload.image_size, workload.batch_size, True, 0, Path())
    predicted = variant.predicted_bytes(images, spec)
    each = None if predicted is None else predicted / images
    return {
        "disk_bytes_per_image": each if kind_named(kind).writes_dump else written / images,
        "memory_bytes_per_image": each if kind_named(kind).fills_memory else 0,
        "buffer_bytes": variant.predicted_buffer_bytes(_MANY, spec),
    }


def free_disk(folder: Path | None) -> int:
    """Return the bytes that are free on the disk of a folder, which need not exist yet.

    Args:
        folder: The folder; that of temporary files if None.
    """
    folder = (folder or Path(tempfile.gettempdir())).absolute()
    return shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists())).free
