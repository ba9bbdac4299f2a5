"""Batches that are promises: arrays of images that nobody has decoded yet, or never will."""

from __future__ import annotations

import mmap
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.cheats.cases import cheat, cheat_unless_charged, honest
from docs.cheats.photos import Epochs, Photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from docs.cheats.photos import Batch, Floats, Ints
    from loader_gate import Spec, Tree


def _images(photos: Photos, files: Ints) -> Any:
    return photos.batch(files)[0]


def _fill(images: Floats, photos: Photos, files: Ints) -> None:
    images[:] = photos.batch(files)[0]


def _waited_for(decoding: Future[Batch]) -> Any:
    return decoding.result()[0]


class _Promise:
    """An array for whoever asks for one, as images of some libraries and arrays of devices are."""

    def __init__(self, size: int, keep: Callable[[], Floats], **known: Any) -> None:
        self._size, self._keep = size, keep
        vars(self).update(known)

    def __len__(self) -> int:
        return self._size

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self._keep()
        if copy:
            return np.array(array, dtype)
        return array if dtype is None else array.astype(dtype)


@cheat_unless_charged
def lazy_images(tree: Tree, spec: Spec) -> Epochs:
    """Objects with a length that decode when somebody makes arrays of them."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for files in photos.parts():
            yield _Promise(len(files), partial(_images, photos, files)), photos.one_hot[files]

    return Epochs(epoch)


@cheat_unless_charged
def lazy_images_with_a_shape(tree: Tree, spec: Spec) -> Epochs:
    """The same with shape, dtype and ndim, so that looking at these costs nothing."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for files in photos.parts():
            known = {"shape": (len(files), *spec.image_size, 3), "dtype": np.dtype("float32"), "ndim": 4}
            images = _Promise(len(files), partial(_images, photos, files), **known)
            yield images, photos.one_hot[files]

    return Epochs(epoch)


@cheat
def wrong_length(tree: Tree, spec: Spec) -> Photos:
    """From the second epoch on objects that have the right length, and hold one image."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            images, _ = photos.batch(files[:1])
            yield _Promise(len(files), partial(np.asarray, images)), photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat_unless_charged
def device_arrays(tree: Tree, spec: Spec) -> Epochs:
    """Asynchronous arrays as of a device: they come at once, and a thread decodes for whoever waits."""
    photos, device = Photos(tree, spec), ThreadPoolExecutor(1)

    def epoch() -> Iterator[Batch]:
        for files in photos.parts():
            decoding = device.submit(photos.batch, files)
            yield (
                _Promise(len(files), partial(_waited_for, decoding)),
                photos.one_hot[files],
            )

    return Epochs(epoch)


@cheat
def sleeping_device_arrays(tree: Tree, spec: Spec) -> Photos:
    """Asynchronous arrays that make whoever waits for them sleep a little, and then are blank."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        def blank(size: int) -> Floats:
            time.sleep(0.01)
            return np.zeros((size, *spec.image_size, 3), np.float32)

        for files in parts:
            images = _Promise(len(files), partial(blank, len(files)))
            yield images, photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat_unless_charged
def filled_afterwards(tree: Tree, spec: Spec) -> Photos:
    """Real arrays that a thread fills after they were handed over: from the second epoch on nobody waits."""
    device = ThreadPoolExecutor(1)

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            images = np.zeros((len(files), *spec.image_size, 3), np.float32)
            device.submit(partial(_fill, images, photos, files))
            yield images, photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat_unless_charged
def hidden_in_labels(tree: Tree, spec: Spec) -> Photos:
    """From the second epoch on images are filled when somebody makes an array of the labels."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        def fill(images: Floats, files: Ints) -> Floats:
            _fill(images, photos, files)
            return photos.one_hot[files]

        for files in parts:
            images = np.zeros((len(files), *spec.image_size, 3), np.float32)
            yield images, _Promise(len(files), partial(fill, images, files))

    return Photos(tree, spec, later=later)


class _LatePair(tuple[Any, Any]):
    """A pair that is decoded when somebody takes something out of it."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        photos, files = (tuple.__getitem__(self, place) for place in range(2))
        return iter(photos.batch(files))

    def __getitem__(self, place: Any) -> Any:
        return [*self][place]


