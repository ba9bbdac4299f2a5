"""Profiles variants when the rotation is over: a run of its own in a fresh process, which is never timed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from loader_gate.profile.collapsed import Code, Delivered, NoSamplesError, parse
from loader_gate.profile.flame import flame
from loader_gate.profile.functions import Gain, functions_of, gains, named
from loader_gate.profile.operations import profile_of
from loader_gate.profile.stages import shares_of
from loader_gate.session.py_spy import ProfilerError, found, record
from loader_gate.text import printable
from loader_gate.worker.origin import OWN_FOLDER
from loader_gate.worker.process import WorkerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from loader_gate.profile.stacks import Profile
    from loader_gate.registry.variant import Variant
    from loader_gate.rotation.measurement import Measurement
    from loader_gate.rotation.runner import Job
    from loader_gate.session.workers import SessionWorkers
    from loader_gate.worker.process import WorkerProcess
    from loader_gate.worker.timing import PassTiming

#: How long a variant is looked at.
SECONDS = 5.0
#: So many functions are in the JSON.
_MOST_FUNCTIONS = 20


@dataclass(frozen=True)
class Profiled:
    """The profile of a variant.

    Attributes:
        head: Of the code as it is.
        base: Of what it is compared with; None where that is not profiled.
    """

    head: Profile
    base: Profile | None = None

    @property
    def gained(self) -> list[Gain]:
        """Return the functions in which head spends more time than base."""
        return [] if self.base is None else gains(self.head, self.base)

    def extra_info(self) -> dict[str, Any]:
        """Return what the JSON says of it."""
        functions = [
            {
                "function": each.function.name,
                "file": each.function.file,
                "line": each.line,
                "self": each.self_share,
                "total": each.total_share,
            }
            for each in functions_of(self.head)[:_MOST_FUNCTIONS]
        ]
        nodes = [
            [
                *(each.parent, each.function.name, each.function.file, each.stage),
                *(_milliseconds(each.seconds), _milliseconds(each.base_seconds)),
            ]
            for each in flame(self.head, self.base)
        ]
        compared = {"profile_gained": [_as_json(each) for each in self.gained]} if self.base else {}
        return {
            "profile_tool": self.head.tool,
            "profile_stages": dict(shares_of(self.head)),
            "profile_functions": functions,
            "profile_flame": nodes,
            **compared,
        }


def _as_json(gain: Gain) -> dict[str, Any]:
    return {
        "function": gain.function.name,
        "file": gain.function.file,
        "line": gain.line,
        "milliseconds_an_image": 1000 * gain.seconds,
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 5)


@dataclass(frozen=True)
class Profiles:
    """The profiles of a workload.

    Attributes:
        of: By variant.
        remarks: Lines for people.
    """

    of: Mapping[str, Profiled] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def extra_info(self, name: str) -> dict[str, Any]:
        """Return what the JSON says of a variant's profile; nothing if it has none."""
        return self.of[name].extra_info() if name in self.of else {}

    def named(self, measurement: Measurement) -> Measurement:
        """Return a measurement whose verdict names the functions that have gained most, if any have."""
        profiled = self.of.get(measurement.variant.name)
        words = "" if profiled is None else printable(named(profiled.gained))
        if not words:
            return measurement
        verdict = measurement.verdict
        return replace(measurement, verdict=replace(verdict, reason=f"{verdict.reason.rstrip('.')}. {words}"))


