"""Records passes of the same code on both sides (A/A), by the real rotation over real workers.

Each variant has two workers, one in the place of head and one in that of base: every difference between them
is noise. As in a real session, both go on in fresh processes after every block. Nothing is judged.
"""

from __future__ import annotations

import contextlib
import datetime
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loader_gate.machine.noise import describe_noise, read_noise, used_by_others
from loader_gate.registry.variant import BASELINE
from loader_gate.rotation.contestant import cost
from loader_gate.rotation.pace import Pace
from loader_gate.rotation.rotation import Watch, run_blocks
from loader_gate.rotation.runner import Runner
from loader_gate.verdict.change import Change
from loader_gate.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from loader_gate.machine.noise import NoiseReading
    from loader_gate.registry.spec import Spec
    from loader_gate.registry.variant import Variant
    from loader_gate.rotation.contestant import Arm, Contestant
    from loader_gate.rotation.runner import AnyWorker, Job
    from loader_gate.rotation.schedule import Turn
    from loader_gate.statistics.estimate import Estimate
    from loader_gate.worker.timing import PassTiming

#: No budget, and no end of blocks: a recording ends when somebody says so.
_ENDLESS = Pace(7 * 24 * 3600.0, most_blocks=1_000_000)


class RecordingError(Exception):
    """A variant could not be measured to the end; the message says which, and why."""


@dataclass(frozen=True)
class Pair:
    """The passes of a variant in two workers of the very same code, two a block each, in order."""

    head: tuple[PassTiming, ...]
    base: tuple[PassTiming, ...]


@dataclass(frozen=True)
class Recording:
    """One recorded session.

    Attributes:
        date: When it ended, in UTC.
        noise: What the system showed of noise, in words.
        baseline: The baseline's passes, two a block, in order.
        variants: The variants' passes, by name; of as many blocks.
        others: How many cores other programs kept busy meanwhile, or None if that is not known.
        neighbour: What was run beside it on purpose, in a word; nothing if nobody said.
    """

    date: str
    noise: str
    baseline: tuple[PassTiming, ...]
    variants: Mapping[str, Pair]
    others: float | None = None
    neighbour: str = ""

    @property
    def blocks(self) -> int:
        """Return how many blocks were recorded."""
        return len(self.baseline) // 2


@dataclass(frozen=True)
class Durations:
    """What took how long, in seconds of the wall.

    Attributes:
        workers: How many processes there were at a time.
        start: To start them, to check their work and to warm up.
        check: To check their work once more, in the midst of it.
        blocks: All blocks, with what is between passes.
        passes: The passes alone, as they count against a budget.
        renewed: How many pairs of processes were started anew.
        renewal: What that took in all, warming up included.
    """

    workers: int
    start: float
    check: float
    blocks: float
    passes: float
    renewed: int
    renewal: float


@dataclass(frozen=True)
class Recorded:
    """What a recording gives: the passes, what took how long, and noise before and after."""

    recording: Recording
    durations: Durations
    noise: tuple[NoiseReading, NoiseReading]

    @property
    def others(self) -> float | None:
        """Return how many cores other programs kept busy meanwhile, or None if that is not shown."""
        return used_by_others(*self.noise)


class SameCode:
    """Where the rotation's workers come from: those in the place of base run the same code."""

    def __init__(
        self, hire: Callable[[Variant, Path, Mapping[str, str] | None], AnyWorker], asked: Spec
    ) -> None:
        """Prepare.

        Args:
            hire: Starts a worker of a variant that writes to a folder of its own, given what an earlier one
                of the same has imported.
            asked: The epoch to deliver.
        """
        self._hire = hire
        self._asked = asked

    def start(self, variant: Variant, at_base: bool, imported: Mapping[str, str] | None = None) -> AnyWorker:
        """Start a worker; either side's is the same."""
        return self._hire(variant, self.spec(variant, at_base).cache_dir, imported)

    def compares(self, variant: Variant) -> bool:
        """Return whether there are two sides: of all but the baseline, to have more blocks in the time."""
        return variant.name != BASELINE

    def spec(self, variant: Variant, at_base: bool) -> Spec:
        """Return the epoch that a worker has to deliver."""
        return self._asked.for_variant(f"{variant.name}{'-at-base' if at_base else ''}")


