"""One pytest session: what was asked for, what was measured, and what is to be said about it."""

from __future__ import annotations

import textwrap
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from loader_gate.advice.guide import taken_bytes
from loader_gate.machine.machine import Machine, describe_noise, read_machine, read_noise, used_by_others
from loader_gate.plugin import books
from loader_gate.registry.variant import (
    ALL,
    BASELINE,
    WORKLOADS,
    RegistryError,
    Variant,
    built_in_variants,
    user_variant,
)
from loader_gate.statistics.estimates import FEWEST_BLOCKS
from loader_gate.verdict import floors
from loader_gate.verdict import verdict as gate
from loader_gate.worker.process import module_search_path
from loader_gate.workloads.workload import (
    Device,
    DeviceError,
    Workload,
    parse_device,
    tensorflow_sees_gpu,
    workload,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping, Sequence

    from pytest_benchmark.fixture import BenchmarkFixture

    from loader_gate.base.revision import Base
    from loader_gate.session.measuring import Result
    from loader_gate.statistics.estimates import Estimate
    from loader_gate.trees.tree import Tree

#: No floor is written from an interval wider than this share of the speedup, to either side.
WIDEST = 0.50
#: The most measuring time a variant may take if nothing is said, alone and against a base, in seconds.
BUDGET = 60.0
BUDGET_AGAINST = 90.0
#: More seconds or pixels than anybody needs, and no more than a timeout of the system can hold.
MOST = 1_000_000


class Session:
    """Holds the options and the measurements of one pytest session.

    Attributes:
        variants: The variants of this session that tests may measure, the baseline first.
        beside: Variants that are measured beside a repository's own loaders, and not gated.
        absent: Of those that cannot be measured, what is not installed and how to install it, by name.
        on_request: Workloads and the variants that take part in them only if ``--variant`` was given.
        machine: The machine it runs on.
        results: What was measured, by workload.
        extra_infos: What the JSON says of each benchmark.
        notes: Lines to print below the tables.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        options: argparse.Namespace,
        search_path: list[str],
        not_timed: str,
        machine: Machine,
        device: Device,
        choice: floors.Choice,
        own_floors: dict[str, float],
        beside: Sequence[Variant] = (),
    ) -> None:
        """Hold checked options; see `from_options`."""
        self.variants = tuple(variants)
        self.beside = tuple(beside)
        self.absent = {each.name: absence for each in (*variants, *beside) if (absence := each.absence())}
        self.on_request = {
            (name, each.name)
            for each in built_in_variants()
            for name in WORKLOADS
            if name not in each.default
        }
        self.machine = machine
        self.results: dict[str, Result] = {}
        self.extra_infos: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self._failures: dict[str, Exception] = {}
        self._skipped: dict[str, list[str]] = {}
        self._options = options
        self._search_path = search_path
        self._not_timed = not_timed
        self._choice = choice
        self._own_floors = own_floors
        self._declared_floors: dict[tuple[str, str], float] = {}
        self._device = device
        self._base: Base | None = None
        self._noise_before = read_noise()
        self._while_open = ExitStack()

    @classmethod
    def from_options(cls, options: argparse.Namespace, started_in: Path, not_timed: str) -> Session:
        """Check the options of a session.

        Args:
            options: pytest's parsed options.
            started_in: The folder that pytest was started in.
            not_timed: Why nothing may be timed; empty if it may.

        Raises:
            RegistryError: An unknown variant, or a loader or number that cannot be used.
            FloorsError: A wrong floor, profile or file of floors.
            DeviceError: A device that there is not.
        """
        for name in ("image_size", "batch_size", "budget", "hang_after"):
            value = getattr(options, name)
            if value is not None and not 0 < value < MOST:
                option = "--" + name.replace("_", "-")
                raise RegistryError(f"{option} {value}: expected a number above 0 and below a million.")
        search_path = module_search_path(started_in)
        built_in = built_in_variants()
        variants = _chosen(built_in, options.variant)
        for loader in options.loader:
            variant = user_variant(loader, search_path)
            if any(variant.name == other.name for other in (*built_in, *variants)):
                raise RegistryError(
                    f"--loader {loader}: a variant is named {variant.name} already; rename the function."
                )
            variants.append(variant)
        machine = read_machine()
        choice = _picked_floors(options, built_in, machine)
        if options.update_floors and choice.profile is None:
            raise floors.FloorsError(f"--update-floors: {choice.reason}")
        device = parse_device(options.device, machine.gpu is not None)
        if options.weights not in (None, "imagenet") and not Path(options.weights).is_file():
            raise DeviceError(f"--weights {options.weights}: no such file; give one, or imagenet.")
        if options.weights is not None and device.name == "emulated":
            raise DeviceError(
                f"--weights {options.weights}: the emulated accelerator has no model; leave it out, or give "
                "--device cpu or gpu."
            )
        # A name may still turn out to be that of a loader which is found by collecting tests.
        names = {variant.name for variant in variants}
        names |= {name for text in options.floor if (name := text.rpartition("=")[0].strip()).isidentifier()}
        own_floors = dict(floors.parse_floor(text, names) for text in options.floor)
        beside = _beside(built_in, options.variants)
        return cls(variants, options, search_path, not_timed, machine, device, choice, own_floors, beside)

    def add_loaders(
        self,
        loaders: Sequence[Variant],
        declared_floors: Mapping[tuple[str, str], float],
        beside: Sequence[Variant] = (),
    ) -> None:
        """Let loaders join that were found by collecting tests; called once, when all are.

        Args:
            loaders: The loaders.
            declared_floors: The floors that they were declared with, by workload and name.
            beside: More variants to measure beside them.

        Raises:
            RegistryError: One has the name of another variant.
            FloorsError: A ``--floor`` is of a variant that there is not.
        """
        taken = {each.name for each in (*built_in_variants(), *self.variants)}
        for loader in loaders:
            if loader.name in taken:
                raise RegistryError(
                    f"{loader.file}: a variant is named {loader.name} already; rename the function."
                )
        self.variants += tuple(loaders)
        self.beside = tuple(dict.fromkeys([*self.beside, *beside]))
        self._declared_floors = dict(declared_floors)
        for text in self._options.floor:
            floors.parse_floor(text, [each.name for each in self.variants])

    @property
    def measured(self) -> bool:
        """Return whether any variant has figures."""
        return any(
            measurement.verdict.status != "unmeasured"
            for result in self.results.values()
            for measurement in result.measurements.values()
        )

    @property
    def profile(self) -> str | None:
        """Return the name of the profile whose floors hold."""
        return None if self._choice.profile is None else self._choice.profile.name

    @property
    def against(self) -> bool:
        """Return whether variants are compared with a base."""
        return self._options.against is not None or self._options.against_python is not None

    @property
    def named(self) -> list[Variant]:
        """Return the variants that the command line names: loaders, and with ``--variant`` built-in ones."""
        return [each for each in self.variants if self._options.variant or not each.is_built_in]

    def takes_part(self, variant: Variant, workload: str, kinds: Collection[str]) -> bool:
        """Return whether a variant is measured in a workload by a test of such kinds."""
        by_default = (workload, variant.name) not in self.on_request
        return variant.kind in kinds and (by_default or bool(self._options.variant))

    def open_base(self, names: Collection[str]) -> None:
        """Find the code that variants are compared with; `close` removes what it takes.

        Args:
            names: The variants whose tests are going to run.

        Raises:
            RevisionError: There is no such revision or interpreter, or nothing in it to compare with.
        """
        from loader_gate.base.revision import base_of

        if self._not_timed:
            return
        options = self._options
        names = {BASELINE, *names, *(each.name for each in self.beside)}
        compared = [
            each
            for each in dict.fromkeys([*self.variants, *self.beside])
            if each.name in names and each.kind != "limit" and each.name not in self.absent
        ]
        self._base = self._while_open.enter_context(
            base_of(options.against, options.against_python, compared, self._search_path)
        )
        other = {**self._base.missing, **self._base.deleted}
        self.notes += [f"Against {self._base.description}: {name} {words}." for name, words in other.items()]

    def close(self) -> None:
        """Remove what `open_base` has made."""
        self._while_open.close()

    def floor(self, work: Workload, tree: Tree, variant: Variant) -> float | None:
        """Return the smallest speedup allowed, if there is one."""
        if variant.name in self._own_floors:
            return self._own_floors[variant.name]
        if (work.name, variant.name) in self._declared_floors:
            return self._declared_floors[work.name, variant.name]
        if work.floors is None or self._choice.profile is None or self._misfit(work, tree):
            return None
        return self._choice.profile.floor(work.floors, variant.floor_key)

    def _misfit(self, work: Workload, tree: Tree) -> str:
        """Return why the floors of the picked profile cannot hold here; one asked for always does."""
        asked_for = self._options.profile is not None or self._options.update_floors
        if self._choice.profile is None or work.floors is None or asked_for:
            return ""
        return self._choice.profile.misfit(work.floors, _work(work, tree))

    def measure(self, name: str, wanted: Sequence[str], tree: Tree, stream: TextIO) -> None:
        """Measure a workload, and keep what was measured.

        Args:
            name: The workload's name.
            wanted: Names of the variants to measure and gate; the baseline is measured in any case, and so is
                what is to be measured beside.
            tree: The images.
            stream: Where progress is shown.

        Raises:
            DeviceError: TensorFlow cannot use the GPU that was asked for.
        """
        from loader_gate.session.measuring import Limits, Measuring

        if name in self._failures:
            raise self._failures[name]
        options = self._options
        if name == "training" and self._device.name == "gpu" and not tensorflow_sees_gpu():
            raise DeviceError(
                "--device gpu: TensorFlow sees none; install tensorflow[and-cuda], or use --device emulated."
            )
        self._noise_before = read_noise()
        work = workload(name, self._device, options.image_size, options.batch_size, options.weights)
        beside = [each.name for each in self.beside if name != "dump" or each.kind == "dump"]
        self._skipped[name] = [each for each in dict.fromkeys([*wanted, *beside]) if each in self.absent]
        wanted = [each for each in wanted if each not in self.absent]
        measured = [*dict.fromkeys([*wanted, *(each for each in beside if each not in self.absent)])]
        # Others than the wanted ones only have to be there to be compared with.
        gated = {
            variant.name: (self.floor(work, tree, variant),)
            for variant in self.variants
            if variant.name in wanted
        }
        measuring = Measuring(
            workload=work,
            tree=tree,
            search_path=self._search_path,
            limits=Limits(
                options.budget or (BUDGET_AGAINST if self.against else BUDGET),
                options.hang_after,
                self.machine.memory_bytes,
                options.memory_limit,
                options.disk_limit,
                not options.no_guard,
            ),
            judge=lambda variant, estimate, last: self._judge(
                gated.get(variant.name), variant, estimate, last
            ),
            stream=stream,
            not_timed=self._not_timed,
            keep_dumps=options.keep_dumps,
            machine=self.machine.fingerprint,
            origins={} if self._base is None else self._base.origins,
            tolerance=options.tolerance,
            beside_others=self._beside_others,
        )
        try:
            # A dump is held against a variant that this session may not have.
            everything = dict.fromkeys([*self.variants, *built_in_variants()])
            self.results[name] = measuring.run([*everything], measured)
        except Exception as error:  # every further test of the workload fails with it, at once
            self._failures[name] = error
            raise

    def _judge(
        self, gated: tuple[float | None] | None, variant: Variant, estimate: Estimate, last: bool
    ) -> gate.Verdict | None:
        if variant.name == BASELINE:
            return gate.baseline_verdict(estimate.blocks)
        if gated is None:
            return gate.Verdict("pass", None, estimate, "not gated in this workload")
        if variant.kind == "limit" and (gated[0] is None or self._options.update_floors):
            return gate.limit_verdict(estimate) if last or estimate.blocks >= FEWEST_BLOCKS else None
        if not self._options.update_floors:
            verdict = gate.judge(estimate, gated[0], last)
            if verdict is not None and verdict.status == "pass" and not last and self._is_vague(estimate):
                return None
            if verdict is None or verdict.status != "fail":
                return verdict
            others = used_by_others(self._noise_before, read_noise())
            if others is None or not gate.is_excused(estimate, gated[0], others, self.machine.cores):
                return verdict
            reason = (
                f"but other programs used {others:.1f} of {self.machine.cores} cores meanwhile, which slows "
                "loaders of several threads more than the baseline: measure again, on an idle machine"
            )
            return replace(verdict, status="undecided", reason=reason) if last else None
        measured = gate.judge(estimate, None, last)
        if measured is None:
            return None
        floor = floors.supported_floor(estimate)
        if estimate.half_width > WIDEST:
            reason = "too uncertain to set a floor from: give it a larger --budget or a quieter machine"
            return replace(measured, reason=reason)
        return gate.Verdict("pass", floor, estimate, f"so its floor becomes {gate.number(floor)}")

    def _beside_others(self) -> str:
        return gate.beside_others(used_by_others(self._noise_before, read_noise()), self.machine.cores)

    def _is_vague(self, estimate: Estimate) -> bool:
        """Return whether a speedup is not known well enough to gate it by a saved one."""
        gated = bool(self._options.benchmark_compare_fail)
        return gated and estimate.half_width > self._options.tolerance

    def enter(self, name: str, variant: str, benchmark: BenchmarkFixture) -> None:
        """Enter what was measured into pytest-benchmark's books."""
        result = self.results[name]
        measurement = result.measurements[variant]
        if not measurement.variant_passes:
            books.leave_out(benchmark)
            return
        info = {
            "workload": name,
            "profile": self.profile,
            "tree": result.tree.digest,
            "image_size": result.workload.image_size[0],
            "batch_size": result.workload.batch_size,
            "schema": books.SCHEMA,
            **result.extra_info[variant],
        }
        if self._base is not None:
            info["base_revision"] = self._base.revision or None
        images, written = len(result.tree), measurement.written_bytes
        info |= taken_bytes(measurement.variant, measurement.kind, images, result.workload, written)
        books.record(benchmark, measurement, images, info)
        self.extra_infos.append(dict(benchmark.extra_info))

    def fails(self, name: str, variant: str) -> bool:
        """Return whether a variant's test has to fail."""
        return gate.fails_item(self.results[name].measurements[variant].verdict, self._options.gate)

    def sentence(self, name: str, variant: str) -> str:
        """Return the verdict in one sentence."""
        return gate.sentence(self.results[name].measurements[variant].verdict, variant, name, self.profile)

    def write_floors(self) -> None:
        """Write the floors that the measurements support."""
        import datetime

        if self._choice.profile is None:
            return
        for result in self.results.values():
            if result.workload.floors is None:
                self.notes.append("No floors are written for an accelerator of a speed that you have set.")
                continue
            estimates = {
                measurement.variant.floor_key: measurement.verdict.estimate
                for measurement in result.measurements.values()
                if measurement.verdict.status == "pass"
                and measurement.verdict.floor is not None
                and measurement.verdict.estimate is not None
            }
            written = floors.write_floors(
                self._options.floors,
                self._choice.profile.name,
                result.workload.floors,
                estimates,
                self.machine,
                datetime.datetime.now(datetime.timezone.utc).date(),
                work=_work(result.workload, result.tree),
            )
            where = f"profile {self.profile}, {result.workload.floors}, to {self._options.floors}"
            self.notes.append(f"Wrote {len(written)} floor{'' if len(written) == 1 else 's'} of {where}.")

    def table(self, name: str, colour: bool) -> list[str]:
        """Return what there is to say of a workload at the end, in lines for people."""
        from loader_gate.report.terminal import WIDTH, change_table, share_lines, verdict_table

        result = self.results[name]
        lines = verdict_table(result.measurements.values(), len(result.tree), colour)
        about = [*result.notes, *share_lines(result.measurements.values())]
        if self._base is not None:
            lines += ["", *change_table(result.measurements.values(), colour)]
            about.append(f"Change: head / base, below 1 is better. Base: {self._base.description}.")
        about += [f"Skipped: {each} {self.absent[each]}" for each in self._skipped.get(name, ())]
        about += [
            self._misfit(result.workload, result.tree) or self._choice.reason,
            f"Machine: {self.machine.describe()}.",
            f"Noise: {self._noise_seen(result)}.",
        ]
        return [*lines, *(line for text in about for line in textwrap.wrap(text, WIDTH))]

    def article(self, colour: bool) -> list[str]:
        """Return the article's table in lines for people; none if this session has none of its rows."""
        from loader_gate.report.article import article_rows
        from loader_gate.report.terminal import article_table

        rows = article_rows(self.results)
        return article_table(rows, colour) if rows else []

    def _about(self, result: Result) -> dict[str, Any]:
        """Return what the JSON says of a workload as a whole."""
        return {
            "tree": result.tree.name,
            "images": len(result.tree),
            "notes": list(result.notes),
            "floors": self._misfit(result.workload, result.tree) or self._choice.reason,
            "noise": self._noise_seen(result),
            "base": None if self._base is None else self._base.description,
        }

    def _noise_seen(self, result: Result) -> str:
        from loader_gate.statistics.estimates import read_control

        passes = [timing.seconds for timing in result.measurements[BASELINE].variant_passes]
        parts = [describe_noise(*result.noise)]
        if passes:
            control = read_control(passes)
            found = control.estimate
            interval = f"{gate.number(found.low)}–{gate.number(found.high)}"
            moved = ": the machine moved" if control.moved else ""
            parts.append(f"the baseline against itself {gate.number(found.ratio)} ({interval}){moved}")
            if control.contaminated:
                blocks = len(passes) // 2
                parts.append(f"{len(control.contaminated)} of {blocks} blocks contaminated")
        return ", ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """Return what the JSON says of the run as a whole."""
        from loader_gate.report.article import article_rows

        return {
            "schema": books.SCHEMA,
            "about": {name: self._about(result) for name, result in self.results.items()},
            "article": [asdict(row) for row in article_rows(self.results)],
            "unmeasured": [
                {"variant": variant, "workload": name, "reason": measurement.verdict.reason}
                for name, result in self.results.items()
                for variant, measurement in result.measurements.items()
                if measurement.verdict.status == "unmeasured"
            ],
            "gate": self._options.gate,
            "notes": list(self.notes),
        }


def _work(work: Workload, tree: Tree) -> floors.Work:
    return floors.Work(round(tree.mean_bytes()), work.image_size[0], len(tree), work.batch_size)


def _picked_floors(
    options: argparse.Namespace, built_in: Sequence[Variant], machine: Machine
) -> floors.Choice:
    """Return the profile to use, of the file of floors if there is one."""
    if options.floors is None:
        where = "give one with --floors FILE, or as floors in [tool.loader-gate] of pyproject.toml"
        for option in ("update-floors", "profile"):
            if getattr(options, option.replace("-", "_")):
                raise floors.FloorsError(f"--{option}: there is no file of floors; {where}.")
        return floors.Choice(None, f"No floors of a file: {where}.")
    known = floors.load_floors(
        options.floors, [variant.name for variant in built_in], may_be_new=options.update_floors
    )
    return floors.pick_profile(
        known, options.profile, machine.cores, machine.gpu is not None, may_be_new=options.update_floors
    )


def _beside(built_in: Sequence[Variant], names: Sequence[str]) -> list[Variant]:
    """Return the variants that pyproject.toml wants measured beside a repository's own loaders."""
    known = {variant.name: variant for variant in built_in}
    for name in names:
        if name != ALL and name not in known:
            raise RegistryError(
                f"variants in [tool.loader-gate] of pyproject.toml: there is no variant {name}; known: "
                f"{', '.join(known)}, or {ALL}."
            )
    return [each for each in built_in if each.name != BASELINE and (ALL in names or each.name in names)]


def _chosen(built_in: Sequence[Variant], names: Sequence[str]) -> list[Variant]:
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
        return [*built_in]
    if not names:
        return [variant for variant in built_in if variant.default]
    return [variant for variant in built_in if variant.name in {BASELINE, *names}]
