"""What is compared beside the seconds; and how often memory of the same code is called changed."""

from __future__ import annotations

import random
from itertools import chain
from pathlib import Path

import pytest

from docs.study.trace import load_trace
from loader_gate.rotation.compared import figures_of, peak_memory
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.statistics.session_error import failing_error
from loader_gate.verdict.change import (
    COMPARED_TOO,
    PEAK_MEMORY_TOLERANCE,
    Change,
    judge_peak_memory,
)
from loader_gate.worker.timing import PassTiming
from tests.made_up_passes import passes

STUDY = Path(__file__).parents[1] / "docs" / "study"
SESSIONS = 2000
#: Processes that a long budget has room for.
MOST_PROCESSES = 40

Process = tuple[PassTiming, ...]


def recorded_processes(folder: str, variant: str) -> list[Process]:
    """Return the passes of each process of a variant, of either side: all run the same code."""
    of_one = 2  # the others that a process of the recordings had later are as good as those of another
    return [
        side[start : start + of_one]
        for recording in load_trace(STUDY / folder / "trace.json.gz").recordings
        for side in (recording.variants[variant].head, recording.variants[variant].base)
        for start in range(0, len(side) - of_one + 1, of_one)
    ]


def judged(processes: list[Process], pairs: int, chance: random.Random, grown: float) -> Change:
    """Return what becomes of memory if the seconds take so many pairs, and more if it seems to differ."""
    head: list[Process] = []
    base: list[Process] = []
    while True:
        head.append(chance.choice(processes))
        base.append(chance.choice(processes))
        if len(head) < pairs:
            continue
        found = peak_memory([*chain(*head)], [*chain(*base)], failing_error(20))
        assert found is not None
        more = type(found)(grown * found.ratio, grown * found.low, grown * found.high, found.blocks)
        change = judge_peak_memory(more, PEAK_MEMORY_TOLERANCE)
        if change.outcome != "undecided" or len(head) == MOST_PROCESSES:
            return change


def share_of_regressions(folder: str, variant: str, pairs: int, grown: float = 1.0) -> float:
    """Return in what share of sessions memory is a regression."""
    processes, chance = recorded_processes(folder, variant), random.Random(0)  # noqa: S311 (no secret)
    found = [judged(processes, pairs, chance, grown).outcome for _ in range(SESSIONS)]
    return found.count("regression") / SESSIONS


@pytest.mark.parametrize("variant", ["tfdata_no_cache", "tfdata_file_cache"])
@pytest.mark.parametrize("folder", ["", "noisy"])
def test_memory_of_the_same_code(folder: str, variant: str) -> None:
    """It was called a regression in up to 4.2 % of comparisons, by the ratio of two maxima."""
    for pairs in (FEWEST_BLOCKS, 2 * FEWEST_BLOCKS):
        assert share_of_regressions(folder, variant, pairs) < 0.003


def test_memory_that_has_grown() -> None:
    """By half, on the noisiest of the recordings."""
    assert share_of_regressions("noisy", "tfdata_file_cache", FEWEST_BLOCKS, grown=1.5) > 0.95


def test_memory_that_is_not_known() -> None:
    """A system may show none."""
    nothing = [PassTiming(1.0, 0.1, 0.0, 1.0, 0, 1)] * 4
    assert peak_memory(nothing, passes(1.0, 2), 0.05) is None


def test_a_figure_that_some_passes_lack() -> None:
    """It is not compared: of the rest nobody knows what they are of."""
    longest = COMPARED_TOO["longest batch"]
    known = PassTiming(1.0, 0.1, 0.0, 1.0, 1, 1, batch_seconds={"longest": 0.5})
    assert figures_of(longest, [known, known]) == [0.5, 0.5]
    assert figures_of(longest, [known, *passes(1.0, 1)]) == []
    assert figures_of(COMPARED_TOO["first batch"], [PassTiming(1.0, 0.0, 0.0, 1.0, 1, 1)]) == []
