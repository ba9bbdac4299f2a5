"""LitData: the same files in chunks of 64 MB, streamed by torch worker processes that decode with Pillow."""

from __future__ import annotations

import os
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate import cores
from loader_gate.variants.torch_pillow import INTERPOLATION as INTERPOLATION
from loader_gate.variants.torch_pillow import decoded
from loader_gate.variants.torch_pillow import predicted_process_bytes as predicted_process_bytes

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "rival"
DECODERS = "Pillow"
REQUIRES = "litdata torch"
INSTALL = 'pip install "loader-gate[litdata]"'
DEFAULT = False
ARCHIVE_BYTES = 20  # a number, sizes, and where it begins


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
        transform=partial(example, size=spec.image_size, one_hot=torch.eye(len(tree.class_names))),
    )
    return litdata.StreamingDataLoader(
        dataset, batch_size=spec.batch_size, num_workers=cores(), persistent_workers=True
    )


def example(stored: dict[str, Any], size: tuple[int, int], one_hot: Any) -> tuple[Any, Any]:
    """Return an image, channels last, and its label."""
    import torch

    return torch.from_numpy(decoded(BytesIO(stored["image"]), size)), one_hot[stored["label"]]


def _write_chunks(tree: Tree, spec: Spec, folder: str) -> None:
    """Write what ``optimize`` writes, which would have all processes start anew, torch's workers too."""
    from litdata.streaming.cache import Cache

    cache = Cache(folder, chunk_bytes="64MB")
    # As its guide says: an epoch shuffles chunks, and images within one, which are better not of one class.
    order = np.random.default_rng(spec.seed).permutation(len(tree)) if spec.shuffle else np.arange(len(tree))
    for index, place in enumerate(order):
        cache[index] = {"image": Path(tree.paths[place]).read_bytes(), "label": tree.labels[place]}
    cache.done()
    cache.merge()
