"""How long, and how finely, variants are measured."""

from __future__ import annotations

from dataclasses import dataclass

from loader_gate.statistics.estimates import MOST_BLOCKS


@dataclass(frozen=True)
class Pace:
    """How long, and how finely, variants are measured.

    Attributes:
        budget_seconds: The most measuring time a variant may take.
        tolerance: The share by which head may be slower than base.
        most_blocks: No variant is measured for more.
    """

    budget_seconds: float
    tolerance: float = 0.0
    most_blocks: int = MOST_BLOCKS
