"""The speedup and its interval, on made-up timings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.gate import judge
from benchmarks.statistics import (
    ERROR,
    FEWEST_WARMUP_PASSES,
    LOOKS,
    MOST_WARMUP_PASSES,
    Estimate,
    block_log_ratio,
    control_estimate,
    epochs_per_pass,
    estimate,
    next_look,
    spent_at,
    steady,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Noise = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]

SD = 0.08
SESSIONS = 4000


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return what the t-interval is made for."""
    return rng.normal(0, SD, shape)


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return Student's t with 3 degrees of freedom: now and then a pass is far off."""
    return rng.standard_t(3, shape) * (SD / math.sqrt(3))


def skewed(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return delays only: a pass can be much slower than usual and never much faster."""
    return rng.exponential(SD, shape)


def drifting(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return an AR(1) series: a slow pass is followed by slow ones, across the blocks of a session."""
    persistence = 0.7
    series = rng.normal(0, SD, shape)
    for index in range(1, shape[1]):
        series[:, index] *= math.sqrt(1 - persistence**2)
        series[:, index] += persistence * series[:, index - 1]
    return series


def sessions(noise: Noise, speedup: float, seed: int = 7) -> NDArray[np.float64]:
    """Return the block log-ratios of many sessions of A B B A passes: a row a session, of full length."""
    passes = noise(np.random.default_rng(seed), (SESSIONS, 4 * LOOKS[-1])).reshape(SESSIONS, LOOKS[-1], 4)
    ratios: NDArray[np.float64] = passes[:, :, (0, 3)].mean(axis=2) - passes[:, :, (1, 2)].mean(axis=2)
    return ratios + math.log(speedup)


def final_status(log_ratios: NDArray[np.float64], floor: float) -> str:
    """Return the status that a session with these log-ratios ends with, by the code that real ones use."""
    for look in LOOKS:
        verdict = judge(estimate(log_ratios[:look].tolist()), floor, budget_spent=look == LOOKS[-1])
        if verdict is not None:
            return verdict.status
    raise AssertionError("the last look gave no verdict")


@pytest.mark.parametrize("noise", [normal, heavy_tailed, skewed, drifting])
def test_all_looks_together_rarely_decide_at_the_floor(noise: Noise) -> None:
    """A variant exactly at its floor is neither passed nor failed in 95 % of sessions, whatever the noise."""
    decided = [final_status(row, floor=2.0) for row in sessions(noise, speedup=2.0)]
    assert decided.count("undecided") >= (1 - ERROR) * SESSIONS


@pytest.mark.parametrize("noise", [normal, heavy_tailed, skewed, drifting])
@pytest.mark.parametrize(("speedup", "status"), [(1.8, "fail"), (2.2, "pass")])
def test_ten_percent_from_the_floor_is_decided(noise: Noise, speedup: float, status: str) -> None:
    """The looks have the power to tell 10 % apart, nearly always the right way."""
    decided = [final_status(row, floor=2.0) for row in sessions(noise, speedup)[:300]]
    assert decided.count(status) >= 0.97 * len(decided)


def test_naive_peeking_would_fail_the_coverage_test() -> None:
    """The simulation is able to see a bad rule: the usual 95 % interval at every look misses too often."""
    from scipy.special import stdtrit

    rows = sessions(normal, speedup=1.0)
    missed = np.zeros(SESSIONS, dtype=bool)
    for look in LOOKS:
        seen = rows[:, :look]
        half = stdtrit(look - 1, 0.975) * seen.std(axis=1, ddof=1) / math.sqrt(look)
        missed |= np.abs(seen.mean(axis=1)) > half
    assert missed.mean() > 2 * ERROR


def test_shares_add_up_to_the_error() -> None:
    """The union bound holds: looks together spend the error and no more."""
    assert math.fsum(spent_at(look) for look in LOOKS) == pytest.approx(ERROR)
    assert all(spent_at(look) > 0 for look in LOOKS)


def test_no_share_between_looks() -> None:
    """Only a look has a share of the error."""
    with pytest.raises(ValueError, match="5 blocks is not a look"):
        spent_at(5)


def test_next_look() -> None:
    """A look is its own next look; after the last there is none."""
    assert next_look(0) == LOOKS[0]
    assert next_look(LOOKS[0]) == LOOKS[0]
    assert next_look(LOOKS[0] + 1) == LOOKS[1]
    assert next_look(LOOKS[-1] + 1) is None


def test_block_log_ratio_is_baseline_over_variant() -> None:
    """Half the seconds is twice the speed; the passes of a side are averaged on the log scale."""
    assert block_log_ratio([4.0, 1.0], [1.0, 1.0]) == pytest.approx(math.log(2))


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_seconds_are_named(bad: float) -> None:
    """A broken clock is an error that says which pass it was."""
    with pytest.raises(ValueError, match="variant pass 1 took"):
        block_log_ratio([1.0, 1.0], [1.0, bad])
    with pytest.raises(ValueError, match="baseline pass 0 took"):
        block_log_ratio([bad], [1.0])


def test_a_side_without_passes_is_an_error() -> None:
    """A block that lost its passes gives no ratio."""
    with pytest.raises(ValueError, match="no variant passes"):
        block_log_ratio([1.0], [])


def test_interval_by_hand() -> None:
    """Four blocks against the formula, with the t quantile at the first look's share."""
    from scipy.stats import t

    ratios = [0.1, 0.2, 0.3, 0.4]
    half = float(t.ppf(1 - spent_at(4) / 2, 3)) * float(np.std(ratios, ddof=1)) / 2
    found = estimate(ratios)
    assert found.blocks == 4
    assert found.speedup == pytest.approx(math.exp(0.25))
    assert found.low == pytest.approx(math.exp(0.25 - half))
    assert found.high == pytest.approx(math.exp(0.25 + half))
    assert found.half_width == pytest.approx(math.exp(half) - 1)


def test_between_looks_the_next_share_counts() -> None:
    """At 5 blocks the interval is the one of 6 blocks' share: one to show, not one to decide by."""
    from scipy.stats import t

    ratios = [0.0, 0.1, 0.0, 0.1, 0.0]
    half = float(t.ppf(1 - spent_at(6) / 2, 4)) * float(np.std(ratios, ddof=1)) / math.sqrt(5)
    assert estimate(ratios).high == pytest.approx(math.exp(0.04 + half))


def test_one_block_has_no_interval() -> None:
    """One block says something about the speedup and nothing about how sure it is."""
    assert estimate([0.0]) == Estimate(1.0, 0.0, math.inf, 1)
    assert estimate([0.0]).half_width == math.inf


def test_zero_variance() -> None:
    """Blocks that agree exactly have an interval without width."""
    assert estimate([0.0] * 4) == Estimate(1.0, 1.0, 1.0, 4)


def test_wild_blocks_are_unbounded() -> None:
    """Two blocks that contradict each other overflow to infinity, not to an error."""
    found = estimate([-5.0, 5.0])
    assert found.low == 0.0
    assert found.high == math.inf
    assert found.half_width == math.inf


def test_no_blocks_and_bad_ratios_are_errors() -> None:
    """There is no speedup of nothing."""
    with pytest.raises(ValueError, match="at least one log-ratio"):
        estimate([])
    with pytest.raises(ValueError, match="block 1 is nan"):
        estimate([0.0, math.nan])


def test_control_estimate() -> None:
    """A baseline that gets slower within each block shows as a ratio below 1."""
    assert control_estimate([1.0] * 4, [1.0] * 4).speedup == 1.0
    assert control_estimate([1.0] * 4, [1.25] * 4).speedup == pytest.approx(0.8)
    with pytest.raises(ValueError, match="2 first passes and 1 last"):
        control_estimate([1.0, 1.0], [1.0])


@pytest.mark.parametrize(
    ("passes", "expected"),
    [
        ([], False),
        ([1.0], False),
        ([5.0, 1.0], False),
        ([5.0, 1.0, 0.95], True),
        ([5.0, 1.0, 0.8], False),
        ([1.0, 1.3], True),
        ([2.0 * 0.8**index for index in range(MOST_WARMUP_PASSES)], True),
        ([2.0 * 0.8**index for index in range(MOST_WARMUP_PASSES - 1)], False),
    ],
)
def test_steady(passes: list[float], expected: bool) -> None:
    """Warm-up ends when a pass is no longer a clear gain, never before two passes and always after six."""
    assert steady(passes) is expected
    assert FEWEST_WARMUP_PASSES <= MOST_WARMUP_PASSES


def test_steady_refuses_impossible_seconds() -> None:
    """A broken clock shows during warm-up already."""
    with pytest.raises(ValueError, match="warm-up pass 1"):
        steady([1.0, 0.0])


@pytest.mark.parametrize(
    ("seconds", "epochs"), [(1.0, 1), (0.25, 1), (0.2, 2), (0.1, 3), (0.01, 25), (1e-4, 64), (5e-324, 64)]
)
def test_epochs_per_pass(seconds: float, epochs: int) -> None:
    """A pass lasts as long as asked for, within the bound on epochs."""
    assert epochs_per_pass(seconds) == epochs


def test_epochs_per_pass_refuses_impossible_seconds() -> None:
    """An epoch takes time."""
    with pytest.raises(ValueError, match="epoch pass 0"):
        epochs_per_pass(0.0)
