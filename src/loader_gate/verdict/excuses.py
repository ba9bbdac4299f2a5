"""When the machine, not the loader, may be to blame: busy neighbours, and a pace that does not last.

How many cores other programs kept busy is an argument everywhere here: nothing is read from the system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loader_gate.statistics.control import Control
    from loader_gate.statistics.estimate import Estimate

#: Why a proven slowdown fails nobody.
BEYOND_OR_NOT = (
    "slower for certain, but whether by more than the tolerance was not to be told in that time: give "
    "it a larger --budget, or measure on a quieter machine"
)
#: Why sessions that are combined tell nothing, each of which may have told something.
CONTRADICTION = (
    "as there is no change that all sessions allow: they contradict each other, or are too short; see what "
    "differs between them, or measure anew, without --confirm"
)
#: From so many cores used by other programs on, a machine counts as busy.
BUSY_CORES = 0.25


def excuse(estimate: Estimate, floor: float | None, others: float | None, cores: int) -> str:
    """Return how other programs may be why a speedup is below its floor; nothing if they cannot be.

    They take cores from a loader of several threads, and none from the baseline's one thread.

    Args:
        estimate: The speedup.
        floor: The floor that it misses.
        others: How many cores other programs kept busy, if the system shows it.
        cores: How many there are.
    """
    if floor is None or others is None or others < BUSY_CORES:
        return ""
    if estimate.high * cores / max(cores - others, BUSY_CORES) < floor:
        return ""
    return (
        f"but other programs used {others:.1f} of {cores} cores meanwhile, which slows loaders of several "
        "threads more than the baseline: measure again, on an idle machine"
    )


def busy_elsewhere(others: float | None, cores: int) -> str:
    """Return what other programs take of the machine, in words; nothing if that is little, or not known.

    Args:
        others: How many cores they kept busy, if the system shows it.
        cores: How many there are.
    """
    if others is None or others < BUSY_CORES:
        return ""
    return f"beside other programs, which used {others:.1f} of {cores} cores"


def moved_reason(control: Control, whose: str) -> str:
    """Return why a variant that would fail is undecided instead: the machine's pace did not last.

    Args:
        control: The A/A test that says so.
        whose: Whose passes it is of.
    """
    ratio, low, high = (
        1 / each for each in (control.estimate.ratio, control.estimate.high, control.estimate.low)
    )
    return (
        f"but the machine moved under the measurement: {whose} second passes took "
        f"{ratio:.3f} times its first ones ({low:.3f} to {high:.3f}); measure again, on a quieter machine"
    )


def unconfirmed_reason(busy: str) -> str:
    """Return why a regression does not fail that the surer interval, by which it would, does not find.

    Args:
        busy: What other programs take of the machine, by `busy_elsewhere`.
    """
    meanwhile = f" {busy}" if busy else ""
    return (
        "no larger than what two passes, or two processes of the same code, may differ by"
        f"{meanwhile}: measure again, on a quieter machine or with a larger --budget"
    )
