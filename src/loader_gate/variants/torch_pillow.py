"""torch's ``DataLoader`` with a worker process a core, and Pillow."""

from __future__ import annotations

import math
from random import Random
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from loader_gate import cores, random_box

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "rival"
DECODERS = "Pillow"
AUGMENTS = ("crop-flip",)
INTERPOLATION = "area"  # Pillow antialiases what it makes smaller, whatever the filter
REQUIRES = "torch"
INSTALL = 'pip install "loader-gate[torch]"'
DEFAULT = False

#: What each worker process has for itself: its unique set size while it decoded images of 224x224.
PROCESS_BYTES = 70_000_000
#: Batches that each has ready, as torch does if nothing is said.
AHEAD = 2


def predicted_process_bytes(spec: Spec) -> int:
    """Return what the worker processes take, one a core, with what they have ready."""
    height, width = spec.image_size
    return cores() * (PROCESS_BYTES + AHEAD * spec.batch_size * height * width * 3 * 4)


class Photos:
    """A map-style dataset; torch asks no more of one than these two methods."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Keep file names and one-hot labels."""
        import torch

        self._paths, self._size = tree.paths, spec.image_size
        self._augments = spec.augment == "crop-flip"
        self._random: Random | None = None
        self._one_hot = torch.eye(len(tree.class_names))[list(tree.labels)]

    def random(self) -> Random:
        """Return what this worker process draws from: torch gives each another seed."""
        import torch

        if self._random is None:
            self._random = Random(torch.initial_seed())  # noqa: S311 (it hides nothing)
        return self._random

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return one image, channels last, its label, and its box if it is a part."""
        import torch

        with open(self._paths[index], "rb") as file:  # noqa: PTH123 - a Path an image is slow
            if self._augments:
                image, box = decoded_part(file, self._size, self.random())
                return torch.from_numpy(image), self._one_hot[index], row_of(index, box)
            return torch.from_numpy(decoded(file, self._size)), self._one_hot[index]


def decoded(file: IO[bytes], size: tuple[int, int]) -> Any:
    """Return an image of that height and width, channels last, float32 in [0, 1]."""
    from PIL import Image

    height, width = size
    with Image.open(file) as image:
        image.draft("RGB", (width, height))  # a JPEG is decoded at a reduced size, if that is large enough
        resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.divide(resized, np.float32(255))


def decoded_part(file: IO[bytes], size: tuple[int, int], random: Any) -> tuple[Any, tuple[int, ...]]:
    """Return a random part of an image as `decoded` returns the whole, and its box.

    Args:
        file: The image.
        size: Height and width of what is returned.
        random: What `random_box` takes. Python's module `random` will do in a worker process of torch, which
            gives each another seed.
    """
    from PIL import Image

    height, width = size
    with Image.open(file) as image:
        rows, columns = image.height, image.width
        top, left, rows_of, columns_of, flipped = box = random_box(rows, columns, random)
        # As small as the part may be; it may then begin and end between two pixels, which Pillow knows.
        image.draft("RGB", (math.ceil(width * columns / columns_of), math.ceil(height * rows / rows_of)))
        down, across = image.height / rows, image.width / columns
        where = left * across, top * down, (left + columns_of) * across, (top + rows_of) * down
        part = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR, where)
    pixels = np.asarray(part)
    return np.divide(pixels[:, ::-1] if flipped else pixels, np.float32(255)), box


def row_of(index: int, box: tuple[int, ...]) -> Any:
    """Return a row of ``boxes``."""
    import torch

    return torch.tensor([index, *box], dtype=torch.int32)


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
