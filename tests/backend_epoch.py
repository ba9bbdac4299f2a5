"""Trains for an epoch on one backend of Keras, in a process of its own, and says what came of it.

``KERAS_BACKEND=jax python -m tests.backend_epoch`` prints JSON: the loss of each of three epochs, of batches
that are the same on every backend, the same in float16, and whether what the model was trained on is what it
was given.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from loader_gate.registry.spec import Spec
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.fingerprints import POINTS
from loader_gate.trees.tree import Tree
from loader_gate.worker.consumers.model import Model
from loader_gate.worker.epoch import Epoch
from loader_gate.worker.part import Part
from loader_gate.worker.stopwatch import Stopwatch

IMAGES, BATCH, CLASSES, SIDE = 35, 8, 4, 32
TREE = Tree(
    Path("nowhere"),
    tuple(map(str, range(IMAGES))),
    tuple(index % CLASSES for index in range(IMAGES)),
    tuple("abcd"),
    "digest",
)
SPEC = Spec((SIDE, SIDE), BATCH, shuffle=False, seed=3, cache_dir=Path("unused"))


class Seen:
    """In the place of a `TimedEpoch`: keeps what a model says that it was trained on."""

    def __init__(self) -> None:
        self.fingerprints, self.places = self, np.linspace(1, SIDE * SIDE - 1, POINTS).astype(np.int64)

    def keep(self, pixels: npt.NDArray[Any], classes: npt.NDArray[Any]) -> None:
        """Keep it."""
        self.pixels, self.classes = pixels, classes


def train(model: Model, batches: list[tuple[Any, ...]], part: Part | None = None) -> Seen:
    """Train for one epoch; return what was seen."""
    seen = Seen()
    model.use_up(batches, Epoch(Stopwatch(), cast("Any", seen), lambda: None, part))
    return seen


def main() -> None:
    """Train, and print what came of it."""
    settings = {"width": 0.35, "weights": None, "backend": os.environ["KERAS_BACKEND"]}
    random = np.random.default_rng(1)
    labels = np.asarray(TREE.labels)
    images = random.random((IMAGES, SIDE, SIDE, 3), np.float32) / 2 + labels[:, None, None, None] / 8
    images = images.astype(np.float32)
    starts = range(0, IMAGES, BATCH)
    one_hot = np.eye(CLASSES, dtype=np.float32)[labels]
    whole = [(images[start : start + BATCH], one_hot[start : start + BATCH]) for start in starts]
    is_seen = True

    def is_right(seen: Seen, count: int) -> bool:
        pixels = images.reshape(IMAGES, -1, 3)[:count, seen.places]
        return np.array_equal(seen.pixels, pixels) and np.array_equal(seen.classes, labels[:count])

    losses: dict[str, list[float | None]] = {"mixed_float16": [], "float32": []}
    for precision, found in losses.items():
        model = Model(TREE, SPEC, DeclaredOutput(), **settings, precision=precision)
        for _ in range(3):
            is_seen &= is_right(train(model, whole), IMAGES)
            found.append(model.loss)
    # An epoch that is left early: no more was seen than was trained on.
    is_seen &= is_right(train(model, whole, Part(IMAGES, timed=1)), 2 * BATCH)
    pixels = np.rint(images * 255).astype(np.uint8).transpose(0, 3, 1, 2)
    bytes_first = DeclaredOutput(dtype="uint8", layout="NCHW", labels="index")
    model = Model(TREE, SPEC, bytes_first, **settings)
    seen = train(model, [(pixels[start : start + BATCH], labels[start : start + BATCH]) for start in starts])
    expected = pixels.transpose(0, 2, 3, 1).reshape(IMAGES, -1, 3)[:, seen.places]
    is_seen &= np.array_equal(seen.pixels, expected) and np.array_equal(seen.classes, labels)
    print(
        json.dumps({"losses": losses["float32"], "halves": losses["mixed_float16"], "is_seen": bool(is_seen)})
    )


if __name__ == "__main__":
    main()
