"""Sessions that are compared with saved runs: those of pytest and pytest-benchmark, of made-up figures."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO
from xml.etree import ElementTree as ET

import pytest
import scipy.special  # noqa: F401 (pytester's sessions forget what they import, but NumPy loads only once)

from loader_gate.machine.machine import Machine
from loader_gate.machine.noise import NoiseReading
from loader_gate.plugin.suite import Suite as PluginSuite
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE
from loader_gate.rotation.measurement import Measurement
from loader_gate.session import settings
from loader_gate.session.result import Result
from loader_gate.statistics.estimate import Estimate
from loader_gate.text import WIDTH
from loader_gate.trees import prepare
from loader_gate.trees.tree import Tree
from loader_gate.workloads.device import Device
from loader_gate.workloads.known import workload

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = tuple(variant.name for variant in built_in_variants())
STREAMING, MEMORY, FILE = "tfdata_no_cache", "tfdata_memory_cache", "tfdata_file_cache"


def estimate(speedup: float, share: float = 0.01) -> Estimate:
    """Return a speedup with an interval of that share to both sides."""
    return Estimate(speedup, speedup / (1 + share), speedup * (1 + share), 4)


class Suite:
    """The suite in a folder of its own, with figures that a test makes up.

    Attributes:
        estimates: The speedup of each variant; None for one that crashes.
        seconds: The seconds of a pass of each variant; half a second if it has none here.
        tree: The images.
        machine: The machine.
    """

    def __init__(
        self, pytester: pytest.Pytester, make_measurement: Callable[..., Measurement], tree: Tree
    ) -> None:
        self.estimates: dict[str, Estimate | None] = {name: estimate(2.0) for name in VARIANTS}
        self.estimates[BASELINE] = Estimate(1.0, 1.0, 1.0, 4)
        self.seconds: dict[str, float] = {}
        self.tree = tree
        self.machine = Machine("Some CPU", 2, 2**33, "Linux", "x86_64", None, {"python": "3.11"})
        self.folder = pytester.path
        self._pytester = pytester
        self._make_measurement = make_measurement

    def measure(self, suite: PluginSuite, name: str, wanted: list[str], _tree: Tree, _stream: TextIO) -> None:
        """Stand in for `measure` of the plugin's own."""
        measurements = {variant: self._measurement(variant) for variant in wanted}
        work = workload(name, replace(suite.settings.workload_options, device=Device("cpu")))
        extra_info: dict[str, dict[str, Any]] = {
            variant: {"device": "cpu"} if name == "training" else {} for variant in wanted
        }
        silence = NoiseReading(None, None, None, None)
        measurements.setdefault(BASELINE, self._measurement(BASELINE))
        suite.results[name] = Result(work, self.tree, measurements, extra_info, (silence, silence), ())

    def _measurement(self, variant: str) -> Measurement:
        found = self.estimates.get(variant, estimate(2.0))
        status = "unmeasured" if found is None else "pass"
        passes = () if found is None else (self.seconds.get(variant, 0.5),) * 8
        kind = "limit" if variant.startswith("limit") else "streaming"
        return self._make_measurement(
            variant, status=status, floor=1.0, estimate=found, seconds=passes, kind=kind
        )

    def run(self, *options: str) -> pytest.RunResult:
        """Run a session."""
        arguments = options if any(each.startswith("suite") for each in options) else ("suite", *options)
        return self._pytester.runpytest_inprocess(
            *("-p", "loader_gate", "--floors=empty.toml", "--junitxml=junit.xml", *arguments),
            no_reraise_ctrlc=True,
        )

    def saved(self) -> list[Path]:
        """Return the files in the storage, oldest first."""
        return sorted(self.folder.glob(".benchmarks/*/*.json"))

    def accepted(self) -> list[bool]:
        """Return of each whether it is marked as accepted."""
        return [
            json.loads(path.read_text(encoding="utf-8"))["loader_gate"]["accepted"] for path in self.saved()
        ]

    def junit(self) -> dict[str, str]:
        """Return the failure of each test that failed, by name."""
        tree = ET.parse(self.folder / "junit.xml")  # noqa: S314 (our own file)
        return {
            case.attrib["name"]: failure.attrib["message"]
            for case in tree.iter("testcase")
            if (failure := case.find("failure")) is not None
        }


def suite_in(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    make_measurement: Callable[..., Measurement],
    tmp_path: Path,
) -> Suite:
    """Make a suite of a loading and a training workload, with made-up figures, in pytester's folder."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a.jpg").write_bytes(b"no JPEG")
    made_up = Suite(pytester, make_measurement, Tree.read(tmp_path, "0123456789abcdef" * 4))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(PluginSuite, "measure", lambda *arguments: made_up.measure(*arguments))
    monkeypatch.setattr(settings, "read_machine", lambda: made_up.machine)
    monkeypatch.setattr(prepare, "prepare_tree", lambda *_: made_up.tree)
    monkeypatch.setattr("cpuinfo.get_cpu_info", dict)  # it takes a second
    (pytester.path / "empty.toml").touch()
    (pytester.path / "suite").mkdir()
    for name in ("test_loading.py", "test_training.py"):
        shutil.copy(ROOT / "benchmarks" / name, pytester.path / "suite")
    return made_up


SAVE = "--benchmark-autosave"
COMPARE = "--benchmark-compare"
GATE = (SAVE, COMPARE, "--fail-if-slower")


def text_of(result: pytest.RunResult) -> str:
    """Return what a session said of the comparison, its lines joined."""
    lines = result.outlines
    start = next((number for number, line in enumerate(lines) if "compared with a saved run" in line), None)
    assert start is not None, str(result.stdout)
    # pytest's own summary of failures is never cut in CI.
    end = next((number for number, line in enumerate(lines) if "short test summary info" in line), None)
    lines = lines[:end]
    assert all(len(line) <= WIDTH for line in lines[start:])
    return " ".join(" ".join(lines[start + 1 :]).split())


def not_run(result: pytest.RunResult) -> set[str]:
    """Return the benchmarks that a session says were left out."""
    said = re.search(r"Not run in this session: (.+?\))\.", text_of(result))
    return set(said[1].split(", ")) if said else set()


def row_of(result: pytest.RunResult, variant: str) -> str:
    """Return the row of a variant in the first table of the comparison."""
    lines = result.outlines
    start = next(number for number, line in enumerate(lines) if "compared with a saved run" in line)
    return " ".join(next(line for line in lines[start:] if line.split()[:1] == [variant]).split())
