"""Loading alone: an epoch is drained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loader_gate.workloads.workload import Workload


@dataclass(frozen=True)
class Loading(Workload):
    """Drains an epoch, beside the limits of what the machine can do."""

    has_limits: ClassVar[bool] = True
    is_diagnosed: ClassVar[bool] = True
    runs_on_fewer_cores: ClassVar[bool] = True
    may_be_cold: ClassVar[bool] = True


WORKLOAD = Loading("loading", "loading")
