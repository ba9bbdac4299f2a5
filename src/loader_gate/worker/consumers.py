"""What uses the batches of an epoch, in a worker: nothing at all, a model, or a device that only waits."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from loader_gate.same_work.check import EpochCount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree


#: How long the emulated accelerator's pace is measured at most.
PACING_SECONDS = 10.0


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


class Drain:
    """Takes each batch and lets it go: loading alone."""

    def __init__(self, tree: Tree) -> None:
        """Remember what an epoch has to deliver."""
        self._tree = tree

    def epoch(
        self, batches: Iterable[Any], alive: Callable[[], None], at_end: Callable[[], None]
    ) -> EpochTimes:
        """Drain one epoch, and count its images and labels."""
        count = EpochCount()
        times = _drain(batches, lambda batch: count.add(*batch), alive)
        at_end()
        problem = count.problem(self._tree)
        if problem is not None:
            raise ValueError(problem)
        return times


class Tally:
    """Adds up what a limit has done: how many images, from time to time. There are no batches to look at."""

    def __init__(self, tree: Tree) -> None:
        """Remember how many images an epoch has."""
        self._tree = tree

    def epoch(
        self, batches: Iterable[Any], alive: Callable[[], None], at_end: Callable[[], None]
    ) -> EpochTimes:
        """Wait until one epoch is done."""
        done: list[int] = []
        times = _drain(batches, done.append, alive)
        at_end()
        if sum(done) != len(self._tree):
            raise ValueError(
                f"{sum(done)} images were dealt with, expected the {len(self._tree)} of the tree"
            )
        return times


def _drain(batches: Iterable[Any], add: Callable[[Any], None], alive: Callable[[], None]) -> EpochTimes:
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


class Model:
    """The article's transfer learning, by ``model.fit``, on the CPU or a GPU.

    MobileNetV2 with its base frozen, then Flatten, Dense(256, relu) and Dense(classes), trained by Adam on
    the categorical cross-entropy of logits.
    """

    def __init__(self, tree: Tree, spec: Spec, width: float, weights: str | None) -> None:
        """Build and compile the model, and run two steps so that it is warm.

        Args:
            tree: Gives the number of classes and of images.
            spec: Gives image and batch size.
            width: MobileNetV2's width multiplier.
            weights: A weights file, ``imagenet``, or None for random ones: the arithmetic is the same.
        """
        import numpy as np
        from tensorflow import keras

        base = keras.applications.MobileNetV2(
            input_shape=(*spec.image_size, 3), alpha=width, include_top=False, weights=weights
        )
        base.trainable = False
        layers = keras.layers
        head = [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dense(len(tree.class_names))]
        self._model = keras.Sequential([base, *head])
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        # The article's TensorFlow did not compile either; XLA would, anew for the last, smaller batch.
        self._model.compile(optimizer="adam", loss=loss, jit_compile=False)
        self._tree, self._spec = tree, spec
        self._steps = math.ceil(len(tree) / spec.batch_size)
        images = np.zeros((spec.batch_size, *spec.image_size, 3), np.float32)
        labels = np.eye(len(tree.class_names), dtype=np.float32)[[0] * spec.batch_size]
        warm = as_dataset([(images, labels)] * 2, tree, spec)
        self._model.fit(warm, steps_per_epoch=2, verbose=0, shuffle=False)

    def epoch(
        self, batches: Iterable[Any], alive: Callable[[], None], at_end: Callable[[], None]
    ) -> EpochTimes:
        """Train for one epoch, timed from the epoch's beginning to its last step."""
        from tensorflow import keras

        last_step = self._steps - 1
        times: dict[str, float] = {}

        class Stopwatch(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 (Keras' names)
                times["start"] = time.perf_counter()

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                alive()
                if batch == 0:
                    times["first"] = time.perf_counter()
                if batch == last_step:
                    float(logs["loss"])  # a GPU may still be at work: wait for it
                    times["end"] = time.perf_counter()
                    at_end()
                    # Otherwise Keras begins another epoch of a dataset whose length it knows.
                    self.model.stop_training = True

        count = EpochCount()
        dataset = as_dataset(batches, self._tree, self._spec, count)
        self._model.fit(dataset, verbose=0, shuffle=False, callbacks=[Stopwatch()])
        if "end" not in times:
            raise ValueError(f"the epoch ended before its {self._steps} steps")
        # Of a tf.data.Dataset, only the steps are counted here: its batches never come by.
        problem = count.problem(self._tree) if count.images else None
        if problem is not None:
            raise ValueError(problem)
        return EpochTimes(times["first"] - times["start"], times["end"] - times["start"])


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


def as_dataset(batches: Iterable[Any], tree: Tree, spec: Spec, count: EpochCount | None = None) -> Any:
    """Return what ``model.fit`` makes of a loader, without the batches it loads only to look at them.

    A ``tf.data.Dataset`` is used as it is. Anything else is read in a background thread, some batches ahead,
    as Keras does with a ``PyDataset``, of which every ``fit`` would first load two batches for their shape.

    Args:
        batches: Begins a fresh epoch when it is iterated.
        tree: Gives the number of classes.
        spec: Gives the size of images.
        count: Counts what is read in the background.
    """
    import tensorflow as tf

    def counted() -> Iterator[Any]:
        for images, labels in batches:
            if count is not None:
                count.add(images, labels)
            yield images, labels

    if isinstance(batches, tf.data.Dataset):
        return batches
    signature = (
        tf.TensorSpec((None, *spec.image_size, 3), tf.float32),
        tf.TensorSpec((None, len(tree.class_names)), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(counted, output_signature=signature)
    return dataset.prefetch(tf.data.AUTOTUNE)


def _sleep_until(moment: float) -> None:
    """Sleep until ``time.perf_counter()`` shows ``moment``, or not at all if that has passed."""
    left = moment - time.perf_counter()
    if left > 0:
        time.sleep(left)