@cheat_unless_charged
def hidden_in_the_pair(tree: Tree, spec: Spec) -> Epochs:
    """Pairs that decode when they are taken apart."""
    photos = Photos(tree, spec)
    return Epochs(lambda: (_LatePair((photos, files)) for files in photos.parts()))


@honest
def lazy_but_decoded(tree: Tree, spec: Spec) -> Epochs:
    """Objects with a length and nothing else of an array; the images that they stand for are decoded."""

    def epoch() -> Iterator[Batch]:
        for images, labels in photos:
            yield _Promise(len(images), partial(np.asarray, images)), labels

    photos = Photos(tree, spec)
    return Epochs(epoch)


@honest
def by_array_interface(tree: Tree, spec: Spec) -> Epochs:
    """Objects that NumPy knows by ``__array_interface__``: views of what was decoded."""

    class Interface:
        def __init__(self, array: Floats) -> None:
            self._array, self.__array_interface__ = array, array.__array_interface__

        def __len__(self) -> int:
            return len(self._array)

    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for images, labels in photos:
            yield Interface(images), labels

    return Epochs(epoch)


@honest
def device_arrays_waited_for(tree: Tree, spec: Spec) -> Epochs:
    """Asynchronous arrays, two batches ahead within an epoch, each waited for before it is handed over."""
    photos, device = Photos(tree, spec), ThreadPoolExecutor(1)

    def epoch() -> Iterator[Batch]:
        pending: list[Future[Batch]] = []
        for files in photos.parts():
            pending.append(device.submit(photos.batch, files))
            if len(pending) > 2:
                yield pending.pop(0).result()
        for decoding in pending:
            images, labels = decoding.result()
            yield _Promise(len(images), partial(np.asarray, images)), labels

    return Epochs(epoch)


@honest
def one_buffer(tree: Tree, spec: Spec) -> Epochs:
    """Every batch in the same buffer, filled anew: views of it are only right until the next batch."""
    photos = Photos(tree, spec)
    buffer = np.empty((spec.batch_size, *spec.image_size, 3), np.float32)

    def epoch() -> Iterator[Batch]:
        for files in photos.parts():
            for place, file in enumerate(files):
                buffer[place] = photos.image(int(file))
            yield buffer[: len(files)], photos.one_hot[files]

    return Epochs(epoch)


@honest
def pinned_copies(tree: Tree, spec: Spec) -> Epochs:
    """Copies into two buffers of pages of their own in turn, as memory is pinned for a device."""
    photos, shape = Photos(tree, spec), (spec.batch_size, *spec.image_size, 3)
    pages = [mmap.mmap(-1, 4 * int(np.prod(shape))) for _ in range(2)]
    buffers = [np.frombuffer(each, np.float32).reshape(shape) for each in pages]

    def epoch() -> Iterator[Batch]:
        for number, (images, labels) in enumerate(photos):
            pinned = buffers[number % 2][: len(images)]
            pinned[:] = images
            yield pinned, labels

    return Epochs(epoch)


@honest
def filled_while_waiting(tree: Tree, spec: Spec) -> Epochs:
    """Real arrays that a thread fills; each is handed over when it is full."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for files in photos.parts():
            images = np.empty((len(files), *spec.image_size, 3), np.float32)
            filling = threading.Thread(target=partial(_fill, images, photos, files))
            filling.start()
            filling.join()
            yield images, photos.one_hot[files]

    return Epochs(epoch)


@honest
def transposed_views(tree: Tree, spec: Spec) -> Epochs:
    """Views with strides of their own, as of images that are kept channels first: nothing is contiguous."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for images, labels in photos:
            yield np.ascontiguousarray(images.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1), labels

    return Epochs(epoch)
