"""Whose turn it is, of made-up timings: no worker, no clock."""

from __future__ import annotations

import random

import pytest

from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation import schedule
from loader_gate.rotation.contestant import Arm, Contestant, Decisions, Opened
from loader_gate.rotation.pace import Pace
from loader_gate.statistics.counts import FEWEST_BLOCKS, HEADSPACE_BLOCKS
from loader_gate.verdict.change import Change
from loader_gate.verdict.verdict import Verdict
from tests.made_up_passes import contestant

DECIDED = Decisions(verdict=Verdict("pass", None, None, "because"))
CHANGED = Decisions(change=Change("seconds", "same", None, 0.03))
PACE = Pace(100.0)


def test_a_block_has_an_order_of_all_arms() -> None:
    """Head and base are neighbours; base is left out once the change is known; the order is drawn."""
    everybody = [contestant(BASELINE), contestant("one", base=1.0), contestant("two", base=1.0)]
    everybody[2].decisions = CHANGED
    order = random.Random(1)  # noqa: S311 (an order, no secret)
    drawn = []
    for _ in range(20):
        turns = schedule.turns(everybody, order)
        names = [each.named(arm) for each, arms in turns for arm in arms]
        assert sorted(names) == sorted([BASELINE, "one", "one at base", "two"])
        assert abs(names.index("one") - names.index("one at base")) == 1
        drawn.append(tuple(names))
    assert len(set(drawn)) > 5


def test_the_work_of_everybody_is_checked_again_at_a_drawn_moment() -> None:
    """Once, after one of the first blocks, which another seed draws anew; head's and base's."""
    everybody = [contestant(BASELINE), contestant("one", base=1.0)]
    drawn = [
        schedule.drawn_checks(everybody, random.Random(seed))  # noqa: S311 (an order, no secret)
        for seed in range(40)
    ]
    for each in everybody:
        assert {after[each] for after in drawn} == set(range(1, FEWEST_BLOCKS + 1))
    after = {everybody[0]: 3, everybody[1]: 2}
    for blocks, due in ((1, []), (2, ["one", "one at base"]), (3, [BASELINE]), (4, [])):
        now = [contestant(BASELINE, blocks=blocks), contestant("one", base=1.0, blocks=blocks)]
        turns = schedule.due_for_check(now, dict(zip(now, after.values(), strict=True)))
        assert [each.named(arm) for each, arm in turns] == due


def test_it_goes_on_while_anything_is_undecided() -> None:
    """Or compared; else until the baseline, which nobody waits for, has enough blocks."""
    baseline, rival = contestant(BASELINE, blocks=FEWEST_BLOCKS), contestant("one")
    assert schedule.goes_on(baseline, [rival], PACE)
    rival.decisions = DECIDED
    assert not schedule.goes_on(baseline, [rival], PACE)
    assert schedule.goes_on(contestant(BASELINE, blocks=FEWEST_BLOCKS - 1), [rival], PACE)
    compared = contestant(BASELINE, base=1.0, blocks=FEWEST_BLOCKS)
    assert schedule.goes_on(compared, [rival], PACE)
    compared.decisions = CHANGED
    assert not schedule.goes_on(compared, [rival], PACE)


def test_it_does_not_go_on_without_a_baseline() -> None:
    """There is nothing to compare with."""
    baseline = contestant(BASELINE)
    baseline.head.problem = "its worker hung"
    assert not schedule.goes_on(baseline, [contestant("one")], PACE)


def test_a_slow_baseline_alone_keeps_to_the_budget() -> None:
    """One block is enough where a few would take longer; one there always is."""
    assert not schedule.goes_on(contestant(BASELINE, seconds=50.0, blocks=1), [], PACE)
    assert schedule.goes_on(contestant(BASELINE, seconds=50.0, blocks=0), [], PACE)


