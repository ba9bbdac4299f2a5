"""The session's loop of blocks: every undecided variant against the baseline, seconds apart.

A block runs the baseline and each undecided variant once, then all of them again in reverse order
(A B C … C B A), so that a machine that speeds up or slows down steadily favours none of them.
"""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from benchmarks.gate import Verdict, unmeasured
from benchmarks.registry import BASELINE, Variant
from benchmarks.statistics import (
    LOOKS,
    Estimate,
    block_log_ratio,
    epochs_per_pass,
    estimate,
    next_look,
    steady,
)
from benchmarks.timing import PassTiming
from benchmarks.worker_process import WorkerError
from fixtures.progress import minutes_and_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.spec import Spec
    from fixtures.tree import Tree

    Judge = Callable[[Variant, Estimate, bool], Verdict | None]
    """Takes a variant, its estimate, and whether this is the last look; returns the verdict, if any."""

    Report = Callable[[str], None]
    """Takes what is being done, and how long it may still take."""


class AnyWorker(Protocol):
    """What the rotation needs of a worker; see ``WorkerProcess``."""

    def open(self, tree: Tree, spec: Spec, consumer: Mapping[str, Any]) -> dict[str, Any]:
        """Build the variant."""

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send one request, return the answer."""

    def close(self) -> None:
        """Begin to end the process."""

    def end(self) -> None:
        """Finish ending the process."""


@dataclass(frozen=True)
class Measurement:
    """What one session learned of one variant.

    Attributes:
        variant: The variant.
        kind: Its kind, as its module says; empty if it never said so.
        verdict: The verdict and its reason.
        baseline_passes: The baseline's passes of the blocks below, two a block, in order.
        variant_passes: The variant's own, likewise.
        build_seconds: What calling the loader function took, once.
        median_psnr: Of the checked epoch against the reference decode, in dB; None if it was not checked.
    """

    variant: Variant
    kind: str
    verdict: Verdict
    baseline_passes: tuple[PassTiming, ...]
    variant_passes: tuple[PassTiming, ...]
    build_seconds: float
    median_psnr: float | None


@dataclass
class _Contestant:
    """A variant during the rotation."""

    variant: Variant
    worker: AnyWorker
    kind: str = ""
    build_seconds: float = 0.0
    median_psnr: float | None = None
    epochs: int = 1
    verdict: Verdict | None = None
    own: list[PassTiming] = field(default_factory=list)
    baseline: list[PassTiming] = field(default_factory=list)

    @property
    def blocks(self) -> int:
        return len(self.own) // 2

    def log_ratios(self) -> list[float]:
        return [
            block_log_ratio(
                [timing.seconds for timing in self.baseline[start : start + 2]],
                [timing.seconds for timing in self.own[start : start + 2]],
            )
            for start in range(0, len(self.own), 2)
        ]

    def measurement(self) -> Measurement:
        verdict = self.verdict or unmeasured("the session ended before it was its turn")
        return Measurement(
            variant=self.variant,
            kind=self.kind,
            verdict=verdict,
            baseline_passes=tuple(self.baseline),
            variant_passes=tuple(self.own),
            build_seconds=self.build_seconds,
            median_psnr=self.median_psnr,
        )


def _cost(timing: PassTiming) -> float:
    """Return the measuring time that a pass took, in seconds."""
    return (timing.seconds + timing.teardown_seconds) * timing.epochs


class Rotation:
    """Measures variants until each has a verdict or has spent its budget."""

    def __init__(
        self,
        variants: Sequence[Variant],
        start_worker: Callable[[Variant], AnyWorker],
        judge: Judge,
        budget_seconds: float,
        report: Report,
    ) -> None:
        """Prepare to measure.

        Args:
            variants: The baseline and the variants to measure.
            start_worker: Starts the worker of a variant.
            judge: Gives a verdict on an estimate, or None for "more blocks".
            budget_seconds: The most measuring time a variant may take, its share of baseline passes included.
            report: Told what is being done.
        """
        self._variants = variants
        self._start_worker = start_worker
        self._judge = judge
        self._budget_seconds = budget_seconds
        self._report = report
        self._order = random.Random(0)  # noqa: S311 (an order of passes, no secret)

    def run(
        self,
        tree: Tree,
        spec_of: Callable[[Variant], Spec],
        reference: Path,
        consumer: Mapping[str, Any],
        *,
        only_check: str = "",
    ) -> dict[str, Measurement]:
        """Measure every variant.

        Args:
            tree: The images.
            spec_of: Gives the epoch that a variant has to deliver, with a folder of its own.
            reference: The folder of the reference decode.
            consumer: What uses the batches; see ``WorkerProcess.open``.
            only_check: If not empty, why nothing may be timed: variants are checked, and are then unmeasured.

        Returns:
            A measurement for each variant, by name.
        """
        contestants: list[_Contestant] = []
        try:
            contestants.extend(
                _Contestant(variant, self._start_worker(variant)) for variant in self._variants
            )
            self._open_and_check(contestants, tree, spec_of, reference, consumer)
            if only_check:
                for contestant in contestants:
                    contestant.verdict = contestant.verdict or unmeasured(only_check)
            self._warm_up(contestants)
            self._measure(contestants)
        finally:
            _end_all(contestant.worker for contestant in contestants)
        return {contestant.variant.name: contestant.measurement() for contestant in contestants}

    def _open_and_check(
        self,
        contestants: Sequence[_Contestant],
        tree: Tree,
        spec_of: Callable[[Variant], Spec],
        reference: Path,
        consumer: Mapping[str, Any],
    ) -> None:
        """Build every variant and check its work; nothing is timed yet, so several may run at once."""

        def open_and_check(contestant: _Contestant) -> None:
            opened = contestant.worker.open(tree, spec_of(contestant.variant), consumer)
            contestant.kind, contestant.build_seconds = opened["kind"], opened["build_seconds"]
            check = contestant.worker.ask("check", reference=str(reference))
            contestant.median_psnr = check["median_psnr"]
            if check["reason"]:
                contestant.verdict = unmeasured(f"it does other work than asked: {check['reason']}")

        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            jobs = [pool.submit(open_and_check, contestant) for contestant in contestants]
            for contestant, job in zip(contestants, jobs, strict=True):
                self._report(f"checking that {contestant.variant.name} does the same work")
                self._guarded(contestant, job.result)
        except BaseException:
            _end_all(
                contestant.worker for contestant in contestants
            )  # or the pool would wait for their answers
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _warm_up(self, contestants: Iterable[_Contestant]) -> None:
        """Run passes until they are steady, and find how many epochs make a pass long enough to time."""
        for contestant in contestants:
            seconds: list[float] = []
            while contestant.verdict is None and not steady(seconds):
                self._report(f"warming up {contestant.variant.name}")
                timing = self._pass(contestant)
                if timing is not None:
                    seconds.append(timing.seconds)
            if seconds:
                contestant.epochs = epochs_per_pass(min(seconds))

    def _measure(self, contestants: Sequence[_Contestant]) -> None:
        """Run blocks until nothing is undecided."""
        (baseline,) = (contestant for contestant in contestants if contestant.variant.name == BASELINE)
        rivals = [contestant for contestant in contestants if contestant is not baseline]
        while True:
            if baseline.verdict is not None:
                for rival in rivals:
                    rival.verdict = rival.verdict or unmeasured(
                        f"the baseline {BASELINE} could not be measured: {baseline.verdict.reason}"
                    )
                return
            undecided = [rival for rival in rivals if rival.verdict is None]
            if not undecided and (baseline.blocks >= LOOKS[0] or self._is_too_slow(baseline)):
                break
            self._block(baseline, undecided)
            for rival in undecided:
                self._look(rival)
        baseline.verdict = self._judge(baseline.variant, Estimate(1.0, 1.0, 1.0, baseline.blocks), True)

    def _is_too_slow(self, baseline: _Contestant) -> bool:
        """Return whether the blocks up to the first look would take longer than the budget."""
        return baseline.blocks > 0 and LOOKS[0] * self._block_cost(baseline) > self._budget_seconds

    def _block(self, baseline: _Contestant, undecided: Sequence[_Contestant]) -> None:
        """Run one block, and keep the passes of those who finished both of theirs."""
        order = [baseline, *undecided]
        self._order.shuffle(order)
        passes: dict[str, list[PassTiming]] = {contestant.variant.name: [] for contestant in order}
        for contestant in (*order, *reversed(order)):
            if contestant.verdict is None and baseline.verdict is None:
                self._report(self._doing(contestant, baseline, undecided))
                timing = self._pass(contestant)
                if timing is not None:
                    passes[contestant.variant.name].append(timing)
        if baseline.verdict is None:
            for contestant in order:
                if contestant.verdict is None:
                    contestant.own.extend(passes[contestant.variant.name])
                    contestant.baseline.extend(passes[BASELINE])

    def _look(self, contestant: _Contestant) -> None:
        """Take a verdict, if this is the time for one."""
        if contestant.verdict is not None or contestant.blocks == 0:
            return
        look = next_look(contestant.blocks + 1)
        # Blocks that lead to no look would be measured in vain.
        last = look is None or look * self._block_cost(contestant) > self._budget_seconds
        if last or contestant.blocks in LOOKS:
            verdict = self._judge(contestant.variant, estimate(contestant.log_ratios()), last)
            if verdict is not None and contestant.blocks < LOOKS[0]:
                needed = f"; {LOOKS[0]} blocks take about {LOOKS[0] * self._block_cost(contestant):,.0f} s"
                verdict = replace(verdict, reason=verdict.reason + needed)
            contestant.verdict = verdict

    def _pass(self, contestant: _Contestant) -> PassTiming | None:
        """Run one pass; a worker that fails gets its verdict instead."""
        answer = self._guarded(contestant, lambda: contestant.worker.ask("pass", epochs=contestant.epochs))
        if answer is None:
            return None
        return PassTiming(**answer)

    def _guarded(self, contestant: _Contestant, act: Callable[[], Any]) -> Any:
        """Call ``act``; a worker's failure is that variant's verdict, and nobody else's."""
        try:
            return act()
        except WorkerError as error:
            contestant.verdict = unmeasured(str(error))
            contestant.worker.end()
            return None

    def _spent(self, contestant: _Contestant) -> float:
        return sum(_cost(timing) for timing in (*contestant.own, *contestant.baseline))

    def _block_cost(self, contestant: _Contestant) -> float:
        return self._spent(contestant) / contestant.blocks

    def _most_left(self, baseline: _Contestant, undecided: Sequence[_Contestant]) -> float:
        """Return how many seconds of measuring are left if every variant uses all it may."""
        own, rounds = 0.0, 0.0
        for contestant in undecided:
            if contestant.blocks == 0:
                return len(undecided) * self._budget_seconds
            cost = self._block_cost(contestant)
            blocks = min(
                LOOKS[-1] - contestant.blocks, (self._budget_seconds - self._spent(contestant)) / cost
            )
            own += blocks * sum(map(_cost, contestant.own)) / contestant.blocks
            rounds = max(rounds, blocks)
        return own + rounds * (sum(map(_cost, baseline.own)) / max(baseline.blocks, 1))

    def _doing(self, contestant: _Contestant, baseline: _Contestant, undecided: Sequence[_Contestant]) -> str:
        block = 1 + max((rival.blocks for rival in undecided), default=contestant.blocks)
        rivals = len(self._variants) - 1
        decided = rivals - sum(rival.verdict is None for rival in undecided)
        left = minutes_and_seconds(self._most_left(baseline, undecided))
        return (
            f"block {block}, {decided} of {rivals} decided, timing {contestant.variant.name}, "
            f"at most {left} left"
        )


def _end_all(workers: Iterable[AnyWorker]) -> None:
    """End every worker, all at once rather than one after another."""
    workers = list(workers)
    for worker in workers:
        worker.close()
    for worker in workers:
        worker.end()
