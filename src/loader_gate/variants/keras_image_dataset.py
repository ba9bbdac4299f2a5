"""Keras' ``image_dataset_from_directory`` as it comes, with the rescaling that its guide adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "streaming"
REQUIRES = "tensorflow"
INSTALL = "pip install tensorflow"
DECODERS = "TensorFlow"
DEFAULT = False
INTERPOLATION = "bilinear"  # the default of image_dataset_from_directory


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``tf.data.Dataset`` of one epoch."""
    import keras
    import tensorflow as tf

    dataset = keras.utils.image_dataset_from_directory(
        tree.root,
        label_mode="categorical",
        class_names=list(tree.class_names),
        batch_size=spec.batch_size,
        image_size=spec.image_size,
        shuffle=spec.shuffle,
        seed=spec.seed,
        verbose=False,
    )
    rescale = keras.layers.Rescaling(1 / 255)
    return dataset.map(lambda images, labels: (rescale(images), labels)).prefetch(tf.data.AUTOTUNE)
