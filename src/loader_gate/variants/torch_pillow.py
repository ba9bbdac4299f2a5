"""torch's ``DataLoader`` with a worker process a core, and Pillow."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

from loader_gate import cores

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "rival"
DECODERS = "Pillow"
INTERPOLATION = "area"  # Pillow antialiases what it makes smaller, whatever the filter
REQUIRES = "torch"
INSTALL = 'pip install "loader-gate[torch]"'
DEFAULT = False


class Photos:
    """A map-style dataset; torch asks no more of one than these two methods."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Keep file names and one-hot labels."""
        import torch

        self._paths, self._size = tree.paths, spec.image_size
        self._one_hot = torch.eye(len(tree.class_names))[list(tree.labels)]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return one image, channels last, and its label."""
        import torch

        with open(self._paths[index], "rb") as file:  # noqa: PTH123 - a Path an image is slow
            return torch.from_numpy(decoded(file, self._size)), self._one_hot[index]


def decoded(file: IO[bytes], size: tuple[int, int]) -> Any:
    """Return an image of that height and width, channels last, float32 in [0, 1]."""
    from PIL import Image

    height, width = size
    with Image.open(file) as image:
        image.draft("RGB", (width, height))  # a JPEG is decoded at a reduced size, if that is large enough
        resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.divide(resized, np.float32(255))


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``DataLoader`` of one epoch."""
    return loader(Photos(tree, spec), spec)


def loader(photos: Any, spec: Spec) -> Any:
    """Return a ``DataLoader`` whose workers stay from one epoch to the next."""
    import torch

    return torch.utils.data.DataLoader(
        photos,
        batch_size=spec.batch_size,
        shuffle=spec.shuffle,
        generator=torch.Generator().manual_seed(spec.seed),
        num_workers=cores(),
        persistent_workers=True,
    )
