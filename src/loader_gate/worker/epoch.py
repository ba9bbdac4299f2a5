"""An epoch and what uses it up, which says when things happened in it.

Every file of ``consumers/`` is a kind of consumer, found by its name; its ``CONSUMER`` takes the tree, the
spec and the settings of that kind.
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree

#: The consumer of loading alone.
DRAIN = {"name": "drain"}


@dataclass(frozen=True)
class EpochTimes:
    """When things happened in one epoch, in seconds since the iterator was asked for.

    Attributes:
        first_batch: The first batch had come; with a model, its first step was done.
        end: The last batch had come; with a device, its last step was done.
        utilisation: Share of the time after the first step in which the device was busy; None where that is
            not known.
    """

    first_batch: float
    end: float
    utilisation: float | None = None


class Consumer(Protocol):
    """Uses up one epoch."""

    def epoch(
        self, batches: Iterable[Any], alive: Callable[[], None], at_end: Callable[[], None]
    ) -> EpochTimes:
        """Use up one epoch.

        Args:
            batches: Begins a fresh epoch when it is iterated.
            alive: To be called after each batch.
            at_end: To be called after the last one, while the iterator is still there.

        Raises:
            ValueError: It was not one whole epoch.
        """


def new_consumer(tree: Tree, spec: Spec, name: str, **settings: Any) -> Consumer:
    """Return a consumer of the kind of this name.

    Args:
        tree: The images of an epoch.
        spec: The epoch that is delivered.
        name: The name of a file of ``consumers/``.
        **settings: Those of the kind.
    """
    kind = importlib.import_module(f"loader_gate.worker.consumers.{name}")
    consumer: Consumer = kind.CONSUMER(tree, spec, **settings)
    return consumer


def use_up(batches: Iterable[Any], add: Callable[[Any], None], alive: Callable[[], None]) -> EpochTimes:
    """Add up what comes, and return when it came.

    Raises:
        ValueError: Nothing came.
    """
    first = last = None
    start = time.perf_counter()
    for batch in batches:
        add(batch)
        alive()
        last = time.perf_counter()
        first = first or last
    if first is None or last is None:
        raise ValueError("the epoch was empty")
    return EpochTimes(first - start, last - start)
