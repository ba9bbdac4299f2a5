"""The article's ``tf.data`` pipeline with decoded images dumped to a file in the first epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate.variants.tfdata_memory_cache import SHUFFLE_BUFFER
from loader_gate.variants.tfdata_memory_cache import predicted_bytes as predicted_bytes  # the same, on disk
from loader_gate.variants.tfdata_no_cache import INTERPOLATION as INTERPOLATION
from loader_gate.variants.tfdata_no_cache import examples

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "dump"
REQUIRES = "tensorflow"
INSTALL = "pip install tensorflow"

#: Of the names of the cache's files.
PREFIX = "images"


def predicted_buffer_bytes(images: int, spec: Spec) -> int:
    """Return what the shuffle buffer takes in memory: images read from the file are decoded ones."""
    return predicted_bytes(min(images, SHUFFLE_BUFFER), spec) if spec.shuffle else 0


def dump_problem(images: int, spec: Spec) -> str:
    """Return why there is no finished dump."""
    return cache_problem(spec, images, predicted_bytes(images, spec))


def cache_problem(spec: Spec, images: int, least: int) -> str:
    """Return why there is no finished cache: TensorFlow writes the index last, then takes its lock away."""
    if not (spec.cache_dir / f"{PREFIX}.index").is_file():
        return "its index is missing"
    if any(spec.cache_dir.glob(f"{PREFIX}*.lockfile")):
        return "a writer's lockfile is left in it"
    written = sum(file.stat().st_size for file in spec.cache_dir.glob(f"{PREFIX}.data-*"))
    if written < least:
        return f"its data files hold {written:,} bytes, fewer than {images:,} images take"
    return ""


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``tf.data.Dataset`` of one epoch, whose first epoch writes the dump."""
    import tensorflow as tf

    dataset = examples(tree, spec, shuffle_files=False).cache(str(spec.cache_dir / PREFIX))
    if spec.shuffle:
        dataset = dataset.shuffle(SHUFFLE_BUFFER, seed=spec.seed)
    return dataset.batch(spec.batch_size).prefetch(tf.data.AUTOTUNE)
