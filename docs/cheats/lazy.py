"""Batches that are promises: arrays of images that nobody has decoded yet, or never will."""

from __future__ import annotations

import mmap
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.cheats.cases import cheat, cheat_unless_charged, honest
from docs.cheats.photos import Epochs, Photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from docs.cheats.photos import Batch, Floats, Ints
    from loader_gate import Spec, Tree


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
            yield _Promise(len(files), lambda files=files: photos.batch(files)[0]), photos.one_hot[files]

    return Epochs(epoch)


@cheat_unless_charged
def lazy_images_with_a_shape(tree: Tree, spec: Spec) -> Epochs:
    """The same with shape, dtype and ndim, so that looking at these costs nothing."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for files in photos.parts():
            known = {"shape": (len(files), *spec.image_size, 3), "dtype": np.dtype("float32"), "ndim": 4}
            images = _Promise(len(files), lambda files=files: photos.batch(files)[0], **known)
            yield images, photos.one_hot[files]

    return Epochs(epoch)


@cheat
def wrong_length(tree: Tree, spec: Spec) -> Photos:
    """From the second epoch on objects that have the right length, and hold one image."""

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            images, _ = photos.batch(files[:1])
            yield _Promise(len(files), lambda images=images: images), photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat_unless_charged
def device_arrays(tree: Tree, spec: Spec) -> Epochs:
    """Asynchronous arrays as of a device: they come at once, and a thread decodes for whoever waits."""
    photos, device = Photos(tree, spec), ThreadPoolExecutor(1)

    def epoch() -> Iterator[Batch]:
        for files in photos.parts():
            decoding = device.submit(photos.batch, files)
            yield (
                _Promise(len(files), lambda decoding=decoding: decoding.result()[0]),
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
            images = _Promise(len(files), lambda files=files: blank(len(files)))
            yield images, photos.one_hot[files]

    return Photos(tree, spec, later=later)


@cheat_unless_charged
def filled_afterwards(tree: Tree, spec: Spec) -> Photos:
    """Real arrays that a thread fills after they were handed over: from the second epoch on nobody waits."""
    device = ThreadPoolExecutor(1)

    def later(photos: Photos, parts: Sequence[Ints]) -> Iterator[Batch]:
        for files in parts:
            images = np.zeros((len(files), *spec.image_size, 3), np.float32)
            device.submit(lambda images=images, files=files: np.copyto(images, photos.batch(files)[0]))
            yield images, photos.one_hot[files]

    return Photos(tree, spec, later=later)


@honest
def lazy_but_decoded(tree: Tree, spec: Spec) -> Epochs:
    """Objects with a length and nothing else of an array; the images that they stand for are decoded."""

    def epoch() -> Iterator[Batch]:
        for images, labels in photos:
            yield _Promise(len(images), lambda images=images: images), labels

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
            yield _Promise(len(images), lambda images=images: images), labels

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
            filling = threading.Thread(
                target=lambda images=images, files=files: np.copyto(images, photos.batch(files)[0])
            )
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
