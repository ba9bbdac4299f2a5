"""Virtual sessions over a trace, against a base and of floors.

How one is held, and what is drawn against a base, is in ``src/loader_gate/doctor/virtual.py``. For a floor,
the blocks of one recorded session are drawn by the stationary bootstrap (Politis and Romano, "The stationary
bootstrap", Journal of the American Statistical Association 89, 1994); where there was a start of fresh
processes after some blocks only, but for those right after it, which a session without a base does not have:
the baseline had been idle, and is slow in them.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.doctor.virtual import Stage
from loader_gate.registry.built_in import built_in_variants
from loader_gate.rotation.contestant import cost
from loader_gate.rotation.pace import Pace
from loader_gate.session.settings import comparisons
from loader_gate.statistics.blocks import middle_of_blocks
from loader_gate.statistics.counts import MOST_BLOCKS, planned_blocks
from loader_gate.statistics.estimate import log_ratios
from loader_gate.verdict.change import TOLERANCE
from loader_gate.verdict.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docs.study.trace import Trace
    from loader_gate.doctor.recording import Recording
    from loader_gate.rotation.measurement import Measurement

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


class Theatre:
    """Holds virtual sessions over one trace."""

    def __init__(self, trace: Trace, pace: Pace) -> None:
        """Prepare; what sessions have in common is computed once."""
        self._recordings = trace.recordings
        self._of_a_process = trace.about.blocks_a_process
        self._stage = Stage(trace.recordings)
        self._pace = pace
        self._truths = {
            name: [true_log_speedup([each], name, self._of_a_process) for each in trace.recordings]
            for name in trace.about.variants
        }
        self._truth = {
            name: true_log_speedup(trace.recordings, name, self._of_a_process)
            for name in trace.about.variants
        }

    def session(self, situation: Situation, seed: str) -> Outcome:
        """Hold one session; the seed alone decides what is drawn."""
        chance = random.Random(seed)  # noqa: S311 (a simulation, no secret)
        names = [*self._truth] if situation.variant == EVERY else [situation.variant]
        number = chance.randrange(len(self._recordings))
        if situation.floor is None:
            drawn = self._stage.drawn_processes(chance)
        else:
            swapped = chance.random() < 0.5
            ordinary = ordinary_blocks(self._recordings[number], self._of_a_process)
            places = resampled(len(ordinary), MOST_BLOCKS, chance)
            drawn = [(number, ordinary[place], swapped) for place in places]
        floors = {}
        for name in names:
            truth = math.exp(self._truths[name][number] if situation.own_truth else self._truth[name])
            floors[name] = truth * (FAR_FLOOR if situation.floor is None else situation.floor)
        played = self._stage.play(
            drawn,
            dict.fromkeys(names, situation.slowdown),
            Rules(floors, cores=1),
            self._pace,
            against_base=situation.floor is None,
        )
        return outcome_of(played.measurements)

    def planned(self, name: str) -> int:
        """Return how many blocks of a variant, head and base, the budget has room for; or of `EVERY`."""
        names = [*self._truth] if name == EVERY else [name]
        pairs = [recording.variants[each] for recording in self._recordings for each in names]
        blocks = sum(recording.blocks for recording in self._recordings)
        seconds = math.fsum(cost(timing) for pair in pairs for timing in (*pair.head, *pair.base))
        return planned_blocks(self._pace.budget_seconds, seconds / blocks)


def outcome_of(measurements: Sequence[Measurement]) -> Outcome:
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


def resampled(blocks: int, wanted: int, chance: random.Random) -> list[int]:
    """Return numbers of blocks, drawn by the stationary bootstrap; after the last comes the first."""
    drawn: list[int] = []
    for _ in range(wanted):
        if not drawn or chance.random() < 1 / MEAN_RUN:
            drawn.append(chance.randrange(blocks))
        else:
            drawn.append((drawn[-1] + 1) % blocks)
    return drawn


def ordinary_blocks(recording: Recording, of_a_process: int) -> list[int]:
    """Return the numbers of all blocks of a session but those right after a start of fresh processes.

    Args:
        recording: The session.
        of_a_process: After so many blocks there was one; after each, all blocks are the same.
    """
    return [block for block in range(recording.blocks) if of_a_process == 1 or block % of_a_process]


def true_log_speedup(recordings: Sequence[Recording], variant: str, of_a_process: int) -> float:
    """Return the middle of the log speedups of all ordinary blocks of recorded sessions, of both workers."""
    ratios = [
        ratio
        for recording in recordings
        for side in ("head", "base")
        for ratio in ordinary_log_ratios(recording, variant, side, of_a_process)
    ]
    return middle_of_blocks(ratios)[0]


def ordinary_log_ratios(recording: Recording, variant: str, side: str, of_a_process: int) -> list[float]:
    """Return the log speedups of the ordinary blocks of a session, of one of a variant's two workers."""
    seconds = (
        [timing.seconds for timing in passes]
        for passes in (recording.baseline, getattr(recording.variants[variant], side))
    )
    ratios = log_ratios(*seconds)
    return [ratios[block] for block in ordinary_blocks(recording, of_a_process)]
