"""How much faster an epoch would be with batches that are already there, and whether that is worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from loader_gate.statistics.blocks import block_estimate
from loader_gate.statistics.estimate import log_of_seconds, log_ratios
from loader_gate.statistics.sequences import ERROR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.statistics.estimate import Estimate
    from loader_gate.worker.timing import PassTiming

#: Whether a variant delivers as much as its device takes.
Feeds: TypeAlias = Literal["yes", "no", "unclear"]

#: Up to this headspace nobody gains anything by another loader.
NOT_WORTH_MORE = 1.05


def headspace_of(of_ready: Sequence[PassTiming], own: Sequence[PassTiming]) -> Estimate:
    """Return a variant's seconds / those of batches that are already there, from passes of the same blocks.

    It decides nothing and is looked at once, so its error is not shared with other looks.

    Args:
        of_ready: Passes that were fed such batches, two a block.
        own: The variant's.
    """
    sides = [[timing.seconds for timing in passes] for passes in (own, of_ready)]
    return block_estimate(log_ratios(*sides), ERROR)


def taken_rate(of_ready: Sequence[PassTiming], images: int) -> Estimate:
    """Return how many images a second the device takes, with an interval; likewise looked at once.

    Args:
        of_ready: Passes that were fed batches that are already there, two a block.
        images: Of an epoch.
    """
    logs = [log_of_seconds(images / timing.seconds) for timing in of_ready]
    return block_estimate(
        [(first + second) / 2 for first, second in zip(logs[::2], logs[1::2], strict=True)], ERROR
    )


def feeds(low: float, high: float) -> Feeds:
    """Return whether a variant of some headspace delivers as much as its device takes.

    Args:
        low: The lower end of the headspace's interval.
        high: The upper end; infinite if there is none.
    """
    if high < NOT_WORTH_MORE:
        return "yes"
    return "no" if low > NOT_WORTH_MORE else "unclear"
