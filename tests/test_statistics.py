"""The speedup and its interval, on made-up timings."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING

import numpy as np
import pytest

from loader_gate.statistics.blocks import (
    BLOCKS_CLIPPED_AT,
    DEVIATION_WEIGHT,
    MOST_RESEMBLANCE,
    RESEMBLANCE_WEIGHT,
    USUAL_DEVIATION,
    USUAL_RESEMBLANCE,
    block_estimate,
    block_estimate_at_any_look,
    middle_of_blocks,
    resemblance,
)
from loader_gate.statistics.control import read_control
from loader_gate.statistics.counts import (
    FEWEST_BLOCKS,
    FEWEST_TO_LOOK_EARLY,
    FEWEST_WARMUP_PASSES,
    MOST_BLOCKS,
    MOST_WARMUP_PASSES,
    epochs_in_rounds,
    epochs_per_pass,
    planned_blocks,
    steady,
)
from loader_gate.statistics.estimate import (
    TO_DEVIATION,
    Estimate,
    estimate,
    log_ratios,
    pair_log_ratios,
)
from loader_gate.statistics.sequences import (
    BETS,
    CLIPPED_AT,
    ERROR,
    LEAST_DEVIATION,
    MIXED_OVER,
    MOST_STEPS,
    ROOT_TOLERANCE,
    middle,
    robust_estimate_at_any_look,
    t_bound,
)
from loader_gate.statistics.session_error import failing_error, times_as_wide
from loader_gate.verdict.change import RESOLUTION, judge_change
from loader_gate.verdict.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Noise = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]

#: Of what it takes to fail, in a session of two comparisons.
FAILING_ERROR = failing_error(2)
SD = 0.08
SESSIONS = 2000
PLANNED = 40


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


def two_speeds(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return passes that are either fast or slow, such as of memory that is fresh or has been used before."""
    return rng.integers(0, 2, shape) * (2 * SD) + rng.normal(0, SD / 20, shape)


NOISES = [normal, heavy_tailed, skewed, drifting, two_speeds]
#: By how much what is computed of all sessions at once may be off.
ROUNDING = 1e-4


def sessions(noise: Noise, ratio: float, seed: int = 7) -> NDArray[np.float64]:
    """Return log-ratios of neighbouring passes, A B B A: a row a session of full length, two a block."""
    passes = noise(np.random.default_rng(seed), (SESSIONS, 4 * PLANNED)).reshape(SESSIONS, PLANNED, 4)
    pairs: NDArray[np.float64] = np.stack(
        [passes[:, :, 0] - passes[:, :, 1], passes[:, :, 3] - passes[:, :, 2]], axis=2
    )
    return pairs.reshape(SESSIONS, 2 * PLANNED) + math.log(ratio)


