"""The A/A tests of a session: the two passes of a process in a block are the same code, twice.

Whatever makes them differ is the machine's: noise, drift, or something else that ran meanwhile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from loader_gate.statistics.blocks import block_estimate
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.statistics.estimate import SINGLE_LOOK_ERROR, Estimate, log_of_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Control:
    """What an A/A test says of the machine.

    Attributes:
        estimate: First passes over second ones, which is 1 unless the machine moves under the measurement; it
            hardly heeds single passes beside which something else ran. Above 1, second passes were the
            faster ones.
        moved: Whether the estimate has left 1 by more than chance allows.
    """

    estimate: Estimate
    moved: bool

    @property
    def most_bias(self) -> float:
        """Return what a ratio may be too large or too small by, as a factor: 1 unless the machine moved.

        In a block A B B A, drift cancels. If the machine has become faster at once, and that between the
        first two passes, one of two passes of A was slow and none of B: half of the move, on the log scale.
        That is the most, and is there only if such moves keep to one side, which is drawn for head and base.
        """
        return math.sqrt(max(self.estimate.ratio, 1 / self.estimate.ratio)) if self.moved else 1.0


def read_control(processes: Sequence[Sequence[float]]) -> Control:
    """Compare processes with themselves, all together.

    Args:
        processes: Seconds of each one's passes, two a block, in order; of the same blocks.

    Raises:
        ValueError: They are not two a block, there are none, or they are not positive and finite.
    """
    of_each = []
    for passes_seconds in processes:
        if len(passes_seconds) % 2 or not passes_seconds:
            raise ValueError(f"{len(passes_seconds)} passes: expected two a block")
        logs = [log_of_seconds(seconds) for seconds in passes_seconds]
        of_each.append([first - second for first, second in zip(logs[::2], logs[1::2], strict=True)])
    ratios = [fmean(block) for block in zip(*of_each, strict=True)]
    found = block_estimate(ratios, SINGLE_LOOK_ERROR)
    return Control(found, found.blocks >= FEWEST_BLOCKS and not found.low <= 1 <= found.high)
