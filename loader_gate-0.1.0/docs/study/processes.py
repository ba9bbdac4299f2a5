"""How much two processes of the same code differ: where their memory lies, say, is drawn anew with each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, variance
from typing import TYPE_CHECKING

from loader_gate.statistics.estimate import pair_log_ratios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docs.study.trace import Trace


@dataclass(frozen=True)
class Processes:
    """What a trace says of pairs of processes, by a one-way analysis of variance of log-ratios.

    Attributes:
        pairs: How many there were.
        passes: Standard deviation of head / base of two passes next to each other, of one pair.
        between: Standard deviation from pair to pair, beside what passes explain; 0 if there is none.
        chance: The chance of as large a difference between pairs, were there none (by the F test).
    """

    pairs: int
    passes: float
    between: float
    chance: float


def between_processes(trace: Trace, variant: str) -> Processes:
    """Return how much pairs of processes of a variant differ; each was timed for some passes."""
    from scipy.stats import f_oneway

    of_one = 2 * trace.about.blocks_a_process
    runs: list[list[float]] = []
    for recording in trace.recordings:
        pair = recording.variants[variant]
        ratios = pair_log_ratios(*([timing.seconds for timing in side] for side in (pair.head, pair.base)))
        runs += [ratios[start : start + of_one] for start in range(0, len(ratios) - of_one + 1, of_one)]
    within, between = within_and_between(runs)
    chance = float(f_oneway(*runs).pvalue) if len(runs) > 1 else 1.0
    return Processes(len(runs), within, between, chance)


def within_and_between(runs: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the standard deviations within runs and from run to run, as `Processes` has them.

    Args:
        runs: Log-ratios by pair of processes, equally many of each.
    """
    within = fmean(variance(run) for run in runs)
    if len(runs) < 2:
        return math.sqrt(within), 0.0
    between = variance([fmean(run) for run in runs]) - within / len(runs[0])
    return math.sqrt(within), math.sqrt(max(0.0, between))
