"""What a variant says it delivers; that it is a benchmark, ``registry/decorators.py`` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loader_gate.same_work.reference import INTERPOLATIONS, Floats, Ints


@dataclass(frozen=True)
class DeclaredOutput:
    """What a variant says it delivers.

    Attributes:
        interpolation: One of `INTERPOLATIONS`; None takes the one that fits best.
        dtype: NumPy's name of the images' type.
        value_range: The values of black and white.
    """

    interpolation: str | None = None
    dtype: str = "float32"
    value_range: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        """Refuse what cannot be checked.

        Raises:
            ValueError: An unknown interpolation, or a range that is not one.
        """
        if self.interpolation not in (None, *INTERPOLATIONS):
            known = ", ".join(INTERPOLATIONS)
            raise ValueError(f"interpolation {self.interpolation!r} is unknown, expected one of {known}.")
        if not self.value_range[0] < self.value_range[1]:
            raise ValueError(f"value_range {self.value_range} is empty, expected (black, white).")

    def channels_last(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return images as delivered as a view ``(batch, height, width, 3)``."""
        return images

    def levels(self, images: npt.NDArray[Any]) -> Floats:
        """Return images, or pixels, whose last axis is the three channels, in grey levels of 0 to 255."""
        black, white = self.value_range
        levels: Floats = np.subtract(images, black, dtype=np.float32)
        levels *= 255 / (white - black)
        return levels

    def classes(self, labels: npt.NDArray[Any]) -> Ints:
        """Return the ``(batch,)`` int64 classes of labels as delivered."""
        found: Ints = labels.argmax(axis=1)
        return found
