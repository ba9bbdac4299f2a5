"""Resized images as planar YUV 4:2:0 in one flat file, mapped into memory: half the bytes of uint8.

Luma has every pixel, and each of the two colour planes one value for four, as in most JPEG files: 1.5 bytes
a pixel, and a single call of OpenCV makes RGB of them. Nothing else is lost: what costs a JPEG its time is
entropy coding and cosines, of which there are none here.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from loader_gate.variants.resized_jpeg_tfrecord import INTERPOLATION as INTERPOLATION
from loader_gate.variants.resized_jpeg_tfrecord import antialiased
from loader_gate.variants.uint8_memory_map import Epochs, MappedFile, file_problem, to_float

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "dump"
REQUIRES = "tensorflow cv2"
INSTALL = 'pip install tensorflow "loader-gate[fast]"'
DEFAULT = False

#: Red, green and blue of 0 to 255 in Y, U and V, and what is added: ITU-R BT.601 as OpenCV's `YUV2RGB_I420`
#: undoes it, with luma from 16 to 235. Rounding in that range loses far less than half the colours do.
_MATRIX = (
    (65.481 / 255, -37.797 / 255, 112.0 / 255),
    (128.553 / 255, -74.203 / 255, -93.786 / 255),
    (24.966 / 255, 112.0 / 255, -18.214 / 255),
)
_OFFSETS = (16.0, 128.0, 128.0)

_own = threading.local()


def predicted_bytes(images: int, spec: Spec) -> int:
    """Return what the planes take: 1.5 bytes a pixel of an even height and width."""
    return images * math.prod(shape(spec.image_size))


def dump_problem(images: int, spec: Spec) -> str:
    """Return why there is no finished dump: the file gets its name when it is whole."""
    return file_problem(spec, "yuv420", predicted_bytes(images, spec))


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs, of which the first writes the dump unless it is there."""
    import cv2

    cv2.setNumThreads(1)  # each thread converts an image of its own
    return Epochs(tree, spec, MappedFile(tree, spec, "yuv420", shape(spec.image_size)), planes, decode)


def shape(size: tuple[int, int]) -> tuple[int, int]:
    """Return the shape of an image's planes, one below the other, as OpenCV takes them.

    A picture of an odd height or width gets one more row or column, as half of it is kept of colours.
    """
    height, width = (length + length % 2 for length in size)
    return height + height // 2, width


def planes(tree: Tree, spec: Spec) -> Iterator[Any]:
    """Yield the planes of each image in the tree's order, several images ahead."""
    import tensorflow as tf

    paths = tf.data.Dataset.from_tensor_slices(list(tree.paths))
    images = paths.map(
        lambda path: to_planes(antialiased(path, spec.image_size), spec.image_size),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    yield from images.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()


def to_planes(image: Any, size: tuple[int, int]) -> Any:
    """Return the planes of an image, as a uint8 tensor.

    Args:
        image: A float32 tensor ``(height, width, 3)``, RGB of 0 to 255.
        size: Its height and width.
    """
    import tensorflow as tf

    height, width = size
    image = tf.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), "SYMMETRIC")
    yuv = tf.tensordot(image, tf.constant(_MATRIX), 1) + tf.constant(_OFFSETS)
    # The mean of four pixels is the value that is nearest to all of them, which get it back.
    colours = tf.nn.avg_pool2d(yuv[tf.newaxis, ..., 1:], 2, 2, "VALID")
    parts = yuv[..., 0], colours[..., 0], colours[..., 1]
    flat = tf.concat([tf.reshape(part, [-1]) for part in parts], 0)
    return tf.cast(tf.round(tf.reshape(flat, shape(size))), tf.uint8)


def decode(item: Any, out: Any) -> None:
    """Write an image's planes into a float32 one, ``(height, width, 3)``, as RGB values in [0, 1]."""
    import cv2

    height, width = out.shape[:2]
    _own.rgb = cv2.cvtColor(item, cv2.COLOR_YUV2RGB_I420, dst=getattr(_own, "rgb", None))
    to_float(_own.rgb[:height, :width], out)
