"""Which variant to use, over made-up figures and machines."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from loader_gate.advice.pareto import MapPoint
from loader_gate.advice.recommendation import Recommendation, Situation, recommend
from loader_gate.registry.variant import BASELINE
from loader_gate.session.guard import TRAINING_WORKER_BYTES
from loader_gate.statistics.estimate import Estimate

GB = 1_000_000_000


def point(
    variant: str, ratio: float, kind: str = "streaming", within: float = 0.05, **others: Any
) -> MapPoint:
    """Make a variant up that is so many times as fast as a baseline of 400 images/s."""
    return MapPoint(
        variant, kind, 400 * ratio, Estimate(ratio, ratio / (1 + within), ratio * (1 + within), 0), **others
    )


THE_BASELINE = point(BASELINE, 1.0, within=0.0)
STREAMS = point("streams", 2.0)
STREAMS_TOO = point("streams_too", 1.5)
#: 60 GB of 100,000 images.
LARGE = point("large", 6.0, "dump", disk_bytes=600_000.0, cold_seconds=0.004)
#: 2 GB of them.
JPEG = point("jpeg", 5.0, "dump", disk_bytes=20_000.0, cold_seconds=0.0034)
MEMORY = point("memory", 30.0, "memory", memory_bytes=600_000.0)
TOO_LARGE = (
    "memory would be 30.0 times as fast, but takes 60.0 GB of memory, more than 90 % of the 15.1 GB free "
    "beside a process that trains."
)
ALL = (THE_BASELINE, STREAMS, STREAMS_TOO, LARGE, JPEG, MEMORY)

#: 10 GB of images on a machine of a size that is common.
SITUATION = Situation("This tree", 100_000, 100_000.0, free_memory=16 * GB, free_disk=80 * GB)


def advise(*points: MapPoint, **others: Any) -> Recommendation:
    """Return what is recommended, in a situation that may differ."""
    return recommend(points, replace(SITUATION, **others))


def test_the_fastest_that_fits() -> None:
    """How many times as fast, what it takes of what there is, when it has paid for itself, and what else."""
    found = advise(*ALL)
    assert (found.variant, found.next_best) == ("jpeg", "streams")
    assert found.sentences == (
        "This tree (100,000 images, 10.0 GB): use jpeg, 5.00 times ImageDataGenerator, needs 2.0 GB on disk "
        "of 80.0 GB free, pays for itself after 4 epochs.",
        "Next best: streams, 2.00 times ImageDataGenerator, needs no disk.",
        TOO_LARGE,
        "large would be 6.00 times as fast if the disk gives 1.4 GB a second.",
        "Not all of that fits into memory, and nobody has measured what the disk gives: run with --cold.",
    )


def test_what_nobody_has_measured_is_not_recommended() -> None:
    """What fits into memory comes first; what the disk would have to give is said of the rest."""
    found = advise(THE_BASELINE, STREAMS, LARGE)
    assert (found.variant, found.next_best) == ("streams", "large")
    assert "6.00 times ImageDataGenerator if the disk gives 1.4 GB a second, needs" in found.sentences[1]
    assert "nobody has measured what the disk gives: run with --cold" in found.sentences[-1]
    roomy = advise(THE_BASELINE, STREAMS, LARGE, free_memory=100 * GB)
    assert roomy.variant == "large"
    assert "6.00 times ImageDataGenerator, needs 60.0 GB on disk" in roomy.sentences[0]
    assert "--cold" not in " ".join(roomy.sentences)


def test_what_does_not_fit_into_memory_is_as_fast_as_from_the_disk() -> None:
    """A large dump is as fast as it was with nothing in the page cache, and so is the baseline."""
    large = replace(LARGE, from_disk=833.0, disk_bytes_per_second=5e8)
    # 2.08 times as fast, which is no more than 2.00 for certain.
    found = advise(THE_BASELINE, STREAMS, large)
    assert (found.variant, found.next_best) == ("streams", "large")
    assert "2.08 times ImageDataGenerator (6.00 where all fits into memory)" in found.sentences[1]
    assert found.sentences[-1] == (
        "Where not all fits into memory, speeds are as measured with nothing there (--cold), which gave up "
        "to 500 MB/s."
    )
    quick = advise(THE_BASELINE, point("streams", 1.2), large)
    assert quick.variant == "large"
    as_many = advise(THE_BASELINE, STREAMS, replace(large, images_from_disk=10_001), images=100_000)
    assert as_many.sentences == found.sentences
    few = advise(THE_BASELINE, STREAMS, replace(large, images_from_disk=10_000), images=100_000)
    assert few.sentences == (
        *found.sentences,
        "That was with 10,000 images: a disk may be slower where so many more are spread over it.",
    )
    slow_baseline = replace(THE_BASELINE, from_disk=200.0)
    huge = {"images": 1_000_000, "file_bytes": 2_500_000.0, "free_disk": 1000 * GB}
    found = advise(slow_baseline, STREAMS, large, **huge)
    assert "use large, 4.17 times ImageDataGenerator (6.00 where" in found.sentences[0]


def test_where_nothing_fits_whoever_reads_least_comes_first() -> None:
    """On a disk that holds all back it is the fastest; whatever may be faster is named with what it takes."""
    found = advise(THE_BASELINE, STREAMS, STREAMS_TOO, LARGE, images=1_000_000, free_disk=1000 * GB)
    assert (found.variant, found.next_best) == ("streams", "streams_too")
    assert "2.00 times ImageDataGenerator if the disk gives 80.0 MB a second" in found.sentences[0]
    assert found.sentences[-2] == "large would be 6.00 times as fast if the disk gives 1.4 GB a second."


def test_a_cold_run_says_that_memory_is_faster() -> None:
    """Where all passes began cold, what fits into memory is faster from the second epoch on."""
    cold = [replace(each, from_disk=each.images_per_second) for each in (THE_BASELINE, STREAMS)]
    assert "faster from the second epoch on" in advise(*cold).sentences[-1]
    assert "second epoch" not in " ".join(advise(*cold, images=1_000_000).sentences)


def test_memory_that_suffices() -> None:
    """A small tree goes into memory; for less of that, the fastest that takes none is next."""
    found = advise(*ALL, images=10_000)
    assert (found.variant, found.next_best) == ("memory", "large")
    assert "needs 6.0 GB of memory of 16.0 GB free." in found.sentences[0]


def test_a_training_process_takes_memory_too() -> None:
    """What is just as large as what is free does not fit beside the model."""
    least = round(6 * GB / 0.9) + TRAINING_WORKER_BYTES
    assert advise(*ALL, images=10_000, free_memory=least + 1).variant == "memory"
    assert advise(*ALL, images=10_000, free_memory=least - 1).variant != "memory"


def test_a_buffer_takes_memory_too() -> None:
    """A shuffle buffer may not fit where a dump would."""
    buffered = replace(LARGE, buffer_bytes=0.6 * GB)
    small = {"images": 100, "free_memory": TRAINING_WORKER_BYTES + GB // 2}
    assert advise(THE_BASELINE, STREAMS, LARGE, **small).variant == "large"
    found = advise(THE_BASELINE, STREAMS, buffered, **small)
    assert found.variant == "streams"


def test_neither_memory_nor_disk() -> None:
    """Without room for anything, the fastest that streams; then the next of these."""
    found = advise(*ALL, free_disk=GB)
    assert (found.variant, found.next_best) == ("streams", "streams_too")
    assert found.sentences[1] == "Next best: streams_too, 1.50 times ImageDataGenerator, needs no disk."


def test_of_what_does_not_fit_the_fastest_is_named() -> None:
    """One of those in memory and one of those on disk."""
    slower = (point("slower", 20.0, "memory", memory_bytes=600_000.0), replace(LARGE, variant="slower_too"))
    found = advise(THE_BASELINE, STREAMS_TOO, slower[0], MEMORY, LARGE, slower[1], free_disk=GB)
    assert found.sentences[1:] == (
        TOO_LARGE,
        "large would be 6.00 times as fast if the disk gives 1.4 GB a second, but takes 60.0 GB of disk, "
        "more than 90 % of the 1.0 GB free.",
    )


def test_the_smallest_of_a_tie() -> None:
    """Who takes 30 times the bytes has to be faster for certain."""
    large = replace(LARGE, speedup=point("", 5.1).speedup)
    in_memory = replace(large, variant="in_memory", disk_bytes=0.0, memory_bytes=10_000.0)
    found = advise(THE_BASELINE, JPEG, large, in_memory, images=100)
    assert (found.variant, found.next_best) == ("jpeg", "in_memory")
    assert found.sentences[2] == "About as fast as jpeg, and no smaller: large."
    assert len(advise(THE_BASELINE, JPEG, large, images=100).sentences) == 2


def test_undecided() -> None:
    """Nobody is recommended whom chance may have made faster."""
    unknown = replace(STREAMS, speedup=Estimate(2.0, 0.0, math.inf, 1))
    wide = point("wide", 1.1, within=0.2)
    found = advise(THE_BASELINE, unknown, wide)
    assert (found.variant, found.next_best) == (None, None)
    assert found.sentences == (
        "This tree (100,000 images, 10.0 GB): undecided, as no variant that fits is faster than "
        "ImageDataGenerator for certain; a larger --budget or a quieter machine tells more.",
    )
    assert advise(THE_BASELINE, unknown, wide, STREAMS_TOO).variant == "streams_too"


def test_nothing_fits() -> None:
    """ImageDataGenerator needs nothing but the images."""
    found = advise(THE_BASELINE, MEMORY)
    assert (found.variant, found.next_best) == (None, None)
    assert found.sentences == (
        "This tree (100,000 images, 10.0 GB): stay with ImageDataGenerator, as no other variant fits.",
        TOO_LARGE,
    )


@pytest.mark.parametrize("points", [(), (THE_BASELINE,), (STREAMS, STREAMS_TOO)])
def test_nothing_to_choose_from(points: tuple[MapPoint, ...]) -> None:
    """Nothing was measured, the baseline only, or nothing to hold against it."""
    found = advise(*points)
    assert (found.variant, found.next_best) == (None, None)
    assert "no choice" in found.sentences[0]
    assert (f"only {BASELINE} was measured" in found.sentences[0]) == (THE_BASELINE in points)


def test_sizes_nobody_knows() -> None:
    """A user's own dump or memory cache cannot be recommended for another size of tree."""
    mine = point("mine", 50.0, "memory", memory_bytes=None)
    found = advise(THE_BASELINE, STREAMS, mine)
    assert found.variant == "streams"
    assert found.sentences[1:] == (
        "mine would be 50.0 times as fast, but nobody knows how much memory it takes.",
    )


def test_files_of_a_size_nobody_knows() -> None:
    """A run from before the recommendation says nothing of files: neither does the sentence."""
    assert (
        advise(THE_BASELINE, STREAMS, file_bytes=0.0)
        .sentences[0]
        .startswith("This tree (100,000 images): use")
    )


def test_a_dump_that_was_not_written_here() -> None:
    """When a dump has paid for itself is only said where it is known, and in the singular."""
    unknown = replace(JPEG, cold_seconds=None)
    assert "pays" not in " ".join(advise(THE_BASELINE, STREAMS, unknown).sentences)
    assert "pays" not in " ".join(advise(THE_BASELINE, JPEG).sentences)
    quick = replace(JPEG, cold_seconds=0.001)
    assert "pays for itself after 1 epoch." in advise(THE_BASELINE, STREAMS, quick).sentences[0]
