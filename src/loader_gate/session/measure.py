"""Measures one workload from beginning to end: reference, guard, dumps, rotation."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from loader_gate.machine.gpu import read_gpu
from loader_gate.machine.lacking import free_descriptors
from loader_gate.machine.memory import free_memory
from loader_gate.machine.noise import read_noise, used_by_others
from loader_gate.machine.page_cache import IN_MEMORY, file_system_of
from loader_gate.machine.temporary import OwnedFolder, remove_abandoned
from loader_gate.progress import Progress
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import AUGMENTS, Spec
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation.measurement import Measurement
from loader_gate.rotation.rehearsals import Rehearsals
from loader_gate.rotation.rotation import Watch, rotate
from loader_gate.rotation.runner import Job
from loader_gate.same_work.reference import build_reference
from loader_gate.session import accelerator
from loader_gate.session.bindings import about_other_workloads
from loader_gate.session.cold import ColdPlan, about_cold, about_warm, plan_cold
from loader_gate.session.dump_writer import Dumps, DumpWriter, about_disk, is_kept
from loader_gate.session.figures import (
    STREAMING,
    Figures,
    about_look_alikes,
    about_no_limit,
    about_parts,
    remarks,
)
from loader_gate.session.guard import Free, descriptors_problem, need_of, refused
from loader_gate.session.headspace import about_headspace
from loader_gate.session.profiling import Profiler, Profiles, is_slower
from loader_gate.session.result import Result, naming_odd_files, without_passes
from loader_gate.session.settings import Settings
from loader_gate.session.workers import Launcher, SessionWorkers
from loader_gate.trees.tree import Tree
from loader_gate.verdict.change import Change, with_changes
from loader_gate.verdict.earlier import confirmed
from loader_gate.worker.epoch import DRAIN
from loader_gate.worker.forked import Templates
from loader_gate.workloads.workload import Workload

if TYPE_CHECKING:
    from loader_gate.base.base import Base
    from loader_gate.machine.noise import NoiseReading
    from loader_gate.verdict.earlier import EarlierSessions
    from loader_gate.verdict.rules import Rules


def measure(
    workload: Workload,
    settings: Settings,
    tree: Tree,
    wanted: Sequence[str],
    base: Base | None,
    stream: TextIO,
) -> Result:
    """Measure one workload.

    Args:
        workload: What a pass does.
        settings: The settings of the session.
        tree: The images.
        wanted: Names of the variants whose tests run; the baseline is measured in any case, and so is what
            the settings want measured beside others.
        base: What variants are compared with, if with anything.
        stream: Where progress is shown.
    """
    before = _noise(workload)
    # A dump is held against a variant that this session may not have.
    ungated = [each.name for each in settings.ungated_in(workload) if not each.absence(workload.augment)]
    measured_names = tuple(dict.fromkeys([*wanted, *ungated]))
    known = tuple(dict.fromkeys([*settings.variants, *built_in_variants()]))
    remove_abandoned()
    with OwnedFolder() as own, closing(Templates()) as templates:
        folder = Path(own)
        run = _WorkloadRun(workload, settings, tree, known, base, templates, stream)
        cold = run.plan_cold(measured_names, folder)
        problem = cold.problem or _decode_reference(workload, settings, tree, folder / "reference", stream)
        plan = run.plan(measured_names, folder, problem, cold)
        rules = settings.gating.rules(
            workload,
            tree,
            [each for each in settings.variants if each.name in wanted],
            settings.place.machine.cores,
        )
        measured = run.rotate(plan, measured_names, rules, folder, before) if plan.running else {}
        figures = Figures(plan.workload, tree, plan.dumps, settings.place.machine, cold)
        measurements = {
            each.name: without_passes(each, plan.refused[each.name])
            if each.name in plan.refused
            else measured[each.name]
            for each in plan.variants
        }
        if base is not None:
            measurements = {name: run.compared(each, base) for name, each in measurements.items()}
        extra_info = figures.extra_info(measurements)
        earlier = settings.earlier_in(workload)
        judged = {name: naming_odd_files(figures.judged(each), tree) for name, each in measurements.items()}
        judged = _confirmed(judged, earlier)
        profiles = run.profile(plan, measured_names, folder, judged)
    return Result(
        plan.workload,
        tree,
        {name: profiles.named(each) for name, each in judged.items()},
        {name: {**info, **profiles.extra_info(name)} for name, info in extra_info.items()},
        (before, _noise(workload)),
        (
            *cold.notes,
            *about_cold(measurements, extra_info, tree),
            *plan.notes,
            *profiles.remarks,
            *about_parts(measurements.values(), len(tree)),
            *remarks(measurements, extra_info),
            *about_headspace(plan.workload, measurements, len(tree)),
            *settings.place.machine.remarks(),
            *about_look_alikes(measurements.values(), tree),
            *about_no_limit(workload, measurements.values()),
            *about_other_workloads(settings.place.bindings, workload),
            *about_warm(settings.workload_options.cold, workload),
        ),
    )


def _noise(workload: Workload) -> NoiseReading:
    """Return what the system shows of noise now, and the GPU if the workload is on one."""
    reading = read_noise()
    return replace(reading, gpu=read_gpu()) if workload.uses_gpu else reading


def _confirmed(
    measurements: Mapping[str, Measurement], earlier: Mapping[str, EarlierSessions]
) -> dict[str, Measurement]:
    """Return measurements with verdicts that heed what earlier sessions have found; see `confirmed`."""
    return {
        name: replace(each, verdict=confirmed(each.verdict, earlier[name])) if name in earlier else each
        for name, each in measurements.items()
    }


@dataclass(frozen=True)
class _Plan:
    """What is going to be measured, and what is not.

    Attributes:
        workload: The workload, with the device it runs on.
        variants: Every variant that gets a measurement.
        refused: Why some of them are not even started, by name.
        dumps: What has been written beforehand.
        notes: Lines for people.
        not_timed: Why nothing may be timed; empty if it may.
    """

    workload: Workload
    variants: Sequence[Variant]
    refused: Mapping[str, str]
    dumps: Dumps = field(default_factory=Dumps)
    notes: tuple[str, ...] = ()
    not_timed: str = ""

    @property
    def running(self) -> list[Variant]:
        return [each for each in self.variants if each.name not in self.refused]


def _spec_of(workload: Workload, cache: Path, service: str) -> Spec:
    size, augment = workload.image_size, workload.augment
    return Spec(size, workload.batch_size, True, 0, cache, service=service, augment=augment)


def _decode_reference(
    workload: Workload, settings: Settings, tree: Tree, folder: Path, stream: TextIO
) -> str:
    """Make the reference decode; return why that cannot be done, or nothing."""
    try:
        with Progress("Decoding the reference", None, stream) as progress:

            def tell(done: int, pictures: int) -> None:
                progress.update(done, total=pictures)  # far fewer than images, where many are links

            build_reference(tree, workload.image_size, folder, tell, settings.seed_of(workload))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return (
            f"the reference decode of the tree does not fit onto the disk of {folder.parent.parent}: "
            "free some, set TMPDIR to a larger disk, or use a smaller tree or --image-size"
        )
    return ""


@dataclass(frozen=True)
class _WorkloadRun:
    """One workload on its way through; see `measure`."""

    workload: Workload
    settings: Settings
    tree: Tree
    known: Sequence[Variant]
    base: Base | None
    templates: Templates
    stream: TextIO

    def plan_cold(self, wanted: Sequence[str], folder: Path) -> ColdPlan:
        """Return whether passes can begin cold, if they are to."""
        if not self.workload.is_cold or self.settings.place.not_timed:
            return ColdPlan()
        allowance = self.settings.allowance
        variants = [each for each in self.known if each.name in {BASELINE, *wanted}]
        kept = allowance.keep_dumps if self.workload.writes_dumps else None
        return plan_cold(self.tree, variants, folder, kept, allowance.limits.memory_limit)

    def plan(self, wanted: Sequence[str], folder: Path, problem: str, cold: ColdPlan) -> _Plan:
        """Refuse what cannot be measured, and prepare what the rest needs.

        Args:
            wanted: Names of the variants to measure.
            folder: The session's own folder.
            problem: Why nothing can be measured; empty if something can.
            cold: What cannot begin cold.
        """
        chosen = [
            replace(
                each,
                bounds=each.bounds if each.can_bound(self.tree) else (),
                # One that decodes only the part which it needs may beat the decoder of whole files.
                is_strict=self.workload.augment == AUGMENTS[0],
            )
            for each in self.known
            if each.name in {BASELINE, *wanted}
        ]
        not_timed = self.settings.place.not_timed
        if problem:
            return _Plan(self.workload, chosen, dict.fromkeys((each.name for each in chosen), problem))
        refused = {**self._refused(chosen, folder), **cold.refused}
        plan = _Plan(self.workload, chosen, refused, not_timed=not_timed)
        if not_timed:
            return plan
        if self.workload.writes_dumps:
            return self._with_dumps(plan, wanted, folder)
        if self.workload.is_emulated:
            found = accelerator.set_up(
                self.workload, self.tree, self._spec(folder), self._launcher(), self.stream
            )
            return replace(plan, workload=found.workload, notes=found.notes, not_timed=found.problem)
        return plan

    def _refused(self, chosen: Sequence[Variant], folder: Path) -> dict[str, str]:
        """Return why variants are refused whose cache or dump is predicted not to fit."""
        allowance, images, spec = self.settings.allowance, len(self.tree), self._spec(folder)
        if not allowance.guarded:
            return {}
        kept = allowance.keep_dumps if self.workload.writes_dumps else None
        if kept is not None:
            kept.mkdir(parents=True, exist_ok=True)
            folder = kept
        origins = self._launcher().origins
        file_bytes = self.tree.mean_bytes()
        on_fewer_cores = self.settings.on_fewer_cores(self.workload, [each.name for each in chosen])
        needs = {
            each.name: need_of(
                each,
                images,
                spec,
                file_bytes=file_bytes,
                trains=self.workload.trains_a_model,
                processes=(2 if each.name in origins else 1) + len(on_fewer_cores.get(each.name, ())),
            )
            for each in self.known
        }
        crowd = descriptors_problem(sum(needs[each.name].processes for each in chosen), free_descriptors())
        if crowd:
            return dict.fromkeys((each.name for each in chosen), crowd)
        frugal = [
            needs[each.name]
            for each in self.known
            if each.traits.is_frugal and self.workload.name in each.default and each.name != BASELINE
        ]
        free = min(free_memory(), self.settings.place.machine.memory_bytes)
        return refused(
            [
                replace(needs[each.name], disk=0)
                if is_kept(each, self.tree, spec, kept)
                else needs[each.name]
                for each in chosen
            ],
            Free(free, shutil.disk_usage(folder).free, file_system_of(str(folder)) in IN_MEMORY),
            allowance.limits,
            frugal,
        )

    def _with_dumps(self, plan: _Plan, wanted: Sequence[str], folder: Path) -> _Plan:
        """Write the dumps; a variant that has none is not measured."""
        launcher = self._launcher()
        writer = DumpWriter(
            self.tree,
            lambda variant, at_base, own: launcher.start(variant, at_base, writes_to=own),
            self.settings.place.machine.fingerprint,
            self.settings.allowance.keep_dumps,
            self.stream,
        )
        dumps = writer.write(plan.running, self._spec(folder), {*wanted} & {*launcher.origins})
        refused, variants = {**plan.refused, **dumps.failed}, plan.variants
        if dumps.head:
            others = [
                each
                for each in self.known
                if each.name == STREAMING and each not in variants and not each.absence()
            ]
            variants = [*variants, *others]
        else:  # the baseline would be measured in vain
            reason = "there is no dump to hold against it"
            refused = {**dict.fromkeys((each.name for each in variants), reason), **refused}
        notes = (*dumps.notes, *about_disk(self.settings.allowance.keep_dumps or folder))
        return replace(plan, variants=variants, refused=refused, dumps=dumps, notes=notes)

    def rotate(
        self, plan: _Plan, wanted: Sequence[str], rules: Rules, folder: Path, before: NoiseReading
    ) -> dict[str, Measurement]:
        """Measure what runs; ``before`` is the noise before anything was done."""
        workers, job = self._workers(plan, wanted, folder), self._job(plan, wanted, folder)
        with Progress(f"Measuring {plan.workload.name}", None, self.stream) as progress:
            watch = Watch(lambda text: progress.update(0, text), lambda: used_by_others(before, read_noise()))
            return rotate(plan.running, workers, job, rules, self.settings.pace, watch)

    def profile(
        self, plan: _Plan, wanted: Sequence[str], folder: Path, measurements: Mapping[str, Measurement]
    ) -> Profiles:
        """Profile what is to be, see `Profiler`; nothing of it is timed."""
        everything = self.settings.profiles_variants
        if not everything and not any(map(is_slower, measurements.values())):
            return Profiles()
        with Progress(f"Profiling {plan.workload.name}", None, self.stream) as progress:
            profiler = Profiler(
                self._workers(plan, wanted, folder),
                self._job(plan, wanted, folder),
                lambda text: progress.update(0, text),
            )
            return profiler.profile(measurements, everything)

    def compared(self, measurement: Measurement, base: Base) -> Measurement:
        """Return a measurement that says so where base was not timed, as both sides run the same code."""
        if measurement.variant.name not in base.unchanged:
            return measurement
        change = Change("seconds", "unchanged", None, self.settings.pace.tolerance)
        return replace(measurement, verdict=with_changes(measurement.verdict, [change]))

    def _workers(self, plan: _Plan, wanted: Sequence[str], folder: Path) -> SessionWorkers:
        return SessionWorkers(self._launcher(), self._spec(folder), plan.dumps, wanted)

    def _job(self, plan: _Plan, wanted: Sequence[str], folder: Path) -> Job:
        # Building a model would be in vain, and an accelerator may not have its speed yet.
        consumer = DRAIN if plan.not_timed else plan.workload.consumer
        seed = self.settings.seed_of(plan.workload)
        earlier = {name: each.log_ratios for name, each in self.settings.earlier_in(plan.workload).items()}
        # What holds a variant back is looked for with all of its data in the page cache.
        is_diagnosed = plan.workload.is_diagnosed and not plan.workload.is_cold
        rehearsals = Rehearsals(self.tree, folder / "rehearsals") if is_diagnosed else None
        return Job(
            self.tree,
            folder / "reference",
            consumer,
            seed,
            plan.not_timed,
            earlier,
            rehearsals,
            self.settings.on_fewer_cores(plan.workload, {BASELINE, *wanted}),
            plan.workload.is_cold,
        )

    def _spec(self, folder: Path) -> Spec:
        return _spec_of(self.workload, folder / "cache", self.settings.service)

    def _launcher(self) -> Launcher:
        return Launcher(
            self.settings.place.search_path,
            replace(
                self.settings.allowance.limits,
                see_gpu=self.workload.uses_gpu,
                trains=self.workload.trains_a_model,
                backend=self.settings.workload_options.backend,
            ),
            {} if self.base is None else self.base.origins,
            self.templates,
        )
