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


def differences(image: npt.NDArray[np.generic], step: tuple[int, int]) -> Differences:
    """Return the second differences of an image.

    Args:
        image: ``(height, width, 3)``, in grey levels of 255.
        step: Of `steps`.
    """
    down, across = step
    # By channel: a matrix product of three columns takes three times as long.
    red, green, blue = (_mean(image[..., channel], down, across) for channel in range(3))
    luma = red * _LUMA[0]
    luma += green * _LUMA[1]
    luma += blue * _LUMA[2]
    small = _mean(luma, 2, 2)
    chroma = np.stack([_mean(red, 2, 2) - small, _mean(blue, 2, 2) - small])
    return Differences(_second(luma), _second(chroma))


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


def _mean(plane: npt.NDArray[np.generic], down: int, across: int) -> Floats:
    """Return the means of blocks of so many pixels; what is left over at the end is left out."""
    rows, columns = plane.shape[0] // down, plane.shape[1] // across
    total = np.zeros((rows, columns), np.float32)
    for row in range(down):
        for column in range(across):
            total += plane[row : rows * down : down, column : columns * across : across]
    if down * across > 1:
        total /= down * across
    return total


def _second(planes: Floats) -> tuple[Floats, Floats]:
    twice = 2 * planes
    return (
        planes[..., 2:, :] + planes[..., :-2, :] - twice[..., 1:-1, :],
        planes[..., 2:] + planes[..., :-2] - twice[..., 1:-1],
    )


def _product(some: tuple[Floats, Floats], others: tuple[Floats, Floats]) -> float:
    return sum(float(np.vdot(one, other)) for one, other in zip(some, others, strict=True))