def test_what_seems_slower_goes_first() -> None:
    """Alone, but only when the baseline rests: every speedup is a ratio of passes of the same blocks."""
    baseline = contestant(BASELINE, blocks=FEWEST_BLOCKS)
    slow, other = contestant("slow", base=1.0), contestant("other", base=1.0)
    slow.decisions = Decisions(seems_slower=True)
    assert schedule.taking_part(baseline, [slow, other], PACE) == [baseline, slow, other]
    passed = Verdict("pass", None, None, "because")
    slow.decisions = Decisions(speedup=passed, seems_slower=True)
    other.decisions = Decisions(speedup=passed)
    assert schedule.taking_part(baseline, [slow, other], PACE) == [slow]
    slow.decisions = Decisions(speedup=passed)
    assert schedule.taking_part(baseline, [slow, other], PACE) == [slow, other]


def test_fresh_processes_are_due() -> None:
    """After every block, for what is still compared."""
    compared = contestant("one", base=1.0)
    assert schedule.due_for_renewal([compared]) == [compared]
    assert schedule.due_for_renewal([contestant("one")]) == []
    compared.decisions = CHANGED
    assert schedule.due_for_renewal([compared]) == []


def test_a_base_that_failed_is_not_renewed() -> None:
    """Head goes on alone."""
    compared = contestant("one", base=1.0)
    assert compared.base is not None
    compared.base.problem = "its worker hung"
    assert schedule.due_for_renewal([compared]) == []
    assert compared.arms() == [compared.head]


def test_a_limit_waits_for_all_that_it_bounds() -> None:
    """And for nobody else."""
    limit = Contestant(Variant("limit", "made_up", kind="limit", bounds=("streaming",)))
    rival = contestant("one")
    rival.opened = Opened(kind="streaming")
    assert schedule.is_needed_by_others(limit, [limit, rival])
    assert not schedule.is_needed_by_others(rival, [limit, rival])
    rival.opened = Opened(kind="dump")
    assert not schedule.is_needed_by_others(limit, [limit, rival])
    rival.opened, rival.decisions = Opened(kind="streaming"), DECIDED
    assert not schedule.is_needed_by_others(limit, [limit, rival])


def test_batches_that_are_already_there_leave_after_some_blocks() -> None:
    """A pass of theirs takes as long as the model does, and so many tell the headspace well enough."""
    rival = contestant("one")
    for blocks, is_needed in ((HEADSPACE_BLOCKS - 1, True), (HEADSPACE_BLOCKS, False)):
        ready = contestant("ready", blocks=blocks, kind="ready", bounds=("streaming",))
        assert schedule.is_needed_by_others(ready, [ready, rival]) == is_needed
        limit = contestant("limit", blocks=blocks, kind="limit", bounds=("streaming",))
        assert schedule.is_needed_by_others(limit, [limit, rival])


def test_what_is_left_at_most() -> None:
    """Before the first block the whole budget of each; then what is left of it, and the baseline's part."""
    baseline = contestant(BASELINE, seconds=4.0, blocks=2)
    fresh = [contestant("one", blocks=0), contestant("two", blocks=0)]
    assert schedule.seconds_left(baseline, fresh, PACE) == 200.0
    # Two blocks, each of 2 passes of 1 s and of 4 s of the baseline, took 20 s; 80 s are 8 blocks more.
    rival = contestant("one", baseline=4.0, blocks=2)
    assert schedule.seconds_left(baseline, [rival], PACE) == pytest.approx(80.0)
    assert schedule.seconds_left(baseline, [rival], Pace(100.0, most_blocks=3)) == pytest.approx(10.0)
    assert schedule.seconds_left(baseline, [], PACE) == 0.0


def test_progress_in_words() -> None:
    """Which block, how many are decided, and how long it may take."""
    baseline, rival = contestant(BASELINE, seconds=4.0, blocks=2), contestant("one", baseline=4.0, blocks=2)
    said = schedule.progress("one at base", baseline, [rival], 3, PACE)
    assert said == "block 3, 2 of 3 decided, timing one at base, at most 1:20 left"


def test_an_arm_that_failed_is_not_measured() -> None:
    """Without head nothing is; without base, head is."""
    compared = contestant("one", base=1.0)
    base = compared.base
    assert base is not None
    assert compared.goes_on_with(compared.head)
    assert compared.goes_on_with(base)
    base.problem = "its worker hung"
    assert compared.goes_on_with(compared.head)
    assert not compared.goes_on_with(base)
    compared.head.problem = "its worker hung"
    assert not compared.goes_on_with(compared.head)
    assert not compared.goes_on_with(Arm())
