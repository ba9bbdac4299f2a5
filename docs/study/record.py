"""Records traces: the real rotation over real workers, which decides nothing, for a set number of blocks.

Each variant has two workers of the very same code, one in the place of head and one in that of base: every
difference between them is noise. As in a real session, both go on in fresh processes after every few blocks.
"""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docs.study.errors import StudyError
from docs.study.trace import About, Pair, Recording, Trace, load_trace, save_trace
from loader_gate.machine.machine import read_machine
from loader_gate.machine.noise import describe_noise, read_noise
from loader_gate.progress import Progress
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE
from loader_gate.rotation.pace import Pace
from loader_gate.rotation.rotation import Watch, rotate
from loader_gate.rotation.runner import Job
from loader_gate.same_work.reference import build_reference
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.verdict.change import Change
from loader_gate.verdict.verdict import Verdict
from loader_gate.worker.epoch import DRAIN
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerProcess, module_search_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from loader_gate.registry.variant import Variant
    from loader_gate.rotation.measurement import Measurement
    from loader_gate.rotation.runner import AnyWorker
    from loader_gate.statistics.estimate import Estimate
    from loader_gate.trees.tree import Tree

VARIANTS = ("tfdata_no_cache", "tfdata_file_cache")
SESSIONS = 6
BLOCKS = 150
IMAGE_SIZE = 224
BATCH_SIZE = 32
HANG_SECONDS = 120.0
#: No budget: a recording ends with its blocks.
WEEK = 7 * 24 * 3600.0


@dataclass(frozen=True)
class _Workers:
    """Where the rotation's workers come from: those in the place of base run the same code."""

    hire: Callable[[Variant], AnyWorker]
    asked: Spec

    def start(self, variant: Variant, at_base: bool) -> AnyWorker:  # noqa: ARG002 (either is the same)
        return self.hire(variant)

    def compares(self, variant: Variant) -> bool:
        return variant.name != BASELINE

    def spec(self, variant: Variant, at_base: bool) -> Spec:
        return self.asked.for_variant(f"{variant.name}{'-at-base' if at_base else ''}")


class _NothingDecided:
    """Rules by which nothing is decided before the last block; they count the blocks."""

    def __init__(self, counted: Variant) -> None:
        self.blocks = 0
        self._counted = counted

    def judge(
        self,
        variant: Variant,
        estimate: Estimate,
        last: bool,
        others: float | None,  # noqa: ARG002 (as the rotation asks)
    ) -> Verdict | None:
        self.blocks += variant == self._counted
        return Verdict("undecided", None, estimate, "recorded") if last else None

    def judge_change(
        self,
        estimate: Estimate,
        surely: Estimate,  # noqa: ARG002 (as the rotation asks)
        tolerance: float,
        last: bool,
    ) -> Change | None:
        return Change("seconds", "same", estimate, tolerance) if last else None

    def busy_elsewhere(self, others: float | None) -> str:  # noqa: ARG002 (as the rotation asks)
        return ""


