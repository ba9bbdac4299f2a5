"""JPEGs of the size asked for, read at random from TFRecord files and decoded by threads with simplejpeg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate.variants.resized_jpeg_tfrecord import INTERPOLATION as INTERPOLATION
from loader_gate.variants.resized_jpeg_tfrecord import Records, encoded
from loader_gate.variants.resized_jpeg_tfrecord import dump_problem as dump_problem  # the same dump
from loader_gate.variants.resized_jpeg_tfrecord import predicted_bytes as predicted_bytes
from loader_gate.variants.uint8_memory_map import Epochs, to_float

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "dump"
REQUIRES = "tensorflow simplejpeg"
INSTALL = 'pip install tensorflow "loader-gate[fast]"'
DEFAULT = ("loading", "dump")


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs, of which the first writes the dump unless it is there."""
    import simplejpeg  # noqa: F401 (an epoch is to decode, not to import)

    return Epochs(tree, spec, Records(tree, spec), encoded, decode)


def decode(jpeg: Any, out: Any) -> None:
    """Write a JPEG's pixels into a float32 image, as values in [0, 1]."""
    import simplejpeg

    to_float(simplejpeg.decode_jpeg(jpeg), out)
