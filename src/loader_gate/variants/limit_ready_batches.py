"""A limit: batches that are already there, so that whoever trains on them waits for the model alone.

Some images of the tree are decoded once, when it is built, and handed over again and again. They lie where
TensorFlow wants them, so that not even a copy is left to do. Where Keras runs on another backend, they are
arrays of NumPy, which are copied to the model as every batch is.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate import cores
from loader_gate.variants import tfdata_no_cache
from loader_gate.variants.torch_pillow import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "ready"
DECODERS = ""
BOUNDS = ("streaming", "memory", "dump", "rival")
DEFAULT = False  # training is measured beside it in any case, and no test is about it
INTERPOLATION = tfdata_no_cache.INTERPOLATION
AUGMENTS = tfdata_no_cache.AUGMENTS

#: Of whole batches, so many are held at most, in so many bytes: more than a CPU's cache holds, and one in any
#: case.
MOST_BATCHES = 8
MOST_HELD = 256_000_000


def predicted_buffer_bytes(images: int, spec: Spec) -> int:
    """Return what the batches take in memory: float32, three channels."""
    return _image_bytes(spec) * (_whole_batches(images, spec) * spec.batch_size + images % spec.batch_size)


def _whole_batches(images: int, spec: Spec) -> int:
    """Return how many whole batches are held; an epoch of so many images may have more."""
    held = max(1, min(MOST_BATCHES, MOST_HELD // (spec.batch_size * _image_bytes(spec))))
    return min(images // spec.batch_size, held)


def _image_bytes(spec: Spec) -> int:
    height, width = spec.image_size
    return 4 * 3 * height * width


def load(tree: Tree, spec: Spec) -> Any:
    """Return as many batches as an epoch has, of the same sizes; on TensorFlow as a ``tf.data.Dataset``."""
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return Arrays(tree, spec)
    whole, rest = divmod(len(tree), spec.batch_size)
    held = _whole_batches(len(tree), spec) * spec.batch_size
    # The smaller last batch is held by itself, as cutting it off a whole one would take a copy.
    parts = [_decoded(tree, held, spec).repeat().take(whole)] if whole else []
    parts += [_decoded(tree, rest, spec)] if rest else []
    return parts[0] if len(parts) == 1 else parts[0].concatenate(parts[1])


def _decoded(tree: Tree, images: int, spec: Spec) -> Any:
    """Return a dataset of so many images, from all over the tree, that lie in memory already."""
    chosen = _spread(tree, images)
    some = replace(
        tree,
        paths=tuple(tree.paths[index] for index in chosen),
        labels=tuple(tree.labels[index] for index in chosen),
    )
    batches = tfdata_no_cache.load(some, spec).cache()
    for _ in batches:  # it is a cache only when it has been read to its end
        pass
    return batches


def _spread(tree: Tree, images: int) -> range:
    """Return the places of so many images, from all over the tree."""
    return range(0, len(tree), len(tree) // images)[:images]


class Arrays:
    """Begins an epoch of batches of NumPy that lie in memory already, whenever it is iterated."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Decode as many images as are held."""
        size = spec.batch_size
        self._whole, self._rest = divmod(len(tree), size)
        held = _whole_batches(len(tree), spec)
        chosen = _spread(tree, held * size or self._rest)
        one_hot = np.eye(len(tree.class_names), dtype=np.float32)

        def image(place: int) -> Any:
            with open(tree.paths[place], "rb") as file:  # noqa: PTH123 (as in `torch_pillow`)
                return decoded(file, spec.image_size)

        with ThreadPoolExecutor(cores()) as pool:
            images = np.stack([*pool.map(image, chosen)])
        labels = one_hot[[tree.labels[place] for place in chosen]]
        starts = range(0, len(images), size)
        self._held = [(images[start : start + size], labels[start : start + size]) for start in starts]

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield every batch of one epoch."""
        images, labels = self._held[0]
        last = [(images[: self._rest], labels[: self._rest])] if self._rest else []
        return chain(islice(cycle(self._held), self._whole), last)
