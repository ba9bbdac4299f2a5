"""A compressed ``tf.data`` snapshot of uint8 images, made float32 on the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.variants.tfdata_no_cache import INTERPOLATION as INTERPOLATION
from benchmarks.variants.tfdata_uint8_file_cache import float_batches, uint8_examples
from benchmarks.variants.tfdata_uint8_file_cache import predicted_buffer_bytes as predicted_buffer_bytes
from benchmarks.variants.uint8_memory_map import predicted_bytes as pixel_bytes

if TYPE_CHECKING:
    from benchmarks.spec import Spec
    from fixtures.tree import Tree

KIND = "dump"
DEFAULT = False

#: What is written beside each image's pixels, before compression.
_RECORD_BYTES = 100
#: How the metadata of a snapshot ends that was written to its end: protobuf's field 1000, ``finalized``, set.
_FINALIZED = b"\xc0\x3e\x01"


def predicted_bytes(images: int, spec: Spec) -> int:
    """Return what the dump takes at most: pixels that cannot be compressed at all."""
    return pixel_bytes(images, spec) + _RECORD_BYTES * images


def dump_problem(images: int, spec: Spec) -> str:  # noqa: ARG001 (its size depends on what is on the images)
    """Return why there is no finished dump: TensorFlow marks the metadata when the epoch has ended."""
    metadata = [*spec.cache_dir.glob("*/snapshot.metadata")]
    if len(metadata) != 1:
        return f"it has {len(metadata)} snapshots, not 1"
    return "" if metadata[0].read_bytes().endswith(_FINALIZED) else "its snapshot is not finalized"


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``tf.data.Dataset`` of one epoch, whose first epoch writes the dump."""
    # GZIP makes it a sixth smaller instead of a twentieth, but takes more than twice as long to read.
    return float_batches(uint8_examples(tree, spec).snapshot(str(spec.cache_dir), compression="SNAPPY"), spec)
