"""A virtual session: the real loop of blocks and the real decisions, over recorded passes.

Where head is compared with base, blocks are drawn in runs: those that the same two processes were recorded
in. So what lasts for several blocks is still there, and what one process has over another. Which of the two
is head is drawn too. For a floor, the blocks of one recorded session are drawn by the stationary bootstrap
(Politis and Romano, "The stationary bootstrap", Journal of the American Statistical Association 89, 1994);
but for those right after a start of fresh processes, which a session without a base does not have: the
baseline had been idle, and is slow in them. A slowdown multiplies the seconds, CPU seconds and first batch of
head.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation.contestant import Arm, Contestant, cost
from loader_gate.rotation.pace import Pace
from loader_gate.rotation.rotation import Watch, run_blocks
from loader_gate.rotation.schedule import RENEWED_AFTER, Turn
from loader_gate.session.settings import comparisons
from loader_gate.statistics.blocks import middle_of_blocks
from loader_gate.statistics.counts import MOST_BLOCKS, planned_blocks
from loader_gate.statistics.estimate import log_ratios
from loader_gate.verdict.change import TOLERANCE
from loader_gate.verdict.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from docs.study.trace import Recording, Trace
    from loader_gate.rotation.measurement import Measurement
    from loader_gate.worker.timing import PassTiming

#: The mean number of consecutive blocks that are drawn together.
MEAN_RUN = 10
#: Where head is compared with base, the floor is this share of the true speedup: it is cleared, and decides
#: nothing.
FAR_FLOOR = 0.5

#: What is compared in a session of all that `loading` measures by default.
_DEFAULT = [each for each in built_in_variants() if "loading" in each.default]
#: How virtual and live sessions are held, if nothing else is said.
PACE = Pace(90.0, TOLERANCE, comparisons=comparisons(_DEFAULT, {each.name for each in _DEFAULT}))
#: In the place of a variant's name: all recorded ones, in one session.
EVERY = "every variant"

_WORST_FIRST = ("fail", "unmeasured", "undecided", "pass")
_SLOWED = ("seconds", "cpu_seconds", "first_batch_seconds")


@dataclass(frozen=True)
class Situation:
    """What a virtual session is about.

    Attributes:
        variant: The variant's name, or `EVERY`.
        slowdown: The share by which head is slower than base.
        floor: The floor of the speedup, as a share of the true one; None to compare head with base instead,
            with a floor that is far away.
        own_truth: Whether the true speedup is that of the recorded session, or that of the whole trace.
    """

    variant: str
    slowdown: float = 0.0
    floor: float | None = None
    own_truth: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a virtual session.

    Attributes:
        status: Of the verdict.
        changes: The outcome of each compared figure, by name.
        blocks: How many the variant had.
        seconds: Measuring time of the variant itself, head and base, teardown included.
        with_baseline: The same and the baseline's passes.
    """

    status: str
    changes: Mapping[str, str]
    blocks: int
    seconds: float
    with_baseline: float


class Player:
    """Plays recorded passes in the place of a runner; there is no process to open, warm up or renew."""

    def __init__(self, played: Mapping[Arm, Iterable[PassTiming]]) -> None:
        """Play these passes of each arm: the first and second of a block, whichever turn it has in there."""
        self._left = {arm: iter(passes) for arm, passes in played.items()}

    def run_pass(self, contestant: Contestant, arm: Arm) -> PassTiming:  # noqa: ARG002 (as the loop asks)
        """Return the next pass of an arm."""
        return next(self._left[arm])

    def check(self, turns: Iterable[Turn]) -> None:
        """Go on; recorded passes have been checked."""

    def renew(self, due: Sequence[Contestant], contestants: Iterable[Contestant]) -> None:
        """Go on; fresh processes are in what was drawn."""


