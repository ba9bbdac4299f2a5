"""How busy a device was that nobody waits for: from when its batches came and when it had done all of them.

A GPU works on while the host hands over the next steps, and to wait for each step would slow it down. All
that is known without that is when each batch had come, and when the last step was done.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def busy_share(came: Sequence[float], images: Sequence[int], end: float) -> float | None:
    """Return the share of the time after the first step in which a device did not wait for a batch.

    A step begins when its batch is there and the step before has ended, and takes as long as it has images,
    as with the emulated accelerator. Only one pace makes the last step end when it did: from when a batch had
    come until then the device had at least that batch and all later ones to do, and exactly these from the
    last time on that it waited. The share follows from that pace.

    Args:
        came: When each batch had come, in seconds.
        images: How many images each had.
        end: When the last step was done.

    Returns:
        From 0 to 1; None of fewer than two batches, or where the device had no time to do anything.
    """
    if len(came) < 2:
        return None
    to_do = [*accumulate(reversed(images))][::-1]
    pace = min((end - at) / left for at, left in zip(came, to_do, strict=True))
    if pace <= 0:
        return None
    after_first = came[0] + pace * images[0]
    return min(1.0, pace * to_do[1] / (end - after_first))
