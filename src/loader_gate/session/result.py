"""What measuring one workload gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loader_gate.machine.noise import NoiseReading
from loader_gate.rotation.measurement import Measurement
from loader_gate.verdict.verdict import unmeasured
from loader_gate.workloads.workload import Workload

if TYPE_CHECKING:
    from loader_gate.registry.variant import Variant
    from loader_gate.trees.tree import Tree


@dataclass(frozen=True)
class Result:
    """What one workload's measuring gave.

    Attributes:
        workload: The workload, with the device it ran on.
        tree: The images.
        measurements: By the variant's name, the baseline first.
        extra_info: More to say of a variant in the JSON, by its name.
        noise: What the system showed of noise, before and after.
        notes: Lines for people.
    """

    workload: Workload
    tree: Tree
    measurements: Mapping[str, Measurement]
    extra_info: Mapping[str, Mapping[str, Any]]
    noise: tuple[NoiseReading, NoiseReading]
    notes: tuple[str, ...]

    @property
    def has_figures(self) -> bool:
        """Return whether any variant was measured."""
        return any(each.verdict.status != "unmeasured" for each in self.measurements.values())

    @property
    def is_compared(self) -> bool:
        """Return whether any variant was compared with base, or runs the same code as there."""
        changes = [change for each in self.measurements.values() for change in each.verdict.changes]
        return any(change.estimate is not None or change.outcome == "unchanged" for change in changes)


def without_passes(variant: Variant, reason: str) -> Measurement:
    """Return the measurement of a variant that was not even started; the reason says what to do."""
    return Measurement(variant, variant.kind, unmeasured(reason), (), (), 0.0, None)
