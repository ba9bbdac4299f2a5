"""STUB, to be replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from loader_gate.same_work.count import EpochCount
from loader_gate.same_work.words import DifferenceError

POINTS = 16


class Fingerprints:
    """Stub."""

    def __init__(self, tree: Any, spec: Any, declared: Any, seed: int) -> None:
        """Stub."""
        self.tree = tree
        generator = np.random.default_rng(seed)
        height, width = spec.image_size
        self.rows = generator.integers(0, height, POINTS)
        self.columns = generator.integers(0, width, POINTS)
        self.places = self.rows * width + self.columns

    def sample(self, images: Any) -> Any:
        """Stub."""
        return images[:, self.rows, self.columns] if images.ndim == 4 else None

    def learn(self, images: Any, files: Any) -> None:
        """Stub."""

    def save(self, file: Path) -> None:
        """Stub."""

    def load(self, file: Path) -> None:
        """Stub."""


class TimedEpoch:
    """Stub."""

    def __init__(self, fingerprints: Fingerprints) -> None:
        """Stub."""
        self.fingerprints = fingerprints
        self._count = EpochCount()

    def add(self, images: Any, labels: Any, sample: Any) -> None:
        """Stub."""
        if images.ndim != 4:
            raise DifferenceError("form")
        self._count.add(images, labels)

    def keep(self, sample: Any, classes: Any) -> None:
        """Stub."""
        self._count.add(sample, np.eye(len(self.fingerprints.tree.class_names))[classes])

    def problem(self) -> str | None:
        """Stub."""
        return self._count.problem(self.fingerprints.tree)

    def order(self) -> Any:
        """Stub."""
        return np.arange(0)
