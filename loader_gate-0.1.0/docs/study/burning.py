"""A loader that burns a set share of extra CPU: what live sessions compare with itself.

It decodes with Pillow in one thread, and needs no framework: its processes are there at once.
"""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree

#: The share of its time that it burns on top; see ``planted.py``.
BURNED = 0.0
#: Each epoch has an order of its own.
_EPOCHS = count()


def burning(tree: Tree, spec: Spec) -> Iterator[tuple[Any, Any]]:
    """Yield the batches of one epoch, and work in vain for a share of the time that each took."""
    import numpy as np
    from PIL import Image

    labels = np.eye(len(tree.class_names), dtype=np.float32)
    order = [*range(len(tree))]
    if spec.shuffle:
        order = np.random.default_rng((spec.seed, next(_EPOCHS))).permutation(len(tree)).tolist()
    for start in range(0, len(tree), spec.batch_size):
        began = time.perf_counter()
        images = []
        chosen = order[start : start + spec.batch_size]
        for index in chosen:
            with Image.open(tree.paths[index]) as opened:
                image = opened.convert("RGB").resize(spec.image_size[::-1], Image.Resampling.BILINEAR)
            images.append(np.asarray(image, np.float32) / 255)
        batch = np.stack(images), labels[[tree.labels[index] for index in chosen]]
        end = time.perf_counter()
        end += BURNED * (end - began)
        while time.perf_counter() < end:
            pass
        yield batch
