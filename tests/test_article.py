"""The article's table from made-up measurements: which rows there are, and what they say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from loader_gate.machine.noise import NoiseReading
from loader_gate.registry.variant import BASELINE
from loader_gate.report.article import COCO_IMAGES, PETS_IMAGES, ArticleRow, article_rows
from loader_gate.report.terminal import article_table
from loader_gate.rotation.measurement import Measurement
from loader_gate.session.result import Result
from loader_gate.statistics.estimate import Estimate
from loader_gate.text import WIDTH
from loader_gate.trees.tree import Tree
from loader_gate.verdict.verdict import baseline_verdict
from loader_gate.workloads.device import Device
from loader_gate.workloads.known import workload
from loader_gate.workloads.workload import WorkloadOptions

IMAGES = 100
TRAINING = ("tfdata_no_cache", "tfdata_file_cache", "tfdata_memory_cache")
QUIET = NoiseReading(None, None, None, None)

NewResult = Callable[..., Result]


@pytest.fixture
def new_result(make_measurement: Callable[..., Measurement]) -> NewResult:
    """Return a function that makes up what a workload gave: each variant's estimate, or why it has none."""

    def measurement(name: str, found: Estimate | str) -> Measurement:
        if isinstance(found, str):
            left_out = make_measurement(name, status="unmeasured", estimate=None, seconds=())
            return replace(left_out, verdict=replace(left_out.verdict, reason=found))
        if name == BASELINE:
            return replace(make_measurement(name, seconds=(2.0, 2.0)), verdict=baseline_verdict(found.blocks))
        return make_measurement(name, estimate=found, seconds=(2.0 / found.ratio,) * 2)

    def new(
        name: str = "training",
        tree: str = "coco2017-100x2-seed0-0123456789ab",
        extra_info: dict[str, dict[str, Any]] | None = None,
        device: Device = Device("cpu"),  # noqa: B008 (frozen)
        **found: Estimate | str,
    ) -> Result:
        paths = tuple(f"{index}.jpg" for index in range(IMAGES))
        images = Tree(Path("trees") / tree / "train", paths, (0, 1) * (IMAGES // 2), ("a", "b"), "digest")
        own: dict[str, Estimate | str] = {BASELINE: Estimate(1.0, 1.0, 1.0, 4), **found}
        measurements = {each: measurement(each, value) for each, value in own.items()}
        info = {each: (extra_info or {}).get(each, {}) for each in measurements}
        work = workload(name, WorkloadOptions(device))
        return Result(work, images, measurements, info, (QUIET, QUIET), ())

    return new


@pytest.fixture
def coco(new_result: NewResult) -> dict[str, Result]:
    """Return a session of all three workloads on a tree of COCO's kind."""
    dump_info = {
        "tfdata_file_cache": {
            "cold_seconds": 4.0,
            "dump_bytes_per_image": 786_432.0,
            "dump_of_this_machine": True,
        }
    }
    return {
        "loading": new_result("loading", tfdata_memory_cache=Estimate(6.0, 5.5, 6.5, 4)),
        "training": new_result(
            tfdata_no_cache=Estimate(2.5, 2.4, 2.6, 4),
            tfdata_file_cache=Estimate(4.0, 3.9, 4.1, 4),
            tfdata_memory_cache=Estimate(4.14, 4.1, 4.2, 4),
        ),
        "dump": new_result("dump", tfdata_file_cache=Estimate(4.0, 3.9, 4.1, 4), extra_info=dump_info),
    }


def by_name(rows: list[ArticleRow]) -> dict[str, ArticleRow]:
    """Return rows by what they are of."""
    assert len({row.row for row in rows}) == len(rows)
    return {row.row: row for row in rows}


def test_every_row_of_the_article(coco: dict[str, Result]) -> None:
    """Each has the article's own minutes and speedup; None where it gives none."""
    found = {row.row: (row.article_minutes, row.article_speedup) for row in article_rows(coco)}
    assert found == {
        "ImageDataGenerator": (58, 1.0),
        "tf.data, no cache": (23, 2.5),
        "tf.data, file cache, later epochs": (14, 4.14),
        "tf.data, memory cache": (None, None),
        "tf.data, file cache, first epoch": (42, pytest.approx(58 / 42)),
        "loading alone": (None, 5.0),
    }


def test_what_was_measured_here(coco: dict[str, Result]) -> None:
    """Seconds an epoch, the speedup with its interval, and the minutes that COCO2017 would take."""
    row = by_name(article_rows(coco))["tf.data, no cache"]
    assert row.seconds == pytest.approx(0.8)
    assert (row.speedup, row.speedup_low, row.speedup_high) == (2.5, 2.4, 2.6)
    assert row.minutes == pytest.approx(0.8 / IMAGES * COCO_IMAGES / 60)
    assert "cores" in row.why


def test_the_baselines_row(coco: dict[str, Result]) -> None:
    """Its speedup is 1 by definition, without an interval, and it says what device it was."""
    row = by_name(article_rows(coco))["ImageDataGenerator"]
    assert (row.speedup, row.speedup_low, row.speedup_high) == (1.0, None, None)
    assert row.seconds == pytest.approx(2.0)
    assert "device cpu" in row.why


def test_the_emulated_devices_speed_is_said(new_result: NewResult) -> None:
    """Rows of an emulated accelerator cannot be mistaken for a real one's."""
    (row,) = article_rows({"training": new_result(device=Device("emulated", 1500.0))})
    assert "emulated:1500" in row.why


def test_the_first_epoch(coco: dict[str, Result]) -> None:
    """It is the epoch that wrote the dump, against the baseline's; with what an image takes on disk."""
    row = by_name(article_rows(coco))["tf.data, file cache, first epoch"]
    assert row.seconds == 4.0
    assert row.speedup == pytest.approx(2.0 / 4.0)
    assert (row.speedup_low, row.speedup_high) == (None, None)
    assert row.minutes == pytest.approx(4.0 / IMAGES * COCO_IMAGES / 60)
    assert "786 KB an image" in row.why


def test_the_riddle_is_answered(coco: dict[str, Result]) -> None:
    """The file cache's row says where the article's 90 GB come from."""
    why = by_name(article_rows(coco))["tf.data, file cache, later epochs"].why
    assert "92.2 GB" in why
    assert "90 GB" in why


@pytest.mark.parametrize(
    ("workloads", "rows"),
    [((), 0), (("loading",), 1), (("training",), 4), (("dump",), 1), (("loading", "dump"), 2)],
)
def test_a_session_has_its_own_rows(workloads: tuple[str, ...], rows: int, coco: dict[str, Result]) -> None:
    """Nothing is said of what was not asked for."""
    assert len(article_rows({name: coco[name] for name in workloads})) == rows


def test_a_variant_that_was_not_chosen(new_result: NewResult) -> None:
    """With ``--variant`` the others have no row."""
    rows = article_rows({"training": new_result(tfdata_no_cache=Estimate(2.5, 2.4, 2.6, 4))})
    assert [row.row for row in rows] == ["ImageDataGenerator", "tf.data, no cache"]


@pytest.mark.parametrize("variant", [BASELINE, *TRAINING])
def test_an_unmeasured_variant_says_why(variant: str, new_result: NewResult) -> None:
    """It keeps the article's figures, has none of its own, and gives the verdict's reason."""
    rows = article_rows({"training": new_result(**{variant: "its worker ran out of memory"})})
    row = next(row for row in rows if row.seconds is None)
    here = (row.speedup, row.speedup_low, row.speedup_high, row.minutes)
    assert here == (None,) * 4
    assert row.why == "not measured here: its worker ran out of memory"


@pytest.mark.parametrize(
    ("baseline", "cache"),
    [("its worker hung", Estimate(4.0, 3.9, 4.1, 4)), (Estimate(1.0, 1.0, 1.0, 4), "filled the disk")],
    ids=["no baseline", "no dump"],
)
def test_no_first_epoch(baseline: Estimate | str, cache: Estimate | str, new_result: NewResult) -> None:
    """Without a dump, or a baseline to hold it against, there is no such row."""
    found = {BASELINE: baseline, "tfdata_file_cache": cache}
    info = (
        {}
        if isinstance(cache, str)
        else {"cold_seconds": 4.0, "dump_bytes_per_image": 786_432.0, "dump_of_this_machine": True}
    )
    result = new_result("dump", extra_info={"tfdata_file_cache": info}, **found)
    assert article_rows({"dump": result}) == []


TRUTHS = {
    "faster": (Estimate(1.5, 1.2, 1.9, 4), "there is a difference here: the interval is above 1"),
    "slower": (Estimate(0.8, 0.7, 0.9, 4), "there is a difference here: the interval is below 1"),
    "alike": (Estimate(1.05, 0.95, 1.2, 4), "no difference can be told here: the interval holds 1"),
    "one block": (Estimate(1.5, 0.0, math.inf, 1), "no difference can be told here: the interval holds 1"),
}


@pytest.mark.parametrize("tree", ["dogs-vs-cats", "dogs-vs-cats-1000x2-seed0-0123456789ab"])
@pytest.mark.parametrize(("estimate", "truth"), TRUTHS.values(), ids=TRUTHS)
def test_dogs_vs_cats(estimate: Estimate, truth: str, tree: str, new_result: NewResult) -> None:
    """The article saw no noticeable difference: the claim is held against the interval."""
    result = new_result(tree=tree, tfdata_no_cache=estimate, tfdata_memory_cache=estimate)
    rows = article_rows({"training": result})
    assert [row.row for row in rows] == [
        "dogs-vs-cats, tf.data, no cache",
        "dogs-vs-cats, tf.data, memory cache",
    ]
    for row in rows:
        assert (row.article_minutes, row.article_speedup, row.why) == (None, 1.0, truth)
        assert row.speedup == estimate.ratio
        assert row.minutes == pytest.approx(2.0 / estimate.ratio / IMAGES * PETS_IMAGES / 60)


def test_dogs_vs_cats_has_none_of_cocos_rows(coco: dict[str, Result], new_result: NewResult) -> None:
    """Its dump and loading are not what the article's figures are of."""
    pets = {name: replace(result, tree=new_result(tree="dogs-vs-cats").tree) for name, result in coco.items()}
    assert all(row.row.startswith("dogs-vs-cats, ") for row in article_rows(pets))


def test_an_unmeasured_variant_on_dogs_vs_cats(new_result: NewResult) -> None:
    """No truth is told of what was not measured."""
    (row,) = article_rows({"training": new_result(tree="dogs-vs-cats", tfdata_no_cache="its worker hung")})
    assert row.why == "not measured here: its worker hung"


def strict_json(rows: list[ArticleRow]) -> Any:
    """Return rows by way of JSON, which knows no infinity."""
    text = json.dumps([asdict(row) for row in rows], allow_nan=False)
    return json.loads(text)


def test_rows_are_json(coco: dict[str, Result]) -> None:
    """Nothing is lost."""
    rows = article_rows(coco)
    assert [ArticleRow(**each) for each in strict_json(rows)] == rows


@pytest.mark.parametrize("tree", ["coco2017", "dogs-vs-cats"])
def test_a_single_block_is_json_too(tree: str, new_result: NewResult) -> None:
    """Its interval has no upper end: the row has no interval, rather than an infinity."""
    result = new_result(tree=tree, tfdata_no_cache=Estimate(2.5, 0.0, math.inf, 1))
    row = strict_json(article_rows({"training": result}))[-1]
    assert (row["speedup"], row["speedup_high"]) == (2.5, None)


def test_the_table(coco: dict[str, Result]) -> None:
    """A line each with both sides' figures; below, a sentence each."""
    lines = article_table(article_rows(coco), colour=False)
    row = next(line for line in lines if line.startswith("tf.data, no cache "))
    for part in ("23 min", "2.50", "0.8 s", "2.50 (2.40–2.60)", "15.6 min"):
        assert part in row
    assert any(line.startswith("tf.data, no cache: decoding") for line in lines)
    assert "\x1b" not in "".join(lines)


def test_no_endless_interval_in_the_table(new_result: NewResult) -> None:
    """A speedup from one block stands alone."""
    result = new_result(tfdata_no_cache=Estimate(2.5, 0.0, math.inf, 1))
    text = "\n".join(article_table(article_rows({"training": result}), colour=False))
    assert "inf" not in text
    assert "0.00" not in text


@pytest.mark.parametrize("tree", ["coco2017", "dogs-vs-cats"])
def test_never_wider_than_a_page(tree: str, new_result: NewResult) -> None:
    """Large figures and long reasons fit, in figures as people read them, and nothing is cut off."""
    large = Estimate(123.4, 101.2, 151.8, 40)
    result = new_result(tree=tree, tfdata_file_cache=large, tfdata_memory_cache="out of memory, " * 20)
    passes = tuple(
        replace(each, seconds=98_765.4) for each in result.measurements["tfdata_file_cache"].variant_passes
    )
    slow = replace(result.measurements["tfdata_file_cache"], variant_passes=passes)
    result = replace(result, measurements={**result.measurements, "tfdata_file_cache": slow})
    lines = article_table(article_rows({"training": result}), colour=False)
    assert max(map(len, lines)) <= WIDTH == 100
    assert "…" not in "".join(lines)
    (row,) = (line for line in lines if "123 (101–152)" in line)
    for part in ("tf.data, file cache", " 98,765 s ", " min"):
        assert part in row
