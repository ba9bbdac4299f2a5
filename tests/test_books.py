"""pytest-benchmark's books: the clock that feeds them, and what they hold of each variant."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loader_gate.plugin import books
from loader_gate.plugin.books import PassesClock, leave_out, record
from loader_gate.rotation.measurement import Measurement
from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.share import Share

pytest_plugins = ("pytester",)

ABOUT_THE_RUN = {"workload": "loading", "profile": "ci-2core", "tree": "3cf1dbce78d8", "schema": books.SCHEMA}
NAMES = {
    *("variant", "kind", "workload", "profile", "verdict", "floor", "speedup", "speedup_low"),
    *("speedup_high", "blocks", "images", "images_per_second", "cpu_seconds_per_image", "peak_rss_bytes"),
    *("first_batch_seconds", "teardown_seconds", "baseline_seconds", "variant_seconds", "tree", "schema"),
    *("batch_seconds", "shuffle_quality"),
}


class FakeBenchmark:
    """Stands in for pytest-benchmark's fixture: reads the clock twice a round."""

    def __init__(self) -> None:
        self.extra_info: dict[str, Any] = {}
        self.data: list[float] = []

    def pedantic(self, function: Any, rounds: int = 1) -> None:
        """Run rounds and time them with the suite's clock."""
        for _ in range(rounds):
            start = books.passes_clock()
            function()
            self.data.append(books.passes_clock() - start)


def entered(measurement: Measurement, images: int = 200) -> FakeBenchmark:
    """Return the books after a measurement was entered."""
    benchmark = FakeBenchmark()
    record(benchmark, measurement, images, ABOUT_THE_RUN)  # type: ignore[arg-type]
    return benchmark


def test_the_clock_shows_each_pass() -> None:
    """Two readings are one pass apart, pass after pass."""
    clock = PassesClock()
    clock.set([0.25, 3.5])
    readings = [clock() for _ in range(4)]
    assert [readings[1] - readings[0], readings[3] - readings[2]] == [0.25, 3.5]


def test_the_clock_never_makes_a_time_up() -> None:
    """A reading that no pass stands for is an error, and passes left over are not shown to the next test."""
    clock = PassesClock()
    with pytest.raises(IndexError):
        clock()
    clock.set([1.0, 2.0])
    clock.set([3.0])
    assert [clock(), clock()] == [0.0, 3.0]
    with pytest.raises(IndexError):
        clock()


def test_extra_info_has_every_name(make_measurement: Callable[..., Measurement]) -> None:
    """Scripts can rely on every name the design lists."""
    assert set(entered(make_measurement()).extra_info) >= NAMES


def test_what_extra_info_says(make_measurement: Callable[..., Measurement]) -> None:
    """Figures are of one epoch or image, medians over passes, and the passes themselves are there."""
    measurement = make_measurement(seconds=(0.4, 0.5, 0.5, 0.7), baseline_seconds=(1.0, 1.1, 0.9, 1.0))
    assert entered(measurement, images=200).extra_info == {
        **ABOUT_THE_RUN,
        "passes": "whole epochs",
        "part_of_epoch": None,
        "variant": "tfdata_no_cache",
        "kind": "streaming",
        "verdict": "pass",
        "reason": "because",
        "floor": 1.5,
        "speedup": 2.0,
        "speedup_low": 1.8,
        "speedup_high": 2.2,
        "blocks": 2,
        "epochs": 1,
        "images": 200,
        "images_per_second": pytest.approx(400.0),
        "shuffle_quality": None,
        "cpu_seconds_per_image": pytest.approx(0.004),
        "cores_used": pytest.approx(1.6),
        "peak_rss_bytes": 600_000_003,
        "build_seconds": 0.25,
        "first_batch_seconds": pytest.approx(0.05),
        "batch_seconds": None,
        "teardown_seconds": pytest.approx(0.025),
        "median_psnr": 41.5,
        "baseline_seconds": [1.0, 1.1, 0.9, 1.0],
        "variant_seconds": [0.4, 0.5, 0.5, 0.7],
    }


def with_passes(measurement: Measurement, passes: Sequence[Mapping[str, Any]]) -> Measurement:
    """Return a measurement whose passes say more."""
    changed = [
        replace(timing, **said) for timing, said in zip(measurement.variant_passes, passes, strict=True)
    ]
    return replace(measurement, variant_passes=tuple(changed))


def test_what_passes_say_of_batches_and_their_order(make_measurement: Callable[..., Measurement]) -> None:
    """Medians over the passes that know of it, and of the longest batches the longest."""
    batches = {"p50": 0.01, "p95": 0.02, "p99": 0.03, "longest": 0.04}
    other = {**dict.fromkeys(batches, 0.02), "longest": 0.5}
    found = entered(
        with_passes(
            make_measurement(),
            [
                {"batch_seconds": batches, "shuffle_quality": 0.9},
                {"batch_seconds": other, "shuffle_quality": 0.7},
                {"batch_seconds": batches, "shuffle_quality": 0.8},
                {},
            ],
        )
    ).extra_info
    assert found["batch_seconds"] == {"p50": 0.01, "p95": 0.02, "p99": 0.03, "longest": 0.5}
    assert found["shuffle_quality"] == 0.8


