"""Amdahl's law from made-up blocks, and what one core alone says of more."""

from __future__ import annotations

import math
import random

import pytest

from loader_gate.statistics.amdahl import OneCore, fit_amdahl
from loader_gate.statistics.blocks import block_estimate
from loader_gate.statistics.sequences import ERROR


def blocks(
    serial: float, counts: tuple[int, ...], noise: float, seed: int, number: int = 12
) -> dict[int, list[float]]:
    """Return the seconds of blocks of a loader with this serial share."""
    draw = random.Random(seed)  # noqa: S311 (noise)
    return {
        cores: [2.0 * (serial + (1 - serial) / cores) * math.exp(draw.gauss(0, noise)) for _ in range(number)]
        for cores in counts
    }


@pytest.mark.parametrize("serial", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("counts", [(1, 2), (2, 4), (1, 2, 4, 8), (2, 3, 16)])
def test_a_known_serial_share_is_found(serial: float, counts: tuple[int, ...]) -> None:
    """Exactly, where the passes have no noise: with two numbers of cores and with more."""
    fit = fit_amdahl(blocks(serial, counts, 0.0, 0))
    assert fit.serial_share.value == pytest.approx(serial, abs=1e-9)
    assert fit.speedup(64).value == pytest.approx(
        (serial + (1 - serial) / counts[-1]) / (serial + (1 - serial) / 64), rel=1e-9
    )
    assert fit.misfit == pytest.approx(0.0, abs=1e-9)
    assert (fit.least, fit.most) == (counts[0], counts[-1])


@pytest.mark.parametrize("counts", [(1, 2), (1, 2, 4)])
def test_the_interval_covers(counts: tuple[int, ...]) -> None:
    """Of the share, and of what more cores would give: about as often as it says, or more."""
    fits = [fit_amdahl(blocks(0.3, counts, 0.05, seed)) for seed in range(200)]
    shares = [fit.serial_share for fit in fits]
    speedup = (0.3 + 0.7 / counts[-1]) / (0.3 + 0.7 / 8)
    predicted = [fit.speedup(8) for fit in fits]
    assert sum(each.low <= 0.3 <= each.high for each in shares) >= 185
    assert sum(each.low <= speedup <= each.high for each in predicted) >= 185
    assert all(each.low < each.value < each.high for each in shares)
    assert sorted(each.high - each.low for each in shares)[100] < 0.4


def test_what_no_share_explains() -> None:
    """Who gains more than the law allows has no serial share, who loses has nothing else."""
    gains = fit_amdahl({1: [1.0] * 4, 2: [0.4] * 4})
    assert gains.serial_share.value == 0.0
    assert gains.speedup(8).value == 4.0
    loses = fit_amdahl({1: [1.0] * 4, 2: [1.2] * 4})
    assert loses.serial_share.value == 1.0
    assert loses.speedup(8).value == 1.0


@pytest.mark.parametrize(
    ("seconds", "share", "ratio", "misfit", "misfit_at"),
    [
        ({1: 1.0, 2: 0.4}, 0.0, 0.4, 0.0, 0),
        ({1: 1.0, 2: 1.2}, 1.0, 1.2, 0.0, 0),
        ({2: 1.0, 4: 1.6}, 1.0, 1.6, 0.0, 0),
        ({2: 1.0, 3: 1.0}, 1.0, 1.0, 0.0, 0),
        # All divided: 76/141 of a second with one core.
        ({1: 1.0, 2: 0.4, 4: 0.1}, 0.0, 1 / 4, 65 / 141, 1),
        # All serial: 78/61 of a second with any number of cores.
        ({1: 1.0, 2: 1.5, 4: 2.0}, 1.0, 1.0, 22 / 61, 4),
    ],
)
def test_the_law_that_is_next_by_hand(
    seconds: dict[int, float], share: float, ratio: float, misfit: float, misfit_at: int
) -> None:
    """Two numbers of cores keep their ratio and have no misfit; more are as near as least squares allow."""
    fit = fit_amdahl({cores: [each] * 4 for cores, each in seconds.items()})
    assert fit.serial_share.value == share
    assert fit.ratio.ratio == pytest.approx(ratio)
    assert fit.misfit == pytest.approx(misfit)
    assert fit.misfit_at == misfit_at


def test_only_long_blocks_are_believed_to_be_calm() -> None:
    """The interval is that of the blocks' ratios, which are taken for short ones unless it is said."""
    seconds = {1: [2.0] * 4, 2: [1.0] * 4}
    short, long = (block_estimate([math.log(0.5)] * 4, ERROR, is_long=each) for each in (False, True))
    assert fit_amdahl(seconds).ratio == fit_amdahl(seconds, is_long=False).ratio == short
    assert fit_amdahl(seconds, is_long=True).ratio == long
    assert short.low < long.low == long.high < short.high


def test_a_pool_of_two_threads_is_not_amdahls() -> None:
    """It gains from one core to two, and nothing from there on: no serial share says so."""
    fit = fit_amdahl({cores: [1 / min(cores, 2)] * 4 for cores in (1, 2, 4, 8)})
    assert fit.misfit > 0.1
    assert fit.misfit_at in (1, 2, 4, 8)


def test_too_few_blocks_or_cores() -> None:
    """One block has no interval; one number of cores has no law, nor have blocks that lack one."""
    fit = fit_amdahl({1: [1.0], 2: [0.6]})
    assert fit.serial_share.value == pytest.approx(0.2)
    assert (fit.serial_share.low, fit.serial_share.high) == (0.0, 1.0)
    assert (fit.speedup(8).low, fit.speedup(8).high) == pytest.approx((1.0, 4.0))
    with pytest.raises(ValueError, match="at least two numbers of cores"):
        fit_amdahl({2: [1.0]})
    with pytest.raises(ValueError, match="shorter"):
        fit_amdahl({1: [1.0, 1.0], 2: [0.6]})


@pytest.mark.parametrize(
    ("alone", "at_least", "at_most"),
    [
        (OneCore(1.0, 1.0, 1.0), 1.0, 1.0),  # one thread does everything
        (OneCore(1.0, 1.0, 0.0), 2.0, 2.0),  # all of it is in a pool of threads
        (OneCore(1.0, 1.0, 0.2), 1 / 0.6, 2.0),  # as a pool beside a thread that copies
        (OneCore(1.0, 1.0, 0.8), 1 / 0.9, 1 / 0.8),
        (OneCore(2.0, 2.0, 1.6), 1 / 0.9, 1 / 0.8),
        (OneCore(1.0, 0.1, 0.1), 1.0, 2.0),  # it sleeps, which may overlap or not
        (OneCore(1.0, 1.1, 1.2), 1.0, 1.0),  # clocks have a grain
    ],
)
def test_what_one_core_says_of_two(alone: OneCore, at_least: float, at_most: float) -> None:
    """The bounds by the CPU time of all threads, and of the one that asks for batches."""
    assert alone.speedup(2) == pytest.approx((at_least, at_most))
