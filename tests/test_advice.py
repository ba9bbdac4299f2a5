"""The map and the recommendation of a run: what is said, from where, and the command for saved runs."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from loader_gate.advice.__main__ import main
from loader_gate.advice.advice import advice_of, advice_of_session
from loader_gate.advice.map_picture import draw_map
from loader_gate.advice.pareto import placed, points_of
from loader_gate.advice.recommendation import Situation
from loader_gate.advice.space import free_disk, taken_bytes
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.text import WIDTH
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.tree import Tree
from loader_gate.trees.whole import Whole, whole_of
from loader_gate.workloads.device import Device
from loader_gate.workloads.known import workload
from loader_gate.workloads.workload import WorkloadOptions

LOADING = workload("loading", WorkloadOptions(Device("cpu"), 256))


def info(variant: str, speedup: float, kind: str = "streaming", **others: Any) -> dict[str, Any]:
    """Make up what the JSON says of a benchmark; its interval is within 5 %."""
    within = 0.0 if variant == BASELINE else 0.05
    return {
        "variant": variant,
        "kind": kind,
        "workload": "loading",
        "verdict": "pass",
        "speedup": speedup,
        "speedup_low": speedup * (1 - within),
        "speedup_high": speedup * (1 + within),
        "images": 1000,
        "images_per_second": 400 * speedup,
        "tree": "abc",
        "disk_bytes_per_image": 0,
        "memory_bytes_per_image": 0,
        "buffer_bytes": 0,
        **others,
    }


INFOS = (
    info(BASELINE, 1.0),
    info("tfdata_no_cache", 2.0),
    info("slow", 0.5),
    info("tfdata_file_cache", 6.0, "dump", disk_bytes_per_image=602_112),
    info("small_dump", 7.0, "dump", disk_bytes_per_image=150_528),
    info("mine", 30.0, "memory", memory_bytes_per_image=None),
)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that saves a run."""

    def save(*infos: dict[str, Any], **about: Any) -> Path:
        stats = dict.fromkeys(("min", "max", "mean", "stddev", "median", "iqr", "rounds", "iterations"), 1.0)
        run = {
            "machine_info": {"description": "a machine of 8 cores"},
            "benchmarks": [
                {"fullname": f"x[{each['variant']}]", "stats": stats, "extra_info": each} for each in infos
            ],
            "loader_gate": about,
        }
        path = tmp_path / "run.json"
        path.write_text(json.dumps(run), encoding="utf-8")
        return path

    return save


def test_what_is_said() -> None:
    """The table, what is not in it, a recommendation for each size, and where the code is."""
    situations = [
        Situation(name, images, 100_000.0, free_memory=10**10, free_disk=10**11)
        for name, images in (("This tree", 1000), ("All of it", 1_000_000))
    ]
    lines = advice_of(INFOS, situations).lines(colour=False)
    assert max(map(len, lines)) <= WIDTH
    assert [line.split()[0] for line in lines[2:6]] == ["mine", "small_dump", "tfdata_no_cache", "Not"]
    first = next(number for number, line in enumerate(lines) if line.startswith("This tree"))
    assert lines[first + 1].startswith("  ")
    text = " ".join(" ".join(lines).split())
    assert f"is faster and takes no more: tfdata_file_cache, {BASELINE}, slow." in text
    assert "This tree (1,000 images, 100.0 MB): use small_dump, 7.00 times" in text
    assert "All of it (1,000,000 images, 100.0 GB): use tfdata_no_cache, 2.00 times" in text
    assert "Code: loader_gate/variants/tfdata_no_cache.py. To use it" in text


def test_nothing_is_said_of_one_kind() -> None:
    """A few loaders that all stream have no more to say than the table of verdicts."""
    assert advice_of(INFOS[:3], []).lines(colour=False) == []
    assert advice_of([], []).lines(colour=False) == []


