"""What decides a regression: changes against base, alone and together with a floor."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.change import (
    COMPARED_TOO,
    Change,
    judge_change,
    judge_once,
    judge_peak_memory,
    with_changes,
    with_one_more,
)
from loader_gate.verdict.sentence import sentence
from loader_gate.verdict.verdict import Verdict, baseline_verdict, judge, unmeasured
from loader_gate.worker.timing import PassTiming

LOOK = 9


def at(blocks: int, low: float = 1.15, high: float = 1.28) -> Estimate:
    """Return an estimate after so many blocks."""
    return Estimate(math.sqrt(low * high), low, high, blocks)


@pytest.mark.parametrize(
    ("low", "high", "outcome", "at_last"),
    [
        (1.04, 1.08, "regression", "regression"),
        (1.029, 1.09, None, "undecided"),
        (1.001, 1.07, None, "undecided"),
        (0.99, 1.08, None, "undecided"),
        (0.98, 1.02, "same", "same"),
        (0.98, 1.049, "same", "same"),
        (1.001, 1.029, "slower", "slower"),
        (1.001, 1.049, "slower", "slower"),
        (0.93, 1.02, "same", "same"),
        (0.92, 1.02, None, "same"),
        (0.92, 0.96, "improvement", "improvement"),
        (0.90, 0.999, None, "same"),
    ],
)
def test_changes(low: float, high: float, outcome: str | None, at_last: str) -> None:
    """A regression is beyond the tolerance with its whole interval; nobody is the same who may be far off."""
    for last, expected in ((False, outcome), (True, at_last)):
        found = at(LOOK, low, high)
        change = judge_change(found, found, 0.03, last)
        assert (change and change.outcome) == expected
    few = at(FEWEST_BLOCKS - 1, low, high)
    assert judge_change(few, few, 0.03, last=False) is None


def test_it_takes_the_surer_interval_to_be_a_change() -> None:
    """That which is shown is narrower, and tells when nothing has changed."""
    shown = at(LOOK, 1.04, 1.08)
    assert judge_change(shown, at(LOOK, 1.02, 1.10), 0.03, last=False) is None
    undecided = judge_change(shown, at(LOOK, 1.02, 1.10), 0.03, last=True)
    assert undecided is not None
    assert (undecided.outcome, undecided.estimate) == ("undecided", shown)
    within = judge_change(at(LOOK, 1.001, 1.02), at(LOOK, 0.99, 1.03), 0.03, last=False)
    assert within is not None
    assert within.outcome == "same"


def test_figures_that_are_looked_at_once() -> None:
    """They have tolerances of their own, and are never undecided."""
    outcomes = [
        judge_once("CPU seconds", at(LOOK, low, high), 0.05).outcome
        for low, high in ((1.06, 1.2), (1.04, 1.2), (0.9, 1.3), (0.7, 0.9))
    ]
    assert outcomes == ["regression", "slower", "same", "improvement"]


@pytest.mark.parametrize(
    ("pairs", "low", "high", "outcome"),
    [
        (FEWEST_BLOCKS, 1.2, 1.6, "regression"),
        (FEWEST_BLOCKS, 0.9, 1.6, "undecided"),
        (FEWEST_BLOCKS, 0.9, 1.2, "same"),
        (FEWEST_BLOCKS, 1.05, 1.1, "slower"),
        (FEWEST_BLOCKS, 1.1, 1.6, "undecided"),
        (FEWEST_BLOCKS, 0.6, 0.7, "improvement"),
    ],
)
def test_memory(pairs: int, low: float, high: float, outcome: str) -> None:
    """What may be chance is not called a regression."""
    assert judge_peak_memory(at(pairs, low, high), 0.15).outcome == outcome


def passed(floor: float | None = 1.5) -> Verdict:
    """Return the verdict on a good speedup."""
    verdict = judge(at(LOOK, 1.95, 2.05), floor, last=True)
    assert verdict is not None
    return verdict


def changed(low: float, high: float, figure: str = "seconds") -> Change:
    """Return a change."""
    found = at(LOOK, low, high)
    change = judge_change(found, found, 0.03, last=True)
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
    same = with_changes(baseline_verdict(9), [changed(0.99, 1.01)])
    assert same.status == "pass"
    assert same.reason == f"{baseline_verdict(9).reason}; {changed(0.99, 1.01)}"
    assert with_changes(baseline_verdict(9), [changed(1.2, 1.3)]).status == "fail"


UNCERTAIN = (
    "too uncertain to rule out a regression in the time there was: give it a larger --budget, or measure on "
    "a quieter machine"
)


@pytest.mark.parametrize(
    ("estimate", "surely", "last", "expected"),
    [
        # At an end of what is allowed it is not beyond it, and just so resolved.
        (at(LOOK, 1.0, 1.5), at(LOOK, 1.25, 1.5), True, ("undecided", UNCERTAIN)),
        (at(LOOK, 1.0, 1.5), at(LOOK, 1.26, 1.5), False, ("regression", "")),
        (at(LOOK, 0.7, 1.0), at(LOOK, 0.7, 0.8), True, ("same", "")),
        (at(LOOK, 0.7, 1.0), at(LOOK, 0.7, 0.79), False, ("improvement", "")),
        (at(LOOK, 1.0, 1.25 + 0.02), at(LOOK, 0.9, 1.3), False, ("same", "")),
        (at(LOOK, 1.0, 1.28), at(LOOK, 0.9, 1.3), True, ("undecided", UNCERTAIN)),
        (at(LOOK, 1 / (1.25 + 0.05), 1.0), at(LOOK, 0.7, 1.3), False, ("same", "")),
        (at(LOOK, 0.76, 1.0), at(LOOK, 0.7, 1.3), False, None),
        (at(LOOK, 0.76, 1.0), at(LOOK, 0.7, 1.3), True, ("same", "")),
        (at(LOOK, 1.0, 1.2), at(LOOK, 1.0, 1.25), False, ("same", "")),
        (at(LOOK, 1.0, 1.2), at(LOOK, 1.01, 1.25), False, ("slower", "")),
        # So few decide nothing, whatever they show; just enough do.
        (at(FEWEST_BLOCKS - 1, 1.3, 1.5), at(FEWEST_BLOCKS - 1, 1.3, 1.5), True, ("undecided", UNCERTAIN)),
        (at(FEWEST_BLOCKS - 1, 1.0, 1.1), at(FEWEST_BLOCKS - 1, 1.0, 1.1), False, None),
        (at(FEWEST_BLOCKS, 1.3, 1.5), at(FEWEST_BLOCKS, 1.3, 1.5), False, ("regression", "")),
        (at(FEWEST_BLOCKS, 1.0, 1.1), at(FEWEST_BLOCKS, 0.9, 1.1), False, ("same", "")),
    ],
)
def test_the_ends_of_what_is_allowed(
    estimate: Estimate, surely: Estimate, last: bool, expected: tuple[str, str] | None
) -> None:
    """With a tolerance of a quarter; the estimate that is shown is the usual one."""
    found = judge_change(estimate, surely, 0.25, last)
    assert (None if found is None else (found.outcome, found.reason)) == expected
    assert found is None or (found.figure, found.estimate, found.tolerance) == ("seconds", estimate, 0.25)


@pytest.mark.parametrize(("outcome", "low"), [("same", 1.0), ("slower", 1.01), ("regression", 1.26)])
def test_a_figure_that_is_looked_at_once(outcome: str, low: float) -> None:
    """It keeps its name, its interval and its tolerance."""
    found = at(LOOK, low, 1.5)
    assert judge_once("first batch", found, 0.25) == Change("first batch", outcome, found, 0.25)  # type: ignore[arg-type]


def test_memory_that_may_be_more_by_chance() -> None:
    """By how many processes it was told, and what to do; at the tolerance it is no more than allowed."""
    found = Estimate(1.3, 0.9, 1.6, 5)
    assert judge_peak_memory(found, 0.25) == Change(
        "peak memory",
        "undecided",
        found,
        0.25,
        "no larger than what 5 pairs of processes may differ by: give it a larger --budget",
    )
    assert judge_peak_memory(Estimate(1.25, 0.9, 1.6, 5), 0.25).outcome == "same"


FOUND = Estimate(1.071, 1.042, 1.101, LOOK)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            Change("seconds", "regression", FOUND, 0.015),
            "seconds 1.071 times base's (1.042 to 1.101), a regression beyond the tolerance of 1.5 %",
        ),
        (
            Change("seconds", "regression", FOUND, 0.01, "as an earlier session has shown"),
            "seconds 1.071 times base's (1.042 to 1.101), as an earlier session has shown",
        ),
        (
            Change("seconds", "slower", FOUND, 0.1),
            "seconds 1.071 times base's (1.042 to 1.101), more, but within the tolerance of 10 %",
        ),
        (
            Change("first batch", "improvement", Estimate(0.5, 0.4, 0.6, LOOK), 0.1),
            "first batch 0.500 times base's (0.400 to 0.600), an improvement",
        ),
        (
            Change("dump bytes", "same", Estimate(1.0, 1.0, 1.0, 1), 0.1),
            "dump bytes 1.000 times base's, no change that matters",
        ),
        (
            Change("seconds", "undecided", Estimate(1.0, 0.0, math.inf, 1), 0.1, "too short"),
            "seconds 1.000 times base's, too short",
        ),
        (Change("seconds", "undecided", None, 0.1, "it hung"), "seconds not compared with base: it hung"),
        (Change("seconds", "unchanged", None, 0.1), "the same code as at base"),
    ],
)
def test_a_change_in_words(change: Change, said: str) -> None:
    """Its figure, how much, how sure, and what that is."""
    assert str(change) == said


def test_a_verdict_with_its_changes() -> None:
    """The seconds are always said, others if they are worth it; a figure alone leaves nobody undecided."""
    same, memory = changed(0.99, 1.01), Change("peak memory", "undecided", FOUND, 0.1, "too few")
    faster = changed(0.90, 0.92, "CPU seconds")
    found = with_changes(passed(), [same, faster, changed(1.001, 1.02, "first batch"), memory])
    assert found == replace(
        passed(),
        reason=f"{passed().reason}; {same}; {faster}; {memory}",
        changes=found.changes,
    )
    assert [each.figure for each in found.changes] == ["seconds", "CPU seconds", "first batch", "peak memory"]
    alone = with_changes(passed(None), [same])
    assert (alone.status, alone.reason) == ("pass", f"without a floor; {same}")
    undecided = replace(passed(), status="undecided")
    assert with_changes(undecided, [same]).status == "undecided"
    failed = with_changes(replace(passed(), status="fail"), [changed(0.99, 1.08)])
    assert failed.status == "fail"


def test_what_was_not_measured_has_no_change() -> None:
    """Its reason stays as it is, and so does that of a session that compares nothing."""
    crashed = unmeasured("it died", 1.5)
    assert with_changes(crashed, [changed(1.2, 1.3)]) == replace(crashed, changes=(changed(1.2, 1.3),))
    assert with_changes(passed(), []) == passed()


@pytest.mark.parametrize(
    ("low", "high", "status", "is_said"),
    [
        (1.0, 1.0, "pass", False),
        (1.001, 1.02, "pass", False),
        (0.9, 0.91, "pass", True),
        (1.2, 1.3, "fail", True),
    ],
)
def test_one_more_change(low: float, high: float, status: str, is_said: bool) -> None:
    """It is said if it matters, and fails if it is a regression."""
    before, change = with_changes(passed(), [changed(0.99, 1.01)]), changed(low, high, "dump bytes")
    said = f"; {change}" if is_said else ""
    assert with_one_more(before, change) == replace(
        before,
        status=status,  # type: ignore[arg-type]
        reason=before.reason + said,
        changes=(*before.changes, change),
    )


def test_what_is_compared_beside_the_seconds() -> None:
    """Each figure is what its name says; the longest batch is not known of every pass."""
    timing = PassTiming(1.0, 0.2, 0.4, 3.0, 1, 1, batch_seconds={"p50": 0.1, "longest": 0.5})
    found = {name: figure.of(timing) for name, figure in COMPARED_TOO.items()}
    assert found == {
        "CPU seconds": 3.0,
        "first batch": 0.2,
        "longest batch": 0.5,
        "seconds with teardown": 1.4,
    }
    assert COMPARED_TOO["longest batch"].of(replace(timing, batch_seconds=None)) is None
