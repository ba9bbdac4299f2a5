"""The suite in one pytest session: what was asked for, what was measured, what goes into the books."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TextIO

from loader_gate.advice.space import taken_bytes
from loader_gate.plugin import books
from loader_gate.registry.built_in import built_in_variants
from loader_gate.runs.saved import rotation_of
from loader_gate.session.settings import Settings, is_against
from loader_gate.statistics.session_error import SESSION_ERROR
from loader_gate.verdict.sentence import sentence
from loader_gate.verdict.verdict import fails_item
from loader_gate.workloads.known import known_workloads, workload

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

    from loader_gate.base.base import Base
    from loader_gate.registry.variant import Variant
    from loader_gate.report.session_table import TableNotes
    from loader_gate.rotation.measurement import Measurement
    from loader_gate.runs.saved import Key
    from loader_gate.session.result import Result
    from loader_gate.trees.tree import Tree
    from loader_gate.verdict.earlier import EarlierSessions


class Suite:
    """Holds the settings and the measurements of one pytest session.

    Attributes:
        settings: What was asked for.
        machine: The machine it runs on.
        absent: Why variants cannot be measured, by name: what is not installed, or that they cannot augment.
        on_request: Workloads and the variants that take part in them only if ``--variant`` was given.
        results: What was measured, by workload.
        extra_infos: What the JSON says of each benchmark.
        notes: Lines to print below the tables.
        complaints: More such lines, each of which says why the session fails.
    """

    def __init__(self, settings: Settings, options: argparse.Namespace) -> None:
        """Hold the settings of a session, and the options that say what becomes of its measurements."""
        self.settings = settings
        self.machine = settings.place.machine
        augment = settings.workload_options.augment
        self.absent = {each.name: absence for each in settings.everyone if (absence := each.absence(augment))}
        self.on_request = {
            (name, each.name)
            for each in built_in_variants()
            for name in known_workloads()
            if name not in each.default
        }
        self.results: dict[str, Result] = {}
        self.extra_infos: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.complaints: list[str] = []
        self._options = options
        self._failures: dict[str, Exception] = {}
        self._skipped: dict[str, tuple[str, ...]] = {}
        self._base: Base | None = None
        self._while_open = ExitStack()

    @classmethod
    def from_options(cls, options: argparse.Namespace, started_in: Path, not_timed: str) -> Suite:
        """Check the options of a session; see `Settings.from_options`."""
        return cls(Settings.from_options(options, started_in, not_timed), options)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Return the variants that tests of this session may measure, the baseline first."""
        return self.settings.variants

    @property
    def named(self) -> list[Variant]:
        """Return the variants that the command line names: loaders, and with ``--variant`` built-in ones."""
        return [each for each in self.variants if self._options.variant or not each.is_built_in]

    def add_loaders(
        self,
        loaders: Sequence[Variant],
        declared_floors: Mapping[tuple[str, str], float],
        ungated: Sequence[Variant] = (),
    ) -> None:
        """Let loaders join that were found by collecting tests; see `Settings.with_loaders`.

        Raises:
            RegistryError: One has the name of another variant, or two cannot be told apart.
            FloorsError: A ``--floor`` is of a variant that there is not.
        """
        self.settings = self.settings.with_loaders(loaders, declared_floors, ungated)

    @property
    def profile(self) -> str | None:
        """Return the name of the profile whose floors hold."""
        return self.settings.gating.profile

    @property
    def base_revision(self) -> str:
        """Return the full id of base's commit; empty if there is none."""
        return "" if self._base is None else self._base.revision

    @property
    def against(self) -> bool:
        """Return whether variants are compared with a base."""
        return is_against(self._options)

    def takes_part(self, variant: Variant, name: str, kinds: Collection[str]) -> bool:
        """Return whether a variant is measured in a workload by a test of such kinds."""
        by_default = (name, variant.name) not in self.on_request
        of_kind = variant.kind in kinds and variant.takes_part_in(known_workloads()[name])
        return of_kind and (by_default or bool(self._options.variant))

    def expect(self, selected: Collection[Key]) -> None:
        """Find the code that variants are compared with, which `close` removes; share the session's error.

        Args:
            selected: The workload and the variant of each test that is going to run.

        Raises:
            RevisionError: There is no such revision or interpreter, or no repository that could know it.
        """
        if self.against and selected and not self.settings.place.not_timed:
            names = {variant for _, variant in selected}
            compared = [each for each in self.settings.compared(names) if each.name not in self.absent]
            base = _base_of(self._options, compared, self.settings.place.search_path)
            found = self._while_open.enter_context(base)
            self._base = found if found.origins or found.unchanged else None
            self.notes += found.remarks()
        compared_names = () if self._base is None else self._base.origins
        self.settings = self.settings.sharing_error(selected, compared_names)

    def close(self) -> None:
        """Remove what `open_base` has made."""
        self._while_open.close()

    def measure(self, name: str, wanted: Sequence[str], tree: Tree, stream: TextIO) -> None:
        """Measure a workload, and keep what was measured.

        Args:
            name: The workload's name.
            wanted: Names of the variants to measure and gate; the baseline is measured in any case, and so is
                what is to be measured beside.
            tree: The images.
            stream: Where progress is shown.

        Raises:
            DeviceError: There is not the backend, or not the GPU, that was asked for.
        """
        # What measures is not imported before it is needed: `pytest --help` has to stay quick.
        from loader_gate.session.measure import measure

        if name in self._failures:
            raise self._failures[name]
        known_workloads()[name].check_machine(self.settings.workload_options)
        work = workload(name, self.settings.workload_options)
        named = dict.fromkeys([*wanted, *(each.name for each in self.settings.ungated_in(work))])
        self._skipped[name] = tuple(f"{each} {self.absent[each]}" for each in named if each in self.absent)
        installed = [each for each in wanted if each not in self.absent]
        try:
            self.results[name] = measure(work, self.settings, tree, installed, self._base, stream)
        except Exception as error:  # every further test of the workload fails with it, at once
            self._failures[name] = error
            raise

    def enter(self, name: str, variant: str, benchmark: BenchmarkFixture) -> None:
        """Enter what was measured into pytest-benchmark's books."""
        result = self.results[name]
        measurement = result.measurements[variant]
        if not measurement.variant_passes:
            books.leave_out(benchmark)
            return
        earlier = self.settings.earlier.get((name, variant))
        info = {"profile": self.profile, **_about_the_work(result, measurement, self.settings.service)}
        info |= {} if self._base is None else _about_base(self._base, earlier, self._options.against_python)
        books.record(benchmark, measurement, len(result.tree), info)
        self.extra_infos.append(dict(benchmark.extra_info))

    def fails(self, name: str, variant: str) -> bool:
        """Return whether a variant's test has to fail."""
        return fails_item(self.results[name].measurements[variant].verdict, self._options.gate)

    def sentence(self, name: str, variant: str) -> str:
        """Return the verdict in one sentence."""
        return sentence(self.results[name].measurements[variant].verdict, variant, name, self.profile)

    def write_floors(self) -> None:
        """Write the floors that the measurements support."""
        self.notes += self.settings.gating.write_floors(self.results.values(), self.machine)

    def table(self, name: str, colour: bool) -> list[str]:
        """Return what there is to say of a workload at the end, in lines for people."""
        from loader_gate.report.session_table import session_table

        return session_table(self.results[name], self._notes_of(name), colour)

    def as_json(self) -> dict[str, Any]:
        """Return what the JSON says of the run as a whole."""
        from loader_gate.report.session_table import about_run
        from loader_gate.scaling.about import about_cores

        return {
            "schema": books.SCHEMA,
            "seed": self.settings.seed,
            "comparisons": self.settings.pace.comparisons,
            "session_error": SESSION_ERROR,
            **about_run(self.results, {name: self._notes_of(name) for name in self.results}),
            **about_cores(self.results, self.settings.place.bindings),
            "gate": self._options.gate,
            "notes": [*self.notes, *self.complaints],
        }

    def _notes_of(self, name: str) -> TableNotes:
        from loader_gate.report.session_table import TableNotes

        result, base = self.results[name], self._base
        return TableNotes(
            self.machine,
            self.settings.gating.reason(result.workload, result.tree),
            None if base is None else base.description,
            self._skipped.get(name, ()),
            self.settings.seed,
            self.settings.pace.comparisons,
        )


