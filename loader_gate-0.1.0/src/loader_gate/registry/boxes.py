"""Which part of a picture an epoch of ``--augment crop-flip`` gets."""

from __future__ import annotations

import math
from typing import Protocol

#: The least and the largest share of a picture's area that is cut out.
AREA = (0.08, 1.0)
#: The least and the largest ratio of width to height of what is cut out.
RATIO = (3 / 4, 4 / 3)
#: A part that does not lie within the picture is drawn again, so often.
_TRIES = 10


class Random(Protocol):
    """What draws: a ``numpy.random.Generator`` or a ``random.Random``."""

    def random(self) -> float:
        """Return a number from 0 to 1, 1 excluded."""


def random_box(height: int, width: int, random: Random) -> tuple[int, int, int, int, int]:
    """Draw which part of a picture is cut out, and whether it is mirrored.

    As ``RandomResizedCrop`` and ``RandomHorizontalFlip`` draw in torchvision
    (https://github.com/pytorch/vision/blob/main/torchvision/transforms/transforms.py): a share of the area
    from 0.08 to 1, a ratio of width to height from 3/4 to 4/3 that is uniform in its logarithm, and any place
    in the picture. One that is so long that ten such parts do not lie within it gives the largest one in its
    middle.

    Args:
        height: Of the picture, in pixels.
        width: Likewise.
        random: What draws, such as ``numpy.random.default_rng(seed)``.

    Returns:
        Top, left, height and width in pixels of the picture, and 1 if it is mirrored (left to right), else 0:
        the last five numbers of a row of ``boxes``.
    """
    flipped = int(random.random() < 0.5)
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    for _ in range(_TRIES):
        area = height * width * (AREA[0] + (AREA[1] - AREA[0]) * random.random())
        ratio = math.exp(low + (high - low) * random.random())
        columns, rows = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < columns <= width and 0 < rows <= height:
            top = int((height - rows + 1) * random.random())
            left = int((width - columns + 1) * random.random())
            return top, left, rows, columns, flipped
    rows = min(height, max(1, round(width / RATIO[0])))
    columns = min(width, max(1, round(height * RATIO[1])))
    return (height - rows) // 2, (width - columns) // 2, rows, columns, flipped
