"""How often steps and drift are found, and how often where there are none: in made-up histories of 60 runs.

That is the power of `loader_gate.history.change_points`, and its rate of false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from loader_gate.history.change_points import FEWEST_A_SIDE, alike_in, detect
from loader_gate.history.steps import error_of_each
from loader_gate.text import text_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

RUNS = 60
#: The standard deviation of a run's speedup, as a share.
NOISE = 0.05


@dataclass(frozen=True)
class DetectionRates:
    """What was found in histories of one kind, as counts.

    Attributes:
        kind: The kind, in words.
        count: How many histories there were.
        steps: Those in which steps were found.
        placed: Those in which exactly one step was found, with the true place in its confidence set.
        drift: Those in which drift was found.
    """

    kind: str
    count: int
    steps: int
    placed: int
    drift: int


def white(rng: np.random.Generator) -> Array:
    """Return independent normal noise."""
    return rng.normal(0, NOISE, RUNS)


def with_outliers(rng: np.random.Generator) -> Array:
    """Return noise of which 5 % are slow by 20 to 60 %."""
    hit = rng.random(RUNS) < 0.05
    return np.asarray(white(rng) - hit * rng.uniform(0.2, 0.6, RUNS))


def autocorrelated(autocorrelation: float) -> Callable[[np.random.Generator], Array]:
    """Return what draws AR(1) noise: each run resembles the one before it."""

    def draw(rng: np.random.Generator) -> Array:
        found = np.empty(RUNS)
        last = rng.normal(0, NOISE)
        for number in range(RUNS):
            last = autocorrelation * last + rng.normal(0, NOISE * math.sqrt(1 - autocorrelation**2))
            found[number] = last
        return found

    return draw


NOISES: Mapping[str, Callable[[np.random.Generator], Array]] = {
    "white": white,
    "5 % outliers": with_outliers,
    "AR(1) 0.3": autocorrelated(0.3),
    "AR(1) 0.5": autocorrelated(0.5),
}


#: What happens in the first series of a history: a step at a random run, and a drift from run to run.
CHANGES: Mapping[str, tuple[float, float]] = {
    "no change": (0.0, 0.0),
    "10 % slower": (math.log(0.9), 0.0),
    "0.3 % a run": (0.0, math.log(1 - 0.003)),
}

KINDS = tuple((noise, change) for noise in NOISES for change in CHANGES)


def measure_rates(
    count: int, series: int = 1, seed: int = 0, kinds: Iterable[tuple[str, str]] = KINDS
) -> list[DetectionRates]:
    """Return what is found in so many histories of each kind.

    Where nothing changes, what is found in any series of a history counts; else what is found in the first.

    Args:
        count: Histories of each kind.
        series: Series of a history.
        seed: Of the histories.
        kinds: Names of a noise and a change.
    """
    return [_rates(noise, change, count, series, np.random.default_rng(seed)) for noise, change in kinds]


def _rates(noise: str, change: str, count: int, series: int, rng: np.random.Generator) -> DetectionRates:
    step, drift = CHANGES[change]
    runs = np.arange(RUNS)
    stepped = placed = drifted = 0
    for _ in range(count):
        place = int(rng.integers(2 * FEWEST_A_SIDE, RUNS - 2 * FEWEST_A_SIDE + 1))
        history = [NOISES[noise](rng) for _ in range(series)]
        history[0] += step * (runs >= place) + drift * runs
        many = [tuple(each.tolist()) for each in history]
        alike = alike_in(many)
        looked_at = many[:1] if step or drift else many
        found = [detect(each, error_of_each(series), alike=alike) for each in looked_at]
        steps = found[0][0]
        stepped += any(changes for changes, _ in found)
        placed += len(steps) == 1 and steps[0].earliest <= place <= steps[0].latest
        drifted += any(trend is not None for _, trend in found)
    return DetectionRates(f"{noise}, {change}", count, stepped, placed, drifted)


def rates_table(rates: Iterable[DetectionRates], colour: bool) -> list[str]:
    """Return the lines of a table of rates."""
    rows = [
        (
            each.kind,
            *(f"{count} of {each.count}" for count in (each.steps, each.placed, each.drift)),
        )
        for each in rates
    ]
    return text_table(
        ("histories of 60 runs, 5 % noise", "steps", "one, in its place", "drift"), rows, colour
    )
