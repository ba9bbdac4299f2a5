"""How variants scale with cores, from made-up passes, and what is said of it."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace

import pytest

from loader_gate.machine.noise import read_noise
from loader_gate.machine.topology import Binding
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.report.cores_tables import cores_remarks, cores_tables
from loader_gate.report.markdown_tables import cores_markdown
from loader_gate.report.page.sections.cores import cores
from loader_gate.report.terminal import cores_lines
from loader_gate.rotation.measurement import Bound, Measurement
from loader_gate.scaling.about import about_cores
from loader_gate.scaling.ranks import flips
from loader_gate.scaling.scaling import Scaling, scaling_of
from loader_gate.session.result import Result
from loader_gate.statistics.estimate import Estimate
from loader_gate.trees.tree import Tree
from loader_gate.verdict.share import Share
from loader_gate.verdict.verdict import Verdict, unmeasured
from loader_gate.worker.timing import PassTiming
from loader_gate.workloads.known import known_workloads
from tests.made_up_runs import HOSTILE, made_up_cores, made_up_run

ONE, TWO, ALL = Binding((0,)), Binding((0, 1)), Binding((0, 1, 2, 3))
PASS = Verdict("pass", None, Estimate(2.0, 1.9, 2.1, 12), "")


def passes(
    seconds: float, cpu: float = 0.0, asking: float = 0.0, blocks: int = 12, noise: float = 0.01
) -> tuple[PassTiming, ...]:
    """Return passes around so many seconds, and of so much CPU time."""
    draw = random.Random(f"{seconds} {cpu}")  # noqa: S311 (noise)
    found = []
    for _ in range(2 * blocks):
        mood = math.exp(draw.gauss(0, noise))
        found.append(
            PassTiming(seconds * mood, 0.1, 0.0, cpu * mood, 10**6, 1, asking_cpu_seconds=asking * mood)
        )
    return tuple(found)


def measured(name: str, seconds: dict[int, float], cpu: float = 0.0, asking: float = 0.0) -> Measurement:
    """Return a variant that takes so long with so many cores, the last one of which is all."""
    *few, most = seconds
    return Measurement(
        Variant(name, "made_up", kind="limit" if name.startswith("limit") else "streaming"),
        "streaming",
        PASS,
        (),
        passes(seconds[most], cpu, asking),
        0.0,
        None,
        on_fewer_cores=tuple(Bound(tuple(range(each)), passes(seconds[each], cpu, asking)) for each in few),
    )


def result_of(*measurements: Measurement, tree: Tree) -> Result:
    """Return what a session found of the workload."""
    noise = read_noise()
    by_name = {each.variant.name: each for each in measurements}
    return Result(known_workloads()["loading"], tree, by_name, {}, (noise, noise), ())


def scaled(measurement: Measurement, tree: Tree, *bindings: Binding) -> Scaling:
    """Return how one variant scales."""
    (found,) = scaling_of(result_of(measurement, tree=tree), bindings)
    return found


def test_throughput_by_cores(tiny_tree: Tree) -> None:
    """Each number of cores has its images/s and its speedup; a fifth is serial."""
    found = scaled(measured("calm", {1: 1.0, 2: 0.6, 4: 0.4}), tiny_tree, ONE, TWO, ALL)
    assert [each.cores for each in found.points] == [1, 2, 4]
    rates = [each.images_per_second for each in found.points]
    for rate, seconds in zip(rates, (1.0, 0.6, 0.4), strict=True):
        assert rate is not None
        assert rate.value == pytest.approx(len(tiny_tree) / seconds, rel=0.03)
        assert rate.low < rate.value < rate.high < 1.2 * rate.value
    assert found.points[0].speedup is None
    assert found.points[2].speedup is not None
    assert found.points[2].speedup.value == pytest.approx(2.5, rel=0.02)
    assert found.serial_share is not None
    assert found.serial_share.low < 0.2 < found.serial_share.high
    assert found.prediction is not None
    assert (found.prediction.cores, found.prediction.limited_by) == (8, "its serial share")
    predicted = found.prediction.images_per_second
    assert predicted.low < len(tiny_tree) / 0.3 < predicted.high


def test_it_gains_nearly_all(tiny_tree: Tree) -> None:
    """Then more cores are all that it needs."""
    found = scaled(measured("wide", {1: 1.0, 2: 0.5, 4: 0.25}), tiny_tree, ONE, TWO, ALL)
    assert found.prediction is not None
    assert found.prediction.limited_by == "the cores"


def test_nothing_is_predicted_off_the_law(tiny_tree: Tree) -> None:
    """A pool of two threads gains nothing from more cores, and no serial share says so."""
    found = scaled(measured("pool", {1: 1.0, 2: 0.5, 4: 0.5}), tiny_tree, ONE, TWO, ALL)
    assert found.prediction is None
    assert "% off Amdahl's law with" in found.misfit


def test_a_limit_bounds_what_is_predicted(tiny_tree: Tree) -> None:
    """The limit's own measured scaling is more than a law says of the variant that it bounds."""
    limit = measured("limit_decode", {1: 0.9, 2: 0.55})
    share = Share("limit_decode", Estimate(0.9, 0.8, 1.0, 12))
    variant = replace(measured("wide", {1: 1.0, 2: 0.5}), share=share)
    decode, wide = scaling_of(result_of(variant, limit, tree=tiny_tree), (ONE, TWO))
    assert (decode.variant, decode.is_limit) == ("limit_decode", True)
    assert decode.prediction is not None
    assert wide.prediction is not None
    assert wide.prediction.limited_by == "limit_decode"
    assert wide.prediction.images_per_second.value == decode.prediction.images_per_second.value
    assert wide.prediction.images_per_second.high <= decode.prediction.images_per_second.high
    unbounded = scaled(replace(variant, share=None), tiny_tree, ONE, TWO)
    assert unbounded.prediction is not None
    assert unbounded.prediction.images_per_second.value > wide.prediction.images_per_second.value


