"""The rules of a session: floors, floors to be found, and what the machine is to blame for."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.statistics.control import Control
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.excuses import busy_elsewhere, excuse, moved_reason, unconfirmed_reason
from loader_gate.verdict.rules import WIDEST, Rules
from loader_gate.verdict.verdict import Verdict, baseline_verdict, limit_verdict

LOOK = 9


def at(blocks: int, low: float = 1.15, high: float = 1.28) -> Estimate:
    """Return an estimate after so many blocks."""
    return Estimate(math.sqrt(low * high), low, high, blocks)


@pytest.mark.parametrize(
    ("others", "excused"), [(0.0, False), (0.2, False), (0.3, False), (0.6, True), (2.0, True), (5.0, True)]
)
def test_a_busy_neighbour_excuses(others: float, excused: bool) -> None:
    """As far as the cores that it took can explain, and no further."""
    assert bool(excuse(at(LOOK, 1.1, 1.3), 1.6, others, cores=2)) is excused
    assert not excuse(at(LOOK, 0.1, 0.19), 1.6, others, cores=2)
    assert not excuse(at(LOOK, 1.1, 1.3), None, others, cores=2)


def test_a_machine_that_moved() -> None:
    """The reason says by how much, in seconds rather than speed."""
    control = Control(at(LOOK, 0.8, 0.9), moved=True)
    assert "its second passes took 1.179 times its first ones (1.111 to 1.250)" in moved_reason(
        control, "its"
    )


@pytest.mark.parametrize(
    ("others", "words"),
    [(None, ""), (0.2, ""), (1.04, "beside other programs, which used 1.0 of 2 cores")],
)
def test_other_programs_in_words(others: float | None, words: str) -> None:
    """Only as many as matter, and only where the system shows them."""
    assert busy_elsewhere(others, 2) == words
    assert (words in unconfirmed_reason(words)) is True
    assert ("beside" in unconfirmed_reason(words)) is bool(words)


NAME = "mine"
GATED = Rules({NAME: 1.6}, cores=2)
MINE, LIMIT = Variant(NAME, "made_up"), Variant(NAME, "made_up", kind="limit", bounds=("streaming",))


def status(
    rules: Rules,
    found: Estimate,
    variant: Variant = MINE,
    *,
    last: bool = False,
    others: float | None = None,
) -> str | None:
    """Return the status of the verdict, if there is one."""
    verdict = rules.judge(variant, found, last, others)
    return None if verdict is None else verdict.status


def test_a_floor_holds_for_those_whose_tests_run() -> None:
    """The baseline, and what is only there to be compared with, pass at once."""
    slow = at(LOOK, 1.2, 1.3)
    assert status(GATED, slow) == "fail"
    assert status(GATED, slow, Variant("other", "made_up")) == "pass"
    assert status(GATED, slow, Variant(BASELINE, "made_up")) == "pass"
    assert status(replace(GATED, floors={NAME: None}), slow, last=True) == "undecided"


def test_a_busy_machine_fails_nobody() -> None:
    """It is measured on to the end, and the reason names the cores that others used."""
    slow = at(LOOK, 1.2, 1.3)
    assert status(GATED, slow, others=0.9) is None
    verdict = GATED.judge(MINE, slow, last=True, others=0.9)
    assert verdict is not None
    assert verdict.status == "undecided"
    assert "other programs used 0.9 of 2 cores" in verdict.reason
    assert status(GATED, at(LOOK, 1.7, 1.8), others=0.9) == "pass"


def test_a_speedup_that_gates_saved_runs_has_to_be_precise() -> None:
    """It clears its floor, and is measured on until its interval is narrow or the time is over."""
    exact, vague = at(LOOK, 2.0, 2.02), at(LOOK, 2.0, 2.5)
    rules = replace(GATED, vague_above=0.03)
    assert status(GATED, vague) == "pass"
    assert status(rules, vague) is None
    assert status(rules, vague, last=True) == "pass"
    assert status(rules, exact) == "pass"


def test_floors_that_are_found() -> None:
    """The floor is what the interval supports; of a wide one there is none."""
    rules = replace(GATED, updates_floors=True)
    assert status(rules, at(LOOK, 1.0, 1.3)) is None
    found = rules.judge(MINE, at(LOOK, 2.0, 2.1), last=False, others=None)
    assert found is not None
    assert found.status == "pass"
    assert found.floor is not None
    assert 1.5 < found.floor < 2.0
    assert "its floor becomes" in found.reason
    wide = rules.judge(MINE, at(LOOK, 1.0, 3.0), last=True, others=None)
    assert wide is not None
    assert (wide.status, wide.floor) == ("undecided", None)
    assert "too uncertain to set a floor from" in wide.reason


def test_a_limit_without_a_floor_passes() -> None:
    """After a few blocks; with a floor it is held to it, unless floors are being found."""
    free = replace(GATED, floors={NAME: None})
    few, enough = at(FEWEST_BLOCKS - 1), at(FEWEST_BLOCKS)
    assert status(free, few, LIMIT) is None
    assert status(free, few, LIMIT, last=True) == "pass"
    assert status(free, enough, LIMIT) == "pass"
    assert status(GATED, enough, LIMIT) == "fail"
    assert status(replace(GATED, updates_floors=True), enough, LIMIT) == "pass"


@pytest.mark.parametrize(
    ("high", "others", "cores", "excused"),
    [
        (0.8, 1.0, 2, True),  # half of the cores may have doubled it
        (0.79, 1.0, 2, False),
        (0.2, 2.0, 2, True),  # a quarter of a core is left to it even then
        (0.19, 2.0, 2, False),
        (1.5, 0.25, 2, True),
        (1.5, 0.24, 2, False),
    ],
)
def test_how_far_a_neighbour_excuses(high: float, others: float, cores: int, excused: bool) -> None:
    """As far as all the cores would have made it reach its floor, and from a quarter of a core on."""
    assert bool(excuse(Estimate(high, high / 2, high, LOOK), 1.6, others, cores)) is excused


def test_whole_reasons() -> None:
    """What the machine is to blame for is said in sentences that name what to do."""
    assert excuse(at(LOOK, 1.1, 1.3), 1.6, 0.9, cores=2) == (
        "but other programs used 0.9 of 2 cores meanwhile, which slows loaders of several threads more than "
        "the baseline: measure again, on an idle machine"
    )
    assert busy_elsewhere(0.25, 2) == "beside other programs, which used 0.2 of 2 cores"
    assert moved_reason(Control(Estimate(0.8, 0.5, 1.0, LOOK), moved=True), "its") == (
        "but the machine moved under the measurement: its second passes took 1.250 times its first ones "
        "(1.000 to 2.000); measure again, on a quieter machine"
    )
    reason = "no larger than what two passes, or two processes of the same code, may differ by"
    remedy = ": measure again, on a quieter machine or with a larger --budget"
    assert unconfirmed_reason("") == f"{reason}{remedy}"
    assert unconfirmed_reason("beside others") == f"{reason} beside others{remedy}"


def test_what_is_not_gated_says_so() -> None:
    """It passes with its speedup and without a floor; and rules pass on what they are asked of others."""
    found = at(LOOK, 1.2, 1.3)
    other = Variant("other", "made_up")
    assert GATED.judge(other, found, False, None) == Verdict(
        "pass", None, found, "not gated in this workload"
    )
    assert GATED.busy_elsewhere(1.04) == busy_elsewhere(1.04, 2)
    regression = GATED.judge_change(at(LOOK, 1.1, 1.2), at(LOOK, 1.1, 1.2), 0.01, False)
    assert regression is not None
    assert (regression.outcome, regression.tolerance) == ("regression", 0.01)
    assert GATED.judge_change(at(LOOK, 0.9, 1.2), at(LOOK, 0.9, 1.2), 0.01, False) is None


def test_exactly_precise_enough() -> None:
    """An interval that reaches as far as is allowed, and no further, is."""
    quarter = Estimate(2.5, 2.0, 3.125, LOOK)
    assert quarter.half_width == 0.25
    assert status(replace(GATED, vague_above=0.25), quarter) == "pass"
    assert status(replace(GATED, vague_above=0.24), quarter) is None
    wide = Estimate(1.5, 1.0, 2.25, LOOK)
    assert wide.half_width == WIDEST
    found = replace(GATED, updates_floors=True).judge(MINE, wide, last=True, others=None)
    assert found is not None
    assert found.status == "pass"
    assert found.estimate == wide
    assert found.floor is not None
    assert found.reason == f"so its floor becomes {found.floor:.2f}"
    wider = Estimate(1.5, 1.0, 2.26, LOOK)
    assert replace(GATED, updates_floors=True).judge(MINE, wider, last=True, others=None) == Verdict(
        "undecided",
        None,
        wider,
        "too uncertain to set a floor from: give it a larger --budget or a quieter machine",
    )


def test_who_is_not_judged_keeps_its_speedup() -> None:
    """The baseline has its blocks, a limit what it was measured at."""
    enough = at(FEWEST_BLOCKS)
    free = replace(GATED, floors={NAME: None})
    assert free.judge(Variant(BASELINE, "made_up"), enough, False, None) == baseline_verdict(FEWEST_BLOCKS)
    assert free.judge(LIMIT, enough, False, None) == limit_verdict(enough)
