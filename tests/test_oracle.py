"""Confidence sequences against implementations that are not ours: a published package, and integrals by hand.

Of a mixture over normal effects, closed forms are in the code. Here is what they are closed forms of.
"""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
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

EXACTLY = 1e-6
ERRORS = (ERROR, failing_error(1), failing_error(62))


def noisy(count: int, seed: int) -> list[float]:
    """Return log-ratios of which some are far off."""
    chance = random.Random(seed)  # noqa: S311 (noise, no secret)
    return [chance.gauss(0.02, 0.05) * (5 if chance.random() < 0.1 else 1) for _ in range(count)]


def scores_against(log_ratios: list[float], ratio: float) -> tuple[float, float]:
    """Return the sum of the scores against a ratio, and that of their squares."""
    scores = scores_of(np.asarray(log_ratios), math.log(ratio), middle(log_ratios)[1])
    return float(scores.sum()), float(np.square(scores).sum())


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("count", [60, 120, 300])
def test_a_change_has_the_interval_of_a_published_package(count: int, error: float) -> None:
    """At either end the scores add up to just what the package has for the boundary of a normal mixture."""
    log_ratios = noisy(count, count)
    found = robust_estimate_at_any_look(log_ratios, error)
    assert 0 < found.low < found.ratio < found.high < math.inf
    for end, sign in ((found.low, 1), (found.high, -1)):
        total, squares = scores_against(log_ratios, end)
        boundary = float(normal_mixture(squares, error, SCORES_MIXED_OVER))
        # Ends are solved for within a millionth of the distance at which data are clipped, and each datum
        # moves the sum by as much.
        assert sign * total == pytest.approx(boundary, abs=EXACTLY * count)
    # The same, with the interval solved for by the package's boundary in the place of ours.
    for end, inward in ((found.low, 1), (found.high, -1)):
        step = inward * 4 * EXACTLY * middle(log_ratios)[1]
        outside, inside = (scores_against(log_ratios, end * math.exp(way * step)) for way in (-1, 1))
        assert abs(outside[0]) > float(normal_mixture(outside[1], error, SCORES_MIXED_OVER))
        assert abs(inside[0]) < float(normal_mixture(inside[1], error, SCORES_MIXED_OVER))


@pytest.mark.parametrize("ratio", [0.97, 1.0, 1.02, 1.1])
def test_the_evidence_of_a_change_is_a_mixture(ratio: float) -> None:
    """Of exp(effect x sum - effect squared x squares / 2) over normal effects, integrated numerically."""
    earlier, now = noisy(80, 1), noisy(60, 2)
    total, squares = scores_against(earlier, ratio)
    prior = stats.norm(scale=1 / math.sqrt(SCORES_MIXED_OVER))
    peak = total / (squares + SCORES_MIXED_OVER)
    reach = 12 / math.sqrt(squares + SCORES_MIXED_OVER)
    mixed, _ = quad(
        lambda effect: math.exp(effect * total - effect**2 * squares / 2) * prior.pdf(effect),
        peak - reach,
        peak + reach,
        epsabs=0,
        epsrel=1e-10,
    )
    boundary = float(normal_mixture(squares, min(0.999999, 1 / mixed), SCORES_MIXED_OVER))
    if mixed > 1:
        assert boundary == pytest.approx(abs(total), rel=EXACTLY)
    # Independent sessions multiply: the end of both is where the product of their mixtures is 1 / error.
    both = robust_estimate_at_any_look(now, ERROR, earlier=[earlier])
    for end in (both.low, both.high):
        evidence = 0.0
        for each in (earlier, now):
            total, squares = scores_against(each, end)
            peak = total / (squares + SCORES_MIXED_OVER)
            found, _ = quad(
                lambda effect, total=total, squares=squares: (
                    math.exp(effect * total - effect**2 * squares / 2) * prior.pdf(effect)
                ),
                peak - reach,
                peak + reach,
                epsabs=0,
                epsrel=1e-10,
            )
            evidence += math.log(found)
        assert evidence == pytest.approx(math.log(1 / ERROR), abs=100 * EXACTLY)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("count", [12, 20, 60, 150])
def test_a_speedup_has_the_bound_of_the_mixed_t_test(count: int, error: float) -> None:
    """At the bound, noncentral t densities over normal effects outweigh the central one 1 / error times."""
    bound = t_bound(error, count)
    prior = stats.norm(scale=1 / math.sqrt(MIXED_OVER))
    central = float(stats.t.pdf(bound, count - 1))

    def weighed(effect: float) -> float:
        return float(stats.nct.pdf(bound, count - 1, effect * math.sqrt(count)) * prior.pdf(effect))

    peak = bound / math.sqrt(count)
    mixed = sum(
        quad(weighed, low, high, epsabs=0, epsrel=1e-9, limit=200)[0]
        for low, high in ((-4.0, 0.0), (0.0, peak), (peak, peak + 6.0))
    )
    assert mixed / central == pytest.approx(1 / error, rel=EXACTLY)
