"""Workers that work when they should be idle, and those that only tidy up: made-up passes."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from loader_gate.verdict.idle import (
    FEWEST_BUSY,
    GRAIN_BYTES,
    GRAIN_SECONDS,
    SHARE_OF_A_PASS,
    after_first_epoch,
    idle_problem,
    reading_problem,
    rest_problem,
)
from loader_gate.worker.timing import PassTiming

SESSIONS = 300
BLOCKS = 40
WARMUP_PASSES = 3


def a_pass(idle: float, cpu: float = 0.8, epochs: int = 1) -> PassTiming:
    """Return a pass before which the worker used so many CPU seconds."""
    return PassTiming(0.5, 0.05, 0.0, cpu / epochs, 1, epochs, idle_seconds=1.0, idle_cpu_seconds=idle)


def found_after(passes: Sequence[PassTiming]) -> int | None:
    """Return after how many passes a worker is found out that is looked at after each."""
    return next((count for count in range(len(passes) + 1) if idle_problem(passes[:count])), None)


def share_found(idle: Callable[[random.Random, int], float], cpu: float = 0.8) -> float:
    """Return in what share of sessions a worker is found out, by CPU seconds before each pass."""
    chance = random.Random(0)  # noqa: S311 (a simulation, no secret)
    number = WARMUP_PASSES + 2 * BLOCKS
    sessions = [[a_pass(idle(chance, place), cpu) for place in range(number)] for _ in range(SESSIONS)]
    return sum(found_after(passes) is not None for passes in sessions) / SESSIONS


def test_nothing_yet() -> None:
    """Without passes nobody has done anything."""
    assert idle_problem([]) == ""


def test_an_idle_worker() -> None:
    """What is within the grain of clocks, or a small share of a pass, is no work."""
    assert idle_problem([a_pass(GRAIN_SECONDS)] * 50) == ""
    assert idle_problem([a_pass(0.9 * SHARE_OF_A_PASS * 3.0, cpu=3.0)] * 50) == ""
    assert idle_problem([a_pass(0.9 * SHARE_OF_A_PASS * 3.0, cpu=3.0, epochs=10)] * 50) == ""
    assert idle_problem([a_pass(0.030 + 7 * 0.012, cpu=0.8, epochs=8)] * 50) == ""
    assert idle_problem([a_pass(0.030 + 7 * 0.013, cpu=0.8, epochs=8)] * 50) != ""


def test_epochs_that_take_little() -> None:
    """What says nothing of a long pass is most of a short one, but for what the harness itself takes."""
    assert idle_problem([a_pass(64 * 0.0005, cpu=0.1, epochs=64)] * 50) == ""
    assert idle_problem([a_pass(0.0014, cpu=0.001)] * 50) == ""
    assert idle_problem([a_pass(0.0085, cpu=0.011)] * 50) != ""
    assert idle_problem([a_pass(0.05, cpu=0.1, epochs=10)] * 50) != ""
    assert idle_problem([a_pass(0.018, cpu=0.1)] * 50) == ""
    assert idle_problem([a_pass(0.028, cpu=0.1)] * 50) != ""


def test_the_sentence() -> None:
    """It says what was used between passes and in one, whom it harms and what to do."""
    problem = idle_problem([a_pass(0.0), *[a_pass(0.412)] * FEWEST_BUSY])
    for part in ("0.412 CPU seconds", f"before {FEWEST_BUSY} of {FEWEST_BUSY + 1}", "0.8 in a pass"):
        assert part in problem
    assert "takes cores from the passes of others" in problem
    assert "fetch on demand, or stop at the end of an epoch" in problem


@pytest.mark.parametrize("place", [0, 7, 83 - 1])
def test_one_busy_moment(place: int) -> None:
    """However much it was and whenever: a library that tidies up condemns no loader."""
    passes = [a_pass(30.0 if each == place else 0.002) for each in range(83)]
    assert found_after(passes) is None


def test_a_prefetcher_is_found_in_the_first_blocks() -> None:
    """It works on wherever there is time: not between passes that come right after each other."""
    warming = [a_pass(0.7), a_pass(0.001), a_pass(0.001)]
    blocks = [a_pass(0.7), a_pass(0.001)] * 10
    assert found_after([*warming, *blocks]) == 3 + 2 * (FEWEST_BUSY - 1) - 1


def test_all_of_an_epoch_in_advance() -> None:
    """Its passes take no CPU themselves, so that any work before them is more than a share of theirs."""
    assert share_found(lambda chance, _: 0.7 * (chance.random() < 0.6), cpu=0.001) == 1.0


def test_what_an_only_epoch_leaves_to_be_done() -> None:
    """A cache may have to be finished before the first timed pass; who prepares the next epoch does more."""
    finishing, idle = after_first_epoch(a_pass(0.12, cpu=0.365)), a_pass(0.0, cpu=0.365)
    assert idle_problem([finishing, idle] * 30) == ""
    prepared = after_first_epoch(a_pass(0.365, cpu=0.05))
    assert idle_problem([prepared, idle] * 30) != ""


def test_much_in_a_few_moments() -> None:
    """Before one pass in eight only, but then for all eight."""
    passes = [a_pass(8 * 0.4 if place % 8 == 0 else 0.0, cpu=0.4) for place in range(80)]
    assert idle_problem(passes) != ""
    assert found_after(passes) is not None


def test_both_rates() -> None:
    """Honest loaders are busy now and then, prefetchers before more than half of the passes."""

    def tidies_up(chance: random.Random, place: int) -> float:
        late = 0.01 * chance.expovariate(1.0) if chance.random() < 0.2 else 0.0
        return late + (0.5 if chance.random() < 0.01 or place == 0 else 0.0)

    assert share_found(tidies_up) <= 0.01
    assert share_found(lambda chance, _: 0.25 * chance.random() * (chance.random() < 0.6)) >= 0.99


def test_who_works_on_after_its_last_pass() -> None:
    """Others may be timed for long after it: a busy moment is none, a core that is kept busy is."""
    assert rest_problem(0.1, 0.4) == rest_problem(60.0, 3.0) == ""
    assert "after its last pass it used 30 CPU seconds in 60 s" in rest_problem(60.0, 30.0)


def test_who_reads_between_passes() -> None:
    """To wait for a disk takes no CPU time; what the system had forgotten now and then is no matter."""
    reading, not_reading = (replace(a_pass(0.0), idle_read_bytes=size) for size in (30_000_000, 900_000))
    assert reading_problem([not_reading] * 50) == reading_problem([*[not_reading] * 20, *[reading] * 2]) == ""
    assert reading_problem([*[not_reading] * 20, *[reading] * 6]) == ""
    assert "it read 30 MB from disks between its passes, before 3 of 3" in reading_problem([reading] * 3)


def test_whole_sentences() -> None:
    """What was found, of how many passes, and what to do."""
    assert idle_problem([a_pass(0.0), a_pass(0.3), a_pass(0.5), a_pass(0.7)]) == (
        "it works when it should be idle: it used 0.5 CPU seconds between its passes, before 3 of 4, against "
        "0.8 in a pass. That is not timed, and takes cores from the passes of others: let it fetch on "
        "demand, or stop at the end of an epoch"
    )
    reading = [replace(a_pass(0.0), idle_read_bytes=size) for size in (0, 10_000_000, 20_000_000, 30_000_000)]
    assert reading_problem(reading) == (
        "it works when it should be idle: it read 20 MB from disks between its passes, before 3 of 4. That "
        "is not timed: let it fetch on demand, or stop at the end of an epoch"
    )
    assert rest_problem(60.0, 30.04) == (
        "it works when it should be idle: after its last pass it used 30 CPU seconds in 60 s, and takes "
        "cores from the passes of others: let it stop at the end of an epoch"
    )


@pytest.mark.parametrize(
    ("busy", "passes", "found"), [(2, 2, False), (3, 3, True), (3, 12, True), (3, 13, False), (4, 16, True)]
)
def test_how_often_is_often(busy: int, passes: int, found: bool) -> None:
    """Three times at least, and before a quarter of the passes: whether it computes or reads."""
    computing = [a_pass(0.05 if place < busy else 0.0, cpu=0.8) for place in range(passes)]
    assert bool(idle_problem(computing)) is found
    sizes = [GRAIN_BYTES + 1 if place < busy else GRAIN_BYTES for place in range(passes)]
    assert bool(reading_problem([replace(a_pass(0.0), idle_read_bytes=size) for size in sizes])) is found


@pytest.mark.parametrize(
    ("seconds", "cpu_seconds", "found"),
    [(1.0, 0.5, False), (1.0, 0.51, True), (60.0, 6.0, False), (60.0, 6.01, True)],
)
def test_how_much_after_the_last_pass_is_much(seconds: float, cpu_seconds: float, found: bool) -> None:
    """More than half a second, and than a tenth of a core."""
    assert bool(rest_problem(seconds, cpu_seconds)) is found


@pytest.mark.parametrize(("idle", "judged"), [(0.5, 0.1), (0.4, 0.0), (0.3, 0.0)])
def test_half_a_pass_is_finishing(idle: float, judged: float) -> None:
    """What is more counts; what is less is nothing, not less than nothing. All else stays."""
    found = after_first_epoch(a_pass(idle, cpu=0.8))
    assert found.idle_cpu_seconds == pytest.approx(judged)
    assert replace(found, idle_cpu_seconds=idle) == a_pass(idle, cpu=0.8)


@pytest.mark.parametrize(
    ("idle", "cpu", "epochs", "found"),
    [
        (0.029, 0.4, 1, False),  # the grain of clocks
        (0.031, 0.4, 1, True),
        (0.041, 0.4, 2, False),  # and of another epoch
        (0.043, 0.4, 2, True),
        (0.0051, 0.001, 1, False),  # what the harness takes
        (0.0053, 0.001, 1, True),
        (0.0061, 0.001, 2, False),
        (0.0063, 0.001, 2, True),
    ],
)
def test_what_says_nothing(idle: float, cpu: float, epochs: int, found: bool) -> None:
    """As long as a pass takes little, by how many epochs it has."""
    assert bool(idle_problem([a_pass(idle, cpu, epochs)] * 50)) is found


def test_who_reads_very_much() -> None:
    """In megabytes, with commas."""
    found = reading_problem([replace(a_pass(0.0), idle_read_bytes=10**12)] * 3)
    assert "it read 1,000,000 MB from disks" in found


@pytest.mark.parametrize(("idle", "found"), [(0.4, False), (0.5, True)])
def test_much_but_for_the_busiest_moment(idle: float, found: bool) -> None:
    """Before three of twenty passes, which is not often: a tenth of what all passes used is allowed."""
    passes = [a_pass(each, cpu=0.4) for each in [9.0, idle, idle, *[0.0] * 17]]
    assert bool(idle_problem(passes)) is found
