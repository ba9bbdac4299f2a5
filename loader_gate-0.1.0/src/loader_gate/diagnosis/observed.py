"""What was seen of a variant's epochs when it was rehearsed, and the evidence that this gives."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loader_gate.machine.threads import Activity


@dataclass(frozen=True)
class Epochs:
    """What was seen of epochs on one tree.

    Attributes:
        seconds: What one took.
        cores_used: CPU seconds / seconds, of all processes.
        at_once: Share of batches that were there when they were asked for.
        lock: Share of the time in which the interpreter's lock was held: of the variant's own process or, if
            that is more, of a process that it has forked, on average.
        readers: How many Python threads were in functions that are named as what reads.
        function: Where in Python its own process was most often.
        activity: What threads were doing; None where the system does not show it.
        others: How many cores other programs kept busy meanwhile, if the system shows it.
    """

    seconds: float
    cores_used: float
    at_once: float = 0.0
    lock: float = 0.0
    readers: float = 0.0
    function: str = ""
    activity: Activity | None = None
    others: float | None = None

    @property
    def cpu_seconds(self) -> float:
        """Return the CPU time of an epoch, of all processes; other programs change it less than seconds."""
        return self.seconds * self.cores_used


@dataclass(frozen=True)
class Observed:
    """What was seen of a variant.

    Attributes:
        whole: Its epochs, on the tree or a part of it.
        undecoded: Those on files as large with next to no picture in them.
        tiny: Those on the same files, of images that have next to no pixels.
        problem: Why some of them are missing; empty if none is.
    """

    whole: Epochs | None = None
    undecoded: Epochs | None = None
    tiny: Epochs | None = None
    problem: str = ""


@dataclass(frozen=True)
class Evidence:
    """What speaks for one cause or the other; None of what is not known.

    Attributes:
        cores: How many cores there are.
        cores_used: How many were busy with the variant.
        running: How many of its threads ran or waited for a processor, on average.
        decoding: Share of an epoch's CPU time that goes with the pictures in the files.
        pixels: Share that goes further with the pixels of finished images: to resize, convert and copy them.
        lock: Share of the time in which the interpreter's lock was held.
        reading: How many threads were blocked in reading files, on average.
        asleep: How many slept until a moment, other than those.
        at_once: Share of batches that were there when they were asked for.
        others: How many cores other programs kept busy meanwhile.
        function: Where in Python its own process was most often.
        limits: Its images a second / those of each limit, by the limit's name.
        compute: Share of an epoch of training that the device alone takes; None of loading.
        problem: What could not be observed, and why; empty if all could.
    """

    cores: int
    cores_used: float | None = None
    running: float | None = None
    decoding: float | None = None
    pixels: float | None = None
    lock: float | None = None
    reading: float | None = None
    asleep: float | None = None
    at_once: float | None = None
    others: float | None = None
    function: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    compute: float | None = None
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what is known, rounded to what it is known to."""
        known = {name: value for name, value in asdict(self).items() if value not in (None, "", {})}
        return {name: _rounded(value) for name, value in known.items()}


def _lock(observed: Observed) -> float:
    """Return the share of the whole epochs in which the lock was held.

    What holds it for a time when there is nothing to decode does so when there is, too.
    """
    known = [each for each in (observed.whole, observed.undecoded, observed.tiny) if each is not None]
    return min(1.0, max(each.lock * each.seconds / known[0].seconds for each in known))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return round(value, 3) if isinstance(value, float) else value


def evidence_of(
    observed: Observed, cores: int, limits: Mapping[str, float], compute: float | None = None
) -> Evidence:
    """Return what speaks for which cause.

    Args:
        observed: What was seen of the variant.
        cores: How many cores there are.
        limits: Its images a second / those of each limit, by the limit's name.
        compute: Share of an epoch of training that the device alone takes; None of loading.
    """
    whole, undecoded, tiny = observed.whole, observed.undecoded, observed.tiny
    if whole is None:
        return Evidence(cores, limits=limits, compute=compute, problem=observed.problem)
    seen = whole.activity
    decoding = pixels = None
    if undecoded is not None and whole.cpu_seconds > 0:
        decoding = max(0.0, 1 - undecoded.cpu_seconds / whole.cpu_seconds)
        if tiny is not None:
            pixels = max(0.0, 1 - decoding - tiny.cpu_seconds / whole.cpu_seconds)
    # Whoever sleeps in a function that reads waits for what it reads.
    asleep_in_reading = 0.0 if seen is None else min(seen.asleep, whole.readers)
    return Evidence(
        cores,
        whole.cores_used,
        None if seen is None else seen.running,
        decoding,
        pixels,
        # Without the time that is lost to the queue for processors, which is not shown everywhere.
        None if seen is None else _lock(observed),
        None if seen is None else seen.reading + asleep_in_reading,
        None if seen is None else seen.asleep - asleep_in_reading,
        whole.at_once,
        whole.others,
        whole.function,
        limits,
        compute,
        observed.problem,
    )
