"""The settings of a session: made once, from options that have been checked, and handed down whole."""

from __future__ import annotations

import os
import re
import secrets
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.base.modules import module_file, said_of
from loader_gate.machine.machine import Machine, read_machine
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.own import told_apart, user_variant
from loader_gate.registry.variant import ALL, BASELINE, RegistryError, Variant
from loader_gate.rotation.pace import Pace
from loader_gate.session.bindings import bindings_of
from loader_gate.session.cold import check_options, without_other_limits
from loader_gate.session.gating import Gating
from loader_gate.session.guard import Allowance
from loader_gate.verdict import floors
from loader_gate.verdict.change import CHANGES, RESOLUTION
from loader_gate.verdict.floors_file import load_floors
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import module_search_path
from loader_gate.workloads.backend import backend_of
from loader_gate.workloads.device import parse_device
from loader_gate.workloads.known import known_workloads
from loader_gate.workloads.workload import WorkloadOptions

if TYPE_CHECKING:
    import argparse

    from loader_gate.machine.topology import Binding
    from loader_gate.verdict.earlier import EarlierSessions
    from loader_gate.workloads.workload import Workload

#: The most measuring time a variant may take if nothing is said, alone and against a base, in seconds.
BUDGET = 60.0
BUDGET_AGAINST = 90.0
#: More seconds or pixels than anybody needs, and no more than a timeout of the system can hold.
MOST = 1_000_000
#: Where the dispatcher of a tf.data service is.
_ADDRESS = re.compile(r"grpc://[^\s/]+:\d{1,5}")
#: Seeds that are drawn are below this: short enough to be copied by a person.
SEEDS = 100_000


