"""Records traces: the real rotation over real workers, which decides nothing, for a set number of blocks.

Each variant has two workers of the very same code, one in the place of head and one in that of base: every
difference between them is noise. As in a real session, both go on in fresh processes after every block.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docs.study.errors import StudyError
from docs.study.trace import About, Trace, load_trace, save_trace
from loader_gate.doctor import recording
from loader_gate.machine.machine import read_machine
from loader_gate.machine.temporary import OwnedFolder
from loader_gate.progress import Progress
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.own import told_apart, user_variant
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE, RegistryError
from loader_gate.rotation.runner import Job
from loader_gate.same_work.reference import build_reference
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.worker.epoch import DRAIN
from loader_gate.worker.forked import Templates
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerProcess, module_search_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from loader_gate.doctor.recording import Recording
    from loader_gate.registry.variant import Variant
    from loader_gate.rotation.runner import AnyWorker
    from loader_gate.trees.tree import Tree
    from loader_gate.worker.forked import Fork

VARIANTS = ("tfdata_no_cache", "tfdata_file_cache")
SESSIONS = 6
BLOCKS = 150
IMAGE_SIZE = 224
BATCH_SIZE = 32
HANG_SECONDS = 120.0


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
    start: Callable[[Variant, Fork | None], AnyWorker]
    stream: TextIO | None = None

    def session(self, title: str) -> Recording:
        """Record one session with fresh workers.

        Raises:
            StudyError: A variant could not be measured to the end.
        """
        with (
            OwnedFolder() as folder,
            Progress(title, self.blocks, self.stream) as progress,
            closing(Templates()) as templates,
        ):
            return self._recorded(Path(folder), progress, templates)

    def _recorded(self, folder: Path, progress: Progress, templates: Templates) -> Recording:
        spec = Spec((IMAGE_SIZE, IMAGE_SIZE), BATCH_SIZE, True, 0, folder / "cache")
        build_reference(self.tree, spec.image_size, folder / "reference")
        done = 0

        def is_over(blocks: int) -> bool:
            nonlocal done
            done = blocks
            return blocks >= self.blocks

        try:
            return recording.record(
                self.variants,
                recording.SameCode(
                    lambda variant, _, imported: self.start(variant, templates.with_imported(imported)), spec
                ),
                Job(self.tree, folder / "reference", DRAIN),
                is_over,
                lambda text: progress.update(done, text),
            ).recording
        except recording.RecordingError as error:
            raise StudyError(
                f"{error}; mend it and start again, sessions before this one are kept."
            ) from None


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
    about = about_of(recorder)
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


def recorder_of(
    names: Sequence[str], blocks: int, images: int | None = None, loaders: Sequence[str] = ()
) -> Recorder:
    """Return a recorder of real variants on the ``small`` tree.

    Args:
        names: Of the variants to record beside the baseline.
        blocks: Blocks a session.
        images: Another number of images than usual, or None.
        loaders: Loaders that are no part of the suite, as ``--loader`` names a user's own.

    Raises:
        StudyError: There is no variant of such a name, or no such loader.
    """
    known = {variant.name: variant for variant in built_in_variants()}
    for name in names:
        if name not in known or name == BASELINE:
            others = ", ".join(each for each in known if each != BASELINE)
            raise StudyError(f"--variants {name}: expected some of {others}.")
    search_path = module_search_path(Path.cwd())
    try:
        own = told_apart([user_variant(loader, search_path) for loader in loaders])
    except RegistryError as error:
        raise StudyError(str(error)) from error
    for loader in own:
        if loader.name in known:
            raise StudyError(f"--loader {loader.floor_key}: a variant of the suite is called {loader.name}.")
    tree = prepare_tree(TreeRequest(tree="small", tree_images=images))

    def start(variant: Variant, fork: Fork | None) -> WorkerProcess:
        return WorkerProcess(variant, search_path, WorkerLimits(HANG_SECONDS), fork=fork)

    chosen = [known[name] for name in (BASELINE, *dict.fromkeys(names))]
    return Recorder(tree, [*chosen, *own], blocks, start)


def about_of(recorder: Recorder) -> About:
    """Return what the sessions of a recorder have in common on this machine."""
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
        blocks_a_process=1,
    )
