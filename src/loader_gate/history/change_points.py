"""Change points and linear trend of a series of numbers whose noise may be autocorrelated.

Change-point detection is binary segmentation (Vostrikova 1981). A window, at first the whole series, is
searched for the best one and the best two change points, as two opposite ones can hide each other (Olshen
and others, "Circular binary segmentation", 2004). The search is that of ruptures, exact for steps in the
mean. A permutation test says whether what was found is more than noise. Each part of a window that has change
points is a window of its own. In the end all change points are placed anew together, and those are dropped
that are not significant beside the others, or too small to matter.

A linear trend looks like a staircase, and a staircase like a trend. Whichever explains the series better is
returned, never both for the same part of it.

Series that are searched together share one error: ``error`` is what is left of it for each.

``python -m loader_gate.history trial`` shows how often this is right.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
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
from loader_gate.history.trend import Trend, find_trend, fit_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

#: The fewest points between two change points.
FEWEST_A_SIDE = 5
#: The smallest change that is returned, on the log scale: 3 %. A smaller one is nobody's concern.
SMALLEST_CHANGE = math.log(1.03)
#: The largest p-value of a change point that stays, once all others are known.
FINAL_ERROR = 0.05

#: The Hampel filter, which pulls outliers in: to so many standard deviations from the median of so many
#: neighbours.
_OUTLIER = 3.0
_NEIGHBOURS = 9
#: A standard deviation is so many times the median absolute deviation of normal noise.
_OF_NORMAL_NOISE = 1.4826
#: The median of only nine neighbours follows them a little, which makes distances from it too small.
#: They are multiplied by this.
_OF_FEW_NEIGHBOURS = 1.1
#: What each change point of a model adds to the bias of the residuals' autocorrelation, and how many points
#: it costs: of made-up noise, whose change points are placed where they fit best.
_BIAS, _LOST = 2.8, 5.0
#: Noise is what is left with one change point for so many points, and at most so many: a window may have more
#: change points than are being tested, and these must not count as noise.
_POINTS_A_STEP = 15
_MOST_STEPS_IN_NOISE = 6
#: Of series that are alike, those of so many points tell how much neighbours resemble each other; one may
#: differ from all of them together by such a standard deviation at least.
_SHORTEST_ALIKE, _LEAST_UNLIKE = 20, 0.1
#: Fewer series tell nothing of each other. Their noise is not their own alone, as half of a speedup's is the
#: baseline's, which is the same for all: this is the correlation of what two of them tell.
_FEWEST_ALIKE, _SHARED = 5, 0.25
#: Two change points at once are looked for in windows of so many times the fewest points between two: in
#: shorter ones, noise is what a single one leaves, and what two explain would count as some.
_PARTS_FOR_TWO = 5
#: A window of more points is searched with its neighbours averaged.
_MOST_POINTS = 250
#: The 95 % confidence set of a change point holds every place whose likelihood-ratio statistic against the
#: best place is below this: the solution of (1 - exp(-x / 2))² = 0.95 (Hansen, "Sample splitting and
#: threshold estimation", Econometrica 2000).
_LIKELIHOOD_RATIO = 7.35
#: Penalties in the choice between change points and a line, in units of twice the log-likelihood. A change
#: point costs more than a line: it is placed where it fits best, so it explains a good deal even of a trend.
_PENALTY_OF_A_STEP = 6.0
_PENALTY_OF_A_LINE = 4.0


@dataclass(frozen=True)
class ChangePoint:
    """A change of level.

    Attributes:
        index: Of the first number at the new level.
        earliest: The first index of its 95 % confidence set.
        latest: The last one.
        before: The level before.
        after: The level after.
        half_width: Half of the 95 % interval of after - before.
        p_value: The chance of a change as clear as this in a series without one.
    """

    index: int
    earliest: int
    latest: int
    before: float
    after: float
    half_width: float
    p_value: float


@functools.lru_cache(maxsize=1024)
def detect(
    numbers: tuple[float, ...], error: float, seed: int = 0, alike: Alike | None = None
) -> tuple[tuple[ChangePoint, ...], Trend | None]:
    """Return the change points of a series, and its trend: since the last change point, if there is any.

    Args:
        numbers: The series, on the log scale.
        error: The chance that a window without any change point is said to have one, or one without a trend.
        seed: Of what is drawn.
        alike: How much neighbours resemble each other in the series that this one is one of, if it is.
    """
    if is_too_short(numbers) or is_flat(numbers):
        return (), None
    series = without_outliers(np.asarray(numbers))
    places = _segment(series, 0, len(series), error, seed, alike)
    found = _significant_together(series, places, error, seed, alike)
    trend = find_trend(series, 0, SMALLEST_CHANGE, error, seed, alike)
    if not found:
        return (), trend
    if trend is not None and _is_line(series, [each.index for each in found]):
        return (), trend
    return found, find_trend(series, found[-1].index, SMALLEST_CHANGE, error, seed, alike)


def alike_in(many: Iterable[tuple[float, ...]]) -> Alike | None:
    """Return how much neighbours resemble each other in series of the same sessions; None of a few.

    A bad week is one for all of them, so that each tells of the others. It is a random-effects model
    (DerSimonian and Laird, "Meta-analysis in clinical trials", 1986).

    Args:
        many: The series, on the log scale; flat ones, as of the baseline, have no noise to tell of.
    """
    found = []
    for numbers in many:
        if _SHORTEST_ALIKE <= len(numbers) <= _MOST_POINTS and not is_flat(numbers):
            series = without_outliers(np.asarray(numbers))
            fit = _fit_steps(series[None], (1, 2), FEWEST_A_SIDE)
            found.append((fit.autocorrelation[0], fit.uncertainty[0]))
    if len(found) < _FEWEST_ALIKE:
        return None
    values, errors = np.array(found).T
    within = float((errors**2).mean())
    between = max(float(values.var(ddof=1)) - within, _LEAST_UNLIKE**2)
    # So many that shared nothing would tell as much.
    apart = len(values) / (1 + (len(values) - 1) * _SHARED)
    return Alike(float(values.mean()), math.sqrt(between + (between + within) / apart))


def is_flat(numbers: Sequence[float]) -> bool:
    """Return whether nothing in a series can be a change of level."""
    return max(numbers) - min(numbers) < SMALLEST_CHANGE


def is_too_short(numbers: Sequence[float]) -> bool:
    """Return whether a series has no room for a change point."""
    return len(numbers) < 2 * FEWEST_A_SIDE


def without_outliers(series: Array) -> Array:
    """Return a series whose outliers are pulled in: one bad run is no change, and hides none."""
    if len(series) < _NEIGHBOURS:
        return series
    medians = np.median(np.lib.stride_tricks.sliding_window_view(series, _NEIGHBOURS), axis=1)
    # At the ends of a series its first and its last neighbours are all: none may count more than once.
    middle = np.pad(medians, _NEIGHBOURS // 2, mode="edge")
    deviation = float(np.median(np.abs(series - middle)))
    spread = _OUTLIER * _OF_FEW_NEIGHBOURS * _OF_NORMAL_NOISE * deviation
    return np.clip(series, middle - spread, middle + spread) if spread > 0 else series


def _segment(series: Array, start: int, end: int, error: float, seed: int, alike: Alike | None) -> list[int]:
    """Return the change points between two places."""
    window = series[start:end]
    if len(window) < 2 * FEWEST_A_SIDE:
        return []
    p_values, fit, group = _tested(series, start, end, 2, error, seed, alike)
    skipped = len(window) % group
    # Bonferroni: as many chances to be misled as there are forms.
    best = int(p_values.argmin())
    if p_values[best] * len(p_values) > error:
        return []
    edges = [start, *(start + skipped + group * place for place in fit.places[best][0].tolist()), end]
    found = []
    for left, right in pairwise(edges):
        found += [*_segment(series, left, right, error, seed, alike), right]
    return found[:-1]


def _tested(
    series: Array, start: int, end: int, most: int, error: float, seed: int, alike: Alike | None
) -> tuple[Array, Fit, int]:
    """Return how likely noise alone is explained as well by one change point in a window, and by two.

    Args:
        series: The series.
        start: Where the window begins.
        end: Where it ends.
        most: The most change points to try, 1 or 2; a short window has room for one.
        error: As in `detect`.
        seed: As in `detect`.
        alike: As in `detect`.

    Returns:
        The p-values, the fit, and how many points each point of it is the mean of.
    """
    averaged, group = _averaged(series[start:end])
    fewest = max(2, math.ceil(FEWEST_A_SIDE / group))
    forms = (1, 2) if most == 2 and len(averaged) >= _PARTS_FOR_TWO * fewest else (1,)
    model = functools.partial(_fit_steps, forms=forms, fewest=fewest)
    # Means resemble their neighbours less than single points do.
    known = alike if group == 1 else None
    return *permutation_test(averaged, model, (seed, start, end), error, known), group


def _averaged(window: Array) -> tuple[Array, int]:
    """Return a window in no more than `_MOST_POINTS` points, and how many of its own each is the mean of."""
    group = math.ceil(len(window) / _MOST_POINTS)
    return window[len(window) % group :].reshape(-1, group).mean(axis=1), group


def _significant_together(
    series: Array, found: Sequence[int], error: float, seed: int, alike: Alike | None
) -> tuple[ChangePoint, ...]:
    """Return the change points, placed together, that are significant and large enough beside each other."""
    places = [*found]
    while places:
        (places,) = _best_places(series, [len(places)], FEWEST_A_SIDE)
        edges = [0, *places, len(series)]
        steps = [
            _change_point(series, *around, error, seed, alike)
            for around in zip(edges, edges[1:], edges[2:], strict=False)
        ]
        worst = max(steps, key=lambda step: (abs(step.after - step.before) < SMALLEST_CHANGE, step.p_value))
        if abs(worst.after - worst.before) >= SMALLEST_CHANGE and worst.p_value <= FINAL_ERROR:
            return tuple(steps)
        places.remove(worst.index)
    return ()


def _change_point(
    series: Array, start: int, place: int, end: int, error: float, seed: int, alike: Alike | None
) -> ChangePoint:
    """Return the change point at a place between its neighbours."""
    from scipy.stats import t

    window, left = series[start:end], place - start
    p_values, fit, group = _tested(series, start, end, 1, error, seed, alike)
    residuals = _residuals(window[None], np.array([[left]]))
    autocorrelation = fit.autocorrelation if group == 1 else autocorrelation_of(residuals, _BIAS, _LOST)[0]
    inflation = variance_inflation(float(autocorrelation[0]))
    variance = float((residuals**2).sum()) / (len(window) - 2) * inflation
    right = len(window) - left
    half = float(t.ppf(0.975, len(window) - 2)) * math.sqrt(variance * (1 / left + 1 / right))
    earliest, latest = _confidence_set(window, left, variance)
    return ChangePoint(
        index=place,
        earliest=start + earliest,
        latest=start + latest,
        before=float(window[:left].mean()),
        after=float(window[left:].mean()),
        half_width=half,
        p_value=float(p_values[0]),
    )


def _confidence_set(window: Array, place: int, variance: float) -> tuple[int, int]:
    """Return the first and the last place that the change point of a window may have."""
    sizes = np.arange(1, len(window))
    sums = np.cumsum(window - window.mean())[:-1]
    explained = sums**2 * len(window) / (sizes * sizes[::-1])
    likely = np.flatnonzero(explained[place - 1] - explained <= _LIKELIHOOD_RATIO * variance) + 1
    return min(place, int(likely[0])), max(place, int(likely[-1]))


def _best_places(series: Array, numbers: Sequence[int], fewest: int) -> list[list[int]]:
    """Return, for each number of change points, their best places.

    Args:
        series: The series.
        numbers: How many change points.
        fewest: The fewest points between two of them.
    """
    from ruptures import KernelCPD

    search = KernelCPD(kernel="linear", min_size=fewest).fit(series)
    search.predict(n_bkps=max(numbers))  # finds those of fewer change points on its way, and keeps them
    return [[int(place) for place in search.predict(n_bkps=steps)[:-1]] for steps in numbers]


def _fit_steps(many: Array, forms: Sequence[int], fewest: int) -> Fit:
    """Fit change points to each row, in as many numbers as there are forms."""
    more = min(max(forms[-1], many.shape[1] // _POINTS_A_STEP), _MOST_STEPS_IN_NOISE)
    found = [_best_places(row, (*forms, more), fewest) for row in many]
    places = tuple(map(np.array, zip(*found, strict=True)))
    *left, noise = [_residuals(many, each) for each in places]
    autocorrelation, uncertainty = autocorrelation_of(noise, _BIAS * more, _LOST * more)
    rest = positive((noise**2).sum(axis=1))
    whole = ((many - many.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    statistic = np.stack([(whole - (each**2).sum(axis=1)) / rest for each in left], axis=1)
    return Fit(statistic, autocorrelation, uncertainty, noise, places[:-1])


def _residuals(many: Array, places: NDArray[np.int64]) -> Array:
    """Return what is left of each row without the mean of each of its parts."""
    rows, points = many.shape
    ends = np.ones((rows, 1), np.int64)
    edges = np.concatenate([0 * ends, places, points * ends], axis=1)
    sums = np.concatenate([np.zeros((rows, 1)), np.cumsum(many, axis=1)], axis=1)
    means = np.diff(np.take_along_axis(sums, edges, axis=1), axis=1) / np.diff(edges, axis=1)
    part = (np.arange(points)[None, :, None] >= places[:, None, :]).sum(axis=2)
    return np.asarray(many - np.take_along_axis(means, part, axis=1))


def _is_line(series: Array, places: Sequence[int]) -> bool:
    """Return whether a line explains a series better than its change points do: by penalised likelihood."""
    line = fit_line(series[None])
    residuals = _residuals(series[None], np.array([places]))
    of_steps, _ = autocorrelation_of(residuals, _BIAS * len(places), _LOST * len(places))
    autocorrelation = min(float(line.autocorrelation[0]), float(of_steps[0]))
    effective_points = len(series) / float(variance_inflation(autocorrelation))
    more = effective_points * math.log(_sum_of_squares(line.residuals) / _sum_of_squares(residuals))
    return more + _PENALTY_OF_A_LINE < _PENALTY_OF_A_STEP * len(places)


def _sum_of_squares(residuals: Array) -> float:
    return float(positive((residuals**2).sum()))