@dataclass(frozen=True)
class Place:
    """Where a session runs.

    Attributes:
        machine: The machine.
        search_path: Where workers look for modules.
        not_timed: Why nothing may be timed here; empty if it may.
        bindings: What ``--cores`` asks for, ascending; the last one is all cores. Empty without it.
    """

    machine: Machine
    search_path: tuple[str, ...] = ()
    not_timed: str = ""
    bindings: tuple[Binding, ...] = ()


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
        ungated: Variants that are measured beside others and not gated: beside a repository's own loaders,
            and batches that are already there beside all that train.
        seed: What is drawn in the session is drawn from it: the order of passes, which of them are checked.
        earlier: What earlier sessions know of benchmarks that this one goes on with, by workload and variant.
        fewest_comparisons: Of how many comparisons one of these sessions has shared its error.
        profiles_variants: Whether every variant is profiled after the rotation, and not only what regresses.
        service: The address of a tf.data service that is there; empty without one.
    """

    variants: tuple[Variant, ...]
    workload_options: WorkloadOptions
    pace: Pace
    allowance: Allowance
    gating: Gating
    place: Place
    ungated: tuple[Variant, ...] = ()
    seed: int = 0
    earlier: Mapping[tuple[str, str], EarlierSessions] = field(default_factory=dict)
    fewest_comparisons: int = 1
    profiles_variants: bool = False
    service: str = ""

    @classmethod
    def from_options(cls, options: argparse.Namespace, started_in: Path, not_timed: str) -> Settings:
        """Check the options of a session.

        Args:
            options: The options, by their plain names.
            started_in: The folder that the session was started in.
            not_timed: Why nothing may be timed; empty if it may.

        Raises:
            RegistryError: An unknown variant, or a loader or number that cannot be used.
            CoresError: Numbers of cores that cannot be measured.
            FloorsError: A wrong floor, profile or file of floors.
            DeviceError: A device that there is not.
        """
        _check_numbers(options)
        search_path = module_search_path(started_in)
        built_in = built_in_variants()
        loaders = told_apart([user_variant(each, search_path) for each in options.loader])
        _refuse_taken_names(loaders, built_in)
        chosen = _chosen(built_in, loaders, options.variant, options.augment)
        variants = without_other_limits(chosen, options)
        machine = read_machine()
        choice = _profile(options, built_in, machine)
        workload_options = WorkloadOptions(
            parse_device(options.device, machine.gpu is not None),
            options.image_size,
            options.batch_size,
            options.weights,
            options.cold,
            options.augment,
            backend_of(options.backend, os.environ),
            options.precision,
            options.xla,
        )
        if options.cold:
            check_options(options)
        for workload in known_workloads().values():
            workload.check_options(workload_options)
        limits = WorkerLimits(options.hang_after, options.memory_limit, options.disk_limit)
        return cls(
            variants,
            workload_options,
            Pace(options.budget or (BUDGET_AGAINST if is_against(options) else BUDGET), options.tolerance),
            Allowance(limits, not options.no_guard, options.keep_dumps),
            Gating(
                options.floors,
                choice,
                # Whose they are is known once tests are collected, which may find more loaders.
                [floors.OwnFloor.parse(text) for text in options.floor],
                is_asked_for=options.profile is not None,
                updates_floors=options.update_floors,
                vague_above=options.tolerance + RESOLUTION if options.fail_if_slower else None,
            ),
            Place(machine, tuple(search_path), not_timed, bindings_of(options, machine.cores)),
            without_other_limits(_ungated(built_in, options.variants), options),
            secrets.randbelow(SEEDS) if options.session_seed is None else options.session_seed,
            profiles_variants=options.profile_variants,
            service=options.service or "",
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
            declared_floors: The floors that they were declared with, by workload and `Variant.floor_key`.
            ungated: More variants to measure beside them.

        Raises:
            RegistryError: One has the name of a built-in variant, or two are one function of one module.
            FloorsError: A floor of this run is of a variant that there is not.
        """
        _refuse_taken_names(loaders, built_in_variants())
        own = told_apart([*(each for each in self.variants if not each.is_built_in), *loaders])
        variants = (*(each for each in self.variants if each.is_built_in), *own)
        for floor in self.gating.own:
            floor.check(variants)
        return replace(
            self,
            variants=variants,
            gating=replace(self.gating, declared=dict(declared_floors)),
            ungated=tuple(dict.fromkeys([*self.ungated, *ungated])),
        )

    @property
    def everyone(self) -> list[Variant]:
        """Return every variant that may be measured."""
        return [*dict.fromkeys([*self.variants, *self.ungated])]

    def on_fewer_cores(self, workload: Workload, names: Collection[str]) -> dict[str, list[Variant]]:
        """Return what a workload measures on fewer cores of these variants, by the variant's name."""
        if not workload.runs_on_fewer_cores or self.place.not_timed:
            return {}
        return {
            each.name: [each.bound_to(binding.processors) for binding in self.place.bindings[:-1]]
            for each in self.everyone
            if each.name in names
        }

    def compared(self, names: Collection[str]) -> list[Variant]:
        """Return what may be compared with a base where the tests of these variants run: all but limits."""
        names = {BASELINE, *names, *(each.name for each in self.ungated)}
        return [each for each in self.everyone if each.name in names and not each.traits.is_limit]

    def decoders(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the libraries that decode files where the tests of these variants run, as each declares."""
        beside = [each.name for each in self.ungated if not each.absence()]
        measured = {BASELINE, *names, *beside} if names else set()
        decoding = (each for each in self.everyone if each.name in measured)
        found = (library for each in decoding for library in _decoders_of(each, self.place.search_path))
        return tuple(sorted({*found}))

    def sharing_error(self, selected: Iterable[tuple[str, str]], compared: Collection[str]) -> Settings:
        """Return the settings with one error of the session for all that may fail in it.

        Args:
            selected: The workload and the variant of each test that is going to run.
            compared: The variants that are compared with a base.
        """
        known = {each.name: each for each in self.variants}
        number = comparisons((known[name] for _, name in selected), compared)
        return replace(self, pace=replace(self.pace, comparisons=max(self.fewest_comparisons, number)))

    def earlier_in(self, workload: Workload) -> dict[str, EarlierSessions]:
        """Return what earlier sessions know of a workload's variants that this one goes on with, by name."""
        return {variant: each for (name, variant), each in self.earlier.items() if name == workload.name}

    def seed_of(self, workload: Workload) -> int:
        """Return the seed of a workload: its own, as two workloads owe each other no order."""
        return zlib.crc32(f"{self.seed} {workload.name}".encode())

    def ungated_in(self, workload: Workload) -> list[Variant]:
        """Return the variants that are measured beside others in a workload, installed or not."""
        found = [each for each in self.ungated if each.takes_part_in(workload)]
        # Batches that are already there are there to be timed: nothing of them is checked.
        return [each for each in found if not (self.place.not_timed and each.traits.hands_over_batches)]


def comparisons(gated: Iterable[Variant], compared: Collection[str]) -> int:
    """Return how many comparisons may fail: each variant's with its floor, and those with a base.

    Args:
        gated: The variant of each test.
        compared: The names of those that are compared with a base.
    """
    return sum(
        (each.name != BASELINE) + (each.name in compared) * CHANGES
        for each in gated
        if not each.traits.is_limit
    )


def is_against(options: argparse.Namespace) -> bool:
    """Return whether options ask for a base to compare with."""
    return options.against is not None or options.against_python is not None


def _decoders_of(variant: Variant, search_path: Sequence[str]) -> tuple[str, ...]:
    """Return the libraries that decode a variant's files; a user's loader may declare them."""
    if variant.is_built_in:
        return variant.decoders
    file = Path(variant.file) if variant.file else module_file(variant.module, search_path)
    return () if file is None else tuple(said_of(file, variant.function, "DECODERS").split())


def _check_numbers(options: argparse.Namespace) -> None:
    for name in ("image_size", "batch_size", "budget", "hang_after"):
        value = getattr(options, name)
        if value is not None and not 0 < value < MOST:
            option = "--" + name.replace("_", "-")
            raise RegistryError(f"{option} {value}: expected a number above 0 and below a million.")
    address = options.service
    if address is not None and not _ADDRESS.fullmatch(address):
        raise RegistryError(f"--service {address}: expected grpc://HOST:PORT, such as grpc://localhost:5050.")
    seed = options.session_seed
    if seed is not None and seed < 0:
        raise RegistryError(f"--session-seed {seed}: expected a whole number of at least 0.")


def _chosen(
    built_in: Sequence[Variant], loaders: Sequence[Variant], names: Sequence[str], augment: str
) -> tuple[Variant, ...]:
    """Return what ``--variant`` asks for, and the baseline; else the variants by default and all loaders.

    Where it names none of the loaders, they are not what is chosen from: all of them take part.

    Args:
        built_in: The suite's variants.
        loaders: Those of ``--loader``.
        names: Of variants, of loaders, or their ``MODULE:FUNCTION``.
        augment: ``--augment``.
    """
    known = {
        name: each for each in (*built_in, *loaders) for name in dict.fromkeys((each.name, each.floor_key))
    }
    for name in names:
        if name != ALL and name not in known:
            raise RegistryError(f"--variant {name}: {floors.unknown(name, [*known, ALL], 'variant')}.")
        absence = "" if name == ALL else known[name].absence(augment)
        if absence:
            raise RegistryError(f"--variant {name}: it {absence}")
    if ALL in names:
        return (*built_in, *loaders)
    if not names:
        return (*(variant for variant in built_in if variant.default), *loaders)
    chosen = {BASELINE, *(known[name].name for name in names)}
    named_loaders = [each for each in loaders if each.name in chosen]
    return (*(each for each in built_in if each.name in chosen), *(named_loaders or loaders))


def _refuse_taken_names(loaders: Sequence[Variant], built_in: Sequence[Variant]) -> None:
    """Refuse a loader whose function is named as a variant of the suite."""
    taken = {variant.name for variant in built_in}
    for loader in loaders:
        if loader.function in taken:
            where = loader.file or f"--loader {loader.floor_key}"
            raise RegistryError(
                f"{where}: a variant is named {loader.function} already; rename the function."
            )


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
    """Return what is measured beside others: what pyproject.toml names, and batches that are there."""
    known = {variant.name: variant for variant in built_in}
    for name in names:
        if name != ALL and name not in known:
            raise RegistryError(
                f"variants in [tool.loader-gate] of pyproject.toml: there is no variant {name}; known: "
                f"{', '.join(known)}, or {ALL}."
            )
    return tuple(
        each
        for each in built_in
        if each.name != BASELINE and (ALL in names or each.name in names or each.traits.hands_over_batches)
    )
