"""An epoch and what uses it up, which says when things happen in it.

Every file of ``consumers/`` is a kind of consumer, found by its name; its ``CONSUMER`` takes the tree, the
spec, what the loader declares and the settings of that kind.
"""

from __future__ import annotations

import gc
import importlib
import mmap
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from loader_gate.same_work.words import DifferenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from loader_gate.registry.spec import Spec
    from loader_gate.same_work.cropped import CroppedEpoch
    from loader_gate.same_work.declared import DeclaredOutput
    from loader_gate.same_work.timed import TimedEpoch
    from loader_gate.trees.tree import Tree
    from loader_gate.worker.part import Mark, Part
    from loader_gate.worker.stopwatch import Stopwatch
    from loader_gate.worker.timing import GpuUse

#: The consumer of loading alone.
DRAIN = {"name": "drain"}


class Epoch:
    """One epoch while it is used up: its clock, and what is seen of its batches.

    Attributes:
        stopwatch: Its clock.
        seen: What is seen of its batches; None of a limit, which is held against nothing.
        first_batch: The seconds at which its first batch had come; with a model, its first step was handed
            over.
        waits: The seconds that each batch took to come since it was asked for.
        utilisation: Share of the time after the first step in which the device was busy; None where that is
            not known.
        gpu: What a GPU showed when it had ended; None without one.
        images: How many images have come.
        batches: How many batches have come.
        marks: What had been taken when the timed batches of its part began, and when they had come; fewer
            before that, and none of a whole epoch.
    """

    def __init__(
        self,
        stopwatch: Stopwatch,
        seen: TimedEpoch | CroppedEpoch | None,
        alive: Callable[[], None],
        part: Part | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            stopwatch: Times it.
            seen: What is to see its batches, if anything is.
            alive: Called after each batch.
            part: What part of it is wanted; all of it if None.
        """
        self.stopwatch, self.seen, self._alive = stopwatch, seen, alive
        self.first_batch: float | None = None
        self.waits: list[float] = []
        self.utilisation: float | None = None
        self.gpu: GpuUse | None = None
        self._asked = 0.0
        self._part = part
        self.images = self.batches = 0
        self.marks: list[Mark] = []

    @property
    def is_over(self) -> bool:
        """Return whether no more of it is wanted, so that it is to be left early."""
        return len(self.marks) == 2

    def count(self, images: int) -> bool:
        """Say that another batch of so many images has come; return whether it is to be marked."""
        self.images += images
        self.batches += 1
        part = self._part
        if part is None or self.is_over:
            return False
        if not self.marks:
            return self.batches >= part.begin
        return part.is_over(self.batches, self.stopwatch.now(), self.first_batch or 0.0)

    def mark(self) -> None:
        """Say that the timed batches begin with the next one, or end with this one: the clock runs."""
        self.marks.append(self.stopwatch.mark(self.images))

    def take(self, batch: Any) -> None:
        """Make a batch real, on the clock, and then look at it, while the clock is paused.

        Images may be anything that `numpy.asarray` takes: lazy, or still on their way from a device. Of those
        in a mapped file a byte of every page is read, and of all others some pixels of each image: where
        that has brought pages into memory, it was the loader's to do, and is on the clock.

        Raises:
            DifferenceError: It is no batch as it was asked for and declared.
        """
        seen, clock = self.seen, self.stopwatch
        if seen is not None:
            images, labels, *boxes = _real(batch, seen.arrays)
        now = clock.now()
        clock.pause()
        if seen is not None:
            read_if_mapped(images)
            sample = seen.fingerprints.sample(images)
            if clock.has_brought_pages():
                now = clock.now()
        self.waits.append(now - self._asked)
        if self.first_batch is None:
            self.first_batch = now
        if seen is not None:
            seen.add(images, labels, sample, *boxes)
        # A limit says how many it has dealt with, or gives batches.
        is_marked = self.count(batch if isinstance(batch, int) else len(batch[1]))
        self._alive()
        self.stopwatch.go_on()
        if is_marked:
            self.mark()
        if seen is not None:
            is_last = self.is_over or self.images == len(seen.fingerprints.tree)
            self.stopwatch.look_at_memory(is_last)
        self._asked = self.stopwatch.now()

    def ended(self) -> None:
        """Say that the clock has been stopped, as no batch came any more: that was waited for, too."""
        self.waits.append(self.stopwatch.seconds - self._asked)

    def ask(self) -> None:
        """Say that the next batch is asked for only now, and not as soon as the one before had come."""
        self._asked = self.stopwatch.now()

    def torn_down(self) -> None:
        """Say that the iterator has been destroyed, but for what the garbage collector has to find."""
        gc.collect()  # now, or it would be in the next epoch
        self.stopwatch.torn_down()

    def alive(self) -> None:
        """Say that batches come, where they do not come by here."""
        self._alive()


def _real(batch: Any, arrays: int) -> list[npt.NDArray[Any]]:
    """Return images, labels and, of a loader that augments, boxes on the host."""
    if not isinstance(batch, (tuple, list)) or len(batch) != arrays:
        size = f" of {len(batch)}" if isinstance(batch, (tuple, list, dict)) else ""
        expected = "a pair (images, labels)" if arrays == 2 else "(images, labels, boxes)"
        raise DifferenceError(
            f"A batch of a timed epoch is a {type(batch).__name__}{size}, expected {expected}."
        )
    return [np.asarray(each) for each in batch]


def read_if_mapped(images: npt.NDArray[Any]) -> None:
    """Read a byte of every page of an array that lies in a mapped file: it may not have been read yet."""
    base: Any = images
    while isinstance(base, (np.ndarray, memoryview)):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    if isinstance(base, mmap.mmap) and images.size:
        np.ascontiguousarray(images).reshape(-1).view(np.uint8)[:: mmap.PAGESIZE].max()


class Consumer(Protocol):
    """Uses up epochs."""

    def use_up(self, batches: Iterable[Any], epoch: Epoch) -> None:
        """Use up one epoch, and tear its iterator down.

        Args:
            batches: Begins a fresh epoch when it is iterated.
            epoch: Told what happens, and when.

        Raises:
            DifferenceError: It was not one whole epoch as it was asked for.
        """


def new_consumer(tree: Tree, spec: Spec, declared: DeclaredOutput, name: str, **settings: Any) -> Consumer:
    """Return a consumer of the kind of this name.

    Args:
        tree: The images of an epoch.
        spec: The epoch that is delivered.
        declared: What the loader says it delivers.
        name: The name of a file of ``consumers/``.
        **settings: Those of the kind.
    """
    kind = importlib.import_module(f"loader_gate.worker.consumers.{name}")
    consumer: Consumer = kind.CONSUMER(tree, spec, declared, **settings)
    return consumer


def take_each(
    batches: Iterable[Any], epoch: Epoch, then: Callable[[Any], None] = lambda _batch: None
) -> None:
    """Take each batch and let it go, until the iterator says that it has ended, or no more is wanted.

    Args:
        batches: Begins a fresh epoch when it is iterated.
        epoch: Told what happens.
        then: What to do with each batch when it has come.
    """
    epoch.stopwatch.start()
    iterator = iter(batches)
    batch = None
    for batch in iterator:
        epoch.take(batch)
        then(batch)
        if epoch.is_over:
            break
    epoch.stopwatch.stop()
    if not epoch.is_over:
        epoch.ended()
    # Only now: what destroying it takes has a figure of its own.
    del batch, iterator
    epoch.torn_down()
