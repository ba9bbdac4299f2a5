"""Decoded images as uint8 in memory, made float32 batch by batch: a quarter of the float32 cache's memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from loader_gate.variants.uint8_memory_map import INTERPOLATION as INTERPOLATION
from loader_gate.variants.uint8_memory_map import Epochs, decoded, to_float
from loader_gate.variants.uint8_memory_map import predicted_bytes as predicted_bytes  # the same, in memory

if TYPE_CHECKING:
    from loader_gate import Spec, Tree

KIND = "memory"
DEFAULT = ("loading",)


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs, of which the first decodes all images into memory."""
    return Epochs(tree, spec, Memory(tree, spec), decoded, to_float)


class Memory:
    """An array of uint8 images."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Begin with none."""
        self._shape = (len(tree), *spec.image_size, 3)
        self._images: Any = None

    def read(self) -> Any:
        """Return the images, ``(images, height, width, 3)``, or None if they are not all there yet."""
        return self._images

    def write(self, items: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """Keep the images that pass by; they count after the last one."""
        import numpy as np

        images = np.empty(self._shape, np.uint8)
        for index, image in items:
            images[index] = image
            yield index, image
        self._images = images
