"""The article's file cache with uint8 images in it, made float32 on the way out: a quarter of the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate.variants.tfdata_file_cache import PREFIX, cache_problem
from loader_gate.variants.tfdata_memory_cache import SHUFFLE_BUFFER
from loader_gate.variants.tfdata_no_cache import INTERPOLATION as INTERPOLATION
from loader_gate.variants.tfdata_no_cache import examples
from loader_gate.variants.uint8_memory_map import predicted_bytes as pixel_bytes

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "dump"
REQUIRES = "tensorflow"
INSTALL = "pip install tensorflow"
DEFAULT = False

#: What TensorFlow's index says of each image.
_INDEX_BYTES = 64


def predicted_bytes(images: int, spec: Spec) -> int:
    """Return what the pixels and the index take."""
    return pixel_bytes(images, spec) + _INDEX_BYTES * images


def predicted_buffer_bytes(images: int, spec: Spec) -> int:
    """Return what the shuffle buffer takes in memory: images of a byte a value."""
    return pixel_bytes(min(images, SHUFFLE_BUFFER), spec) if spec.shuffle else 0


def dump_problem(images: int, spec: Spec) -> str:
    """Return why there is no finished dump."""
    return cache_problem(spec, images, pixel_bytes(images, spec))


def uint8_examples(tree: Tree, spec: Spec) -> Any:
    """Return a dataset of single examples in the tree's order: a uint8 image and its one-hot label."""
    import tensorflow as tf

    def to_uint8(image: Any, label: Any) -> tuple[Any, Any]:
        return tf.cast(tf.round(image * 255), tf.uint8), label

    return examples(tree, spec, shuffle_files=False).map(to_uint8, num_parallel_calls=tf.data.AUTOTUNE)


def float_batches(dataset: Any, spec: Spec) -> Any:
    """Return a dataset of batches of float32 images in [0, 1], made of uint8 ones after shuffling them."""
    import tensorflow as tf

    def to_float(images: Any, labels: Any) -> tuple[Any, Any]:
        return tf.cast(images, tf.float32) * (1 / 255), labels

    if spec.shuffle:
        dataset = dataset.shuffle(SHUFFLE_BUFFER, seed=spec.seed)
    batches = dataset.batch(spec.batch_size).map(to_float, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``tf.data.Dataset`` of one epoch, whose first epoch writes the dump."""
    return float_batches(uint8_examples(tree, spec).cache(str(spec.cache_dir / PREFIX)), spec)
