"""What decides on the size of a dump: against the predicted bytes, and against those that base writes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from loader_gate.sizes import format_size
from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.change import DUMP_BYTES, DUMP_BYTES_TOLERANCE, judge_once, with_one_more

if TYPE_CHECKING:
    from loader_gate.verdict.verdict import Verdict

#: How many times the predicted bytes an image a dump may take.
DUMP_CEILING = 1.02


def held_to_ceiling(verdict: Verdict, size: float, predicted: float, allowance: int) -> Verdict:
    """Return the verdict on a variant with its dump's size: one that is too large fails.

    Args:
        verdict: The verdict so far.
        size: Bytes an image of the dump.
        predicted: Those that were predicted; 0 if nobody knows, and then any are allowed.
        allowance: Bytes an image that may come on top, such as those of labels.
    """
    if not predicted or size <= DUMP_CEILING * predicted + allowance:
        return verdict
    reason = (
        f"but its dump takes {format_size(size)} an image, above the ceiling "
        f"of {DUMP_CEILING} times the predicted {format_size(predicted)}: find what made it grow"
    )
    return replace(verdict, status="fail", reason=reason)


def held_to_base(verdict: Verdict, head_bytes: int, base_bytes: int) -> Verdict:
    """Return the verdict on a variant with the change of its dump's size against base's, which is not 0."""
    ratio = head_bytes / base_bytes
    change = judge_once(DUMP_BYTES, Estimate(ratio, ratio, ratio, 1), DUMP_BYTES_TOLERANCE)
    return with_one_more(verdict, change)