class Theatre:
    """Holds virtual sessions over one trace."""

    def __init__(self, trace: Trace, pace: Pace) -> None:
        """Prepare; what sessions have in common is computed once."""
        self._recordings = trace.recordings
        self._pace = pace
        self._truths = {
            name: [true_log_speedup([each], name) for each in trace.recordings]
            for name in trace.about.variants
        }
        self._truth = {name: true_log_speedup(trace.recordings, name) for name in trace.about.variants}
        self._slowed: dict[tuple[int, str, str, float], list[PassTiming]] = {}

    def session(self, situation: Situation, seed: str) -> Outcome:
        """Hold one session; the seed alone decides what is drawn."""
        chance = random.Random(seed)  # noqa: S311 (a simulation, no secret)
        names = [*self._truth] if situation.variant == EVERY else [situation.variant]
        number = chance.randrange(len(self._recordings))
        if situation.floor is None:
            drawn = self._drawn_processes(chance)
        else:
            swapped = chance.random() < 0.5
            ordinary = ordinary_blocks(self._recordings[number])
            places = resampled(len(ordinary), MOST_BLOCKS, chance)
            drawn = [(number, ordinary[place], swapped) for place in places]
        baseline, *contestants = (
            Contestant(Variant(each, f"loader_gate.variants.{each}")) for each in (BASELINE, *names)
        )
        played = {baseline.head: self._passes(drawn, BASELINE, "", 0.0)}
        floors = {}
        for name, contestant in zip(names, contestants, strict=True):
            truth = math.exp(self._truths[name][number] if situation.own_truth else self._truth[name])
            floors[name] = truth * (FAR_FLOOR if situation.floor is None else situation.floor)
            played[contestant.head] = self._passes(drawn, name, "head", situation.slowdown)
            if situation.floor is None:
                contestant.base = Arm(at_base=True)
                played[contestant.base] = self._passes(drawn, name, "base", 0.0)
        run_blocks(
            [baseline, *contestants],
            Player(played),
            Rules(floors, cores=1),
            self._pace,
            Watch(),
            random.Random(0),  # noqa: S311
        )
        return _outcome([each.measurement(share=None) for each in contestants])

    def planned(self, name: str) -> int:
        """Return how many blocks of a variant, head and base, the budget has room for; or of `EVERY`."""
        names = [*self._truth] if name == EVERY else [name]
        pairs = [recording.variants[each] for recording in self._recordings for each in names]
        blocks = sum(recording.blocks for recording in self._recordings)
        seconds = math.fsum(cost(timing) for pair in pairs for timing in (*pair.head, *pair.base))
        return planned_blocks(self._pace.budget_seconds, seconds / blocks)

    def _drawn_processes(self, chance: random.Random) -> list[tuple[int, int, bool]]:
        """Return blocks in runs that the same two processes were recorded in; either may have been head."""
        drawn: list[tuple[int, int, bool]] = []
        while len(drawn) < MOST_BLOCKS:
            number = chance.randrange(len(self._recordings))
            first = RENEWED_AFTER * chance.randrange(self._recordings[number].blocks // RENEWED_AFTER)
            swapped = chance.random() < 0.5
            drawn += [(number, block, swapped) for block in range(first, first + RENEWED_AFTER)]
        return drawn

    def _passes(
        self, drawn: Sequence[tuple[int, int, bool]], name: str, arm: str, slowdown: float
    ) -> list[PassTiming]:
        """Return the passes of one side of the drawn blocks."""
        other = {"head": "base", "base": "head", "": ""}[arm]
        found: list[PassTiming] = []
        for number, block, swapped in drawn:
            passes = self._recorded(number, name, other if swapped else arm, slowdown)
            found += passes[2 * block : 2 * block + 2]
        return found

    def _recorded(self, number: int, name: str, arm: str, slowdown: float) -> list[PassTiming]:
        key = (number, name, arm, slowdown)
        if key not in self._slowed:
            recording = self._recordings[number]
            passes = recording.baseline if name == BASELINE else getattr(recording.variants[name], arm)
            self._slowed[key] = [slowed(timing, slowdown) for timing in passes]
        return self._slowed[key]


def _outcome(measurements: Sequence[Measurement]) -> Outcome:
    """Return what became of the session of some variants: it is as bad as the worst of them."""
    worst = min(measurements, key=lambda each: _WORST_FIRST.index(each.verdict.status))
    own = math.fsum(
        cost(timing) for each in measurements for timing in (*each.variant_passes, *each.base_passes)
    )
    longest = max(measurements, key=lambda each: len(each.variant_passes))
    return Outcome(
        status=worst.verdict.status,
        changes={change.figure: change.outcome for change in worst.verdict.changes},
        blocks=len(longest.variant_passes) // 2,
        seconds=own,
        with_baseline=own + math.fsum(map(cost, longest.baseline_passes)),
    )


def slowed(timing: PassTiming, slowdown: float) -> PassTiming:
    """Return the same pass of a loader that is slower by this share."""
    return replace(timing, **{name: getattr(timing, name) * (1 + slowdown) for name in _SLOWED})


def resampled(blocks: int, wanted: int, chance: random.Random) -> list[int]:
    """Return numbers of blocks, drawn by the stationary bootstrap; after the last comes the first."""
    drawn: list[int] = []
    for _ in range(wanted):
        if not drawn or chance.random() < 1 / MEAN_RUN:
            drawn.append(chance.randrange(blocks))
        else:
            drawn.append((drawn[-1] + 1) % blocks)
    return drawn


def ordinary_blocks(recording: Recording) -> list[int]:
    """Return the numbers of all blocks of a session but those right after a start of fresh processes."""
    return [block for block in range(recording.blocks) if block % RENEWED_AFTER]


def true_log_speedup(recordings: Sequence[Recording], variant: str) -> float:
    """Return the middle of the log speedups of all ordinary blocks of recorded sessions, of both workers."""
    ratios = [
        ratio
        for recording in recordings
        for side in ("head", "base")
        for ratio in ordinary_log_ratios(recording, variant, side)
    ]
    return middle_of_blocks(ratios)[0]


def ordinary_log_ratios(recording: Recording, variant: str, side: str) -> list[float]:
    """Return the log speedups of the ordinary blocks of a session, of one of a variant's two workers."""
    seconds = (
        [timing.seconds for timing in passes]
        for passes in (recording.baseline, getattr(recording.variants[variant], side))
    )
    ratios = log_ratios(*seconds)
    return [ratios[block] for block in ordinary_blocks(recording)]