def test_cores_while_batches_are_looked_at(make_measurement: Callable[..., Measurement]) -> None:
    """Threads that work meanwhile use CPU seconds, and no seconds that count: two cores are never three."""
    measurement = make_measurement(seconds=(0.4,) * 4, cpu_seconds=1.2)
    assert entered(measurement).extra_info["cores_used"] == pytest.approx(3.0)
    looking = with_passes(measurement, [{"look_seconds": 0.2}] * 4)
    assert entered(looking).extra_info["cores_used"] == pytest.approx(2.0)


def test_the_headspace(make_measurement: Callable[..., Measurement]) -> None:
    """With its interval; an open end is null, and where it was not measured it is not there."""
    known = replace(make_measurement(), headspace=Estimate(1.8, 1.7, 1.9, 4))
    assert {name: each for name, each in entered(known).extra_info.items() if "headspace" in name} == {
        "headspace": 1.8,
        "headspace_low": 1.7,
        "headspace_high": 1.9,
    }
    open_ended = replace(make_measurement(), headspace=Estimate(1.8, 0.0, math.inf, 1))
    assert entered(open_ended).extra_info["headspace_high"] is None
    assert not [name for name in entered(make_measurement()).extra_info if "headspace" in name]


def test_the_share_of_a_limit(make_measurement: Callable[..., Measurement]) -> None:
    """The limit and the share of it with its interval, of what a limit bounds; an open end is null."""
    share = Share("limit_jpeg_decode", Estimate(0.87, 0.8, 0.95, 4))
    info = entered(make_measurement(share=share)).extra_info
    assert {name: info[name] for name in info if "limit" in name} == {
        "limit": "limit_jpeg_decode",
        "share_of_limit": 0.87,
        "share_of_limit_low": 0.8,
        "share_of_limit_high": 0.95,
    }
    open_ended = Share("limit_jpeg_decode", Estimate(0.87, 0.0, math.inf, 1))
    assert entered(make_measurement(share=open_ended)).extra_info["share_of_limit_high"] is None
    assert not [name for name in entered(make_measurement()).extra_info if "limit" in name]


def test_passes_are_compact(make_measurement: Callable[..., Measurement]) -> None:
    """Seconds are kept to the microsecond: a saved run stays small."""
    passes = (0.123456789, 1.0000004, 2 / 3, 1e-3)
    info = entered(make_measurement(seconds=passes)).extra_info
    assert info["variant_seconds"] == [0.123457, 1.0, 0.666667, 0.001]


def test_the_same_passes_in_the_stats(make_measurement: Callable[..., Measurement]) -> None:
    """pytest-benchmark's table is made from the very passes that the verdict is."""
    passes = (0.123456789, 0.5, 0.25, 1.5)
    assert entered(make_measurement(seconds=passes)).data == list(passes)


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(2.0, 0.0, math.inf, 1), {"speedup": 2.0, "speedup_low": 0.0, "speedup_high": None}),
        (None, {"speedup": None, "speedup_low": None, "speedup_high": None}),
    ],
)
def test_no_interval_is_valid_json(
    estimate: Estimate | None, expected: dict[str, Any], make_measurement: Callable[..., Measurement]
) -> None:
    """Infinity is no JSON: an interval without an end has null there, as has one that does not exist."""
    info = entered(make_measurement(estimate=estimate, floor=None)).extra_info
    assert info.items() >= expected.items()
    assert json.loads(json.dumps(info, allow_nan=False)) == info


def test_a_variant_without_passes_is_left_out() -> None:
    """What was not measured has no row in pytest-benchmark's table, and no error hides the verdict."""
    benchmark = FakeBenchmark()
    leave_out(benchmark)  # type: ignore[arg-type]
    assert benchmark.data == []
    assert benchmark.extra_info == {}


def test_in_pytest_benchmarks_own_json(pytester: pytest.Pytester) -> None:
    """The real fixture, table and JSON hold the passes; a variant that was left out is in neither."""
    pytester.makepyfile(
        """
        import pytest
        from loader_gate.plugin.books import leave_out, passes_clock, record

        @pytest.mark.benchmark(group="loading", timer=passes_clock)
        def test_measured(benchmark, make_measurement):
            measurement = make_measurement(seconds=(4e-5, 0.5, 0.25, 1.5))
            record(benchmark, measurement, 200, {"workload": "loading"})

        @pytest.mark.benchmark(group="loading", timer=passes_clock)
        def test_left_out(benchmark):
            leave_out(benchmark)

        @pytest.mark.benchmark(group="loading", timer=passes_clock)
        def test_measured_too(benchmark, make_measurement):
            record(benchmark, make_measurement(seconds=(2.0, 3.0)), 200, {"workload": "loading"})
        """
    )
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text(encoding="utf-8"))
    result = pytester.runpytest_inprocess(
        *("-p", "no:cacheprovider", "-W", "error", "--benchmark-json=run.json")
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*benchmark 'loading': 2 tests*"])
    run = json.loads((pytester.path / "run.json").read_text(encoding="utf-8"))
    measured, too = run["benchmarks"]
    assert measured["stats"]["data"] == pytest.approx([4e-5, 0.5, 0.25, 1.5])
    assert measured["stats"]["rounds"] == 4
    assert measured["extra_info"]["variant_seconds"] == [4e-5, 0.5, 0.25, 1.5]
    assert too["stats"]["data"] == [2.0, 3.0]
