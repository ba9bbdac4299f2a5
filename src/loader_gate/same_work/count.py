"""The count of a pass while it is timed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from loader_gate.trees.tree import Tree


class EpochCount:
    """Counts images and labels of a pass while it is timed, at a few microseconds a batch."""

    def __init__(self) -> None:
        """Start at none."""
        self.images = 0
        self._labels: Any = 0

    def add(self, images: Any, labels: Any) -> None:
        """Count one batch.

        Args:
            images: ``(batch, height, width, 3)`` of any library.
            labels: ``(batch, classes)``, one-hot, of any library.
        """
        self.images += len(images)
        self._labels = self._labels + np.asarray(labels).sum(axis=0)

    def problem(self, tree: Tree) -> str | None:
        """Return one sentence if what came is not one epoch of the tree, None if it is."""
        if self.images != len(tree):
            return f"{self.images} images came, expected the {len(tree)} of the tree."
        expected = np.bincount(tree.labels, minlength=len(tree.class_names))
        if np.shape(self._labels) != expected.shape:
            return f"labels of shape {np.shape(self._labels)} came, expected {len(expected)} classes."
        for name, found, wanted in zip(tree.class_names, self._labels, expected, strict=True):
            if abs(found - wanted) > 0.5:
                return f"{found:.0f} images of class {name!r} came, expected {wanted}."
        return None
