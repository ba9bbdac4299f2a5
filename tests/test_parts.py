"""Passes that are parts of epochs: they tell of whole ones, and are refused where they do not."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from loader_gate.rotation.parts import (
    LEAST_PARTS,
    MOST_LEFT_OVER,
    MOST_START,
    Parts,
    may_be_parts,
    part_problem,
    parts_of,
    to_find,
)
from loader_gate.runs.parsing import work_of
from loader_gate.runs.saved import PARTS, WHOLE
from loader_gate.same_work.beginnings import Beginnings, common, most_by_chance
from loader_gate.worker.epoch import Epoch, take_each
from loader_gate.worker.part import Mark, Part
from loader_gate.worker.timing import PartTiming, PassTiming

BATCHES, SIZE = 2_000, 32
IMAGES = BATCHES * SIZE


class Clock:
    """A made-up clock of an epoch, which shows what a made-up loader lets it."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.torn = 0

    def start(self) -> None:
        """Begin at 0."""
        self.seconds = 0.0

    def now(self) -> float:
        """Return the seconds so far."""
        return self.seconds

    def pause(self) -> None:
        """Do nothing: looking takes no time here."""

    go_on = stop = pause

    def torn_down(self) -> None:
        """Count."""
        self.torn += 1

    def mark(self, images: int) -> Mark:
        """Return the seconds so far, of which all is CPU time, and in which a disk gave 1 MB each."""
        return Mark(images, self.seconds, self.seconds, read=1e6 * self.seconds)


class Loader:
    """Delivers batches as soon as somebody asks who has to wait for them: a clock shows when that is.

    Attributes:
        start: Seconds before it begins with the first batch, once an epoch.
        together: How many batches it makes at a time, and then delivers at once.
        ahead: How many it makes before it delivers the first one, and keeps ahead.
        pace: Seconds a batch.
    """

    def __init__(self, clock: Clock, start: float, together: int, ahead: int, pace: float = 0.08) -> None:
        self.clock, self.start, self.together, self.ahead, self.pace = clock, start, together, ahead, pace

    def __iter__(self) -> Iterator[int]:
        """Yield the sizes of the batches of an epoch."""
        self.clock.seconds += self.start
        made = 0
        for delivered in range(BATCHES):
            wanted = min(delivered + 1 + self.ahead, BATCHES)
            while made < wanted:
                self.clock.seconds += self.pace * self.together
                made += self.together
            yield SIZE


class Made(Epoch):
    """An epoch that leaves no garbage to look for, which takes long where much is imported."""

    def torn_down(self) -> None:
        """Only say so."""
        self.stopwatch.torn_down()


def took(loader: Loader, part: Part | None = None) -> float:
    """Return the seconds of an epoch, or of the whole that a part tells of."""
    epoch = Made(loader.clock, None, lambda: None, part)  # type: ignore[arg-type]
    take_each(loader, epoch)
    assert loader.clock.torn > 0
    if part is None:
        assert epoch.images == IMAGES
        return loader.clock.seconds
    begun, last = epoch.marks
    assert epoch.images == (part.begin + part.timed) * SIZE
    whole = begun.whole(last, loader.clock.mark(epoch.images), IMAGES)
    assert whole.read == pytest.approx(1e6 * whole.seconds)
    return whole.seconds


def found(loader: Loader, budget: float) -> PassTiming:
    """Return the timing of the pass that finds how long an epoch is."""
    part = Part(IMAGES, **to_find(budget))
    epoch = Made(loader.clock, None, lambda: None, part)  # type: ignore[arg-type]
    take_each(loader, epoch)
    of_part = None
    if epoch.is_over:
        begun, last = epoch.marks
        timed = last.seconds - begun.seconds
        of_part = PartTiming(
            IMAGES, epoch.images, begun.images, epoch.batches, last.seconds, timed, last.seconds, 0.0
        )
    return PassTiming(100.0, epoch.first_batch or 0.0, 0.0, 100.0, 1, 1, part=of_part)


