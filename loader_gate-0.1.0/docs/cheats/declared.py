"""Loaders that declare what they deliver: the honest ones do, the others only say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from docs.cheats.cases import cheat, declares, honest
from docs.cheats.photos import Epochs, Photos

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docs.cheats.photos import Batch
    from loader_gate import Spec, Tree

#: What torchvision's models were trained with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@cheat
@declares(MEAN=MEAN, STD=STD)
def normalisation_left_out(tree: Tree, spec: Spec) -> Photos:
    """Declares torchvision's normalisation, and leaves it out."""
    return Photos(tree, spec)


@cheat
@declares(MEAN=(0.5, 0.5, 0.5), STD=(1e6, 1e6, 1e6))
def normalised_to_nothing(tree: Tree, spec: Spec) -> Epochs:
    """Declares so large a deviation that all images are next to nothing, and gives nothing."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for files in photos.parts():
            yield np.zeros((len(files), *spec.image_size, 3), np.float32), photos.one_hot[files]

    return Epochs(epoch)


@honest
@declares(MEAN=MEAN, STD=STD, LAYOUT="NCHW", LABELS="index")
def as_torchvision(tree: Tree, spec: Spec) -> Epochs:
    """Mean and deviation of torchvision, channels first, integer labels."""
    photos = Photos(tree, spec)
    mean, deviation = np.array(MEAN, np.float32), np.array(STD, np.float32)

    def epoch() -> Iterator[Batch]:
        for images, labels in photos:
            images -= mean
            images /= deviation
            yield np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels.argmax(axis=1)

    return Epochs(epoch)


@honest
@declares(VALUE_RANGE=(-1.0, 1.0))
def as_keras_mobilenet(tree: Tree, spec: Spec) -> Epochs:
    """[-1, 1], as Keras' MobileNet wants it."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for images, labels in photos:
            yield images * 2 - 1, labels

    return Epochs(epoch)


@honest
@declares(LAYOUT="NCHW")
def channels_first(tree: Tree, spec: Spec) -> Epochs:
    """Channels first, as a view that nobody has copied."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for images, labels in photos:
            yield images.transpose(0, 3, 1, 2), labels

    return Epochs(epoch)


@honest
@declares(DTYPE="uint8", VALUE_RANGE=(0, 255))
def uint8(tree: Tree, spec: Spec) -> Epochs:
    """Grey levels of 0 to 255 as uint8: what scales them runs on the device."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for images, labels in photos:
            yield np.rint(images * 255).astype(np.uint8), labels

    return Epochs(epoch)


@honest
@declares(DTYPE="float16")
def float16(tree: Tree, spec: Spec) -> Epochs:
    """float16 in [0, 1]."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        for images, labels in photos:
            yield images.astype(np.float16), labels

    return Epochs(epoch)
