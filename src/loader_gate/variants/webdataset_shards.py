"""WebDataset: the same files in tar shards, read by torch worker processes."""

from __future__ import annotations

import random
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
REQUIRES = "webdataset torch"
INSTALL = 'pip install "loader-gate[webdataset]"'
DEFAULT = False
ARCHIVE_BYTES = 3840  # two members of tar with headers of time stamps, the label, and filling up

SHUFFLE_BUFFER = 1000  # files, not yet decoded


def load(tree: Tree, spec: Spec) -> Any:
    """Write the shards, and return a ``WebLoader`` of one epoch."""
    import torch
    import webdataset

    one_hot = torch.eye(len(tree.class_names))

    def example(sample: dict[str, Any]) -> tuple[Any, ...]:
        file, label = BytesIO(sample["image"]), one_hot[int(sample["cls"])]
        if spec.augment != "crop-flip":
            return torch.from_numpy(decoded(file, spec.image_size)), label
        image, box = decoded_part(file, spec.image_size, random)
        return torch.from_numpy(image), label, row_of(int(sample["__key__"]), box)

    shards = _write_shards(tree, spec)
    # With a seed, the plain shuffle gives the same order in every epoch; this one does not.
    files = webdataset.WebDataset(
        shards, shardshuffle=len(shards) if spec.shuffle else False, detshuffle=True, seed=spec.seed
    )
    if spec.shuffle:
        files = files.compose(webdataset.detshuffle(SHUFFLE_BUFFER, seed=spec.seed))
    examples = files.map(example).batched(spec.batch_size)
    workers = min(cores(), len(shards))  # one without a shard would be an error
    loader = webdataset.WebLoader(examples, batch_size=None, num_workers=workers, persistent_workers=True)
    # Each worker ends with a smaller batch: as its guide says, take them apart and batch again.
    return loader.unbatched().batched(spec.batch_size)


def _write_shards(tree: Tree, spec: Spec) -> list[str]:
    """Write a few shards a worker, so that all of them have as much to do."""
    import webdataset

    number = min(4 * cores(), len(tree))
    shards = [str(spec.cache_dir / f"images-{shard:04}.tar") for shard in range(number)]
    order = np.random.default_rng(spec.seed).permutation(len(tree))  # or a shard would be a class or two
    for shard, name in enumerate(shards):
        with webdataset.TarWriter(name) as writer:
            for place in order[shard::number]:
                image = Path(tree.paths[place]).read_bytes()
                writer.write({"__key__": f"{place:09}", "image": image, "cls": str(tree.labels[place])})
    return shards
