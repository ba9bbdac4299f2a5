"""Times passes: the seconds of their epochs, the CPU seconds and the memory that they take.

What of an epoch is timed, each consumer says: see ``epoch.py`` and the modules of ``consumers/``.
"""

from __future__ import annotations

import gc
import hashlib
import math
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from loader_gate.machine.processes import (
    adopts_orphans,
    forget_peak_memory,
    ignores_ended_children,
)
from loader_gate.same_work.beginnings import Beginnings
from loader_gate.same_work.cropped import CroppedEpoch, Crops
from loader_gate.same_work.order import (
    may_be_judged,
    order_problem,
    repeats_problem,
    shuffle_quality,
)
from loader_gate.same_work.timed import TimedEpoch
from loader_gate.same_work.words import DifferenceError
from loader_gate.worker.epoch import Consumer, Epoch
from loader_gate.worker.part import left_over
from loader_gate.worker.timing import PartTiming, PassTiming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from loader_gate.same_work.fingerprints import Fingerprints
    from loader_gate.same_work.reference import Ints
    from loader_gate.worker.part import Mark, Part
    from loader_gate.worker.stopwatch import Stopwatch

#: By so much the CPU time of children may fall though none is lost: of theirs the system shows hundredths.
GRAIN_OF_CPU_SECONDS = 0.02
#: So many epochs are held against each other for being nearly in the same order; for the same one, all are.
ORDERS_KEPT = 2
#: Against so many of the first ones each is held for having its neighbours from there, and the one before.
FIRST_ORDERS_KEPT = 4


