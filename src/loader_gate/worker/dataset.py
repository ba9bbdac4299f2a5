"""What a training loop reads from: any loader as a ``tf.data.Dataset``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.same_work.cropped import is_augmented

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.trees.tree import Tree


def as_dataset(batches: Iterable[Any], tree: Tree, spec: Spec, declared: DeclaredOutput) -> Any:
    """Return what ``model.fit`` makes of a loader, without the batches it loads only to look at them.

    A ``tf.data.Dataset`` is used as it is. Anything else is read in a background thread, some batches ahead,
    as Keras does with a ``PyDataset``, of which every ``fit`` would first load two batches for their shape.

    Args:
        batches: Begins a fresh epoch when it is iterated.
        tree: Gives the number of classes.
        spec: Gives the size of images, and whether boxes come with them.
        declared: Gives their type and layout, and the form of labels.
    """
    import tensorflow as tf

    if isinstance(batches, tf.data.Dataset):
        return batches
    is_index = declared.labels == "index"
    signature = (
        tf.TensorSpec((None, *image_shape(spec, declared)), declared.dtype),
        tf.TensorSpec((None,), tf.int64)
        if is_index
        else tf.TensorSpec((None, len(tree.class_names)), tf.float32),
        *([tf.TensorSpec((None, 6), tf.int32)] if is_augmented(spec) else []),
    )

    def each() -> Iterator[Any]:
        for images, labels, *boxes in batches:
            yield images, declared.classes(np.asarray(labels)) if is_index else labels, *boxes

    dataset = tf.data.Dataset.from_generator(each, output_signature=signature)
    return dataset.prefetch(tf.data.AUTOTUNE)


def image_shape(spec: Spec, declared: DeclaredOutput) -> tuple[int, int, int]:
    """Return the shape of one image as it is delivered."""
    height, width = spec.image_size
    return (height, width, 3) if declared.layout == "NHWC" else (3, height, width)
