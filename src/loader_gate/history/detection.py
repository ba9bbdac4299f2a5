"""Steps and drift in a series of numbers that may resemble their neighbours.

A step is looked for in a window, at first the whole series: ruptures finds the best one step and the best
two, and both are held against what the same search finds in series without any. Those have the window's own
noise in another order: what is left of it besides the steps is taken for a first-order autoregression, whose
innovations are permuted. So noise that lasts for several runs is not taken for a step. Where steps are found,
the parts between them are windows of their own. In the end all steps are placed anew together, and those are
dropped that are not clear beside the others, or small.

Drift is the slope of a straight line, tested in the same way. A slope always looks like steps, and stairs
like a slope: whichever explains the series better is reported, never both.

``python -m loader_gate.history trial`` shows how often this is right.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

#: Points on either side of a step, at least.
FEWEST_A_SIDE = 5
#: Points under a line, at least.
FEWEST_OF_DRIFT = 30
#: A smaller change is nobody's concern, however clear it is.
LEAST = math.log(1.03)
#: The chance of a step, or of drift, in a window without one.
ERROR = 0.01
#: Of a step that was found, once its neighbours are known too.
ERROR_IN_THE_END = 0.05

#: Series to compare with are drawn until the answer is clear: how many in all, and the p-value to stop above.
#: If none of so many is as clear as the series itself, that is an answer too.
_LOOKS = ((39, 0.15), (199, 0.03), (599, 0.0))
_ENOUGH = 199
#: The points of an autoregression that are thrown away.
_BURN_IN = 20
#: A point is pulled in to so many standard deviations from the median of its neighbours.
_OUTLIER = 3.0
_NEIGHBOURS = 9
#: What the first autocorrelation of residuals is too low by, times the points: of a line, and of each step.
_BIAS_OF_A_LINE = 3.0
_BIAS_OF_A_STEP = 3.5
#: Noise is what so many steps leave, one for so many points: steps that are not told yet are no noise.
_POINTS_A_STEP = 15
_MOST_STEPS_IN_NOISE = 6
#: What steps and a line have to explain more than each other, as log-likelihood ratios times 2: a step is
#: placed where it fits best, so it explains a good deal even of a slope.
_PRICE_OF_A_STEP = 6.0
_PRICE_OF_A_LINE = 4.0
#: A window of more points is searched with its neighbours averaged.
_MOST_POINTS = 250
#: Where a step may be: twice the log-likelihood ratio to the best place that 95 % of true places have at
#: most, the solution of (1 - exp(-x / 2))² = 0.95.
_PLACES = 7.35


@dataclass(frozen=True)
class FoundStep:
    """A change of level.

    Attributes:
        index: Of the first number that has it.
        earliest: The first number that may be the one.
        latest: The last one.
        before: The level before.
        after: The level after.
        half_width: Half of the 95 % interval of after - before.
        p_value: The chance of a step as clear as this in a series without one.
    """

    index: int
    earliest: int
    latest: int
    before: float
    after: float
    half_width: float
    p_value: float


@dataclass(frozen=True)
class FoundDrift:
    """A slope.

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


@dataclass(frozen=True)
class Fit:
    """One model, fitted to many series.

    Attributes:
        clear: How much it explains, as a share of what it leaves, a column for each form of it.
        persistence: The first autocorrelation of what it leaves.
        residuals: What it leaves.
        places: Where its steps are, an array for each form of it.
    """

    clear: Array
    persistence: Array
    residuals: Array
    places: tuple[NDArray[np.int64], ...] = ()


@functools.lru_cache(maxsize=1024)
def detect(numbers: tuple[float, ...], seed: int = 0) -> tuple[tuple[FoundStep, ...], FoundDrift | None]:
    """Return the steps of a series, and its drift: since the last step, if there is any.

    Args:
        numbers: The series.
        seed: Of what is drawn.
    """
    if len(numbers) < 2 * FEWEST_A_SIDE or max(numbers) - min(numbers) < LEAST:
        return (), None
    series = _without_outliers(np.asarray(numbers))
    steps = _settled(series, _split(series, 0, len(series), seed), seed)
    drift = _drift(series, 0, seed)
    if not steps:
        return (), drift
    if drift is not None and _is_line(series, [step.index for step in steps]):
        return (), drift
    return steps, _drift(series, steps[-1].index, seed)


def _without_outliers(series: Array) -> Array:
    """Return a series whose outliers are pulled in: one bad run is no step, and hides none."""
    from scipy.ndimage import median_filter

    if len(series) < _NEIGHBOURS:
        return series
    middle = median_filter(series, _NEIGHBOURS, mode="nearest")
    # The median of so few follows them: 1.1 makes up for that.
    spread = _OUTLIER * 1.1 * 1.4826 * float(np.median(np.abs(series - middle)))
    return np.clip(series, middle - spread, middle + spread) if spread > 0 else series


