"""How near a variant comes to what bounds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loader_gate.statistics.estimates import Estimate


@dataclass(frozen=True)
class Share:
    """How near a variant comes to what bounds it.

    Attributes:
        limit: The name of the limit.
        estimate: The variant's images a second / the limit's.
    """

    limit: str
    estimate: Estimate
