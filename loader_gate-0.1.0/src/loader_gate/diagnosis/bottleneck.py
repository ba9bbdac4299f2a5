"""The rule that turns evidence into one word, and into the sentence that says why; see docs/diagnosis.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loader_gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate.diagnosis.observed import Evidence

Word = Literal[
    "decode-bound",
    "read-bound",
    "copy-bound",
    "interpreter-bound",
    "wait-bound",
    "compute-bound",
    "memory-bound",
    "unclear",
]

#: From such a share of an epoch on, it is the device: without it loading would be twice as fast as it needs.
COMPUTE, LITTLE_COMPUTE = 0.67, 0.50
#: Cores are idle below such a share of them; below the second one, so idle that threads are too few or wait.
BUSY, WAITING = 0.75, 0.60
#: A cause takes half of an epoch, or of a thread's time.
HALF = 0.50
#: The lock stops all others when it is held so much of the time.
LOCK_HELD = 0.70
#: Where cores are idle, and no more than this speaks for reading or the lock, it is neither.
LITTLE = 0.30
#: Threads wait for those that wait for a processor: where others have such a share of them, it may be that.
OTHERS = 0.25
#: Copying is held back by memory from such a share of what the machine can copy on.
NEAR_LIMIT = 0.70

COPY_LIMIT, READ_LIMIT = "limit_memory_copy", "limit_read_files"


@dataclass(frozen=True)
class Bottleneck:
    """What an epoch is bound by.

    Attributes:
        word: The word.
        sentence: Why, in figures.
    """

    word: Word
    sentence: str


def bottleneck(evidence: Evidence) -> Bottleneck:
    """Return the word that the evidence carries, or ``unclear``."""
    word, why = _judged(evidence)
    # Names of functions and last words of workers are a stranger's.
    sentence = ", ".join([why, *_figures(evidence)] if why else _figures(evidence))
    return Bottleneck(word, printable(sentence))


def _judged(found: Evidence) -> tuple[Word, str]:
    if found.compute is not None:
        if found.compute >= COMPUTE:
            return "compute-bound", f"the device alone takes {found.compute:.0%} of an epoch"
        if found.compute > LITTLE_COMPUTE:
            return "unclear", f"the device alone takes {found.compute:.0%} of an epoch"
    if found.cores_used is None:
        return "unclear", found.problem or "nothing was observed"
    if found.lock is not None and found.lock >= LOCK_HELD:
        return "interpreter-bound", f"the interpreter's lock is held {found.lock:.0%} of the time"
    if _wants(found) < BUSY * found.cores:
        return _judged_idle(found)
    return _judged_busy(found)


def _wants(found: Evidence) -> float:
    """Return how many cores the variant would keep busy on a machine of its own."""
    return max(found.cores_used or 0.0, found.running or 0.0)


def _judged_idle(found: Evidence) -> tuple[Word, str]:
    """Return why cores are idle."""
    if found.reading is None or found.lock is None or found.asleep is None:
        return "unclear", "cores are idle, and the system does not show what threads wait for"
    if found.reading >= HALF:
        return "read-bound", f"{found.reading:.1f} threads are blocked in reading"
    if _is_at_copy_limit(found):
        return "memory-bound", f"{found.limits[COPY_LIMIT]:.0%} of what the machine can copy"
    if found.reading >= LITTLE or found.lock >= HALF:
        return "unclear", ""
    if found.asleep >= HALF:
        return "wait-bound", f"{found.asleep:.1f} threads are asleep, most often in {found.function}"
    if (found.others or 0.0) >= OTHERS * found.cores:
        return "unclear", f"other programs kept {found.others:.1f} cores busy"
    if (found.pixels or 0.0) >= HALF:  # who takes new memory for each copy waits for the system's lock
        return "copy-bound", ""
    if _wants(found) > WAITING * found.cores:
        return "unclear", ""
    return "wait-bound", f"{_wants(found):.1f} threads at work for {found.cores} cores, the others wait"


def _judged_busy(found: Evidence) -> tuple[Word, str]:
    """Return what cores are busy with."""
    if found.decoding is not None and found.decoding >= HALF:
        return ("unclear" if (found.reading or 0.0) >= HALF else "decode-bound"), ""
    if found.pixels is not None and found.pixels >= HALF:
        return ("memory-bound" if _is_at_copy_limit(found) else "copy-bound"), ""
    if found.reading is not None and found.reading >= HALF:
        return "read-bound", f"{found.reading:.1f} threads are blocked in reading"
    if found.limits.get(READ_LIMIT, 0.0) >= HALF:
        return "read-bound", f"{found.limits[READ_LIMIT]:.0%} of what the machine can read"
    return "unclear", found.problem


def _is_at_copy_limit(found: Evidence) -> bool:
    return (found.pixels or 0.0) >= HALF and found.limits.get(COPY_LIMIT, 0.0) >= NEAR_LIMIT


def _figures(found: Evidence) -> Iterator[str]:
    """Yield what is known, for people."""
    if found.cores_used is not None:
        yield f"{found.cores_used:.1f} of {found.cores} cores busy"
    if found.decoding is not None:
        yield f"{found.decoding:.0%} of CPU time goes into decoding"
    if found.pixels is not None:
        yield f"{found.pixels:.0%} into the pixels of finished images"
    if found.lock is not None and found.lock < LOCK_HELD:
        yield f"lock held {found.lock:.0%}"
    if found.limits:
        name = max(found.limits, key=lambda each: found.limits[each])
        yield f"{found.limits[name]:.0%} of {name}"
