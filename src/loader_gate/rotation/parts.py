"""Whether passes are parts of epochs, and how long: where whole ones take longer than the budget has.

Pure, but for the drawing of numbers. What a part tells of the whole is in ``worker/part.py``; that its images
are a sample of all, ``same_work/beginnings.py`` checks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from loader_gate.registry.spec import AUGMENTS
from loader_gate.statistics.counts import FEWEST_BLOCKS, FEWEST_TO_LOOK_EARLY

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from loader_gate.worker.timing import PassTiming

#: A block has so many passes that count against a variant's budget: two of its own, two of what it is held
#: against.
PASSES_OF_A_BLOCK = 4
#: What is timed of a part is at least so long, or it would mostly be noise.
LEAST_SECONDS = 0.4
#: And has so many timed batches, so that one more or less on its way is little.
LEAST_TIMED = 8
#: Timed is at least so many times what the first batch takes: a loader that fills a buffer first, or makes
#: several batches at a time, has to do so several times.
BEGINS = 4
#: Before the timed batches come between a third and two thirds as many, drawn anew for each pass.
BEGIN_LEAST, BEGIN_MOST = 1 / 3, 2 / 3
#: An epoch that is not so many times as long as a part is timed as a whole.
LEAST_PARTS = 4
#: A loader may use such a share of a part's CPU time when its iterator has been closed: for less than what
#: comes before the timed batches, so that nothing of it can be timed as if it had been done at once.
MOST_LEFT_OVER = 0.2
#: What a beginning takes beyond its images at the timed pace is no more than such a share of the timed ones:
#: if all of it were work that is delivered later, the pace would be too fast by as much.
MOST_START = 0.5


@dataclass(frozen=True)
class Parts:
    """How long the passes of a variant are.

    Attributes:
        least_begin: The fewest batches before the timed ones.
        most_begin: The most.
        timed: How many batches are timed.
    """

    least_begin: int
    most_begin: int
    timed: int

    def draw(self, order: random.Random) -> dict[str, Any]:
        """Return the settings of the part that another pass is; see `Part`."""
        return {"begin": order.randint(self.least_begin, self.most_begin), "timed": self.timed}

    @property
    def longest(self) -> int:
        """Return the most batches that a pass may have."""
        return self.most_begin + self.timed


def asked(parts: Parts | None, order: random.Random) -> dict[str, Any]:
    """Return what to ask for with another pass: a part, or nothing where whole epochs are timed."""
    return {} if parts is None else {"part": parts.draw(order)}


def may_be_parts(
    batches: int, budget_seconds: float, augment: str = AUGMENTS[0], is_cold_dump: bool = False
) -> bool:
    """Return whether an epoch of so many batches may be so long that passes are parts of it.

    Of cut images it may not: a part has too few boxes to hold them against chance. Nor of a dump that is read
    from a disk: what is read ahead of one image is others', and makes an epoch ever faster.
    """
    is_long = batches >= LEAST_PARTS * math.ceil(LEAST_TIMED * (1 + BEGIN_MOST))
    may_be = augment == AUGMENTS[0] and not is_cold_dump
    return may_be and is_long and budget_seconds < math.inf


def to_find(budget_seconds: float) -> dict[str, Any]:
    """Return the settings of the part that tells how long an epoch is.

    It ends by itself if the budget allows for whole ones: for the fewest blocks that a verdict takes.
    """
    seconds = max(1.0, budget_seconds / (PASSES_OF_A_BLOCK * FEWEST_BLOCKS))
    return {"seconds": seconds, "begins": BEGINS + 1}


def parts_of(found: PassTiming, images: int, batches: int, budget_seconds: float) -> Parts | None:
    """Return how long parts are to be; None if whole epochs are to be timed.

    Args:
        found: The pass that was to find it.
        images: How many images an epoch has.
        batches: How many batches.
        budget_seconds: The variant's.
    """
    part = found.part
    if part is None:
        return None
    pace = part.timed_seconds / (part.images - part.begin_images) * images / batches  # seconds a batch
    with_beginning = 1 + (BEGIN_LEAST + BEGIN_MOST) / 2
    seconds = max(
        LEAST_SECONDS,
        budget_seconds / (PASSES_OF_A_BLOCK * FEWEST_TO_LOOK_EARLY * with_beginning),
        BEGINS * found.first_batch_seconds,
    )
    timed = max(LEAST_TIMED, math.ceil(seconds / pace))
    filled = math.ceil(found.first_batch_seconds / pace)  # as many may be there when the first one comes
    least = max(2, filled, math.ceil(timed * BEGIN_LEAST))
    found_parts = Parts(least, max(least + 1, math.ceil(timed * BEGIN_MOST)), timed)
    return found_parts if LEAST_PARTS * found_parts.longest <= batches else None


def part_problem(passes: Sequence[PassTiming]) -> str:
    """Return why passes that are parts of epochs do not tell of whole ones; nothing if they do.

    Args:
        passes: Those of one side of a variant so far, in order.
    """
    parts = [timing.part for timing in passes if timing.part is not None]
    if len(parts) < FEWEST_BLOCKS:
        return ""
    left = median(each.left_cpu_seconds / each.cpu_seconds for each in parts if each.cpu_seconds > 0)
    if left > MOST_LEFT_OVER:
        return (
            "its passes are parts of epochs, and when its iterator has been closed it goes on for "
            f"{left:.0%} of the CPU time of a pass, expected {MOST_LEFT_OVER:.0%} or less: let it stop then, "
            "or let whole epochs be timed (a larger --budget, or fewer --tree-images)"
        )
    start = median(each.start_seconds / each.timed_seconds for each in parts)
    if start > MOST_START:
        return (
            f"its passes are parts of epochs, and what comes before the timed batches takes longer than they "
            f"do, by {start:.0%} of their time, expected {MOST_START:.0%} or less, so that nobody knows "
            "whether they were there already: let whole epochs be timed (a larger --budget, or fewer "
            "--tree-images)"
        )
    return ""