def test_what_a_variant_takes() -> None:
    """By its kind, an image; a buffer does not grow with the tree."""
    float32 = 256 * 256 * 3 * 4
    expected = {
        BASELINE: (0, 0, 0),
        "tfdata_no_cache": (0, 0, 0),
        "tfdata_memory_cache": (0, float32, 0),
        "tfdata_file_cache": (float32, 0, 1000 * float32),
    }
    for variant in built_in_variants():
        found = taken_bytes(variant, variant.kind, 50, LOADING)
        assert [*found] == ["disk_bytes_per_image", "memory_bytes_per_image", "buffer_bytes"]
        assert tuple(found.values()) == expected.get(variant.name, tuple(found.values()))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("streaming", (0, 0)), ("rival", (0, 0)), ("dump", (None, 0)), ("memory", (0, None))],
)
def test_what_a_users_loader_takes(kind: str, expected: tuple[int | None, ...]) -> None:
    """Its kind tells that it takes some, and nobody knows how much."""
    found = taken_bytes(Variant("photos", "my_loaders", "photos"), kind, 50, LOADING)
    assert (found["disk_bytes_per_image"], found["memory_bytes_per_image"]) == expected


def test_what_an_archive_takes() -> None:
    """A rival may write one when it is built, which is measured; a dump's prediction is not doubled by it."""
    rival = Variant("webdataset_shards", "loader_gate.variants.webdataset_shards")
    assert taken_bytes(rival, "rival", 50, LOADING, 5_000)["disk_bytes_per_image"] == 100
    dump = Variant("tfdata_file_cache", "loader_gate.variants.tfdata_file_cache")
    assert taken_bytes(dump, "dump", 50, LOADING, 5_000)["disk_bytes_per_image"] == 256 * 256 * 3 * 4


def test_the_room_there_is(tmp_path: Path) -> None:
    """Of the disk that dumps will be kept on, even if its folder is not there yet."""
    assert free_disk(tmp_path / "not" / "yet") > 0
    assert free_disk(None) > 0


def test_a_session_in_a_smaller_machine(tiny_tree: Tree, tmp_path: Path) -> None:
    """What the options allow counts, not what is there, for the tree and the whole it is a sample of."""
    options = Namespace(keep_dumps=tmp_path / "new", memory_limit=10**9, disk_limit=10**30)
    request = TreeRequest(image_root=tiny_tree.root, tree_images=4)
    sample = replace(tiny_tree, paths=tiny_tree.paths[:4], labels=tiny_tree.labels[:4])
    found = advice_of_session(INFOS, sample, request, options).recommendations
    assert [each.situation.images for each in found] == [4, 24]
    assert {each.situation.free_memory for each in found} <= {10**9}
    assert 0 < found[0].situation.free_disk < 10**30
    assert found[0].situation.file_bytes == sample.mean_bytes()
    # What is no larger, or cannot be found any more, is left out.
    assert len(advice_of_session(INFOS, tiny_tree, request, options).recommendations) == 1
    gone = TreeRequest(image_root=tmp_path / "gone", tree_images=4)
    assert len(advice_of_session(INFOS, sample, gone, options).recommendations) == 1


