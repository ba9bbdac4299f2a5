"""Cold passes: what leaves the page cache, what is refused, and what is said; real files, made-up figures."""

from __future__ import annotations

import mmap
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loader_gate.advice.pareto import points_of
from loader_gate.machine import page_cache
from loader_gate.machine.page_cache import (
    cached_share,
    evict,
    file_system_of,
    give_back_mapped,
    without_doubles,
)
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE, RegistryError, Variant
from loader_gate.report.cold_table import cold_rows
from loader_gate.rotation import looks
from loader_gate.rotation.contestant import Contestant, Decisions
from loader_gate.rotation.measurement import Measurement
from loader_gate.runs.parsing import read_entry
from loader_gate.session import cold
from loader_gate.session.cold import (
    ColdPlan,
    about_cold,
    about_warm,
    check_options,
    cold_figures,
    plan_cold,
    without_other_limits,
)
from loader_gate.session.gating import Gating
from loader_gate.statistics.estimate import Estimate
from loader_gate.trees.tree import Tree
from loader_gate.verdict.beyond_limit import beyond_limit
from loader_gate.verdict.floors import Choice, OwnFloor
from loader_gate.verdict.share import Share, share_of_disk
from loader_gate.verdict.verdict import limit_verdict
from loader_gate.worker.cold import MOST_CACHED, TRIES, ColdStart, NotColdError
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerError, WorkerProcess, module_search_path
from loader_gate.worker.timing import PassTiming
from loader_gate.workloads.device import Device
from loader_gate.workloads.known import workload
from loader_gate.workloads.workload import WorkloadOptions
from tests.made_up_passes import contestant
from tests.made_up_runs import benchmark

VARIANTS = {each.name: each for each in built_in_variants()}
DISK, READ = VARIANTS["limit_disk_read"], VARIANTS["limit_read_files"]
MB = 1_000_000


@pytest.fixture
def on_a_disk(tmp_path: Path) -> Path:
    """Return a folder whose files can leave the page cache, or skip the test."""
    if sys.platform != "linux":
        pytest.skip("only Linux evicts")
    kind = file_system_of(str(tmp_path))
    if kind in cold.NEVER_COLD:
        pytest.skip(f"temporary files are on {kind}")
    return tmp_path


def written(folder: Path, name: str = "data", size: int = MB) -> str:
    """Write a file, which is dirty then."""
    file = folder / name
    file.write_bytes(os.urandom(size))
    return str(file)


# The page cache.


def test_what_was_just_written_leaves_too(on_a_disk: Path) -> None:
    """It has to be on the disk first."""
    file = written(on_a_disk)
    assert cached_share([file]) == 1
    evict([file])
    assert cached_share([file]) == 0
    assert len(Path(file).read_bytes()) == MB
    assert cached_share([file]) == 1


def test_what_is_mapped_is_given_back(on_a_disk: Path) -> None:
    """Nothing else lets it leave; the map goes on to show what is in the file."""
    file = written(on_a_disk)
    pages = np.memmap(file, np.uint8, "r")
    before = int(pages.sum())
    evict([file])
    assert cached_share([file]) == 1
    give_back_mapped([file])
    evict([file])
    assert cached_share([file]) == 0
    assert int(pages.sum()) == before


def test_files_that_are_no_longer_there(tmp_path: Path) -> None:
    """Nothing is said of them; of an empty one there is nothing to say."""
    (tmp_path / "empty").touch()
    files = [str(tmp_path / "gone"), str(tmp_path / "empty")]
    evict(files)
    give_back_mapped(files)
    assert cached_share(files) == 0
    assert without_doubles(files) == files[1:]


def test_hard_links_are_one_file(tmp_path: Path) -> None:
    """They have the same pages."""
    file = Path(written(tmp_path, size=1))
    (tmp_path / "link").hardlink_to(file)
    assert len(without_doubles([str(file), str(tmp_path / "link"), written(tmp_path, "other", 1)])) == 2


