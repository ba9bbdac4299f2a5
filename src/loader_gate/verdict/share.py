"""How near a variant comes to what bounds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loader_gate.statistics.blocks import block_estimate
from loader_gate.statistics.estimate import log_ratios
from loader_gate.statistics.sequences import ERROR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.statistics.estimate import Estimate
    from loader_gate.worker.timing import PassTiming


@dataclass(frozen=True)
class Share:
    """What share of a limit a variant reaches.

    Attributes:
        limit: The name of the limit.
        estimate: The variant's images a second / the limit's, or bytes a second.
        by_cpu: The variant's images a CPU second / the limit's; None where one uses none.
        is_of_bytes: Whether it is of bytes a second that come from the disk.
        is_strict: Whether nothing that does the same work can be faster, but for the limit's own error.
    """

    limit: str
    estimate: Estimate
    by_cpu: Estimate | None = None
    is_of_bytes: bool = False
    is_strict: bool = True


def share_of_limit(limit: str, of_limit: Sequence[PassTiming], own: Sequence[PassTiming]) -> Share:
    """Return what share of a limit a variant reaches, from the passes of the same blocks.

    It decides nothing and is looked at once, so its error is not shared with other looks.

    Args:
        limit: The name of the limit.
        of_limit: The limit's passes, two a block.
        own: The variant's passes.
    """
    sides = [[timing.seconds for timing in passes] for passes in (of_limit, own)]
    cpu = [[timing.cpu_seconds for timing in passes] for passes in (of_limit, own)]
    by_cpu = block_estimate(log_ratios(*cpu), ERROR) if min(*cpu[0], *cpu[1]) > 0 else None
    return Share(limit, block_estimate(log_ratios(*sides), ERROR), by_cpu)


def share_of_disk(limit: str, of_limit: Sequence[PassTiming], own: Sequence[PassTiming]) -> Share | None:
    """Return what share of the bytes a second that a disk gives a variant takes, from cold passes.

    Bytes are held against bytes, as a dump may be smaller than the files that the limit reads, or larger.

    Args:
        limit: The name of the limit.
        of_limit: The limit's passes, two a block.
        own: The variant's passes of the same blocks.

    Returns:
        The share; None where a pass has read nothing.
    """
    if not all(timing.read_bytes for timing in (*of_limit, *own)):
        return None
    sides = [[timing.seconds / timing.read_bytes for timing in passes] for passes in (of_limit, own)]
    return Share(limit, block_estimate(log_ratios(*sides), ERROR), is_of_bytes=True)
