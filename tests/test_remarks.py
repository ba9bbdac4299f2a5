"""What is said below a workload's table of what has no column in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from loader_gate.registry.variant import Variant
from loader_gate.rotation.measurement import Measurement
from loader_gate.session.figures import about_no_limit, remarks
from loader_gate.workloads.known import known_workloads


def ending(measurement: Measurement, *teardowns: float) -> Measurement:
    """Return a measurement whose epochs take so long to end, in turn."""
    passes = [
        replace(timing, teardown_seconds=teardowns[number % len(teardowns)])
        for number, timing in enumerate(measurement.variant_passes)
    ]
    return replace(measurement, variant_passes=tuple(passes))


@pytest.mark.parametrize("teardowns", [(0.9,), (0.0, 1.8)], ids=["always", "now and then"])
def test_an_end_longer_than_its_epoch_is_said(
    teardowns: tuple[float, ...], make_measurement: Callable[..., Measurement]
) -> None:
    """No speedup counts it: with both seconds, and what to do."""
    slow = ending(make_measurement("slow", seconds=(0.5,) * 4), *teardowns)
    (line,) = remarks({"slow": slow, "quick": make_measurement("quick")}, {})
    for part in ("slow: ending an epoch takes 0.9 s", "the epoch itself 0.5 s", "options.autotune.enabled"):
        assert part in line


def test_a_short_end_is_not_worth_a_word(make_measurement: Callable[..., Measurement]) -> None:
    """Nor is a variant that has no passes."""
    lost = make_measurement("lost", seconds=())
    assert [*remarks({"short": ending(make_measurement(), 0.1), "lost": lost}, {})] == []


def test_a_loader_that_nothing_bounds_is_named(make_measurement: Callable[..., Measurement]) -> None:
    """Without a limit in the session, a loader of the user's that keeps its images looks just fast."""
    variant = Variant("photos", "my.loaders", "photos")
    own = replace(make_measurement("photos"), variant=variant, kind="streaming", share=None)
    loading = known_workloads()["loading"]
    (line,) = about_no_limit(loading, [own, make_measurement("tfdata_no_cache")])
    assert line.startswith("Held against no limit: photos.")
    (line,) = about_no_limit(known_workloads()["training"], [own])
    assert line.endswith("there are limits in the workload loading.")
    for fine in (replace(own, kind="memory"), replace(own, variant_passes=())):
        assert [*about_no_limit(loading, [fine])] == []
