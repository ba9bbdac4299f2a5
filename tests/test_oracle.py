"""Confidence sequences against implementations that are not ours: a published package, and an integral."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from ville import BettingTest
from ville.evalues import combine

from loader_gate.statistics.sequences import (
    BETS,
    ERROR,
    MIXED_OVER,
    evidence,
    middle,
    robust_estimate_at_any_look,
    scores_of,
    t_bound,
)
from loader_gate.statistics.session_error import failing_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACTLY = 1e-6
#: As exactly as ends of intervals are solved for.
ENDS = 1e-4
ERRORS = (ERROR, failing_error(1), failing_error(62))


def noisy(count: int, seed: int) -> list[float]:
    """Return log-ratios of which some are far off."""
    chance = random.Random(seed)  # noqa: S311 (noise, no secret)
    return [chance.gauss(0.02, 0.05) * (5 if chance.random() < 0.1 else 1) for _ in range(count)]


def won_by_package(scores: NDArray[np.float64]) -> float:
    """Return what our bets on scores win, by a betting test for the mean of bounded data.

    As exp(b s) / cosh(b s) is 1 + tanh(b s), it is all that one has, on tanh(b s) being 0 on average.
    """
    wins = []
    for bet in BETS:
        # With hardly any error it bets as much as it may, always.
        test = BettingTest(0.5, alternative="greater", alpha=1e-300, c=1.0)
        test.fit((1 + np.tanh(bet * scores)) / 2)
        wins.append(float(test.e_values_[-1]))
    return float(combine(wins))


def scores_of_blocks(log_ratios: list[float], log_ratio: float) -> NDArray[np.float64]:
    """Return the mean scores of blocks of two log-ratios against a ratio."""
    scores = scores_of(np.asarray(log_ratios), log_ratio, middle(log_ratios)[1])
    means: NDArray[np.float64] = scores.reshape(-1, 2).mean(axis=1)
    return means


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("count", [60, 120, 200])
def test_a_change_has_the_evidence_of_a_published_package(count: int, error: float) -> None:
    """At either end of the interval its bets have won just 2 / error."""
    log_ratios = noisy(count, count)
    found = robust_estimate_at_any_look(log_ratios, error, 2)
    for end, side in ((found.low, 1), (found.high, -1)):
        scores = side * scores_of_blocks(log_ratios, math.log(end))
        assert math.exp(evidence(scores)) == pytest.approx(won_by_package(scores), rel=EXACTLY)
        assert won_by_package(scores) == pytest.approx(2 / error, rel=ENDS)


@pytest.mark.parametrize("error", ERRORS)
def test_the_evidence_of_sessions_multiplies(error: float) -> None:
    """The interval of several ends where the product of what is won in each is 2 / error."""
    sessions = noisy(80, 1), noisy(60, 2)
    both = robust_estimate_at_any_look(sessions[1], error, 2, earlier=[sessions[0]])
    for end, side in ((both.low, 1), (both.high, -1)):
        wins = [won_by_package(side * scores_of_blocks(each, math.log(end))) for each in sessions]
        assert float(combine(wins, "product")) == pytest.approx(2 / error, rel=ENDS)


def t_evidence(statistic: float, count: int) -> float:
    """Return how much likelier a t statistic is under effects that are normal than under none.

    A mixture of SciPy's noncentral t densities, by Gauss and Legendre's rule: they are smooth.
    """
    nodes, weights = np.polynomial.legendre.leggauss(400)
    low, high = -3.0, statistic / math.sqrt(count) + 6.0
    effects = low + (high - low) * (nodes + 1) / 2
    densities = stats.nct.pdf(statistic, count - 1, effects * math.sqrt(count))
    prior = stats.norm.pdf(effects, scale=1 / math.sqrt(MIXED_OVER))
    mixed = (high - low) / 2 * np.sum(weights * densities * prior)
    return float(mixed / stats.t.pdf(statistic, count - 1))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("count", [20, 60, 150])
def test_a_speedup_has_the_bound_of_the_mixed_t_test(count: int, error: float) -> None:
    """At the bound, noncentral t densities over normal effects outweigh the central one 1 / error times."""
    assert t_evidence(t_bound(error, count), count) == pytest.approx(1 / error, rel=EXACTLY)


def test_a_speedup_of_few_blocks_has_no_bound() -> None:
    """Where no t statistic outweighs the central density so often, there is none."""
    assert t_bound(ERROR, 6) == math.inf
    assert t_evidence(200.0, 6) < 1 / ERROR