@dataclass(frozen=True)
class Profiler:
    """Profiles variants of a workload.

    Attributes:
        workers: Start their processes.
        job: What those are asked to do.
        report: Told what is being done.
        seconds: How long each is looked at.
    """

    workers: SessionWorkers
    job: Job
    report: Callable[[str], None]
    seconds: float = SECONDS

    def profile(self, measurements: Mapping[str, Measurement], everything: bool) -> Profiles:
        """Profile what has become slower than base, with base; and all that was measured, if that is wanted.

        Args:
            measurements: What was measured, by variant.
            everything: Whether every variant is to be profiled, slower or not.
        """
        profiled: dict[str, Profiled] = {}
        problems: dict[str, list[str]] = {}
        for name, measurement in measurements.items():
            slower = is_slower(measurement)
            wanted = measurement.variant_passes and not measurement.variant.traits.is_limit
            if not wanted or not (everything or slower):
                continue
            try:
                head = self._of(measurement.variant, False, measurement.variant_passes)
                base = self._of(measurement.variant, True, measurement.base_passes) if slower else None
                if base is not None and base.tool != head.tool:
                    raise ProfilerError(f"head is seen by {head.tool}, base by {base.tool}: not comparable")
            except (ProfilerError, WorkerError) as error:
                problems.setdefault(str(error), []).append(name)
            else:
                profiled[name] = Profiled(head, base)
        remarks = [
            printable(f"Not profiled: {', '.join(names)}: {problem}.") for problem, names in problems.items()
        ]
        return Profiles(profiled, tuple(remarks))

    def _of(self, variant: Variant, at_base: bool, passes: Sequence[PassTiming]) -> Profile:
        """Return the profile of a variant on one side.

        Raises:
            ProfilerError: There is none.
            WorkerError: Its worker failed.
        """
        self.report(f"profiling {variant.name}{' at base' * at_base}")
        worker = self.workers.start(variant, at_base)
        try:
            spec = self.workers.spec(variant, at_base)
            opened = worker.open(self.job.tree, spec, self.job.consumer, self.job.seed)
            program = "" if opened["is_of_tfdata"] else found()
            # That fills caches, and tells what its images look like.
            reason = worker.ask("check", reference=str(self.job.reference))["reason"]
            if reason:
                raise ProfilerError(f"it does other work than asked: {reason}")
            if not program:
                answer = worker.ask("record", seconds=self.seconds)
                return profile_of(answer["stacks"], answer["images"])
            worker.ask("be_traced")
            text = _while_it_runs(worker, program, self.seconds)
        finally:
            worker.end()
        delivered = Delivered(median(each.seconds for each in passes), len(self.job.tree))
        try:
            return parse(text, self._code(variant, at_base), delivered)
        except NoSamplesError as error:
            raise ProfilerError(f"py-spy could not look: {error}") from error

    def _code(self, variant: Variant, at_base: bool) -> Code:
        """Return what is a variant's own code, on one side."""
        launcher = self.workers.launcher
        roots = [*variant.path, *launcher.search_path]
        if at_base:
            origin = launcher.origins[variant.name]
            package = [] if origin.package is None else [str(Path(origin.package).parent)]
            roots = [*origin.search_path, *package]
        return Code((*roots, OWN_FOLDER), variant.module.partition(".")[0])


def is_slower(measurement: Measurement) -> bool:
    """Return whether the seconds of a variant are a regression."""
    return any(
        change.figure == "seconds" and change.outcome == "regression"
        for change in measurement.verdict.changes
    ) and bool(measurement.base_passes)


def _while_it_runs(worker: WorkerProcess, program: str, seconds: float) -> str:
    """Return the collapsed stacks of a worker while it runs epochs, which is ended then, wherever it is.

    Raises:
        ProfilerError: There are none.
        WorkerError: The worker failed.
    """
    failed: list[WorkerError] = []
    over = threading.Event()

    def run() -> None:
        try:
            while not over.is_set():
                worker.ask("pass", epochs=1)
        except WorkerError as error:
            if not over.is_set():
                failed.append(error)

    epochs = threading.Thread(target=run, daemon=True)
    epochs.start()
    try:
        text = record(program, worker.pid, seconds)
    except ProfilerError:
        if failed:
            raise failed[0] from None
        raise
    finally:
        over.set()
        with contextlib.suppress(OSError):
            worker.close()
        epochs.join()
    return text
