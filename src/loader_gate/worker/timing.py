"""What a timed pass is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any


@dataclass(frozen=True)
class PassTiming:
    """One timed pass: one epoch, or the mean of several for a variant too fast to time once.

    Attributes:
        seconds: From asking for the iterator to its end (``StopIteration``), with a device to the end of its
            last step, an epoch. Without what the harness does meanwhile.
        first_batch_seconds: From asking for the iterator to the first batch, with a model until its first
            step has been handed over, an epoch.
        teardown_seconds: From there to the iterator's destruction, not part of ``seconds``, an epoch.
        cpu_seconds: User and system time of the worker and its child processes in ``seconds``, an epoch.
        peak_rss_bytes: The most memory resident at once, in the worker and its child processes; what they
            share counts once.
        epochs: How many epochs the pass has.
        accelerator_utilisation: Share of the time after the first step in which a GPU, or an emulated
            accelerator, did not wait for a batch; None without one.
        batch_seconds: Percentiles (``p50``, ``p95``, ``p99``) and the ``longest`` of the time to the next
            batch, the first of an epoch left out; None where there is no second one, or nobody sees it come.
        shuffle_quality: How far its order is from a permutation drawn at random: 0 (not shuffled) to 1, the
            least of its epochs; None where that is not known.
        idle_seconds: How long the worker was not asked for anything before this pass.
        idle_cpu_seconds: CPU time that it and its child processes used since the pass before ended, when
            they should have been idle: while the iterator was destroyed, and until this pass began.
        idle_read_bytes: What they, but for the harness, had read from disks then; 0 where that is not shown.
        look_seconds: CPU time of the harness' own thread that went into looking at batches, an epoch; left
            out of ``seconds`` and ``cpu_seconds``.
        asking_cpu_seconds: What of ``cpu_seconds`` is the thread's that asks for batches, an epoch.
        read_bytes: What the worker and its child processes have had read from disks in ``seconds``, an epoch;
            0 where the system does not show it.
        cached_share: Of a cold pass, what share of its data was in the page cache when it began; else None.
        part: What the pass really was, where it is a part of an epoch: then ``seconds``, ``cpu_seconds``,
            ``asking_cpu_seconds`` and ``look_seconds`` are those of a whole epoch that its part tells of, see
            ``part.py``; None of whole epochs.
        gpu: What a GPU that has trained showed when the pass had ended; None without one.
    """

    seconds: float
    first_batch_seconds: float
    teardown_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    epochs: int
    accelerator_utilisation: float | None = None
    batch_seconds: Mapping[str, float] | None = None
    shuffle_quality: float | None = None
    idle_seconds: float = 0.0
    idle_cpu_seconds: float = 0.0
    look_seconds: float = 0.0
    idle_read_bytes: int = 0
    asking_cpu_seconds: float = 0.0
    read_bytes: int = 0
    cached_share: float | None = None
    part: PartTiming | None = None
    gpu: GpuUse | None = None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> PassTiming:
        """Return the timing that a worker has answered with."""
        part, gpu = answer.get("part"), answer.get("gpu")
        return cls(
            **{
                **answer,
                "part": None if part is None else PartTiming(**part),
                "gpu": None if gpu is None else GpuUse(**gpu),
            }
        )

    @property
    def spent_seconds(self) -> float:
        """Return how long the clock ran, of all epochs of the pass."""
        return self.seconds * self.epochs if self.part is None else self.part.seconds

    @property
    def used_cpu_seconds(self) -> float:
        """Return the CPU seconds that were used then."""
        return self.cpu_seconds * self.epochs if self.part is None else self.part.cpu_seconds


def joined(rounds: Sequence[PassTiming]) -> PassTiming:
    """Return a pass that was timed in rounds of as many epochs each.

    The longest batch is the longest of all; another percentile is the mean of those of the rounds.

    Args:
        rounds: At least one.
    """
    first, *others = rounds
    if not others:
        return first
    waits = [each.batch_seconds for each in rounds if each.batch_seconds is not None]
    batch_seconds = {name: fmean(each[name] for each in waits) for name in waits[0]} if waits else None
    if batch_seconds is not None:
        batch_seconds["longest"] = max(each["longest"] for each in waits)

    def mean(figure: Callable[[PassTiming], float]) -> float:
        return fmean(map(figure, rounds))

    qualities = [each.shuffle_quality for each in rounds if each.shuffle_quality is not None]
    used = [each.accelerator_utilisation for each in rounds if each.accelerator_utilisation is not None]
    return replace(
        rounds[-1],
        seconds=mean(lambda each: each.seconds),
        first_batch_seconds=mean(lambda each: each.first_batch_seconds),
        teardown_seconds=mean(lambda each: each.teardown_seconds),
        cpu_seconds=mean(lambda each: each.cpu_seconds),
        peak_rss_bytes=max(each.peak_rss_bytes for each in rounds),
        epochs=sum(each.epochs for each in rounds),
        accelerator_utilisation=fmean(used) if used else None,
        batch_seconds=batch_seconds,
        shuffle_quality=min(qualities, default=None),
        idle_seconds=sum(each.idle_seconds for each in rounds),
        idle_cpu_seconds=sum(each.idle_cpu_seconds for each in rounds),
        idle_read_bytes=sum(each.idle_read_bytes for each in rounds),
        look_seconds=mean(lambda each: each.look_seconds),
        asking_cpu_seconds=mean(lambda each: each.asking_cpu_seconds),
        read_bytes=round(mean(lambda each: each.read_bytes)),
    )


@dataclass(frozen=True)
class GpuUse:
    """What a GPU showed when a pass of a model on it had ended; None where it is not shown.

    Attributes:
        peak_bytes: The most of its memory that the worker's tensors have taken at once, as the framework
            counts.
        busy: Share of the last moments of the pass (a sixth of a second to a whole one) in which it did
            anything, by NVIDIA's management library.
        clock: Of its multiprocessors then, in MHz.
        watts: What it took then.
    """

    peak_bytes: int | None = None
    busy: float | None = None
    clock: int | None = None
    watts: float | None = None


@dataclass(frozen=True)
class PartTiming:
    """What a pass was that is a part of an epoch.

    Attributes:
        whole: How many images the epoch has.
        images: How many came.
        begin_images: How many of them came before the timed ones.
        batches: How many batches came.
        seconds: How long it took in all, without tearing down.
        timed_seconds: How long the timed ones took.
        cpu_seconds: What all of it used.
        left_cpu_seconds: What was used after the iterator had been closed, until the worker was idle.
    """

    whole: int
    images: int
    begin_images: int
    batches: int
    seconds: float
    timed_seconds: float
    cpu_seconds: float
    left_cpu_seconds: float

    @property
    def timed_share(self) -> float:
        """Return what share of the epoch's images was timed."""
        return (self.images - self.begin_images) / self.whole

    @property
    def start_seconds(self) -> float:
        """Return how much longer its beginning took than as many images at the timed pace; 0 if not."""
        pace = self.timed_seconds / (self.images - self.begin_images)
        return max(0.0, self.seconds - self.timed_seconds - self.begin_images * pace)
