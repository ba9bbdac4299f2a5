"""What a training loop reads from: any loader as a ``tf.data.Dataset``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate.same_work.count import EpochCount

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree


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
