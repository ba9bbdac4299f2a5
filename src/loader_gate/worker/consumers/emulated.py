"""Feeds the batches to a device that only waits; ``session/accelerator.py`` gives it its speed."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from loader_gate.same_work.count import EpochCount
from loader_gate.worker.dataset import as_dataset
from loader_gate.worker.epoch import EpochTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree


#: How long the emulated accelerator's pace is measured at most.
PACING_SECONDS = 10.0


class EmulatedAccelerator:
    """A device that takes ``batch / images_per_second`` a step and leaves the CPU free, as in MLPerf Storage.

    As with a real device, the host may hand over one step while another runs, and then waits for that one to
    end. A step begins when its batch is there and the one before has ended by the plan, not when the host has
    woken up: what a sleep takes too long does not add up.
    """

    def __init__(self, tree: Tree, spec: Spec, images_per_second: float) -> None:
        """Set the speed; infinity makes a device that is never busy."""
        self._tree, self._spec = tree, spec
        self._images_per_second = images_per_second

    def epoch(
        self, batches: Iterable[Any], alive: Callable[[], None], at_end: Callable[[], None]
    ) -> EpochTimes:
        """Feed one epoch to the device."""
        dataset = as_dataset(batches, self._tree, self._spec)
        count = EpochCount()
        busy = free_at = after_first = 0.0
        first = None
        start = time.perf_counter()
        for images, labels in dataset:
            now = time.perf_counter()
            if first is None:
                first = free_at = now
            step = len(images) / self._images_per_second
            begin = max(now, free_at)
            _sleep_until(free_at)
            free_at = begin + step
            if count.images == 0:
                after_first = free_at
            else:
                busy += step
            count.add(images, labels)
            alive()
        if first is None:
            raise ValueError("the epoch was empty")
        _sleep_until(free_at)
        end = time.perf_counter()
        at_end()
        problem = count.problem(self._tree)
        if problem is not None:
            raise ValueError(problem)
        return EpochTimes(first - start, end - start, busy / (end - after_first) if busy else None)

    def pacing_error(self) -> float:
        """Return by what share an epoch of batches that are already there takes longer than planned.

        Of a long epoch, the first `PACING_SECONDS` are taken.
        """
        size = self._spec.batch_size
        images = min(len(self._tree), math.ceil(PACING_SECONDS * self._images_per_second))
        sizes = [size] * (images // size) + ([images % size] if images % size else [])
        start = time.perf_counter()
        free_at = start
        for each in sizes:
            begin = max(time.perf_counter(), free_at)
            _sleep_until(free_at)
            free_at = begin + each / self._images_per_second
        _sleep_until(free_at)
        return (time.perf_counter() - start) / (images / self._images_per_second) - 1


def _sleep_until(moment: float) -> None:
    """Sleep until ``time.perf_counter()`` shows ``moment``, or not at all if that has passed."""
    left = moment - time.perf_counter()
    if left > 0:
        time.sleep(left)


CONSUMER = EmulatedAccelerator
