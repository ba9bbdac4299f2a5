"""The settings of a session: made once, from options that have been checked, and handed down whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.machine.machine import Machine, read_machine
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.own import user_variant
from loader_gate.registry.variant import ALL, BASELINE, RegistryError, Variant
from loader_gate.rotation.pace import Pace
from loader_gate.session.gating import Gating
from loader_gate.session.guard import Allowance
from loader_gate.verdict import floors
from loader_gate.verdict.floors_file import load_floors
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import module_search_path
from loader_gate.workloads.device import parse_device
from loader_gate.workloads.known import known_workloads
from loader_gate.workloads.workload import WorkloadOptions

if TYPE_CHECKING:
    import argparse

    from loader_gate.workloads.workload import Workload

#: The most measuring time a variant may take if nothing is said, alone and against a base, in seconds.
BUDGET = 60.0
BUDGET_AGAINST = 90.0
#: More seconds or pixels than anybody needs, and no more than a timeout of the system can hold.
MOST = 1_000_000


@dataclass(frozen=True)
class Place:
    """Where a session runs.

    Attributes:
        machine: The machine.
        search_path: Where workers look for modules.
        not_timed: Why nothing may be timed here; empty if it may.
    """

    machine: Machine
    search_path: tuple[str, ...] = ()
    not_timed: str = ""


@dataclass(frozen=True)
class Settings:
    """What a session was asked for.

    Attributes:
        variants: The variants that tests of this session may measure, the baseline first.
        workload_options: What the options ask of every workload.
        pace: How long variants are measured.
        allowance: How much memory and disk they may take.
        gating: What they are held to.
        place: Where it runs.
        ungated: Variants that are measured beside a repository's own loaders, and not gated.
    """

    variants: tuple[Variant, ...]
    workload_options: WorkloadOptions
    pace: Pace
    allowance: Allowance
    gating: Gating
    place: Place
    ungated: tuple[Variant, ...] = ()

    @classmethod
    def from_options(cls, options: argparse.Namespace, started_in: Path, not_timed: str) -> Settings:
        """Check the options of a session.

        Args:
            options: The options, by their plain names.
            started_in: The folder that the session was started in.
            not_timed: Why nothing may be timed; empty if it may.

        Raises:
            RegistryError: An unknown variant, or a loader or number that cannot be used.
            FloorsError: A wrong floor, profile or file of floors.
            DeviceError: A device that there is not.
        """
        _check_numbers(options)
        search_path = module_search_path(started_in)
        built_in = built_in_variants()
        variants = _with_loaders(_chosen(built_in, options.variant), built_in, options.loader, search_path)
        machine = read_machine()
        choice = _profile(options, built_in, machine)
        workload_options = WorkloadOptions(
            parse_device(options.device, machine.gpu is not None),
            options.image_size,
            options.batch_size,
            options.weights,
        )
        for workload in known_workloads().values():
            workload.check_options(workload_options)
        # A name may still turn out to be that of a loader which is found by collecting tests.
        names = {variant.name for variant in variants}
        names |= {name for text in options.floor if (name := text.rpartition("=")[0].strip()).isidentifier()}
        limits = WorkerLimits(options.hang_after, options.memory_limit, options.disk_limit)
        return cls(
            variants,
            workload_options,
            Pace(options.budget or (BUDGET_AGAINST if is_against(options) else BUDGET), options.tolerance),
            Allowance(limits, not options.no_guard, options.keep_dumps),
            Gating(
                options.floors,
                choice,
                dict(floors.parse_floor(text, names) for text in options.floor),
                is_asked_for=options.profile is not None,
                updates_floors=options.update_floors,
                vague_above=options.tolerance if options.benchmark_compare_fail else None,
            ),
            Place(machine, tuple(search_path), not_timed),
            _ungated(built_in, options.variants),
        )

    def with_loaders(
        self,
        loaders: Sequence[Variant],
        declared_floors: Mapping[tuple[str, str], float],
        ungated: Sequence[Variant] = (),
    ) -> Settings:
        """Return the settings with loaders that were found by collecting tests.

        Args:
            loaders: The loaders.
            declared_floors: The floors that they were declared with, by workload and name.
            ungated: More variants to measure beside them.

        Raises:
            RegistryError: One has the name of another variant.
        """
        taken = {each.name for each in (*built_in_variants(), *self.variants)}
        for loader in loaders:
            if loader.name in taken:
                raise RegistryError(
                    f"{loader.file}: a variant is named {loader.name} already; rename the function."
                )
        return replace(
            self,
            variants=(*self.variants, *loaders),
            gating=replace(self.gating, declared=dict(declared_floors)),
            ungated=tuple(dict.fromkeys([*self.ungated, *ungated])),
        )

    @property
    def everyone(self) -> list[Variant]:
        """Return every variant that may be measured."""
        return [*dict.fromkeys([*self.variants, *self.ungated])]

    def compared(self, names: Collection[str]) -> list[Variant]:
        """Return what may be compared with a base where the tests of these variants run: all but limits."""
        names = {BASELINE, *names, *(each.name for each in self.ungated)}
        return [each for each in self.everyone if each.name in names and not each.traits.is_limit]

    def ungated_in(self, workload: Workload) -> list[Variant]:
        """Return the variants that are measured beside others in a workload, installed or not."""
        return [each for each in self.ungated if each.takes_part_in(workload)]


def is_against(options: argparse.Namespace) -> bool:
    """Return whether options ask for a base to compare with."""
    return options.against is not None or options.against_python is not None


def _check_numbers(options: argparse.Namespace) -> None:
    for name in ("image_size", "batch_size", "budget", "hang_after"):
        value = getattr(options, name)
        if value is not None and not 0 < value < MOST:
            option = "--" + name.replace("_", "-")
            raise RegistryError(f"{option} {value}: expected a number above 0 and below a million.")


def _chosen(built_in: Sequence[Variant], names: Sequence[str]) -> tuple[Variant, ...]:
    """Return the variants that ``--variant`` asks for, or those by default; and the baseline."""
    known = {variant.name: variant for variant in built_in}
    for name in names:
        if name != ALL and name not in known:
            raise RegistryError(
                f"--variant {name}: there is no such variant; known: {', '.join(known)}, or {ALL}."
            )
        absence = "" if name == ALL else known[name].absence()
        if absence:
            raise RegistryError(f"--variant {name}: it {absence}")
    if ALL in names:
        return tuple(built_in)
    if not names:
        return tuple(variant for variant in built_in if variant.default)
    return tuple(variant for variant in built_in if variant.name in {BASELINE, *names})


def _with_loaders(
    chosen: tuple[Variant, ...], built_in: Sequence[Variant], loaders: Sequence[str], search_path: list[str]
) -> tuple[Variant, ...]:
    """Return the variants with those of the user's own loaders behind them."""
    for loader in loaders:
        variant = user_variant(loader, search_path)
        if any(variant.name == other.name for other in (*built_in, *chosen)):
            raise RegistryError(
                f"--loader {loader}: a variant is named {variant.name} already; rename the function."
            )
        chosen = (*chosen, variant)
    return chosen


