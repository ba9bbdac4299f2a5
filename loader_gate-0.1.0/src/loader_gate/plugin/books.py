"""pytest-benchmark keeps the books: its fixture is fed the passes that the rotation has timed."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from statistics import median
from typing import TYPE_CHECKING, Any

from loader_gate.runs.saved import PARTS, WHOLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_benchmark.fixture import BenchmarkFixture

    from loader_gate.rotation.measurement import Measurement
    from loader_gate.worker.timing import PassTiming

SCHEMA = 1


class PassesClock:
    """A clock that shows the recorded seconds of the next pass each time it is read a second time."""

    __name__ = "recorded passes"  # pytest-benchmark writes a timer's name into the JSON

    def __init__(self) -> None:
        """Begin with no passes."""
        self._readings: deque[float] = deque()

    def __call__(self) -> float:
        """Return the next reading, in seconds."""
        return self._readings.popleft()

    def set(self, seconds: Sequence[float]) -> None:
        """Let the next ``2 * len(seconds)`` readings show these passes."""
        self._readings.clear()
        for each in seconds:
            self._readings.extend((0.0, each))


#: The timer of every benchmark here; a test loads it just before pytest-benchmark reads it.
passes_clock = PassesClock()


def record(
    benchmark: BenchmarkFixture, measurement: Measurement, images: int, about_the_run: dict[str, Any]
) -> None:
    """Enter a measured variant into pytest-benchmark's table and JSON.

    Args:
        benchmark: pytest-benchmark's fixture, whose timer is `passes_clock`.
        measurement: What was measured.
        images: Images an epoch.
        about_the_run: More entries for ``extra_info``.
    """
    benchmark.extra_info.update(_extra_info(measurement, images), **about_the_run)
    passes_clock.set([timing.seconds for timing in measurement.variant_passes])
    benchmark.pedantic(lambda: None, rounds=len(measurement.variant_passes))


def leave_out(benchmark: BenchmarkFixture) -> None:
    """Tell pytest-benchmark that there is nothing to enter."""

    class NothingToEnter(Exception):  # noqa: N818 (pytest-benchmark leaves out what raises any exception)
        pass

    def enter_nothing() -> None:
        raise NothingToEnter

    passes_clock.set([0.0])  # pytest-benchmark reads the clock before it calls
    with contextlib.suppress(NothingToEnter):
        benchmark.pedantic(enter_nothing)


def _extra_info(measurement: Measurement, images: int) -> dict[str, Any]:
    """Return what the JSON says of a measured variant, beside pytest-benchmark's own figures.

    An interval without an upper end has null there: JSON knows no infinity.
    """
    verdict, timings = measurement.verdict, measurement.variant_passes
    estimate = verdict.estimate
    return {
        "variant": measurement.variant.name,
        "kind": measurement.kind,
        "verdict": verdict.status,
        "reason": verdict.reason,
        "floor": verdict.floor,
        "speedup": estimate and estimate.ratio,
        "speedup_low": estimate and estimate.low,
        "speedup_high": estimate and _finite(estimate.high),
        "blocks": len(timings) // 2,
        "epochs": timings[0].epochs,
        "images": images,
        "passes": PARTS if measurement.is_of_parts else WHOLE,
        "part_of_epoch": measurement.part_of_epoch,
        "images_per_second": images / median(timing.seconds for timing in timings),
        "shuffle_quality": measurement.shuffle_quality,
        "cpu_seconds_per_image": median(timing.cpu_seconds for timing in timings) / images,
        "cores_used": measurement.cores_used,
        "peak_rss_bytes": max(timing.peak_rss_bytes for timing in timings),
        "build_seconds": measurement.build_seconds,
        "first_batch_seconds": median(timing.first_batch_seconds for timing in timings),
        "batch_seconds": measurement.batch_seconds,
        "teardown_seconds": median(timing.teardown_seconds for timing in timings),
        "median_psnr": measurement.median_psnr,
        "baseline_seconds": _compact(measurement.baseline_passes),
        "variant_seconds": _compact(timings),
        **_of_share(measurement),
        **_of_headspace(measurement),
        **_of_changes(measurement),
    }


def _of_share(measurement: Measurement) -> dict[str, Any]:
    """Return what the JSON says of the limit that bounds a variant, if there is one."""
    if measurement.share is None:
        return {}
    found = measurement.share.estimate
    return {
        "limit": measurement.share.limit,
        "share_of_limit": found.ratio,
        "share_of_limit_low": found.low,
        "share_of_limit_high": _finite(found.high),
    }


def _of_headspace(measurement: Measurement) -> dict[str, Any]:
    """Return what the JSON says of how much faster a perfect loader would make an epoch, if that is known."""
    found = measurement.headspace
    if found is None:
        return {}
    return {
        "headspace": found.ratio,
        "headspace_low": found.low,
        "headspace_high": _finite(found.high),
    }


def _of_changes(measurement: Measurement) -> dict[str, Any]:
    """Return what the JSON says of the changes against base, if there is one."""
    if not measurement.verdict.changes:
        return {}
    changes = {
        change.figure: {
            "outcome": change.outcome,
            "change": change.estimate and change.estimate.ratio,
            "low": change.estimate and change.estimate.low,
            "high": change.estimate and _finite(change.estimate.high),
            "tolerance": change.tolerance,
        }
        for change in measurement.verdict.changes
    }
    seconds = changes[measurement.verdict.changes[0].figure]
    return {
        "change": seconds["change"],
        "change_low": seconds["low"],
        "change_high": seconds["high"],
        "change_outcome": seconds["outcome"],
        "changes": changes,
        "base_seconds": _compact(measurement.base_passes),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _compact(timings: Sequence[PassTiming]) -> list[float]:
    """Return seconds a pass, two a block, to the microsecond."""
    return [round(timing.seconds, 6) for timing in timings]
