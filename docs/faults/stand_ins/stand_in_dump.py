"""Stands in for a variant that writes a dump, with what other variants import of it.

The trouble that its writer gets into, if any, is named in the environment variable LOADER_GATE_FAULT_OF_DUMP.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "dump"
DEFAULT = ("loading", "dump")
DECODERS = "Pillow"
INTERPOLATION = "nearest"
Epochs = MappedFile = object
decoded = dump_name = file_problem = to_float = None


def predicted_bytes(images: int, spec: Spec) -> int:
    """Return what it writes: 10 KB a batch."""
    return -(-images // spec.batch_size) * 10_000


def dump_problem(images: int, spec: Spec) -> str:
    """Return why there is no whole dump, or nothing if there is."""
    dump = spec.cache_dir / "dump"
    size = dump.stat().st_size if dump.exists() else 0
    expected = predicted_bytes(images, spec)
    return "" if size == expected else f"{dump.name} has {size:,} bytes, not {expected:,}"


def load(tree: Tree, spec: Spec) -> Any:
    """Return a loader whose first epoch writes."""
    loaders = import_module("loaders")  # of the repository that the session is held in
    return loaders.dumped(tree, spec, os.environ.get("LOADER_GATE_FAULT_OF_DUMP", ""))
