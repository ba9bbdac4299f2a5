"""How likely noise alone explains a series as well as a model does: a permutation test for correlated noise.

Runs that follow each other resemble each other, so the series' own points must not be permuted. What a model
leaves of the series is taken for a first-order autoregression, AR(1), whose innovations are independent. They
are permuted, series without any change are made of them, and the same model is fitted to each. The p-value is
the share of made-up series that the model explains at least as well as the real one.

How much neighbours resemble each other is not known for certain from a few dozen points, and where too
little is assumed, noise that lasts passes for a change. So series of the same sessions tell of each other,
and each made-up series has an autocorrelation of its own, drawn from what it may be (Meng, "Posterior
predictive p-values", 1994).

Drawing stops early where the answer is clear, after Besag and Clifford, "Sequential Monte Carlo p-values"
(1991). The smaller the error is, the more series are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

#: After so many draws in all it is looked whether the answer is clear; then after three times as many, again
#: and again.
_LOOKS = (39, 199)
#: Drawing stops where so many made-up series, for each form of the model, are explained as well.
_MANY_HITS = 6
#: The first points of a made-up autoregression are thrown away, until it has forgotten where it began.
_BURN_IN = 20
#: More of it is taken for a change of level.
_MOST_AUTOCORRELATION = 0.9


@dataclass(frozen=True)
class Fit:
    """A model with one form or more (one change point, or two), fitted to many series at once, a row each.

    Attributes:
        statistic: What it explains / what is noise, as sums of squares, a column for each form of the model.
        autocorrelation: The lag-1 autocorrelation of the residuals.
        uncertainty: The standard error of that.
        residuals: What it leaves of the series.
        places: Where its change points are, an array for each form of it; none if it has none.
    """

    statistic: Array
    autocorrelation: Array
    uncertainty: Array
    residuals: Array
    places: tuple[NDArray[np.int64], ...] = ()


@dataclass(frozen=True)
class Alike:
    """How much neighbours resemble each other in a group of series.

    Attributes:
        autocorrelation: Their mean lag-1 autocorrelation.
        spread: The standard deviation of another series' from it.
    """

    autocorrelation: float
    spread: float


def permutation_test(
    series: Array,
    model: Callable[[Array], Fit],
    seed: Sequence[int],
    error: float,
    alike: Alike | None = None,
) -> tuple[Array, Fit]:
    """Return the p-value of each form of a model, and its fit to the series, beside its group.

    Args:
        series: The series.
        model: Fits the model to series, a row each.
        seed: Of what is drawn.
        error: With what the smallest p-value, times the number of forms, is going to be compared.
        alike: What is known of the group of the series, if it is of one.
    """
    fit = _beside(model(series[None]), alike)
    clarity, autocorrelation = _clarity(fit), float(fit.autocorrelation[0])
    innovations = fit.residuals[0, 1:] - autocorrelation * fit.residuals[0, :-1]
    innovations -= innovations.mean()
    rng, hits, drawn = np.random.default_rng(seed), np.zeros(fit.statistic.shape[1]), 0
    p_values: Array = np.ones(fit.statistic.shape[1])
    for number in _looks(error):
        rows = number - drawn
        before = innovations[rng.integers(0, len(innovations), (rows, _BURN_IN + 1))]
        permuted = rng.permuted(np.tile(innovations, (rows, 1)), axis=1)
        made = np.concatenate([before, permuted], axis=1)
        each = np.clip(rng.normal(autocorrelation, fit.uncertainty[0], rows), 0.0, _MOST_AUTOCORRELATION)
        for place in range(1, made.shape[1]):
            made[:, place] += each * made[:, place - 1]
        hits += (_clarity(_beside(model(made[:, _BURN_IN:]), alike)) >= clarity).sum(axis=0)
        drawn = number
        p_values = (hits + 1) / (drawn + 1)
        clearly_none = p_values.min() * len(p_values) > max(_MANY_HITS / (drawn + 1), error)
        if clearly_none or (hits.min() == 0 and p_values.min() * len(p_values) <= error):
            break
    return p_values, fit


def _beside(fit: Fit, alike: Alike | None) -> Fit:
    """Return a fit whose autocorrelation is what the row and its group tell together."""
    if alike is None:
        return fit
    own, others = fit.uncertainty**-2, alike.spread**-2
    told = (own * fit.autocorrelation + others * alike.autocorrelation) / (own + others)
    return replace(fit, autocorrelation=told, uncertainty=(own + others) ** -0.5)


def _clarity(fit: Fit) -> Array:
    """Return how clear each form of a model is in each row."""
    return np.asarray(fit.statistic / variance_inflation(fit.autocorrelation)[:, None])


def _looks(error: float) -> Iterator[int]:
    """Return how many series are drawn in all before each look, until a p-value near the error is known."""
    yield from _LOOKS
    number = _LOOKS[-1]
    while number + 1 < _MANY_HITS / error:
        number = 3 * (number + 1) - 1
        yield number


def autocorrelation_of(residuals: Array, bias: float, lost: float) -> tuple[Array, Array]:
    """Return the lag-1 autocorrelation of each row, from 0 to 0.9, and its standard error.

    Residuals of a fitted model resemble their neighbours less than the noise did that they came from
    (Marriott and Pope, Kendall, both 1954): in n points by about (bias + lost times the autocorrelation) / n.
    The standard error is Bartlett's, of 1946.

    Args:
        residuals: The rows.
        bias: What the model costs: the more parameters it has, the more.
        lost: How many points it costs.
    """
    points = residuals.shape[1]
    together = (residuals[:, 1:] * residuals[:, :-1]).sum(axis=1)
    found = together / positive((residuals**2).sum(axis=1))
    left = max(points - lost, 1.0)
    unbiased = np.clip((found * points + bias) / left, 0.0, _MOST_AUTOCORRELATION)
    return unbiased, np.sqrt((1 - unbiased**2) * points) / left


def variance_inflation(autocorrelation: Any) -> Any:
    """Return how many times larger the variance of a mean is than if the noise were independent."""
    return (1 + autocorrelation) / (1 - autocorrelation)


def positive(sums: Any) -> Any:
    """Return sums of squares that may be divided by: a series without any noise has none."""
    return np.maximum(sums, 1e-300)
