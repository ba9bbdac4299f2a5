"""MosaicML Streaming: the same files in MDS shards, read by torch worker processes; Pillow decodes."""

from __future__ import annotations

import random
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate import cores
from loader_gate.variants.torch_pillow import INTERPOLATION as INTERPOLATION
from loader_gate.variants.torch_pillow import decoded, decoded_part, row_of
from loader_gate.variants.torch_pillow import predicted_process_bytes as predicted_process_bytes

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "rival"
DECODERS = "Pillow"
AUGMENTS = ("crop-flip",)
REQUIRES = "streaming torch"
INSTALL = 'pip install "loader-gate[mosaicml]"'
DEFAULT = False
ARCHIVE_BYTES = 16  # a number, a size, and where it begins


def load(tree: Tree, spec: Spec) -> Any:
    """Write the shards, and return a ``DataLoader`` of one epoch."""
    import torch
    from streaming import MDSWriter, StreamingDataset

    one_hot = torch.eye(len(tree.class_names))

    class Photos(StreamingDataset):  # type: ignore[misc]
        """Files, decoded by whoever asks for one."""

        def __getitem__(self, at: Any) -> tuple[Any, ...]:
            stored = super().__getitem__(at)
            file, label = BytesIO(stored["image"]), one_hot[stored["label"]]
            if spec.augment != "crop-flip":
                return torch.from_numpy(decoded(file, spec.image_size)), label
            image, box = decoded_part(file, spec.image_size, random)
            return torch.from_numpy(image), label, row_of(at, box)

    shards = str(spec.cache_dir / "shards")
    with MDSWriter(out=shards, columns={"image": "bytes", "label": "int"}) as writer:
        for path, label in zip(tree.paths, tree.labels, strict=True):
            writer.write({"image": Path(path).read_bytes(), "label": label})
    photos = Photos(local=shards, batch_size=spec.batch_size, shuffle=spec.shuffle, shuffle_seed=spec.seed)
    return torch.utils.data.DataLoader(
        photos, batch_size=spec.batch_size, num_workers=cores(), persistent_workers=True
    )
