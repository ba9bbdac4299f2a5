"""A Keras ``PyDataset`` with a worker thread a core, run as ``model.fit`` runs one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate import cores, random_box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "streaming"
DECODERS = "Pillow"
AUGMENTS = ("crop-flip",)
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

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield every batch of one epoch."""
        from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

        adapter = PyDatasetAdapter(self._dataset)
        try:
            yield from adapter.get_numpy_iterator()
        finally:
            adapter.on_epoch_end()


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs of float32 images in [0, 1] and one-hot float32 labels."""
    import keras
    from PIL import Image

    one_hot = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
    random = np.random.default_rng(spec.seed)

    class Photos(keras.utils.PyDataset):  # type: ignore[misc, unused-ignore]
        """Batches by their number."""

        def __init__(self) -> None:
            super().__init__(workers=cores(), use_multiprocessing=False)
            self._order = np.arange(len(tree))[spec.shard :: spec.shards]
            self._seed = 0
            self.on_epoch_end()

        def __len__(self) -> int:
            return math.ceil(len(self._order) / spec.batch_size)

        def __getitem__(self, index: int) -> tuple[Any, ...]:
            places = self._order[index * spec.batch_size : (index + 1) * spec.batch_size]
            images = np.empty((len(places), *spec.image_size, 3), np.float32)
            if spec.augment == "crop-flip":
                return images, one_hot[places], self._parts(places, images, self._seed + index)
            for row, place in enumerate(places):
                image = keras.utils.load_img(
                    tree.paths[place], target_size=spec.image_size, interpolation="bilinear"
                )
                np.divide(image, np.float32(255), out=images[row])
            return images, one_hot[places]

        def _parts(self, places: Any, images: Any, seed: int) -> Any:
            """Write random parts into images, and return their boxes."""
            boxes = np.empty((len(places), 6), np.int32)
            draws = np.random.default_rng(seed)
            for row, place in enumerate(places):
                whole = keras.utils.load_img(tree.paths[place])
                top, left, height, width, flipped = random_box(whole.height, whole.width, draws)
                image = whole.resize(
                    spec.image_size[::-1], Image.Resampling.BILINEAR, (left, top, left + width, top + height)
                )
                np.divide(image, np.float32(255), out=images[row, :, ::-1] if flipped else images[row])
                boxes[row] = place, top, left, height, width, flipped
            return boxes

        def on_epoch_end(self) -> None:
            self._seed = int(random.integers(2**62))
            if spec.shuffle:
                self._order = random.permutation(len(tree))[spec.shard :: spec.shards]

    return Epochs(Photos())
