"""Measures one workload from beginning to end: reference, guard, dumps, rotation."""

from __future__ import annotations

import errno
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TextIO

from loader_gate.machine.machine import NoiseReading, free_memory, read_noise
from loader_gate.progress import Progress
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation.rotation import Measurement, Rotation
from loader_gate.same_work.reference import build_reference
from loader_gate.session.dumps import (
    MANIFEST,
    DumpError,
    break_even_epochs,
    cached_share,
    dump_key,
    finished_dump,
)
from loader_gate.session.guard import (
    LIMIT_WORKER_BYTES,
    TRAINING_WORKER_BYTES,
    WORKER_BYTES,
    WRITING_KINDS,
    disk_needed,
    disk_problem,
    memory_needed,
    memory_problem,
)
from loader_gate.sizes import format_size
from loader_gate.statistics.estimates import Estimate, steady
from loader_gate.verdict.change import judge_once, with_one_more
from loader_gate.verdict.verdict import Verdict, unmeasured
from loader_gate.worker.consumers import EmulatedAccelerator
from loader_gate.worker.process import DRAIN, WorkerError, WorkerProcess, bytes_in
from loader_gate.worker.timing import PassTiming
from loader_gate.workloads.training import ARTICLE_RATIO
from loader_gate.workloads.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from loader_gate.base.revision import Origin
    from loader_gate.session.dumps import Dump
    from loader_gate.trees.tree import Tree

#: What a break-even is held against.
STREAMING = "tfdata_no_cache"
#: Passes, after warming up, that tell what the baseline can feed to an accelerator.
CALIBRATION_PASSES = 5
#: What the folders of a variant at base end with.
AT_BASE = "-at-base"
#: Of fewer batches, too few come after the first one, for which a pipeline fills up, to tell a speed from.
CALIBRATION_BATCHES = 4
#: How much larger than predicted a dump may be.
DUMP_CEILING = 1.02
#: How much larger than base's a dump may be.
DUMP_TOLERANCE = 0.01


@dataclass(frozen=True)
class Limits:
    """What workers may use.

    Attributes:
        budget_seconds: The most measuring time a variant may take.
        hang_seconds: How long a worker may go without a batch.
        memory_bytes: The machine's or container's memory.
        memory_limit: ``--memory-limit`` in bytes, or None.
        disk_limit: ``--disk-limit`` in bytes, or None.
        guard: Whether a variant that is predicted not to fit is not even started.
    """

    budget_seconds: float
    hang_seconds: float
    memory_bytes: int
    memory_limit: int | None = None
    disk_limit: int | None = None
    guard: bool = True


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
    measurements: dict[str, Measurement]
    extra_info: dict[str, dict[str, Any]]
    noise: tuple[NoiseReading, NoiseReading]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Written:
    """A finished dump, and what share of it the page cache held before any pass read it."""

    dump: Dump
    cached_share: float | None


