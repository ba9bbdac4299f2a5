"""The baseline: Keras' ``ImageDataGenerator`` reading a folder, as most tutorials show it.

Of Keras 3, people know it as ``tf.keras.preprocessing.image``, which is its package ``_tf_keras`` by another
name. There is no line of TensorFlow in it: on every backend it is NumPy, Pillow and one thread.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate import random_box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate import Spec, Tree

KIND = "streaming"
DECODERS = "Pillow"
AUGMENTS = ("crop-flip",)
INTERPOLATION = "nearest"  # the default of flow_from_directory


class Epochs:
    """Ends the generator's endless iterator after one epoch, and begins the next in a new order."""

    def __init__(self, batches: Any) -> None:
        """Wrap ``batches``, a Keras ``DirectoryIterator``."""
        self._batches = batches

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield every batch of one epoch."""
        try:
            for index in range(len(self._batches)):
                yield self._batches[index]
        finally:  # of an epoch that is left early, too
            self._batches.on_epoch_end()


def load(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs of float32 images in [0, 1] and one-hot float32 labels."""
    from keras._tf_keras.keras.preprocessing import image

    # The generator leaves GIFs out, which Keras' own image_dataset_from_directory reads.
    suffixes = {PurePath(path).suffix.lower() for path in tree.paths}
    image.DirectoryIterator.white_list_formats = tuple(suffixes)
    flow: dict[str, Any] = {
        "target_size": spec.image_size,
        "classes": list(tree.class_names),
        "class_mode": "categorical",
        "batch_size": spec.batch_size,
        "shuffle": spec.shuffle,
        "seed": spec.seed,
    }
    generator = image.ImageDataGenerator(rescale=1 / 255)
    if spec.augment == "crop-flip":
        return Epochs(_parts_of(image.DirectoryIterator, tree, spec)(tree.root, generator, **flow))
    return Epochs(generator.flow_from_directory(tree.root, **flow))


def _parts_of(iterator: Any, tree: Tree, spec: Spec) -> Any:
    """Return the iterator of ``flow_from_directory`` with random parts of pictures in place of whole ones.

    ``ImageDataGenerator`` has no random resized crop: it resizes a picture before it does anything else to
    it, its ``preprocessing_function`` included. What its users do is to load pictures themselves in a
    subclass of its iterator. So does this one, and leaves the rest as it is: one thread, Pillow, ``nearest``.
    """
    import keras
    from PIL import Image

    places = {path: place for place, path in enumerate(tree.paths)}
    random = np.random.default_rng(spec.seed)

    class Parts(iterator):  # type: ignore[misc, unused-ignore]
        def _get_batches_of_transformed_samples(self, index_array: Any) -> tuple[Any, Any, Any]:
            images = np.zeros((len(index_array), *self.image_shape), self.dtype)
            boxes = np.zeros((len(index_array), 6), np.int32)
            for row, index in enumerate(index_array):
                path = self.filepaths[index]
                with keras.utils.load_img(path) as whole:
                    top, left, height, width, flipped = random_box(whole.height, whole.width, random)
                    part = whole.crop((left, top, left + width, top + height))
                part = part.resize(spec.image_size[::-1], Image.Resampling.NEAREST)
                image = keras.utils.img_to_array(part, dtype=self.dtype)
                image = self.image_data_generator.standardize(image)
                images[row] = image[:, ::-1] if flipped else image
                boxes[row] = places[path], top, left, height, width, flipped
            labels = np.zeros((len(images), len(self.class_indices)), self.dtype)
            labels[np.arange(len(images)), [self.classes[index] for index in index_array]] = 1
            return images, labels, boxes

    return Parts