def _base_of(
    options: argparse.Namespace, compared: Sequence[Variant], search_path: Sequence[str]
) -> AbstractContextManager[Base]:
    """Return the code to compare variants with, as the options ask for."""
    from loader_gate.base.base import base_of

    sides = (options.against, options.against_python)
    return base_of(*sides, compared, search_path, times_unchanged=bool(options.compare_unchanged))


def _about_the_work(result: Result, measurement: Measurement, service: str) -> dict[str, Any]:
    """Return what the JSON says of the work that a variant has done, and of the bytes that it takes."""
    variant, work, images = measurement.variant, result.workload, len(result.tree)
    there = variant.service_in(service)
    return {
        "workload": work.name,
        "tree": result.tree.digest,
        "image_size": work.image_size[0],
        "batch_size": work.batch_size,
        "augment": work.augment,
        "rotation": _rotation(result),
        **({"cache": "cold"} if work.is_cold else {}),
        **({"service": there} if there else {}),
        **({} if variant.is_built_in else {"loader": variant.floor_key}),
        "schema": books.SCHEMA,
        **result.extra_info[variant.name],
        **taken_bytes(variant, measurement.kind, images, work, measurement.written_bytes),
    }


def _rotation(result: Result) -> str:
    """Return what the JSON says of how many were measured; batches that are already there always are."""
    return rotation_of(
        sum(
            1 + len(each.on_fewer_cores)
            for each in result.measurements.values()
            if each.variant_passes and not each.variant.traits.hands_over_batches
        )
    )


def _about_base(base: Base, earlier: EarlierSessions | None, python: Path | None) -> dict[str, Any]:
    """Return what the JSON says of what a variant is compared with, and of its sessions before this one."""
    found: dict[str, Any] = {"base_revision": base.revision or None}
    if python is not None:
        found["base_python"] = str(python)
    if earlier is not None:
        found["earlier_sessions"] = [
            {"variant_seconds": [*each.head], "base_seconds": [*each.base]} for each in earlier.sessions
        ]
    return found
