"""Takes each batch and lets it go: loading alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate.worker.epoch import Epoch, take_each

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.trees.tree import Tree


class Drain:
    """Takes each batch and lets it go: loading alone."""

    def __init__(self, tree: Tree, spec: Spec, declared: DeclaredOutput) -> None:
        """Take any epoch."""

    def use_up(self, batches: Iterable[Any], epoch: Epoch) -> None:
        """Drain one epoch."""
        take_each(batches, epoch)


CONSUMER = Drain
