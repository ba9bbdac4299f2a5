"""The article's ``tf.data`` pipeline without a cache: every epoch reads and decodes every file again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "streaming"
DECODERS = "TensorFlow"
INTERPOLATION = "bilinear"  # the default of tf.image.resize, without antialiasing
SHARDS = True


def examples(tree: Tree, spec: Spec, *, shuffle_files: bool) -> Any:
    """Return a dataset of single examples: a float32 image in [0, 1] and its one-hot float32 label.

    The article takes classes in the order of ``os.listdir``, which differs between file systems; here
    the tree's own, sorted order is used.
    """
    import tensorflow as tf

    def decode(path: Any, label: Any) -> tuple[Any, Any]:
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        image = tf.image.convert_image_dtype(image, tf.float32)
        return tf.image.resize(image, spec.image_size), tf.one_hot(label, len(tree.class_names))

    files = tf.data.Dataset.from_tensor_slices((list(tree.paths), list(tree.labels)))
    if shuffle_files:
        files = files.shuffle(len(tree), seed=spec.seed)
    if spec.shards > 1:
        files = files.shard(spec.shards, spec.shard)
    return files.map(decode, num_parallel_calls=tf.data.AUTOTUNE)


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``tf.data.Dataset`` of one epoch.

    File names are shuffled, not decoded images: a buffer of those would hold back the first batch of a
    small tree until nearly all of it is decoded.
    """
    import tensorflow as tf

    dataset = examples(tree, spec, shuffle_files=spec.shuffle)
    return dataset.batch(spec.batch_size).prefetch(tf.data.AUTOTUNE)
