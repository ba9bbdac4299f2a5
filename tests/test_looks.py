"""Looks at made-up timings: no worker, no clock, and nothing read from the system."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

import pytest

from loader_gate.registry.variant import BASELINE
from loader_gate.rotation.contestant import Contestant, Decisions, Opened
from loader_gate.rotation.looks import (
    EARLIEST_CHANGE_SECONDS,
    EARLIEST_WHEN_BUSY_SECONDS,
    headspace,
    last_look_at_baseline,
    look,
    share,
)
from loader_gate.rotation.pace import Pace
from loader_gate.rotation.schedule import due_for_renewal
from loader_gate.statistics.counts import FEWEST_BLOCKS, FEWEST_TO_LOOK_EARLY, MOST_BLOCKS
from loader_gate.verdict.beyond_limit import LIMIT_MARGIN
from loader_gate.verdict.change import COMPARED_TOO, PEAK_MEMORY
from loader_gate.verdict.rules import Rules
from loader_gate.verdict.share import Share
from loader_gate.worker.timing import PassTiming
from tests.made_up_passes import Seconds, contestant

NAME = "mine"
RULES = Rules({NAME: 1.5}, cores=2)
RULES_AT_ONE = Rules({NAME: 1.0}, cores=2)
PACE = Pace(1e6, tolerance=0.03)
#: Blocks after which a clear case is decided, of a rotation that has room for many.
MANY = 30


def around(seconds: float, noise: float = 0.01) -> Seconds:
    """Return seconds that swing around a mean, from pass to pass and from block to block."""
    return lambda number: seconds * (1 + noise * (-1.0, -0.5, 1.0, 0.5)[number % 4])


def status(decided: Decisions) -> str | None:
    """Return the status of the verdict, if there is one."""
    return None if decided.verdict is None else decided.verdict.status


def outcome(decided: Decisions) -> str | None:
    """Return what became of the seconds, if that is known."""
    return None if decided.change is None else decided.change.outcome


def test_a_look_changes_nothing() -> None:
    """What it decides is what it returns."""
    seen = contestant(NAME, around(1.0), baseline=4.0, base=1.0, blocks=MANY)
    before = copy.deepcopy(vars(seen))
    assert status(look(seen, RULES, PACE, None)) == "pass"
    assert {name: repr(value) for name, value in vars(seen).items()} == {
        name: repr(value) for name, value in before.items()
    }


def test_nothing_is_decided_before_the_first_block() -> None:
    """Nor once there is a verdict, or the worker failed."""
    assert look(contestant(NAME, blocks=0), RULES, PACE, None) == Decisions()
    failed = contestant(NAME, blocks=MANY)
    failed.head.problem = "its worker hung"
    assert look(failed, RULES, PACE, None) == Decisions()
    assert failed.verdict is not None
    assert failed.verdict.reason == "its worker hung"


def test_the_plan_is_made_after_the_first_block() -> None:
    """By what that took; it stays, whatever later blocks take."""
    first = look(contestant(NAME, 1.0, baseline=4.0, blocks=1), RULES, Pace(200.0), None)
    assert first == Decisions(planned=20)
    later = contestant(NAME, around(0.5), baseline=around(2.0), blocks=FEWEST_TO_LOOK_EARLY)
    later.decisions = first
    assert look(later, RULES, Pace(200.0), None).planned == 20


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1.0, "pass"), (4 / 1.5, None), (3.5, "fail")], ids=["fast", "near", "slow"]
)
def test_a_speedup(seconds: float, expected: str | None) -> None:
    """It is decided when it is clear; on its floor it is measured on."""
    seen = contestant(NAME, around(seconds), baseline=4.0, blocks=MANY)
    assert status(look(seen, RULES, PACE, None)) == expected


def test_the_last_look() -> None:
    """After the most blocks, or without time for another one, it is undecided."""
    near = contestant(NAME, around(4 / 1.5), baseline=4.0, blocks=MANY)
    for pace in (Pace(1e6, most_blocks=MANY), Pace(near.spent_seconds() + 1.0)):
        decided = look(near, RULES, pace, None)
        assert status(decided) == "undecided"


def test_few_blocks_wait_for_each_other() -> None:
    """Where there is room for a handful, they are looked at once, at the end."""
    pace = Pace(6 * 10.0)
    early = contestant(NAME, 1.0, baseline=4.0, blocks=FEWEST_BLOCKS)
    assert look(early, RULES, pace, None) == Decisions(planned=6)
    full = contestant(NAME, 1.0, baseline=4.0, blocks=6)
    assert status(look(full, RULES, pace, None)) == "pass"


def test_few_short_blocks_are_not_believed_to_be_calm() -> None:
    """A session of a few seconds sees one mood of the machine; blocks of ten seconds outlast it."""
    widths = []
    for seconds in (1.0, 0.1):
        seen = contestant(NAME, around(seconds), baseline=4 * seconds, blocks=6)
        decided = look(seen, RULES, Pace(6 * 10.0 * seconds), None)
        assert decided.speedup is not None
        assert decided.speedup.estimate is not None
        widths.append(decided.speedup.estimate.half_width)
    assert widths[0] < 0.02 < 0.05 < widths[1] < 0.15


def test_a_busy_machine_fails_nobody() -> None:
    """How busy is an argument."""
    slow = contestant(NAME, around(3.0), baseline=4.0, blocks=MANY)
    assert status(look(slow, RULES, PACE, 0.1)) == "fail"
    assert status(look(slow, RULES, PACE, 0.5)) is None
    last = look(slow, RULES, Pace(1e6, most_blocks=MANY), 0.5)
    assert last.verdict is not None
    assert last.verdict.status == "undecided"
    assert "other programs used 0.5 of 2 cores" in last.verdict.reason


@pytest.mark.parametrize(("seconds", "expected"), [(1.1, "regression"), (1.0, "same"), (0.9, "improvement")])
def test_a_change(seconds: float, expected: str) -> None:
    """Head is held against base, and the floor is cleared anyway."""
    decided = look(
        contestant(NAME, around(seconds), base=1.0, baseline=4.0, blocks=MANY),
        RULES,
        PACE,
        None,
    )
    assert outcome(decided) == expected
    assert status(decided) == ("fail" if expected == "regression" else "pass")


def test_a_change_takes_some_time() -> None:
    """However clear it is; beside other programs more of it."""
    block = 2 * (0.11 + 0.10)
    for others, earliest in ((None, EARLIEST_CHANGE_SECONDS), (0.4, EARLIEST_WHEN_BUSY_SECONDS)):
        enough = round(earliest / block) + 1
        found = [
            outcome(
                look(
                    contestant(NAME, around(0.11), base=0.1, baseline=4.0, blocks=blocks),
                    RULES,
                    PACE,
                    others,
                )
            )
            for blocks in (enough - 3, enough)
        ]
        assert found == [None, "regression"]


def test_a_base_that_failed_is_no_change() -> None:
    """Its passes count no more, the reason is said, and nobody passes silently."""
    alone = contestant(NAME, around(1.0), base=1.0, baseline=4.0, blocks=MANY)
    assert alone.base is not None
    alone.base.problem = "its worker hung"
    decided = look(alone, RULES, PACE, None)
    assert decided.verdict is not None
    assert decided.verdict.status == "undecided"
    assert "not compared with base: at base, its worker hung" in decided.verdict.reason


def compared(
    head: Callable[[int, PassTiming], PassTiming],
    base: Callable[[int, PassTiming], PassTiming],
    blocks: int = MANY,
) -> Contestant:
    """Return a variant whose passes, by their number, are those of equal code with something else in them."""
    found = contestant(NAME, around(1.0), base=1.0, baseline=4.0, blocks=blocks)
    assert found.base is not None
    for arm, changed in ((found.head, head), (found.base, base)):
        arm.passes = [changed(number, timing) for number, timing in enumerate(arm.passes)]
    return found


def outcomes(decided: Decisions) -> dict[str, str]:
    """Return what became of every figure."""
    assert decided.verdict is not None
    return {change.figure: change.outcome for change in decided.verdict.changes}


def unchanged(_: int, timing: PassTiming) -> PassTiming:
    """Return the pass as it is."""
    return timing


# Memory: a datum a process.


def taking(*of_processes: float) -> Callable[[int, PassTiming], PassTiming]:
    """Return passes that take so many times as much memory, process by process."""

    def grown(number: int, timing: PassTiming) -> PassTiming:
        times = of_processes[number // 2 % len(of_processes)]
        return replace(timing, peak_rss_bytes=round(times * timing.peak_rss_bytes))

    return grown


def test_memory_of_enough_processes() -> None:
    """It fails if all of them took more; if one had a large pass, that is not known."""
    grown = compared(taking(1.29, 1.3, 1.31), unchanged, MANY)
    assert outcomes(look(grown, RULES, PACE, None))[PEAK_MEMORY] == "regression"
    once = compared(taking(1.0, 2.0, 1.0), unchanged, MANY)
    assert outcomes(look(once, RULES, Pace(1e6, 0.03, MANY), None))[PEAK_MEMORY] == "undecided"
    same = compared(taking(1.0, 1.05, 0.95), unchanged, MANY)
    assert outcomes(look(same, RULES, PACE, None))[PEAK_MEMORY] == "same"


def test_memory_that_is_not_known_yet() -> None:
    """The variant goes on beside base until it is, though its seconds are decided."""
    seen = compared(taking(1.0, 1.6), unchanged, MANY)
    seen.decisions = look(seen, RULES, PACE, None)
    assert seen.decisions.speedup is not None
    assert (outcome(seen.decisions), status(seen.decisions)) == ("same", None)
    assert seen.decisions.more_processes
    assert seen.arms_to_measure() == [seen.head, seen.base]
    assert due_for_renewal([seen]) == [seen]


def test_memory_that_is_never_known() -> None:
    """Without time for more it is said, which is no failure."""
    seen = compared(taking(1.0, 1.6), unchanged, MANY)
    decided = look(seen, RULES, Pace(1e6, 0.03, MANY), None)
    assert not decided.more_processes
    assert (outcomes(decided)[PEAK_MEMORY], status(decided)) == ("undecided", "pass")
    assert decided.verdict is not None
    assert f"no larger than what {MANY} pairs of processes may differ by" in decided.verdict.reason


def test_nobody_goes_on_for_memory_who_fails_anyway() -> None:
    """A regression is one, whatever memory it takes."""
    grown = taking(1.3)
    seen = compared(
        lambda number, timing: replace(grown(number, timing), seconds=1.2 * timing.seconds),
        unchanged,
        MANY,
    )
    decided = look(seen, RULES, PACE, None)
    assert (status(decided), decided.more_processes) == ("fail", False)


def test_memory_that_does_not_seem_more_keeps_nobody() -> None:
    """As it is where less is taken."""
    for times, expected in ((1.1, "slower"), (0.5, "improvement")):
        seen = compared(taking(times), unchanged, MANY)
        decided = look(seen, RULES, PACE, None)
        assert (outcomes(decided)[PEAK_MEMORY], decided.more_processes) == (expected, False)


def test_the_baseline_goes_on_for_its_memory() -> None:
    """It is compared as others are."""
    seen = baseline_of(4.0)
    grown = taking(1.0, 1.6)
    seen.head.passes = [grown(*each) for each in enumerate(seen.head.passes)]
    seen.decisions = look(seen, RULES, PACE, None)
    assert outcome(seen.decisions) == "same"
    assert seen.is_compared_further


# What an epoch's end and its batches take.


def test_an_end_that_takes_longer() -> None:
    """Half a second behind the last batch is in no seconds; it has a figure of its own."""

    def waiting(_: int, timing: PassTiming) -> PassTiming:
        return replace(timing, teardown_seconds=0.5)

    found = look(compared(waiting, unchanged), RULES, PACE, None)
    assert outcomes(found)["seconds with teardown"] == "regression"
    assert outcomes(found)["seconds"] == "same"
    assert found.verdict is not None
    assert "seconds with teardown 1.5" in found.verdict.reason


def stalling(times: float, chance: random.Random) -> Callable[[int, PassTiming], PassTiming]:
    """Return passes of eight batches of heavy-tailed times, one of which takes so many times as long."""

    def stalled(_: int, timing: PassTiming) -> PassTiming:
        batches = [0.1 * chance.paretovariate(2.5) for _ in range(8)]
        batches[chance.randrange(8)] *= times
        return replace(timing, batch_seconds={"longest": max(batches)})

    return stalled


def test_a_stall_is_found() -> None:
    """One batch of an epoch takes ten times as long at head, and its seconds seem the same."""
    chance = random.Random(0)  # noqa: S311 (a simulation, no secret)
    found = look(compared(stalling(10.0, chance), stalling(1.0, chance)), RULES, PACE, None)
    assert outcomes(found)["longest batch"] == "regression"
    assert status(found) == "fail"


def test_same_code_has_no_stalls_and_no_longer_ends() -> None:
    """However heavy the tail of its batches, and though ends wait half a second for a timer, at random."""
    chance = random.Random(1)  # noqa: S311 (a simulation, no secret)
    batches = stalling(1.0, chance)

    def noisy(number: int, timing: PassTiming) -> PassTiming:
        waits = 0.5 if chance.random() < 0.3 else 0.0
        return replace(batches(number, timing), teardown_seconds=waits)

    sessions = 100
    alarms = 0
    for _ in range(sessions):
        decided = outcomes(look(compared(noisy, noisy, 12), RULES, Pace(1e6, 0.03, 12), None))
        assert {*COMPARED_TOO} <= {*decided}
        alarms += "regression" in decided.values()
    assert alarms <= 1


def moving(number: int) -> float:
    """Return seconds of a baseline whose second pass of each block takes longer."""
    return 4.0 if number % 2 == 0 else 5.0 + number % 4 / 30


def test_what_else_runs_favours_no_side() -> None:
    """With 5 % of all passes doubled, sessions at a speedup of 1 say so, and few intervals miss."""
    chance = random.Random(4)  # noqa: S311 (noise, no secret)

    def seconds(_: int) -> float:
        return math.exp(chance.gauss(0, 0.08)) * (2 if chance.random() < 0.05 else 1)

    found = [
        look(contestant(NAME, seconds, baseline=seconds, blocks=MOST_BLOCKS), RULES_AT_ONE, PACE, None)
        for _ in range(100)
    ]
    estimates = [decided.verdict.estimate for decided in found if decided.verdict is not None]
    known = [estimate for estimate in estimates if estimate is not None]
    assert len(known) == len(found)
    assert fmean(math.log(estimate.ratio) for estimate in known) == pytest.approx(0, abs=0.004)
    assert sum(not estimate.low <= 1 <= estimate.high for estimate in known) <= 5


@pytest.mark.parametrize("most", [MANY, MOST_BLOCKS])
def test_a_machine_that_moves_is_blamed_for_what_it_may_explain(most: int) -> None:
    """By 26 %, so by 12 %, below a floor as against base; at the last look, the reason is said."""
    pace = Pace(1e6, 0.03, most)
    slow = look(contestant(NAME, around(3.2), baseline=moving, blocks=MANY), RULES, pace, None)
    own = look(slower_where_both_move(1.1), RULES, pace, None)
    for decided, whose in ((slow, "the baseline's"), (own, "its")):
        if most == MANY:
            assert decided.verdict is not None
            assert decided.verdict.status == "undecided"
            assert f"the machine moved under the measurement: {whose}" in decided.verdict.reason
        else:
            assert decided.verdict is None
    far_below = look(contestant(NAME, around(3.6), baseline=moving, blocks=MANY), RULES, pace, None)
    far_above = look(slower_where_both_move(1.3), RULES, pace, None)
    assert (status(far_below), status(far_above)) == ("fail", "fail")
    assert outcomes(far_above)["seconds with teardown"] == "regression"


def slower_where_both_move(times: float) -> Contestant:
    """Return one that takes so many times as long as at base, on a machine that slows both in each block."""
    return contestant(
        NAME,
        lambda number: times * moving(number) / 10,
        base=lambda number: moving(number) / 10,
        baseline=4.0,
        blocks=MANY,
    )


def baseline_of(seconds: float, blocks: int = MANY) -> Contestant:
    """Return a baseline that is compared with one of 4 s at base."""
    return contestant(BASELINE, around(seconds), base=4.0, baseline=around(seconds), blocks=blocks)


@pytest.mark.parametrize(("seconds", "expected"), [(4.0, "pass"), (4.4, "fail")])
def test_the_baseline_is_decided_last(seconds: float, expected: str) -> None:
    """Its change is known before; its verdict waits until no rival needs it any more."""
    baseline = baseline_of(seconds)
    baseline.decisions = look(baseline, RULES, PACE, None)
    assert outcome(baseline.decisions) == {"pass": "same", "fail": "regression"}[expected]
    assert status(baseline.decisions) is None
    assert status(last_look_at_baseline(baseline, RULES, PACE, None)) == expected


def limit(name: str, seconds: Seconds) -> Contestant:
    """Return a limit of streaming variants that has its verdict."""
    found = contestant(name, seconds, blocks=MANY, kind="limit", bounds=("streaming",))
    found.decisions = look(found, Rules({}, cores=2), PACE, None)
    return found


def share_of(seen: Contestant, *limits: Contestant) -> Share:
    """Return the share of the nearest of some limits."""
    found = share(seen, [seen, *limits])
    assert found is not None
    return found


def test_headspace() -> None:
    """How many times as fast batches that are already there make an epoch; they are no limit of a share."""
    seen = contestant(NAME, around(1.8), baseline=4.0, blocks=8)
    ready = contestant("ready", 1.0, blocks=MANY, kind="ready", bounds=("streaming",))
    ready.decisions = look(ready, Rules({}, cores=2), PACE, None)
    found = headspace(seen, [seen, limit("limit", 0.9), ready])
    assert found is not None
    assert found.ratio == pytest.approx(1.8, rel=0.01)
    assert 1.7 < found.low < found.high < 1.9
    assert found.blocks == 8
    assert seen.measurement(None, found).headspace == found
    assert share_of(seen, limit("limit", 0.9), ready).limit == "limit"
    assert headspace(ready, [seen, ready]) is None
    ready.head.problem = "its worker hung"
    assert headspace(seen, [seen, ready]) is None


def test_faster_than_with_batches_that_are_already_there() -> None:
    """By chance, or as those wait for something, too: nothing tells that a loader does other work."""
    seen = contestant(NAME, 0.5, baseline=4.0, blocks=MANY)
    seen.decisions = look(seen, RULES, PACE, None)
    ready = contestant("ready", 1.0, blocks=MANY, kind="ready", bounds=("streaming",))
    ready.decisions = look(ready, Rules({}, cores=2), PACE, None)
    verdict = seen.measurement(share(seen, [seen, ready]), headspace(seen, [seen, ready])).verdict
    assert verdict.status == "pass"


def test_a_share_is_paired() -> None:
    """A machine that is three times slower for some blocks changes the seconds, and not the share."""

    def slower_later(seconds: float) -> Seconds:
        return lambda number: seconds if number < 6 else 3 * seconds

    seen = contestant(NAME, slower_later(1.0), baseline=slower_later(4.0), blocks=MANY)
    estimate = share_of(seen, limit("limit", slower_later(0.9))).estimate
    assert estimate.ratio == pytest.approx(0.9)
    assert estimate.low == pytest.approx(estimate.high)


def test_a_share_has_an_interval() -> None:
    """As wide as its blocks differ."""
    seen = contestant(NAME, around(1.0, 0.05), baseline=around(4.0), blocks=8)
    estimate = share_of(seen, limit("limit", lambda number: 0.8 if number % 4 < 2 else 0.9)).estimate
    assert 0.7 < estimate.low < 0.85 < estimate.high < 1.0
    assert estimate.blocks == 8


def test_the_slowest_limit_counts() -> None:
    """Of several, it is the one that a variant comes nearest to; one that failed is none."""
    failed = limit("limit_copy", 0.9)
    failed.head.problem = "its worker hung"
    seen = contestant(NAME, 1.0, baseline=4.0, blocks=MANY)
    found = share_of(seen, limit("limit_read", 0.1), limit("limit_decode", 0.8), failed)
    assert found.limit == "limit_decode"
    assert found.estimate.ratio == pytest.approx(0.8)
    assert share(seen, [seen, failed]) is None


@pytest.mark.parametrize(
    ("kind", "times", "expected"),
    [
        ("streaming", 1 + LIMIT_MARGIN + 0.05, "unmeasured"),
        ("streaming", 1 + LIMIT_MARGIN - 0.05, "pass"),
        ("rival", 3.0, "unmeasured"),
        ("rival", 1.9, "pass"),
        ("memory", 3.0, "pass"),
    ],
)
def test_beyond_the_limit(kind: str, times: float, expected: str) -> None:
    """Who is faster than what bounds it does other work than its kind says, unless the kind may."""
    seen = contestant(NAME, around(0.9 / times), baseline=4.0, blocks=MANY)
    seen.opened = Opened(kind)
    bound = replace(limit("limit_jpeg_decode", 0.9).variant, bounds=("streaming", "rival", "memory"))
    held = limit("limit_jpeg_decode", 0.9)
    held.variant = bound
    seen.decisions = look(seen, RULES, PACE, None)
    verdict = seen.measurement(share_of(seen, held)).verdict
    assert verdict.status == expected
    if expected == "unmeasured":
        for part in (f"{times:.2f} (", "times as fast as limit_jpeg_decode", 'KIND = "memory"'):
            assert part in verdict.reason
        assert ('KIND = "rival"' in verdict.reason) == (kind == "streaming")


@pytest.mark.parametrize(("seconds", "expected"), [(0.1, "unmeasured"), (0.6, "undecided")])
def test_far_beyond_the_limit_in_one_block(seconds: float, expected: str) -> None:
    """It has no interval; what is several times as fast needs none."""
    seen = contestant(NAME, seconds, baseline=4.0, blocks=1)
    seen.opened = Opened("streaming")
    seen.decisions = look(seen, RULES, Pace(1e6, most_blocks=1), None)
    verdict = seen.measurement(share_of(seen, limit("limit_jpeg_decode", 0.9))).verdict
    assert verdict.status == expected


def test_less_cpu_time_than_its_limit() -> None:
    """Who keeps a part of what it has decoded may be no faster than a limit that uses all cores."""
    seen = contestant(NAME, around(1.0), baseline=4.0, blocks=MANY)
    seen.head.passes = [replace(each, cpu_seconds=each.seconds / 2) for each in seen.head.passes]
    seen.decisions = look(seen, RULES, PACE, None)
    found = share_of(seen, limit("limit_jpeg_decode", around(0.9)))
    assert found.estimate.ratio < 1
    verdict = seen.measurement(found).verdict
    assert verdict.status == "unmeasured"
    assert "times less CPU time than limit_jpeg_decode" in verdict.reason


def test_beyond_the_limit_by_chance() -> None:
    """The low end of the interval counts."""
    seen = contestant(NAME, lambda number: 0.5 if number % 4 < 2 else 1.0, baseline=4.0, blocks=6)
    seen.decisions = look(seen, RULES, Pace(1e6, most_blocks=6), None)
    share_found = share_of(seen, limit("limit", 0.9))
    assert share_found.estimate.ratio > 1 + LIMIT_MARGIN
    assert seen.measurement(share_found).verdict.status == "pass"


def test_no_block_is_left_out_of_a_share() -> None:
    """A stalled pass of the baseline is no matter of the share, and one of the variant hardly moves it."""
    seen = contestant(
        NAME,
        lambda number: 5.0 if number == 2 else 1.0 + number % 4 / 100,
        baseline=lambda number: 9.0 if number == 9 else 4.0,
        blocks=MANY,
    )
    estimate = share_of(seen, limit("limit", 0.9)).estimate
    assert estimate.ratio == pytest.approx(0.9 / 1.015, rel=0.01)
    assert estimate.blocks == MANY
