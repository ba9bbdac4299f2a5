"""How batches come to a model of Keras on TensorFlow: by a ``tf.data.Dataset``, as a part of its graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.same_work.cropped import is_augmented
from loader_gate.same_work.fingerprints import POINTS
from loader_gate.worker.dataset import as_dataset

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.trees.tree import Tree


class GraphFeed:
    """Hands batches to ``model.fit``, and keeps some pixels of every image that a model is trained on.

    They are kept where the model is, so that nothing has to be copied from a device while it trains.
    """

    def __init__(self, tree: Tree, spec: Spec, declared: DeclaredOutput) -> None:
        """Make room for the images of an epoch, as they are declared, and for their boxes."""
        import tensorflow as tf

        images = len(tree) + spec.batch_size
        self._tree, self._spec, self._declared, self._last = tree, spec, declared, images - 1
        self._pixels = tf.Variable(tf.zeros((images, POINTS, 3), declared.dtype), trainable=False)
        self._classes = tf.Variable(tf.zeros(images, tf.int64), trainable=False)
        has_boxes = is_augmented(spec)
        self._boxes = tf.Variable(tf.zeros((images, 6), tf.int32), trainable=False) if has_boxes else None
        self._places = tf.Variable(tf.zeros(POINTS, tf.int64), trainable=False)
        self._count = tf.Variable(0, dtype=tf.int64, trainable=False)

    def sequential(self) -> Any:
        """Return the class of the model, whose step sees what it is trained on."""
        import keras

        add = self.add

        class Watched(keras.Sequential):  # type: ignore[misc, unused-ignore]
            def train_step(self, data: Any) -> Any:
                add(*data)
                return super().train_step(data[:2])  # to Keras, the third one would be weights of images

        return Watched

    def begin(self, batches: Iterable[Any], places: npt.NDArray[np.int64]) -> Any:
        """Return what ``fit`` takes for one epoch, of which the pixels at these places are kept."""
        self._count.assign(0)
        self._places.assign(places)
        dataset = as_dataset(batches, self._tree, self._spec, self._declared)
        # Keras does not ask a dataset whose length it knows whether it has ended, and begins another epoch.
        return dataset.take_while(lambda *_: True)

    def since_it_came(self) -> float:
        """Return how many seconds ago the last batch came: nobody sees when the graph takes it."""
        return 0.0

    def end(self) -> None:
        """Let go of an epoch: there is nothing to do."""

    def seen(self, images: int) -> tuple[npt.NDArray[Any], ...]:  # noqa: ARG002 (no more has come by)
        """Return what was kept of the images of an epoch.

        Returns:
            Their pixels, ``(images, POINTS, 3)``, their classes, and their boxes if they have any.
        """
        count = int(self._count)
        kept = [self._pixels, self._classes, *([] if self._boxes is None else [self._boxes])]
        return tuple(each[:count].numpy() for each in kept)

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