class NothingDecided:
    """Rules by which nothing is decided."""

    def judge(
        self,
        variant: Variant,  # noqa: ARG002 (as the rotation asks)
        estimate: Estimate,
        last: bool,
        others: float | None,  # noqa: ARG002 (as the rotation asks)
    ) -> Verdict | None:
        """Return no verdict, as long as there is time."""
        return Verdict("undecided", None, estimate, "recorded") if last else None

    def judge_change(
        self,
        estimate: Estimate,
        surely: Estimate,  # noqa: ARG002 (as the rotation asks)
        tolerance: float,
        last: bool,
    ) -> Change | None:
        """Return no change, as long as there is time."""
        return Change("seconds", "same", estimate, tolerance) if last else None

    def busy_elsewhere(self, others: float | None) -> str:  # noqa: ARG002 (as the rotation asks)
        """Return nothing: nobody has to be excused."""
        return ""


class _EnoughError(Exception):
    """The recording is long enough."""


@dataclass
class _Clocked:
    """A runner that knows how long it takes between passes, and ends the rotation after a block.

    Attributes:
        runner: Does the work.
        contestants: Whose work it is.
        is_over: Told how many blocks there are; says whether they are enough.
    """

    runner: Runner
    contestants: Sequence[Contestant]
    is_over: Callable[[int], bool]
    check_seconds: float = field(default=0.0, init=False)
    renewal_seconds: float = field(default=0.0, init=False)
    renewed: int = field(default=0, init=False)

    def run_pass(self, contestant: Contestant, arm: Arm) -> PassTiming | None:
        return self.runner.run_pass(contestant, arm)

    def check(self, turns: Iterable[Turn]) -> None:
        started = time.monotonic()
        self.runner.check(turns)
        self.check_seconds += time.monotonic() - started

    def renew(self, due: Sequence[Contestant]) -> None:
        _refuse_problems(self.contestants)
        if self.is_over(self.contestants[0].blocks):
            raise _EnoughError
        started = time.monotonic()
        self.runner.renew(due)
        self.renewal_seconds += time.monotonic() - started
        self.renewed += len(due)
        _refuse_problems(self.contestants)


def record(
    variants: Iterable[Variant],
    workers: SameCode,
    job: Job,
    is_over: Callable[[int], bool],
    report: Callable[[str], None],
) -> Recorded:
    """Record one session with fresh workers, which are ended in any case.

    Args:
        variants: The baseline first, and the variants to record.
        workers: Where workers come from.
        job: What they are asked to do.
        is_over: Told after each block how many there are; says whether they are enough.
        report: Told what is being done.

    Raises:
        RecordingError: A variant could not be measured to the end.
    """
    before, began = read_noise(), time.monotonic()
    runner = Runner(workers, job, report)
    try:
        contestants = runner.start(variants)
        _refuse_problems(contestants)
        runner.warm_up(contestants)
        _refuse_problems(contestants)
        warm = time.monotonic()
        clocked = _Clocked(runner, contestants, is_over)
        order = random.Random(job.seed)  # noqa: S311 (an order of passes, no secret)
        with contextlib.suppress(_EnoughError):
            run_blocks(
                contestants,
                clocked,
                NothingDecided(),
                _ENDLESS,
                Watch(lambda text: report(text.partition(", at most")[0])),
                order,
            )
        ended = time.monotonic()
    finally:
        runner.end()
    after = read_noise()
    arms = [arm for each in contestants for arm in each.arms()]
    durations = Durations(
        workers=len(arms),
        start=warm - began,
        check=clocked.check_seconds,
        blocks=ended - warm - clocked.check_seconds - clocked.renewal_seconds,
        passes=sum(cost(timing) for arm in arms for timing in arm.passes),
        renewed=clocked.renewed,
        renewal=clocked.renewal_seconds,
    )
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="minutes")
    recording = Recording(
        now,
        describe_noise(before, after),
        tuple(contestants[0].head.passes),
        {each.variant.name: _pair(each) for each in contestants[1:]},
        used_by_others(before, after),
    )
    return Recorded(recording, durations, (before, after))


def _pair(contestant: Contestant) -> Pair:
    head, base = (tuple(arm.passes) for arm in contestant.arms())
    return Pair(head, base)


def _refuse_problems(contestants: Sequence[Contestant]) -> None:
    """Raise if a worker failed: half a recording is none."""
    # The baseline is in every block of whatever is measured, so what went wrong with others comes first.
    for each in reversed(contestants):
        for arm in (each.head, each.base):
            if arm is not None and arm.problem is not None:
                raise RecordingError(f"{each.variant.name} could not be recorded: {arm.problem}")
