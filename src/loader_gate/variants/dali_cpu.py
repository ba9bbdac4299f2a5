"""NVIDIA DALI on the CPU: its own threads read, decode and resize."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate import cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "rival"
DECODERS = "DALI"
INTERPOLATION = "area"
REQUIRES = "nvidia.dali"
INSTALL = 'pip install "loader-gate[dali]"'
DEFAULT = False


class Epochs:
    """Begins an epoch whenever it is iterated; the pipeline and its threads stay."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Build the pipeline. It has no GPU: ``device_id=None``."""
        from nvidia.dali import Pipeline, fn, types

        self._paths = [np.frombuffer(path.encode(), np.uint8) for path in tree.paths]
        self._one_hot = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
        self._random = np.random.default_rng(spec.seed)
        self._spec = spec
        height, width = spec.image_size
        self._pipeline = Pipeline(
            spec.batch_size, num_threads=cores(), device_id=None, prefetch_queue_depth=2
        )
        with self._pipeline:
            # DALI's own reader of files would begin the next epoch while this one is used up.
            paths, labels = fn.external_source(source=self._batches, num_outputs=2, cycle="raise")
            images = fn.decoders.image(
                fn.io.file.read(paths), device="cpu", output_type=types.RGB, adjust_orientation=False
            )
            images = fn.resize(
                images, resize_x=width, resize_y=height, interp_type=types.INTERP_LINEAR, antialias=True
            )
            self._pipeline.set_outputs(fn.cast(images, dtype=types.FLOAT) / 255.0, labels)
        self._pipeline.build()

    def _batches(self) -> Iterator[tuple[Any, Any]]:
        order = np.arange(len(self._paths))
        if self._spec.shuffle:
            self._random.shuffle(order)
        for start in range(0, len(order), self._spec.batch_size):
            places = order[start : start + self._spec.batch_size]
            yield [self._paths[place] for place in places], list(self._one_hot[places])

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield every batch of one epoch."""
        try:
            while True:
                images, labels = self._pipeline.run()
                yield images.as_array(), labels.as_array()
        except StopIteration:
            return
        finally:
            self._pipeline.reset()


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs of float32 images in [0, 1] and one-hot float32 labels."""
    return Epochs(tree, spec)