@dataclass(frozen=True)
class Recorder:
    """Records sessions.

    Attributes:
        tree: The images.
        variants: The baseline and the variants to record.
        blocks: Blocks a session.
        start: Starts a worker; called once for the baseline and twice for each variant.
        stream: Where progress is shown; standard error if None.
    """

    tree: Tree
    variants: Sequence[Variant]
    blocks: int
    start: Callable[[Variant], AnyWorker]
    stream: TextIO | None = None

    def session(self, title: str) -> Recording:
        """Record one session with fresh workers.

        Raises:
            StudyError: A variant could not be measured to the end.
        """
        before = read_noise()
        with (
            tempfile.TemporaryDirectory(prefix="loader-gate-", ignore_cleanup_errors=True) as folder,
            Progress(title, self.blocks, self.stream) as progress,
        ):
            measured = self._rotate(Path(folder), progress)
        return self._recording(measured, describe_noise(before, read_noise()))

    def _rotate(self, folder: Path, progress: Progress) -> dict[str, Measurement]:
        spec = Spec((IMAGE_SIZE, IMAGE_SIZE), BATCH_SIZE, True, 0, folder / "cache")
        build_reference(self.tree, spec.image_size, folder / "reference")
        rules = _NothingDecided(self.variants[-1])
        return rotate(
            self.variants,
            _Workers(self.start, spec),
            Job(self.tree, folder / "reference", DRAIN),
            rules,
            Pace(WEEK, most_blocks=self.blocks),
            Watch(lambda text: progress.update(rules.blocks, text.partition(", at most")[0])),
        )

    def _recording(self, measured: dict[str, Measurement], noise: str) -> Recording:
        # The baseline is in every block of whatever is measured, so what went wrong with others comes first.
        for name, measurement in reversed(measured.items()):
            sides = [measurement.variant_passes]
            if name != BASELINE:
                sides.append(measurement.base_passes)
            if {len(side) for side in sides} != {2 * self.blocks}:
                raise StudyError(
                    f"{name} could not be recorded: {measurement.verdict.reason}; mend it and start again, "
                    "sessions before this one are kept."
                )
        baseline = measured[BASELINE].variant_passes
        pairs = {
            name: Pair(measurement.variant_passes, measurement.base_passes)
            for name, measurement in measured.items()
            if name != BASELINE
        }
        now = datetime.datetime.now(datetime.timezone.utc)
        return Recording(now.isoformat(timespec="minutes"), noise, baseline, pairs)


def record(recorder: Recorder, path: Path, sessions: int) -> Trace:
    """Record until a trace has so many sessions; save it after each.

    Args:
        recorder: Records them.
        path: The trace; sessions that are there already count.
        sessions: How many there are to be in the end.

    Raises:
        StudyError: The trace is of something else, or a variant could not be measured.
    """
    if recorder.blocks < FEWEST_BLOCKS:
        raise StudyError(f"--blocks {recorder.blocks}: expected at least {FEWEST_BLOCKS}.")
    about = _about(recorder)
    trace = load_trace(path) if path.exists() else Trace(about, ())
    if trace.about != about:
        raise StudyError(
            f"{path} was recorded on another machine, with other versions, images or variants; give another "
            "--folder, or remove it to begin anew."
        )
    while len(trace.recordings) < sessions:
        title = f"Recording session {len(trace.recordings) + 1} of {sessions}"
        trace = Trace(about, (*trace.recordings, recorder.session(title)))
        save_trace(trace, path)
    return trace


def recorder_of(names: Sequence[str], blocks: int, images: int | None = None) -> Recorder:
    """Return a recorder of real variants on the ``small`` tree.

    Args:
        names: Of the variants to record beside the baseline.
        blocks: Blocks a session.
        images: Another number of images than usual, or None.

    Raises:
        StudyError: There is no variant of such a name.
    """
    known = {variant.name: variant for variant in built_in_variants()}
    for name in names:
        if name not in known or name == BASELINE:
            others = ", ".join(each for each in known if each != BASELINE)
            raise StudyError(f"--variants {name}: expected some of {others}.")
    tree = prepare_tree(TreeRequest(tree="small", tree_images=images))
    search_path = module_search_path(Path.cwd())

    def start(variant: Variant) -> WorkerProcess:
        return WorkerProcess(variant, search_path, WorkerLimits(HANG_SECONDS))

    return Recorder(tree, [known[name] for name in (BASELINE, *dict.fromkeys(names))], blocks, start)


def _about(recorder: Recorder) -> About:
    machine = read_machine()
    return About(
        machine=machine.describe(),
        fingerprint=machine.fingerprint,
        versions=dict(machine.versions),
        tree=recorder.tree.digest,
        images=len(recorder.tree),
        image_size=IMAGE_SIZE,
        batch_size=BATCH_SIZE,
        variants=tuple(variant.name for variant in recorder.variants if variant.name != BASELINE),
    )
