"""The session's loop of blocks: every undecided variant against the baseline, seconds apart.

A block runs the baseline and each undecided variant once, then all of them again in reverse order
(A B C … C B A), so that a machine that speeds up or slows down steadily favours none of them. With a base to
compare with, a variant's turn is a pass of head and one of base, in either order: what is compared most
finely is nearest in time.

Two processes of the same code need not be equally fast: where their memory lies, say, is drawn anew with
each. So a variant that is compared with base goes on in fresh processes, on both sides, every few blocks.

A limit stays as long as anything that it bounds is undecided: what share of its limit a variant reaches is a
ratio of passes of the same blocks.
"""

from __future__ import annotations

import math
import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from loader_gate.progress import minutes_and_seconds
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.statistics.estimates import (
    ERROR,
    FAILING_ERROR,
    FEWEST_BLOCKS,
    FEWEST_TO_LOOK_EARLY,
    MOST_BLOCKS,
    SINGLE_LOOK_ERROR,
    Control,
    Estimate,
    clipped,
    epochs_per_pass,
    estimate,
    estimate_at_any_look,
    excess_spread,
    log_ratios,
    pair_log_ratios,
    planned_blocks,
    read_control,
    robust_estimate_at_any_look,
    steady,
    without,
)
from loader_gate.verdict.change import Change, judge_change, judge_once, with_changes
from loader_gate.verdict.excuses import moved_reason, unconfirmed_reason
from loader_gate.verdict.share import Share
from loader_gate.verdict.verdict import Verdict, unmeasured
from loader_gate.worker.process import WorkerError, bytes_in
from loader_gate.worker.timing import PassTiming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree

    Judge = Callable[[Variant, Estimate, bool], Verdict | None]
    """Takes a variant, its estimate, and whether this is the last look; returns the verdict, if any."""

    JudgeChange = Callable[[Estimate, float, bool], Change | None]
    """Takes head / base, the tolerance, and whether this is the last look; returns the change, if decided."""

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
        base_passes: Those of the same variant at base, likewise; empty where there is none.
        share: What share of its limit it reaches; None if no limit bounds it.
        written_bytes: What it had written to disk when it was built, such as an archive of the files.
    """

    variant: Variant
    kind: str
    verdict: Verdict
    baseline_passes: tuple[PassTiming, ...]
    variant_passes: tuple[PassTiming, ...]
    build_seconds: float
    median_psnr: float | None
    base_passes: tuple[PassTiming, ...] = ()
    share: Share | None = None
    written_bytes: int = 0


#: After so many blocks, head and base go on in fresh processes.
RENEWED_AFTER = 6
#: Before so much measuring time, nothing is called a change: the blocks of a few seconds, however many they
#: are, have seen one mood of the machine only.
EARLIEST_CHANGE_SECONDS = 10.0
#: The same beside other programs, whose moods are longer.
EARLIEST_BESIDE_OTHERS_SECONDS = 30.0

#: Figures that are compared with base beside the seconds, by name: of which passes, and the tolerance.
COMPARED_TOO = {
    "CPU seconds": ("cpu_seconds", 0.05),
    "first batch": ("first_batch_seconds", 0.20),
}
PEAK_MEMORY_TOLERANCE = 0.15


@dataclass
class _Arm:
    """One side of a variant, head or base, during the rotation."""

    worker: AnyWorker
    passes: list[PassTiming] = field(default_factory=list)


@dataclass
class _Contestant:
    """A variant during the rotation."""

    variant: Variant
    head: _Arm
    base: _Arm | None = None
    kind: str = ""
    build_seconds: float = 0.0
    written_bytes: int = 0
    median_psnr: float | None = None
    epochs: int = 1
    planned: int | None = None
    on_speedup: Verdict | None = None
    on_change: Change | None = None
    verdict: Verdict | None = None
    share: Share | None = None
    baseline: list[PassTiming] = field(default_factory=list)

    @property
    def blocks(self) -> int:
        return len(self.head.passes) // 2

    @property
    def looked_at_once(self) -> bool:
        """Return whether no block is worth a look of its own: nothing waits for it, or there are too few."""
        if self.variant.kind == "limit":
            return True
        return self.planned is not None and self.planned < FEWEST_TO_LOOK_EARLY

    def arms(self) -> list[_Arm]:
        return [self.head] if self.base is None else [self.head, self.base]

    def undecided_arms(self) -> list[_Arm]:
        return [self.head] if self.on_change is not None else self.arms()

    def measurement(self) -> Measurement:
        verdict = self.verdict or unmeasured("the session ended before it was its turn")
        return Measurement(
            variant=self.variant,
            kind=self.kind,
            verdict=verdict,
            baseline_passes=tuple(self.baseline),
            variant_passes=tuple(self.head.passes),
            build_seconds=self.build_seconds,
            median_psnr=self.median_psnr,
            base_passes=() if self.base is None else tuple(self.base.passes),
            share=self.share,
            written_bytes=self.written_bytes,
        )


def _cost(timing: PassTiming) -> float:
    """Return the measuring time that a pass took, in seconds."""
    return (timing.seconds + timing.teardown_seconds) * timing.epochs


def _seconds(passes: Sequence[PassTiming]) -> list[float]:
    return [timing.seconds for timing in passes]


def _control(baseline: Sequence[PassTiming]) -> Control:
    return read_control(_seconds(baseline))


def _spread(
    ratios: Sequence[float],
    contaminated: Sequence[int],
    per_block: int,
    *,
    robust: bool,
    one_pair_will_do: bool,
) -> float:
    """Return how much wider to make the interval of a change, as pairs of processes may differ.

    Args:
        ratios: Log-ratios of head / base, in order.
        contaminated: Indices of blocks that do not count.
        per_block: How many log-ratios there are of each block.
        robust: Whether the interval is that of the robust estimate, to which none is far off.
        one_pair_will_do: Whether a single pair of processes is enough, of which nothing can be said.
    """
    clean = without(ratios, contaminated, per_block)
    blocks = [index // per_block for index in range(len(ratios)) if index // per_block not in contaminated]
    runs: dict[int, list[float]] = {}
    for block, ratio in zip(blocks, clipped(clean) if robust else clean, strict=True):
        runs.setdefault(block // RENEWED_AFTER, []).append(ratio)
    spread = excess_spread(list(runs.values()))
    return 1.0 if math.isinf(spread) and one_pair_will_do else spread


class Rotation:
    """Measures variants until each has a verdict or has spent its budget."""

    def __init__(
        self,
        variants: Sequence[Variant],
        start_worker: Callable[[Variant], AnyWorker],
        judge: Judge,
        budget_seconds: float,
        report: Report,
        *,
        start_base: Callable[[Variant], AnyWorker | None] = lambda _: None,
        tolerance: float = 0.0,
        judge_change: JudgeChange = judge_change,
        beside_others: Callable[[], str] = lambda: "",
        most_blocks: int = MOST_BLOCKS,
    ) -> None:
        """Prepare to measure.

        Args:
            variants: The baseline and the variants to measure.
            start_worker: Starts the worker of a variant.
            judge: Gives a verdict on an estimate, or None for "more blocks".
            budget_seconds: The most measuring time a variant may take: of its own passes and the baseline's
                or, where it is compared with base, of its own and base's.
            report: Told what is being done.
            start_base: Starts the worker of the same variant at base; None if there is nothing to compare.
            tolerance: The share by which head may be slower than base.
            judge_change: Says what became of the seconds; another one to record without deciding.
            beside_others: Says what other programs take of the machine; nothing if that is little.
            most_blocks: No variant is measured for more; another number to record.
        """
        self._variants = variants
        self._start_worker = start_worker
        self._start_base = start_base
        self._tolerance = tolerance
        self._judge_change = judge_change
        self._beside_others = beside_others
        self._most_blocks = most_blocks
        self._judge = judge
        self._budget_seconds = budget_seconds
        self._report = report
        self._order = random.Random(0)  # noqa: S311 (an order of passes, no secret)
        self._open_one: Callable[[_Contestant, _Arm], str]

    def run(
        self,
        tree: Tree,
        spec_of: Callable[[Variant, bool], Spec],
        reference: Path,
        consumer: Mapping[str, Any],
        *,
        only_check: str = "",
    ) -> dict[str, Measurement]:
        """Measure every variant.

        Args:
            tree: The images.
            spec_of: Gives the epoch that a variant, or if True the same one at base, has to deliver; with a
                folder of its own.
            reference: The folder of the reference decode.
            consumer: What uses the batches; see ``WorkerProcess.open``.
            only_check: If not empty, why nothing may be timed: variants are checked, and are then unmeasured.

        Returns:
            A measurement for each variant, by name.
        """
        contestants: list[_Contestant] = []

        def open_and_check(contestant: _Contestant, arm: _Arm) -> str:
            spec = spec_of(contestant.variant, arm is contestant.base)
            opened = arm.worker.open(tree, spec, consumer)
            written = bytes_in(spec.cache_dir)
            if arm.passes:  # the same code as before: it is known to do the same work
                return ""
            check = arm.worker.ask("check", reference=str(reference))
            if arm is contestant.head:
                contestant.kind, contestant.build_seconds = opened["kind"], opened["build_seconds"]
                contestant.written_bytes = written
                contestant.median_psnr = check["median_psnr"]
            return f"it does other work than asked: {check['reason']}" if check["reason"] else ""

        self._open_one = open_and_check
        try:
            for variant in self._variants:
                contestant = _Contestant(variant, _Arm(self._start_worker(variant)))
                contestants.append(contestant)
                if not only_check and (base := self._start_base(variant)) is not None:
                    contestant.base = _Arm(base)
            self._open_and_check(contestants)
            if only_check:
                for contestant in contestants:
                    contestant.verdict = contestant.verdict or unmeasured(only_check)
            self._warm_up(contestants)
            self._measure(contestants)
            for contestant in contestants:
                contestant.share = _share(contestant, contestants)
        finally:
            _end_all(arm.worker for contestant in contestants for arm in contestant.arms())
        return {contestant.variant.name: contestant.measurement() for contestant in contestants}

    def _open_and_check(self, contestants: Sequence[_Contestant]) -> None:
        """Build every variant and check its work; nothing is timed yet, so several may run at once."""
        everything = [(contestant, arm) for contestant in contestants for arm in contestant.arms()]
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            jobs = [pool.submit(self._open_one, contestant, arm) for contestant, arm in everything]
            for (contestant, arm), job in zip(everything, jobs, strict=True):
                doing = "starting {} anew" if arm.passes else "checking that {} does the same work"
                self._report(doing.format(contestant.variant.name))
                problem = self._guarded(contestant, arm, job.result)
                if problem:
                    self._drop(contestant, arm, problem)
        except BaseException:
            _end_all(arm.worker for _, arm in everything)  # or the pool would wait for their answers
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _warm_up(self, contestants: Iterable[_Contestant]) -> None:
        """Run passes until they are steady, and find how many epochs make a pass long enough to time."""
        for contestant in contestants:
            fastest = []
            for arm in contestant.undecided_arms():
                seconds: list[float] = []
                while contestant.verdict is None and arm in contestant.arms() and not steady(seconds):
                    self._report(f"warming up {self._named(contestant, arm)}")
                    timing = self._pass(contestant, arm)
                    if timing is not None:
                        seconds.append(timing.seconds)
                fastest += seconds
            if fastest and not contestant.head.passes:
                contestant.epochs = epochs_per_pass(min(fastest))

    def _measure(self, contestants: Sequence[_Contestant]) -> None:
        """Run blocks until nothing is undecided."""
        (baseline,) = (contestant for contestant in contestants if contestant.variant.name == BASELINE)
        rivals = [contestant for contestant in contestants if contestant is not baseline]
        rivals.sort(key=lambda rival: rival.variant.kind == "limit")  # looked at when all others have been
        while True:
            if baseline.verdict is not None:
                for rival in rivals:
                    rival.verdict = rival.verdict or unmeasured(
                        f"the baseline {BASELINE} could not be measured: {baseline.verdict.reason}"
                    )
                return
            undecided = [rival for rival in rivals if rival.verdict is None]
            compared = baseline.base is not None and baseline.on_change is None
            enough = baseline.blocks >= FEWEST_BLOCKS or self._is_too_slow(baseline)
            if not undecided and not compared and enough:
                break
            self._block(baseline, undecided)
            for contestant in (baseline, *undecided):
                if not _bounds_any(contestant, undecided):
                    self._look(contestant)
            self._renew([baseline, *undecided])
        verdict = self._judge(baseline.variant, Estimate(1.0, 1.0, 1.0, baseline.blocks), True)
        baseline.verdict = verdict and with_changes(verdict, self._changes(baseline))

    def _renew(self, contestants: Sequence[_Contestant]) -> None:
        """Let fresh processes go on with what is still being compared."""
        due = [
            each
            for each in contestants
            if each.verdict is None
            and each.base is not None
            and each.on_change is None
            and each.blocks > 0
            and each.blocks % RENEWED_AFTER == 0
        ]
        if not due:
            return
        _end_all(arm.worker for contestant in due for arm in contestant.arms())
        for contestant in due:
            contestant.head.worker = self._start_worker(contestant.variant)
            base = self._start_base(contestant.variant)
            if contestant.base is not None and base is not None:
                contestant.base.worker = base
        self._open_and_check(due)
        # The others have been idle all the while, and their first pass would be a slow one.
        self._warm_up(contestants)

    def _is_too_slow(self, baseline: _Contestant) -> bool:
        """Return whether the blocks up to the first look would take longer than the budget."""
        return baseline.blocks > 0 and FEWEST_BLOCKS * self._block_cost(baseline) > self._budget_seconds

    def _block(self, baseline: _Contestant, undecided: Sequence[_Contestant]) -> None:
        """Run one block, and keep the passes of those who finished all of theirs."""
        contestants = [baseline, *undecided]
        self._order.shuffle(contestants)
        turns: list[tuple[_Contestant, _Arm]] = []
        for contestant in contestants:
            arms = contestant.undecided_arms()
            self._order.shuffle(arms)
            turns += [(contestant, arm) for arm in arms]
        passes: dict[int, list[PassTiming]] = {id(arm): [] for _, arm in turns}
        for contestant, arm in (*turns, *reversed(turns)):
            lost = contestant.verdict is not None or arm not in contestant.arms()
            if not lost and baseline.verdict is None:
                self._report(self._doing(self._named(contestant, arm), baseline, undecided))
                timing = self._pass(contestant, arm)
                if timing is not None:
                    passes[id(arm)].append(timing)
        if baseline.verdict is not None:
            return
        for contestant, arm in turns:
            if contestant.verdict is None and arm in contestant.arms():
                arm.passes.extend(passes[id(arm)])
                if arm is contestant.head:
                    contestant.baseline.extend(passes[id(baseline.head)])

    def _look(self, contestant: _Contestant) -> None:
        """Take a verdict, if there is one to be had."""
        if contestant.verdict is not None or contestant.blocks == 0:
            return
        blocks, spent = contestant.blocks, self._spent(contestant)
        if contestant.planned is None:
            contestant.planned = planned_blocks(self._budget_seconds, spent / blocks, self._most_blocks)
        over = spent + spent / blocks > self._budget_seconds
        last = blocks >= self._enough(contestant) or over
        if contestant.looked_at_once and not last and contestant.variant.kind != "limit":
            return
        if contestant.variant.name == BASELINE:
            if contestant.base is not None and contestant.on_change is None:
                contestant.on_change = self._look_at_change(contestant, last)
            return
        if contestant.on_speedup is None:
            contestant.on_speedup = self._look_at_speedup(contestant, last)
        if contestant.base is not None and contestant.on_change is None:
            contestant.on_change = self._look_at_change(contestant, last)
        waiting = contestant.base is not None and contestant.on_change is None
        if contestant.on_speedup is None or waiting:
            return
        verdict = contestant.on_speedup
        if blocks < FEWEST_BLOCKS:
            needed = (
                f"; {FEWEST_BLOCKS} blocks take about {FEWEST_BLOCKS * self._block_cost(contestant):,.0f} s"
            )
            verdict = replace(verdict, reason=verdict.reason + needed)
        contestant.verdict = with_changes(verdict, self._changes(contestant))

    def _enough(self, contestant: _Contestant) -> int:
        """Return after how many blocks the last look is; at a limit, once nothing needs it any more."""
        if contestant.variant.kind == "limit":
            return FEWEST_BLOCKS
        if contestant.looked_at_once and contestant.planned is not None:
            return contestant.planned
        return self._most_blocks

    def _look_at_speedup(self, contestant: _Contestant, last: bool) -> Verdict | None:
        """Judge the speedup; a fail takes more to be sure of, and on a machine that moves nobody does."""
        control = _control(contestant.baseline)
        ratios = log_ratios(_seconds(contestant.baseline), _seconds(contestant.head.passes))
        clean = without(ratios, control.contaminated)
        found = self._estimate_speedup(contestant, clean, ERROR)
        verdict = self._judge(contestant.variant, found, last)
        if verdict is None or verdict.status != "fail":
            return verdict
        surely = self._estimate_speedup(contestant, clean, FAILING_ERROR)
        confirmed = self._judge(contestant.variant, surely, last)
        if confirmed is None or confirmed.status != "fail":
            return confirmed and replace(confirmed, estimate=found)
        if not control.moved:
            return verdict
        return replace(verdict, status="undecided", reason=moved_reason(control)) if last else None

    def _look_at_change(self, contestant: _Contestant, last: bool) -> Change | None:
        """Judge the change; to call it one takes more to be sure of, and a machine that does not move."""
        if contestant.base is None:
            return None
        control = _control(contestant.baseline)
        ratios = pair_log_ratios(_seconds(contestant.head.passes), _seconds(contestant.base.passes))
        clean = without(ratios, control.contaminated, 2)
        found = self._estimate_change(contestant, clean, ERROR)
        change = self._judge_change(found, self._tolerance, last)
        if change is None or change.outcome not in ("regression", "improvement"):
            return change
        others = self._beside_others()
        earliest = EARLIEST_BESIDE_OTHERS_SECONDS if others else EARLIEST_CHANGE_SECONDS
        if not last and self._spent(contestant) < earliest:
            return None
        surely = self._estimate_change(contestant, clean, FAILING_ERROR)
        robust, one_pair_will_do = not contestant.looked_at_once, last and not others
        spread = _spread(ratios, control.contaminated, 2, robust=robust, one_pair_will_do=one_pair_will_do)
        surely = surely.widened(spread)
        confirmed = self._judge_change(surely, self._tolerance, last)
        if confirmed is None or confirmed.outcome != change.outcome:
            if not last:
                return None
            if change.outcome == "improvement":  # nothing that somebody has to look into
                return replace(change, outcome="same")
            return replace(change, outcome="undecided", reason=unconfirmed_reason(others))
        if change.outcome != "regression" or not control.moved:
            return change
        return replace(change, outcome="undecided", reason=moved_reason(control)) if last else None

    def _estimate_speedup(
        self, contestant: _Contestant, log_ratios: Sequence[float], error: float
    ) -> Estimate:
        """Return the speedup from a log-ratio a block, valid for as often as it is looked at."""
        if contestant.looked_at_once:
            return estimate(log_ratios, error)
        return estimate_at_any_look(log_ratios, error)

    def _estimate_change(
        self, contestant: _Contestant, log_ratios: Sequence[float], error: float
    ) -> Estimate:
        """Return head / base from two log-ratios a block, valid likewise."""
        if contestant.looked_at_once:
            return estimate(log_ratios, error, 2)
        return robust_estimate_at_any_look(log_ratios, error, 2)

    def _changes(self, contestant: _Contestant) -> list[Change]:
        """Return every change against base, the seconds first; the others are looked at only now."""
        if contestant.on_change is None:
            return []
        changes = [contestant.on_change]
        if contestant.base is None or len(contestant.base.passes) < 2 * FEWEST_BLOCKS:
            return changes
        base = contestant.base.passes
        head = contestant.head.passes[: len(base)]
        control = _control(contestant.baseline[: len(base)])
        if control.moved:
            return changes
        one_pair_will_do = not self._beside_others()
        for figure, (name, tolerance) in COMPARED_TOO.items():
            above, below = ([getattr(timing, name) for timing in passes] for passes in (head, base))
            if min(*above, *below) <= 0:
                continue
            ratios = log_ratios(above, below)
            clean = without(ratios, control.contaminated)
            if len(clean) >= FEWEST_BLOCKS:
                found = estimate(clean, SINGLE_LOOK_ERROR)
                spread = _spread(
                    ratios, control.contaminated, 1, robust=False, one_pair_will_do=one_pair_will_do
                )
                found = found.widened(spread)
                changes.append(judge_once(figure, found, max(tolerance, self._tolerance)))
        peaks = [max(timing.peak_rss_bytes for timing in passes) for passes in (head, base)]
        if min(peaks) > 0:
            ratio = peaks[0] / peaks[1]
            found = Estimate(ratio, ratio, ratio, len(base) // 2)
            changes.append(judge_once("peak memory", found, max(PEAK_MEMORY_TOLERANCE, self._tolerance)))
        return changes

    def _pass(self, contestant: _Contestant, arm: _Arm) -> PassTiming | None:
        """Run one pass; a worker that fails gets its verdict instead."""
        answer = self._guarded(contestant, arm, lambda: arm.worker.ask("pass", epochs=contestant.epochs))
        if answer is None:
            return None
        return PassTiming(**answer)

    def _guarded(self, contestant: _Contestant, arm: _Arm, act: Callable[[], Any]) -> Any:
        """Call ``act``; a worker's failure is that variant's verdict, and nobody else's."""
        try:
            return act()
        except WorkerError as error:
            self._drop(contestant, arm, str(error))
            return None

    def _drop(self, contestant: _Contestant, arm: _Arm, problem: str) -> None:
        """Measure no further: a variant that has a problem, or one at base, which is then not compared."""
        arm.worker.end()
        if arm is contestant.head:
            contestant.verdict = unmeasured(problem)
        else:
            contestant.base = None
            reason = f"at base, {problem}"
            contestant.on_change = Change("seconds", "undecided", None, self._tolerance, reason)

    def _named(self, contestant: _Contestant, arm: _Arm) -> str:
        return contestant.variant.name + (" at base" if arm is contestant.base else "")

    def _spent(self, contestant: _Contestant) -> float:
        beside = contestant.baseline if contestant.base is None else contestant.base.passes
        return sum(_cost(timing) for timing in (*contestant.head.passes, *beside))

    def _block_cost(self, contestant: _Contestant) -> float:
        return self._spent(contestant) / contestant.blocks

    def _most_left(self, baseline: _Contestant, undecided: Sequence[_Contestant]) -> float:
        """Return how many seconds of measuring are left if every variant uses all it may."""
        own, rounds = 0.0, 0.0
        for contestant in undecided:
            if contestant.blocks == 0:
                return len(undecided) * self._budget_seconds
            left = self._budget_seconds - self._spent(contestant)
            blocks = max(0.0, min(self._most_blocks - contestant.blocks, left / self._block_cost(contestant)))
            both = [timing for arm in contestant.undecided_arms() for timing in arm.passes]
            own += blocks * sum(map(_cost, both)) / contestant.blocks
            rounds = max(rounds, blocks)
        return own + rounds * (sum(map(_cost, baseline.head.passes)) / max(baseline.blocks, 1))

    def _doing(self, named: str, baseline: _Contestant, undecided: Sequence[_Contestant]) -> str:
        block = 1 + max((rival.blocks for rival in undecided), default=baseline.blocks)
        rivals = len(self._variants) - 1
        decided = rivals - sum(rival.verdict is None for rival in undecided)
        left = minutes_and_seconds(self._most_left(baseline, undecided))
        return f"block {block}, {decided} of {rivals} decided, timing {named}, at most {left} left"


