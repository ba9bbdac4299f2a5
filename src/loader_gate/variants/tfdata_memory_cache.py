"""The article's ``tf.data`` pipeline with decoded images kept in memory after the first epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate.variants.tfdata_no_cache import INTERPOLATION as INTERPOLATION
from loader_gate.variants.tfdata_no_cache import examples

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "memory"
REQUIRES = "tensorflow"
INSTALL = "pip install tensorflow"
SHUFFLE_BUFFER = 1000  # decoded images, as in the article


def predicted_bytes(images: int, spec: Spec) -> int:
    """Return what the pixels take in memory: float32, three channels."""
    height, width = spec.image_size
    return images * height * width * 3 * 4


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``tf.data.Dataset`` of one epoch, whose first epoch fills the cache."""
    import tensorflow as tf

    dataset = examples(tree, spec, shuffle_files=False).cache()
    if spec.shuffle:
        dataset = dataset.shuffle(SHUFFLE_BUFFER, seed=spec.seed)
    return dataset.batch(spec.batch_size).prefetch(tf.data.AUTOTUNE)
