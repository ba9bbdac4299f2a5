"""What a session holds its variants to, and the floors that it writes."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.registry.variant import Variant
from loader_gate.verdict import floors
from loader_gate.verdict.floors_file import write_floors
from loader_gate.verdict.rules import Rules

if TYPE_CHECKING:
    from loader_gate.machine.machine import Machine
    from loader_gate.session.result import Result
    from loader_gate.trees.tree import Tree
    from loader_gate.workloads.workload import Workload


@dataclass(frozen=True)
class Gating:
    """What a session holds its variants to.

    Attributes:
        file: The file of floors, if there is one.
        choice: The profile whose floors hold, if there is one, and why that one.
        own: Floors that the user has given for this run; of two for the same, the last holds.
        declared: Floors that loaders were declared with, by workload and `Variant.floor_key`.
        is_asked_for: Whether that profile was asked for by name, so that it holds for any tree.
        updates_floors: Whether floors are to be found and written rather than kept.
        vague_above: See `Rules`.
    """

    file: Path | None
    choice: floors.Choice
    own: Sequence[floors.OwnFloor] = ()
    declared: Mapping[tuple[str, str], float] = field(default_factory=dict)
    is_asked_for: bool = False
    updates_floors: bool = False
    vague_above: float | None = None

    @property
    def profile(self) -> str | None:
        """Return the name of the profile whose floors hold."""
        return None if self.choice.profile is None else self.choice.profile.name

    def rules(self, workload: Workload, tree: Tree, variants: Iterable[Variant], cores: int) -> Rules:
        """Return the rules of a workload.

        Args:
            workload: The workload.
            tree: The images.
            variants: The variants whose tests run.
            cores: How many cores there are.
        """
        held = {variant.name: self.floor(workload, tree, variant) for variant in variants}
        return Rules(held, cores, self.updates_floors, self.vague_above)

    def floor(self, workload: Workload, tree: Tree, variant: Variant) -> float | None:
        """Return the smallest speedup allowed, if there is one."""
        own = self.own_floor(workload.name, variant)
        if own is not None:
            return own
        if workload.is_cold:  # all other floors are of warm passes
            return None
        if (workload.name, variant.floor_key) in self.declared:
            return self.declared[workload.name, variant.floor_key]
        if workload.floors is None or self.choice.profile is None or self._misfit(workload, tree):
            return None
        return self.choice.profile.floor(workload.floors, variant.floor_key)

    def own_floor(self, workload: str, variant: Variant) -> float | None:
        """Return the floor that was given for this run, if any; one for the workload comes first."""
        of_variant = [each for each in self.own if each.key in (variant.name, variant.floor_key)]
        found = [each.floor for where in ("", workload) for each in of_variant if each.workload == where]
        return found[-1] if found else None

    def reason(self, workload: Workload, tree: Tree) -> str:
        """Return why these floors hold in a workload, or why none can."""
        if workload.is_cold:
            return (
                "No floors but those of --floor: those of files and of loaders are of warm passes (--cold)."
            )
        return self._misfit(workload, tree) or self.choice.reason

    def _misfit(self, workload: Workload, tree: Tree) -> str:
        """Return why the floors of the picked profile cannot hold here, or nothing if they can."""
        if self.choice.profile is None or workload.floors is None or self.is_asked_for or self.updates_floors:
            return ""
        return self.choice.profile.misfit(workload.floors, _conditions(workload, tree))

    def write_floors(self, results: Iterable[Result], machine: Machine) -> list[str]:
        """Write the floors that measurements support; return what there is to say of that.

        Raises:
            FloorsError: They cannot be written.
        """
        if self.profile is None or self.file is None:
            return []
        return [
            note
            for each in results
            for note in _written(self.file, self.profile, each, machine, self._declaring(each))
        ]

    def _declaring(self, result: Result) -> list[str]:
        """Return the variants whose floor in a workload is their own, so that no file has to hold it."""
        return [
            name
            for name, each in result.measurements.items()
            if (result.workload.name, each.variant.floor_key) in self.declared
        ]


def _written(
    file: Path, profile: str, result: Result, machine: Machine, declaring: Sequence[str]
) -> list[str]:
    """Write the floors of one workload, but for variants that declare theirs; return what there is to say."""
    table = result.workload.floors
    if table is None:
        set_speed = "an accelerator of a speed that you have set"
        what = set_speed if result.workload.is_emulated else result.workload.arithmetic
        return [f"No floors are written for {what}."]
    estimates = {
        measurement.variant.floor_key: measurement.verdict.estimate
        for measurement in result.measurements.values()
        if measurement.variant.name not in declaring
        and measurement.verdict.status == "pass"
        and measurement.verdict.floor is not None
        and measurement.verdict.estimate is not None
    }
    written = write_floors(
        file,
        profile,
        table,
        estimates,
        machine,
        datetime.datetime.now(datetime.timezone.utc).date(),
        conditions=_conditions(result.workload, result.tree),
    )
    number = f"{len(written)} floor{'' if len(written) == 1 else 's'}"
    kept = [f"{name} declares its own floor in {table}, which you change there." for name in declaring]
    return [f"Wrote {number} of profile {profile}, {table}, to {file}.", *kept]


def _conditions(workload: Workload, tree: Tree) -> floors.Conditions:
    """Return what floors are measured on."""
    return floors.Conditions(
        round(tree.mean_bytes()), workload.image_size[0], len(tree), workload.batch_size, workload.augment
    )
