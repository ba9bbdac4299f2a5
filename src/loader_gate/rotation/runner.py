"""Owns the processes of a rotation: starts them, opens and checks, warms up, runs passes, renews and ends."""

from __future__ import annotations

import math
import random
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from loader_gate.machine.cores import cores
from loader_gate.rotation.contestant import Arm, Contestant, Opened
from loader_gate.rotation.parts import asked, may_be_parts, part_problem, parts_of, to_find
from loader_gate.statistics.counts import steady
from loader_gate.verdict.idle import after_first_epoch, idle_problem, reading_problem, rest_problem
from loader_gate.worker.limits import bytes_in
from loader_gate.worker.process import WorkerError
from loader_gate.worker.timing import PassTiming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from loader_gate.registry.spec import Spec
    from loader_gate.registry.variant import Variant
    from loader_gate.rotation.rehearsals import Rehearsals
    from loader_gate.rotation.schedule import Turn
    from loader_gate.trees.tree import Tree


#: How often whoever waits for a check is told that it still goes on: of a large tree it takes minutes.
TELL_SECONDS = 5.0


class AnyWorker(Protocol):
    """What the rotation needs of a worker; see ``WorkerProcess``."""

    @property
    def pid(self) -> int:
        """Return the number of the process."""

    def open(self, tree: Tree, spec: Spec, consumer: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Build the variant."""

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send one request, return the answer."""

    def close(self) -> None:
        """Begin to end the process."""

    def end(self) -> None:
        """Finish ending the process."""


class Workers(Protocol):
    """Where workers come from."""

    def start(self, variant: Variant, at_base: bool, imported: Mapping[str, str] | None = None) -> AnyWorker:
        """Start a worker of a variant, or of the same one at base; again and again, when it is renewed.

        Args:
            variant: The variant.
            at_base: Whether it is the one at base.
            imported: What an earlier worker of the same has imported; see ``worker/forked.py``.

        Raises:
            WorkerError: That is not possible.
        """

    def compares(self, variant: Variant) -> bool:
        """Return whether a variant is compared with base."""

    def spec(self, variant: Variant, at_base: bool) -> Spec:
        """Return the epoch that such a worker has to deliver, with a folder of its own."""


@dataclass(frozen=True)
class Job:
    """What all workers are asked to do.

    Attributes:
        tree: The images.
        reference: The folder of the reference decode.
        consumer: What uses the batches; see ``WorkerProcess.open``.
        seed: What is drawn in a session is drawn from it: the order of passes, which of them are checked.
        only_check: Why nothing may be timed, if so: variants are checked, and are then unmeasured.
        earlier: See `Contestant`, by variant; of those that earlier sessions have not decided.
        rehearsals: What looks, in the end, why variants are as fast as they are; None if nobody does.
        on_fewer_cores: Each variant's name with the same variant on fewer cores, of those that are to run so.
        is_cold: Whether each timed pass begins with nothing of its data in the page cache.
    """

    tree: Tree
    reference: Path
    consumer: Mapping[str, Any]
    seed: int = 0
    only_check: str = ""
    earlier: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    rehearsals: Rehearsals | None = None
    on_fewer_cores: Mapping[str, Sequence[Variant]] = field(default_factory=dict)
    is_cold: bool = False


class Runner:
    """The processes of one rotation. A worker that fails is a problem of its arm, and of nobody else."""

    def __init__(self, workers: Workers, job: Job, report: Callable[[str], None]) -> None:
        """Prepare; nothing is started yet.

        Args:
            workers: Where workers come from.
            job: What they are asked to do.
            report: Told what is being done.
        """
        self._workers = workers
        self._job = job
        self._report = report
        self._running: dict[Arm, AnyWorker] = {}
        self._fingerprints: dict[Arm, Path] = {}
        self._imported: dict[Arm, Mapping[str, str] | None] = {}
        #: Passes of an arm, those that warm it up too: before any of them it may have been busy.
        self._timed: dict[Arm, list[PassTiming]] = {}
        #: Whose process has had no timed pass yet.
        self._fresh: set[Arm] = set()
        self._order = random.Random(job.seed)  # noqa: S311 (an order, no secret)

    def start(self, variants: Iterable[Variant]) -> list[Contestant]:
        """Start every variant, at base too where it is compared; open each and check its work."""
        contestants = []
        for variant in variants:
            contestant = Contestant(variant, earlier=self._job.earlier.get(variant.name, ()))
            contestants.append(contestant)
            self._start(contestant, contestant.head)
            if not self._job.only_check and self._workers.compares(variant):
                contestant.base = Arm(at_base=True)
                self._start(contestant, contestant.base)
            for bound in self._job.on_fewer_cores.get(variant.name, ()):
                contestant.on_fewer_cores.append(Arm(bound=bound))
                self._start(contestant, contestant.on_fewer_cores[-1])
        turns = [(contestant, arm) for contestant in contestants for arm in contestant.arms()]
        self._check(turns, "checking that {} does the same work", self._open)
        return contestants

    def warm_up(self, contestants: Iterable[Contestant], budget_seconds: float = math.inf) -> None:
        """Run passes until they are steady, and find how many epochs make one, or what part of one does.

        Args:
            contestants: The variants.
            budget_seconds: The most measuring time that each may take.
        """
        for contestant in contestants:
            warm, images, spec = [], len(self._job.tree), self._workers.spec(contestant.variant, False)
            batches = math.ceil(images / spec.batch_size)
            is_dump = self._job.is_cold and contestant.has_written
            may_find = may_be_parts(batches, budget_seconds, spec.augment, is_dump)
            for arm in contestant.arms_to_measure():
                seconds: list[float] = []
                while contestant.goes_on_with(arm) and not steady(seconds):
                    self._report(f"warming up {contestant.named(arm)}")
                    finds = arm is contestant.head and not seconds and may_find
                    timing = self.run_pass(contestant, arm, to_find(budget_seconds) if finds else None)
                    if timing is not None:
                        seconds.append(timing.seconds)
                        if finds:  # base has the same parts
                            contestant.parts = parts_of(timing, images, batches, budget_seconds)
                warm += seconds[-1:]  # no earlier one: a loader may have worked on it before it was asked for
            if warm and not self._job.is_cold:  # what the first epoch reads, a second one would find
                contestant.make_passes_of(min(warm))

    def run_pass(
        self, contestant: Contestant, arm: Arm, part: Mapping[str, Any] | None = None
    ) -> PassTiming | None:
        """Run one pass, or a round of one; None if the worker failed, or works when it should be idle.

        Args:
            contestant: The variant.
            arm: Of which side.
            part: Which part of an epoch, if not what its passes are.
        """
        more = asked(contestant.parts, self._order) if part is None else {"part": part}
        try:
            answer = self._running[arm].ask("pass", epochs=contestant.epochs, cold=self._job.is_cold, **more)
        except WorkerError as error:
            self._lose(arm, str(error))
            return None
        timing = PassTiming.of(answer)
        so_far = self._timed.setdefault(arm, [])
        so_far.append(after_first_epoch(timing) if arm in self._fresh else timing)
        self._fresh.discard(arm)
        if problem := idle_problem(so_far) or reading_problem(so_far) or part_problem(so_far):
            self._lose(arm, problem)
            return None
        return timing

    def renew(self, due: Sequence[Contestant]) -> None:
        """Let fresh processes of head and base go on, each with a pass that warms it up.

        Who is started first is drawn: that one has waited for longer when both are timed.
        """
        turns = [(contestant, arm) for contestant in due for arm in contestant.arms()]
        self._end([arm for _, arm in turns])
        self._order.shuffle(turns)
        for contestant, arm in turns:
            self._start(contestant, arm)
        self._check(turns, "starting {} anew", self._open)

    def check(self, turns: Iterable[Turn]) -> None:
        """Hold one more epoch of each against the reference; nothing is timed meanwhile."""
        self._check(turns, "checking again that {} does the same work", self._check_again)

    def rehearse(self, contestants: Sequence[Contestant]) -> None:
        """Look why each variant is as fast as it is; each of their processes ends then."""
        if self._job.rehearsals is not None:
            self._report("looking what holds variants back")
            self._job.rehearsals.hold(
                contestants, self._running, self._workers.spec, lambda arm: self._end([arm])
            )

    def end(self) -> None:
        """End every process."""
        self._end([*self._running])

    def _start(self, contestant: Contestant, arm: Arm) -> None:
        try:
            imported = self._imported.get(arm)
            self._running[arm] = self._workers.start(contestant.of(arm), arm.at_base, imported)
        except WorkerError as error:
            arm.problem = str(error)

    def _check(self, turns: Iterable[Turn], doing: str, check: Callable[[Contestant, Arm], str]) -> None:
        """Let several check at once what ``check`` tells of an arm: what is wrong with its work.

        Nothing is timed meanwhile.
        """
        everything = [(contestant, arm) for contestant, arm in turns if arm in self._running]
        pool = ThreadPoolExecutor(cores())
        try:
            jobs = [pool.submit(check, contestant, arm) for contestant, arm in everything]
            for (contestant, arm), job in zip(everything, jobs, strict=True):
                try:
                    problem = _awaited(job, partial(self._report, doing.format(contestant.named(arm))))
                except WorkerError as error:
                    self._lose(arm, str(error))
                    continue
                if problem:
                    self._lose(arm, f"it does other work than asked: {problem}")
        except BaseException:
            self.end()  # or the pool would wait for their answers
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _open(self, contestant: Contestant, arm: Arm) -> str:
        """Build one variant; return what is wrong with its work."""
        job, worker = self._job, self._running[arm]
        spec = self._workers.spec(contestant.of(arm), arm.at_base)
        answer = worker.open(job.tree, spec, job.consumer, job.seed)
        written = bytes_in(spec.cache_dir)
        self._imported.setdefault(arm, answer["imported"])
        if arm.passes:  # the same code as before: what it delivers is known
            file = self._fingerprints[arm]
            worker.ask("recall", reference=str(job.reference), fingerprints=str(file))
            # An epoch fills caches, and what warmth is left to come is the same for head and base. Several do
            # so at once, as nothing is timed.
            parts = None if contestant.variant.traits.fills_memory else contestant.parts
            worker.ask("pass", epochs=1, **asked(parts, self._order))
            self._fresh.add(arm)
            return ""
        file = job.reference.parent / f"fingerprints-{len(self._fingerprints)}.npz"
        self._fingerprints[arm] = file
        check = worker.ask("check", reference=str(job.reference), fingerprints=str(file))
        if arm is contestant.head:
            contestant.opened = Opened(
                answer["kind"],
                answer["build_seconds"],
                written,
                check["median_psnr"],
                check.get("not_told_apart", 0),
            )
        return check["reason"] or ""

    def _check_again(self, contestant: Contestant, arm: Arm) -> str:
        """Return what is wrong with another epoch of a variant, if anything is."""
        if contestant.variant.traits.is_limit:
            return ""
        some = {} if contestant.parts is None else {"batches": contestant.parts.longest}
        answer = self._running[arm].ask("check", reference=str(self._job.reference), **some)
        if problem := rest_problem(*answer.get("idle", (0.0, 0.0))):
            raise WorkerError(problem)
        return answer["reason"] or ""

    def _lose(self, arm: Arm, problem: str) -> None:
        """Measure an arm no further."""
        arm.problem = problem
        self._end([arm])

    def _end(self, arms: Sequence[Arm]) -> None:
        """End workers, all at once rather than one after another; what an interrupt leaves, `end` ends."""
        for arm in arms:
            self._running[arm].close()
        for arm in arms:
            self._running[arm].end()
            del self._running[arm]


def _awaited(job: Future[str], tell: Callable[[], None]) -> str:
    """Return what a job returns; whoever waits for long is told again and again that it is still done."""
    tell()
    while not wait([job], TELL_SECONDS).done:
        tell()
    return job.result()