class Passes:
    """The passes of one worker."""

    def __init__(
        self,
        consumer: Consumer,
        batches: Iterable[Any],
        fingerprints: Fingerprints | None,
        stopwatch: Stopwatch,
        *,
        shuffle: bool,
        alive: Callable[[], None],
    ) -> None:
        """Prepare.

        Args:
            consumer: Uses up epochs.
            batches: Begins a fresh epoch whenever it is iterated.
            fingerprints: What images look like; None of a limit, which is held against nothing.
            stopwatch: Times epochs.
            shuffle: Whether each epoch should come in a new order.
            alive: Called after each batch.
        """
        self._stopwatch = stopwatch
        self._consumer, self._batches, self._alive = consumer, batches, alive
        self._fingerprints, self._shuffle = fingerprints, shuffle
        self._orders: deque[Ints] = deque(maxlen=ORDERS_KEPT)
        self._first_orders: list[Ints] = []
        self._earlier: set[bytes] = set()
        self._parts = Beginnings()

    def run(self, epochs: int, part: Part | None = None) -> PassTiming:
        """Use up some epochs, and time them.

        Args:
            epochs: How many make the pass.
            part: What part of a single epoch makes it, unless that ends before; None of whole ones.

        Raises:
            DifferenceError: One of them was no whole epoch as it was asked for.
        """
        clock = self._stopwatch
        seconds = first = cpu = asking = teardown = looked = read = 0.0
        peak = 0
        waits: list[float] = []
        busy: list[float] = []
        qualities: list[float] = []
        of_part: PartTiming | None = None
        drawn = 0 if self._fingerprints is None else self._fingerprints.drawn_epoch(epochs)
        for number in range(epochs):
            epoch = self._use_up(part, whole=number == drawn)
            took = clock.end_mark(epoch.images)
            if part is not None and epoch.is_over:
                of_part = self._of_part(epoch, took, part.images)
                begun, last = epoch.marks
                took = begun.whole(last, took, part.images)
            seconds += took.seconds
            first += epoch.first_batch or 0.0
            cpu += took.cpu
            asking += took.asking
            teardown += clock.teardown_seconds
            looked += took.looked
            read += took.read
            peak = max(peak, clock.peak_bytes)
            waits += epoch.waits[1:]
            busy += [] if epoch.utilisation is None else [epoch.utilisation]
            quality = clock.aside(partial(self._judge, epoch))
            if quality is not None:
                qualities.append(quality)
        timing = PassTiming(
            seconds=seconds / epochs,
            first_batch_seconds=first / epochs,
            teardown_seconds=teardown / epochs,
            cpu_seconds=max(0.0, cpu) / epochs,
            peak_rss_bytes=peak,
            epochs=epochs,
            accelerator_utilisation=sum(busy) / len(busy) if busy else None,
            batch_seconds=percentiles(waits),
            shuffle_quality=min(qualities, default=None),
            idle_seconds=clock.idle_seconds,
            idle_cpu_seconds=clock.idle_cpu_seconds,
            idle_read_bytes=clock.idle_read_bytes,
            look_seconds=looked / epochs,
            asking_cpu_seconds=max(0.0, asking) / epochs,
            read_bytes=round(max(0.0, read) / epochs),
            part=of_part,
            gpu=epoch.gpu,
        )
        clock.forget_idle()
        if cpu < -GRAIN_OF_CPU_SECONDS:
            raise DifferenceError(
                f"Its CPU time is lost: a pass used {cpu:.3g} CPU seconds, as a process that it has started "
                "ended and nobody waited for it. Wait for the processes that end (Process.join, os.waitpid)."
            )
        if not adopts_orphans():
            raise DifferenceError(
                "It has changed who adopts the processes that it leaves behind (PR_SET_CHILD_SUBREAPER), so "
                "that what they use is not known: leave that as it is."
            )
        if clock.aside(ignores_ended_children):
            raise DifferenceError(
                "It, or a process that it has started, ignores SIGCHLD, so that what its processes use is "
                "not known: leave the signal's handler as it is (signal.SIG_DFL)."
            )
        return timing

    def part_problem(self, order: Ints) -> str | None:
        """Remember which images a part of an epoch had; return what is wrong with the parts, if anything is.

        Args:
            order: For each image that came its position in the tree.
        """
        if self._fingerprints is None:
            return None
        return self._parts.problem(order, self._fingerprints.groups, shuffle=self._shuffle)

    def order_problem(self, order: Ints) -> str | None:
        """Remember in what order an epoch came; return what is wrong with the orders so far, if anything is.

        Args:
            order: ``(images,)``, for each image that came its position in the tree.
        """
        self._orders.append(order)
        groups = None if self._fingerprints is None else self._fingerprints.groups
        problem = order_problem(self._orders, self._shuffle, groups)
        if problem is None and self._shuffle:
            batch = 1 if self._fingerprints is None else self._fingerprints.spec.batch_size
            earlier = [*self._first_orders, *list(self._orders)[:-1]]
            problem = repeats_problem(order, earlier, batch, groups)
        if len(self._first_orders) < FIRST_ORDERS_KEPT:
            self._first_orders.append(order)
        digest = hashlib.blake2b(order.tobytes()).digest()
        if problem is None and self._shuffle and digest in self._earlier and may_be_judged(order, groups):
            problem = (
                "An epoch comes in the same order as an earlier one, although a new one was asked for "
                "(spec.shuffle): draw it anew each epoch."
            )
        self._earlier.add(digest)
        return problem

    def _use_up(self, part: Part | None, *, whole: bool) -> Epoch:
        seen: TimedEpoch | CroppedEpoch | None = None
        if self._fingerprints is not None:
            size = self._fingerprints.spec.batch_size
            # One of these is looked at as a whole, so that it has to come.
            images = None if part is None else part.fewest_batches * size
            seen = _timed(self._fingerprints, images, whole=whole)
        epoch = Epoch(self._stopwatch, seen, self._alive, part)
        self._consumer.use_up(self._batches, epoch)
        return epoch

    def _of_part(self, epoch: Epoch, took: Mark, whole: int) -> PartTiming:
        """Return what was timed of an epoch that was left early, when what it has begun is at its end.

        Args:
            epoch: The epoch.
            took: What it has taken.
            whole: How many images the epoch has.
        """
        begun, last = epoch.marks
        return PartTiming(
            whole=whole,
            images=epoch.images,
            begin_images=begun.images,
            batches=epoch.batches,
            seconds=took.seconds,
            timed_seconds=last.seconds - begun.seconds,
            cpu_seconds=took.cpu,
            left_cpu_seconds=left_over(self._stopwatch),
        )

    def _judge(self, epoch: Epoch) -> float | None:
        """Return the shuffle quality of an epoch, if it was one.

        Raises:
            DifferenceError: It was not.
        """
        seen = epoch.seen
        if seen is None or self._fingerprints is None:
            return None
        if epoch.is_over and isinstance(seen, TimedEpoch):
            problem = seen.part_problem(epoch.images) or self.part_problem(seen.order())
            if problem is not None:
                raise DifferenceError(problem)
            return self._quality(self._orders[-1]) if self._orders else None  # that of a whole epoch
        problem = seen.problem()
        if problem is None:
            order = seen.order()
            problem = self.order_problem(order)
        if problem is not None:
            raise DifferenceError(problem)
        return self._quality(order)

    def _quality(self, order: Ints) -> float | None:
        groups = None if self._fingerprints is None else self._fingerprints.groups
        return shuffle_quality(order, len(order), groups) if self._shuffle else None


def _timed(fingerprints: Fingerprints, images: int | None, *, whole: bool) -> TimedEpoch | CroppedEpoch:
    """Return what looks at a timed epoch, or its first images: of whole pictures, or of parts of them."""
    if isinstance(fingerprints, Crops):
        return CroppedEpoch(fingerprints)
    return TimedEpoch(fingerprints, images, whole=whole)


def percentiles(waits: Sequence[float]) -> dict[str, float] | None:
    """Return percentiles of the time to the next batch, by name, by nearest rank; None if there are none."""
    if not waits:
        return None
    ordered = sorted(waits)
    ranks = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "longest": 1.0}
    return {name: ordered[math.ceil(share * len(ordered)) - 1] for name, share in ranks.items()}


def settle() -> None:
    """Leave what was there before the passes out of them."""
    gc.collect()
    # What there is now stays: without it, the collection after an epoch looks through the whole of
    # TensorFlow, which takes as long as a short epoch.
    gc.freeze()
    forget_peak_memory()
