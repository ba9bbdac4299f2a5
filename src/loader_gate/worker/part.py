"""A pass that is a part of an epoch, and what it says of the whole one.

A fresh epoch begins, and some of its batches come before the ones that are timed: by then the loader works at
its pace, as far ahead as it will be when the last timed batch has come. What it is ahead by when the timing
begins, it is ahead by when it ends, so that nothing is counted that was done before or is left for later. An
epoch is taken to last as long as its beginning, the rest at the timed pace, and what came after the last
timed batch (with a device, the end of its step): what happens once an epoch counts once.

How many batches come before is drawn anew for each pass, by who asks (``rotation/parts.py``): a loader that
delivers several at a time is met at any point of that.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loader_gate.worker.stopwatch import Stopwatch


@dataclass(frozen=True)
class Part:
    """Which batches of an epoch a pass has.

    Attributes:
        images: How many images the whole has.
        begin: How many come before those that are timed; at least one.
        timed: How many are timed; as many as there are if infinite.
        seconds: No batch is asked for after so many seconds; of a pass that is to find how long parts should
            be.
        begins: Nor before so many times the seconds that the first batch took.
    """

    images: int
    begin: int = 1
    timed: float = math.inf
    seconds: float = math.inf
    begins: float = 0.0

    @property
    def fewest_batches(self) -> int:
        """Return how many batches come in any case, unless the epoch ends before."""
        return self.begin + (1 if math.isinf(self.timed) else int(self.timed))

    def is_over(self, batches: int, now: float, first_batch: float) -> bool:
        """Return whether enough batches have come, ``now`` seconds after the epoch began."""
        if batches <= self.begin:
            return False
        return batches >= self.begin + self.timed or now >= max(self.seconds, self.begins * first_batch)


@dataclass(frozen=True)
class Mark:
    """What an epoch has taken until some batch had come, in seconds.

    Attributes:
        images: Images so far.
        seconds: Wall-clock.
        cpu: Of all processes of the worker.
        asking: Of the thread that asks for batches.
        looked: Of the harness, left out of the others.
        read: Bytes that all processes of the worker have had read from disks.
    """

    images: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    asking: float = 0.0
    looked: float = 0.0
    read: float = 0.0

    def whole(self, last: Mark, end: Mark, images: int) -> Mark:
        """Return what a whole epoch would take, of which this mark is where timing began.

        Args:
            last: The mark of the last timed batch.
            end: Of when the clock was stopped.
            images: How many images an epoch has.
        """
        times = (images - self.images) / (last.images - self.images)

        def grown(begun: float, timed: float, ended: float) -> float:
            return begun + times * (timed - begun) + (ended - timed)

        return Mark(
            images,
            grown(self.seconds, last.seconds, end.seconds),
            grown(self.cpu, last.cpu, end.cpu),
            grown(self.asking, last.asking, end.asking),
            grown(self.looked, last.looked, end.looked),
            grown(self.read, last.read, end.read),
        )


#: A worker is idle that uses no more than such a share of one core for so many seconds.
IDLE_SHARE, IDLE_SECONDS = 0.05, 0.05
#: So long it is waited for.
LONGEST_LEFT_OVER = 5.0


def left_over(stopwatch: Stopwatch) -> float:
    """Wait until a loader is idle whose epoch was left early; return the CPU seconds that it used for that.

    What it has begun it may bring to its end. It is not waited for longer than `LONGEST_LEFT_OVER`: what it
    does then, it does when it should be idle.
    """
    left = stopwatch.begin_idleness()
    until = time.perf_counter() + LONGEST_LEFT_OVER
    used = math.inf
    while used > IDLE_SHARE * IDLE_SECONDS and time.perf_counter() < until:
        with stopwatch.waiting():
            time.sleep(IDLE_SECONDS)
        used = stopwatch.begin_idleness()
        left += used
    return left
