"""The article's ``tf.data`` pipeline without a cache: every epoch reads and decodes every file again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "streaming"
REQUIRES = "tensorflow"
INSTALL = "pip install tensorflow"
DECODERS = "TensorFlow"
AUGMENTS = ("crop-flip",)
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


def parts(tree: Tree, spec: Spec) -> Any:
    """Return a dataset of what `part` takes: each file of the tree, and a seed that is new in each epoch."""
    import tensorflow as tf

    files = tf.data.Dataset.from_tensor_slices((list(tree.paths), list(tree.labels), list(range(len(tree)))))
    if spec.shuffle:
        files = files.shuffle(len(tree), seed=spec.seed)
    # Random operations with a seed of their own would draw the same in every epoch.
    seeds = tf.data.Dataset.random(spec.seed, rerandomize_each_iteration=True).batch(2)
    return tf.data.Dataset.zip((files, seeds))


def part(data: Any, place: Any, seed: Any, **jpeg: Any) -> tuple[Any, Any]:
    """Decode a random part of an image, and no more than that of a JPEG.

    Args:
        data: The file.
        place: Its position in the tree.
        seed: Two numbers.
        **jpeg: More arguments of ``decode_and_crop_jpeg``.

    Returns:
        The part, as bytes and not yet mirrored, and its row of ``boxes``.
    """
    import tensorflow as tf

    def box(shape: Any) -> Any:
        begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            shape,
            bounding_boxes=[[[0.0, 0.0, 1.0, 1.0]]],
            seed=seed,
            min_object_covered=0.0,
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.08, 1.0),
            max_attempts=10,
            use_image_if_no_bounding_boxes=True,
        )
        return tf.concat([begin[:2], size[:2]], axis=0)

    def of_jpeg() -> tuple[Any, Any]:
        drawn = box(tf.io.extract_jpeg_shape(data))
        return tf.io.decode_and_crop_jpeg(data, drawn, channels=3, **jpeg), drawn

    def of_others() -> tuple[Any, Any]:
        whole = tf.io.decode_image(data, channels=3, expand_animations=False)
        drawn = box(tf.shape(whole))
        return tf.slice(whole, [drawn[0], drawn[1], 0], [drawn[2], drawn[3], 3]), drawn

    image, drawn = tf.cond(tf.io.is_jpeg(data), of_jpeg, of_others)
    image.set_shape((None, None, 3))
    flipped = tf.random.stateless_uniform((), seed + 1) < 0.5
    return image, tf.concat([[place], drawn, [tf.cast(flipped, tf.int32)]], axis=0)


def mirrored(image: Any, box: Any) -> Any:
    """Return an image, mirrored if its row of ``boxes`` says so."""
    import tensorflow as tf

    return tf.cond(box[5] == 1, lambda: tf.reverse(image, [1]), lambda: image)


def _augmented(tree: Tree, spec: Spec) -> Any:
    import tensorflow as tf

    def decode(file: Any, seed: Any) -> tuple[Any, Any, Any]:
        path, label, place = file
        image, box = part(tf.io.read_file(path), place, seed)
        image = tf.image.resize(tf.image.convert_image_dtype(image, tf.float32), spec.image_size)
        return mirrored(image, box), tf.one_hot(label, len(tree.class_names)), box

    return parts(tree, spec).map(decode, num_parallel_calls=tf.data.AUTOTUNE)


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``tf.data.Dataset`` of one epoch.

    File names are shuffled, not decoded images: a buffer of those would hold back the first batch of a
    small tree until nearly all of it is decoded.
    """
    import tensorflow as tf

    if spec.augment == "crop-flip":
        dataset = _augmented(tree, spec)
    else:
        dataset = examples(tree, spec, shuffle_files=spec.shuffle)
    return dataset.batch(spec.batch_size).prefetch(tf.data.AUTOTUNE)
