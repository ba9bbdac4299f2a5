"""Throughput of the service against workers, and its cost over the same pipeline in one process."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.statistics.estimate import estimate, log_of_seconds
from loader_gate.variants import tfdata_service as service
from loader_gate.variants import tfdata_tuned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree

ALONE, TUNED = "in one process", "tfdata_tuned"
ERROR = 0.05


def throughput(tree: Tree, spec: Spec, workers: Sequence[int], blocks: int) -> dict[str, Any]:
    """Return images a second with so many workers, and of the same pipeline in this process.

    Epochs of all take turns, in an order drawn anew for each block; a ratio is of one block.

    Args:
        tree: The images.
        spec: The epoch to deliver.
        workers: Numbers of workers.
        blocks: How many epochs of each.
    """
    with ExitStack() as stack:
        epochs: dict[str, Iterable[Any]] = {
            ALONE: InOneProcess(tree, spec),
            TUNED: tfdata_tuned.load(tree, spec),
        }
        for number in workers:
            cluster = service.Cluster(number)
            stack.callback(cluster.stop)
            epochs[f"{number}"] = service.Epochs(tree, spec, cluster.address, number, cluster)
        return rates(epochs, len(tree), blocks)


class InOneProcess:
    """The pipeline of the service without the service."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Trace it once, as `Epochs` does."""
        import tensorflow as tf

        images = service.Images(tree, spec, 1)
        labels = tf.one_hot(tf.constant(tree.labels, tf.int32), len(tree.class_names))
        self._epoch = tf.function(
            lambda number: service.finished(images.batches(number), labels, images),
            [tf.TensorSpec((), tf.int64)],
            autograph=False,
        )
        self._begun = 0

    def __iter__(self) -> Any:
        """Yield every batch of one epoch."""
        import tensorflow as tf

        self._begun += 1
        for images, labels, _ in self._epoch(tf.constant(self._begun, tf.int64)):
            yield images, labels


def rates(epochs: Mapping[str, Iterable[Any]], images: int, blocks: int) -> dict[str, Any]:
    """Return images a second of each, and how many times as long each takes as the first one.

    Args:
        epochs: What begins an epoch whenever it is iterated, by name.
        images: How many an epoch has.
        blocks: How many epochs of each.
    """
    order = random.Random(0)  # noqa: S311 (an order, no secret)
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for block in range(blocks + 1):
        turns = [*epochs]
        order.shuffle(turns)
        for name in turns:
            took = timed(lambda name=name: drained(epochs[name], images))  # type: ignore[misc]
            if block:  # the first one warms all of them up
                seconds[name].append(took)
    (first, reference), *_ = seconds.items()
    found: dict[str, Any] = {}
    for name, taken in seconds.items():
        logs = [log_of_seconds(one) - log_of_seconds(two) for one, two in zip(taken, reference, strict=True)]
        found[name] = {"images_per_second": images / median(taken)}
        if name != first:
            ratio = estimate(logs, ERROR)
            found[name]["times_as_long"] = [ratio.ratio, ratio.low, ratio.high]
    return found


def drained(batches: Iterable[Any], images: int) -> None:
    """Use up one epoch; refuse one that is not whole."""
    came = sum(len(np.asarray(pixels)) for pixels, _ in batches)
    if came != images:
        raise RuntimeError(f"{came} of {images} images came")


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
