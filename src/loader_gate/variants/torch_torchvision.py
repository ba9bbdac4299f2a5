"""torch's ``DataLoader`` with a worker process a core, and torchvision's decoder and resize.

Since its version 0.29, torchvision says that TorchCodec's decoders supersede its own. Those turn a photograph
as its EXIF orientation says, and cannot be told not to: that is other work than anybody else's here.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from loader_gate import random_box
from loader_gate.variants.torch_pillow import Photos, loader, row_of
from loader_gate.variants.torch_pillow import predicted_process_bytes as predicted_process_bytes

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "rival"
DECODERS = "torchvision Pillow"
AUGMENTS = ("crop-flip",)
INTERPOLATION = "area"  # torchvision antialiases by default
REQUIRES = "torch torchvision"
INSTALL = 'pip install "loader-gate[torchvision]"'
DEFAULT = False


class VisionPhotos(Photos):
    """The same dataset; pixels stay bytes until the resize is done, as torchvision's guide recommends."""

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return one image, channels last, its label, and its box if it is a part."""
        from torchvision.io import decode_image
        from torchvision.transforms.v2 import functional

        path, label = self._paths[index], self._one_hot[index]
        try:
            image = decode_image(path, mode="RGB")
        except RuntimeError:  # BMP, for one; Pillow says what is wrong with a broken file
            return super().__getitem__(index)
        if image.ndim == 4:  # animated
            image = image[0]
        # Channels are the first axis, and in memory the last: no pixel has to move.
        if not self._augments:
            resized = functional.resize(image, list(self._size), antialias=True)
            return resized.permute(1, 2, 0) / 255, label
        _, height, width = image.shape
        top, left, rows, columns, flipped = box = random_box(height, width, self.random())
        resized = functional.resized_crop(image, top, left, rows, columns, list(self._size), antialias=True)
        if flipped:
            resized = functional.horizontal_flip(resized)
        return resized.permute(1, 2, 0) / 255, label, row_of(index, box)


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``DataLoader`` of one epoch."""
    import torchvision.io
    import torchvision.transforms.v2  # noqa: F401 (workers are to load, not to import)

    warnings.filterwarnings("ignore", ".*TorchVision are deprecated", DeprecationWarning)
    return loader(VisionPhotos(tree, spec), spec)
