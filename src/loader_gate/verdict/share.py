"""How near a variant comes to what bounds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.statistics.blocks import block_estimate
from loader_gate.statistics.estimate import log_ratios
from loader_gate.statistics.sequences import ERROR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.statistics.estimate import Estimate


@dataclass(frozen=True)
class Share:
    """What share of a limit a variant reaches.

    Attributes:
        limit: The name of the limit.
        estimate: The variant's images a second / the limit's.
    """

    limit: str
    estimate: Estimate


def share_of_limit(limit: str, limit_seconds: Sequence[float], seconds: Sequence[float]) -> Share:
    """Return what share of a limit a variant reaches, from the passes of the same blocks.

    It decides nothing and is looked at once, so its error is not shared with other looks.

    Args:
        limit: The name of the limit.
        limit_seconds: Seconds of the limit's passes, two a block.
        seconds: Those of the variant's passes.
    """
    return Share(limit, block_estimate(log_ratios(limit_seconds, seconds), ERROR))
