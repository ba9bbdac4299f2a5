"""Which workloads there are: one module in this folder each, found by being there."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from loader_gate import workloads

if TYPE_CHECKING:
    from loader_gate.workloads.workload import Workload, WorkloadOptions


@cache
def known_workloads() -> Mapping[str, Workload]:
    """Return every workload as it is if nothing is asked for, by name: those that write dumps come last."""
    modules = [
        importlib.import_module(f"{workloads.__name__}.{info.name}")
        for info in pkgutil.iter_modules(workloads.__path__)
    ]
    found: list[Workload] = [module.WORKLOAD for module in modules if hasattr(module, "WORKLOAD")]
    found.sort(key=lambda each: (each.writes_dumps, each.name))
    return MappingProxyType({each.name: each for each in found})


def workload(name: str, options: WorkloadOptions) -> Workload:
    """Return a workload as the options want it.

    Args:
        name: Its name, one of `known_workloads`.
        options: What the options say.
    """
    return known_workloads()[name].with_options(options)


def floor_tables() -> tuple[str, ...]:
    """Return the name of every table of floors that some workload takes its floors from."""
    return tuple(table for each in known_workloads().values() for table in each.tables)
