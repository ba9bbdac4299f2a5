"""Variants in the middle of a rotation, with made-up timings."""

from __future__ import annotations

from collections.abc import Callable

from loader_gate.registry.variant import Variant
from loader_gate.rotation.contestant import Arm, Contestant, Opened
from loader_gate.worker.timing import PassTiming

#: Of every pass, or by the number of the pass.
Seconds = float | Callable[[int], float]


def passes(seconds: Seconds, blocks: int) -> list[PassTiming]:
    """Return two passes a block; the other figures go with the seconds."""
    found = []
    for number in range(2 * blocks):
        each = seconds(number) if callable(seconds) else seconds
        found.append(PassTiming(each, each / 10, 0.0, each, 1_000_000, 1))
    return found


def contestant(
    name: str,
    seconds: Seconds = 1.0,
    *,
    base: Seconds | None = None,
    baseline: Seconds = 1.0,
    blocks: int = 1,
    kind: str = "streaming",
    bounds: tuple[str, ...] = (),
) -> Contestant:
    """Return a variant after some blocks; compared with base if that has seconds."""
    found = Contestant(Variant(name, "made_up", kind=kind, bounds=bounds))
    found.opened = Opened(kind=kind)
    found.head.passes = passes(seconds, blocks)
    found.baseline_passes = passes(baseline, blocks)
    if base is not None:
        found.base = Arm(at_base=True, passes=passes(base, blocks))
    return found