def test_a_saved_run(saved: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """For as many images as were measured, of their size, and on this machine."""
    path = saved(*INFOS, recommendation=[{"situation": {"file_bytes": 100_000.0}}])
    assert main([str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "A tree (1,000 images, 100.0 MB): use " in said
    assert said.endswith("Measured on a machine of 8 cores.")


def test_a_saved_run_for_another_size(saved: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Options say what for; a run from before the recommendation will do."""
    options = ["--images=2000000", "--file-size=50K", "--memory=64G", "--disk=300G"]
    assert main([str(saved(*INFOS)), *options]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "A tree (2,000,000 images, 100.0 GB): use tfdata_no_cache, " in said
    assert "takes 301.1 GB of disk, more than 90 % of the 300.0 GB free" in said


def test_a_cold_run_beside_it(
    saved: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It tells how fast the disk lets variants be; without cold passes of the same work it is refused."""
    colds = [{**each, "cache": "cold", "bytes_per_second": 3e8} for each in INFOS]
    cold_run = saved(*colds).rename(tmp_path / "cold.json")
    other = saved(*({**each, "tree": "another"} for each in colds)).rename(tmp_path / "other.json")
    parts = saved(*({**each, "passes": "parts of epochs"} for each in colds)).rename(tmp_path / "parts.json")
    warm = saved(*INFOS)
    size = ["--images=2000000", "--file-size=50K", "--memory=8G", "--disk=3000G"]
    assert main([str(warm), *size]) == 0
    assert "nobody has measured what the disk gives" in " ".join(capsys.readouterr().out.split())
    assert main([str(warm), f"--cold-run={cold_run}", *size]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "speeds are as measured with nothing there (--cold), which gave up to 300 MB/s" in said
    assert "That was with 1,000 images: a disk may be slower" in said
    assert main([str(warm), f"--cold-run={parts}", *size]) == 0
    assert " ".join(capsys.readouterr().out.split()) == said
    assert main([str(warm), f"--cold-run={other}", *size]) == 1
    assert "it has no cold passes of the work of" in capsys.readouterr().err
    assert main([str(warm), f"--cold-run={tmp_path / 'missing'}"]) == 1
    assert "missing is passed over" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--images=0"], ["--images=many"], ["--memory=big"], ["--picture=map.gif"]]
)
def test_wrong_options(
    options: list[str], saved: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """They are refused, with what was expected."""
    with pytest.raises(SystemExit):
        main([str(saved(*INFOS)), *options])
    assert "expected" in capsys.readouterr().err


def test_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is missing or no run is named."""
    assert main([str(tmp_path / "missing.json")]) == 1
    assert "missing.json" in capsys.readouterr().err


def test_a_run_without_a_choice(
    saved: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said that there is nothing to say; of nothing at all there is no picture either."""
    assert main([str(saved(*INFOS[:2]))]) == 0
    assert "no two kinds of variants" in capsys.readouterr().out
    assert main([str(saved()), f"--picture={tmp_path / 'map.svg'}"]) == 0
    assert not (tmp_path / "map.svg").exists()


def test_the_picture(saved: Callable[..., Path], tmp_path: Path) -> None:
    """Everyone whose bytes are known is on it, and equal figures give an equal file."""
    pictures = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for picture in pictures:
        assert main([str(saved(*INFOS)), f"--picture={picture}"]) == 0
    one, two = (picture.read_text(encoding="utf-8") for picture in pictures)
    assert one == two
    ET.fromstring(one)  # noqa: S314 (our own)
    names = [each["variant"] for each in INFOS]
    assert [name for name in names if f"<!-- {name} -->" in one] == names[:-1]
    assert "<!-- none -->" in one


def test_a_picture_that_cannot_be_drawn(
    saved: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a place to put it, or matplotlib, the rest is said all the same."""
    assert main([str(saved(*INFOS)), f"--picture={tmp_path / 'none' / 'map.svg'}"]) == 1
    assert "cannot be written" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main([str(saved(*INFOS)), f"--picture={tmp_path / 'map.svg'}"]) == 1
    said = capsys.readouterr()
    assert "install matplotlib" in said.err
    assert "use small_dump" in said.out


@pytest.mark.parametrize("only", [INFOS[:1], INFOS[3:4], (info("wide", 2.0, speedup_high=None),)])
def test_a_picture_of_one(only: tuple[dict[str, Any], ...], tmp_path: Path) -> None:
    """Without anything to compare with, or an interval, there is a picture all the same."""
    draw_map(placed(points_of(only)), tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (TreeRequest(), Whole("A tree as large as coco2017", 117_266)),
        (TreeRequest(tree="coco2017", tree_images=500), Whole("A tree as large as coco2017", 117_266)),
        (TreeRequest(tree="coco2017"), None),
        (
            TreeRequest(tree="dogs-vs-cats", images_per_class=9),
            Whole("A tree as large as dogs-vs-cats", 10_000),
        ),
        (TreeRequest(tree="dogs-vs-cats"), None),
    ],
)
def test_the_whole_of_a_synthetic_tree(request_: TreeRequest, expected: Whole | None) -> None:
    """What it imitates, if that is larger."""
    assert whole_of(request_) == expected


def test_the_whole_of_a_real_tree(tiny_tree: Tree) -> None:
    """All images of the folder, if only some were asked for."""
    everything = TreeRequest(image_root=tiny_tree.root)
    assert whole_of(everything) is None
    for some in (
        replace(everything, tree_images=4),
        replace(everything, classes=2),
        replace(everything, images_per_class=3),
    ):
        assert whole_of(some) == Whole(f"All of {tiny_tree.root}", 24)
