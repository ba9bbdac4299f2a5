"""Puts what TensorFlow has recorded of tf.data's threads into stacks.

Its threads are none of Python's, and its operations none of Python's functions: TensorFlow's own profiler
records when each began and how long it took.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loader_gate.profile.stacks import Frame, Profile


@dataclass(frozen=True)
class Event:
    """Something that a thread did.

    Attributes:
        name: As TensorFlow has it: ``node/name:Operation``, or the names of iterators, who asks before who is
            asked.
        start: When it began, in any unit.
        duration: What it took, in the same.
    """

    name: str
    start: int
    duration: int

    @property
    def end(self) -> int:
        """Return when it ended."""
        return self.start + self.duration


def stacks_of(threads: Iterable[Sequence[Event]]) -> dict[tuple[str, ...], int]:
    """Return the time that threads spent in each stack of events, without what each event has begun.

    Args:
        threads: The events of each thread: one that lies in the time of another was begun by that one.
    """
    found: dict[tuple[str, ...], int] = defaultdict(int)
    for events in threads:
        open_events: list[Event] = []
        names: tuple[str, ...] = ()
        for event in sorted(events, key=lambda each: (each.start, -each.duration)):
            while open_events and open_events[-1].end <= event.start:
                open_events.pop()
                names = names[:-1]
            if open_events:
                found[names] -= min(event.end, open_events[-1].end) - event.start
            open_events.append(event)
            names = (*names, _short(event.name))
            found[names] += event.duration
    return _merged(found)


def _short(name: str) -> str:
    """Return the operation, or the iterator that is asked, of an event."""
    name = name.partition("#")[0]
    if name.startswith("Iterator::"):
        return f"Iterator::{name.rpartition('::')[2].partition('[')[0]}"
    before, colon, operation = name.rpartition(":")
    return operation.strip() if colon and not before.endswith(":") else name


def _without_details(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return a stack without what an operation does inside of itself."""
    return tuple(name for name in names if "Op::" not in name) or names


def _merged(found: dict[tuple[str, ...], int]) -> dict[tuple[str, ...], int]:
    merged: dict[tuple[str, ...], int] = defaultdict(int)
    for names, spent in found.items():
        merged[_without_details(names)] += spent
    return dict(merged)


def profile_of(stacks: Iterable[tuple[Sequence[str], float]], images: int) -> Profile:
    """Return a profile of operations.

    Args:
        stacks: The operations of each stack, and the seconds that were spent in it.
        images: How many images were delivered meanwhile.
    """
    return Profile(
        {tuple(map(Frame, names)): seconds / images for names, seconds in stacks if seconds > 0},
        0.0,
        "TensorFlow",
    )
