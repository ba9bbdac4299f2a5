"""Loaders that are slow for a reason that is known: each cause planted in each kind of loader.

A loader of any kind reads a file, decodes it, and makes a float32 image of it. What is planted changes one of
these steps, or how many do them at once, and nothing else.
"""

from __future__ import annotations

import io
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate import Spec, Tree, cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: What a file takes longer to be read, in seconds.
DELAY = 0.03
#: How often a picture is decoded, of which once would do.
DECODES = 4
#: Steps of Python that each image takes.
STEPS = 400_000
#: How often a finished image is copied, of which once would do.
COPIES = 60


@dataclass(frozen=True)
class Steps:
    """What is done to each image, and by how many threads or processes.

    Attributes:
        delay: Seconds that reading takes longer.
        decodes: How often the picture is decoded.
        loops: Steps of Python.
        copies: How often the image is copied; 0 if it is decoded each time, and not kept.
        at_once: How many images are made at once.
    """

    delay: float = 0.0
    decodes: int = 1
    loops: int = 0
    copies: int = 0
    at_once: int = 0

    @property
    def workers(self) -> int:
        """Return how many images are made at once."""
        return self.at_once or cores()


CAUSES = {
    "slow_storage": Steps(delay=DELAY),
    "slow_decoder": Steps(decodes=DECODES),
    "held_lock": Steps(loops=STEPS),
    "copies": Steps(copies=COPIES),
    "one_thread": Steps(at_once=1),
}
#: Those that the loader is not to blame for.
ELSEWHERE = {"slow_model": Steps()}


class Images:
    """Makes one image after another; what it keeps it keeps as bytes."""

    def __init__(self, tree: Tree, spec: Spec, steps: Steps, *, keeps: bool = True) -> None:
        """Decode all images if they are to be kept, and not by somebody else."""
        self.tree, self.spec, self.steps = tree, spec, steps
        self.one_hot = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
        self._kept: Any = None
        if steps.copies and keeps:
            self._kept = np.stack([self._decoded(self._data(path)) for path in tree.paths])

    def image(self, place: int) -> Any:
        """Return one image: float32 in [0, 1]."""
        steps = self.steps
        if self._kept is not None:
            return self._copied(np.divide(self._kept[place], np.float32(255)))
        pixels = self._decoded(self._data(self.tree.paths[place]))
        for _ in range(1, steps.decodes):
            pixels = self._decoded(self._data(self.tree.paths[place]))
        if steps.loops:
            sum(number & 1 for number in range(steps.loops))
        return np.divide(pixels, np.float32(255))

    def _data(self, path: str) -> bytes:
        with open(path, "rb") as file:  # noqa: PTH123 (a Path takes as long as a small file)
            if self.steps.delay:
                time.sleep(self.steps.delay)
            return file.read()

    def _decoded(self, data: bytes) -> Any:
        from PIL import Image

        height, width = self.spec.image_size
        with Image.open(io.BytesIO(data)) as file:
            return np.asarray(file.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))

    def _copied(self, image: Any) -> Any:
        for _ in range(self.steps.copies):
            image = image.copy()
        return image


