"""Looks, after the last block, why each variant is as fast as it is: nothing is timed any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loader_gate.trees.plain import part_of, plain
from loader_gate.worker.observing import Stages, observe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from loader_gate.registry.spec import Spec
    from loader_gate.registry.variant import Variant
    from loader_gate.rotation.contestant import Arm, Contestant
    from loader_gate.trees.tree import Tree
    from loader_gate.worker.observing import Asked

#: Images of a rehearsal, of a loader that is fast, and of one that loads fewer than so many a second.
MOST_IMAGES, FEW_IMAGES = 128, 64
SLOW = 200.0


@dataclass
class Rehearsals:
    """Rehearses variants on trees that are made when they are needed.

    Attributes:
        tree: The images.
        folder: Where to make other trees.
    """

    tree: Tree
    folder: Path
    _stages: dict[int, Stages] = field(default_factory=dict)

    def hold(
        self,
        contestants: Sequence[Contestant],
        running: Mapping[Arm, Asked],
        spec: Callable[[Variant, bool], Spec],
        done_with: Callable[[Arm], None],
    ) -> None:
        """Rehearse variants, one after another.

        Args:
            contestants: Those that have been measured; limits and those whose worker has failed are left out.
            running: Their workers, which are asked for nothing else any more.
            spec: Says what a variant had to deliver.
            done_with: Told which worker is not needed any more.
        """
        for contestant in contestants:
            head = contestant.head
            if head in running and head.passes and not contestant.variant.traits.is_limit:
                rate = len(self.tree) / min(timing.seconds for timing in head.passes)
                stages = self._of(MOST_IMAGES if rate > SLOW else FEW_IMAGES)
                contestant.observed = observe(running[head], stages, spec(contestant.variant, False))
                done_with(head)

    def _of(self, images: int) -> Stages:
        """Return trees of no more than so many images."""
        if images not in self._stages:
            folder = self.folder / str(images)
            part = part_of(self.tree, images, folder / "part")
            self._stages[images] = Stages(part, plain(part, folder / "plain"))
        return self._stages[images]