@dataclass
class Measuring:
    """One workload on its way through.

    Attributes:
        workload: What a pass does.
        tree: The images.
        search_path: Where workers look for modules.
        limits: What workers may use.
        judge: Gives a verdict on a variant's estimate; see `Rotation`.
        beside_others: Says what other programs take of the machine; see `Rotation`.
        stream: Where progress is shown.
        not_timed: Why nothing may be timed; empty if it may.
        keep_dumps: Where dumps are kept from session to session, or None.
        machine: Fingerprint of this machine.
        origins: Where the code of variants at base comes from, by variant; of those that have one.
        tolerance: The share by which head may be slower than base.
        notes: Lines for people.
    """

    workload: Workload
    tree: Tree
    search_path: list[str]
    limits: Limits
    judge: Callable[[Variant, Estimate, bool], Verdict | None]
    beside_others: Callable[[], str]
    stream: TextIO
    not_timed: str = ""
    keep_dumps: Path | None = None
    machine: str = ""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    tolerance: float = 0.0
    notes: list[str] = field(default_factory=list)

    def run(self, variants: Sequence[Variant], wanted: Sequence[str]) -> Result:
        """Measure variants.

        Args:
            variants: All variants of the session, the baseline among them.
            wanted: Names of those to measure; the baseline is, in any case.
        """
        before = read_noise()
        folder = Path(tempfile.mkdtemp(prefix="loader-gate-"))
        try:
            spec = Spec(self.workload.image_size, self.workload.batch_size, True, 0, folder / "cache")
            chosen = [variant for variant in variants if variant.name in {BASELINE, *wanted}]
            problem = self._decode_reference(folder / "reference")
            if problem:
                refused = {variant.name: _without_passes(variant, problem) for variant in chosen}
            else:
                refused = self._guard(chosen, variants, spec, folder)
            dumps: dict[str, _Written] = {}
            specs: dict[str, Spec] = {}
            if self.workload.name == "dump" and not self.not_timed and not problem:
                self._write_dumps(chosen, spec, dumps, specs, refused)
                at_base = {*wanted} & {*self.origins} & {*dumps}
                writers = [variant for variant in chosen if variant.name in at_base]
                if writers:
                    self._write_dumps_at_base(writers, spec, dumps, specs)
                if dumps:
                    chosen += [each for each in variants if each.name == STREAMING and each not in chosen]
                else:  # the baseline would be measured in vain
                    reason = "there is no dump to hold against it"
                    others = [variant for variant in chosen if variant.name not in refused]
                    refused.update({each.name: _without_passes(each, reason) for each in others})
            if self.workload.name == "training" and not problem:
                self._set_speed(spec)
            running = [variant for variant in chosen if variant.name not in refused]
            compared = [name for name in wanted if self._is_comparable(name, dumps)]
            measured = self._rotate(running, compared, spec, specs, folder / "reference") if running else {}
            measurements = {
                variant.name: refused.get(variant.name) or measured[variant.name] for variant in chosen
            }
            extra_info = self._extra_info(measurements, dumps, specs)
            self._note(extra_info)
            self._check_ceiling(measurements, extra_info)
            self._compare_dumps(measurements, dumps)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        noise = (before, read_noise())
        return Result(self.workload, self.tree, measurements, extra_info, noise, tuple(self.notes))

    def _decode_reference(self, folder: Path) -> str:
        """Make the reference decode; return why that cannot be done, or nothing."""
        size = self.workload.image_size
        try:
            with Progress("Decoding the reference", len(self.tree), self.stream) as progress:
                build_reference(self.tree, size, folder, lambda done, _: progress.update(done))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return (
                f"the reference decode of the tree does not fit onto the disk of {folder.parent.parent}: "
                "free some, set TMPDIR to a larger disk, or use a smaller tree or --image-size"
            )
        return ""

    def _start(
        self, variant: Variant, disk: Path | None = None, origin: Origin | None = None
    ) -> WorkerProcess:
        return WorkerProcess(
            variant,
            self.search_path,
            self.limits.hang_seconds,
            see_gpu=self.workload.device is not None and self.workload.device.name == "gpu",
            memory_limit=self.limits.memory_limit,
            disk_limit=None if disk is None else self.limits.disk_limit,
            disk_folder=disk,
            origin=origin,
        )

    def _guard(
        self, chosen: Sequence[Variant], variants: Sequence[Variant], spec: Spec, folder: Path
    ) -> dict[str, Measurement]:
        """Refuse variants whose cache or dump is predicted not to fit."""
        refused: dict[str, Measurement] = {}
        if not self.limits.guard:
            return refused
        limits, images = self.limits, len(self.tree)
        where = folder
        if self.keep_dumps is not None and self.workload.name == "dump":
            self.keep_dumps.mkdir(parents=True, exist_ok=True)
            where = self.keep_dumps
        training = self.workload.consumer["name"] == "model"
        needed = {variant.name: memory_needed(variant, images, spec) for variant in variants}
        on_disk = {
            variant.name: 0 if self._is_kept(variant, spec) else disk_needed(variant, images, spec)
            for variant in chosen
        }
        free = min(free_memory(), limits.memory_bytes)

        def of_worker(variant: Variant) -> int:
            if variant.kind == "limit":
                return LIMIT_WORKER_BYTES
            return TRAINING_WORKER_BYTES if training else WORKER_BYTES

        def of_process(variant: Variant) -> int:
            return of_worker(variant) + needed[variant.name]

        def processes(variant: Variant) -> int:
            return 2 if variant.name in self.origins else 1

        def problem_of(variant: Variant, alternatives: Collection[str] = ()) -> str:
            others = [each for each in chosen if each.name not in refused and each is not variant]
            return memory_problem(
                variant,
                images,
                spec,
                free,
                limits.memory_limit,
                alternatives,
                of_worker(variant),
                sum(processes(each) * of_process(each) for each in others)
                + (processes(variant) - 1) * of_process(variant),
            )

        def disk_problem_of(variant: Variant) -> str:
            if not on_disk[variant.name]:
                return ""
            all_copies = sum(
                processes(each) * on_disk[each.name] for each in chosen if each.name not in refused
            )
            others = all_copies - on_disk[variant.name]
            return disk_problem(variant, images, spec, where, limits.disk_limit, others)

        # Where not all fit beside each other, the largest one goes first.
        for variant in sorted(chosen, key=lambda each: (needed[each.name], on_disk[each.name]), reverse=True):
            problem = problem_of(variant)
            if problem:
                streams = [
                    each
                    for each in variants
                    if each.kind in ("streaming", "dump") and self.workload.name in each.default
                ]
                alternatives = [
                    each.name
                    for each in streams
                    if each.name != BASELINE and needed[each.name] < needed[variant.name]
                ]
                problem = problem_of(variant, alternatives or [BASELINE])
            else:
                problem = disk_problem_of(variant)
            if problem:
                refused[variant.name] = _without_passes(variant, problem)
        return refused

    def _is_kept(self, variant: Variant, spec: Spec) -> bool:
        """Return whether there may be a dump of an earlier session, for which no more disk is needed."""
        if self.keep_dumps is None or variant.kind != "dump" or self.workload.name != "dump":
            return False
        return (self.keep_dumps / f"{variant.name}-{dump_key(variant, self.tree, spec)}" / MANIFEST).is_file()

    def _write_dumps(
        self,
        chosen: Sequence[Variant],
        spec: Spec,
        dumps: dict[str, _Written],
        specs: dict[str, Spec],
        refused: dict[str, Measurement],
    ) -> None:
        """Write the dump of each variant that has one, unless a finished one was kept."""
        if self.keep_dumps is not None:
            spec = replace(spec, cache_dir=self.keep_dumps)
        writers = [each for each in chosen if each.kind == "dump" and each.name not in refused]
        with Progress("Writing dumps", len(writers), self.stream) as progress:
            for done, variant in enumerate(writers):
                own = spec.for_variant(f"{variant.name}-{dump_key(variant, self.tree, spec)}")
                start = partial(self._start_writer, spec=own, done=done, progress=progress)
                progress.update(done, variant.name)
                try:
                    dump = finished_dump(variant, self.tree, own, start, self.notes.append, self.machine)
                    # The passes to come will bring all of it into the page cache.
                    dumps[variant.name] = _Written(dump, cached_share(own.cache_dir))
                    specs[variant.name] = own
                except (WorkerError, DumpError) as error:
                    refused[variant.name] = _without_passes(variant, str(error))

    def _start_writer(
        self, variant: Variant, spec: Spec, done: int, progress: Progress, origin: Origin | None = None
    ) -> WorkerProcess:
        """Start a worker that writes a dump, and say how far it is while it does."""
        predicted = variant.predicted_bytes(len(self.tree), spec) or 0
        worker = self._start(variant, spec.cache_dir, origin)

        def say() -> None:
            written = bytes_in(spec.cache_dir)
            share = min(1.0, written / predicted) if predicted else 0.0
            of = f" of {format_size(predicted)}" if predicted else ""
            progress.update(done + share, f"{variant.name}, {format_size(written)}{of}")

        worker.on_alive = say
        return worker

    def _write_dumps_at_base(
        self,
        writers: Sequence[Variant],
        spec: Spec,
        dumps: dict[str, _Written],
        specs: dict[str, Spec],
    ) -> None:
        """Write the dumps that base makes, which are never kept."""
        with Progress("Writing dumps of base", len(writers), self.stream) as progress:
            for done, variant in enumerate(writers):
                name = f"{variant.name}{AT_BASE}"
                own = spec.for_variant(name)
                origin = self.origins[variant.name]
                start = partial(self._start_writer, spec=own, done=done, progress=progress, origin=origin)
                progress.update(done, variant.name)
                try:
                    say = self.notes.append
                    dump = finished_dump(variant, self.tree, own, start, say, self.machine, at_base=True)
                    dumps[name] = _Written(dump, None)
                    specs[name] = own
                except (WorkerError, DumpError) as error:
                    self.notes.append(
                        f"{variant.name} is not compared with base, where its dump failed: {error}."
                    )

    def _is_comparable(self, name: str, dumps: Mapping[str, _Written]) -> bool:
        """Return whether a variant can be measured at base, too."""
        return name in self.origins and (name not in dumps or f"{name}{AT_BASE}" in dumps)

    def _compare_dumps(self, measurements: dict[str, Measurement], dumps: Mapping[str, _Written]) -> None:
        """Fail a variant whose dump has grown against base."""
        for name, measurement in measurements.items():
            head, base = dumps.get(name), dumps.get(f"{name}{AT_BASE}")
            if head is None or base is None or not base.dump.bytes or not measurement.verdict.changes:
                continue
            ratio = head.dump.bytes / base.dump.bytes
            change = judge_once("dump bytes", Estimate(ratio, ratio, ratio, 1), DUMP_TOLERANCE)
            measurements[name] = replace(measurement, verdict=with_one_more(measurement.verdict, change))

    def _set_speed(self, spec: Spec) -> None:
        """Measure the emulated accelerator's own error; give it a speed first if it has none yet."""
        if self.not_timed or self.workload.consumer["name"] != "emulated":
            return
        batches = -(-len(self.tree) // self.workload.batch_size)
        if self.workload.device is None and batches < CALIBRATION_BATCHES:
            self.not_timed = (
                f"--device emulated gets its speed from epochs of {BASELINE}, which need at least "
                f"{CALIBRATION_BATCHES} batches and have {batches} here: use a larger tree or a smaller "
                "--batch-size, or give the speed with --device emulated:IMAGES_A_SECOND"
            )
            return
        with Progress("Setting up the emulated accelerator", None, self.stream) as progress:
            if self.workload.device is None:
                worker = self._start(Variant(BASELINE, f"loader_gate.variants.{BASELINE}"))
                try:
                    feeds = self._calibrate(worker, spec, progress)
                except WorkerError as problem:
                    self.not_timed = f"the emulated accelerator could not be set up: {problem}"
                    return
                finally:
                    worker.end()
                self.workload = self.workload.at(ARTICLE_RATIO * feeds)
                self.notes.append(
                    f"Emulated accelerator: {ARTICLE_RATIO * feeds:,.0f} images/s, {ARTICLE_RATIO} times "
                    f"the {feeds:,.0f} that {BASELINE} can feed."
                )
            progress.update(0, "measuring its pace")
            rate = float(self.workload.consumer["images_per_second"])
            error = EmulatedAccelerator(self.tree, spec, rate).pacing_error()
        self.notes.append(f"Emulated accelerator: an epoch takes {error:.2%} longer than planned.")

    def _calibrate(self, worker: WorkerProcess, spec: Spec, progress: Progress) -> float:
        """Return how many images a second the baseline can feed."""
        own = spec.for_variant("calibration")
        worker.open(self.tree, own, {"name": "emulated", "images_per_second": float("inf")})

        def timed_pass(what: str) -> PassTiming:
            text = f"{what} {BASELINE}, for its speed"
            progress.update(0, text)
            worker.on_alive = lambda: progress.update(0, text)
            return PassTiming(**worker.ask("pass", epochs=1))

        warm: list[float] = []
        while not steady(warm):
            warm.append(timed_pass("warming up").seconds)
        passes = [timed_pass("timing") for _ in range(CALIBRATION_PASSES)]
        return median(self._feeding_rate(each) for each in passes)

    def _feeding_rate(self, timing: PassTiming) -> float:
        """Return how many images a second came, apart from the first batch, for which a pipeline fills up."""
        first = min(self.workload.batch_size, len(self.tree) - 1)
        return (len(self.tree) - first) / (timing.seconds - timing.first_batch_seconds)

    def _rotate(
        self,
        running: Sequence[Variant],
        compared: Sequence[str],
        spec: Spec,
        specs: dict[str, Spec],
        reference: Path,
    ) -> dict[str, Measurement]:
        with Progress(f"Measuring {self.workload.name}", None, self.stream) as progress:

            def spec_of(variant: Variant, at_base: bool = False) -> Spec:
                name = f"{variant.name}{AT_BASE}" if at_base else variant.name
                return specs.get(name) or spec.for_variant(name)

            def start(variant: Variant, at_base: bool = False) -> WorkerProcess:
                own = spec_of(variant, at_base)
                origin = self.origins[variant.name] if at_base else None
                if own in specs.values():  # its dump is there already, and may be there to stay
                    return self._start(variant, origin=origin)
                writes = variant.kind in WRITING_KINDS
                worker = self._start(variant, own.cache_dir if writes else None, origin)
                worker.folder = own.cache_dir
                return worker

            rotation = Rotation(
                running,
                start,
                self.judge,
                self.limits.budget_seconds,
                lambda text: progress.update(0, text),
                start_base=lambda variant: start(variant, True) if variant.name in compared else None,
                tolerance=self.tolerance,
                beside_others=self.beside_others,
            )
            return rotation.run(
                self.tree,
                spec_of,
                reference,
                # Building a model would be in vain, and an accelerator may not have its speed yet.
                DRAIN if self.not_timed else self.workload.consumer,
                only_check=self.not_timed,
            )

    def _extra_info(
        self, measurements: dict[str, Measurement], dumps: dict[str, _Written], specs: dict[str, Spec]
    ) -> dict[str, dict[str, Any]]:
        """Return what only this workload has to say."""
        found: dict[str, dict[str, Any]] = {name: {} for name in measurements}
        for name, measurement in measurements.items():
            timings = measurement.variant_passes
            if self.workload.device is not None and timings:
                busy = [each.accelerator_utilisation for each in timings if each.accelerator_utilisation]
                found[name]["device"] = str(self.workload.device)
                found[name]["accelerator_utilisation"] = median(busy) if busy else None
            if name in dumps and timings:
                found[name].update(self._of_dump(measurement, dumps[name], specs[name], measurements))
        return found

    def _of_dump(
        self, measurement: Measurement, written: _Written, spec: Spec, measurements: dict[str, Measurement]
    ) -> dict[str, Any]:
        images, dump = len(self.tree), written.dump
        predicted = measurement.variant.predicted_bytes(images, spec)
        epochs, break_even = self._break_even(measurement, dump, measurements.get(STREAMING))
        return {
            "cold_seconds": dump.cold_seconds,
            "dump_bytes": dump.bytes,
            "dump_files": len(dump.files),
            "dump_bytes_per_image": dump.bytes / images,
            "predicted_bytes_per_image": None if predicted is None else predicted / images,
            "median_psnr": measurement.median_psnr,
            "break_even_epochs": epochs,
            "break_even": break_even,
            "dump_history": dump.history,
            "dump_date": dump.date,
            "dump_of_this_machine": dump.machine == self.machine,
            "page_cache_share": written.cached_share,
        }

    def _break_even(
        self, warm: Measurement, dump: Dump, streaming: Measurement | None
    ) -> tuple[int | None, str]:
        """Return after how many epochs a dump has paid for itself, and the same in words."""
        not_known = "when it has paid for itself is not known"
        if dump.machine != self.machine:  # seconds do not travel
            return None, f"{not_known}, as another machine wrote it"
        if streaming is None or not streaming.variant_passes:
            return None, f"{not_known}, as {STREAMING} could not be measured"
        epochs = break_even_epochs(dump.cold_seconds, _median_seconds(warm), _median_seconds(streaming))
        if epochs is None:
            return None, f"never pays against {STREAMING}"
        plural = "" if epochs == 1 else "s"
        return epochs, f"has paid for itself after {epochs} epoch{plural} against {STREAMING}"

    def _note(self, extra_info: dict[str, dict[str, Any]]) -> None:
        """Put into words what the table has no column for."""
        busy = [
            f"{name} {info['accelerator_utilisation']:.0%}"
            for name, info in extra_info.items()
            if info.get("accelerator_utilisation") is not None
        ]
        if busy:
            self.notes.append(f"Accelerator busy after its first step: {', '.join(busy)}.")
        for name, info in extra_info.items():
            if "dump_bytes" in info:
                self.notes.append(f"{name}: {_about_dump(info)}.")

    def _check_ceiling(
        self, measurements: dict[str, Measurement], extra_info: dict[str, dict[str, Any]]
    ) -> None:
        """Fail a variant whose dump is larger than predicted."""
        for name, info in extra_info.items():
            predicted = info.get("predicted_bytes_per_image")
            labels = 4 * len(self.tree.class_names)  # one-hot float32; the prediction is of pixels
            if not predicted or info["dump_bytes_per_image"] <= DUMP_CEILING * predicted + labels:
                continue
            verdict = measurements[name].verdict
            reason = (
                f"but its dump takes {format_size(info['dump_bytes_per_image'])} an image, above the ceiling "
                f"of {DUMP_CEILING} times the predicted {format_size(predicted)}: find what made it grow"
            )
            measurements[name] = replace(
                measurements[name], verdict=replace(verdict, status="fail", reason=reason)
            )


def _about_dump(info: dict[str, Any]) -> str:
    size, predicted = info["dump_bytes_per_image"], info["predicted_bytes_per_image"]
    cached = info["page_cache_share"]
    parts = [f"{format_size(info['dump_bytes'])} in {info['dump_files']} files, {size:,.0f} bytes an image"]
    if predicted:
        parts.append(f"{size / predicted - 1:+.2%} of the predicted {predicted:,.0f}")
    if info["median_psnr"] is not None:
        parts.append(f"median PSNR {info['median_psnr']:.1f} dB")
    seconds = f"in {info['cold_seconds']:.3g} s"
    if info["dump_history"].startswith("written"):
        parts.append(f"{info['dump_history']} {seconds}")
    else:
        day = f" on {info['dump_date']}" if info["dump_date"] else ""
        where = "this machine" if info["dump_of_this_machine"] else "another machine"
        parts.append(f"{info['dump_history']}, written by {where}{day} {seconds}")
    parts.append(info["break_even"])
    parts.append("read by a fresh process")
    if cached is not None:
        parts[-1] += f", {cached:.0%} of it in the page cache before that"
    return ", ".join(parts)


def _without_passes(variant: Variant, reason: str) -> Measurement:
    return Measurement(variant, variant.kind, unmeasured(reason), (), (), 0.0, None)


def _median_seconds(measurement: Measurement) -> float:
    return median(timing.seconds for timing in measurement.variant_passes)
