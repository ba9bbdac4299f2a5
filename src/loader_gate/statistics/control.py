"""The A/A test of a session: the baseline's two passes of every block are the same code, twice.

Whatever makes them differ is the machine's: noise, drift, or something else that ran meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.statistics.estimate import (
    SINGLE_LOOK_ERROR,
    TO_DEVIATION,
    Estimate,
    estimate,
    log_of_seconds,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


#: A block is contaminated if its two baseline passes differ by so many times what they usually do, and by
#: at least this much (on the log scale): normal noise hardly ever does that.
CONTAMINATED_TIMES = 5.0
CONTAMINATED_LEAST = 0.10


@dataclass(frozen=True)
class Control:
    """What the A/A test of the baseline says of the machine.

    Attributes:
        estimate: The baseline over itself, which is 1 unless the machine moves under the measurement; of all
            blocks that are not contaminated. Above 1, second passes were the faster ones.
        contaminated: Indices of blocks whose two baseline passes differ far more than they usually do.
        moved: Whether the estimate has left 1 by more than chance allows.
    """

    estimate: Estimate
    contaminated: tuple[int, ...]
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
    # Over half of the blocks are always left: a contaminated one differs more than the median.
    ratios = [
        log_of_seconds(first) - log_of_seconds(second)
        for first, second in zip(passes_seconds[::2], passes_seconds[1::2], strict=True)
    ]
    usual = TO_DEVIATION * sorted(map(abs, ratios))[len(ratios) // 2]
    limit = max(CONTAMINATED_TIMES * usual, CONTAMINATED_LEAST)
    contaminated = tuple(index for index, ratio in enumerate(ratios) if abs(ratio) > limit)
    clean = estimate(without(ratios, contaminated), SINGLE_LOOK_ERROR)
    moved = clean.blocks >= FEWEST_BLOCKS and not clean.low <= 1 <= clean.high
    return Control(clean, contaminated, moved)
