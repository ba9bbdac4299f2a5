"""The study of neighbours: what it times, what it makes of that, and that the command writes it."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from docs.study import neighbours
from docs.study.__main__ import main
from docs.study.errors import StudyError
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE
from loader_gate.rotation.contestant import Contestant
from loader_gate.worker.timing import PassTiming

if TYPE_CHECKING:
    from loader_gate.rotation.contestant import Arm
    from loader_gate.rotation.runner import Runner

STREAMING, MAPPED = "tfdata_no_cache", "uint8_memory_map"


class FakeRunner:
    """A machine on which a pass takes longer the longer its process has waited for its turn."""

    def __init__(self) -> None:
        self.waited: dict[str, float] = {}
        self.passes: list[str] = []

    def sleep(self, seconds: float) -> None:
        """Let time go by."""
        self.waited = {name: waited + seconds for name, waited in self.waited.items()}

    def run_pass(self, contestant: Contestant, arm: Arm) -> PassTiming | None:  # noqa: ARG002 (as it is asked)
        """Run a pass."""
        name = contestant.variant.name
        seconds = 1.0 + 0.1 * self.waited.get(name, 0.0) * (name == STREAMING)
        self.passes.append(name)
        self.sleep(seconds)
        self.waited[name] = 0.0
        return PassTiming(seconds, 0.0, 0.0, 0.0, 1, 1)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    """The machine, whose time is that of the module."""
    machine = FakeRunner()
    monkeypatch.setattr(time, "sleep", machine.sleep)
    return machine


def test_each_company_is_timed_in_every_block(runner: FakeRunner) -> None:
    """What comes before a pass makes the difference, and a run-in takes it away."""
    chosen = {BASELINE, STREAMING, MAPPED, "uint8_memory"}
    everyone = [Contestant(each) for each in built_in_variants() if each.name in chosen]
    names = (STREAMING, MAPPED)
    found = neighbours.Neighbourhood(cast("Runner", runner), everyone, names)
    for _ in range(8):
        found.block(random.Random(1), 10.0)  # noqa: S311 (an order of passes, no secret)
    assert {len(each.own) for each in found.found.values()} == {8}
    assert runner.passes.count("uint8_memory") == 2 * 8
    assert all(each.epochs == 1 for each in everyone)
    idle, _ = neighbours.ratios(found.found, STREAMING, "after idling", "alone")
    company, speedup = neighbours.ratios(found.found, STREAMING, "in company", "alone")
    assert idle.value > company.value > 1 > speedup.value
    run_in, _ = neighbours.ratios(found.found, STREAMING, "idle, then run in", "after idling")
    assert run_in.high < 1
    same, _ = neighbours.ratios(found.found, MAPPED, "after idling", "alone")
    assert (same.low, same.value, same.high) == (1.0, 1.0, 1.0)
    assert len(neighbours.rows(found.found, names)) == 2 * len(neighbours.PAIRS)


def test_hodges_lehmann() -> None:
    """The middle of all averages of two; one block that is far off has little say in it."""
    values = [0.01, 0.02, 0.03, 0.04, 0.05, 5.0]
    found = neighbours.hodges_lehmann(values)
    assert math.log(found.value) == pytest.approx(0.035)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((0.01, 5.0))
    assert neighbours.hodges_lehmann(values[:5]).high == math.inf


def test_the_interval_holds() -> None:
    """In about 95 % of draws."""
    chance = random.Random(0)  # noqa: S311 (a simulation, no secret)
    draws = [neighbours.hodges_lehmann([chance.gauss(0, 0.1) for _ in range(12)]) for _ in range(1000)]
    held = sum(each.low <= 1 <= each.high for each in draws)
    assert 930 <= held <= 980


def test_unknown_variants_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error says what is known."""
    with pytest.raises(StudyError, match="--variants tfdata_nothing: expected some of native_threads"):
        neighbours.measure(["tfdata_nothing"], 8, 1.0, 1.0, tmp_path)
    assert main(["neighbours", "--variants", BASELINE, "--folder", str(tmp_path)]) == 1
    assert BASELINE in capsys.readouterr().err