@pytest.mark.parametrize(
    ("alone", "together", "cpu", "asking", "right"),
    [
        (1.0, 0.55, 1.0, 0.1, "yes"),
        (1.0, 1.0, 1.0, 1.0, "yes"),
        (1.0, 0.9, 1.0, 0.1, "no, it is slower"),  # a lock
        (1.0, 0.5, 1.0, 1.0, "no, it is faster"),
        (1.0, 0.5, 0.1, 0.1, "yes"),  # it sleeps
    ],
)
def test_what_one_core_alone_told(
    alone: float, together: float, cpu: float, asking: float, right: str, tiny_tree: Tree
) -> None:
    """The speedup that its CPU time promises is held against the one that was measured."""
    found = scaled(measured("some", {1: alone, 2: together}, cpu, asking), tiny_tree, ONE, TWO)
    assert found.from_one_core is not None
    assert found.from_one_core.right == right
    assert found.from_one_core.cores == 2


def test_beside_other_programs_nothing_is_told(tiny_tree: Tree) -> None:
    """Whoever has two cores has one of them then, and seems not to gain from the second."""
    result = result_of(measured("calm", {1: 1.0, 2: 1.0}, cpu=1.0), tree=tiny_tree)
    before = replace(read_noise(), moment=0.0, own_seconds=0.0, busy_seconds=0.0)
    busy = replace(result, noise=(before, replace(before, moment=10.0, busy_seconds=10.0)))
    (found,) = scaling_of(busy, (ONE, TWO))
    assert found.points[1].images_per_second is not None
    assert found.prediction is None
    assert found.from_one_core is not None
    assert found.from_one_core.right == "not told"
    remarks = about_cores({"loading": busy}, (ONE, TWO))["cores"]["remarks"]
    assert remarks[0].startswith("Measured beside other programs, which used 1.0 of 2 cores")
    (told,) = scaling_of(result, (ONE, TWO))
    assert told.from_one_core is not None
    assert told.from_one_core.right == "no, it is slower"
    assert told.prediction is not None


def test_a_wide_interval_tells_nothing(tiny_tree: Tree) -> None:
    """Whatever was predicted, it would hold it."""
    some = measured("some", {1: 1.0, 2: 0.6}, 1.0, 0.1)
    wide = replace(some, variant_passes=passes(0.6, 1.0, 0.1, noise=0.6))
    found = scaled(wide, tiny_tree, ONE, TWO)
    assert found.from_one_core is not None
    assert found.from_one_core.right == "not told"


def test_what_was_not_measured(tiny_tree: Tree) -> None:
    """A variant that failed on fewer cores says why; an unmeasured one, or one of all cores, has no row."""
    failed = measured("calm", {1: 1.0, 2: 0.6})
    failed = replace(failed, on_fewer_cores=(Bound((0,), (), "its worker was killed"),))
    found = scaled(failed, tiny_tree, ONE, TWO)
    assert found.points[0].problem == "its worker was killed"
    assert found.points[1].images_per_second is not None
    assert (found.serial_share, found.prediction, found.from_one_core) == (None, None, None)
    lost = replace(measured("lost", {1: 1.0, 2: 0.6}), verdict=unmeasured("it crashed"))
    without = replace(measured("without", {1: 1.0, 2: 0.6}), on_fewer_cores=())
    result = result_of(lost, without, tree=tiny_tree)
    assert scaling_of(result, (ONE, TWO)) == []
    assert about_cores({"loading": result}, (ONE, TWO)) == about_cores({"loading": result}, ()) == {}


