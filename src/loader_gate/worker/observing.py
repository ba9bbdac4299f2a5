"""The parent's side of a rehearsal: lets a worker have epochs of three kinds, and looks on from outside."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from loader_gate.diagnosis.observed import Epochs, Observed
from loader_gate.machine.noise import read_noise, used_by_others
from loader_gate.machine.threads import Watcher
from loader_gate.worker.process import WorkerError

if TYPE_CHECKING:
    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree

#: For so long whole epochs are looked at, and those of which only the CPU time and the lock matter; and until
#: the last one has ended.
SECONDS, FEW_SECONDS = 0.25, 0.10
#: Images that have next to no pixels have such a share of the height and of the width, and no fewer.
SHRUNK, LEAST_SIDE = 8, 8


class Asked(Protocol):
    """What it takes of a worker; see ``WorkerProcess``."""

    @property
    def pid(self) -> int:
        """Return the number of its process."""

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send one request, return the answer."""


@dataclass(frozen=True)
class Stages:
    """The trees of a rehearsal.

    Attributes:
        part: The tree, or as many of its images as there is time for.
        plain: As many files, as large, with next to no picture in them.
    """

    part: Tree
    plain: Tree


def observe(worker: Asked, stages: Stages, spec: Spec) -> Observed:
    """Return what was seen of a variant, as far as it could be.

    Args:
        worker: Its worker, which is asked for nothing else any more.
        stages: The trees.
        spec: The epoch that it has delivered until now.
    """
    height, width = spec.image_size
    tiny = (max(LEAST_SIDE, height // SHRUNK), max(LEAST_SIDE, width // SHRUNK))
    folders = {os.path.dirname(os.path.realpath(path)) for path in (*stages.part.paths, *stages.plain.paths)}  # noqa: PTH120
    found: dict[str, Epochs] = {}
    problem = ""
    for kind, tree, size, seconds in (
        ("whole", stages.part, spec.image_size, SECONDS),
        ("undecoded", stages.plain, spec.image_size, FEW_SECONDS),
        ("tiny", stages.plain, tiny, FEW_SECONDS),
    ):
        own = replace(spec, image_size=size, cache_dir=spec.cache_dir.parent).for_variant(
            f"{spec.cache_dir.name} {kind}"
        )
        try:
            worker.ask(
                "rehearse",
                root=str(tree.root),
                spec={**asdict(own), "cache_dir": str(own.cache_dir)},
                is_plain=tree is stages.plain,
            )
            found[kind] = _seen(worker, folders, seconds)
        except WorkerError as error:
            problem = f"it could not be observed: {error}"
            break
    return Observed(found.get("whole"), found.get("undecoded"), found.get("tiny"), problem)


def _seen(worker: Asked, folders: set[str], seconds: float) -> Epochs:
    watcher, before = Watcher(worker.pid, folders), read_noise()
    try:
        answer = worker.ask("observe", seconds=seconds)
    finally:
        after, activity = read_noise(), watcher.stop()
    return Epochs(**answer, activity=activity, others=used_by_others(before, after))
