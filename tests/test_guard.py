"""What a cache or a dump will need, what it may use, and what is said when that is too little."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from loader_gate.machine.cores import cores
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.session.guard import (
    DESCRIPTORS,
    LEAST_SHARE,
    LIMIT_WORKER_BYTES,
    SPARE_DESCRIPTORS,
    TRAINING_WORKER_BYTES,
    WORKER_BYTES,
    Free,
    Need,
    descriptors_problem,
    disk_problem,
    memory_problem,
    need_of,
    refused,
)
from loader_gate.sizes import format_size
from loader_gate.variants.tfdata_service import SERVICE_BYTES, SERVICE_WORKER_BYTES
from loader_gate.variants.torch_pillow import PROCESS_BYTES
from loader_gate.worker.limits import WorkerLimits

GB = 10**9
COCO_IMAGES = 117_266
VARIANTS = {variant.name: variant for variant in built_in_variants()}
LIMITS = [variant for variant in VARIANTS.values() if variant.traits.is_limit]
NO_LIMITS = [variant for variant in VARIANTS.values() if not variant.traits.is_limit]
READY = VARIANTS["limit_ready_batches"]
MEMORY = VARIANTS["tfdata_memory_cache"]
DUMP = VARIANTS["tfdata_file_cache"]
#: Rivals that pack the tree's files anew.
ARCHIVES = ("grain_array_record", "litdata_streaming", "mosaicml_streaming", "webdataset_shards")


@pytest.fixture
def article(tmp_path: Path) -> Spec:
    """Return the article's epoch: images of 256x256, 256 a batch."""
    return Spec((256, 256), 256, shuffle=True, seed=0, cache_dir=tmp_path)


@pytest.mark.parametrize("variant", [MEMORY, DUMP], ids=lambda variant: variant.name)
def test_the_riddle_of_the_90_gb(variant: Variant, article: Spec) -> None:
    """COCO2017 as float32 of 256x256x3 is 92.2 GB, in memory and on disk: the article's "90 GB"."""
    predicted = variant.predicted_bytes(COCO_IMAGES, article)
    assert predicted == COCO_IMAGES * 256 * 256 * 3 * 4
    assert format_size(predicted) == "92.2 GB"


def test_only_caches_and_dumps_have_a_prediction(article: Spec) -> None:
    """Nobody else holds more than a few batches."""
    for variant in NO_LIMITS:
        assert (variant.predicted_bytes(10, article) is not None) == (variant.kind in ("memory", "dump"))


def test_what_rivals_pack_has_a_prediction() -> None:
    """The tree's files as they are, and a little for each; others that are no dumps write nothing."""
    for variant in NO_LIMITS:
        predicted = variant.predicted_archive_bytes(COCO_IMAGES, 150_000.0)
        assert bool(predicted) == (variant.name in ARCHIVES)
        assert not predicted or 17.5 * GB < predicted < 18.1 * GB


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_does_not_fit(name: str, article: Spec) -> None:
    """It is refused by name, with what it would take, however little the images take that are delivered."""
    need = need_of(VARIANTS[name], COCO_IMAGES, article, file_bytes=150_000.0)
    assert need.disk > 17.5 * GB
    found = refused(
        [Need(VARIANTS[BASELINE], 24, 0), need], Free(100 * GB, need.disk - 1), WorkerLimits(60.0)
    )
    assert list(found) == [name]
    assert f"its archive of 117,266 images would take {format_size(need.disk)}, but it may use" in found[name]
    assert "set TMPDIR to a larger disk" in found[name]
    assert refused([need], Free(100 * GB, need.disk), WorkerLimits(60.0)) == {}


def memory(variant: Variant, spec: Spec, left: float, limit: int | None = None, others: int = 0) -> str:
    """Return the problem with COCO2017."""
    alternatives = ["tfdata_no_cache", "tfdata_file_cache"]
    need = replace(need_of(variant, COCO_IMAGES, spec), worker=WORKER_BYTES)
    return memory_problem(need, round(left), limit, others, alternatives)


def disk(variant: Variant, spec: Spec, left: float, limit: int | None = None, others: int = 0) -> str:
    """Return the problem with COCO2017."""
    return disk_problem(need_of(variant, COCO_IMAGES, spec), round(left), limit, others)


def memory_needed(variant: Variant, images: int, spec: Spec) -> int:
    """Return what a cache or a buffer takes."""
    return need_of(variant, images, spec).memory


def test_a_cache_that_does_not_fit(article: Spec) -> None:
    """Both figures are named, and the variants to use instead: the article's crash, foreseen."""
    problem = memory(MEMORY, article, 60 * GB)
    for part in (
        "cache of 117,266 images",
        "92.2 GB",
        "60.0 GB",
        "tfdata_no_cache or tfdata_file_cache",
        "--no-guard",
    ):
        assert part in problem
    assert "--memory-limit" not in problem


