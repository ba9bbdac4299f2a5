"""Adds up what a limit has done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate.worker.epoch import EpochTimes, use_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree


class Tally:
    """Adds up what a limit has done: how many images, from time to time. There are no batches to look at."""

    def __init__(self, tree: Tree, spec: Spec) -> None:  # noqa: ARG002 (as every consumer)
        """Remember how many images an epoch has."""
        self._tree = tree

    def epoch(
        self, batches: Iterable[Any], alive: Callable[[], None], at_end: Callable[[], None]
    ) -> EpochTimes:
        """Wait until one epoch is done."""
        done: list[int] = []
        times = use_up(batches, done.append, alive)
        at_end()
        if sum(done) != len(self._tree):
            raise ValueError(
                f"{sum(done)} images were dealt with, expected the {len(self._tree)} of the tree"
            )
        return times


CONSUMER = Tally
