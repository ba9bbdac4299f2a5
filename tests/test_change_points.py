"""Change points and trends of made-up numbers: what is found, how often, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from loader_gate.history.change_points import alike_in, detect, without_outliers
from loader_gate.history.detection_rates import NOISES, autocorrelated, measure_rates
from loader_gate.history.steps import ERROR, error_of_each


@pytest.mark.parametrize("noise", [*NOISES])
def test_how_often_steps_and_drift_are_found(noise: str) -> None:
    """Where there are none at most 5 % of series each; a step of 10 % in 5 % of noise at least 90 %.

    Lasting noise hides more. The command ``trial`` shows the same for as many series as one likes.
    """
    none = measure_rates(60, seed=1, kinds=[(noise, "no change")])[0]
    assert none.steps <= 3
    assert none.drift <= 3
    if noise == "white":
        slower = measure_rates(30, seed=1, kinds=[(noise, "10 % slower")])[0]
        assert slower.steps >= 27
        drift = measure_rates(10, seed=1, kinds=[(noise, "0.3 % a run")])[0]
        assert drift.drift >= 7


def test_a_history_of_many_series_has_one_error() -> None:
    """Of 24 histories of 17 series in lasting noise at most one has a step, and one a drift."""
    none = measure_rates(24, 17, seed=0, kinds=[("AR(1) 0.5", "no change")])[0]
    assert none.steps <= 1
    assert none.drift <= 1


@pytest.mark.parametrize("autocorrelation", [0.0, 0.3, 0.6])
def test_series_tell_of_each_other(autocorrelation: float) -> None:
    """A dozen tell how long noise lasts, though some have a step; a few, or short ones, do not."""
    rng = np.random.default_rng(0)
    steps = [0.3 * (number % 2) * (np.arange(60) >= 40) for number in range(12)]
    series = [tuple((autocorrelated(autocorrelation)(rng) - step).tolist()) for step in steps]
    found = alike_in(series)
    assert found is not None
    assert abs(found.autocorrelation - autocorrelation) < 0.1
    # As if they were three: they share the baseline's noise.
    assert 0.13 < found.spread < 0.2
    assert alike_in(series[:4]) is None
    assert alike_in([each[:19] for each in series]) is None


def test_flat_series_tell_nothing() -> None:
    """As the baseline's of itself."""
    rng = np.random.default_rng(0)
    series = [tuple(autocorrelated(0.6)(rng).tolist()) for _ in range(5)]
    assert alike_in([*series, (0.0,) * 60, (0.7,) * 60]) == alike_in(series)
    assert alike_in([(0.0,) * 60] * 5) is None


def test_more_unlike_series_tell_less() -> None:
    """Where some are of lasting noise and others are not, one may be far from all of them together."""
    rng = np.random.default_rng(0)
    unlike = [autocorrelated(each)(rng) for each in (0.0, 0.8) * 6]
    found = alike_in([tuple(each.tolist()) for each in unlike])
    assert found is not None
    assert found.spread > 0.25


def test_noise_that_series_share() -> None:
    """Of 12 histories whose 17 series have half of their lasting noise in common, at most one has a step."""
    rng, lasts, histories = np.random.default_rng(0), autocorrelated(0.5), 0
    for _ in range(12):
        baseline = lasts(rng)
        series = [tuple(((baseline + lasts(rng)) / 2**0.5).tolist()) for _ in range(17)]
        alike = alike_in(series)
        histories += any(detect(each, error_of_each(17), alike=alike)[0] for each in series)
    assert histories <= 1


@pytest.mark.parametrize("places", [(0,), (59,), (30,), (0, 2), (56, 58), (55, 57, 58), (1, 2, 4, 7)])
def test_bad_runs_are_pulled_in(places: tuple[int, ...]) -> None:
    """To what their neighbours are: the first and the last ones too, four of nine at most; others stay."""
    numbers = np.random.default_rng(1).normal(0, 0.04, 60)
    bad = np.isin(np.arange(60), places)
    found = without_outliers(numbers - 0.5 * bad)
    assert found.min() > -0.3
    assert (found[~bad] != numbers[~bad]).sum() <= 2


@pytest.mark.parametrize("place", [0, 30, 59])
def test_one_bad_run_is_no_step(place: int) -> None:
    """Nor a drift."""
    numbers = np.random.default_rng(1).normal(0, 0.04, 60)
    numbers[place] -= 0.5
    assert detect(tuple(numbers.tolist()), ERROR) == ((), None)


@pytest.mark.parametrize("runs", [10, 12, 15, 20, 24, 25])
def test_a_short_series_has_steps_too(runs: int) -> None:
    """A halved speedup, as soon as there are five runs on either side."""
    numbers = np.random.default_rng(1).normal(0, 0.05, runs)
    numbers[runs // 2 :] -= 0.7
    (step,), _ = detect(tuple(numbers.tolist()), ERROR)
    assert step.index == runs // 2


def test_stairs_are_steps_and_no_drift() -> None:
    """Three steps down in clear noise, each in its place."""
    numbers = np.random.default_rng(0).normal(0, 0.02, 60)
    for place in (15, 30, 45):
        numbers[place:] -= 0.1
    steps, drift = detect(tuple(numbers.tolist()), ERROR)
    assert [step.index for step in steps] == [15, 30, 45]
    assert drift is None


def test_a_slowdown_that_was_mended() -> None:
    """Down and up again: two steps, neither hides the other."""
    numbers = np.random.default_rng(0).normal(0, 0.03, 60)
    numbers[25:35] -= 0.12
    steps, drift = detect(tuple(numbers.tolist()), ERROR)
    assert [step.index for step in steps] == [25, 35]
    assert drift is None


def test_the_same_seed_finds_the_same() -> None:
    """And what is found does not depend on what was looked at before."""
    numbers = tuple(np.random.default_rng(3).normal(0, 0.05, 60).tolist())
    assert detect.__wrapped__(numbers, ERROR) == detect.__wrapped__(numbers, ERROR)


@pytest.mark.parametrize(("size", "place"), [(0.02, 15), (0.5, 28)])
def test_small_steps_and_short_ones(size: float, place: int) -> None:
    """Less than 3 % is nobody's concern, and two runs are no level yet."""
    numbers = np.random.default_rng(0).normal(0, 0.002, 30)
    numbers[place:] -= size
    assert detect(tuple(numbers.tolist()), ERROR) == ((), None)


def test_a_long_series() -> None:
    """Of more points than are looked at one by one."""
    numbers = np.random.default_rng(0).normal(0, 0.03, 800)
    numbers[333:] -= 0.1
    steps, _ = detect(tuple(numbers.tolist()), ERROR)
    assert [abs(step.index - 333) <= 2 for step in steps] == [True]


@pytest.mark.parametrize("numbers", [(), (1.0,), (1.0,) * 40, (0.0, 1.0) * 4, (0.0,) * 20 + (1.0,) * 20])
def test_series_without_noise(numbers: tuple[float, ...]) -> None:
    """Nothing to divide by, or hardly anything: only the step that is there."""
    assert [step.index for step in detect(numbers, ERROR)[0]] == (
        [20] if len(set(numbers[18:22])) == 2 else []
    )