def test_a_cache_that_fits(article: Spec) -> None:
    """Nothing is said when the cache and its worker fit, to the byte."""
    needed = (MEMORY.predicted_bytes(COCO_IMAGES, article) or 0) + WORKER_BYTES
    assert memory(MEMORY, article, needed) == ""
    assert memory(MEMORY, article, needed - 1) != ""


def test_other_workers_need_memory_too(article: Spec) -> None:
    """All live at once: what they take is not free, and the way out is to measure fewer together."""
    needed = (MEMORY.predicted_bytes(COCO_IMAGES, article) or 0) + WORKER_BYTES
    assert memory(MEMORY, article, needed + 3 * GB, others=3 * GB) == ""
    problem = memory(MEMORY, article, needed + 3 * GB - 1, others=3 * GB)
    assert "beside the 3.0 GB of the other workers" in problem
    assert "fewer variants at once" in problem


def test_the_limit_of_a_worker_is_its_own(article: Spec) -> None:
    """``--memory-limit`` holds for each worker by itself, whatever the others take."""
    needed = (MEMORY.predicted_bytes(COCO_IMAGES, article) or 0) + WORKER_BYTES
    assert memory(MEMORY, article, 1000 * GB, limit=needed, others=3 * GB) == ""
    problem = memory(MEMORY, article, 1000 * GB, limit=30 * GB, others=3 * GB)
    assert "may use 30.0 GB (--memory-limit)" in problem
    assert "other workers" not in problem


def test_more_than_all_is_taken(article: Spec) -> None:
    """There is never less than nothing left."""
    assert "may use 0 KB beside" in memory(MEMORY, article, GB, others=3 * GB)


def test_an_option_that_holds_nobody_back_is_not_blamed(article: Spec) -> None:
    """Raising ``--memory-limit`` or ``--disk-limit`` would not help where the machine itself is too small."""
    assert "--memory-limit" not in memory(MEMORY, article, 50 * GB, limit=60 * GB)
    assert "--disk-limit" not in disk(DUMP, article, 50 * GB, limit=60 * GB)


def test_a_buffer_that_does_not_fit(article: Spec) -> None:
    """The file cache shuffles decoded images: 1,000 of the article's take 786 MB, and died with the cache."""
    buffer = 1000 * 256 * 256 * 3 * 4
    assert memory_needed(DUMP, COCO_IMAGES, article) == buffer
    assert memory_needed(DUMP, 10, article) == buffer // 100
    assert memory_needed(DUMP, COCO_IMAGES, replace(article, shuffle=False)) == 0
    assert memory(DUMP, article, buffer + WORKER_BYTES) == ""
    problem = memory(DUMP, article, 1000 * GB, limit=800_000_000)
    assert "its buffer of decoded images would take 786.4 MB" in problem
    assert "may use 800.0 MB (--memory-limit)" in problem


def test_who_holds_nothing_has_no_problem_with_memory(article: Spec) -> None:
    """Variants that hold a few batches are not refused for want of it."""
    for variant in NO_LIMITS:
        holds = variant.kind == "memory" or variant.predicted_buffer_bytes(COCO_IMAGES, article) > 0
        assert bool(memory(variant, article, 100_000_000)) == holds
        assert bool(memory_needed(variant, COCO_IMAGES, article)) == holds


def test_a_dump_that_does_not_fit(article: Spec) -> None:
    """Both figures are named, and every way out."""
    problem = disk(DUMP, article, 80 * GB)
    for part in ("117,266 images", "92.2 GB", "80.0 GB", "TMPDIR", "--keep-dumps", "--no-guard"):
        assert part in problem
    assert "--disk-limit" not in problem


def test_a_dump_that_fits(article: Spec) -> None:
    """Nothing is said when it fits, to the byte."""
    predicted = DUMP.predicted_bytes(COCO_IMAGES, article) or 0
    assert disk(DUMP, article, predicted) == ""
    assert disk(DUMP, article, predicted, limit=predicted) == ""
    assert disk(DUMP, article, predicted - 1) != ""


def test_dumps_lie_beside_each_other(article: Spec) -> None:
    """What others will write is not free; and it is said that fewer variants at once would do."""
    predicted = DUMP.predicted_bytes(COCO_IMAGES, article) or 0
    assert disk(DUMP, article, predicted + 10 * GB, others=10 * GB) == ""
    problem = disk(DUMP, article, predicted + 10 * GB, others=11 * GB)
    assert "of the disk beside the 11.0 GB of the other variants: " in problem
    assert "fewer variants at once" in problem


