"""Steps and drift in a series of speedups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.saved_runs import Revision

if TYPE_CHECKING:
    from benchmarks.compare import Ratio
    from benchmarks.history.series import Series


@dataclass(frozen=True)
class Step:
    """A change of level.

    Attributes:
        index: Of the first point that has it.
        earliest: The first point that may be the one, as noise allows.
        latest: The last such point.
        before: The speedup up to it, since the step before.
        after: The speedup from it on, up to the next step.
        ratio: After / before, with its 95 % interval: below 1 is slower.
        p_value: The chance of a step as clear as this in a series without one.
        run: The label of the first run that has it.
        revision: What was checked out then.
        changed: What else changed with it, in words.
    """

    index: int
    earliest: int
    latest: int
    before: float
    after: float
    ratio: Ratio
    p_value: float
    run: str
    revision: Revision
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Drift:
    """A slow change without a step.

    Attributes:
        first: Index of the first point of it.
        last: Index of the last one.
        ratio: Speedup at the end / at the start, along the line, with its 95 % interval: below 1 is slower.
        p_value: The chance of a slope as clear as this in a series without one.
    """

    first: int
    last: int
    ratio: Ratio
    p_value: float


def find_steps(series: Series, seed: int = 0) -> list[Step]:
    """Return the steps of a series, oldest first."""
    raise NotImplementedError


def find_drift(series: Series, seed: int = 0) -> Drift | None:
    """Return the drift of a series, since its last step if it has any; None if there is none."""
    raise NotImplementedError
