"""How much of the finest detail that the reference has, an image has: of luma, and of chroma.

PSNR hardly tells a photograph that was decoded at half the size and blown up from one that was resized by
another filter: most of the error is at a few edges. What half the size cannot hold is the finest octave,
which second differences between neighbouring pixels pick out. An image's are held against the reference's:

    detail = sum(image * reference) / max(sum(reference ^ 2), sum(image ^ 2))

It is 1 of equal images, and 0 of images that have nothing in common at that scale. Noise does not raise it,
and sharpening cannot raise it above the correlation of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loader_gate.same_work.reference import Floats
from loader_gate.same_work.thresholds import DETAIL_ENERGY

#: Red, green and blue in luma, as in JPEG files (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Of every so many rows of a tall image, so many in a row are looked at: that is a fifth of the work.
_EVERY, _LOOKED_AT = 64, 16
# So much larger than its file an image may be before it is looked at in larger pixels: see `steps`.
_HARDLY_ENLARGED = 0.2


@dataclass(frozen=True)
class Differences:
    """Second differences between neighbours of one image, down and across.

    Attributes:
        luma: Of its luma.
        chroma: Of its red and blue less luma, at half the resolution, as JPEG files usually keep it.
    """

    luma: tuple[Floats, Floats]
    chroma: tuple[Floats, Floats]


def steps(file_size: npt.ArrayLike, image_size: tuple[int, int]) -> tuple[int, int]:
    """Return how many pixels, down and across, make one that a file can tell from its neighbours.

    An image that is larger than its file has no detail finer than the file's pixels, and what resizing puts
    between them is not the same for any two filters.

    Args:
        file_size: Height and width of the picture in its file.
        image_size: Height and width of the image.
    """
    down, across = (
        max(1, math.ceil(length / own - _HARDLY_ENLARGED))
        for length, own in zip(image_size, np.asarray(file_size).tolist(), strict=True)
    )
    return down, across


def differences(image: npt.NDArray[np.generic], step: tuple[int, int], place: float = 0.5) -> Differences:
    """Return the second differences of an image.

    Args:
        image: ``(height, width, 3)``, in grey levels of 255.
        step: Of `steps`.
        place: Where the rows of a tall image are that are looked at, from 0 to 1.
    """
    # Channels first: whatever reads every third number takes much longer than the arithmetic.
    planes = np.array(np.moveaxis(_strips(image, step[0], place), -1, 0), np.float32, order="C")
    if step != (1, 1):
        planes = _mean(planes, *step)
    luma = planes[0] * _LUMA[0]
    luma += planes[1] * _LUMA[1]
    luma += planes[2] * _LUMA[2]
    colour = planes[::2]
    colour -= luma
    return Differences(_second(luma), _second(_mean(colour, 2, 2)))


def detail(own: tuple[Floats, Floats], wanted: tuple[Floats, Floats]) -> float:
    """Return the share of the reference's detail that an image has.

    Args:
        own: Of the image.
        wanted: Of the reference.

    Returns:
        At most 1; NaN where the reference has too little to tell.
    """
    of_wanted = _product(wanted, wanted)
    if of_wanted < DETAIL_ENERGY * sum(part.size for part in wanted) or not of_wanted:
        return math.nan
    return _product(own, wanted) / max(of_wanted, _product(own, own))


def _strips(image: npt.NDArray[np.generic], down: int, place: float) -> npt.NDArray[np.generic]:
    """Return strips of an image, ``(strips, rows, width, 3)``: a view; a single one of all if it is low."""
    every, rows = _EVERY * down, _LOOKED_AT * down
    height, *others = image.shape
    count = height // every
    if count < 2:
        return image[np.newaxis]
    first = int((every - rows) * place)
    return image[: count * every].reshape(count, every, *others)[:, first : first + rows]


def _mean(planes: Floats, down: int, across: int) -> Floats:
    """Return the means of blocks of so many pixels; what is left over at the end is left out."""
    rows, columns = planes.shape[-2] // down, planes.shape[-1] // across
    some = planes[..., : rows * down, : columns * across]
    high = some[..., ::down, :].copy()
    for row in range(1, down):
        high += some[..., row::down, :]
    both: Floats = high[..., ::across].copy()
    for column in range(1, across):
        both += high[..., column::across]
    both /= down * across
    return both


def _second(planes: Floats) -> tuple[Floats, Floats]:
    twice = 2 * planes
    down, across = planes[..., 2:, :] + planes[..., :-2, :], planes[..., 2:] + planes[..., :-2]
    down -= twice[..., 1:-1, :]
    across -= twice[..., 1:-1]
    return down, across


def _product(some: tuple[Floats, Floats], others: tuple[Floats, Floats]) -> float:
    return sum(float(np.vdot(one, other)) for one, other in zip(some, others, strict=True))
