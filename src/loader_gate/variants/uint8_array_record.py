"""Decoded images as uint8 in an ArrayRecord file, read at random by Grain: JAX's way of loading."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from loader_gate import cores
from loader_gate.variants.tfdata_no_cache import INTERPOLATION as INTERPOLATION
from loader_gate.variants.uint8_memory_map import Epochs, decoded, dump_name, to_float
from loader_gate.variants.uint8_memory_map import predicted_bytes as pixel_bytes

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "dump"
REQUIRES = "grain array_record"
INSTALL = 'pip install "loader-gate[grain]"'
DEFAULT = False

#: A record is its image's class, as a little-endian number, and the pixels.
_LABEL = struct.Struct("<i")
#: Pixels hardly become smaller by the compression that is there; groups would be read whole for one image.
_OPTIONS = "group_size:1,uncompressed"
#: What is written beside each record, and what fills up blocks of 64 KiB at the end.
_RECORD_BYTES, _PADDING = 160, 2 * 65536


def predicted_bytes(images: int, spec: Spec) -> int:
    """Return what pixels, index and padding take at most."""
    return pixel_bytes(images, spec) + (_LABEL.size + _RECORD_BYTES) * images + _PADDING


def predicted_buffer_bytes(images: int, spec: Spec) -> int:
    """Return what the float32 batches take that Grain reads ahead."""
    return 4 * pixel_bytes(min(images, _batches_ahead() * spec.batch_size), spec)


def _batches_ahead() -> int:
    return cores() + 1


def dump_problem(images: int, spec: Spec) -> str:
    """Return why there is no finished dump: the file gets its name when it is whole."""
    height, width = spec.image_size
    sizes = [file.stat().st_size for file in spec.cache_dir.glob(f"*-{height}x{width}.array_record")]
    if len(sizes) != 1:
        return f"it has {len(sizes)} files of records of this size, not 1"
    least = pixel_bytes(images, spec)
    return "" if sizes[0] >= least else f"its file has {sizes[0]:,} bytes, fewer than {least:,}"


def load(tree: Tree, spec: Spec) -> GrainEpochs:
    """Return epochs, of which the first writes the dump unless it is there."""
    import grain  # noqa: F401 (an epoch is to read, not to import)

    return GrainEpochs(tree, spec)


class GrainEpochs:
    """Epochs that begin anew whenever they are iterated: the first writes records, the others read them."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Prepare to write records unless they are there."""
        self._tree, self._spec = tree, spec
        self._records = ArrayRecords(tree, spec)
        there = self._records.path.is_file()
        self._first = None if there else Epochs(tree, spec, self._records, decoded, to_float)
        self._epoch = 0

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Return the batches of one epoch."""
        import grain

        if self._first is not None and not self._records.path.is_file():
            return iter(self._first)
        self._epoch += 1
        records = grain.MapDataset.source(grain.sources.ArrayRecordDataSource(str(self._records.path)))
        if self._spec.shuffle:
            records = records.shuffle(seed=self._spec.seed + self._epoch)
        batches = records.batch(self._spec.batch_size, drop_remainder=False, batch_fn=self._batch)
        # Its default of 16 threads and 500 batches is for a network's file system.
        return iter(batches.to_iter_dataset(grain.ReadOptions(cores(), _batches_ahead())))

    def _batch(self, records: list[bytes]) -> tuple[Any, Any]:
        import numpy as np

        shape = (*self._spec.image_size, 3)
        images = np.empty((len(records), *shape), np.float32)
        labels = np.zeros((len(records), len(self._tree.class_names)), np.float32)
        for row, record in enumerate(records):
            to_float(np.frombuffer(record, np.uint8, offset=_LABEL.size).reshape(shape), images[row])
            labels[row, _LABEL.unpack_from(record)[0]] = 1
        return images, labels


class ArrayRecords:
    """An ArrayRecord file of uint8 images and their classes."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Keep the tree, whose classes are written too."""
        self._tree = tree
        self.path = spec.cache_dir / f"{dump_name(tree, spec)}.array_record"

    def read(self) -> None:
        """Return nothing: Grain reads."""

    def write(self, items: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """Write the images that pass by; the file gets its name after the last one."""
        from array_record.python.array_record_module import ArrayRecordWriter

        partial = self.path.with_suffix(f".{os.getpid()}.partial")
        try:
            writer = ArrayRecordWriter(str(partial), _OPTIONS)
            try:
                for index, image in items:
                    writer.write(_LABEL.pack(self._tree.labels[index]) + image.tobytes())
                    yield index, image
            finally:
                writer.close()
            partial.replace(self.path)
        finally:
            partial.unlink(missing_ok=True)
