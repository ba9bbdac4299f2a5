"""Dumps: each is written to disk once, and an epoch that reads it is drained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loader_gate.workloads.workload import Workload


@dataclass(frozen=True)
class Dumping(Workload):
    """Drains an epoch that comes from a dump."""

    writes_dumps: ClassVar[bool] = True
    may_be_cold: ClassVar[bool] = True


WORKLOAD = Dumping("dump", "dump")
