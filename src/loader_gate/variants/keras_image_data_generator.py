"""The baseline: Keras' ``ImageDataGenerator`` reading a folder, as most tutorials show it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "streaming"
DECODERS = "Pillow"
INTERPOLATION = "nearest"  # the default of flow_from_directory


class Epochs:
    """Ends the generator's endless iterator after one epoch, and begins the next in a new order."""

    def __init__(self, batches: Any) -> None:
        """Wrap ``batches``, a Keras ``DirectoryIterator``."""
        self._batches = batches

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield every batch of one epoch."""
        try:
            for index in range(len(self._batches)):
                yield self._batches[index]
        finally:  # of an epoch that is left early, too
            self._batches.on_epoch_end()


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs of float32 images in [0, 1] and one-hot float32 labels."""
    from tensorflow import keras

    image = keras.preprocessing.image
    # The generator leaves GIFs out, which Keras' own image_dataset_from_directory reads.
    suffixes = {PurePath(path).suffix.lower() for path in tree.paths}
    image.DirectoryIterator.white_list_formats = tuple(suffixes)
    batches = image.ImageDataGenerator(rescale=1 / 255).flow_from_directory(
        tree.root,
        target_size=spec.image_size,
        classes=list(tree.class_names),
        class_mode="categorical",
        batch_size=spec.batch_size,
        shuffle=spec.shuffle,
        seed=spec.seed,
    )
    return Epochs(batches)