def test_the_file_system_of_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest mount above it; of two at one place, the later one."""
    mounts = [("/", "ext4"), ("/data", "ext4"), ("/data", "tmpfs"), ("/data2", "xfs")]
    partitions = [Namespace(mountpoint=mount, fstype=kind) for mount, kind in mounts]
    monkeypatch.setattr("psutil.disk_partitions", lambda **_: partitions)
    found = {place: file_system_of(place) for place in ("/elsewhere", "/data/tree", "/data2", "/data2x")}
    assert found == {"/elsewhere": "ext4", "/data/tree": "tmpfs", "/data2": "xfs", "/data2x": "ext4"}


# A pass that begins cold.


def test_a_pass_begins_cold(on_a_disk: Path) -> None:
    """Of the tree, and of what the variant has written."""
    tree, folder = [written(on_a_disk, name) for name in "ab"], on_a_disk / "own"
    (folder / "deep").mkdir(parents=True)
    dump = written(folder / "deep")
    assert ColdStart(tree, str(folder)).evict() <= MOST_CACHED
    assert cached_share([*tree, dump]) == 0


@pytest.mark.parametrize("of_tree", [True, False])
def test_a_pass_that_cannot_begin_cold(of_tree: bool, on_a_disk: Path) -> None:
    """Somebody has mapped a part: it is tried again, ever later, and then said what stays and what to do."""
    folder = on_a_disk / "own"
    folder.mkdir()
    small, large = written(folder, size=MB), written(on_a_disk, size=100 * MB if not of_tree else MB)
    held = large if of_tree else small
    pauses: list[float] = []
    with open(held, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as pages:  # noqa: PTH123
        pages.read()
        with pytest.raises(NotColdError, match="stayed in the page cache after 5 tries") as raised:
            ColdStart([large], str(folder), pauses.append).evict()
    assert len(pauses) == TRIES - 1
    assert pauses == sorted(pauses)
    assert ("of the tree's files" if of_tree else "of what it has written") in str(raised.value)
    assert "or measure without --cold" in str(raised.value)


@pytest.fixture
def worker(tiny_tree: Tree, on_a_disk: Path) -> Iterator[WorkerProcess]:
    """A worker that reads one image a batch from a disk."""
    if file_system_of(str(tiny_tree.root)) in cold.NEVER_COLD:
        pytest.skip("the tree is in memory")
    worker = WorkerProcess(DISK, module_search_path(Path()), WorkerLimits(60.0))
    try:
        worker.open(tiny_tree, Spec((32, 32), 1, shuffle=True, seed=0, cache_dir=on_a_disk))
        worker.ask("check", reference="")
        yield worker
    finally:
        worker.end()


def test_a_worker_begins_cold(worker: WorkerProcess, tiny_tree: Tree) -> None:
    """One epoch, whatever is asked for; its bytes come from the disk, and evicting them is no idleness."""
    timings = [PassTiming(**worker.ask("pass", epochs=3, cold=True)) for _ in range(2)]
    warm = PassTiming(**worker.ask("pass", epochs=3))
    size = sum(map(os.path.getsize, without_doubles(tiny_tree.paths)))
    for timing in timings:
        assert timing.epochs == 1
        assert timing.cached_share is not None
        assert timing.cached_share <= MOST_CACHED
        assert timing.read_bytes >= size
        assert timing.idle_read_bytes == 0
    assert (warm.epochs, warm.cached_share) == (3, None)


def test_a_part_of_an_epoch_begins_cold(worker: WorkerProcess) -> None:
    """Its bytes are those of the whole epoch that it tells of, as its seconds are."""
    whole = PassTiming(**worker.ask("pass", epochs=1, cold=True))
    part = PassTiming.of(worker.ask("pass", epochs=1, cold=True, part={"begin": 2, "timed": 4}))
    assert part.part is not None
    assert part.part.images == 6
    assert part.cached_share is not None
    assert part.cached_share <= MOST_CACHED
    assert 0.5 < part.read_bytes / whole.read_bytes < 2


def test_a_worker_that_cannot_begin_cold(tiny_tree: Tree, on_a_disk: Path) -> None:
    """Its variant is unmeasured for that, with the sentence alone."""
    held = written(on_a_disk)
    worker = WorkerProcess(DISK, module_search_path(Path()), WorkerLimits(60.0))
    with open(held, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as pages:  # noqa: PTH123
        pages.read()
        try:
            worker.open(tiny_tree, Spec((32, 32), 5, shuffle=True, seed=0, cache_dir=on_a_disk))
            with pytest.raises(WorkerError, match=r"^no pass of it began cold: .* of what it has written"):
                worker.ask("pass", epochs=1, cold=True)
        finally:
            worker.end()


# What it can be asked for with, and where.


def options(**given: Any) -> Namespace:
    """Return options of a session."""
    return Namespace(**{"cold": True, "update_floors": False, "cores": None, "variant": [], **given})


def test_what_cannot_be_asked_for_together() -> None:
    """Floors are of warm passes, and a disk does not follow the cores."""
    check_options(options())
    with pytest.raises(RegistryError, match="--update-floors with --cold"):
        check_options(options(update_floors=True))
    with pytest.raises(RegistryError, match="--cores 1,2 with --cold"):
        check_options(options(cores="1,2"))


def test_limits_on_reading() -> None:
    """From the page cache in warm sessions, from the disk in cold ones; others in both."""
    everything = tuple(VARIANTS.values())
    warm = {each.name for each in without_other_limits(everything, options(cold=False))}
    cold_ones = {each.name for each in without_other_limits(everything, options())}
    assert warm - cold_ones == {"limit_read_files", "limit_dump_read"}
    assert cold_ones - warm == {"limit_disk_read"}
    with pytest.raises(RegistryError, match=r"limit_disk_read: it is a limit of cold passes; add --cold"):
        without_other_limits((DISK,), options(cold=False, variant=["limit_disk_read"]))
    with pytest.raises(RegistryError, match=r"limit of warm passes; leave --cold out"):
        without_other_limits((READ,), options(variant=["limit_read_files"]))


def test_a_limit_alone_says_of_which_cache_it_is(drop_in: Callable[[str, str], Path]) -> None:
    """A variant would be left out of half of all sessions."""
    drop_in("mine", "CACHE = 'cold'\ndef load(tree, spec): ...\n")
    with pytest.raises(RegistryError, match="CACHE is 'cold' and KIND is 'streaming'"):
        built_in_variants()


def test_files_that_never_leave_memory(
    tiny_tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are named before anything is started: the tree's, or those that some variants write."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(cold, "file_system_of", lambda _: "tmpfs")
    found = plan_cold(tiny_tree, VARIANTS.values(), tmp_path, None, None)
    assert found.problem.startswith(f"the tree is in {tiny_tree.root.resolve()}")
    assert " on tmpfs, and its files are in memory and on no disk (--cold): move it" in found.problem
    assert "leave --cold out" in found.problem
    monkeypatch.setattr(cold, "file_system_of", lambda path: "tmpfs" if path == str(tmp_path) else "ext4")
    monkeypatch.setattr(cold, "evict", lambda _: None)
    monkeypatch.setattr(cold, "cached_share", lambda _: 0.0)
    found = plan_cold(tiny_tree, VARIANTS.values(), tmp_path, None, None)
    assert not found.problem
    assert {"uint8_memory_map", "tfdata_file_cache"} <= {*found.refused}
    assert not {BASELINE, "tfdata_no_cache", "uint8_memory"} & {*found.refused}
    assert "set TMPDIR or --keep-dumps to a disk" in found.refused["uint8_memory_map"]


def test_files_that_stay_all_the_same(
    tiny_tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file is evicted before the clock starts; whoever may not write it is not told the truth."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(cold, "file_system_of", lambda _: "virtiofs")
    monkeypatch.setattr(cold, "cached_share", lambda _: 1.0)
    found = plan_cold(tiny_tree, [], tmp_path, None, None).problem
    assert "on virtiofs, was evicted from the page cache, and 100% of it stayed (--cold)" in found
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "copy the tree to one of yours" in plan_cold(tiny_tree, [], tmp_path, None, None).problem
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "only Linux" in plan_cold(tiny_tree, [], tmp_path, None, None).problem


def test_what_is_said_before_the_clock(
    tiny_tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hard links, a file system that counts no bytes, and the rule of MLPerf Storage if it was asked for."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(cold, "file_system_of", lambda _: "fuse")
    monkeypatch.setattr(cold, "cached_share", lambda _: 0.0)
    monkeypatch.setattr(cold, "bytes_read", lambda: 0)
    doubled = replace(tiny_tree, paths=(*tiny_tree.paths, *tiny_tree.paths))
    found = plan_cold(doubled, [], tmp_path, None, 10**9)
    links, unknown, mlperf = found.notes
    assert not found.counts_bytes
    assert links.startswith("The tree's 48 images are 24 files on the disk")
    assert unknown.startswith("Bytes a second are not known: fuse")
    assert "5 times --memory-limit are 5.0 GB" in mlperf
    assert "is not kept" in mlperf
    assert "(--tree-images, --image-root)" in mlperf
    (*_, mlperf) = plan_cold(tiny_tree, [], tmp_path, None, 1000).notes
    assert mlperf.endswith("is kept.")


def test_workloads_that_may_be_cold() -> None:
    """Loading and dump; of training it is said that it was measured as ever."""
    asked = WorkloadOptions(Device("cpu"), cold=True)
    assert workload("loading", asked).is_cold
    assert workload("dump", asked).is_cold
    training = workload("training", asked)
    assert not training.is_cold
    assert about_warm(True, training)
    assert not about_warm(True, workload("dump", asked))
    assert not workload("loading", WorkloadOptions(Device("cpu"))).is_cold


def test_floors_are_of_warm_passes(tiny_tree: Tree) -> None:
    """Only one that was given for this run holds."""
    work = workload("loading", WorkloadOptions(Device("cpu"), cold=True))
    variant = Variant("mine", "my_loaders", "mine")
    gating = Gating(None, Choice(None, "picked"), declared={("loading", variant.floor_key): 2.0})
    assert gating.floor(replace(work, is_cold=False), tiny_tree, variant) == 2.0
    assert gating.floor(work, tiny_tree, variant) is None
    assert "are of warm passes (--cold)" in gating.reason(work, tiny_tree)
    given = replace(gating, own=[OwnFloor("", "mine", 1.1)])
    assert given.floor(work, tiny_tree, variant) == 1.1


# What comes of it.


def timing(seconds: float, read: int, cached: float | None = 0.0) -> PassTiming:
    """Return a pass that has read some bytes."""
    return PassTiming(seconds, seconds / 10, 0.0, seconds, 1, 1, read_bytes=read, cached_share=cached)


def beside_a_disk(read: int, seconds: float, kind: str = "dump") -> tuple[Contestant, Contestant]:
    """Return a variant, and the limit of the disk, which gives 100 MB a second."""
    limit = contestant("limit_disk_read", kind="limit", bounds=("streaming", "dump"), blocks=4)
    limit.variant = replace(limit.variant, cache="cold")
    limit.head.passes = [timing(1.0, 100 * MB) for _ in range(8)]
    limit.decisions = Decisions(verdict=limit_verdict(Estimate(1.0, 1.0, 1.0, 4)))
    own = contestant("mine", kind=kind, blocks=4)
    own.head.passes = [timing(seconds, read) for _ in range(8)]
    return own, limit


def test_a_disk_bounds_bytes_a_second() -> None:
    """A dump of a tenth of the bytes may be five times as fast, at half of what the disk gives."""
    own, limit = beside_a_disk(10 * MB, 0.2)
    share = looks.share(own, [own, limit])
    assert share is not None
    assert (share.limit, share.is_of_bytes) == ("limit_disk_read", True)
    assert share.estimate.ratio == pytest.approx(0.5)
    assert share_of_disk("limit_disk_read", limit.head.passes, [timing(0.2, 0)]) is None


def test_more_from_the_disk_than_the_limit_is_no_other_work() -> None:
    """Who asks it for more at once may get more; but who decodes faster than a decoder is still found out."""
    own, limit = beside_a_disk(100 * MB, 0.5, "streaming")
    share = looks.share(own, [own, limit])
    assert share is not None
    assert share.estimate.ratio == pytest.approx(2.0)
    assert beyond_limit(VARIANTS["tfdata_no_cache"].traits, share) == ""
    decoding = contestant("limit_jpeg_decode", kind="limit", bounds=("streaming",), blocks=4)
    decoding.head.passes = [timing(0.75, 0) for _ in range(8)]
    decoding.decisions = limit.decisions
    share = looks.share(own, [own, limit, decoding])
    assert share is not None
    assert share.limit == "limit_jpeg_decode"
    assert share.estimate.ratio == pytest.approx(1.5)
    assert "other work" in beyond_limit(VARIANTS["tfdata_no_cache"].traits, share)
    assert isinstance(share, Share)


def test_what_the_json_says(make_measurement: Callable[..., Measurement], tiny_tree: Tree) -> None:
    """The share that was cached at worst, and the bytes that came; who has nothing to read is named."""
    warm = make_measurement()
    assert cold_figures(warm, ColdPlan()) == {}
    passes = (timing(0.5, 10 * MB, 0.01), timing(1.0, 10 * MB), timing(0.4, 10 * MB))
    reads = replace(warm, variant_passes=passes)
    found = cold_figures(reads, ColdPlan())
    assert found == {"cached_share": 0.01, "bytes_per_second": 20 * MB, "read_bytes": 10 * MB}
    assert cold_figures(reads, ColdPlan(counts_bytes=False)) == {"cached_share": 0.01}
    held = make_measurement("uint8_memory", seconds=(0.1,) * 4)
    held = replace(held, variant_passes=(timing(0.1, 0),))
    both = {"tfdata_no_cache": reads, "uint8_memory": held}
    infos = {name: cold_figures(each, ColdPlan()) for name, each in both.items()}
    evicted, from_no_disk = about_cold(both, infos, tiny_tree)
    assert "At most 1.0% of them was there when a pass began (tfdata_no_cache)" in evicted
    assert from_no_disk.startswith("Read from no disk")
    assert "in a pass: uint8_memory. " in from_no_disk
    linked = replace(tiny_tree, paths=tiny_tree.paths * 10_000)  # of which nobody reads a hundredth twice
    assert len([*about_cold({"a": reads}, {"a": infos["tfdata_no_cache"]}, linked)]) == 1
    assert [*about_cold({"warm": warm}, {"warm": {}}, tiny_tree)] == []
    assert cold_rows(infos.items()) == [
        ("tfdata_no_cache", "20.0", "10.0", "1.0%"),
        ("uint8_memory", "0.0", "0.0", "0.0%"),
    ]


def test_cold_and_warm_are_never_compared() -> None:
    """They are other work; a run of before says nothing of that, and was warm."""
    works = [
        entry.work
        for info in ({}, {"cache": "cold"})
        if (entry := read_entry(benchmark("mine", **info)["extra_info"], "", None)) is not None
    ]
    assert [each.cache for each in works] == ["warm", "cold"]
    assert works[0].differences(works[1]) == "cache warm then, cold now"


def test_a_cold_run_beside_a_warm_one() -> None:
    """It tells how fast variants are from the disk, of the same work only."""
    warm = [benchmark(name)["extra_info"] for name in (BASELINE, "mine")]
    cold_run = [
        benchmark("mine", cache="cold", images_per_second=300.0, bytes_per_second=45e6)["extra_info"],
        benchmark(BASELINE, cache="cold", tree="another")["extra_info"],
    ]
    found = {each.variant: (each.from_disk, each.disk_bytes_per_second) for each in points_of(warm, cold_run)}
    assert found == {BASELINE: (None, None), "mine": (300.0, 45e6)}
    (alone,) = points_of(cold_run[:1])
    assert alone.from_disk == alone.images_per_second == 300.0
    assert page_cache.cached_share([]) == 0
