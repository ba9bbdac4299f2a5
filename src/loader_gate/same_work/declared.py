"""What a variant says it delivers; that it is a benchmark, ``registry/decorators.py`` says."""

from __future__ import annotations

from dataclasses import dataclass

from loader_gate.same_work.reference import INTERPOLATIONS


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
