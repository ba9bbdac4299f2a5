"""A Keras ``PyDataset`` with a worker thread a core, run as ``model.fit`` runs one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate import cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "streaming"
DECODERS = "Pillow"
DEFAULT = False
INTERPOLATION = "area"  # Pillow antialiases what it makes smaller, whatever the filter
SHARDS = True


class Epochs:
    """Begins an epoch of a ``PyDataset`` whenever it is iterated.

    Iterating a ``PyDataset`` loads batch after batch in the thread that asks: its workers belong to ``fit``.
    So this takes what ``fit`` takes. It is made anew each epoch, as one that was left early would begin the
    next with the batches that were in its queue.
    """

    def __init__(self, dataset: Any) -> None:
        """Wrap ``dataset``, a ``PyDataset``."""
        self._dataset = dataset

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield every batch of one epoch."""
        from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

        adapter = PyDatasetAdapter(self._dataset)
        try:
            yield from adapter.get_numpy_iterator()
        finally:
            adapter.on_epoch_end()


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs of float32 images in [0, 1] and one-hot float32 labels."""
    from tensorflow import keras

    one_hot = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
    random = np.random.default_rng(spec.seed)

    class Photos(keras.utils.PyDataset):  # type: ignore[misc, unused-ignore]
        """Batches by their number."""

        def __init__(self) -> None:
            super().__init__(workers=cores(), use_multiprocessing=False)
            self._order = np.arange(len(tree))[spec.shard :: spec.shards]
            self.on_epoch_end()

        def __len__(self) -> int:
            return math.ceil(len(self._order) / spec.batch_size)

        def __getitem__(self, index: int) -> tuple[Any, Any]:
            places = self._order[index * spec.batch_size : (index + 1) * spec.batch_size]
            images = np.empty((len(places), *spec.image_size, 3), np.float32)
            for row, place in enumerate(places):
                image = keras.utils.load_img(
                    tree.paths[place], target_size=spec.image_size, interpolation="bilinear"
                )
                np.divide(image, np.float32(255), out=images[row])
            return images, one_hot[places]

        def on_epoch_end(self) -> None:
            if spec.shuffle:
                self._order = random.permutation(len(tree))[spec.shard :: spec.shards]

    return Epochs(Photos())
