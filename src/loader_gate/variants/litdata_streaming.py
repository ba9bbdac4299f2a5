"""LitData: the same files in chunks of 64 MB, streamed by torch worker processes that decode with Pillow."""

from __future__ import annotations

import os
import random
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate import cores
from loader_gate.variants.torch_pillow import INTERPOLATION as INTERPOLATION
from loader_gate.variants.torch_pillow import decoded, decoded_part, row_of
from loader_gate.variants.torch_pillow import predicted_process_bytes as predicted_process_bytes

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "rival"
DECODERS = "Pillow"
AUGMENTS = ("crop-flip",)
REQUIRES = "litdata torch"
INSTALL = 'pip install "loader-gate[litdata]"'
DEFAULT = False
ARCHIVE_BYTES = 28  # two numbers, sizes, and where it begins


def load(tree: Tree, spec: Spec) -> Any:
    """Write the chunks, and return batches of one epoch."""
    os.environ["LITDATA_DISABLE_VERSION_CHECK"] = "1"  # or it would ask a server, and wait for an answer
    import litdata
    import torch

    folder = str(spec.cache_dir / "chunks")
    _write_chunks(tree, spec, folder)
    dataset = litdata.StreamingDataset(
        folder,
        shuffle=spec.shuffle,
        drop_last=False,
        seed=spec.seed,
        transform=partial(example, spec=spec, one_hot=torch.eye(len(tree.class_names))),
    )
    return litdata.StreamingDataLoader(
        dataset, batch_size=spec.batch_size, num_workers=cores(), persistent_workers=True
    )


def example(stored: dict[str, Any], spec: Spec, one_hot: Any) -> tuple[Any, ...]:
    """Return an image, channels last, its label, and its box if it is a part."""
    import torch

    file, label = BytesIO(stored["image"]), one_hot[stored["label"]]
    if spec.augment != "crop-flip":
        return torch.from_numpy(decoded(file, spec.image_size)), label
    image, box = decoded_part(file, spec.image_size, random)
    return torch.from_numpy(image), label, row_of(stored["place"], box)


def _write_chunks(tree: Tree, spec: Spec, folder: str) -> None:
    """Write what ``optimize`` writes, which would have all processes start anew, torch's workers too."""
    from litdata.streaming.cache import Cache

    cache = Cache(folder, chunk_bytes="64MB")
    # As its guide says: an epoch shuffles chunks, and images within one, which are better not of one class.
    order = np.random.default_rng(spec.seed).permutation(len(tree)) if spec.shuffle else np.arange(len(tree))
    for index, place in enumerate(order):
        image = Path(tree.paths[place]).read_bytes()
        cache[index] = {"image": image, "label": tree.labels[place], "place": int(place)}
    cache.done()
    cache.merge()
