"""A flame graph as data: stacks put together to a tree, of one profile or of two that are compared."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.profile.stages import Stage, stage_of

if TYPE_CHECKING:
    from loader_gate.profile.stacks import Frame, Function, Profile

#: What has a smaller share of the whole is left out, with all that it has called.
LEAST_SHARE = 0.003
#: The most that are kept, the largest.
MOST_NODES = 250


@dataclass(frozen=True)
class Node:
    """A function as it is called by others.

    Attributes:
        parent: The place of the node that has called it; -1 of a root.
        function: Which.
        stage: The stage that most of its time is of.
        seconds: What was spent in it and in what it has called, an image.
        base_seconds: The same at base; None where nothing is compared.
    """

    parent: int
    function: Function
    stage: Stage
    seconds: float
    base_seconds: float | None = None


def flame(head: Profile, base: Profile | None = None) -> list[Node]:
    """Return the nodes of a tree, each after the one that has called it.

    Args:
        head: The profile.
        base: What it is compared with, if it is.
    """
    spent = [_spent(head), {} if base is None else _spent(base)]
    stages = _stages(head, base)
    paths = {*spent[0], *spent[1]}
    larger = {path: max(each.get(path, 0.0) for each in spent) for path in paths}
    whole = max(head.whole, 0.0 if base is None else base.whole)
    # A caller is never smaller than what it calls, so that no node is kept without its parent.
    kept = sorted(
        (path for path in paths if larger[path] >= LEAST_SHARE * whole),
        key=lambda path: (-larger[path], len(path), path),
    )[:MOST_NODES]
    kept.sort()
    places = {path: place for place, path in enumerate(kept)}
    return [
        Node(
            places.get(path[:-1], -1),
            path[-1],
            stages[path],
            spent[0].get(path, 0.0),
            None if base is None else spent[1].get(path, 0.0),
        )
        for path in kept
    ]


def _path(stack: tuple[Frame, ...]) -> tuple[Function, ...]:
    return tuple(frame.key for frame in stack)


def _spent(profile: Profile) -> dict[tuple[Function, ...], float]:
    found: dict[tuple[Function, ...], float] = defaultdict(float)
    for stack, seconds in profile.seconds.items():
        path = _path(stack)
        for length in range(1, len(path) + 1):
            found[path[:length]] += seconds
    return found


def _stages(*profiles: Profile | None) -> dict[tuple[Function, ...], Stage]:
    """Return the stage that most of the time of each node is of."""
    found: dict[tuple[Function, ...], dict[Stage, float]] = defaultdict(lambda: defaultdict(float))
    for profile in profiles:
        for stack, seconds in ({} if profile is None else profile.seconds).items():
            path, stage = _path(stack), stage_of(stack)
            for length in range(1, len(path) + 1):
                found[path[:length]][stage] += seconds
    return {path: max(shares, key=lambda stage: shares[stage]) for path, shares in found.items()}
