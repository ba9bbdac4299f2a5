"""Gives the emulated accelerator its speed, and measures its own error."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TextIO

from loader_gate.progress import Progress
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.statistics.counts import steady
from loader_gate.worker.consumers.emulated import EmulatedAccelerator
from loader_gate.worker.process import WorkerError
from loader_gate.worker.timing import PassTiming
from loader_gate.workloads.training import ARTICLE_RATIO
from loader_gate.workloads.workload import Workload

if TYPE_CHECKING:
    from loader_gate.registry.spec import Spec
    from loader_gate.session.workers import Launcher
    from loader_gate.trees.tree import Tree
    from loader_gate.worker.process import WorkerProcess

#: Passes, after warming up, that tell what the baseline can feed to an accelerator.
CALIBRATION_PASSES = 5
#: A pass of a longer epoch is left after so many seconds: its pace is known by then.
CALIBRATION_SECONDS = 5.0
#: Of fewer batches, too few come after the first one, for which a pipeline fills up, to tell a speed from.
CALIBRATION_BATCHES = 4


@dataclass(frozen=True)
class SetUp:
    """An emulated accelerator, set up or not.

    Attributes:
        workload: The workload, on an accelerator of a known speed unless there is a problem.
        notes: Lines for people.
        problem: Why it has no speed, so that nothing can be timed; empty if it has.
    """

    workload: Workload
    notes: tuple[str, ...] = ()
    problem: str = ""


def set_up(workload: Workload, tree: Tree, spec: Spec, launcher: Launcher, stream: TextIO) -> SetUp:
    """Give the accelerator a speed if the user has not, and measure how well it keeps its pace.

    Args:
        workload: The workload, on an emulated accelerator.
        tree: The images.
        spec: The epoch to deliver.
        launcher: Starts the baseline, whose speed the accelerator's is a multiple of.
        stream: Where progress is shown.
    """
    batches = -(-len(tree) // workload.batch_size)
    if workload.device is None and batches < CALIBRATION_BATCHES:
        problem = (
            f"--device emulated gets its speed from epochs of {BASELINE}, which need at least "
            f"{CALIBRATION_BATCHES} batches and have {batches} here: use a larger tree or a smaller "
            "--batch-size, or give the speed with --device emulated:IMAGES_A_SECOND"
        )
        return SetUp(workload, problem=problem)
    notes: tuple[str, ...] = ()
    with Progress("Setting up the emulated accelerator", None, stream) as progress:
        if workload.device is None:
            try:
                feeds = _fed_by_the_baseline(workload, tree, spec, launcher, progress)
            except WorkerError as error:
                return SetUp(workload, problem=f"the emulated accelerator could not be set up: {error}")
            workload = workload.at(ARTICLE_RATIO * feeds)
            notes = (
                f"Emulated accelerator: {ARTICLE_RATIO * feeds:,.0f} images/s, {ARTICLE_RATIO} times "
                f"the {feeds:,.0f} that {BASELINE} can feed.",
            )
        progress.update(0, "measuring its pace")
        settings = {name: value for name, value in workload.consumer.items() if name != "name"}
        error_share = EmulatedAccelerator(tree, spec, DeclaredOutput(), **settings).pacing_error()
    pace = f"Emulated accelerator: an epoch takes {error_share:.2%} longer than planned."
    return SetUp(workload, (*notes, pace))


def _fed_by_the_baseline(
    workload: Workload, tree: Tree, spec: Spec, launcher: Launcher, progress: Progress
) -> float:
    """Return how many images a second the baseline can feed.

    Raises:
        WorkerError: It could not be measured.
    """
    worker = launcher.start(Variant(BASELINE, f"loader_gate.variants.{BASELINE}"))
    try:
        free = workload.at(float("inf")).consumer
        worker.open(tree, spec.for_variant("calibration"), free)
        warm: list[float] = []
        while not steady(warm):
            warm.append(_timed_pass(worker, "warming up", progress).seconds)
        passes = [_timed_pass(worker, "timing", progress) for _ in range(CALIBRATION_PASSES)]
    finally:
        worker.end()
    return median(_feeding_rate(each, len(tree), spec.batch_size) for each in passes)


def _timed_pass(worker: WorkerProcess, what: str, progress: Progress) -> PassTiming:
    text = f"{what} {BASELINE}, for its speed"
    progress.update(0, text)
    worker.on_alive = lambda: progress.update(0, text)
    return PassTiming.of(worker.ask("pass", epochs=1, part={"seconds": CALIBRATION_SECONDS}))


def _feeding_rate(timing: PassTiming, images: int, batch_size: int) -> float:
    """Return how many images a second came, apart from the first batch, for which a pipeline fills up."""
    first = min(batch_size, images - 1)
    return (images - first) / (timing.seconds - timing.first_batch_seconds)
