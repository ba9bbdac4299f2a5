"""What is said below a workload's table of what has no column in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from loader_gate.rotation.measurement import Measurement
from loader_gate.session.figures import remarks


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
