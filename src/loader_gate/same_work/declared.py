"""What a variant says it delivers; that it is a benchmark, ``registry/decorators.py`` says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from loader_gate.same_work.reference import INTERPOLATIONS, Floats, Ints

#: The types of images that can be checked, by NumPy's names.
DTYPES = ("float32", "float16", "bfloat16", "float64", "uint8")
#: ``NHWC`` is channels last, ``NCHW`` channels first.
LAYOUTS = ("NHWC", "NCHW")
#: Labels are ``(batch, classes)`` float32, or ``(batch,)`` or ``(batch, 1)`` integers.
LABELS = ("one-hot", "index")
_NAMES = ("INTERPOLATION", "DTYPE", "VALUE_RANGE", "MEAN", "STD", "LAYOUT", "LABELS")


@dataclass(frozen=True)
class DeclaredOutput:
    """What a variant says it delivers.

    Attributes:
        interpolation: One of `INTERPOLATIONS`; None takes the one that fits best.
        dtype: NumPy's name of the images' type, one of `DTYPES`.
        value_range: The values of black and white; with a mean or deviation, before these are applied.
        mean: What is subtracted from red, green and blue of 0 to 1.
        std: What they are divided by then.
        layout: One of `LAYOUTS`.
        labels: One of `LABELS`.
        prefix: What comes before a name where it is declared, such as ``photos.``; nothing in a module.
        said: The names that are declared, such as ``MEAN``, be it as what goes without saying.
    """

    interpolation: str | None = None
    dtype: str = "float32"
    value_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    layout: str = "NHWC"
    labels: str = "one-hot"
    prefix: str = field(default="", compare=False)
    said: frozenset[str] = field(default=frozenset(), compare=False)

    @classmethod
    def of(cls, holder: Any) -> DeclaredOutput:
        """Read what a module, or a loader function, declares as upper-case names.

        Raises:
            ValueError: Something cannot be checked, or is spelt in another way.
        """
        name = "" if isinstance(holder, ModuleType) else f"{getattr(holder, '__name__', 'loader')}."
        said = {each: getattr(holder, each) for each in _NAMES if hasattr(holder, each)}
        dtype = said.get("DTYPE", "float32")
        if not isinstance(dtype, str):
            dtype = getattr(dtype, "name", None) or getattr(dtype, "__name__", repr(dtype))
        is_normalised = "MEAN" in said or "STD" in said
        if is_normalised and "VALUE_RANGE" in said:
            raise ValueError(
                f"{name}VALUE_RANGE is declared beside {name}MEAN or {name}STD: expected one or the other, "
                "as these are of images of 0 to 1."
            )
        if is_normalised and dtype == "uint8":
            raise ValueError(f"{name}MEAN or {name}STD is declared of uint8 images: expected floats.")
        white = 255.0 if dtype == "uint8" else 1.0
        return cls(
            interpolation=said.get("INTERPOLATION"),
            dtype=dtype,
            value_range=_numbers(f"{name}VALUE_RANGE", said.get("VALUE_RANGE", (0.0, white)), 2),
            mean=_numbers(f"{name}MEAN", said.get("MEAN", 0.0), 3),
            std=_numbers(f"{name}STD", said.get("STD", 1.0), 3),
            layout=said.get("LAYOUT", LAYOUTS[0]),
            labels=said.get("LABELS", LABELS[0]),
            prefix=name,
            said=frozenset(said),
        )

    def __post_init__(self) -> None:
        """Refuse what cannot be checked.

        Raises:
            ValueError: A word that is unknown, a range that is not one, or a deviation of nothing.
        """
        for name, value, known in (
            ("INTERPOLATION", self.interpolation, (None, *INTERPOLATIONS)),
            ("DTYPE", self.dtype, DTYPES),
            ("LAYOUT", self.layout, LAYOUTS),
            ("LABELS", self.labels, LABELS),
        ):
            if value not in known:
                words = ", ".join(repr(each) for each in known if each is not None)
                raise ValueError(f"{self.prefix}{name} is {value!r}, expected one of {words}.")
        if not self.value_range[0] < self.value_range[1]:
            raise ValueError(
                f"{self.prefix}VALUE_RANGE is {self.value_range}, expected (black, white), black the lower."
            )
        if not min(self.std) > 0:
            raise ValueError(f"{self.prefix}STD is {self.std}, expected numbers above 0.")

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the lowest and the highest value that images can have."""
        black, white = self.value_range
        pairs = list(zip(self.mean, self.std, strict=True))
        return min((black - mean) / std for mean, std in pairs), max(
            (white - mean) / std for mean, std in pairs
        )

    @property
    def image_axes(self) -> str:
        """Return the axes of a batch of images, in words."""
        return "(batch, {0}, {1}, 3)" if self.layout == "NHWC" else "(batch, 3, {0}, {1})"

    def channels_last(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return images as delivered as a view ``(batch, height, width, 3)``."""
        return images.transpose(0, 2, 3, 1) if self.layout == "NCHW" else images

    def levels(self, images: npt.NDArray[Any]) -> Floats:
        """Return images, or pixels, whose last axis is the three channels, in grey levels of 0 to 255."""
        black, white = self.value_range
        scale = 255 / (white - black)
        if self.mean == (0.0, 0.0, 0.0) and self.std == (
            1.0,
            1.0,
            1.0,
        ):  # a number for all channels is twice as fast
            levels: Floats = np.subtract(images, black, dtype=np.float32)
            levels *= scale
            return levels
        levels = np.multiply(images, np.array(self.std, np.float32) * scale, dtype=np.float32)
        levels += (np.array(self.mean, np.float32) - black) * scale
        return levels

    def classes(self, labels: npt.NDArray[Any]) -> Ints:
        """Return the ``(batch,)`` int64 classes of labels as delivered."""
        found: Ints = labels.reshape(-1).astype(np.int64) if self.labels == "index" else labels.argmax(axis=1)
        return found


def _numbers(name: str, value: Any, count: int) -> Any:
    """Return so many floats, all of them ``value`` if that is a single one for three channels."""
    if count == 3 and isinstance(value, (int, float, np.number)):
        value = (value,) * 3
    try:
        numbers = tuple(float(each) for each in value)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        expected = "(black, white)" if count == 2 else "a number, or three: of red, green and blue"
        raise ValueError(f"{name} is {value!r}, expected {expected}.")
    return numbers
