"""The A/A test of a session: the baseline's two passes of every block are the same code, twice.

Whatever makes them differ is the machine's: noise, drift, or something else that ran meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.statistics.blocks import block_estimate
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.statistics.estimate import SINGLE_LOOK_ERROR, Estimate, log_of_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Control:
    """What the A/A test of the baseline says of the machine.

    Attributes:
        estimate: The baseline over itself, which is 1 unless the machine moves under the measurement; it
            hardly heeds single passes beside which something else ran. Above 1, second passes were the
            faster ones.
        moved: Whether the estimate has left 1 by more than chance allows.
    """

    estimate: Estimate
    moved: bool


def read_control(passes_seconds: Sequence[float]) -> Control:
    """Compare the baseline with itself.

    Args:
        passes_seconds: Seconds of the baseline's passes, two a block, in order.

    Raises:
        ValueError: They are not two a block, there are none, or they are not positive and finite.
    """
    if len(passes_seconds) % 2 or not passes_seconds:
        raise ValueError(f"{len(passes_seconds)} baseline passes: expected two a block")
    ratios = [
        log_of_seconds(first) - log_of_seconds(second)
        for first, second in zip(passes_seconds[::2], passes_seconds[1::2], strict=True)
    ]
    found = block_estimate(ratios, SINGLE_LOOK_ERROR)
    return Control(found, found.blocks >= FEWEST_BLOCKS and not found.low <= 1 <= found.high)
