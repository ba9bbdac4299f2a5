"""Trains a model on the batches."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.same_work.timed import POINTS
from loader_gate.worker.dataset import as_dataset

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.trees.tree import Tree
    from loader_gate.worker.epoch import Epoch


class Model:
    """The article's transfer learning, by ``model.fit``, on the CPU or a GPU.

    MobileNetV2 with its base frozen, then Flatten, Dense(256, relu) and Dense(classes), trained by Adam on
    the categorical cross-entropy of logits.
    """

    def __init__(
        self, tree: Tree, spec: Spec, declared: DeclaredOutput, width: float, weights: str | None
    ) -> None:
        """Build and compile the model, and run two steps so that it is warm.

        Args:
            tree: Gives the number of classes and of images.
            spec: Gives image and batch size.
            declared: What the loader says it delivers.
            width: MobileNetV2's width multiplier.
            weights: A weights file, ``imagenet``, or None for random ones: the arithmetic is the same.
        """
        from tensorflow import keras

        base = keras.applications.MobileNetV2(
            input_shape=(*spec.image_size, 3), alpha=width, include_top=False, weights=weights
        )
        base.trainable = False
        layers = keras.layers
        head = [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dense(len(tree.class_names))]
        trained_on = _TrainedOn(len(tree) + spec.batch_size, declared.dtype)

        class Watched(keras.Sequential):  # type: ignore[misc, unused-ignore]
            def train_step(self, data: Any) -> Any:
                trained_on.add(*data)
                return super().train_step(data)

        self._model, self._trained_on = Watched([base, *head]), trained_on
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        # The article's TensorFlow did not compile either; XLA would, anew for the last, smaller batch.
        self._model.compile(optimizer="adam", loss=loss, jit_compile=False)
        self._tree, self._spec, self._declared = tree, spec, declared
        self._steps = math.ceil(len(tree) / spec.batch_size)
        images = np.zeros((spec.batch_size, *spec.image_size, 3), declared.dtype)
        labels = np.eye(len(tree.class_names), dtype=np.float32)[[0] * spec.batch_size]
        self._fit(as_dataset([(images, labels)] * 2, tree, spec, declared))

    def use_up(self, batches: Iterable[Any], epoch: Epoch) -> None:
        """Train for one epoch, timed until its data have ended and its last step is done."""
        from tensorflow import keras

        steps, clock = self._steps, epoch.stopwatch

        class Told(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 (Keras' names)
                clock.start()

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                if batch == 0:
                    float(logs["loss"])  # a GPU may still be at work: wait for it
                    epoch.first_batch = clock.now()
                clock.pause()
                epoch.alive()
                if batch >= steps:  # it does not end where it should
                    self.model.stop_training = True
                clock.go_on()

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
                float(logs.get("loss", 0.0))
                clock.stop()

        assert epoch.seen is not None  # noqa: S101 (no limit is trained on)
        self._trained_on.begin(epoch.seen.fingerprints.places)
        dataset = as_dataset(batches, self._tree, self._spec, self._declared)
        # Keras does not ask a dataset whose length it knows whether it has ended, and begins another epoch.
        self._fit(dataset.take_while(lambda *_: True), Told())
        del dataset
        epoch.torn_down()
        epoch.seen.keep(*self._trained_on.seen())

    def _fit(self, dataset: Any, *callbacks: Any) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
            self._model.fit(dataset, verbose=0, shuffle=False, callbacks=[*callbacks])


class _TrainedOn:
    """What a model has been trained on: some pixels of every image, and its label, kept where the model is.

    Nothing has to be copied from a device while it trains.
    """

    def __init__(self, images: int, dtype: str) -> None:
        """Make room for so many images of a type."""
        import tensorflow as tf

        self._last = images - 1
        self._pixels = tf.Variable(tf.zeros((images, POINTS, 3), dtype), trainable=False)
        self._classes = tf.Variable(tf.zeros(images, tf.int64), trainable=False)
        self._places = tf.Variable(tf.zeros(POINTS, tf.int64), trainable=False)
        self._count = tf.Variable(0, dtype=tf.int64, trainable=False)

    def begin(self, places: npt.NDArray[np.int64]) -> None:
        """Begin an epoch, of which the pixels at these places of every image are kept."""
        self._count.assign(0)
        self._places.assign(places)

    def add(self, images: Any, labels: Any) -> None:
        """Keep what is needed of a batch, as a part of the model's graph."""
        import tensorflow as tf

        size = tf.shape(images, tf.int64)[0]
        where = tf.minimum(self._count + tf.range(size), self._last)
        pixels = tf.gather(tf.reshape(images, (size, -1, 3)), self._places, axis=1)
        self._pixels.scatter_update(tf.IndexedSlices(pixels, where))
        self._classes.scatter_update(tf.IndexedSlices(tf.argmax(labels, axis=1), where))
        self._count.assign_add(size)

    def seen(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return the pixels of every image so far, ``(images, POINTS, 3)``, and its class."""
        count = int(self._count)
        return self._pixels[:count].numpy(), self._classes[:count].numpy()


CONSUMER = Model
