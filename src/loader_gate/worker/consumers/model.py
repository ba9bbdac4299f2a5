"""Trains a model on the batches."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.same_work.cropped import is_augmented
from loader_gate.same_work.fingerprints import POINTS
from loader_gate.worker.dataset import as_dataset, image_shape
from loader_gate.worker.keras_settings import default_numbers

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
        with default_numbers():
            self._build(tree, spec, declared, width, weights)

    def _build(
        self, tree: Tree, spec: Spec, declared: DeclaredOutput, width: float, weights: str | None
    ) -> None:
        import tensorflow as tf
        from tensorflow import keras

        base = keras.applications.MobileNetV2(
            input_shape=(*spec.image_size, 3), alpha=width, include_top=False, weights=weights
        )
        base.trainable = False
        layers = keras.layers
        as_delivered = []  # what a training script would put before the model
        if declared.layout == "NCHW":
            as_delivered.append(layers.Permute((2, 3, 1)))
        if declared.dtype != "float32":
            as_delivered.append(layers.Rescaling(1 / 255 if declared.dtype == "uint8" else 1))
        head = [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dense(len(tree.class_names))]
        trained_on = _TrainedOn(len(tree) + spec.batch_size, declared, is_augmented(spec))

        class Watched(keras.Sequential):  # type: ignore[misc, unused-ignore]
            def train_step(self, data: Any) -> Any:
                trained_on.add(*data)
                return super().train_step(data[:2])  # to Keras, the third one would be weights of images

        shape = image_shape(spec, declared)
        beginning = [keras.Input(shape, dtype=declared.dtype), *as_delivered] if as_delivered else []
        self._model, self._trained_on = Watched([*beginning, base, *head]), trained_on
        losses = keras.losses
        is_index = declared.labels == "index"
        loss_of = losses.SparseCategoricalCrossentropy if is_index else losses.CategoricalCrossentropy
        loss = loss_of(from_logits=True)
        # The article's TensorFlow did not compile either; XLA would, anew for the last, smaller batch.
        self._model.compile(optimizer="adam", loss=loss, jit_compile=False)
        self._tree, self._spec, self._declared = tree, spec, declared
        self._steps = math.ceil(len(tree) / spec.batch_size)
        images = tf.zeros((spec.batch_size, *shape), declared.dtype)
        labels = np.eye(len(tree.class_names), dtype=np.float32)[[0] * spec.batch_size]
        if is_index:
            labels = labels.argmax(axis=1)
        boxes = [np.zeros((spec.batch_size, 6), np.int32)] if is_augmented(spec) else []
        self._fit(as_dataset([(images, labels, *boxes)] * 2, tree, spec, declared))

    def use_up(self, batches: Iterable[Any], epoch: Epoch) -> None:
        """Train for one epoch, timed until its data have ended and its last step is done."""
        from tensorflow import keras

        steps, size, clock = self._steps, self._spec.batch_size, epoch.stopwatch

        class Told(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 (Keras' names)
                clock.start()

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                if batch == 0:
                    float(logs["loss"])  # a GPU may still be at work: wait for it
                    epoch.first_batch = clock.now()
                clock.pause()
                epoch.alive()
                is_marked = epoch.count(size)
                clock.go_on()
                if is_marked:
                    float(logs["loss"])
                    epoch.mark()
                if batch >= steps or epoch.is_over:  # it does not end where it should, or is left early
                    self.model.stop_training = True

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
                float(logs.get("loss", 0.0))
                clock.stop()

        seen = epoch.seen  # nobody has to see batches that were there before: only the model works on them
        self._trained_on.begin(np.zeros(POINTS, np.int64) if seen is None else seen.fingerprints.places)
        dataset = as_dataset(batches, self._tree, self._spec, self._declared)
        # Keras does not ask a dataset whose length it knows whether it has ended, and begins another epoch.
        self._fit(dataset.take_while(lambda *_: True), Told())
        del dataset
        epoch.torn_down()
        if seen is not None:
            seen.keep(*self._trained_on.seen())  # type: ignore[arg-type, call-arg, unused-ignore]

    def _fit(self, dataset: Any, *callbacks: Any) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Your input ran out of data", UserWarning)
            self._model.fit(dataset, verbose=0, shuffle=False, callbacks=[*callbacks])


class _TrainedOn:
    """What a model has been trained on: some pixels of every image, and its label, kept where the model is.

    Nothing has to be copied from a device while it trains.
    """

    def __init__(self, images: int, declared: DeclaredOutput, has_boxes: bool) -> None:
        """Make room for so many images as they are declared, and for their boxes."""
        import tensorflow as tf

        self._last, self._declared = images - 1, declared
        self._pixels = tf.Variable(tf.zeros((images, POINTS, 3), declared.dtype), trainable=False)
        self._classes = tf.Variable(tf.zeros(images, tf.int64), trainable=False)
        self._boxes = tf.Variable(tf.zeros((images, 6), tf.int32), trainable=False) if has_boxes else None
        self._places = tf.Variable(tf.zeros(POINTS, tf.int64), trainable=False)
        self._count = tf.Variable(0, dtype=tf.int64, trainable=False)

    def begin(self, places: npt.NDArray[np.int64]) -> None:
        """Begin an epoch, of which the pixels at these places of every image are kept."""
        self._count.assign(0)
        self._places.assign(places)

    def add(self, images: Any, labels: Any, boxes: Any = None) -> None:
        """Keep what is needed of a batch, as a part of the model's graph."""
        import tensorflow as tf

        size = tf.shape(images, tf.int64)[0]
        where = tf.minimum(self._count + tf.range(size), self._last)
        if self._declared.layout == "NCHW":
            planes = tf.gather(tf.reshape(images, (size, 3, -1)), self._places, axis=2)
            pixels = tf.transpose(planes, (0, 2, 1))
        else:
            pixels = tf.gather(tf.reshape(images, (size, -1, 3)), self._places, axis=1)
        is_index = self._declared.labels == "index"
        classes = tf.reshape(tf.cast(labels, tf.int64), (-1,)) if is_index else tf.argmax(labels, axis=1)
        self._pixels.scatter_update(tf.IndexedSlices(pixels, where))
        self._classes.scatter_update(tf.IndexedSlices(classes, where))
        if boxes is not None and self._boxes is not None:
            self._boxes.scatter_update(tf.IndexedSlices(boxes, where))
        self._count.assign_add(size)

    def seen(self) -> tuple[npt.NDArray[Any], ...]:
        """Return the pixels of every image so far, ``(images, POINTS, 3)``, its class, and its box if any."""
        count = int(self._count)
        kept = [self._pixels, self._classes, *([] if self._boxes is None else [self._boxes])]
        return tuple(each[:count].numpy() for each in kept)


CONSUMER = Model
