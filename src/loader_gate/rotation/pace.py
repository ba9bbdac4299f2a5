"""How long a rotation may take, and how finely it compares."""

from __future__ import annotations

from dataclasses import dataclass

from loader_gate.statistics.counts import MOST_BLOCKS


@dataclass(frozen=True)
class Pace:
    """What ends the measuring of a variant.

    Attributes:
        budget_seconds: The most measuring time a variant may take: of its own passes and the baseline's or,
            where it is compared with base, of its own and base's.
        tolerance: The share by which head may be slower than base.
        most_blocks: No variant is measured for more.
    """

    budget_seconds: float
    tolerance: float = 0.0
    most_blocks: int = MOST_BLOCKS
