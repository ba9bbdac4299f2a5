"""Feeds the batches to a device that only waits; ``session/accelerator.py`` gives it its speed."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.worker.dataset import as_dataset
from loader_gate.worker.read_ahead import read_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.trees.tree import Tree
    from loader_gate.worker.epoch import Epoch

#: How long the emulated accelerator's pace is measured at most.
PACING_SECONDS = 10.0


class EmulatedAccelerator:
    """A device that takes ``batch / images_per_second`` a step and leaves the CPU free, as in MLPerf Storage.

    As with a real device, the host may hand over one step while another runs, and then waits for that one to
    end. A step begins when its batch is there and the one before has ended by the plan, not when the host has
    woken up: what a sleep takes too long does not add up.
    """

    def __init__(
        self,
        tree: Tree,
        spec: Spec,
        declared: DeclaredOutput,
        images_per_second: float,
        backend: str = "tensorflow",
    ) -> None:
        """Set the speed; infinity makes a device that is never busy.

        Args:
            tree: Gives the number of classes and of images.
            spec: Gives image and batch size.
            declared: What the loader says it delivers.
            images_per_second: The speed.
            backend: What Keras would run on: batches come as they would come to a model on it.
        """
        self._tree, self._spec, self._declared = tree, spec, declared
        self._images_per_second, self._backend = images_per_second, backend
        # What TensorFlow makes when it is imported and first used would be looked through after each epoch.
        for _ in self._fed([]):
            pass

    def use_up(self, batches: Iterable[Any], epoch: Epoch) -> None:
        """Feed one epoch to the device, which lives by the epoch's clock."""
        dataset = self._fed(batches)
        clock = epoch.stopwatch.now
        busy = free_at = after_first = 0.0
        epoch.stopwatch.start()
        iterator = iter(dataset)
        batch = None
        for batch in iterator:
            epoch.take(batch)
            now = clock()
            is_first = free_at == 0
            step = len(batch[0]) / self._images_per_second
            begin = max(now, free_at)
            _sleep_until(free_at, clock)
            free_at = begin + step
            if is_first:
                after_first = free_at
            else:
                busy += step
            if epoch.is_over:
                break
            epoch.ask()
        _sleep_until(free_at, clock)
        end = epoch.stopwatch.stop()
        del batch, iterator, dataset
        epoch.torn_down()
        epoch.utilisation = busy / (end - after_first) if busy else None

    def _fed(self, batches: Iterable[Any]) -> Iterable[Any]:
        if self._backend == "tensorflow":
            dataset: Iterable[Any] = as_dataset(batches, self._tree, self._spec, self._declared)
            return dataset
        return read_ahead(batches, lambda batch: tuple(np.array(each) for each in batch))

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
            _sleep_until(free_at, time.perf_counter)
            free_at = begin + each / self._images_per_second
        _sleep_until(free_at, time.perf_counter)
        return (time.perf_counter() - start) / (images / self._images_per_second) - 1


def _sleep_until(moment: float, clock: Callable[[], float]) -> None:
    """Sleep until the clock shows ``moment``, or not at all if that has passed."""
    left = moment - clock()
    if left > 0:
        time.sleep(left)


CONSUMER = EmulatedAccelerator
