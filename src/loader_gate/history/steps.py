"""Steps and drift in a series of speedups: change points and linear trend, and what changed with them.

``change_points.py`` finds them; here they get the runs that they lie at. Another bottleneck is a step too,
though the speedup may have stayed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from loader_gate.history.change_points import alike_in, detect, is_too_short
from loader_gate.runs.comparison import Ratio
from loader_gate.runs.saved import Checkout, WorkKey

if TYPE_CHECKING:
    from loader_gate.history.change_points import ChangePoint
    from loader_gate.history.series import Series, SeriesPoint
    from loader_gate.history.trend import Trend

#: The error of a history: all series that are searched together share it.
ERROR = 0.01
#: So many runs in a row have to agree on a bottleneck, before and after it becomes another one.
AGREEING_RUNS = 3
#: How people call packages.
_NAMES = {
    "tensorflow": "TensorFlow",
    "tensorflow-cpu": "TensorFlow (CPU only)",
    "keras": "Keras",
    "python": "Python",
    "torch": "PyTorch",
    "numpy": "NumPy",
    "pillow": "Pillow",
}


@dataclass(frozen=True)
class Step:
    """A change point of speedups.

    Attributes:
        index: Of the first point at the new level.
        earliest: The first point of its 95 % confidence set.
        latest: The last one.
        before: The speedup up to it, since the step before.
        after: The speedup from it on, up to the next step.
        ratio: After / before, with its 95 % interval: below 1 is slower.
        p_value: The chance of a step as clear as this in a series without one.
        run: The label of the first run that has it.
        checkout: What was checked out then.
        changed: What else changed with it, in words.
    """

    index: int
    earliest: int
    latest: int
    before: float
    after: float
    ratio: Ratio
    p_value: float
    run: str
    checkout: Checkout
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Drift:
    """A linear trend of speedups, without a step.

    Attributes:
        first: Index of the first point of it.
        last: Index of the last one.
        ratio: Speedup at the end / at the start, along the line, with its 95 % interval: below 1 is slower.
        p_value: The chance of a slope as clear as this in a series without one.
    """

    first: int
    last: int
    ratio: Ratio
    p_value: float


@dataclass(frozen=True)
class AnotherBottleneck:
    """From one run on, something else holds a loader up.

    Attributes:
        index: Of the first point that has it.
        before: The bottleneck up to it, in a word.
        after: The bottleneck from it on.
    """

    index: int
    before: str
    after: str


@dataclass(frozen=True)
class Changes:
    """What was found in a series.

    Attributes:
        series: The series.
        steps: Its steps, oldest first.
        drift: Its drift, since its last step if it has any; None if there is none.
        bottlenecks: Where its bottleneck became another one, oldest first.
    """

    series: Series
    steps: Sequence[Step]
    drift: Drift | None
    bottlenecks: Sequence[AnotherBottleneck] = ()


def find_changes(many: Sequence[Series], seed: int = 0, beside: Sequence[Series] = ()) -> list[Changes]:
    """Return the steps and the drift of each series.

    The more series there are, the surer each of their steps has to be; and all of a storage together tell how
    long noise lasts in it.

    Args:
        many: All series of which somebody is going to be told.
        seed: Of what is drawn to tell changes from noise.
        beside: The others of the same storage.
    """
    logs, others = map(_logs, (many, beside))
    error = error_of_each(sum(not is_too_short(each) for each in logs))
    alike = alike_in([*logs, *others])
    return [
        _changes(series, *detect(of_series, error, seed, alike))
        for series, of_series in zip(many, logs, strict=True)
    ]


def _logs(many: Iterable[Series]) -> list[tuple[float, ...]]:
    return [tuple(math.log(point.speedup) for point in series.points) for series in many]


def error_of_each(series: int) -> float:
    """Return the error of one of so many series that are searched together: by Bonferroni's bound."""
    return ERROR / max(series, 1)


def _changes(series: Series, found: Sequence[ChangePoint], trend: Trend | None) -> Changes:
    points = series.points
    steps = [
        Step(
            index=step.index,
            earliest=step.earliest,
            latest=step.latest,
            before=math.exp(step.before),
            after=math.exp(step.after),
            ratio=_ratio(step.after - step.before, step.half_width),
            p_value=step.p_value,
            run=points[step.index].run,
            checkout=points[step.index].checkout,
            changed=_changed(points, step.index, step.earliest, step.latest),
        )
        for step in found
    ]
    drift = None
    if trend is not None:
        rise = _ratio(trend.rise, trend.half_width)
        drift = Drift(trend.first, trend.last, rise, trend.p_value)
    return Changes(series, steps, drift, [*_bottlenecks(points)])


def _bottlenecks(points: Sequence[SeriesPoint]) -> Iterator[AnotherBottleneck]:
    """Return where the bottleneck became another one; runs in which it is not known are passed over."""
    known = [(index, point.bottleneck) for index, point in enumerate(points) if point.bottleneck]
    for place in range(AGREEING_RUNS, len(known) - AGREEING_RUNS + 1):
        before = {word for _, word in known[place - AGREEING_RUNS : place]}
        after = {word for _, word in known[place : place + AGREEING_RUNS]}
        if len(before) == len(after) == 1 and before != after:
            yield AnotherBottleneck(known[place][0], *before, *after)


def _ratio(log: float, half: float) -> Ratio:
    return Ratio(math.exp(log), math.exp(log - half), math.exp(log + half))


def _changed(points: Sequence[SeriesPoint], index: int, earliest: int, latest: int) -> tuple[str, ...]:
    """Return what changed with a step, or in the other runs that may be the first to have it."""
    texts = []
    for now in [index, *(each for each in range(earliest, latest + 1) if each != index)]:
        where = "" if now == index else f" (run {points[now].run})"
        texts += [f"{change}{where}" for change in what_changed(points[now - 1], points[now])]
    return tuple(texts)


def what_changed(then: SeriesPoint, now: SeriesPoint) -> Iterator[str]:
    """Return what differs between two points beside the speedup, in words, as far as both are known."""
    for name in sorted({*then.versions, *now.versions}, key=[*_NAMES, *then.versions, *now.versions].index):
        old, new = then.versions.get(name), now.versions.get(name)
        if old and new and old != new:
            yield f"{_NAMES.get(name, name)} {old} → {new}"
    if then.fingerprint and now.fingerprint and then.fingerprint != now.fingerprint:
        yield f"the machine: {then.machine} → {now.machine}"
    for each in fields(WorkKey):
        old, new = getattr(then.work, each.name), getattr(now.work, each.name)
        if old != new and "none" not in (old, new):
            yield f"the {each.name.replace('_', ' ')}: {old[:12]} → {new[:12]}"
