"""How long a rotation may take, and how finely it compares."""

from __future__ import annotations

from dataclasses import dataclass

from loader_gate.statistics.counts import MOST_BLOCKS
from loader_gate.statistics.session_error import failing_error


@dataclass(frozen=True)
class Pace:
    """What ends the measuring of a variant.

    Attributes:
        budget_seconds: The most measuring time a variant may take: of its own passes and the baseline's or,
            where it is compared with base, of its own and base's.
        tolerance: The share by which head may be slower than base.
        most_blocks: No variant is measured for more.
        comparisons: How many the whole session makes that may fail, at most: they share one error.
    """

    budget_seconds: float
    tolerance: float = 0.0
    most_blocks: int = MOST_BLOCKS
    comparisons: int = 1

    @property
    def failing_error(self) -> float:
        """Return the error of the interval that it takes to fail; see ``statistics/session_error.py``."""
        return failing_error(self.comparisons)