class Epochs:
    """Batches that threads make, a few ahead."""

    def __init__(self, tree: Tree, spec: Spec, steps: Steps) -> None:
        """Start the threads with the first batch."""
        self._images, self._spec = Images(tree, spec, steps), spec
        self._random = np.random.default_rng(spec.seed)
        self._pool = ThreadPoolExecutor(steps.workers)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield every batch of one epoch."""
        size, images = self._spec.batch_size, self._images
        order = self._random.permutation(len(images.tree))
        made = self._pool.map(images.image, order)
        for start in range(0, len(order), size):
            places = order[start : start + size]
            batch = np.empty((len(places), *self._spec.image_size, 3), np.float32)
            for row in range(len(places)):
                batch[row] = next(made)
            yield batch, images.one_hot[places]


def threads(tree: Tree, spec: Spec, steps: Steps) -> Any:
    """Return epochs of a pool of threads."""
    return Epochs(tree, spec, steps)


def tfdata(tree: Tree, spec: Spec, steps: Steps) -> Any:
    """Return epochs of ``tf.data``, with its own reading and decoding where nothing is planted there."""
    import tensorflow as tf

    images = Images(tree, spec, steps, keeps=False)

    def example(path: Any, label: Any, place: Any) -> tuple[Any, Any]:
        one_hot = tf.one_hot(label, len(tree.class_names))
        if steps.loops:
            image = tf.numpy_function(images.image, [place], tf.float32)
            return tf.ensure_shape(image, (*spec.image_size, 3)), one_hot
        data = tf.numpy_function(images._data, [path], tf.string) if steps.delay else tf.io.read_file(path)
        image = tf.cast(tf.io.decode_jpeg(data, channels=3), tf.float32)
        for number in range(1, steps.decodes):  # other data to TensorFlow, or it would decode once
            again = tf.io.decode_jpeg(tf.strings.join([data, str(number)]), channels=3)
            image = tf.maximum(image, tf.cast(again, tf.float32))
        return tf.image.resize(image, spec.image_size) / 255, one_hot

    def copied(image: Any, label: Any) -> tuple[Any, Any]:
        for _ in range(steps.copies // 2):
            image = tf.reverse(tf.reverse(image, [0]), [0])
        return image, label

    files = tf.data.Dataset.from_tensor_slices((list(tree.paths), list(tree.labels), range(len(tree))))
    if steps.copies:
        kept = files.map(example, num_parallel_calls=steps.workers).cache()
        dataset = kept.shuffle(len(tree), seed=spec.seed).map(copied, num_parallel_calls=steps.workers)
    else:
        shuffled = files.shuffle(len(tree), seed=spec.seed)
        dataset = shuffled.map(example, num_parallel_calls=steps.workers)
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = steps.workers
    return dataset.batch(spec.batch_size).prefetch(2).with_options(options)


class Photos:
    """A map-style dataset of torch."""

    def __init__(self, images: Images) -> None:
        """Keep what makes images."""
        self._images = images

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images.tree)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        """Return one image and its label."""
        return self._images.image(place), self._images.one_hot[place]


def torch(tree: Tree, spec: Spec, steps: Steps) -> Any:
    """Return a ``DataLoader``, whose workers are processes; the only thread is the one that asks."""
    from torch import Generator
    from torch.utils.data import DataLoader

    workers = 0 if steps.at_once == 1 else steps.workers
    return DataLoader(
        Photos(Images(tree, spec, steps)),  # type: ignore[arg-type, unused-ignore]
        batch_size=spec.batch_size,
        shuffle=True,
        generator=Generator().manual_seed(spec.seed),
        num_workers=workers,
        persistent_workers=workers > 0,
    )


class FitEpochs:
    """What ``fit`` takes of a ``PyDataset``, whose workers belong to it; see the variant of that name."""

    def __init__(self, dataset: Any) -> None:
        """Wrap a ``PyDataset``."""
        self._dataset = dataset

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield every batch of one epoch."""
        from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

        adapter = PyDatasetAdapter(self._dataset)
        try:
            yield from adapter.get_numpy_iterator()
        finally:
            adapter.on_epoch_end()


def keras(tree: Tree, spec: Spec, steps: Steps) -> Any:
    """Return epochs of a ``PyDataset``."""
    from tensorflow.keras.utils import PyDataset

    images, random = Images(tree, spec, steps), np.random.default_rng(spec.seed)

    class Batches(PyDataset):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(workers=steps.workers, use_multiprocessing=False)
            self._order = random.permutation(len(tree))

        def __len__(self) -> int:
            return math.ceil(len(tree) / spec.batch_size)

        def __getitem__(self, number: int) -> tuple[Any, Any]:
            places = self._order[number * spec.batch_size : (number + 1) * spec.batch_size]
            return np.stack([images.image(place) for place in places]), images.one_hot[places]

        def on_epoch_end(self) -> None:
            self._order = random.permutation(len(tree))

    return FitEpochs(Batches())


LOADERS = {"tfdata": tfdata, "torch": torch, "threads": threads, "keras": keras}


def _planted(load: Callable[[Tree, Spec, Steps], Any], steps: Steps, tree: Tree, spec: Spec) -> Any:
    return load(tree, spec, steps)


def __getattr__(name: str) -> Any:
    """Return a loader with its cause, such as ``torch_held_lock``."""
    kind, _, cause = name.partition("_")
    steps = (CAUSES | ELSEWHERE).get(cause)
    if kind not in LOADERS or steps is None:
        raise AttributeError(name)
    loader = partial(_planted, LOADERS[kind], steps)
    loader.KIND = "memory" if steps.copies else "rival"  # type: ignore[attr-defined]
    return loader