def test_who_leaves_his_cores_is_found_out(tiny_tree: Tree) -> None:
    """A worker that frees itself keeps more cores busy than it may use."""
    found = scaled(measured("free", {1: 0.5, 2: 0.5}, cpu=0.95), tiny_tree, ONE, TWO)
    assert "it kept 1.9 cores busy and may use 1" in found.points[0].problem
    assert found.serial_share is None


def test_ranks_that_flip(tiny_tree: Tree) -> None:
    """Who is ahead with one core and behind with two is named; limits and what is too near are not."""
    variants = (
        measured("lean", {1: 1.0, 2: 0.95}),
        measured("wide", {1: 1.3, 2: 0.7}),
        measured("near", {1: 1.01, 2: 0.94}),
        measured("limit_decode", {1: 0.5, 2: 1.5}),
    )
    result = result_of(*variants, tree=tiny_tree)
    assert [(each.first, each.second, each.few, each.more) for each in flips(result, 2)] == [
        ("lean", "wide", 1, 2),
        ("near", "wide", 1, 2),
    ]
    remarks = about_cores({"loading": result}, (ONE, TWO))["cores"]["remarks"]
    by, then = r"1\.3\d \(1\.2\d–1\.\d\d\)", r"1\.3\d \(1\.2\d–1\.\d\d\)"
    assert re.fullmatch(
        f"With 1 core lean is {by} times as fast as wide, with 2 cores wide is {then} times as fast as lean.",
        remarks[0],
    )
    calm = result_of(variants[0], variants[2], tree=tiny_tree)
    assert flips(calm, 2) == []
    remarks = about_cores({"loading": calm}, (ONE, TWO))["cores"]["remarks"]
    assert remarks[0] == "No two variants surely change places from 1 to 2 cores."


def test_hyper_threads_are_said(tiny_tree: Tree) -> None:
    """A number of cores some of which share one has a star, and a sentence."""
    result = result_of(measured("calm", {1: 1.0, 2: 0.8}), tree=tiny_tree)
    about = about_cores({"loading": result}, (ONE, replace(TWO, shares_cores=True)))
    assert [row[1] for row in cores_tables(about)[0].rows] == ["1", "2*"]
    assert any("hyper-threads of one core (*)" in each for each in cores_remarks(about))


def test_it_is_json(tiny_tree: Tree) -> None:
    """An interval without an end is null."""
    short = measured("calm", {1: 1.0, 2: 0.6})
    short = replace(
        short,
        variant_passes=short.variant_passes[:2],
        on_fewer_cores=(replace(short.on_fewer_cores[0], passes=short.on_fewer_cores[0].passes[:2]),),
    )
    about = about_cores({"loading": result_of(short, tree=tiny_tree)}, (ONE, TWO))
    text = json.dumps(about, allow_nan=False)
    assert json.loads(text)["cores"]["variants"][0]["points"][1]["speedup"]["high"] is None


def test_the_tables() -> None:
    """The terminal, the Markdown and the page say the same."""
    about = made_up_run()["loader_gate"]
    lines = cores_lines(about, colour=False)
    text = "\n".join(lines)
    assert all(len(each) <= 100 for each in lines)
    for words in (
        "1.80 (1.64–1.98)",
        "11 (10–12)",
        "2,300 (1,643–3,220)",
        "its serial share",
        "1.60 to 2.00",
    ):
        assert words.split(" (")[0] in text
        assert words in cores_markdown(about)
    assert HOSTILE not in cores_markdown(about)
    section = cores(made_up_run())
    assert section is not None
    assert [each.title for each in section.tables] == [
        "Throughput against cores",
        "What more cores would give",
        "What one core alone tells of all",
    ]
    (chart,) = section.charts
    assert [each["name"] for each in chart.spec["rows"]] == ["calm", BASELINE]
    calm = chart.spec["rows"][0]
    assert calm["curve"][0][0] == 1
    assert calm["curve"][-1][0] == pytest.approx(8)
    assert [each["cores"] for each in calm["predicted"]] == [8]
    assert "limited by its serial share" in calm["predicted"][0]["said"]
    assert cores({}) is None


@pytest.mark.parametrize("value", [None, "many", -1, math.inf, [], {"value": "x"}])
def test_damaged_figures_are_left_out(value: object) -> None:
    """A run may come from anywhere."""
    about = made_up_cores()
    for each in about["variants"]:
        each["serial_share"] = each["prediction"] = value
        for point in each["points"]:
            point["cores"] = point["speedup"] = value
    run = {"loader_gate": {"cores": about}}
    assert cores(run) is not None
    assert cores_markdown({"cores": about})
    for damaged in (value, {"variants": value, "remarks": value}, {"variants": [value]}):
        assert cores({"loader_gate": {"cores": damaged}}) is None
