"""Passes that are timed in rounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loader_gate.worker.timing import PassTiming, joined

ONE = PassTiming(
    seconds=0.05,
    first_batch_seconds=0.01,
    teardown_seconds=0.001,
    cpu_seconds=0.08,
    peak_rss_bytes=1_000,
    epochs=2,
    batch_seconds={"p50": 0.002, "longest": 0.004},
    shuffle_quality=0.9,
    idle_seconds=1.0,
    idle_cpu_seconds=0.25,
    idle_read_bytes=10,
    look_seconds=0.02,
    asking_cpu_seconds=0.03,
    read_bytes=100,
)


def test_rounds_make_a_pass() -> None:
    """Its figures are those of an epoch, and what is most, or came before each round, of all of them."""
    other = replace(
        ONE,
        seconds=0.07,
        first_batch_seconds=0.03,
        teardown_seconds=0.003,
        cpu_seconds=0.10,
        peak_rss_bytes=900,
        batch_seconds={"p50": 0.004, "longest": 0.010},
        shuffle_quality=0.7,
        look_seconds=0.04,
        asking_cpu_seconds=0.05,
        read_bytes=300,
    )
    found = joined([ONE, other])
    assert found.seconds == pytest.approx(0.06)
    assert found.first_batch_seconds == pytest.approx(0.02)
    assert found.teardown_seconds == pytest.approx(0.002)
    assert found.cpu_seconds == pytest.approx(0.09)
    assert found.asking_cpu_seconds == pytest.approx(0.04)
    assert found.look_seconds == pytest.approx(0.03)
    assert found.batch_seconds == pytest.approx({"p50": 0.003, "longest": 0.010})
    assert (found.peak_rss_bytes, found.epochs, found.read_bytes) == (1_000, 4, 200)
    assert (found.idle_seconds, found.idle_cpu_seconds, found.idle_read_bytes) == (2.0, 0.5, 20)
    assert found.shuffle_quality == 0.7
    assert found.spent_seconds == pytest.approx(0.24)


def test_one_round_is_the_pass() -> None:
    """Nothing is reckoned then."""
    assert joined([ONE]) is ONE


def test_what_no_round_knows_is_not_known() -> None:
    """Batches that nobody saw come have no times."""
    unknown = replace(ONE, batch_seconds=None, shuffle_quality=None)
    found = joined([unknown, unknown])
    assert found.batch_seconds is None
    assert found.shuffle_quality is None
    assert found.accelerator_utilisation is None
    assert joined(
        [replace(ONE, accelerator_utilisation=share) for share in (0.2, 0.4)]
    ).accelerator_utilisation == (pytest.approx(0.3))