# Steps.


def _split(series: Array, start: int, end: int, seed: int) -> list[int]:
    """Return where the steps between two places are."""
    window = series[start:end]
    if len(window) < 2 * FEWEST_A_SIDE:
        return []
    group = math.ceil(len(window) / _MOST_POINTS)
    skipped = len(window) % group
    averaged = window[skipped:].reshape(-1, group).mean(axis=1)
    fewest = max(2, math.ceil(FEWEST_A_SIDE / group))
    forms = (1, 2) if len(averaged) >= 3 * fewest else (1,)
    model = functools.partial(_fit_steps, forms=forms, fewest=fewest)
    p_values, fit = _test(averaged, model, (seed, start, end))
    # As many chances to be misled as there are forms.
    best = int(p_values.argmin())
    if p_values[best] * len(forms) > ERROR:
        return []
    edges = [start, *(start + skipped + group * place for place in fit.places[best][0].tolist()), end]
    found = []
    for left, right in pairwise(edges):
        found += [*_split(series, left, right, seed), right]
    return found[:-1]


def _settled(series: Array, found: Sequence[int], seed: int) -> tuple[FoundStep, ...]:
    """Return steps that have been placed together, and that are clear and large enough beside each other."""
    places = [*found]
    while places:
        (places,) = _places(series, [len(places)], FEWEST_A_SIDE)
        edges = [0, *places, len(series)]
        steps = [_step(series, *around, seed) for around in zip(edges, edges[1:], edges[2:], strict=False)]
        worst = max(steps, key=lambda step: (abs(step.after - step.before) < LEAST, step.p_value))
        if abs(worst.after - worst.before) >= LEAST and worst.p_value <= ERROR_IN_THE_END:
            return tuple(steps)
        places.remove(worst.index)
    return ()


def _step(series: Array, start: int, place: int, end: int, seed: int) -> FoundStep:
    """Return the step at a place between its neighbours."""
    from scipy.stats import t

    window, left = series[start:end], place - start
    group = math.ceil(len(window) / _MOST_POINTS)
    averaged = window[len(window) % group :].reshape(-1, group).mean(axis=1)
    model = functools.partial(_fit_steps, forms=(1,), fewest=max(2, math.ceil(FEWEST_A_SIDE / group)))
    p_values, _ = _test(averaged, model, (seed, start, end))
    residuals = _left_by_steps(window[None], np.array([[left]]))
    variance = float((residuals**2).sum()) / (len(window) - 2)
    lasting = _lasting(float(_persistence(residuals, _BIAS_OF_A_STEP)[0]))
    right = len(window) - left
    half = float(t.ppf(0.975, len(window) - 2)) * math.sqrt(variance * lasting * (1 / left + 1 / right))
    # What is left for each place that the step could have.
    sizes = np.arange(1, len(window))
    sums = np.cumsum(window - window.mean())[:-1]
    explained = sums**2 * len(window) / (sizes * sizes[::-1])
    likely = np.flatnonzero(explained[left - 1] - explained <= _PLACES * variance * lasting) + 1
    return FoundStep(
        index=place,
        earliest=start + min(left, int(likely[0])),
        latest=start + max(left, int(likely[-1])),
        before=float(window[:left].mean()),
        after=float(window[left:].mean()),
        half_width=half,
        p_value=float(p_values[0]),
    )


def _places(series: Array, numbers: Sequence[int], fewest: int) -> list[list[int]]:
    """Return the best places in a series of as many steps as each number says."""
    from ruptures import KernelCPD

    search = KernelCPD(kernel="linear", min_size=fewest).fit(series)
    search.predict(n_bkps=max(numbers))  # finds those of fewer steps on its way, and keeps them
    return [[int(place) for place in search.predict(n_bkps=steps)[:-1]] for steps in numbers]


