"""JPEGs of the size asked for in TFRecord files, read by ``tf.data``: a thirtieth of the float32 bytes.

An epoch no longer reads and decodes large files nor resizes them. What is lost is the PSNR of its row.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from loader_gate.variants.uint8_memory_map import Epochs, dump_name, to_float

if TYPE_CHECKING:
    from pathlib import Path

    from loader_gate import Spec, Tree

KIND = "dump"
REQUIRES = "tensorflow"
INSTALL = "pip install tensorflow"
DEFAULT = False
INTERPOLATION = "area"  # antialiased: what would only be aliased takes no bytes

#: Of the JPEGs, whose colours have half the resolution of their brightness, as most cameras store them.
QUALITY = 90
_QUALITY_SUFFIX = f"-q{QUALITY}"
#: Encoded images, in a file and to shuffle among: about 70 MB at 224x224.
IMAGES_A_SHARD = SHUFFLE_BUFFER = 4096
#: TensorFlow's default is the fast one, which loses half a decibel and gains no time.
_DCT = "INTEGER_ACCURATE"
#: Shards that are read at a time, so that those of different ones mix.
_SHARDS_AT_A_TIME = 4

_INDEX = "index.npy"


def predicted_bytes(images: int, spec: Spec) -> int:
    """Return what the JPEGs take at most, unless they are of noise.

    Photographs take 0.35 bytes a pixel at 224x224; at 32x32 and below nearly all is headers and tables.
    """
    height, width = spec.image_size
    return images * (1000 + round(0.45 * height * width))


def predicted_buffer_bytes(images: int, spec: Spec) -> int:
    """Return what encoded images to shuffle take in memory."""
    return predicted_bytes(min(images, SHUFFLE_BUFFER), spec) if spec.shuffle else 0


def dump_problem(images: int, spec: Spec) -> str:
    """Return why there is no finished dump: its folder gets its name when all is in it."""
    height, width = spec.image_size
    folders = [*spec.cache_dir.glob(f"*-{height}x{width}{_QUALITY_SUFFIX}")]
    if len(folders) != 1:
        return f"it has {len(folders)} folders of JPEGs of this size, not 1"
    return records_problem(folders[0], images)


def load(tree: Tree, spec: Spec) -> RecordEpochs:
    """Return epochs, of which the first writes the dump unless it is there."""
    import tensorflow  # noqa: F401 (an epoch is to decode, not to import)

    return RecordEpochs(tree, spec)


def encoded(tree: Tree, spec: Spec) -> Iterator[bytes]:
    """Yield each image in the tree's order, as a JPEG of the size asked for, several ahead."""
    import tensorflow as tf

    def encode(path: Any) -> Any:
        image = tf.cast(tf.round(antialiased(path, spec.image_size)), tf.uint8)
        return tf.io.encode_jpeg(image, quality=QUALITY, optimize_size=True, chroma_downsampling=True)

    paths = tf.data.Dataset.from_tensor_slices(list(tree.paths))
    jpegs = paths.map(encode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    yield from jpegs.as_numpy_iterator()


def antialiased(path: Any, size: tuple[int, int]) -> Any:
    """Return a file's pixels as a tensor of that height and width, ``(height, width, 3)``, 0 to 255."""
    import tensorflow as tf

    image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    return tf.clip_by_value(tf.image.resize(image, size, antialias=True), 0, 255)


class RecordEpochs:
    """Epochs that begin anew whenever they are iterated: the first writes records, the others read them."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Look for records later: another process may be about to write them."""
        self._tree, self._spec = tree, spec
        self._records = Records(tree, spec)
        self._first = Epochs(tree, spec, self._records, encoded, decode)
        self._dataset: Any = None

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Return the batches of one epoch."""
        if self._dataset is None:
            if not self._records.are_there:
                return iter(self._first)
            self._dataset = dataset(self._records.shards(), self._tree, self._spec)
        return iter(self._dataset)


def decode(jpeg: bytes, out: Any) -> None:
    """Write a JPEG's pixels into a float32 image, as values in [0, 1]."""
    import tensorflow as tf

    to_float(tf.io.decode_jpeg(jpeg, channels=3, dct_method=_DCT).numpy(), out)


def dataset(shards: list[str], tree: Tree, spec: Spec) -> Any:
    """Return a ``tf.data.Dataset`` of one epoch of batches.

    Records lie in a random order in their files; beyond that, an epoch's order comes from the order of the
    files and a buffer of encoded images.
    """
    import tensorflow as tf

    features = {"jpeg": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

    def decode_record(record: Any) -> tuple[Any, Any]:
        example = tf.io.parse_single_example(record, features)
        image = tf.io.decode_jpeg(example["jpeg"], channels=3, dct_method=_DCT)
        image = tf.ensure_shape(image, (*spec.image_size, 3))
        return tf.cast(image, tf.float32) * (1 / 255), tf.one_hot(example["label"], len(tree.class_names))

    if spec.shuffle:
        files = tf.data.Dataset.from_tensor_slices(shards).shuffle(len(shards), seed=spec.seed)
        records = files.interleave(tf.data.TFRecordDataset, cycle_length=_SHARDS_AT_A_TIME)
        records = records.shuffle(min(len(tree), SHUFFLE_BUFFER), seed=spec.seed)
    else:
        records = tf.data.TFRecordDataset(shards)
    images = records.map(decode_record, num_parallel_calls=tf.data.AUTOTUNE)
    return images.batch(spec.batch_size).prefetch(tf.data.AUTOTUNE)


class Records:
    """TFRecord files of JPEGs, and an index of where in them each image of the tree is."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Keep the tree, whose classes are written too."""
        self._tree = tree
        self._folder = spec.cache_dir / f"{dump_name(tree, spec)}{_QUALITY_SUFFIX}"
        self._jpegs: list[memoryview] | None = None

    @property
    def are_there(self) -> bool:
        """Return whether all has been written."""
        return not records_problem(self._folder, len(self._tree))

    def shards(self) -> list[str]:
        """Return the names of the files, in the order in which they were written."""
        return [str(shard) for shard in _shards(self._folder)]

    def read(self) -> list[memoryview] | None:
        """Return the JPEGs in the tree's order, mapped into memory, or None if they are not all there yet."""
        import numpy as np

        if self._jpegs is None and self.are_there:
            maps = [np.memmap(shard, np.uint8, "r").data for shard in self.shards()]
            index = _read_index(self._folder)
            self._jpegs = [maps[shard][start : start + length] for shard, start, length in index.tolist()]
        return self._jpegs

    def write(self, items: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """Write the JPEGs that pass by; the folder gets its name after the last one."""
        import numpy as np
        import tensorflow as tf

        partial = self._folder.with_suffix(f".{os.getpid()}.partial")
        partial.mkdir()
        items = iter(items)
        index = np.empty((len(self._tree), 3), np.int64)
        try:
            for shard in range(-(-len(self._tree) // IMAGES_A_SHARD)):
                end = 0
                with tf.io.TFRecordWriter(str(partial / f"{shard:05}.tfrecord")) as writer:
                    for place, jpeg in islice(items, IMAGES_A_SHARD):
                        record = self._record(place, jpeg)
                        writer.write(record)
                        # Before a record come its length and a checksum of that, after it one of itself.
                        index[place] = shard, end + 12 + record.index(jpeg), len(jpeg)
                        end += 12 + len(record) + 4
                        yield place, jpeg
            np.save(partial / _INDEX, index)
            shutil.rmtree(self._folder, ignore_errors=True)  # it lacks something
            partial.replace(self._folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _record(self, place: int, jpeg: bytes) -> bytes:
        import tensorflow as tf

        feature = {
            "jpeg": tf.train.Feature(bytes_list=tf.train.BytesList(value=[jpeg])),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[self._tree.labels[place]])),
        }
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        return bytes(example.SerializeToString())


def records_problem(folder: Path, images: int) -> str:
    """Return why a folder does not hold the records of so many images, or nothing if it does."""
    try:
        index = _read_index(folder)
    except (OSError, ValueError) as error:
        return f"its index cannot be read ({type(error).__name__})"
    if index.shape != (images, 3):
        return f"its index is of {len(index):,} images, not {images:,}"
    sizes = [shard.stat().st_size for shard in _shards(folder)]
    if len(sizes) != index[:, 0].max() + 1:
        return f"it has {len(sizes)} files of records, not {index[:, 0].max() + 1}"
    for number, size in enumerate(sizes):
        ends = index[index[:, 0] == number][:, 1:].sum(axis=1)
        if size < ends.max():
            return f"records file {number} has {size:,} bytes, fewer than were written"
    return ""


def _read_index(folder: Path) -> Any:
    import numpy as np

    return np.load(folder / _INDEX, allow_pickle=False)


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.tfrecord"))
