"""Takes each batch and lets it go: loading alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate.same_work.count import EpochCount
from loader_gate.worker.epoch import EpochTimes, use_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree


class Drain:
    """Takes each batch and lets it go: loading alone."""

    def __init__(self, tree: Tree, spec: Spec) -> None:  # noqa: ARG002 (as every consumer)
        """Remember what an epoch has to deliver."""
        self._tree = tree

    def epoch(
        self, batches: Iterable[Any], alive: Callable[[], None], at_end: Callable[[], None]
    ) -> EpochTimes:
        """Drain one epoch, and count its images and labels."""
        count = EpochCount()
        times = use_up(batches, lambda batch: count.add(*batch), alive)
        at_end()
        problem = count.problem(self._tree)
        if problem is not None:
            raise ValueError(problem)
        return times


CONSUMER = Drain