def _fit_steps(many: Array, forms: Sequence[int], fewest: int) -> Fit:
    """Fit steps to each row, in as many numbers as there are forms."""
    more = min(max(forms[-1], many.shape[1] // _POINTS_A_STEP), _MOST_STEPS_IN_NOISE)
    found = [_places(row, (*forms, more), fewest) for row in many]
    places = tuple(map(np.array, zip(*found, strict=True)))
    *left, noise = [_left_by_steps(many, each) for each in places]
    persistence = _persistence(noise, _BIAS_OF_A_STEP * more)
    rest = _positive((noise**2).sum(axis=1)) * _lasting(persistence)
    whole = ((many - many.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    clear = np.stack([(whole - (each**2).sum(axis=1)) / rest for each in left], axis=1)
    return Fit(clear, persistence, noise, places[:-1])


def _left_by_steps(many: Array, places: NDArray[np.int64]) -> Array:
    """Return what is left of each row without the mean of each of its parts."""
    rows, points = many.shape
    ends = np.ones((rows, 1), np.int64)
    edges = np.concatenate([0 * ends, places, points * ends], axis=1)
    sums = np.concatenate([np.zeros((rows, 1)), np.cumsum(many, axis=1)], axis=1)
    means = np.diff(np.take_along_axis(sums, edges, axis=1), axis=1) / np.diff(edges, axis=1)
    part = (np.arange(points)[None, :, None] >= places[:, None, :]).sum(axis=2)
    return np.asarray(many - np.take_along_axis(means, part, axis=1))


# Drift.


def _drift(series: Array, start: int, seed: int) -> FoundDrift | None:
    """Return the drift of a series from a place on."""
    from scipy.stats import t

    window = series[start:]
    if len(window) < FEWEST_OF_DRIFT:
        return None
    p_values, fit = _test(window, _fit_line, (seed, start))
    rise = float((window - fit.residuals[0])[-1] - (window - fit.residuals[0])[0])
    if p_values[0] > ERROR or abs(rise) < LEAST:
        return None
    freedom = len(window) - 2
    half = float(t.ppf(0.975, freedom)) * abs(rise) / math.sqrt(float(fit.clear[0, 0]) * freedom)
    return FoundDrift(start, len(series) - 1, rise, half, float(p_values[0]))


def _fit_line(many: Array) -> Fit:
    """Fit a straight line to each row."""
    points = many.shape[1]
    moments = np.arange(points) - (points - 1) / 2
    level = many - many.mean(axis=1, keepdims=True)
    slope = level @ moments / (moments @ moments)
    left = level - slope[:, None] * moments
    persistence = _persistence(left, _BIAS_OF_A_LINE)
    explained = slope**2 * (moments @ moments)
    clear = explained / _positive((left**2).sum(axis=1)) / _lasting(persistence)
    return Fit(clear[:, None], persistence, left)


def _is_line(series: Array, places: Sequence[int]) -> bool:
    """Return whether a line explains a series better than its steps do."""
    by_line = _fit_line(series[None])
    left = _left_by_steps(series[None], np.array([places]))
    persistence = min(
        float(by_line.persistence[0]), float(_persistence(left, _BIAS_OF_A_STEP * len(places))[0])
    )
    worth = len(series) / float(_lasting(persistence))
    more = worth * math.log(_sum(by_line.residuals) / _sum(left))
    return more + _PRICE_OF_A_LINE < _PRICE_OF_A_STEP * len(places)


# What both have in common.


def _test(series: Array, model: Callable[[Array], Fit], seed: Sequence[int]) -> tuple[Array, Fit]:
    """Return how likely a series without steps and slope is explained as well, and the fit of this one."""
    from scipy.signal import lfilter

    fit = model(series[None])
    persistence = float(fit.persistence[0])
    innovations = fit.residuals[0, 1:] - persistence * fit.residuals[0, :-1]
    innovations -= innovations.mean()
    rng, hits, drawn = np.random.default_rng(seed), np.zeros(fit.clear.shape[1]), 0
    p_values: Array = np.ones(fit.clear.shape[1])
    for number, enough in _LOOKS:
        rows = number - drawn
        before = innovations[rng.integers(0, len(innovations), (rows, _BURN_IN + 1))]
        permuted = rng.permuted(np.tile(innovations, (rows, 1)), axis=1)
        made = lfilter([1.0], [1.0, -persistence], np.concatenate([before, permuted], axis=1), axis=1)
        hits += (model(made[:, _BURN_IN:]).clear >= fit.clear).sum(axis=0)
        drawn = number
        p_values = (hits + 1) / (drawn + 1)
        if p_values.min() * len(p_values) > enough or (drawn >= _ENOUGH and hits.min() == 0):
            break
    return p_values, fit


def _persistence(residuals: Array, bias: float) -> Array:
    """Return the first autocorrelation of each row, from 0 to 0.9."""
    points = residuals.shape[1]
    together = (residuals[:, 1:] * residuals[:, :-1]).sum(axis=1)
    found = together / _positive((residuals**2).sum(axis=1))
    better = (found * points + bias) / (points - 5) if points > 10 else found + 0.3
    return np.asarray(np.clip(better, 0.0, 0.9))


def _lasting(persistence: Any) -> Any:
    """Return how many times more variance a mean has if its numbers resemble their neighbours."""
    return (1 + persistence) / (1 - persistence)


def _sum(residuals: Array) -> float:
    return float(_positive((residuals**2).sum()))


def _positive(sums: Any) -> Any:
    return np.maximum(sums, 1e-300)
