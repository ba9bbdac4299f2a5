"""The verdict on a speedup, and its sentence."""

from __future__ import annotations

import math

import pytest

from loader_gate.registry.variant import BASELINE
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.sentence import number, sentence, times
from loader_gate.verdict.verdict import (
    Verdict,
    baseline_verdict,
    fails_item,
    judge,
    limit_verdict,
    unmeasured,
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
    ("found", "floor", "reason"),
    [
        (
            at(LOOK),
            None,
            "and has no floor to clear: set one with --floor VARIANT=X, or write down what this machine "
            "supports with --update-floors",
        ),
        (
            at(FEWEST_BLOCKS - 1),
            1.2,
            "not told from its floor of 1.20 by so few blocks: give it a larger --budget, or a smaller tree",
        ),
        (
            at(FEWEST_BLOCKS),
            1.2,
            "too near its floor of 1.20 to tell in the time there was: give it a larger --budget, measure on "
            "a quieter machine, or lower the floor a little",
        ),
    ],
)
def test_why_nothing_was_decided(found: Estimate, floor: float | None, reason: str) -> None:
    """Each of the three reasons is said as it is, with its own remedy."""
    assert judge(found, floor, last=True) == Verdict("undecided", floor, found, reason)


def test_the_fewest_blocks_decide() -> None:
    """An interval that ends at the floor clears it; one that ends there from below misses nothing yet."""
    assert (found := judge(at(FEWEST_BLOCKS, 1.6, 1.8), 1.6, last=False)) is not None
    assert found == Verdict("pass", 1.6, at(FEWEST_BLOCKS, 1.6, 1.8), "which clears its floor of 1.60")
    assert (found := judge(at(FEWEST_BLOCKS, 1.2, 1.5), 1.6, last=False)) is not None
    assert found.status == "fail"
    assert judge(at(FEWEST_BLOCKS - 1, 1.2, 1.21), None, last=False) is None


def test_verdicts_that_are_given() -> None:
    """To what is not judged: the baseline, a limit, and what could not be measured."""
    assert baseline_verdict(9) == Verdict(
        "pass", None, Estimate(1.0, 1.0, 1.0, 9), "the baseline: its speedup is 1 by definition"
    )
    assert limit_verdict(at(LOOK)) == Verdict(
        "pass", None, at(LOOK), "a limit, which others are held against"
    )
    assert unmeasured("it died", 1.5) == Verdict("unmeasured", 1.5, None, "it died")
    assert unmeasured("it died") == Verdict("unmeasured", None, None, "it died")


def test_a_speedup_below_one_has_an_interval_too() -> None:
    """Only one that reaches down to 0 has none."""
    assert times(Estimate(0.5, 0.4, 0.6, 1)) == (
        f"0.50 times as fast as {BASELINE} (95 % interval 0.40 to 0.60, 1 block)"
    )
    assert times(Estimate(0.5, 0.0, math.inf, 2)).endswith("(no interval from 2 blocks)")


@pytest.mark.parametrize(
    ("speedup", "said"), [(9.99, "9.99"), (10.0, "10.0"), (99.9, "99.9"), (100.0, "100"), (1234.5, "1234")]
)
def test_as_many_digits_as_mean_something(speedup: float, said: str) -> None:
    """Two decimals below ten, one below a hundred, none from there on."""
    assert number(speedup) == said