def _profile(options: argparse.Namespace, built_in: Sequence[Variant], machine: Machine) -> floors.Choice:
    """Return the profile whose floors hold, or are to be written, of the file of floors if there is one."""
    if options.floors is None:
        where = "give one with --floors FILE, or as floors in [tool.loader-gate] of pyproject.toml"
        for option in ("update-floors", "profile"):
            if getattr(options, option.replace("-", "_")):
                raise floors.FloorsError(f"--{option}: there is no file of floors; {where}.")
        return floors.Choice(None, f"No floors of a file: {where}.")
    may_be_new = options.update_floors
    known = load_floors(options.floors, [each.name for each in built_in], may_be_new=may_be_new)
    choice = floors.pick_profile(
        known, options.profile, machine.cores, machine.gpu is not None, may_be_new=may_be_new
    )
    if options.update_floors and choice.profile is None:
        raise floors.FloorsError(f"--update-floors: {choice.reason}")
    return choice


def _ungated(built_in: Sequence[Variant], names: Sequence[str]) -> tuple[Variant, ...]:
    """Return the variants that pyproject.toml wants measured beside a repository's own loaders."""
    known = {variant.name: variant for variant in built_in}
    for name in names:
        if name != ALL and name not in known:
            raise RegistryError(
                f"variants in [tool.loader-gate] of pyproject.toml: there is no variant {name}; known: "
                f"{', '.join(known)}, or {ALL}."
            )
    return tuple(each for each in built_in if each.name != BASELINE and (ALL in names or each.name in names))
