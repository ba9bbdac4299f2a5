"""What a training loop reads from: any loader as a ``tf.data.Dataset``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        spec: Gives the size of images.
        declared: Gives their type.
    """
    import tensorflow as tf

    if isinstance(batches, tf.data.Dataset):
        return batches
    signature = (
        tf.TensorSpec((None, *spec.image_size, 3), declared.dtype),
        tf.TensorSpec((None, len(tree.class_names)), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(
        lambda: ((images, labels) for images, labels in batches), output_signature=signature
    )
    return dataset.prefetch(tf.data.AUTOTUNE)