def blocks_of(pairs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each block's two log-ratios, which is the datum of a speedup."""
    means: NDArray[np.float64] = pairs.reshape(*pairs.shape[:-1], -1, 2).mean(axis=-1)
    return means


def log_ends(rows: NDArray[np.float64], error: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the logs of the ends of `block_estimate_at_any_look`, of all sessions at once, by the formula.

    Both have a row a session and a column a look, the first after `FEWEST_BLOCKS`.
    """
    ends = []
    for count in range(FEWEST_BLOCKS, rows.shape[1] + 1):
        seen = rows[:, :count]
        centre = np.median(seen, axis=1, keepdims=True)
        spread = np.median(np.abs(seen - centre), axis=1, keepdims=True)
        bound = np.maximum(BLOCKS_CLIPPED_AT * TO_DEVIATION * spread, USUAL_DEVIATION)
        for _ in range(MOST_STEPS):
            scores = np.clip((seen - centre) / bound, -1, 1)
            unclipped = (np.abs(scores) < 1).sum(axis=1, keepdims=True)
            total = scores.sum(axis=1, keepdims=True)
            if np.abs(total).max() < ROOT_TOLERANCE:
                break
            centre = centre + bound * total / np.maximum(unclipped, 1)
        most = np.array([math.inf, math.inf, *(t_bound(error, data) for data in range(2, count + 1))])
        squares = np.square(scores).sum(axis=1, keepdims=True)
        variance = np.square(bound * count / unclipped) * squares / (count - 1)
        usual = (count * variance + DEVIATION_WEIGHT * USUAL_DEVIATION**2) / (count + DEVIATION_WEIGHT)
        own = (scores[:, 1:] * scores[:, :-1]).sum(axis=1, keepdims=True) / squares
        weighted = (count * own + RESEMBLANCE_WEIGHT * USUAL_RESEMBLANCE) / (count + RESEMBLANCE_WEIGHT)
        alike = np.clip(weighted, 0, MOST_RESEMBLANCE)
        alone = count * (1 - alike) / (1 + alike)
        half = most[unclipped] * np.sqrt(np.maximum(variance, usual) / alone)
        ends.append((centre - half, centre + half))
    lows, highs = zip(*ends, strict=True)
    return np.hstack(lows), np.hstack(highs)


def final_statuses(pairs: NDArray[np.float64], floor: float) -> list[str]:
    """Return the status that each session with these log-ratios ends with, decided as real ones are."""
    rows, log_floor = blocks_of(pairs), math.log(floor)
    lows, highs = log_ends(rows, ERROR)[0], log_ends(rows, FAILING_ERROR)[1]
    # All other looks but the last decide nothing.
    telling = (lows > log_floor - ROUNDING) | (highs < log_floor + ROUNDING)
    telling[:, -1] = True
    return [
        _status(row, (np.flatnonzero(looks) + FEWEST_BLOCKS).tolist(), floor)
        for row, looks in zip(rows.tolist(), telling, strict=True)
    ]


def _status(ratios: list[float], looks: list[int], floor: float) -> str:
    for blocks in looks:
        last = blocks == len(ratios)
        verdict = judge(block_estimate_at_any_look(ratios[:blocks], ERROR), floor, last)
        if verdict is not None and verdict.status == "fail":
            verdict = judge(block_estimate_at_any_look(ratios[:blocks], FAILING_ERROR), floor, last)
        if verdict is not None:
            return verdict.status
    raise AssertionError("the last look gave no verdict")


def beyond(rows: NDArray[np.float64], log_ratio: float, error: float) -> NDArray[np.bool_]:
    """Return whether `beyond_chance` says so, or nearly."""
    found: NDArray[np.bool_] = beyond_chance(rows, log_ratio, error) > -ROUNDING
    return found


def final_outcomes(pairs: NDArray[np.float64], tolerance: float = 0.03) -> list[str]:
    """Return the outcome that each comparison with these log-ratios ends with, by its two intervals alone."""
    most, resolved = math.log(1 + tolerance), math.log(1 + tolerance + RESOLUTION)
    looks = range(FEWEST_BLOCKS, PLANNED + 1)
    telling = np.ones((len(pairs), len(looks)), dtype=bool)
    for column, blocks in enumerate(looks[:-1]):  # all other looks but the last decide nothing
        seen = pairs[:, : 2 * blocks]

        telling[:, column] = (
            beyond(seen, most, FAILING_ERROR)
            | beyond(-seen, most, FAILING_ERROR)
            | (beyond(seen, -resolved, ERROR) & beyond(-seen, -resolved, ERROR))
        )
    return [
        _outcome(row, (np.flatnonzero(some) + FEWEST_BLOCKS).tolist(), tolerance)
        for row, some in zip(pairs.tolist(), telling, strict=True)
    ]


def _outcome(ratios: list[float], looks: list[int], tolerance: float) -> str:
    for blocks in looks:
        seen, last = ratios[: 2 * blocks], 2 * blocks == len(ratios)
        found, surely = (robust_estimate_at_any_look(seen, error, 2) for error in (ERROR, FAILING_ERROR))
        change = judge_change(found, surely, tolerance, last)
        if change is not None:
            return change.outcome
    raise AssertionError("the last look gave no outcome")


def share_missed(rows: NDArray[np.float64], error: float) -> float:
    """Return the share of sessions in which any interval of any look misses a ratio of 1."""
    lows, highs = log_ends(rows, error)
    return float(((lows > 0) | (highs < 0)).any(axis=1).mean())


def share_missed_by_scores(rows: NDArray[np.float64], error: float, per_block: int = 2) -> float:
    """Return the same of robust estimates."""
    missed = np.zeros(len(rows), dtype=bool)
    for count in range(2, rows.shape[1] + 1, 2):
        for side in (rows[:, :count], -rows[:, :count]):
            missed |= beyond_chance(side, 0.0, error, per_block) > 0
    return float(missed.mean())


def beyond_chance(
    rows: NDArray[np.float64], log_ratio: float, error: float, per_block: int = 2
) -> NDArray[np.float64]:
    """Return by how much the evidence of each session that the ratio is larger is more than chance allows.

    By the formula: bets on the mean scores of blocks of two, each of which wins exp(b s) / cosh(b s).
    """
    deviations = np.abs(rows - np.median(rows, axis=1, keepdims=True))
    bound = CLIPPED_AT * TO_DEVIATION * np.median(deviations, axis=1, keepdims=True)
    scores = np.clip((rows - log_ratio) / bound, -1, 1).reshape(len(rows), -1, per_block).mean(axis=2)
    won = [np.exp(bet * scores) / np.cosh(bet * scores) for bet in BETS]
    evidence: NDArray[np.float64] = np.log(np.mean([np.prod(each, axis=1) for each in won], axis=0))
    return evidence - math.log(2 / error)


@pytest.mark.parametrize("noise", NOISES)
def test_processes_that_differ_are_in_the_interval(noise: Noise) -> None:
    """What one process has over the other is in both log-ratios of a block: they are one datum, not two."""
    between = np.random.default_rng(8).normal(0, 2 * SD, (SESSIONS, PLANNED)).repeat(2, axis=1)
    rows = sessions(noise, ratio=1.0) + between
    assert (
        share_missed_by_scores(rows, ERROR) <= ERROR < 1.4 * ERROR <= share_missed_by_scores(rows, ERROR, 1)
    )


@pytest.mark.parametrize("noise", NOISES)
def test_all_sessions_at_once_have_the_intervals_of_each(noise: Noise) -> None:
    """What is simulated with is what sessions use."""
    rows = blocks_of(sessions(noise, ratio=1.2))[:5]
    ends = np.exp(log_ends(rows, ERROR))
    for row, lows, highs in zip(rows.tolist(), *ends, strict=True):
        looks = range(FEWEST_BLOCKS, PLANNED + 1)
        found = [block_estimate_at_any_look(row[:blocks], ERROR) for blocks in looks]
        assert [each.low for each in found] == pytest.approx(lows, rel=ROUNDING)
        assert [each.high for each in found] == pytest.approx(highs, rel=ROUNDING)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("error", [ERROR, FAILING_ERROR])
def test_no_interval_of_any_look_misses_but_with_its_error(noise: Noise, error: float) -> None:
    """However often a session looks: after every block, at a datum each of a speedup and two of a change."""
    pairs = sessions(noise, ratio=1.0)
    assert share_missed(blocks_of(pairs)[:500], error) <= error
    assert share_missed_by_scores(pairs, error) <= error


@pytest.mark.parametrize("noise", NOISES)
def test_all_looks_together_rarely_decide_at_the_floor(noise: Noise) -> None:
    """A variant exactly at its floor is passed in 2.5 % of sessions at most, and failed in far fewer."""
    decided = final_statuses(sessions(noise, ratio=2.0)[:500], floor=2.0)
    assert decided.count("pass") <= ERROR / 2 * len(decided)
    assert decided.count("fail") <= FAILING_ERROR * len(decided)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("speedup", "status"), [(1.8, "fail"), (2.2, "pass")])
def test_ten_percent_from_the_floor_is_decided(noise: Noise, speedup: float, status: str) -> None:
    """The looks have the power to tell 10 % apart, nearly always the right way."""
    decided = final_statuses(sessions(noise, speedup)[:300], floor=2.0)
    assert decided.count(status) >= 0.9 * len(decided)
    assert set(decided) <= {status, "undecided"}


@pytest.mark.parametrize("noise", NOISES)
def test_the_same_code_is_hardly_ever_a_regression(noise: Noise) -> None:
    """More rarely than the interval misses, as an estimate beyond the tolerance is needed too."""
    outcomes = final_outcomes(sessions(noise, ratio=1.0)[:200])
    assert outcomes.count("regression") + outcomes.count("improvement") <= 1


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize(("ratio", "outcome"), [(1.1, "regression"), (1 / 1.1, "improvement")])
def test_ten_percent_are_found(noise: Noise, ratio: float, outcome: str) -> None:
    """A slowdown of 10 % is found, and so is what is faster by as much, where noise is half as large."""
    outcomes = final_outcomes(sessions(noise, ratio**2)[:100] / 2)
    assert outcomes.count(outcome) >= 0.97 * len(outcomes)


def test_naive_peeking_would_fail_the_coverage_test() -> None:
    """The simulation is able to see a bad rule: the usual 95 % interval at every look misses too often."""
    from scipy.special import stdtrit

    rows = blocks_of(sessions(normal, ratio=1.0))
    missed = np.zeros(SESSIONS, dtype=bool)
    for look in range(FEWEST_BLOCKS, PLANNED + 1):
        seen = rows[:, :look]
        half = stdtrit(look - 1, 0.975) * seen.std(axis=1, ddof=1) / math.sqrt(look)
        missed |= np.abs(seen.mean(axis=1)) > half
    assert missed.mean() > 2 * ERROR


def test_the_bound_of_a_growing_sample_by_hand() -> None:
    """The mixture's likelihood ratio is 1 / error where the t statistic is at its bound."""
    count, shrinkage = 20, MIXED_OVER / (20 + MIXED_OVER)
    square = t_bound(0.02, count) ** 2 / (count - 1)
    likelihood = math.sqrt(shrinkage) * ((1 + square) / (1 + shrinkage * square)) ** (count / 2)
    assert likelihood == pytest.approx(1 / 0.02)


def test_a_bound_that_no_t_statistic_reaches_is_none() -> None:
    """Four blocks make an effect less than 2 sqrt(2) times as likely, however well they agree."""
    assert t_bound(0.25 / math.sqrt(0.5), 4) == math.inf
    assert t_bound(0.36, 4) < math.inf


def test_the_interval_of_blocks_by_hand() -> None:
    """Where nothing is clipped, it is the mean's, of as many blocks as would tell as much on their own."""
    ratios = [0.5, 0.7, 0.4, 0.6] * 5
    mean, count = 0.55, len(ratios)
    off = [ratio - mean for ratio in ratios]
    own = sum(one * other for one, other in pairwise(off)) / sum(each**2 for each in off)
    shared = max(0.0, (count * own + 50 * USUAL_RESEMBLANCE) / (count + 50))
    alone = count * (1 - shared) / (1 + shared)
    half = t_bound(0.02, count) * float(np.std(ratios, ddof=1)) / math.sqrt(alone)
    found = block_estimate_at_any_look(ratios, 0.02)
    expected = [mean - half, mean, mean + half]
    assert list(map(math.log, (found.low, found.ratio, found.high))) == pytest.approx(expected)
    assert found.blocks == count
    assert block_estimate(ratios, 0.02).half_width < found.half_width


@pytest.mark.parametrize("ratios", [[0.05, 0.07, 0.04, 0.06] * 5, [0.0, 0.1]])
@pytest.mark.parametrize(("is_long", "weight"), [(True, 0), (False, DEVIATION_WEIGHT)])
def test_one_look_at_blocks_by_hand(ratios: list[float], is_long: bool, weight: int) -> None:
    """Student's t; short blocks are no calmer than so many usual ones beside them allow, long ones are."""
    from scipy.stats import t

    mean, blocks = fmean(ratios), len(ratios)
    off = [ratio - mean for ratio in ratios]
    squares = sum(each**2 for each in off)
    own = sum(one * other for one, other in pairwise(off)) / squares
    shared = max(0.0, (blocks * own + 50 * USUAL_RESEMBLANCE) / (blocks + 50))
    alone = blocks * (1 - shared) / (1 + shared)
    variance = squares / (blocks - 1)
    usual = (blocks * variance + weight * USUAL_DEVIATION**2) / (blocks + weight)
    half = float(t.ppf(1 - 0.02 / 2, blocks - 1)) * math.sqrt(max(variance, usual) / alone)
    found = block_estimate(ratios, 0.02, is_long=is_long)
    expected = [mean - half, mean, mean + half]
    assert list(map(math.log, (found.low, found.ratio, found.high))) == pytest.approx(expected)
    assert found.blocks == blocks


def test_one_look_at_one_block() -> None:
    """It says something about the ratio and nothing about how sure it is."""
    assert block_estimate([0.1], ERROR) == Estimate(math.exp(0.1), 0.0, math.inf, 1)


@pytest.mark.parametrize("correlation", [0.0, 0.4])
def test_neighbours_that_resemble_each_other_tell_less(correlation: float) -> None:
    """How much they do is what was recorded, until many blocks tell otherwise."""
    rng = np.random.default_rng(2)
    few, many = (correlated(rng, (1, count), correlation)[0] for count in (4, 3000))
    assert resemblance(few - few.mean()) == pytest.approx(USUAL_RESEMBLANCE, abs=0.07)
    assert resemblance(many - many.mean()) == pytest.approx(correlation, abs=0.05)
    assert resemblance(np.zeros(4)) == pytest.approx(USUAL_RESEMBLANCE, abs=0.03)
    assert 0 < resemblance(np.array([1.0] * 500 + [-1.0] * 500)) < 0.9


def correlated(rng: np.random.Generator, shape: tuple[int, int], correlation: float) -> NDArray[np.float64]:
    """Return blocks whose neighbours are correlated by so much: an AR(1) series."""
    rows = rng.normal(0, SD, shape)
    for block in range(1, shape[1]):
        rows[:, block] *= math.sqrt(1 - correlation**2)
        rows[:, block] += correlation * rows[:, block - 1]
    return rows


def first_look(decides: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of the first look that decides, of each session; more than any if none does."""
    found: NDArray[np.int64] = np.where(decides.any(axis=1), decides.argmax(axis=1), decides.shape[1])
    return found


def test_few_decide_at_the_floor_though_neighbours_are_correlated() -> None:
    """By 0.3, in sessions of 60 blocks: 2.5 % pass at most, but for chance, and hardly one fails."""
    rows = correlated(np.random.default_rng(4), (400, 60), 0.3)
    first_pass = first_look(log_ends(rows, ERROR)[0] >= 0)
    first_fail = first_look(log_ends(rows, FAILING_ERROR)[1] < 0)
    passed = int((first_pass < first_fail).sum())
    failed = int((first_fail < first_pass).sum())
    assert passed <= 0.04 * len(rows)
    assert failed <= 0.01 * len(rows)


def doubled(
    rng: np.random.Generator, shape: tuple[int, int], baseline: float, variant: float
) -> NDArray[np.float64]:
    """Return log-ratios of blocks at a speedup of 1; some passes of either side take twice as long."""
    logs = [
        rng.normal(0, SD, (*shape, 2)) + (rng.random((*shape, 2)) < share) * math.log(2)
        for share in (baseline, variant)
    ]
    rows: NDArray[np.float64] = (logs[0] - logs[1]).mean(axis=2)
    return rows


@pytest.mark.parametrize(("baseline", "variant"), [(0.05, 0.0), (0.0, 0.05), (0.05, 0.05), (0.1, 0.1)])
def test_no_side_is_favoured_by_what_else_ran(baseline: float, variant: float) -> None:
    """Over 150 blocks the estimate is that of all blocks there are, and its interval keeps what it says."""
    truth = middle_of_blocks(doubled(np.random.default_rng(1), (1, 40_000), baseline, variant)[0].tolist())[0]
    rows = doubled(np.random.default_rng(2), (200, MOST_BLOCKS), baseline, variant).tolist()
    found = [block_estimate_at_any_look(row, ERROR) for row in rows]
    assert fmean(math.log(each.ratio) for each in found) == pytest.approx(truth, abs=0.003)
    assert sum(not each.low <= math.exp(truth) <= each.high for each in found) <= ERROR * len(found)
    if baseline == variant:
        assert truth == pytest.approx(0, abs=0.002)


def test_a_calm_that_may_not_last_is_not_believed() -> None:
    """A dozen blocks that agree do not make a narrow interval; ever more of them do."""
    widths = [block_estimate_at_any_look([0.0] * count, ERROR).half_width for count in (12, 50, 150)]
    assert widths[0] > 0.05 > widths[1] > 0.01 > widths[2]


def test_the_interval_of_scores_by_hand() -> None:
    """Its ends are where there is just more evidence than chance allows."""
    ratios = [0.1, 0.2, 0.3, 0.9] * 10
    found = robust_estimate_at_any_look(ratios, 0.02, 2)
    rows = np.array([ratios])
    assert beyond_chance(rows, math.log(found.low), 0.02) == pytest.approx(0, abs=1e-3)
    assert beyond_chance(-rows, -math.log(found.high), 0.02) == pytest.approx(0, abs=1e-3)
    centre, bound = middle(ratios)
    assert found.ratio == math.exp(centre)
    assert centre == pytest.approx(fmean(np.clip(ratios, centre - bound, centre + bound)))
    assert found.low < found.ratio < found.high
    assert found.blocks == 20
    assert isinstance(found.blocks, int)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 100.0])
def test_the_middle_by_hand(scale: float) -> None:
    """Three of seven are clipped, and what is within would sum up to one bound less; whatever the unit."""
    ratios = [-3.0, -1.0, 0.0, 1.4, 2.0, 50.0, 60.0]
    bound = CLIPPED_AT * TO_DEVIATION * 2.4
    centre = (-1.0 + 0.0 + 1.4 + 2.0 + bound) / 4
    found = middle([scale * ratio for ratio in ratios])
    assert found == pytest.approx((scale * centre, scale * bound), rel=1e-12)


def test_the_middle_of_what_agrees_but_for_one() -> None:
    """It is next to what they agree on, however far off the one is."""
    assert middle([0.0, 17.0, 17.0])[0] == pytest.approx(17.0, abs=1e-9)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 20.0])
def test_the_ratio_of_sessions_by_hand(scale: float) -> None:
    """A session that is half as noisy has four times the say, whatever the unit."""
    calm = [scale * each for each in (-0.1, 0.1)] * 10
    noisy = [scale * (0.04 + each) for each in (-0.2, 0.2)] * 10
    for sessions_in_order in ((calm, noisy), (noisy, calm)):
        last, earlier = sessions_in_order
        found = robust_estimate_at_any_look(last, ERROR, earlier=[earlier])
        assert math.log(found.ratio) == pytest.approx(scale * 0.04 / 5, rel=1e-4)
        assert found.low < found.ratio < found.high


def test_the_ratio_of_sessions_that_hardly_differ() -> None:
    """It is between them, exactly as a share of the distance at which passes that agree are clipped."""
    found = robust_estimate_at_any_look([0.0] * 20, ERROR, earlier=[[1e-12] * 20])
    assert math.log(found.ratio) == pytest.approx(0.5e-12, abs=2 * ROOT_TOLERANCE * LEAST_DEVIATION)


def test_a_robust_estimate_hardly_heeds_what_is_far_off() -> None:
    """However far: one pass of ten that stalls moves it by less than the others scatter."""
    ratios = [0.01, -0.01, 0.02, -0.02] * 5
    usual = robust_estimate_at_any_look(ratios, ERROR)
    stalled = [robust_estimate_at_any_look([*ratios, stall, stall], ERROR) for stall in (1.0, 100.0)]
    assert [stalled[0].low, stalled[0].high] == pytest.approx([stalled[1].low, stalled[1].high])
    assert usual.ratio < stalled[0].ratio < 1.02
    assert sum(middle([*ratios, 100.0])) < 0.1


def test_passes_that_agree_exactly() -> None:
    """Only made-up ones do: the interval has hardly any width, and the ratio is theirs."""
    found = robust_estimate_at_any_look([math.log(1.1)] * 20, FAILING_ERROR)
    assert [found.low, found.high] == pytest.approx([1.1, 1.1])


@pytest.mark.parametrize("error", [ERROR, FAILING_ERROR])
def test_the_ends_of_hardly_any_width_by_hand(error: float) -> None:
    """They are exact as a share of the width, not only of the ratio."""
    found = robust_estimate_at_any_look([0.0] * 40, error)
    for end in (-math.log(found.low), math.log(found.high)):
        assert most_won(end / LEAST_DEVIATION, 40) == pytest.approx(2 / error, rel=1e-4)


@pytest.mark.parametrize(
    ("estimator", "per_block"), [(block_estimate_at_any_look, 1), (robust_estimate_at_any_look, 2)]
)
def test_a_handful_is_not_enough_for_any_look(estimator: Callable[..., Estimate], per_block: int) -> None:
    """As it would have to hold for all looks to come; a stricter interval takes more."""
    fewest = [
        next(count for count in range(2, 50) if estimator([0.0] * count, error).low > 0)
        for error in (ERROR, FAILING_ERROR)
    ]
    assert fewest == sorted(fewest)
    assert fewest[0] > FEWEST_BLOCKS
    assert fewest[-1] < FEWEST_TO_LOOK_EARLY * per_block
    assert estimator([0.1] * (fewest[0] - 1), ERROR).high == math.inf


def most_won(score: float, blocks: int) -> float:
    """Return what the bets win if so many blocks have the same score, by the formula."""
    return fmean((1 + math.tanh(bet * score)) ** blocks for bet in BETS)


@pytest.mark.parametrize("error", [ERROR, FAILING_ERROR])
def test_the_fewest_that_are_enough_by_hand(error: float) -> None:
    """As many as win more than 2 / error if all are clipped on one side; what they are is known of fewer."""
    fewest = next(blocks for blocks in range(1, 50) if most_won(1, blocks) > 2 / error)
    assert robust_estimate_at_any_look([0.1] * fewest, error).low > 0
    too_few = robust_estimate_at_any_look([0.1] * (fewest - 1), error)
    assert too_few == Estimate(math.exp(0.1), 0.0, math.inf, fewest - 1)


@pytest.mark.parametrize(
    ("budget", "block", "planned"),
    [(60, 2.3, 26), (60, 0.01, MOST_BLOCKS), (1, 60, 1), (60, 5e-324, MOST_BLOCKS)],
)
def test_planned_blocks(budget: float, block: float, planned: int) -> None:
    """As many as the budget has room for, at least one and no more than enough."""
    assert planned_blocks(budget, block) == planned
    assert planned_blocks(budget, block, 7) == min(planned, 7)


def test_log_ratios() -> None:
    """Half the seconds is twice the speed; the passes of a block are averaged on the log scale."""
    sides = [8.0, 2.0, 3.0, 6.0], [1.0, 1.0, 3.0, 3.0]
    assert log_ratios(*sides) == pytest.approx([math.log(4), math.log(2) / 2])
    assert pair_log_ratios(*sides) == pytest.approx([math.log(8), math.log(2), 0, math.log(2)])


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_seconds_are_named(bad: float) -> None:
    """A broken clock is an error, on either side."""
    for sides in (([1.0, 1.0], [1.0, bad]), ([bad, 1.0], [1.0, 1.0])):
        with pytest.raises(ValueError, match=f"a pass took {bad} seconds"):
            log_ratios(*sides)
        with pytest.raises(ValueError, match=f"a pass took {bad} seconds"):
            pair_log_ratios(*sides)


@pytest.mark.parametrize("sides", [([1.0, 1.0], []), ([1.0], [1.0])])
def test_half_a_block_is_an_error(sides: tuple[list[float], list[float]]) -> None:
    """A block that lost its passes gives no ratio."""
    with pytest.raises(ValueError, match="expected two a block of each"):
        log_ratios(*sides)


def test_interval_by_hand() -> None:
    """Four blocks against the formula."""
    from scipy.stats import t

    ratios = [0.1, 0.2, 0.3, 0.4]
    half = float(t.ppf(1 - 0.01 / 2, 3)) * float(np.std(ratios, ddof=1)) / 2
    found = estimate(ratios, 0.01)
    assert found.blocks == 4
    assert found.ratio == pytest.approx(math.exp(0.25))
    assert found.low == pytest.approx(math.exp(0.25 - half))
    assert found.high == pytest.approx(math.exp(0.25 + half))
    assert found.half_width == pytest.approx(math.exp(half) - 1)


def test_two_blocks_by_hand() -> None:
    """They have an interval already: Student's t with one degree of freedom, which is Cauchy's."""
    found = estimate([0.0, 0.2], 0.05)
    half = math.tan(math.pi * (0.975 - 0.5)) * 0.1
    assert [math.log(found.low), math.log(found.high)] == pytest.approx([0.1 - half, 0.1 + half])


def test_one_block_has_no_interval() -> None:
    """One block says something about the speedup and nothing about how sure it is."""
    assert estimate([0.0], ERROR) == Estimate(1.0, 0.0, math.inf, 1)
    assert estimate([0.0], ERROR).half_width == math.inf


def test_zero_variance() -> None:
    """Blocks that agree exactly have an interval without width."""
    assert estimate([0.0] * 4, ERROR) == Estimate(1.0, 1.0, 1.0, 4)


def test_wild_blocks_are_unbounded() -> None:
    """Two blocks that contradict each other overflow to infinity, not to an error."""
    found = estimate([-5.0, 5.0], 1e-4)
    assert found.low == 0.0
    assert found.high == math.inf
    assert found.half_width == math.inf


def test_no_blocks_and_bad_ratios_are_errors() -> None:
    """There is no speedup of nothing."""
    with pytest.raises(
        ValueError, match=r"^no block to estimate a ratio from: expected at least one log-ratio$"
    ):
        estimate([], ERROR)
    with pytest.raises(ValueError, match="block 1 is nan"):
        estimate([0.0, math.nan], ERROR)
    with pytest.raises(ValueError, match="block 1 is nan"):
        block_estimate_at_any_look([0.0, math.nan], ERROR)
    with pytest.raises(ValueError, match="block 1 is nan"):
        robust_estimate_at_any_look([0.0, 0.0, 0.0, math.nan], ERROR, 2)


def baseline_passes(blocks: int, ratio: float = 1.0, noise: float = 0.05, seed: int = 3) -> list[float]:
    """Return a baseline's passes whose second ones take a multiple of the first ones."""
    rng = np.random.default_rng(seed)
    return [
        seconds * float(np.exp(rng.normal(0, noise))) for _ in range(blocks) for seconds in (1.0, 1.0 * ratio)
    ]


def test_a_quiet_control() -> None:
    """Noise alone moves nothing."""
    control = read_control([baseline_passes(30)])
    assert not control.moved
    assert control.most_bias == 1
    assert control.estimate.low < 1 < control.estimate.high


def test_a_machine_that_moves() -> None:
    """A baseline that gets slower within each block leaves 1, and says which way."""
    control = read_control([baseline_passes(30, ratio=1.25)])
    assert control.moved
    assert control.estimate.ratio == pytest.approx(0.8, rel=0.05)
    assert control.most_bias == pytest.approx(math.sqrt(1.25), rel=0.03)
    faster = read_control([baseline_passes(30, ratio=0.8)])
    assert faster.most_bias == pytest.approx(control.most_bias, rel=0.03)


def test_a_pass_beside_something_else_moves_no_machine() -> None:
    """One second pass that takes three times as long is not a machine that moves, nor left out."""
    passes = baseline_passes(12)
    passes[7] *= 3
    control, quiet = read_control([passes]), read_control([baseline_passes(12)])
    assert not control.moved
    assert control.estimate.ratio == pytest.approx(quiet.estimate.ratio, abs=0.02)
    assert control.estimate.blocks == 12


def test_the_control_hardly_ever_cries_wolf() -> None:
    """On a machine that only scatters, less than one session in a hundred is said to have moved."""
    rng = np.random.default_rng(5)
    rows = np.exp(rng.normal(0, SD, (500, 60)))
    assert sum(read_control([row.tolist()]).moved for row in rows) <= 5


def test_processes_that_move_together() -> None:
    """What one process does not show for certain, two of them may; and what is one's alone is no mood."""
    one, other, opposite = (baseline_passes(20, 1.08, seed=seed) for seed in (3, 4, 5))
    assert not read_control([one]).moved
    assert read_control([one, other]).moved
    assert not read_control([one, [1 / seconds for seconds in opposite]]).moved


@pytest.mark.parametrize(
    ("first", "blocks", "moved"),
    [(1.25, FEWEST_BLOCKS, True), (1.25, FEWEST_BLOCKS - 1, False), (1.0, FEWEST_BLOCKS, False)],
)
def test_passes_of_a_control_that_agree_exactly(first: float, blocks: int, moved: bool) -> None:
    """As many blocks as a verdict takes may show a move; an interval that is 1 alone shows none."""
    assert read_control([[first, 1.0] * blocks]).moved is moved


def test_half_a_control_is_an_error() -> None:
    """Two passes a block, and at least one block, of each process the same."""
    for passes in ([], [1.0, 1.0, 1.0]):
        with pytest.raises(ValueError, match="expected two a block"):
            read_control([passes])
    with pytest.raises(ValueError, match="longer"):
        read_control([[1.0] * 4, [1.0] * 6])


@pytest.mark.parametrize(
    ("passes", "expected"),
    [
        ([], False),
        ([1.0], False),
        ([5.0, 1.0], False),
        ([5.0, 1.0, 0.95], True),
        ([5.0, 1.0, 0.9], True),
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
    with pytest.raises(ValueError, match=r"a pass took 0\.0 seconds"):
        steady([1.0, 0.0])


@pytest.mark.parametrize(
    ("seconds", "epochs"), [(1.0, 1), (0.2, 1), (0.15, 2), (0.1, 2), (0.01, 25), (1e-4, 64), (5e-324, 64)]
)
def test_epochs_per_pass(seconds: float, epochs: int) -> None:
    """A pass lasts about as long as asked for, within the bound on epochs."""
    assert epochs_per_pass(seconds) == epochs


@pytest.mark.parametrize(
    ("seconds", "epochs"), [(1.0, (1, 1)), (0.15, (1, 2)), (0.08, (1, 3)), (0.01, (5, 5)), (5e-324, (64, 1))]
)
def test_epochs_in_rounds(seconds: float, epochs: tuple[int, int]) -> None:
    """A round lasts long enough to be timed, and together they last as long as a pass."""
    assert epochs_in_rounds(seconds) == epochs


def test_longer_passes_have_more_rounds() -> None:
    """Of as many epochs each."""
    assert epochs_in_rounds(0.01, 0.5) == (5, 10)


def test_epochs_per_pass_refuses_impossible_seconds() -> None:
    """An epoch takes time."""
    with pytest.raises(ValueError, match=r"a pass took 0\.0 seconds"):
        epochs_per_pass(0.0)


def test_a_wider_interval() -> None:
    """It is wider on the log scale, around the same ratio; what has no ends has none."""
    wider = Estimate(2.0, 1.0, 4.0, 5).widened(2)
    assert (wider.ratio, wider.blocks) == (2.0, 5)
    assert (wider.low, wider.high) == pytest.approx((0.5, 8.0))
    for times in (1e6, math.inf):
        assert Estimate(2.0, 1.0, 4.0, 5).widened(times) == Estimate(2.0, 0.0, math.inf, 5)
    for low, high in ((0.0, math.inf), (0.0, 4.0), (1.0, math.inf)):
        assert Estimate(2.0, low, high, 2).widened(3) == Estimate(2.0, low, high, 2)


def test_times_a_ratio() -> None:
    """All of it is multiplied, and comes from as many blocks."""
    assert Estimate(2.0, 1.5, 4.0, 5).times(3) == Estimate(6.0, 4.5, 12.0, 5)


@pytest.mark.parametrize("comparisons", [1, 2, 40])
def test_the_error_of_a_session_is_shared(comparisons: int) -> None:
    """One in two hundred fails, by one side of any interval; so these are wider than those of 95 %."""
    assert failing_error(comparisons) == pytest.approx(0.01 / comparisons)
    quantile = NormalDist().inv_cdf
    wider = quantile(1 - 0.005 / comparisons) / quantile(0.975)
    assert times_as_wide(comparisons) == pytest.approx(wider)
