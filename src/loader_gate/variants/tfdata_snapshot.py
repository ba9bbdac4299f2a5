"""A compressed ``tf.data`` snapshot of uint8 images, made float32 on the way out.

``Dataset.snapshot`` finds what it has written by a fingerprint of the graph, and one pipeline may get
several: now and then it decodes everything again, and writes it beside the first. So it only writes here, and
``Dataset.load`` reads. See https://github.com/tensorflow/tensorflow/issues/61317.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loader_gate.variants.tfdata_no_cache import INTERPOLATION as INTERPOLATION
from loader_gate.variants.tfdata_uint8_file_cache import float_batches, uint8_examples
from loader_gate.variants.tfdata_uint8_file_cache import predicted_buffer_bytes as predicted_buffer_bytes
from loader_gate.variants.uint8_memory_map import dump_name
from loader_gate.variants.uint8_memory_map import predicted_bytes as pixel_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loader_gate import Spec, Tree

KIND = "dump"
REQUIRES = "tensorflow"
INSTALL = "pip install tensorflow"
DEFAULT = False

#: GZIP makes it a sixth smaller instead of a twentieth, but takes more than twice as long to read.
COMPRESSION = "SNAPPY"

#: What is written beside each image's pixels, before compression.
_RECORD_BYTES = 100
_SUFFIX = ".snapshot"
#: How the metadata of a snapshot ends that was written to its end: protobuf's field 1000, ``finalized``, set.
_FINALIZED = b"\xc0\x3e\x01"


def predicted_bytes(images: int, spec: Spec) -> int:
    """Return what the dump takes at most: pixels that cannot be compressed at all."""
    return pixel_bytes(images, spec) + _RECORD_BYTES * images


def dump_problem(images: int, spec: Spec) -> str:  # noqa: ARG001 (its size depends on what is on the images)
    """Return why there is no finished dump: its folder gets its name when all is in it."""
    height, width = spec.image_size
    folders = [*spec.cache_dir.glob(f"*-{height}x{width}{_SUFFIX}")]
    if len(folders) != 1:
        return f"it has {len(folders)} snapshots of this size, not 1"
    return "" if _is_finalized(folders[0]) else "its snapshot is not finalized"


def load(tree: Tree, spec: Spec) -> SnapshotEpochs:
    """Return epochs, of which the first writes the dump unless it is there."""
    import tensorflow  # noqa: F401 (an epoch is to decode, not to import)

    return SnapshotEpochs(tree, spec)


class SnapshotEpochs:
    """Epochs that begin anew whenever they are iterated: the first writes a snapshot, the others read it."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Look for a snapshot later: another process may be about to write it."""
        self._tree, self._spec = tree, spec
        self._folder = spec.cache_dir / f"{dump_name(tree, spec)}{_SUFFIX}"
        self._dataset: Any = None

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Return the batches of one epoch."""
        if self._dataset is None:
            if not _is_finalized(self._folder):
                return self._first()
            # Of the same seed, its first epoch would come in the order of the one that wrote.
            reading = replace(self._spec, seed=self._spec.seed + 1)
            self._dataset = float_batches(self._saved(), reading)
        return iter(self._dataset)

    def _first(self) -> Iterator[tuple[Any, Any]]:
        """Write the images that pass by; the folder gets its name after the last one."""
        partial = self._folder.with_suffix(f".{os.getpid()}.partial")
        try:
            written = uint8_examples(self._tree, self._spec).snapshot(str(partial), compression=COMPRESSION)
            yield from float_batches(written, self._spec)
            (snapshot,) = (file.parent for file in partial.glob("*/snapshot.metadata"))
            shutil.rmtree(self._folder, ignore_errors=True)  # it is not finalized
            snapshot.replace(self._folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _saved(self) -> Any:
        """Return a dataset of single examples, read from the snapshot."""
        import tensorflow as tf

        image = tf.TensorSpec((*self._spec.image_size, 3), tf.uint8)
        label = tf.TensorSpec((len(self._tree.class_names),), tf.float32)
        # Snapshots number their elements, to write them to a file a core in turn.
        numbered = (tf.TensorSpec((), tf.int64), (image, label))
        saved = tf.data.Dataset.load(str(self._folder), numbered, compression=COMPRESSION)
        return saved.map(lambda _, example: example)


def _is_finalized(folder: Path) -> bool:
    """Return whether a snapshot was written to its end: TensorFlow marks its metadata then."""
    metadata = folder / "snapshot.metadata"
    return metadata.is_file() and metadata.read_bytes().endswith(_FINALIZED)