def _bounds_any(limit: _Contestant, contestants: Iterable[_Contestant]) -> bool:
    """Return whether a limit bounds any that is undecided; nothing else bounds any."""
    return any(each.verdict is None and each.kind in limit.variant.bounds for each in contestants)


def _share(contestant: _Contestant, contestants: Iterable[_Contestant]) -> Share | None:
    """Return what share of its limit a variant reaches: of the slowest one, if several bound it."""
    shares = []
    for limit in contestants:
        # Both have been in the rotation from the first block on.
        count = min(len(contestant.head.passes), len(limit.head.passes))
        failed = limit.verdict is None or limit.verdict.status == "unmeasured"
        if contestant.kind not in limit.variant.bounds or failed or count == 0:
            continue
        above, below, beside = (
            [timing.seconds for timing in passes[:count]]
            for passes in (limit.head.passes, contestant.head.passes, contestant.baseline)
        )
        # It decides nothing and is looked at once, so the error is not shared with other looks.
        ratios = without(log_ratios(above, below), read_control(beside).contaminated)
        shares.append(Share(limit.variant.name, estimate(ratios, ERROR)))
    return max(shares, key=lambda share: share.estimate.ratio, default=None)


def _end_all(workers: Iterable[AnyWorker]) -> None:
    """End every worker, all at once rather than one after another."""
    workers = list(workers)
    for worker in workers:
        worker.close()
    for worker in workers:
        worker.end()
