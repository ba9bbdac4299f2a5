"""The verdict on an estimate, and its sentence."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from loader_gate.registry.variant import BASELINE
from loader_gate.statistics.control import Control
from loader_gate.statistics.estimate import Estimate
from loader_gate.statistics.passes import FEWEST_BLOCKS
from loader_gate.verdict.verdict import (
    Change,
    Verdict,
    baseline_verdict,
    beside_others,
    fails_item,
    is_excused,
    judge,
    judge_change,
    judge_once,
    moved_reason,
    sentence,
    unconfirmed_reason,
    unmeasured,
    with_changes,
    with_one_more,
)

LOOK = 9


def at(blocks: int, low: float = 1.15, high: float = 1.28) -> Estimate:
    """Return an estimate after so many blocks."""
    return Estimate(math.sqrt(low * high), low, high, blocks)


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [(1.6, 1.8, "pass"), (1.7, 1.8, "pass"), (1.2, 1.59, "fail"), (1.5, 1.7, None), (1.5, 1.6, None)],
)
def test_status_at_a_look(low: float, high: float, status: str | None) -> None:
    """The low end has to reach the floor to pass, the high end to miss it to fail; else more blocks."""
    verdict = judge(at(LOOK, low, high), 1.6, last=False)
    assert (verdict and verdict.status) == status


@pytest.mark.parametrize(("low", "high"), [(1.7, 1.8), (1.2, 1.5)])
def test_nothing_is_decided_by_too_few_blocks(low: float, high: float) -> None:
    """A clear interval of three blocks waits for the fourth; out of time, it is undecided."""
    assert judge(at(FEWEST_BLOCKS - 1, low, high), 1.6, last=False) is None
    verdict = judge(at(FEWEST_BLOCKS - 1, low, high), 1.6, last=True)
    assert verdict is not None
    assert verdict.status == "undecided"
    assert "by so few blocks" in verdict.reason
    assert "too near" not in verdict.reason


def test_the_last_look_is_final() -> None:
    """Then it says what would help."""
    verdict = judge(at(LOOK, 1.5, 1.7), 1.6, last=True)
    assert verdict is not None
    assert verdict.status == "undecided"
    assert "--budget" in verdict.reason
    assert "quieter machine" in verdict.reason


@pytest.mark.parametrize(
    ("low", "high", "outcome", "at_last"),
    [
        (1.04, 1.08, "regression", "regression"),
        (1.001, 1.07, "regression", "regression"),
        (1.001, 1.05, None, "undecided"),
        (0.99, 1.08, None, "undecided"),
        (0.98, 1.02, "same", "same"),
        (1.001, 1.029, "same", "same"),
        (0.95, 1.02, None, "same"),
        (0.92, 0.96, "improvement", "improvement"),
        (0.92, 0.999, "improvement", "improvement"),
        (0.95, 0.999, None, "same"),
    ],
)
def test_changes(low: float, high: float, outcome: str | None, at_last: str) -> None:
    """A regression excludes no change and is beyond the tolerance; nobody is the same who may be one."""
    for last, expected in ((False, outcome), (True, at_last)):
        change = judge_change(at(LOOK, low, high), 0.03, last)
        assert (change and change.outcome) == expected
    assert judge_change(at(FEWEST_BLOCKS - 1, low, high), 0.03, last=False) is None


@pytest.mark.parametrize(
    ("others", "excused"), [(0.0, False), (0.2, False), (0.3, False), (0.6, True), (2.0, True), (5.0, True)]
)
def test_a_busy_neighbour_excuses(others: float, excused: bool) -> None:
    """As far as the cores that it took can explain, and no further."""
    assert is_excused(at(LOOK, 1.1, 1.3), 1.6, others, cores=2) is excused
    assert not is_excused(at(LOOK, 0.1, 0.19), 1.6, others, cores=2)
    assert not is_excused(at(LOOK, 1.1, 1.3), None, others, cores=2)


def test_figures_that_are_looked_at_once() -> None:
    """They have tolerances of their own, and are never undecided."""
    outcomes = [
        judge_once("CPU seconds", at(LOOK, low, high), 0.05).outcome
        for low, high in ((1.01, 1.2), (0.9, 1.3), (1.01, 1.08), (0.7, 0.9))
    ]
    assert outcomes == ["regression", "same", "same", "improvement"]


def passed(floor: float | None = 1.5) -> Verdict:
    """Return the verdict on a good speedup."""
    verdict = judge(at(LOOK, 1.95, 2.05), floor, last=True)
    assert verdict is not None
    return verdict


def changed(low: float, high: float, figure: str = "seconds") -> Change:
    """Return a change."""
    change = judge_change(at(LOOK, low, high), 0.03, last=True)
    assert change is not None
    return replace(change, figure=figure)


def test_a_regression_fails_in_one_sentence() -> None:
    """Even where the floor is cleared; floor, change, interval, tolerance and what to do are all there."""
    verdict = with_changes(passed(), [changed(1.06, 1.08)])
    assert verdict.status == "fail"
    assert sentence(verdict, "mine", "loading", None) == (
        "mine (loading, no profile) is 2.00 times as fast as keras_image_data_generator (95 % interval 1.95 "
        "to 2.05, 9 blocks), which clears its floor of 1.50; seconds 1.070 times base's (1.060 to 1.080), a "
        "regression beyond the tolerance of 3 %. Find what made it so, or give a larger --tolerance for this "
        "run if it is meant."
    )


@pytest.mark.parametrize(
    ("floor", "low", "high", "status"),
    [
        (1.5, 0.99, 1.01, "pass"),
        (None, 0.99, 1.01, "pass"),
        (None, 0.90, 0.92, "pass"),
        (None, 1.06, 1.08, "fail"),
        (1.5, 0.99, 1.08, "undecided"),
        (None, 0.99, 1.08, "undecided"),
        (3.0, 0.90, 0.92, "fail"),
    ],
)
def test_floor_and_change_together(floor: float | None, low: float, high: float, status: str) -> None:
    """Either can fail a variant; without a floor the change alone decides, and may let it pass."""
    assert with_changes(passed(floor), [changed(low, high)]).status == status


def test_other_figures_fail_too() -> None:
    """Memory that has grown is said and fails; what stays the same is not worth a word."""
    verdict = with_changes(
        passed(), [changed(0.99, 1.01), changed(1.3, 1.3, "peak memory"), changed(1.0, 1.0, "first batch")]
    )
    assert verdict.status == "fail"
    assert "peak memory 1.300 times base's, a regression" in verdict.reason
    assert "first batch" not in verdict.reason
    assert len(verdict.changes) == 3


def test_one_more_figure() -> None:
    """Of a dump the bytes are known only later; they fail a variant all the same."""
    verdict = with_changes(passed(), [changed(0.99, 1.01)])
    assert with_one_more(verdict, changed(1.0, 1.0, "dump bytes")).status == "pass"
    grown = with_one_more(verdict, changed(1.5, 1.5, "dump bytes"))
    assert grown.status == "fail"
    assert "dump bytes 1.500" in grown.reason
    assert [change.figure for change in grown.changes] == ["seconds", "dump bytes"]


def test_a_base_that_could_not_be_measured() -> None:
    """It is said, and is no pass."""
    change = Change("seconds", "undecided", None, 0.03, "at base, its worker hung")
    verdict = with_changes(passed(), [change])
    assert verdict.status == "undecided"
    assert "seconds not compared with base: at base, its worker hung" in verdict.reason


def test_the_baseline_is_compared_too() -> None:
    """Its speedup is 1 by definition, its seconds may change."""
    assert with_changes(baseline_verdict(9), [changed(0.99, 1.01)]).status == "pass"
    assert with_changes(baseline_verdict(9), [changed(1.2, 1.3)]).status == "fail"


def test_a_machine_that_moved() -> None:
    """The reason says by how much, in seconds rather than speed."""
    control = Control(at(LOOK, 0.8, 0.9), (), moved=True)
    assert "second passes took 1.179 times its first ones (1.111 to 1.250)" in moved_reason(control)


def test_without_a_floor_measuring_ends_when_precise() -> None:
    """There is nothing to decide, so the interval has to be good, and the status is never a pass."""
    assert judge(at(LOOK, 1.0, 1.5), None, last=False) is None
    for verdict in (judge(at(LOOK, 1.45, 1.5), None, False), judge(at(LOOK, 1.0, 1.5), None, True)):
        assert verdict is not None
        assert verdict.status == "undecided"
        assert verdict.floor is None
        assert "no floor" in verdict.reason
        assert "--floor VARIANT=X" in verdict.reason
        assert "--update-floors" in verdict.reason


def test_one_block_is_never_decided() -> None:
    """An interval from 0 to infinity ends undecided, and reads as what it is."""
    verdict = judge(Estimate(2.0, 0.0, math.inf, 1), 1.6, last=True)
    assert verdict is not None
    assert verdict.status == "undecided"
    assert "2.00 times as fast" in (text := sentence(verdict, "mine", "loading", "ci-2core"))
    assert "(no interval from 1 block)" in text


@pytest.mark.parametrize(
    ("status", "strict", "lenient"),
    [("pass", False, False), ("fail", True, True), ("undecided", True, False), ("unmeasured", True, True)],
)
def test_fails_item(status: str, strict: bool, lenient: bool) -> None:
    """Only an undecided variant depends on the gate."""
    verdict = Verdict(status, 1.0, None, "")  # type: ignore[arg-type]
    assert fails_item(verdict, "strict") is strict
    assert fails_item(verdict, "lenient") is lenient


def test_failure_sentence() -> None:
    """One sentence has everything: what, how fast, how sure, against what, and what to do."""
    verdict = judge(Estimate(1.21, 1.15, 1.28, 9), 1.6, last=False)
    assert verdict is not None
    assert sentence(verdict, "tfdata_no_cache", "loading", "ci-2core") == (
        "tfdata_no_cache (loading, profile ci-2core) is 1.21 times as fast as keras_image_data_generator "
        "(95 % interval 1.15 to 1.28, 9 blocks), below its floor of 1.60: find what slowed it, "
        "or lower the floor with --update-floors if the slowdown is meant."
    )


def test_pass_sentence() -> None:
    """A pass says by what."""
    verdict = judge(Estimate(12.34, 11.0, 14.0, 4), 5.0, last=False)
    assert verdict is not None
    assert sentence(verdict, "mine", "loading", None) == (
        "mine (loading, no profile) is 12.3 times as fast as keras_image_data_generator "
        "(95 % interval 11.0 to 14.0, 4 blocks), which clears its floor of 5.00."
    )


def test_unmeasured_sentence_passes_the_reason_through() -> None:
    """The worker's own last words are not edited."""
    verdict = unmeasured("its worker was killed by SIGKILL\nlast line", floor=1.5)
    assert verdict.status == "unmeasured"
    assert sentence(verdict, "mine", "loading", "ci-2core") == (
        "mine (loading, profile ci-2core) was not measured: its worker was killed by SIGKILL\nlast line"
    )


def test_baseline_is_one_by_definition() -> None:
    """The baseline passes without being compared with itself."""
    verdict = baseline_verdict(9)
    assert verdict.status == "pass"
    assert verdict.estimate == Estimate(1.0, 1.0, 1.0, 9)
    assert sentence(verdict, BASELINE, "loading", "ci-2core").endswith(
        "is the baseline: its speedup is 1 by definition."
    )


@pytest.mark.parametrize(
    ("others", "words"),
    [(None, ""), (0.2, ""), (1.04, "beside other programs, which used 1.0 of 2 cores")],
)
def test_other_programs_in_words(others: float | None, words: str) -> None:
    """Only as many as matter, and only where the system shows them."""
    assert beside_others(others, 2) == words
    assert (words in unconfirmed_reason(words)) is True
    assert ("beside" in unconfirmed_reason(words)) is bool(words)
