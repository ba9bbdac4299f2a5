"""What a machine can decide: virtual sessions over what was recorded on it, and what to make of them."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from loader_gate.doctor.virtual import Stage
from loader_gate.rotation.contestant import cost
from loader_gate.rotation.pace import Pace
from loader_gate.statistics.estimate import TO_DEVIATION, log_ratios
from loader_gate.verdict.change import TOLERANCE
from loader_gate.verdict.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loader_gate.doctor.recording import Durations, Pair, Recorded
    from loader_gate.doctor.virtual import Played
    from loader_gate.rotation.measurement import Measurement

#: Virtual sessions of each kind, at least and at most: blocks are few, so that more would tell no more.
FEWEST_SESSIONS, MOST_SESSIONS = 20, 100
#: The tolerances that are asked about, and the one of the last resort, with twice the budget.
TOLERANCES = (TOLERANCE, 0.02, 0.05)
LAST_TOLERANCE = 0.10
#: The slowdowns that are tried, as shares.
SLOWDOWNS = tuple(
    percent / 100 for percent in (*(half / 2 for half in range(2, 13)), *range(7, 16), 20, 25, 30, 40, 50)
)
#: A slowdown counts as found if it is in this share of sessions.
FOUND = 0.95
#: A setting will do if at most this share of sessions in which nothing changed does not pass.
MOST_NOT_PASSING = 0.05


@dataclass(frozen=True)
class Setting:
    """How sessions are held: the slowdown that is allowed, as a share, and the budget in seconds."""

    tolerance: float
    budget: float

    @property
    def options(self) -> str:
        """Return the options of pytest that ask for it."""
        return f"--tolerance {100 * self.tolerance:g} --budget {self.budget:g}"


@dataclass(frozen=True)
class Unchanged:
    """What became of sessions in which nothing had changed.

    Attributes:
        sessions: How many there were.
        failed: How many of them failed.
        undecided: In how many nothing failed, and something stayed undecided.
        seconds: What each would have taken in all, in order of size.
    """

    sessions: int
    failed: int
    undecided: int
    seconds: tuple[float, ...]

    @property
    def median_seconds(self) -> float:
        """Return what a session takes, as a rule."""
        return median(self.seconds)

    @property
    def most_seconds(self) -> float:
        """Return what 19 of 20 sessions take at most."""
        return self.seconds[math.ceil(0.95 * len(self.seconds)) - 1]

    @property
    def will_do(self) -> bool:
        """Return whether nearly all of them passed."""
        return self.failed + self.undecided <= MOST_NOT_PASSING * self.sessions


@dataclass(frozen=True)
class Prospect:
    """What can be decided with one setting.

    Attributes:
        setting: The setting.
        unchanged: What becomes of sessions in which nothing changed.
        found: The smallest slowdown of each variant that is found in nearly all sessions, as a share; None if
            not even the largest that was tried is.
    """

    setting: Setting
    unchanged: Unchanged
    found: Mapping[str, float | None]


class Oracle:
    """Holds virtual sessions over one recording, to answer questions about them."""

    def __init__(self, recorded: Recorded, comparisons: int, cores: int, sessions: int) -> None:
        """Prepare.

        Args:
            recorded: What was recorded.
            comparisons: How many a session makes that may fail.
            cores: How many there are, to hold against what other programs used of them.
            sessions: How many to hold of each kind.
        """
        self._recorded = recorded
        self._comparisons = comparisons
        self._cores = cores
        self._sessions = sessions
        self._stage = Stage([recorded.recording])

    def unchanged(self, setting: Setting) -> Unchanged:
        """Return what becomes of sessions in which nothing changed."""
        none = dict.fromkeys(self._recorded.recording.variants, 0.0)
        played = [self.session(setting, none, number) for number in range(self._sessions)]
        statuses = [{each.verdict.status for each in one.measurements} for one in played]
        failed = sum("fail" in each for each in statuses)
        passed = sum(each == {"pass"} for each in statuses)
        seconds = sorted(session_seconds(one, self._recorded.durations) for one in played)
        return Unchanged(len(played), failed, len(played) - failed - passed, tuple(seconds))

    def smallest_found(self, variant: str, settings: Sequence[Setting]) -> list[float | None]:
        """Return the smallest slowdown of a variant that is found with each setting; None if none is."""
        answers: list[float | None] = []
        guess = None
        for before, setting in zip((None, *settings), settings, strict=False):
            if before is not None:
                # What counts is how far a slowdown is beyond the tolerance.
                further = (1 + setting.tolerance) / (1 + before.tolerance)
                guess = (1 + (answers[-1] or SLOWDOWNS[-1])) * further - 1
            answers.append(smallest(SLOWDOWNS, partial(self._is_found, variant, setting), guess))
        return answers

    def _is_found(self, variant: str, setting: Setting, slowdown: float) -> bool:
        if slowdown <= setting.tolerance:  # allowed
            return False
        missed = 0
        for number in range(self._sessions):
            (found,) = self.session(setting, {variant: slowdown}, number).measurements
            missed += found.verdict.status != "fail"
            if missed > (1 - FOUND) * self._sessions + 1e-9:
                return False
        return True

    def session(self, setting: Setting, slowdowns: Mapping[str, float], number: int) -> Played:
        """Hold one session; sessions of one number see the same blocks, whatever else they differ by."""
        drawn = self._stage.drawn_processes(random.Random(number))  # noqa: S311 (a simulation, no secret)
        pace = Pace(setting.budget, setting.tolerance, comparisons=self._comparisons)
        rules = Rules({}, self._cores)
        return self._stage.play(drawn, slowdowns, rules, pace, others=self._recorded.others)


def smallest(
    slowdowns: Sequence[float], is_found: Callable[[float], bool], guess: float | None = None
) -> float | None:
    """Return the smallest slowdown that is found, where all larger ones are; None if none is.

    Args:
        slowdowns: In order of size.
        is_found: Says whether one is found, which takes long.
        guess: Where it may be, if anybody knows.
    """
    low, high = 0, len(slowdowns)
    middle = (low + high) // 2 if guess is None else min(bisect_left(slowdowns, guess - 1e-9), high - 1)
    while low < high:
        if is_found(slowdowns[middle]):
            high = middle
            near = middle - 1
        else:
            low = middle + 1
            near = middle + 1
        # A guess is hardly ever far off: look beside it first.
        middle = near if guess is not None and low <= near < high else (low + high) // 2
        guess = None
    return slowdowns[low] if low < len(slowdowns) else None


def advised(found: Sequence[Prospect]) -> Prospect:
    """Return the finest setting that will do; the last one if none does."""
    return next((each for each in found if each.unchanged.will_do), found[-1])


def session_seconds(played: Played, durations: Durations) -> float:
    """Return what a session would have taken in all, on the wall, from a virtual one and a recording's times.

    A real session compares the baseline too: it has one more pair of processes, measured as long as any.
    """
    pairs = len(played.measurements)
    longest = max(played.measurements, key=lambda each: len(each.variant_passes))
    blocks = len(longest.variant_passes) / len(longest.baseline_passes)
    passes = sum(map(_cost, played.measurements)) + 2 * blocks * sum(map(cost, longest.baseline_passes))
    started = durations.start / durations.workers
    renewal = durations.renewal / durations.renewed if durations.renewed else 2 * started
    return (
        started * 2 * (pairs + 1)
        + durations.check
        + passes * durations.blocks / durations.passes
        + renewal * played.renewed * (pairs + 1) / pairs
    )


def _cost(measurement: Measurement) -> float:
    return sum(cost(timing) for timing in (*measurement.variant_passes, *measurement.base_passes))


def spread(pair: Pair) -> float:
    """Return how far head / base of a block strays, as a share: a standard deviation, by the median one."""
    ratios = log_ratios(*([timing.seconds for timing in side] for side in (pair.head, pair.base)))
    middle = median(ratios)
    return TO_DEVIATION * median(abs(each - middle) for each in ratios)
