"""What a cache or a dump will need, what it may use, and what is said when that is too little."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.session.guard import (
    WORKER_BYTES,
    disk_problem,
    memory_needed,
    memory_problem,
)
from loader_gate.sizes import format_size, parse_size

GB = 10**9
COCO_IMAGES = 117_266
VARIANTS = {variant.name: variant for variant in built_in_variants()}
LIMITS = [variant for variant in VARIANTS.values() if variant.kind == "limit"]
NO_LIMITS = [variant for variant in VARIANTS.values() if variant.kind != "limit"]
MEMORY = VARIANTS["tfdata_memory_cache"]
DUMP = VARIANTS["tfdata_file_cache"]


@pytest.fixture
def article(tmp_path: Path) -> Spec:
    """Return the article's epoch: images of 256x256, 256 a batch."""
    return Spec((256, 256), 256, shuffle=True, seed=0, cache_dir=tmp_path)


def free(size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk have so much space left."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=round(size)))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("800M", 800_000_000),
        ("1.5G", 1_500_000_000),
        ("2GB", 2_000_000_000),
        ("64k", 64_000),
        (" 1t ", 10**12),
        ("0.5K", 500),
        ("7b", 7),
    ],
)
def test_a_size(text: str, size: int) -> None:
    """Units are powers of 1000, in either case, with or without the B."""
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "0", "0.0G", "-1G", "G", "1.G", "1,5G", "1GiB", "1 G", "ten", "nan", "0.1"]
)
def test_no_size(text: str) -> None:
    """Anything else is named, with an example of what was expected."""
    with pytest.raises(ValueError, match=r"expected a size such as 800M or 1\.5G") as caught:
        parse_size(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (92_224_880_640, "92.2 GB"),
        (GB, "1.0 GB"),
        (1_234 * GB, "1,234.0 GB"),
        (786_432, "786 KB"),
        (1_500_000, "1.5 MB"),
        (3_000, "3 KB"),
    ],
)
def test_sizes_for_people(size: float, text: str) -> None:
    """In the largest unit that fits."""
    assert format_size(size) == text


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


def memory(variant: Variant, spec: Spec, left: float, limit: int | None = None, others: int = 0) -> str:
    """Return the problem with COCO2017."""
    alternatives = ["tfdata_no_cache", "tfdata_file_cache"]
    return memory_problem(variant, COCO_IMAGES, spec, round(left), limit, alternatives, WORKER_BYTES, others)


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


def test_an_option_that_holds_nobody_back_is_not_blamed(
    article: Spec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Raising ``--memory-limit`` or ``--disk-limit`` would not help where the machine itself is too small."""
    assert "--memory-limit" not in memory(MEMORY, article, 50 * GB, limit=60 * GB)
    free(50 * GB, monkeypatch)
    assert "--disk-limit" not in disk_problem(DUMP, COCO_IMAGES, article, tmp_path, limit=60 * GB)


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


def test_a_dump_that_does_not_fit(article: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both figures are named, and every way out."""
    free(80 * GB, monkeypatch)
    problem = disk_problem(DUMP, COCO_IMAGES, article, tmp_path, None)
    for part in ("117,266 images", "92.2 GB", "80.0 GB", "TMPDIR", "--keep-dumps", "--no-guard"):
        assert part in problem
    assert "--disk-limit" not in problem


def test_a_dump_that_fits(article: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said when it fits, to the byte."""
    predicted = DUMP.predicted_bytes(COCO_IMAGES, article) or 0
    free(predicted, monkeypatch)
    assert disk_problem(DUMP, COCO_IMAGES, article, tmp_path, None) == ""
    assert disk_problem(DUMP, COCO_IMAGES, article, tmp_path, predicted) == ""
    free(predicted - 1, monkeypatch)
    assert disk_problem(DUMP, COCO_IMAGES, article, tmp_path, None) != ""


def test_dumps_lie_beside_each_other(article: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others will write is not free; and it is said that fewer variants at once would do."""
    predicted = DUMP.predicted_bytes(COCO_IMAGES, article) or 0
    free(predicted + 10 * GB, monkeypatch)
    assert disk_problem(DUMP, COCO_IMAGES, article, tmp_path, None, 10 * GB) == ""
    problem = disk_problem(DUMP, COCO_IMAGES, article, tmp_path, None, 11 * GB)
    assert "of the disk beside the 11.0 GB of the other variants: " in problem
    assert "fewer variants at once" in problem


def test_a_smaller_disk_can_be_asked_for(
    article: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--disk-limit`` holds on a disk with room, and is named."""
    free(1000 * GB, monkeypatch)
    problem = disk_problem(DUMP, COCO_IMAGES, article, tmp_path, 10 * GB)
    assert "10.0 GB of the disk (--disk-limit)" in problem


def test_the_disk_is_the_dumps_problem_only(
    article: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else is refused for want of it."""
    free(1000, monkeypatch)
    for variant in NO_LIMITS:
        assert bool(disk_problem(variant, COCO_IMAGES, article, tmp_path, None)) == (variant.kind == "dump")


def test_the_limit_of_reading_a_dump_needs_disk_too(
    article: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes one; other limits write nothing, and the one that copies holds some memory."""
    free(1000, monkeypatch)
    refused = [each.name for each in LIMITS if disk_problem(each, COCO_IMAGES, article, tmp_path, None)]
    assert refused == ["limit_dump_read"]
    assert [each.name for each in LIMITS if memory_needed(each, COCO_IMAGES, article)] == [
        "limit_memory_copy"
    ]