@pytest.mark.parametrize(
    ("start", "together", "ahead"),
    [(0.0, 1, 0), (3.0, 1, 0), (0.2, 1, 31), (0.1, 4, 0), (0.5, 7, 16)],
    ids=["plain", "reads an index", "fills a buffer", "makes four at a time", "all of it"],
)
def test_parts_tell_of_whole_epochs(start: float, together: int, ahead: int) -> None:
    """What happens once an epoch counts once, and what is made ahead is not counted: within 2 %."""
    loader = Loader(Clock(), start, together, ahead)
    parts = parts_of(found(loader, 10), IMAGES, BATCHES, 10)
    assert parts is not None
    order = random.Random(0)  # noqa: S311 (no secret)
    told = fmean(took(loader, Part(IMAGES, **parts.draw(order))) for _ in range(200))
    assert told == pytest.approx(took(loader), rel=0.02)


def test_what_is_made_ahead_is_not_timed() -> None:
    """Timing whatever comes first would take what a loader has filled before for its pace."""
    loader = Loader(Clock(), 0.2, 1, 31)
    naive = (BATCHES / 20) * took(loader, replace(Part(IMAGES), begin=1, timed=19)) / BATCHES
    parts = parts_of(found(loader, 10), IMAGES, BATCHES, 10)
    assert parts is not None
    assert parts.least_begin >= 32
    assert naive < took(loader)


def test_whole_epochs_where_the_budget_allows_for_them() -> None:
    """An epoch that ends by itself in time is timed as a whole, and so is one of few batches."""
    loader = Loader(Clock(), 0.0, 1, 0)
    whole = took(loader)
    assert found(loader, 20 * whole).part is None
    assert parts_of(found(loader, 20 * whole), IMAGES, BATCHES, 20 * whole) is None
    assert not may_be_parts(8, 60.0)
    assert not may_be_parts(BATCHES, float("inf"))
    assert may_be_parts(BATCHES, 60.0)
    assert not may_be_parts(BATCHES, 60.0, "crop-flip")
    assert not may_be_parts(BATCHES, 60.0, is_cold_dump=True)
    parts = parts_of(found(loader, 10), IMAGES, BATCHES, 10)
    assert parts is not None
    few = LEAST_PARTS * parts.longest - 1
    assert parts_of(found(loader, 10), few * SIZE, few, 10 * few / BATCHES) is None or few < parts.longest


def test_how_much_is_drawn() -> None:
    """A third to two thirds as many batches come before the timed ones, another number each time."""
    parts, order = Parts(5, 10, 15), random.Random(0)  # noqa: S311 (no secret)
    drawn = {parts.draw(order)["begin"] for _ in range(200)}
    assert drawn == set(range(5, 11))
    assert parts.longest == 25


def timing(**of_part: Any) -> PassTiming:
    """Return the timing of a part that took 2 s, of which 1 s was timed."""
    part = PartTiming(10_000, 200, 100, 20, 2.0, 1.0, 2.0, 0.0)
    return PassTiming(100.0, 0.1, 0.0, 100.0, 1, 1, part=replace(part, **of_part))


def test_what_is_left_over_may_be_little() -> None:
    """What a loader goes on with for long could be what it delivers at once the next time."""
    assert part_problem([timing(left_cpu_seconds=2.0 * MOST_LEFT_OVER)] * 8) == ""
    assert "goes on for 50% of the CPU time" in part_problem([timing(left_cpu_seconds=1.0)] * 8)
    assert part_problem([timing(left_cpu_seconds=1.0)] * 3) == ""


def test_what_comes_before_may_not_take_too_long() -> None:
    """A loader that makes everything before the timed batches begin could deliver these at once."""
    assert part_problem([timing(seconds=2.0 + MOST_START)] * 8) == ""
    assert "by 150% of their time" in part_problem([timing(seconds=3.5)] * 8)


def test_a_part_costs_what_it_took() -> None:
    """A budget counts its seconds, and not those of the epoch that it tells of."""
    assert (timing().spent_seconds, timing().used_cpu_seconds) == (2.0, 2.0)
    assert replace(timing(), part=None, epochs=2).spent_seconds == 200.0


def samples(parts: int, size: int = 600, images: int = 20_000) -> Iterator[np.ndarray]:
    """Yield the beginnings of epochs that are shuffled."""
    drawn = np.random.default_rng(0)
    for _ in range(parts):
        yield drawn.permutation(images)[:size]


