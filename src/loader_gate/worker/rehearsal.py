"""Epochs that nobody times for a verdict: a loader on another tree, looked at while it works."""

from __future__ import annotations

import time
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.machine.processes import cpu_seconds_of_children
from loader_gate.same_work.words import DifferenceError
from loader_gate.worker.epoch import read_if_mapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from loader_gate import Tree
    from loader_gate.worker.loader import Loader
    from loader_gate.worker.lock_probe import LockProbe

#: A batch that came within so many seconds was there already.
AT_ONCE = 0.0005
#: By no more of its range do the pixels of a picture differ that is all of one grey.
PLAIN = 0.05


class Rehearsal:
    """A loader that has had its first epochs on some tree."""

    def __init__(self, loader: Loader, tree: Tree, alive: Callable[[], None], is_plain: bool) -> None:
        """Let it have its first epoch, which fills caches.

        Args:
            loader: The loader, built on this tree.
            tree: The tree.
            alive: Called after each batch.
            is_plain: Whether all pictures of the tree are of one grey.

        Raises:
            DifferenceError: What came was not that tree.
        """
        self._loader, self._tree, self._alive = loader, tree, alive
        low, high = loader.declared.bounds
        spread, came = 0.0, 0
        for images, *_ in loader.batches:
            first = np.asarray(images[0], np.float64)
            channels = 2 if loader.declared.layout == "NHWC" else 0
            plane = tuple(axis for axis in range(3) if axis != channels)
            spread = max(spread, float(np.ptp(first, axis=plane).max()))
            came += len(images)
            alive()
        if came != len(tree):
            raise DifferenceError(
                f"{came} images came of another tree, expected the {len(tree)} that it has."
            )
        if is_plain and spread > PLAIN * (high - low):
            raise DifferenceError("the images of another tree did not come from its files.")

    def observe(self, seconds: float, probe: LockProbe) -> dict[str, Any]:
        """Use up whole epochs for at least so long; return what they took and how they came.

        Args:
            seconds: How long.
            probe: Looks at the interpreter's lock meanwhile.
        """
        epochs = at_once = batches = 0
        with probe.looking() as found:
            children, own, began = cpu_seconds_of_children(), time.process_time(), time.perf_counter()
            while (took := time.perf_counter() - began) < seconds:
                asked = time.perf_counter()
                for images, labels, *boxes in self._loader.batches:
                    pixels = np.asarray(images)
                    read_if_mapped(pixels)
                    np.asarray(labels)
                    now = time.perf_counter()
                    at_once += now - asked < AT_ONCE
                    batches += 1
                    self._alive()
                    del images, labels, boxes, pixels
                    asked = time.perf_counter()
                epochs += 1
            cpu = time.process_time() - own + cpu_seconds_of_children() - children
        looks = [each for each in found if each[0] > 0]
        shares = [each[1] / each[0] for each in looks]
        return {
            "seconds": took / epochs,
            "cores_used": cpu / took,
            "at_once": at_once / max(batches, 1),
            "lock": max(shares[0], fmean(shares[1:] or [0.0])) if shares else 0.0,
            "readers": sum(each[2] / each[0] for each in looks),
            "function": probe.most_often(),
        }
