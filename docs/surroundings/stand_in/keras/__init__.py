"""What the baseline needs of Keras, and no more: a session beside it starts no TensorFlow, and takes seconds.

It stands in where pytest, git or a terminal is what is tried. Pictures are read as Keras reads them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image


class DirectoryIterator:
    """Batches of a folder of class folders, in a new order each epoch."""

    white_list_formats: tuple[str, ...] = ()

    def __init__(
        self, root: str, size: tuple[int, int], classes: list[str], batch_size: int, seed: int
    ) -> None:
        """List the images."""
        places = enumerate(sorted(Path(root, name).iterdir()) for name in classes)
        self._files = [(file, label) for label, files in places for file in files]
        self._size, self._classes, self._batch_size = size, len(classes), batch_size
        self._random = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draw a new order."""
        self._order = self._random.permutation(len(self._files))

    def __len__(self) -> int:
        return -(-len(self._files) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        some = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        height, width = self._size
        images = []
        for number in some:
            with Image.open(self._files[number][0]) as image:
                resized = image.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
                images.append(np.asarray(resized, np.float32) / 255)
        labels = np.eye(self._classes, dtype=np.float32)[[self._files[number][1] for number in some]]
        return np.stack(images), labels


class ImageDataGenerator:
    """Makes such iterators."""

    def __init__(self, rescale: float) -> None:
        """Rescale as it is always done here."""

    def flow_from_directory(self, root: str, **how: Any) -> DirectoryIterator:
        """Return batches of a folder."""
        return DirectoryIterator(root, how["target_size"], how["classes"], how["batch_size"], how["seed"])


# Where the baseline looks for them: `keras._tf_keras.keras.preprocessing.image`.
_image = SimpleNamespace(DirectoryIterator=DirectoryIterator, ImageDataGenerator=ImageDataGenerator)
for _name in ("_tf_keras", "_tf_keras.keras", "_tf_keras.keras.preprocessing"):
    sys.modules[f"{__name__}.{_name}"] = ModuleType(_name)
sys.modules[f"{__name__}._tf_keras.keras.preprocessing"].__dict__["image"] = _image
