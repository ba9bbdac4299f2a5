"""What decides whether a worker is idle when it should be: between its passes, when it is others' turn.

A loader that works on then is timed for less than it does, and takes cores from whoever is being timed.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.worker.timing import PassTiming

#: CPU seconds that say nothing, a pass: the grain of the system's clocks, and threads of the iterator that
#: come to their end. On two cores that others kept busy, variants of tf.data took up to 0.018, and all others
#: less than 0.002, but for 0.014 once after a start.
GRAIN_SECONDS = 0.030
#: Of each further epoch of a pass: the ones that take long are few. On a noisy day the file cache of tf.data
#: used 0.041 in passes of three.
GRAIN_OF_ANOTHER = 0.012
#: But no more than such a share of a pass that takes little, and what of the harness cannot be told from the
#: loader: up to 0.0014 before a pass, and 0.0005 in each further epoch, on two cores that others kept busy.
MOST_OF_A_PASS, OF_THE_HARNESS, OF_THE_HARNESS_IN_ANOTHER = 0.20, 0.005, 0.001
#: Nor do so many of those of a pass: what is freed is in proportion to the work.
SHARE_OF_A_PASS = 0.05
#: A worker works on if it did so before so many passes, and before such a share of all. One busy moment, or a
#: few in a long session, are a library's that tidies up. Who prefetches does it wherever there is time, which
#: is before more than half of the passes: the others come right after one of its own.
FEWEST_BUSY = 3
SHARE_BUSY = 0.25
#: Nor does so much of a pass, before the first timed one of a process that has had one epoch.
FINISHING = 0.5
#: Bytes read from disks that say nothing, a pass: of what the system has thrown out of the page cache.
GRAIN_BYTES = 1_000_000
#: After its last pass so many CPU seconds, and such a share of one core, say nothing.
REST_SECONDS, SHARE_OF_REST = 0.5, 0.10
#: Or if all that it did so, but for the busiest moment, is more than such a share of what passes used.
SHARE_OF_ALL = 0.10


def after_first_epoch(timing: PassTiming) -> PassTiming:
    """Return the first timed pass of a process as it is judged: what it filled in its only epoch is finished.

    The file cache of tf.data used up to 12 % of a pass for that. To prepare the next epoch takes a whole one.
    """
    allowed = FINISHING * timing.used_cpu_seconds
    return replace(timing, idle_cpu_seconds=max(0.0, timing.idle_cpu_seconds - allowed))


def reading_problem(passes: Sequence[PassTiming]) -> str:
    """Return how a worker reads from disks between its passes, which may take no CPU time; nothing if not.

    Args:
        passes: As in `idle_problem`.
    """
    reading = [timing.idle_read_bytes for timing in passes if timing.idle_read_bytes > GRAIN_BYTES]
    if len(reading) < FEWEST_BUSY or len(reading) < SHARE_BUSY * len(passes):
        return ""
    return (
        f"it works when it should be idle: it read {fmean(reading) / 1e6:,.0f} MB from disks between its "
        f"passes, before {len(reading)} of {len(passes)}. That is not timed: let it fetch on demand, or stop "
        "at the end of an epoch"
    )


def rest_problem(seconds: float, cpu_seconds: float) -> str:
    """Return how a worker has worked since its last pass, when others were timed; nothing if it has not.

    This is known once only, so that it takes more than a busy moment.

    Args:
        seconds: How long it was.
        cpu_seconds: What its processes used meanwhile.
    """
    if cpu_seconds <= max(REST_SECONDS, SHARE_OF_REST * seconds):
        return ""
    return (
        f"it works when it should be idle: after its last pass it used {cpu_seconds:.3g} CPU seconds in "
        f"{seconds:.3g} s, and takes cores from the passes of others: let it stop at the end of an epoch"
    )


def idle_problem(passes: Sequence[PassTiming]) -> str:
    """Return how a worker works between its passes, and what to do; nothing if it is idle then.

    Args:
        passes: Those of one side of a variant so far, in order, with those that warmed it up. The first one
            of a process says what was used since its work was checked.
    """
    busy = _busy(passes)
    if len(busy) < FEWEST_BUSY:
        return ""
    is_often = len(busy) >= SHARE_BUSY * len(passes)
    beyond = sorted(timing.idle_cpu_seconds for timing in busy)[:-1]
    is_much = sum(beyond) > SHARE_OF_ALL * len(passes) * _cpu_seconds(passes)
    if not (is_often or is_much):
        return ""
    used = fmean(timing.idle_cpu_seconds for timing in busy)
    return (
        f"it works when it should be idle: it used {used:.3g} CPU seconds between its passes, before "
        f"{len(busy)} of {len(passes)}, against {_cpu_seconds(passes):.3g} in a pass. That is not timed, and "
        "takes cores from the passes of others: let it fetch on demand, or stop at the end of an epoch"
    )


def _busy(passes: Sequence[PassTiming]) -> list[PassTiming]:
    """Return the passes before which the worker was not idle, or after one of whose epochs."""
    if not passes:
        return []
    of_a_pass = _cpu_seconds(passes)
    return [timing for timing in passes if timing.idle_cpu_seconds > _allowed(timing.epochs, of_a_pass)]


def _allowed(epochs: int, of_a_pass: float) -> float:
    """Return the CPU seconds that say nothing, of a pass of so many epochs that uses so much."""
    grain = GRAIN_SECONDS + GRAIN_OF_ANOTHER * (epochs - 1)
    harness = OF_THE_HARNESS + OF_THE_HARNESS_IN_ANOTHER * (epochs - 1)
    most = MOST_OF_A_PASS * of_a_pass + harness
    return max(SHARE_OF_A_PASS * of_a_pass, min(grain, most))


def _cpu_seconds(passes: Sequence[PassTiming]) -> float:
    """Return the CPU seconds of a pass, all of its epochs."""
    return fmean(timing.used_cpu_seconds for timing in passes)
