"""SPDL: a pipeline of threads, a thread a core, and Pillow.

SPDL's own decoders need the libraries of FFmpeg, which its packages do not bring; its pipeline takes any
function that lets go of the interpreter's lock, as Pillow does.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate import cores
from loader_gate.variants.torch_pillow import INTERPOLATION as INTERPOLATION
from loader_gate.variants.torch_pillow import decoded, decoded_part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "rival"
DECODERS = "Pillow"
AUGMENTS = ("crop-flip",)
REQUIRES = "spdl.pipeline"
INSTALL = 'pip install "loader-gate[spdl]"'
DEFAULT = False

BATCHES_AHEAD = 3  # the default of SPDL's `DataLoader`


class Epochs:
    """Builds a pipeline whenever it is iterated, as SPDL's own ``DataLoader`` does: threads start at once."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Keep file names and one-hot labels."""
        self._paths, self._spec = tree.paths, spec
        self._one_hot = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
        self._random = np.random.default_rng(spec.seed)
        self._boxes = Random(spec.seed)  # noqa: S311 (it hides nothing); unlike NumPy's, threads may share it

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield every batch of one epoch."""
        from spdl.pipeline import PipelineBuilder

        spec, count = self._spec, len(self._paths)
        order = self._random.permutation(count) if spec.shuffle else np.arange(count)
        builder = PipelineBuilder().add_source(order.tolist())
        # Whatever is decoded first comes first, unless the tree's order is asked for.
        builder.pipe(
            self._example, concurrency=cores(), output_order="completion" if spec.shuffle else "input"
        )
        # One at a time, or the last, smaller batch might overtake another.
        builder.aggregate(spec.batch_size).pipe(_batch).add_sink(BATCHES_AHEAD)
        # A thread a core decodes, one more makes batches. Left to itself, SPDL drops what cannot be decoded.
        pipeline = builder.build(num_threads=cores() + 1, max_failures=0)
        with pipeline.auto_stop():
            yield from pipeline.get_iterator()

    def _example(self, place: int) -> tuple[Any, ...]:
        size, label = self._spec.image_size, self._one_hot[place]
        with open(self._paths[place], "rb") as file:  # noqa: PTH123 - a Path an image is slow
            if self._spec.augment != "crop-flip":
                return decoded(file, size), label
            image, box = decoded_part(file, size, self._boxes)
        return image, label, np.array((place, *box), np.int32)


def _batch(examples: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    return tuple(np.stack(each) for each in zip(*examples, strict=True))


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs of float32 images in [0, 1] and one-hot float32 labels, and boxes of parts."""
    import spdl.pipeline  # noqa: F401 (an epoch is to load, not to import)

    return Epochs(tree, spec)
