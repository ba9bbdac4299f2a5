"""torch's ``DataLoader`` with a worker process a core, and the decoding of ``native_threads``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loader_gate.variants.native_threads import AUGMENTS as AUGMENTS
from loader_gate.variants.native_threads import INTERPOLATION as INTERPOLATION
from loader_gate.variants.native_threads import decode, decode_part
from loader_gate.variants.torch_pillow import Photos, loader, row_of
from loader_gate.variants.torch_pillow import predicted_process_bytes as predicted_process_bytes

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "rival"
DECODERS = "simplejpeg Pillow"
REQUIRES = "torch simplejpeg cv2"
INSTALL = 'pip install "loader-gate[torch,fast]"'
DEFAULT = False


class FastPhotos(Photos):
    """The same dataset with another decoder."""

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return one image, channels last, its label, and its box if it is a part."""
        import torch

        image = torch.empty((*self._size, 3))
        if self._augments:
            box = decode_part(self._paths[index], image.numpy(), self.random())
            return image, self._one_hot[index], row_of(index, box)
        decode(self._paths[index], image.numpy())
        return image, self._one_hot[index]


def load(tree: Tree, spec: Spec) -> Any:
    """Return a ``DataLoader`` of one epoch."""
    import cv2

    cv2.setNumThreads(1)  # a worker process a core is enough
    return loader(FastPhotos(tree, spec), spec)
