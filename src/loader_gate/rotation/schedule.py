"""Whose turn it is: pure functions of what is known of the variants.

A block runs the baseline and each undecided variant once, then all of them again in reverse order
(A B C … C B A), so that a machine that speeds up or slows down steadily favours none of them. With a base to
compare with, a variant's turn is a pass of head and one of base, in either order: what is compared most
finely is nearest in time. Where their epochs are short, they take turns within it, round by round.

Two processes of the same code need not be equally fast: where their memory lies, say, is drawn anew with
each. So a variant that is compared with base goes on in fresh processes, on both sides, after every block.

The baseline rests when every speedup is decided, and only changes are not. A limit stays as long as the
speedup of anything that it bounds is undecided: what share of its limit a variant reaches is a ratio of
passes of the same blocks. Batches that are already there leave after some of them, as a pass of theirs takes
as long as the model does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from loader_gate.progress import minutes_and_seconds
from loader_gate.rotation.contestant import Arm, Contestant, cost
from loader_gate.statistics.counts import FEWEST_BLOCKS, HEADSPACE_BLOCKS

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping, Sequence

    from loader_gate.rotation.pace import Pace

Turn: TypeAlias = tuple[Contestant, Arm]


def goes_on(baseline: Contestant, challengers: Iterable[Contestant], pace: Pace) -> bool:
    """Return whether another block is needed: never without a baseline.

    Args:
        baseline: The baseline.
        challengers: All others.
        pace: How long it may take.
    """
    if baseline.verdict is not None:
        return False
    if any(each.verdict is None for each in challengers):
        return True
    return baseline.is_compared_further or not _has_enough(baseline, pace)


def _has_enough(baseline: Contestant, pace: Pace) -> bool:
    """Return whether a baseline that nobody waits for has been measured for long enough."""
    if baseline.blocks >= FEWEST_BLOCKS:
        return True
    return baseline.blocks > 0 and FEWEST_BLOCKS * baseline.block_seconds() > pace.budget_seconds


def rests(baseline: Contestant, undecided: Iterable[Contestant], pace: Pace) -> bool:
    """Return whether the baseline has no turn any more: no speedup needs it, nor a change of its own.

    Args:
        baseline: The baseline.
        undecided: Those challengers that are.
        pace: How long it may take.
    """
    is_needed = baseline.is_compared_further or not all(each.has_speedup for each in undecided)
    return not is_needed and _has_enough(baseline, pace)


def taking_part(baseline: Contestant, undecided: Sequence[Contestant], pace: Pace) -> Sequence[Contestant]:
    """Return who takes part in the next block.

    Once the baseline rests, whatever seems to be slower than at base goes first, alone: a session that fails
    says so the sooner, and takes no longer in all.

    Args:
        baseline: The baseline.
        undecided: Those challengers that are.
        pace: How long it may take.
    """
    if not rests(baseline, undecided, pace):
        return [baseline, *undecided]
    return [each for each in undecided if each.decisions.seems_slower] or undecided


def turns(contestants: Iterable[Contestant], order: random.Random) -> list[tuple[Contestant, list[Arm]]]:
    """Return the turns of the first half of a block; its second half has the same, in reverse.

    Each is of a variant, with its arms in the order in which they are timed.

    Args:
        contestants: Who takes part.
        order: Draws who comes first.
    """
    drawn = list(contestants)
    order.shuffle(drawn)
    found = []
    for contestant in drawn:
        arms = contestant.arms_to_measure()
        order.shuffle(arms)
        found.append((contestant, arms))
    return found


def is_needed_by_others(contestant: Contestant, contestants: Iterable[Contestant]) -> bool:
    """Return whether it goes on for others: a limit, while the speedup of what it bounds is undecided."""
    bounds = contestant.variant.bounds
    if contestant.variant.traits.hands_over_batches and contestant.blocks >= HEADSPACE_BLOCKS:
        return False
    return any(not each.has_speedup and each.opened.kind in bounds for each in contestants)


def due_for_renewal(contestants: Iterable[Contestant]) -> list[Contestant]:
    """Return who goes on in fresh processes: what is still compared with base."""
    return [each for each in contestants if each.verdict is None and each.is_compared_further]


def drawn_checks(contestants: Iterable[Contestant], order: random.Random) -> dict[Contestant, int]:
    """Return after how many of its blocks each variant's work is checked again: one of the first few."""
    return {each: 1 + order.randrange(FEWEST_BLOCKS) for each in contestants}


def due_for_check(contestants: Iterable[Contestant], after: Mapping[Contestant, int]) -> list[Turn]:
    """Return whose work is checked now.

    Args:
        contestants: Who took part in the last block.
        after: After how many blocks each is; see `drawn_checks`.
    """
    return [(each, arm) for each in contestants if each.blocks == after[each] for arm in each.arms()]


def seconds_left(baseline: Contestant, undecided: Sequence[Contestant], pace: Pace) -> float:
    """Return how many seconds of measuring are left if every undecided variant uses all it may."""
    own, rounds = 0.0, 0.0
    for contestant in undecided:
        if contestant.blocks == 0:
            return len(undecided) * pace.budget_seconds
        left = pace.budget_seconds - contestant.spent_seconds()
        blocks = max(0.0, min(pace.most_blocks - contestant.blocks, left / contestant.block_seconds()))
        both = [timing for arm in contestant.arms_to_measure() for timing in arm.passes]
        own += blocks * sum(map(cost, both)) / contestant.blocks
        rounds = max(rounds, blocks)
    if not rests(baseline, undecided, pace):
        own += rounds * (sum(map(cost, baseline.head.passes)) / max(baseline.blocks, 1))
    return own


def progress(
    named: str, baseline: Contestant, undecided: Sequence[Contestant], in_all: int, pace: Pace
) -> str:
    """Return what is being done, for people.

    Args:
        named: What is being timed.
        baseline: The baseline.
        undecided: Of its challengers, those that the block began with.
        in_all: How many challengers there are.
        pace: How long it may take.
    """
    block = 1 + max((each.blocks for each in undecided), default=baseline.blocks)
    decided = in_all - sum(each.verdict is None for each in undecided)
    left = minutes_and_seconds(seconds_left(baseline, undecided, pace))
    return f"block {block}, {decided} of {in_all} decided, timing {named}, at most {left} left"
