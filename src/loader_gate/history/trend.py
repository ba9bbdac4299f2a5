"""The linear trend of a series whose noise may be autocorrelated: a straight line, and a permutation test."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from loader_gate.history.permutation_test import (
    Alike,
    Fit,
    autocorrelation_of,
    permutation_test,
    positive,
    variance_inflation,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

#: The fewest points that a trend is looked for in.
FEWEST_POINTS = 30
#: What fitting a line adds to the bias of the residuals' autocorrelation, and how many points it costs.
_BIAS, _LOST = 3.0, 5.0


@dataclass(frozen=True)
class Trend:
    """A linear trend.

    Attributes:
        first: Index of its first number.
        last: Index of its last one.
        rise: Of the line, from the first to the last.
        half_width: Half of the 95 % interval of that.
        p_value: The chance of a slope as clear as this in a series without one.
    """

    first: int
    last: int
    rise: float
    half_width: float
    p_value: float


def find_trend(
    series: Array, start: int, smallest: float, error: float, seed: int, alike: Alike | None = None
) -> Trend | None:
    """Return the linear trend of a series from a place on; None if there is none.

    Args:
        series: The series.
        start: The place.
        smallest: A smaller rise is none.
        error: The largest p-value of a trend.
        seed: Of what is drawn.
        alike: What is known of the group of the series, if it is of one.
    """
    from scipy.stats import t

    window = series[start:]
    if len(window) < FEWEST_POINTS:
        return None
    p_values, fit = permutation_test(window, fit_line, (seed, start), error, alike)
    rise = float((window - fit.residuals[0])[-1] - (window - fit.residuals[0])[0])
    if p_values[0] > error or abs(rise) < smallest:
        return None
    freedom = len(window) - 2
    inflation = variance_inflation(float(fit.autocorrelation[0]))
    half = float(t.ppf(0.975, freedom)) * abs(rise) * math.sqrt(inflation / fit.statistic[0, 0] / freedom)
    return Trend(start, len(series) - 1, rise, half, float(p_values[0]))


def fit_line(many: Array) -> Fit:
    """Fit a straight line to each row."""
    points = many.shape[1]
    moments = np.arange(points) - (points - 1) / 2
    level = many - many.mean(axis=1, keepdims=True)
    slope = level @ moments / (moments @ moments)
    residuals = level - slope[:, None] * moments
    autocorrelation, uncertainty = autocorrelation_of(residuals, _BIAS, _LOST)
    statistic = slope**2 * (moments @ moments) / positive((residuals**2).sum(axis=1))
    return Fit(statistic[:, None], autocorrelation, uncertainty, residuals)
