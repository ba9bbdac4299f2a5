"""How long and how often to time: warm-up passes, epochs of a pass, blocks of a variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loader_gate.statistics.estimate import log_of_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence


#: A verdict takes at least so many blocks, and no variant is measured for more than so many.
FEWEST_BLOCKS = 4
MOST_BLOCKS = 150

#: Where the budget has room for fewer blocks, they are looked at once, in the end, by Student's t: nothing is
#: gained by looking at so few early.
FEWEST_TO_LOOK_EARLY = 12

#: So many blocks tell whether a device is fed: half of a headspace's interval is then about 5 %.
HEADSPACE_BLOCKS = 12

#: Passes before the first timed one: caches fill and tf.data's autotuner settles.
FEWEST_WARMUP_PASSES = 2
MOST_WARMUP_PASSES = 6
#: A pass that is faster than all before it by more than this share says that warming up is not over.
WARMUP_GAIN = 0.10


#: How long a pass is to be, about, where epochs are shorter: a shorter one is mostly noise of the scheduler
#: and of starting the iterator, and of starting processes.
PASS_SECONDS = 0.25
#: How long head and base are each timed at once, about, where epochs are shorter: what slows a machine down
#: for a moment then slows both; see "Rounds" in ``docs/statistics.md``.
ROUND_SECONDS = 0.05


def planned_blocks(budget_seconds: float, block_seconds: float, most: int = MOST_BLOCKS) -> int:
    """Return how many blocks a variant may be measured for: one always is, and never more than the most.

    It is fixed by the seconds of the first block, before anything is known of a ratio.
    """
    return max(1, int(min(budget_seconds / block_seconds, most)))


def steady(passes_seconds: Sequence[float]) -> bool:
    """Return whether a worker is warm after these passes: the last is no longer a clear gain on the best.

    Always false before `FEWEST_WARMUP_PASSES` and true from `MOST_WARMUP_PASSES` on: a noisy machine may go
    on setting records by chance, and a little warmth left to come costs little.

    Raises:
        ValueError: Seconds are not positive and finite.
    """
    for seconds in passes_seconds:
        log_of_seconds(seconds)
    if len(passes_seconds) < FEWEST_WARMUP_PASSES:
        return False
    if len(passes_seconds) >= MOST_WARMUP_PASSES:
        return True
    *before, last = passes_seconds
    return last >= (1 - WARMUP_GAIN) * min(before)


def epochs_per_pass(epoch_seconds: float, pass_seconds: float = PASS_SECONDS, most: int = 64) -> int:
    """Return how many epochs make a pass that is long enough to time.

    Args:
        epoch_seconds: Seconds of one warm epoch.
        pass_seconds: How long it is to be, about.
        most: The most epochs a pass may have, so that a block stays short.

    Raises:
        ValueError: `epoch_seconds` is not positive and finite.
    """
    log_of_seconds(epoch_seconds)
    # Bounded before it is rounded: a tiny epoch makes a ratio that no int can hold.
    return max(1, round(min(pass_seconds / epoch_seconds, most)))


def epochs_in_rounds(epoch_seconds: float, pass_seconds: float = PASS_SECONDS) -> tuple[int, int]:
    """Return how many epochs make a round of head or base, and how many rounds make a pass.

    Args:
        epoch_seconds: Seconds of one warm epoch.
        pass_seconds: How long a pass is to be, about.

    Raises:
        ValueError: It is not positive and finite.
    """
    a_round = epochs_per_pass(epoch_seconds, ROUND_SECONDS)
    return a_round, max(1, round(epochs_per_pass(epoch_seconds, pass_seconds) / a_round))
