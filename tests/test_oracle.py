"""Confidence sequences against implementations that are not ours: a published package, and integrals by hand.

Of a mixture over normal effects, closed forms are in the code. Here is what they are closed forms of.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq
from ville import normal_mixture

from loader_gate.statistics.sequences import (
    ERROR,
    MIXED_OVER,
    SCORES_MIXED_OVER,
    middle,
    robust_estimate_at_any_look,
    scores_of,
    t_bound,
)
from loader_gate.statistics.session_error import failing_error

if TYPE_CHECKING:
    from collections.abc import Callable

EXACTLY = 1e-6
ERRORS = (ERROR, failing_error(1), failing_error(62))


def noisy(count: int, seed: int) -> list[float]:
    """Return log-ratios of which some are far off."""
    chance = random.Random(seed)  # noqa: S311 (noise, no secret)
    return [chance.gauss(0.02, 0.05) * (5 if chance.random() < 0.1 else 1) for _ in range(count)]


def scores_against(log_ratios: list[float], log_ratio: float) -> tuple[float, float]:
    """Return the sum of the scores against a ratio, and that of their squares."""
    scores = scores_of(np.asarray(log_ratios), log_ratio, middle(log_ratios)[1])
    return float(scores.sum()), float(np.square(scores).sum())


def ends(excess: Callable[[float], float], ratio: float) -> tuple[float, float]:
    """Return where an excess over what chance allows begins, below a ratio and above it."""
    low, high = (brentq(excess, math.log(ratio), math.log(ratio) + reach, xtol=1e-12) for reach in (-1, 1))
    return math.exp(low), math.exp(high)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("count", [60, 120, 300])
def test_a_change_has_the_interval_of_a_published_package(count: int, error: float) -> None:
    """At either end the scores add up to just what the package has for the boundary of a normal mixture."""
    log_ratios = noisy(count, count)

    def excess(log_ratio: float) -> float:
        total, squares = scores_against(log_ratios, log_ratio)
        return abs(total) - float(normal_mixture(squares, error, SCORES_MIXED_OVER))

    found = robust_estimate_at_any_look(log_ratios, error)
    assert (found.low, found.high) == pytest.approx(ends(excess, found.ratio), abs=EXACTLY)


def normal_evidence(total: float, squares: float) -> float:
    """Return exp(effect x total - effect squared x squares / 2) as a mean over normal effects, integrated."""
    precision = squares + SCORES_MIXED_OVER
    peak, reach = total / precision, 12 / math.sqrt(precision)
    prior = stats.norm(scale=1 / math.sqrt(SCORES_MIXED_OVER))

    def weighed(effect: float) -> float:
        return float(math.exp(effect * total - effect**2 * squares / 2) * prior.pdf(effect))

    return float(quad(weighed, peak - reach, peak + reach, epsabs=0, epsrel=1e-10)[0])


@pytest.mark.parametrize("ratio", [0.9, 0.97, 1.1, 1.2])
def test_the_package_and_the_integral_agree(ratio: float) -> None:
    """Where the mixture's evidence is 1 / error, the package has the boundary of that error."""
    total, squares = scores_against(noisy(80, 1), math.log(ratio))
    evidence = normal_evidence(total, squares)
    assert evidence > 1
    boundary = float(normal_mixture(squares, 1 / evidence, SCORES_MIXED_OVER))
    assert boundary == pytest.approx(abs(total), rel=EXACTLY)


@pytest.mark.parametrize("error", ERRORS)
def test_the_evidence_of_sessions_multiplies(error: float) -> None:
    """The interval of several ends where the product of their integrals is 1 / error."""
    sessions = noisy(80, 1), noisy(60, 2)

    def excess(log_ratio: float) -> float:
        evidence = math.prod(normal_evidence(*scores_against(each, log_ratio)) for each in sessions)
        return math.log(evidence) + math.log(error)

    both = robust_estimate_at_any_look(sessions[1], error, earlier=[sessions[0]])
    assert (both.low, both.high) == pytest.approx(ends(excess, both.ratio), abs=EXACTLY)


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
