"""Examines this machine: a recording of the same code on both sides, then virtual sessions over it."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.doctor.disturbances import Readings, disturbances
from loader_gate.doctor.findings import Findings
from loader_gate.doctor.prospects import (
    FEWEST_SESSIONS,
    LAST_TOLERANCE,
    MOST_SESSIONS,
    TOLERANCES,
    Oracle,
    Prospect,
    Setting,
    Unchanged,
    advised,
)
from loader_gate.doctor.recording import RecordingError, SameCode, record
from loader_gate.machine.cores import cores
from loader_gate.machine.machine import read_machine
from loader_gate.machine.memory import free_memory
from loader_gate.machine.surroundings import read_surroundings
from loader_gate.machine.temporary import OwnedFolder
from loader_gate.progress import Progress
from loader_gate.registry.spec import Spec
from loader_gate.rotation.runner import Job
from loader_gate.same_work.reference import build_reference
from loader_gate.session.guard import Free, need_of, refused
from loader_gate.session.settings import comparisons
from loader_gate.worker.forked import Templates
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerProcess
from loader_gate.workloads.known import known_workloads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.pool import ApplyResult, Pool
    from typing import TextIO

    from loader_gate.doctor.recording import Recorded
    from loader_gate.registry.variant import Variant
    from loader_gate.trees.tree import Tree

#: The share of the minutes that is for recording; the rest is for virtual sessions.
RECORDING = 0.75
#: About so many sessions with nothing changed take as long as all kinds of sessions together, one of each.
KINDS = 20
#: As a session has it, if nothing is said.
HANG_SECONDS = 120.0


@dataclass(frozen=True)
class Asked:
    """What is asked about this machine.

    Attributes:
        tree: The images.
        variants: The baseline first, and at least one other.
        search_path: Where workers look for modules.
        minutes: How long it may take, about.
        budget: The most measuring time a variant may take in a session, in seconds.
        image_size: Height and width of images, in pixels.
        batch_size: Images a batch.
    """

    tree: Tree
    variants: tuple[Variant, ...]
    search_path: Sequence[str]
    minutes: float
    budget: float
    image_size: int | None = None
    batch_size: int | None = None


def examine(asked: Asked, stream: TextIO) -> Findings:
    """Examine this machine; processes and temporary files are gone in the end, whatever happens.

    Args:
        asked: What is asked.
        stream: Where progress is shown.

    Raises:
        RecordingError: A variant could not be measured to the end.
    """
    before = read_surroundings()
    with OwnedFolder() as folder:
        recorded = _record(asked, Path(folder), stream)
    after = read_surroundings()
    number = comparisons(asked.variants, {each.name for each in asked.variants})
    readings = Readings(recorded.noise, (before, after), cores(), _worker_bytes(recorded))
    return Findings(
        read_machine().describe(),
        len(asked.tree),
        recorded,
        number,
        tuple(_foreseen(asked, recorded, number, stream)),
        tuple(disturbances(readings)),
    )


def _record(asked: Asked, folder: Path, stream: TextIO) -> Recorded:
    workload = known_workloads()["loading"]
    size = (asked.image_size or workload.image_size[0],) * 2
    spec = Spec(size, asked.batch_size or workload.batch_size, True, 0, folder / "cache")
    _refuse_what_does_not_fit(asked, spec, folder)
    limits, seconds = WorkerLimits(HANG_SECONDS), 60 * asked.minutes * RECORDING
    ending = Ending(seconds)

    def hire(variant: Variant, own: Path, imported: Mapping[str, str] | None) -> WorkerProcess:
        fork = templates.with_imported(imported)
        worker = WorkerProcess(variant, asked.search_path, limits, fork=fork)
        worker.folder = own  # what it writes goes with it
        return worker

    with (
        Progress("Recording the same code on both sides", round(seconds), stream) as progress,
        closing(Templates()) as templates,
    ):
        build_reference(asked.tree, spec.image_size, folder / "reference")
        return record(
            asked.variants,
            SameCode(hire, spec),
            Job(asked.tree, folder / "reference", workload.consumer),
            ending.is_due,
            lambda text: progress.update(min(round(ending.elapsed()), round(seconds)), text),
        )


class Ending:
    """Says when to end a recording: after a block, if another one does not fit. There is always one."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock.

        Args:
            seconds: How long a recording may take.
            clock: Returns seconds; another one in tests.
        """
        self._seconds = seconds
        self._clock = clock
        self._began = clock()
        self._before = 0.0

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return self._clock() - self._began

    def is_due(self, blocks: int) -> bool:
        """Return whether so many blocks are enough; to be asked after each."""
        now = self.elapsed()
        another = now - self._before if blocks > 1 else 0.0  # the first one began with starting processes
        self._before = now
        return now + another > self._seconds


def _refuse_what_does_not_fit(asked: Asked, spec: Spec, folder: Path) -> None:
    """Raise if a variant is predicted to take more memory or disk than there is."""
    size = asked.tree.mean_bytes()
    needs = [
        need_of(each, len(asked.tree), spec, file_bytes=size, processes=1 + (each is not asked.variants[0]))
        for each in asked.variants
    ]
    free = Free(free_memory(), shutil.disk_usage(folder).free)
    for name, problem in refused(needs, free, WorkerLimits(HANG_SECONDS)).items():
        ways_out = problem.partition(", or --no-guard")[0]  # of which this command has none
        raise RecordingError(f"{name} could not be recorded: {ways_out}")


def _worker_bytes(recorded: Recorded) -> int:
    """Return how much memory all workers of a session hold at once; it compares the baseline, too."""
    pairs = recorded.recording.variants.values()
    sides = [*(side for pair in pairs for side in (pair.head, pair.base)), *[recorded.recording.baseline] * 2]
    return sum(max(timing.peak_rss_bytes for timing in passes) for passes in sides)


def _foreseen(asked: Asked, recorded: Recorded, number: int, stream: TextIO) -> list[Prospect]:
    """Return what can be decided with each setting, on all cores; with one more where none will do."""
    names = [*recorded.recording.variants]
    settings = [Setting(tolerance, asked.budget) for tolerance in TOLERANCES]
    oracle = Oracle(recorded, number, cores(), _sessions(asked, recorded, number))
    with _pool(oracle, min(cores(), len(settings) + len(names))) as pool:

        def ask(title: str, settings: Sequence[Setting]) -> list[Prospect]:
            unchanged = [pool.apply_async(_unchanged, (setting,)) for setting in settings]
            found = [pool.apply_async(_smallest_found, (name, settings)) for name in names]
            jobs: list[ApplyResult[Any]] = [*unchanged, *found]
            with Progress(title, len(jobs), stream) as progress:
                for done, job in enumerate(jobs, 1):
                    job.wait()
                    progress.update(done)
            smallest = dict(zip(names, (each.get() for each in found), strict=True))
            return [
                Prospect(setting, same.get(), {name: of[index] for name, of in smallest.items()})
                for index, (setting, same) in enumerate(zip(settings, unchanged, strict=True))
            ]

        prospects = ask("Holding virtual sessions", settings)
        if not advised(prospects).unchanged.will_do:
            last = Setting(LAST_TOLERANCE, 2 * asked.budget)
            prospects += ask(f"Holding some with {last.options}", [last])
    return prospects


def _pool(oracle: Oracle, processes: int) -> Pool:
    """Start processes that hold sessions; to leave its block ends them."""
    # Ctrl-C is for this process to handle, and ends the others; they inherit that they ignore it.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        # Not forked: this process has threads.
        return multiprocessing.get_context("spawn").Pool(processes, _prepare, (oracle,))
    finally:
        signal.signal(signal.SIGINT, handler)


def _sessions(asked: Asked, recorded: Recorded, number: int) -> int:
    """Return how many virtual sessions of each kind there is time for."""
    oracle = Oracle(recorded, number, cores(), 1)
    oracle.unchanged(Setting(TOLERANCES[0], asked.budget))  # the first one imports SciPy
    began = time.monotonic()
    oracle.unchanged(Setting(TOLERANCES[0], asked.budget))
    seconds = time.monotonic() - began
    time_for = (1 - RECORDING) * 60 * asked.minutes * cores()
    return max(FEWEST_SESSIONS, min(MOST_SESSIONS, int(time_for / (seconds * KINDS))))


_oracle: Oracle | None = None


def _prepare(oracle: Oracle) -> None:
    """Prepare a process of the pool."""
    global _oracle
    _oracle = oracle


def _prepared() -> Oracle:
    if _oracle is None:
        raise RuntimeError("this process has not been prepared")
    return _oracle


def _unchanged(setting: Setting) -> Unchanged:
    return _prepared().unchanged(setting)


def _smallest_found(variant: str, settings: Sequence[Setting]) -> list[float | None]:
    return _prepared().smallest_found(variant, settings)
