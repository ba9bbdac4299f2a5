"""Adds up what a limit has done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate.same_work.words import DifferenceError
from loader_gate.worker.epoch import Epoch, take_each

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.trees.tree import Tree


class Tally:
    """Adds up what a limit has done: how many images, from time to time. There are no batches to look at."""

    def __init__(self, tree: Tree, spec: Spec, declared: DeclaredOutput) -> None:  # noqa: ARG002 (as every consumer)
        """Remember how many images an epoch has."""
        self._tree = tree

    def use_up(self, batches: Iterable[Any], epoch: Epoch) -> None:
        """Wait until one epoch is done."""
        done: list[int] = []
        take_each(batches, epoch, done.append)
        if sum(done) != len(self._tree) and not epoch.is_over:
            raise DifferenceError(
                f"{sum(done)} images were dealt with, expected the {len(self._tree)} of the tree."
            )


CONSUMER = Tally