def test_a_smaller_disk_can_be_asked_for(article: Spec) -> None:
    """``--disk-limit`` holds on a disk with room, and is named."""
    problem = disk(DUMP, article, 1000 * GB, limit=10 * GB)
    assert "10.0 GB of the disk (--disk-limit)" in problem


def test_the_disk_is_the_dumps_problem_only(article: Spec) -> None:
    """Nobody else is refused for want of it, but who packs the files into an archive."""
    for variant in NO_LIMITS:
        assert bool(disk(variant, article, 1000)) == (variant.kind == "dump" or variant.name in ARCHIVES)


def test_the_limit_of_reading_a_dump_needs_disk_too(article: Spec) -> None:
    """It writes one; other limits write nothing, and those that have batches hold some memory."""
    refused = [each.name for each in LIMITS if disk(each, article, 1000)]
    assert refused == ["limit_dump_read"]
    assert [each.name for each in LIMITS if memory_needed(each, COCO_IMAGES, article)] == [
        "limit_memory_copy",
        "limit_ready_batches",
    ]


def names_refused(needs: list[Need], memory: int, disk: int = 0) -> dict[str, str]:
    """Return who is refused, with why; the streaming variant and the dump may be named instead."""
    frugal = [Need(VARIANTS["tfdata_no_cache"], 24, 0), Need(DUMP, 24, 10)]
    return refused(needs, Free(memory, disk), WorkerLimits(60.0), frugal)


def test_workers_share_the_memory() -> None:
    """All live at once, so one that would fit alone may not fit beside the others: it says so."""
    baseline, cache = Need(VARIANTS[BASELINE], 24, 0), Need(MEMORY, 24, 300_000)
    assert names_refused([baseline, cache], 1_500_000_000) == {}
    crowded = names_refused([baseline, cache, Need(VARIANTS["tfdata_no_cache"], 24, 0)], 1_500_000_000)
    assert list(crowded) == [MEMORY.name]
    assert "beside the 1.4 GB of the other workers" in crowded[MEMORY.name]
    assert "fewer variants at once" in crowded[MEMORY.name]


def test_who_is_refused_takes_no_memory() -> None:
    """Of a cache and a buffer that do not fit together only the larger is refused, and told of less."""
    needs = [Need(VARIANTS[BASELINE], 24, 0), Need(DUMP, 24, 10), Need(MEMORY, 24, 24)]
    found = names_refused(needs, 3 * WORKER_BYTES + 30)
    assert list(found) == [MEMORY.name]
    assert f"use tfdata_no_cache or {DUMP.name}, " in found[MEMORY.name]


def test_if_nothing_takes_less_the_baseline_does(article: Spec) -> None:
    """Whoever lacks memory is told of one that runs anywhere."""
    assert f"use {BASELINE}, " in memory_problem(need_of(MEMORY, COCO_IMAGES, article), GB, None)


def test_batches_that_are_already_there_take_no_room_from_others(article: Spec) -> None:
    """Nobody has asked for them: of all that do not fit beside each other, they go first."""
    needs = [need_of(each, 24, article, trains=True) for each in (VARIANTS[BASELINE], MEMORY, READY)]
    held = 24 * 256 * 256 * 3 * 4
    assert (needs[2].memory, needs[2].worker) == (held, TRAINING_WORKER_BYTES)
    everything = sum(each.worker + each.memory for each in needs)
    assert refused(needs, Free(everything, 0), WorkerLimits(60.0)) == {}
    (name,) = refused(needs, Free(everything - 1, 0), WorkerLimits(60.0))
    assert name == READY.name
    assert not refused(needs[:2], Free(everything - 1, 0), WorkerLimits(60.0))


def test_limits_leave_room_for_others(article: Spec) -> None:
    """They come without TensorFlow, so that a cache fits beside them that would not beside variants."""
    needs = [
        need_of(each, 24, article) for each in (VARIANTS[BASELINE], MEMORY, VARIANTS["limit_read_files"])
    ]
    assert needs[2].worker == LIMIT_WORKER_BYTES
    free = 2 * WORKER_BYTES + needs[1].memory + LIMIT_WORKER_BYTES
    assert names_refused(needs, free) == {}
    assert list(names_refused(needs, free - 1)) == [MEMORY.name]


