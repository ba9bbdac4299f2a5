"""Trains a model on the batches."""

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


CONSUMER = Model
