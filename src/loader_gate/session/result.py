"""What measuring one workload gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loader_gate.machine.noise import NoiseReading
from loader_gate.rotation.measurement import Measurement
from loader_gate.same_work.words import FILES_NAMED
from loader_gate.text import printable
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


def naming_odd_files(measurement: Measurement, tree: Tree) -> Measurement:
    """Return a measurement whose reason names what in the tree some libraries read otherwise, or not at all.

    Nobody knows which library decodes for a user's loader, so that no check has named these files. Other
    measurements stay as they are.
    """
    verdict = measurement.verdict
    told = verdict.reason.startswith(("its worker raised", "it does other work"))
    if verdict.status != "unmeasured" or measurement.variant.is_built_in or not (told and tree.odd):
        return measurement
    named = ", ".join(tree.odd[:FILES_NAMED]) + (", ..." if len(tree.odd) > FILES_NAMED else "")
    files = "1 file" if len(tree.odd) == 1 else f"{len(tree.odd):,} files"
    hint = f"The tree has {files} that some libraries read otherwise, or not at all: {printable(named)}"
    reason = f"{verdict.reason.rstrip('.')}. {hint}"
    return replace(measurement, verdict=replace(verdict, reason=reason))


def without_passes(variant: Variant, reason: str) -> Measurement:
    """Return the measurement of a variant that was not even started; the reason says what to do."""
    return Measurement(variant, variant.kind, unmeasured(reason), (), (), 0.0, None)
