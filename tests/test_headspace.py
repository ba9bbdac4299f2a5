"""What a perfect loader would gain, and who feeds a device: made-up timings, and runs that are made up."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from loader_gate.advice.advice import advice_of
from loader_gate.advice.need import Feeding, need_of
from loader_gate.advice.recommendation import Situation
from loader_gate.machine.machine import read_machine
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.report.page.content import page_of
from loader_gate.report.page.html import render
from loader_gate.report.summary import summary
from loader_gate.rotation.measurement import Measurement
from loader_gate.session.dump_writer import Dumps
from loader_gate.session.figures import Figures
from loader_gate.session.headspace import about_headspace
from loader_gate.statistics.estimate import Estimate
from loader_gate.trees.tree import Tree
from loader_gate.verdict.headspace import NOT_WORTH_MORE, feeds, headspace_of, taken_rate
from loader_gate.workloads.device import Device
from loader_gate.workloads.known import workload
from loader_gate.workloads.workload import WorkloadOptions
from tests.made_up_passes import passes
from tests.made_up_runs import benchmark, made_up_run

READY = "limit_ready_batches"
WORK = workload("training", WorkloadOptions(Device("emulated", 640.0)))
STREAMING, MEMORY = "tfdata_no_cache", "tfdata_memory_cache"


def uneven(seconds: float) -> Callable[[int], float]:
    """Return seconds that differ by some percent from block to block."""
    return lambda number: seconds * (1.02 if number % 4 < 2 else 0.98)


def test_headspace_is_a_ratio_of_seconds() -> None:
    """Of the variant and of batches that are already there, with an interval as soon as blocks differ."""
    found = headspace_of(passes(0.5, 8), passes(uneven(0.9), 8))
    assert found.ratio == pytest.approx(1.8, rel=0.01)
    assert 1.7 < found.low < found.high < 1.9


def test_what_a_device_takes() -> None:
    """Images of an epoch by its seconds; of one block without an interval."""
    found = taken_rate(passes(uneven(0.5), 8), 100)
    assert found.ratio == pytest.approx(200, rel=0.01)
    assert 190 < found.low < found.high < 210
    assert taken_rate(passes(0.5, 1), 100).low == 0
    with pytest.raises(ValueError, match="zip"):
        taken_rate(passes(0.5, 8)[:-1], 100)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.98, 1.04, "yes"),
        (0.98, 1.06, "unclear"),
        (1.06, 1.1, "no"),
        (0.0, math.inf, "unclear"),
        (0.9, 0.95, "yes"),
        (0.98, NOT_WORTH_MORE, "unclear"),
        (NOT_WORTH_MORE, 1.1, "unclear"),
    ],
)
def test_who_feeds_a_device(low: float, high: float, word: str) -> None:
    """Whose interval is below what is worth anything; in between, it is not told."""
    assert 1.04 < NOT_WORTH_MORE < 1.06
    assert feeds(low, high) == word


@pytest.fixture
def measured(make_measurement: Callable[..., Measurement]) -> Callable[..., dict[str, Measurement]]:
    """Return a function that makes a session of training up: variants by name, with their headspace."""

    def measure(**headspace: Estimate) -> dict[str, Measurement]:
        ready = replace(
            make_measurement(READY, seconds=(0.2, 0.2, 0.2, 0.2), kind="ready"),
            variant=Variant(READY, "some", kind="ready"),
        )
        of_variants = {
            name: replace(make_measurement(name), headspace=each) for name, each in headspace.items()
        }
        return {**of_variants, READY: ready}

    return measure


def known(ratio: float) -> Estimate:
    """Return a headspace that is known within 2 %."""
    return Estimate(ratio, ratio / 1.02, ratio * 1.02, 8)


def test_what_training_says(measured: Callable[..., dict[str, Measurement]]) -> None:
    """What the device takes, who delivers it, what a perfect loader would gain, and where that is nothing."""
    found = measured(
        **{BASELINE: known(4.2), STREAMING: known(1.8), MEMORY: known(1.01), "near": known(1.05)}
    )
    takes, gains, nothing_to_buy = about_headspace(WORK, found, 128)
    assert takes == (
        "The device (emulated:640, 224x224, 32 a batch) takes 640 images/s of batches that are already "
        f"there. It is fed by {MEMORY}. It is not fed by {BASELINE}, {STREAMING}. Not told yet: near."
    )
    assert f"{BASELINE} 4.20 (4.12–4.28), {STREAMING} 1.80 (1.76–1.84), {MEMORY} 1.01" in gains
    assert nothing_to_buy == (
        f"No loader is worth buying where {MEMORY} is in use: a perfect one would make training less "
        "than 5 % faster."
    )


def test_no_loader_is_worth_buying(measured: Callable[..., dict[str, Measurement]]) -> None:
    """If even the baseline feeds the device."""
    *_, last = about_headspace(WORK, measured(**{BASELINE: known(1.0), STREAMING: known(1.0)}), 128)
    assert last.startswith("No loader is worth buying here: ")
    one_block = {BASELINE: Estimate(1.0, 0.0, math.inf, 1)}
    takes, gains = about_headspace(WORK, measured(**one_block), 128)
    assert f"Not told yet: {BASELINE}." in takes
    assert gains.endswith(f"(headspace, 95 % CI): {BASELINE} 1.00.")


def test_batches_that_could_not_be_held(measured: Callable[..., dict[str, Measurement]]) -> None:
    """Why there is no headspace is said, and fails nobody; of other workloads nothing is said."""
    found = measured()
    found[READY] = replace(
        found[READY],
        variant_passes=(),
        verdict=replace(found[READY].verdict, status="unmeasured", reason="its worker hung"),
    )
    assert [*about_headspace(WORK, found, 128)] == []
    others = {
        STREAMING: replace(
            found[READY], variant=Variant(STREAMING, "some"), variant_passes=(*passes(1.0, 2),)
        )
    }
    (line,) = about_headspace(WORK, {**found, **others}, 128)
    assert line == f"Headspace was not measured: {READY}: its worker hung."
    assert [*about_headspace(WORK, others, 128)] == []


def test_what_the_json_says(measured: Callable[..., dict[str, Measurement]], tiny_tree: Tree) -> None:
    """Of each variant, as much as it takes to know who feeds the device."""
    infos = Figures(WORK, tiny_tree, Dumps(), read_machine()).extra_info(measured(**{STREAMING: known(1.8)}))
    assert infos[STREAMING]["device_images_per_second"] == pytest.approx(24 / 0.2)
    assert infos[STREAMING]["device_images_per_second_high"] == pytest.approx(24 / 0.2)


# Runs: all of them on a device that takes 640 images a second.


def trained(variant: str, headspace: float, **info: Any) -> dict[str, Any]:
    """Return what the JSON says of a variant in training; its headspace is known within 2 %."""
    figures = {
        "device": "emulated:640",
        "device_images_per_second": 640.0,
        "device_images_per_second_low": 630.0,
        "device_images_per_second_high": 650.0,
        "headspace": headspace,
        "headspace_low": headspace / 1.02,
        "headspace_high": headspace * 1.02,
    }
    found: dict[str, Any] = benchmark(variant, "training", **{**figures, **info})["extra_info"]
    return found


def loaded(variant: str, speedup: float, kind: str = "streaming", **info: Any) -> dict[str, Any]:
    """Return what the JSON says of a variant in loading, of whose baseline come 200 images a second."""
    found: dict[str, Any] = benchmark(
        variant, speedup=speedup, kind=kind, images_per_second=200 * speedup, **info
    )["extra_info"]
    return found


STREAMS = loaded(STREAMING, 2.0)
MAPPED = loaded("mapped", 20.0, "dump", disk_bytes_per_image=150_528)
CACHED = loaded(MEMORY, 30.0, "memory", memory_bytes_per_image=602_112)
LOADED = (loaded(BASELINE, 1.0), STREAMS, MAPPED, CACHED)
SITUATION = Situation("This tree", 1000, 100_000.0, free_memory=16 * 10**9, free_disk=80 * 10**9)


def test_who_delivers_what_the_model_takes() -> None:
    """Who was trained with says so by its headspace, and others by their speed in loading."""
    limit = loaded("limit_read_files", 50.0, "limit")
    need = need_of([*LOADED, limit, trained(BASELINE, 3.2), trained(STREAMING, 1.01)])
    assert need is not None
    assert (need.device, need.images_per_second, need.low, need.high) == ("emulated:640", 640, 630, 650)
    assert need.variants == (
        Feeding(BASELINE, "no", "headspace"),
        Feeding(STREAMING, "yes", "headspace"),
        Feeding("mapped", "yes", "loading"),
        Feeding(MEMORY, "yes", "loading"),
    )
    assert need.by_loading() == [
        "Of the 640 (630–650) images/s that the device takes (emulated:640, 224x224), variants that "
        f"were not trained with deliver as many: mapped, {MEMORY}."
    ]


def test_a_speed_in_loading_says_nothing_of_other_work() -> None:
    """Nor of a device that shares its cores with the loader, nor where none was measured."""
    for info in ({"image_size": 96}, {"batch_size": 8}, {"tree": "4567"}, {"device": "cpu"}):
        need = need_of([*LOADED, trained(BASELINE, 3.2, **info)])
        assert need is not None
        assert [each.variant for each in need.variants] == [BASELINE]
        assert need.by_loading() == []
    assert need_of(LOADED) is None
    near = need_of([loaded("near", 3.2), loaded("slow", 1.5), trained(BASELINE, 3.2)])
    assert near is not None
    assert [each.feeds for each in near.variants] == ["no", "unclear", "no"]
    assert near.by_loading()[0].endswith("deliver fewer: slow.")


@pytest.mark.parametrize("value", [None, "fast", True, float("nan"), float("inf"), -1.0, [], {}])
def test_damaged_figures(value: object) -> None:
    """Have less to say, and stop nobody."""
    names = ("headspace", "headspace_low", "headspace_high", "device_images_per_second_high", "speedup")
    for name in names:
        need = need_of([{**LOADED[1], name: value}, {**trained(BASELINE, 3.2), name: value}])
        assert need is not None
    assert need_of([trained(BASELINE, 3.2, device_images_per_second=value)]) is None


def advised(*infos: dict[str, Any], **situation: Any) -> tuple[str | None, str | None, str]:
    """Return which variant is recommended, the next best, and what is said."""
    (found,) = advice_of(infos, [replace(SITUATION, **situation)]).recommendations
    return found.variant, found.next_best, " ".join(found.sentences)


def test_no_dump_that_changes_nothing() -> None:
    """What takes nothing and feeds the device is enough, however much faster a dump would be."""
    assert advised(*LOADED)[0] == MEMORY
    variant, next_best, said = advised(*LOADED, trained(BASELINE, 3.2), trained(STREAMING, 1.01))
    assert (variant, next_best) == (STREAMING, MEMORY)
    assert said == (
        f"This tree (1,000 images, 100.0 MB): use {STREAMING}, 2.00 times ImageDataGenerator, needs no "
        "disk: it delivers the 640 (630–650) images/s that the device takes (emulated:640, 224x224), so that "
        f"a faster one changes nothing there. Where a device takes more: {MEMORY}."
    )


def test_the_baseline_is_enough() -> None:
    """Nobody has to change anything."""
    variant, next_best, said = advised(*LOADED, trained(BASELINE, 1.0), trained(STREAMING, 1.0))
    assert (variant, next_best) == (None, MEMORY)
    assert "stay with ImageDataGenerator: it delivers the 640" in said


def test_a_dump_that_is_worth_it() -> None:
    """What streams leaves the device waiting: of what feeds it, the one that takes least memory."""
    starving = (trained(BASELINE, 3.2), trained(STREAMING, 1.6))
    variant, next_best, said = advised(*LOADED, *starving)
    assert (variant, next_best) == ("mapped", MEMORY)
    assert "use mapped, 20.0 times ImageDataGenerator, needs 150.5 MB on disk" in said
    variant, _, said = advised(*LOADED, *starving, trained("mapped", 1.2), trained(MEMORY, 1.0))
    assert variant == MEMORY
    assert f"{MEMORY} delivers the 640" in said


def test_nobody_feeds_the_device() -> None:
    """Then the fastest is the one to use, as ever."""
    variant, _, said = advised(*LOADED, *(trained(each["variant"], 2.0) for each in LOADED))
    assert variant == MEMORY
    assert said.endswith(
        "No variant that fits is known to deliver the 640 (630–650) images/s that the device takes "
        "(emulated:640, 224x224)."
    )


def test_what_a_disk_holds_back_feeds_nobody() -> None:
    """A sample was fed from memory: where a disk gives less than the device takes, that shows nothing."""
    infos = (*LOADED, trained(BASELINE, 3.2), trained(STREAMING, 1.01))
    assert advised(*infos, images=1_000_000)[0] == STREAMING
    large = {"images": 1_000_000, "file_bytes": 2_000_000.0, "free_disk": 10**12}
    assert advised(*infos, **large)[0] == "mapped"


def test_what_the_run_keeps() -> None:
    """Who reads a saved run finds it there."""
    infos = (*LOADED, trained(BASELINE, 3.2, device_images_per_second_high=None))
    kept = json.loads(json.dumps(advice_of(infos, [SITUATION]).as_json(), allow_nan=False))["need"]
    assert (kept["device"], kept["images_per_second"], kept["low"], kept["high"]) == (
        *("emulated:640", 640, 630),
        None,
    )
    assert kept["variants"][0] == {"variant": BASELINE, "feeds": "no", "evidence": "headspace"}
    assert "need" not in advice_of(LOADED, [SITUATION]).as_json()
    text = "\n".join(advice_of((*LOADED, trained(BASELINE, 3.2)), [SITUATION]).lines(colour=False))
    assert "variants that were not trained with" in " ".join(text.split())


def test_the_page_shows_the_headspace() -> None:
    """The largest on top, beside the bar of what is worth anything, with what the device takes."""
    run = made_up_run()
    run["benchmarks"] += [
        {"extra_info": each} for each in (trained("calm", 1.01), trained("<b>", 1.8), trained(BASELINE, 4.2))
    ]
    page = page_of(run)
    (section,) = (each for each in page.sections if each.key == "headspace")
    (chart,) = section.charts
    assert [row[:3] for row in chart.rows] == [
        (BASELINE, "4.20 (4.12–4.28)", "1.05"),
        ("<b>", "1.80 (1.76–1.84)", "1.05"),
        ("calm", "1.01 (0.99–1.03)", "1.05"),
    ]
    assert section.advice[0].startswith("The device is to be fed with the 640 (630–650) images/s")
    assert "<b>" not in render(page).partition("Headspace")[2].partition("<script")[0].replace(
        "&lt;b&gt;", ""
    )
    assert not [each for each in page_of(made_up_run()).sections if each.key == "headspace"]


def test_markdown_has_a_column() -> None:
    """Where any was measured."""
    run = made_up_run()
    assert "headspace" not in summary(run)
    run["benchmarks"].append({"extra_info": trained("fed", 1.01)})
    found = summary(run)
    assert "| headspace (95 % CI) |" in found
    assert "| 1.01 (0.99–1.03) |" in found
