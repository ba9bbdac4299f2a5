"""What a worker may take: time without a word, memory, disk."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.machine.processes import held_memory, resident_memory
from loader_gate.sizes import format_size

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class WorkerLimits:
    """What a worker may take before it is killed.

    Attributes:
        hang_seconds: How long it may go without a batch or an answer before it counts as hung.
        memory_limit: Bytes that it and its children may hold at once, if any.
        disk_limit: Bytes that may be in the folder that it writes to, if any.
        see_gpu: Whether it may use a GPU.
        trains: Whether it trains a model, which is the same for all.
        backend: What Keras runs on, of the suite's own variants and of whatever trains.
    """

    hang_seconds: float
    memory_limit: int | None = None
    disk_limit: int | None = None
    see_gpu: bool = False
    trains: bool = False
    backend: str = "tensorflow"

    def exceeded(self, pid: int, disk_folder: Path | None) -> str:
        """Return which limit a worker is above, with what it has; nothing if it keeps within all.

        Args:
            pid: The worker's process.
            disk_folder: The folder that it writes to, if that is limited.
        """
        # What is shared is looked at only if it matters, as that takes long where much memory is held.
        if (
            self.memory_limit is not None
            and resident_memory(pid) > self.memory_limit
            and (held := held_memory(pid)) > self.memory_limit
        ):
            allowed = format_size(self.memory_limit)
            return f"ran out of memory: it held {format_size(held)} and may hold {allowed} (--memory-limit)"
        if self.disk_limit is None or disk_folder is None:
            return ""
        if (written := bytes_in(disk_folder)) > self.disk_limit:
            allowed = format_size(self.disk_limit)
            return f"filled the disk: it wrote {format_size(written)} and may write {allowed} (--disk-limit)"
        return ""


def bytes_in(folder: Path) -> int:
    """Return the size of all files in a folder, which may come and go."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size += os.stat(os.path.join(parent, name)).st_size  # noqa: PTH116, PTH118 (os.walk gives strings)
    return size
