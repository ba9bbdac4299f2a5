"""Pairs of processes that are timed at once, each on half of the cores, or in turn on all of them."""

from __future__ import annotations

import contextlib
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from threading import Barrier
from typing import TYPE_CHECKING

from docs.study.errors import StudyError
from docs.study.halves import bound_to, move
from docs.study.record import HANG_SECONDS
from docs.study.spreads import Block
from loader_gate.rotation.runner import Job, Runner
from loader_gate.statistics.counts import epochs_in_rounds, epochs_per_pass
from loader_gate.statistics.estimate import log_ratios
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerProcess, module_search_path

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from docs.study.halves import Half
    from loader_gate.registry.spec import Spec
    from loader_gate.registry.variant import Variant
    from loader_gate.rotation.contestant import Arm, Contestant
    from loader_gate.worker.forked import Templates

PASS_SECONDS = 0.2


@dataclass(frozen=True)
class Case:
    """What is compared: the same code twice, or something planted."""

    name: str
    head: Variant
    base: Variant


class Workers:
    """Where the processes of one case and way come from; see ``rotation.runner.Workers``.

    Attributes:
        pids: Their numbers, by whether they are base's.
    """

    def __init__(self, case: Case, asked: Spec, bound: Half | None, templates: Templates) -> None:
        """Prepare.

        Args:
            case: What is compared.
            asked: The epoch to deliver.
            bound: The cores that workers are bound to when they start; all if None.
            templates: What they are forked from, once it is known what they import.
        """
        self._case, self._asked, self._bound, self._templates = case, asked, bound, templates
        self.pids: dict[bool, int] = {}

    def start(
        self,
        variant: Variant,  # noqa: ARG002 (head and base may be two)
        at_base: bool,
        imported: Mapping[str, str] | None = None,
    ) -> WorkerProcess:
        """Start a worker, of head or base; which half it is on matters only when it is timed."""
        with contextlib.nullcontext() if self._bound is None else bound_to(self._bound):
            worker = WorkerProcess(
                self._case.base if at_base else self._case.head,
                module_search_path(Path.cwd()),
                WorkerLimits(HANG_SECONDS),
                fork=self._templates.with_imported(imported),
            )
        self.pids[at_base] = worker.pid
        return worker

    def compares(self, variant: Variant) -> bool:  # noqa: ARG002 (everything is)
        """Return that everything is compared."""
        return True

    def spec(self, variant: Variant, at_base: bool) -> Spec:
        """Return the epoch that a worker has to deliver."""
        return self._asked.for_variant(f"{variant.name}{'-at-base' if at_base else ''}")


class Pairs:
    """Pairs of processes of one case, timed in one of the ways.

    Attributes:
        runs: The blocks so far, by pair.
    """

    def __init__(
        self,
        case: Case,
        job: Job,
        workers: Workers,
        halves: tuple[Half, Half] | None,
        report: Callable[[str], None],
        *,
        in_rounds: bool = False,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            case: What is compared.
            job: What workers are asked to do.
            workers: Where they come from.
            halves: Of the cores, for duet; None in turn.
            report: Told what is being done.
            in_rounds: Whether both sides take turns within a pass too, if their epochs are short.
        """
        self.runs: list[list[Block]] = []
        self._case, self._workers, self._halves = case, workers, halves
        self._runner = Runner(workers, job, report)
        self._contestant: Contestant
        self._in_rounds, self._rounds = in_rounds, 1
        self._took = 0.0

    def renew(self) -> None:
        """Go on in fresh processes, warm.

        Raises:
            StudyError: They cannot be timed.
        """
        if self.runs:
            self._runner.renew([self._contestant])
        else:
            (self._contestant,) = self._runner.start([self._case.head])
            self._runner.warm_up([self._contestant])
        self._refuse_problems()
        if not self.runs:  # as it is timed, as others wait for the same memory then
            epoch = min(self._round(self._contestant.arms()))
            self._contestant.epochs = epochs_per_pass(epoch, PASS_SECONDS)
            if self._in_rounds:
                self._contestant.epochs, self._rounds = epochs_in_rounds(epoch, PASS_SECONDS)
        self.runs.append([])

    def block(self, order: random.Random) -> None:
        """Time each side twice.

        Raises:
            StudyError: One could not be timed.
        """
        arms = order.sample(self._contestant.arms(), 2)
        rounds, seconds = [], 0.0
        for each in (arms, arms[::-1]):
            both = []
            for number in range(self._rounds):
                both.append(self._round(each if number % 2 == 0 else each[::-1]))
                seconds += self._took
            rounds.append((fmean(head for head, _ in both), fmean(base for _, base in both)))
        (ratio,) = log_ratios([head for head, _ in rounds], [base for _, base in rounds])
        self.runs[-1].append(Block(ratio, seconds))

    def end(self) -> None:
        """End every process."""
        self._runner.end()

    def _round(self, arms: Sequence[Arm]) -> tuple[float, float]:
        """Time both sides once; return the seconds of head and of base.

        Args:
            arms: In turn, who is first; in duet, who is on the first half.
        """
        if self._halves is not None:
            for arm, half in zip(arms, self._halves, strict=True):
                move(self._workers.pids[arm.at_base], half)
        barrier = Barrier(1 if self._halves is None else 2)

        def run(arm: Arm) -> float:
            barrier.wait()
            timing = self._runner.run_pass(self._contestant, arm)
            if timing is None:
                return math.nan
            arm.passes.append(timing)
            return timing.seconds

        with ThreadPoolExecutor(barrier.parties) as pool:
            began = time.monotonic()
            seconds = dict(zip([arm.at_base for arm in arms], pool.map(run, arms), strict=True))
            self._took = time.monotonic() - began
        self._refuse_problems()
        return seconds[False], seconds[True]

    def _refuse_problems(self) -> None:
        for arm in (self._contestant.head, self._contestant.base):
            if arm is not None and arm.problem is not None:
                raise StudyError(f"{self._case.name} could not be timed: {arm.problem}")
