"""What of passes is compared with base beside their seconds: pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from loader_gate.statistics.estimate import Estimate, estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.verdict.change import Figure
    from loader_gate.worker.timing import PassTiming


def figures_of(figure: Figure, passes: Sequence[PassTiming]) -> list[float]:
    """Return a figure of each pass; of none if it is not known of all, or is not positive."""
    found = [each for each in map(figure.of, passes) if each is not None and each > 0]
    return found if len(found) == len(passes) else []


def peak_memory(head: Sequence[PassTiming], base: Sequence[PassTiming], error: float) -> Estimate | None:
    """Return head / base of the most memory resident at once, from pairs of processes; None if not known.

    A process has one maximum, however many passes it has: the next pass hardly needs more than the most of
    those before it. So the data are pairs of processes, which are renewed after every block.

    Args:
        head: Passes of head, two a block, in order.
        base: As many of base.
        error: The chance of a miss that the interval may have, both sides together.
    """
    maxima = [_maxima(passes) for passes in (head, base)]
    if min(map(min, maxima)) <= 0:
        return None
    return estimate([math.log(one / other) for one, other in zip(*maxima, strict=True)], error)


def _maxima(passes: Sequence[PassTiming]) -> list[int]:
    """Return the most memory of each process: it has the two passes of a block."""
    peaks = [timing.peak_rss_bytes for timing in passes]
    return [max(pair) for pair in zip(peaks[::2], peaks[1::2], strict=True)]