@pytest.mark.parametrize("files_of_a_picture", [1, 5])
def test_samples_are_told_from_the_same_beginning(files_of_a_picture: int) -> None:
    """Epochs that begin with the same images, in whatever order, are no samples of all."""
    groups = np.arange(20_000) // files_of_a_picture * files_of_a_picture
    beginnings = Beginnings()
    for part in samples(50):
        assert beginnings.problem(part, groups, shuffle=True) is None
    part = next(samples(1))
    problem = beginnings.problem(part[::-1], groups, shuffle=True)
    assert problem is not None
    assert "in common" in problem


def test_a_small_buffer_is_no_sample() -> None:
    """A buffer over the order of the files begins with the first ones each time."""
    beginnings, drawn = Beginnings(), np.random.default_rng(0)
    problems = []
    for _ in range(3):
        buffer = deque(drawn.permutation(1_000))
        problems.append(beginnings.problem(np.array(list(buffer)[:600]), np.arange(20_000), shuffle=True))
    assert problems[0] is None
    assert problems[1] is not None
    assert Beginnings().problem(np.arange(600), np.arange(20_000), shuffle=False) == (
        "Its passes are parts of epochs in the order of the files: they have the first files only."
    )


def test_what_is_said_of_the_same_beginning() -> None:
    """How many images are in common, of how many that are known, and what helps."""
    beginnings, groups = Beginnings(), np.arange(20_000)
    assert beginnings.problem(np.array([-1, *range(1_000)]), groups, shuffle=True) is None
    assert beginnings.problem(np.array([*range(1_200), -1, -1]), groups, shuffle=True) == (
        "Its passes are parts of epochs, and two of 1,200 and 1,000 images have 1,000 in common, expected "
        "about 60 of 20,000 by chance: they are no samples of all images. Shuffle all files anew for each "
        "epoch, or let whole ones be timed (a larger --budget, or fewer --tree-images)."
    )


def test_which_parts_are_held_against() -> None:
    """The first four and the last four of nine, so that what a part costs does not grow."""

    def is_told(again: int) -> bool:
        beginnings, groups = Beginnings(), np.arange(1_000)
        parts = groups[:900].reshape(9, 100)
        assert [beginnings.problem(part, groups, shuffle=True) for part in parts] == [None] * 9
        return beginnings.problem(parts[again], groups, shuffle=True) is not None

    assert [is_told(again) for again in range(9)] == [True] * 4 + [False] + [True] * 4


def test_how_many_are_in_common_by_chance() -> None:
    """The expected number is what samples have, and the bound is well above that."""
    pairs = list(samples(40))
    groups = np.arange(20_000)
    numbers = [common(one, other, groups) for one, other in zip(pairs[::2], pairs[1::2], strict=True)]
    assert fmean(same for same, _ in numbers) == pytest.approx(fmean(each for _, each in numbers), rel=0.2)
    assert max(same for same, _ in numbers) < most_by_chance(numbers[0][1]) < 90


def test_what_two_parts_have_in_common() -> None:
    """Groups count, not files; one of two files is missing less often than one of one."""
    same, expected = common(np.array([0, 2, 4]), np.array([1, 5]), np.array([0, 0, 2, 2, 4, 5]))
    assert same == 1
    # Of six files three and two: two groups have two files each, and two have one.
    assert expected == pytest.approx(2 * (1 - (1 / 2) ** 2) * (1 - (2 / 3) ** 2) + 2 * (1 / 2) * (1 / 3))


@pytest.mark.parametrize("expected", [0.0, 1.0, 18.0, 500.0])
def test_how_many_are_too_many(expected: float) -> None:
    """As many as Bernstein's inequality says come by chance in one of 10^9 sessions of 10^4 comparisons."""
    beyond = most_by_chance(expected) - expected
    assert beyond > 0
    assert beyond**2 / 2 / (expected + beyond / 3) == pytest.approx(math.log(10**9 * 10**4))


def test_parts_are_never_compared_with_whole_epochs() -> None:
    """Not with those of a saved run either; a run of before there were parts is of whole epochs."""
    then, now = work_of({}, None), work_of({"passes": PARTS}, None)
    assert then.passes == WHOLE
    assert then.differences(now) == f"passes {WHOLE} then, {PARTS} now"
    assert work_of({"passes": WHOLE}, None) == then
