"""``tf.data`` tuned: JPEGs decoded at a reduced size, resized as bytes, with a thread a core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate import cores
from loader_gate.variants.tfdata_no_cache import mirrored, part, parts

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "streaming"
REQUIRES = "tensorflow"
INSTALL = "pip install tensorflow"
DECODERS = "TensorFlow"
AUGMENTS = ("crop-flip",)
DEFAULT = ("loading",)
INTERPOLATION = "area"  # a DCT-scaled decode, where the file is large enough
SHARDS = True

BATCHES_AHEAD = 2


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``tf.data.Dataset`` of one epoch."""
    import tensorflow as tf

    def example(path: Any, label: Any) -> tuple[Any, Any]:
        image = decoded(tf.io.read_file(path), spec)
        # Resized as bytes, then scaled: the other way round, the float32 image is four times as large.
        return tf.image.resize(image, spec.image_size) / 255, tf.one_hot(label, len(tree.class_names))

    def example_of_part(file: Any, seed: Any) -> tuple[Any, Any, Any]:
        path, label, place = file
        image, box = resized_part(tf.io.read_file(path), place, seed, spec)
        return image / 255, tf.one_hot(label, len(tree.class_names)), box

    augments = spec.augment == "crop-flip"
    if augments:
        files = parts(tree, spec)
    else:
        files = tf.data.Dataset.from_tensor_slices((list(tree.paths), list(tree.labels)))
        if spec.shuffle:
            files = files.shuffle(len(tree), seed=spec.seed)
    if spec.shards > 1:
        files = files.shard(spec.shards, spec.shard)
    dataset = (
        files.map(
            example_of_part if augments else example,
            num_parallel_calls=cores(),
            deterministic=not spec.shuffle,
        )
        .batch(spec.batch_size)
        .prefetch(BATCHES_AHEAD)
    )
    options = tf.data.Options()
    options.autotune.enabled = False  # it takes epochs to settle, and seconds to end one
    options.threading.private_threadpool_size = cores()
    options.threading.max_intra_op_parallelism = 1
    return dataset.with_options(options)


def resized_part(data: Any, place: Any, seed: Any, spec: Spec) -> tuple[Any, Any]:
    """Return a random part of an image, float32 from 0 to 255 and mirrored or not, and its row of ``boxes``.

    Args:
        data: The file.
        place: Its position in the tree, int32.
        seed: Two numbers.
        spec: The epoch to deliver.
    """
    import tensorflow as tf

    # At full size: at a half, hardly any part is still as large as the image.
    image, box = part(data, place, seed, fancy_upscaling=False, dct_method="INTEGER_FAST")
    # Bilinear is as good as antialiased down to about a third, and much faster.
    image = tf.cond(
        tf.reduce_any(box[3:5] > 3 * tf.constant(spec.image_size)),
        lambda: tf.image.resize(image, spec.image_size, antialias=True),
        lambda: tf.image.resize(image, spec.image_size),
    )
    return mirrored(image, box), box


def decoded(data: Any, spec: Spec) -> Any:
    """Return an image as bytes, of any size that is not below ``spec.image_size`` unless the file is."""
    import tensorflow as tf

    def whole() -> Any:
        return tf.io.decode_image(data, channels=3, expand_animations=False)

    def jpeg() -> Any:
        # The decoder rounds up, so that this is never too small.
        fits = tf.reduce_min(tf.io.extract_jpeg_shape(data)[:2] // tf.constant(spec.image_size))
        return tf.cond(
            fits >= 4,
            lambda: tf.cond(fits >= 8, lambda: reduced(8), lambda: reduced(4)),
            lambda: tf.cond(fits >= 2, lambda: reduced(2), lambda: reduced(1)),
        )

    def reduced(ratio: int) -> Any:
        return tf.io.decode_jpeg(
            data, channels=3, ratio=ratio, fancy_upscaling=False, dct_method="INTEGER_FAST"
        )

    image = tf.cond(tf.io.is_jpeg(data), jpeg, whole)
    image.set_shape((None, None, 3))
    return image
