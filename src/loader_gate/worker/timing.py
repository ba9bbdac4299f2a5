"""What a timed pass is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PassTiming:
    """One timed pass: one epoch, or the mean of several for a variant too fast to time once.

    Attributes:
        seconds: From asking for the iterator to the last batch, with a device to the end of its last step, an
            epoch.
        first_batch_seconds: From asking for the iterator to the first batch, with a model to the end of its
            first step, an epoch.
        teardown_seconds: The rest of the time that an epoch takes, not part of ``seconds``: destroying the
            iterator, and what the harness does around the batches, such as reading the peak of memory.
        cpu_seconds: User and system time of the worker and its child processes, an epoch.
        peak_rss_bytes: The most memory resident at once, in the worker and its child processes.
        epochs: How many epochs the pass has.
        accelerator_utilisation: Share of the time after the first step in which an emulated accelerator was
            busy; None without one.
    """

    seconds: float
    first_batch_seconds: float
    teardown_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    epochs: int
    accelerator_utilisation: float | None = None