def test_processes_that_a_worker_starts_count(article: Spec) -> None:
    """Those of tf.data's service, but not where that is there already; they take room as workers do."""
    service = VARIANTS["tfdata_service"]
    need = need_of(service, 24, article)
    more = need.worker - WORKER_BYTES
    assert more >= SERVICE_BYTES + SERVICE_WORKER_BYTES
    there = need_of(service, 24, replace(article, service="grpc://host:5050"))
    assert there.worker == need_of(VARIANTS["tfdata_tuned"], 24, article).worker == WORKER_BYTES
    free = round(LEAST_SHARE * (2 * WORKER_BYTES + more))
    assert names_refused([Need(VARIANTS[BASELINE], 24, 0), need], free) == {}
    assert list(names_refused([Need(VARIANTS[BASELINE], 24, 0), need], free - 1)) == [service.name]


@pytest.mark.parametrize(
    "name",
    [
        *("torch_pillow", "torch_simplejpeg", "torch_torchvision"),
        *("litdata_streaming", "mosaicml_streaming", "webdataset_shards"),
    ],
)
def test_worker_processes_of_torch_count(name: str, article: Spec) -> None:
    """One a core, with what it takes itself and two batches of float32 that wait."""
    batch = 256 * 256 * 256 * 3 * 4
    assert need_of(VARIANTS[name], 24, article).worker == WORKER_BYTES + cores() * (PROCESS_BYTES + 2 * batch)


def test_both_processes_of_a_variant_count() -> None:
    """One that is compared with base has two, each with a cache and a dump of its own."""
    alone = Need(DUMP, 24, 100, disk=1000)
    both = replace(alone, processes=2)
    assert names_refused([both], 2 * (WORKER_BYTES + 100), 2000) == {}
    assert "memory" in names_refused([both], 2 * (WORKER_BYTES + 100) - 1, 2000)[DUMP.name]
    assert "of the disk" in names_refused([both], 2 * (WORKER_BYTES + 100), 1999)[DUMP.name]
    assert names_refused([alone], WORKER_BYTES + 100, 1000) == {}


def test_more_processes_than_there_is_memory_for() -> None:
    """Those that hold next to nothing count, too: 22 of a comparison do not fit where 10 do."""
    streaming = [each for each in VARIANTS.values() if each.kind == "streaming" and each.name != BASELINE]
    needs = [Need(each, 24, 0, processes=2) for each in (VARIANTS[BASELINE], *streaming)]
    processes = 2 * len(needs)
    assert processes > 6
    taken = round(LEAST_SHARE * processes * WORKER_BYTES)
    assert names_refused(needs, taken) == {}
    crowded = names_refused(needs, taken - 1)
    assert list(crowded) == [streaming[-1].name]
    assert f"would have {processes} processes at once" in crowded[streaming[-1].name]
    assert "measure fewer variants at once" in crowded[streaming[-1].name]
    assert {*names_refused(needs, 0)} == {each.name for each in streaming}


def test_dumps_share_the_disk() -> None:
    """Of two dumps that do not fit beside each other only the larger is refused."""
    mapped = Need(VARIANTS["uint8_memory_map"], 24, 0, disk=74_000)
    found = names_refused([Need(DUMP, 24, 0, disk=4 * 74_000), mapped], 1000 * GB, 5 * 74_000 - 1)
    assert list(found) == [DUMP.name]
    assert "beside the 74 KB of the other variants" in found[DUMP.name]


def test_a_disk_that_is_memory() -> None:
    """There a dump takes from the workers what they would have, and they from it."""
    needs, dumped = [Need(VARIANTS[BASELINE], 24, 0), Need(DUMP, 24, 0, disk=1000)], 1000
    cached = Need(MEMORY, 24, 100)
    taken = 2 * WORKER_BYTES + dumped
    assert refused(needs, Free(taken, 2000, disk_is_memory=True), WorkerLimits(1.0)) == {}
    found = refused(needs, Free(taken - 1, 2000, disk_is_memory=True), WorkerLimits(1.0))
    assert list(found) == [DUMP.name]
    assert "of memory, in which that disk is" in found[DUMP.name]
    assert refused(needs, Free(taken - 1, 2000), WorkerLimits(1.0)) == {}
    room = taken + WORKER_BYTES + cached.memory
    assert refused([*needs, cached], Free(room, 2000, disk_is_memory=True), WorkerLimits(1.0)) == {}
    found = refused([*needs, cached], Free(room - 1, 2000, disk_is_memory=True), WorkerLimits(1.0))
    assert list(found) == [MEMORY.name]


def test_files_for_every_process() -> None:
    """A session of few is let be, and one of many is told how to go on."""
    needed = DESCRIPTORS * 22 + SPARE_DESCRIPTORS
    assert descriptors_problem(22, needed) == ""
    assert descriptors_problem(1000, math.inf) == ""
    problem = descriptors_problem(22, needed - 1)
    assert f"22 processes at once, for which {needed} files have to be open, but only" in problem
    assert "`ulimit -n`" in problem
