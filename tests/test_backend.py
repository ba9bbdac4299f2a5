"""What Keras runs on: which backend a session has, and that none is compared with another."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping

import pytest

from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.runs.parsing import work_of
from loader_gate.trees.tree import Tree
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.origin import Origin
from loader_gate.worker.process import environment_for
from loader_gate.workloads import backend as backends
from loader_gate.workloads import workload as workloads
from loader_gate.workloads.backend import BACKENDS, backend_of
from loader_gate.workloads.device import Device, DeviceError
from loader_gate.workloads.known import known_workloads, workload
from loader_gate.workloads.workload import WorkloadOptions
from tests.sessions import ONE_LOADER, ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Return which backends seem to be installed: all, until the test takes some away."""
    found = {*BACKENDS}
    for module in (backends, workloads):
        monkeypatch.setattr(module, "is_installed", lambda name: name in found)
    return found


@pytest.mark.parametrize(
    ("asked", "environment", "expected"),
    [
        (None, {}, "tensorflow"),
        (None, {"KERAS_BACKEND": "torch"}, "torch"),
        ("jax", {"KERAS_BACKEND": "torch"}, "jax"),
        (None, {"KERAS_BACKEND": "numpy"}, "tensorflow"),
        (None, {"KERAS_BACKEND": ""}, "tensorflow"),
    ],
)
def test_which_backend_a_session_has(
    asked: str | None, environment: Mapping[str, str], expected: str, installed: set[str]
) -> None:
    """The option goes before Keras' own variable; a backend that cannot train is none."""
    assert installed
    assert backend_of(asked, environment) == expected


def test_without_tensorflow(installed: set[str]) -> None:
    """The next one that is there is taken."""
    installed.discard("tensorflow")
    assert backend_of(None, {}) == "jax"
    assert backend_of(None, {"KERAS_BACKEND": "tensorflow"}) == "jax"
    assert backend_of("tensorflow", {}) == "tensorflow"  # so that it can be said what is missing
    installed.clear()
    assert backend_of(None, {}) == "tensorflow"


def test_a_backend_that_is_not_installed(installed: set[str]) -> None:
    """Every workload says so before it is measured, and how each is installed: the baseline needs one."""
    installed.discard("jax")
    for work in known_workloads().values():
        work.check_machine(WorkloadOptions(Device("cpu"), backend="torch"))
        with pytest.raises(DeviceError, match=r'--backend jax: .*pip install "loader-gate\[torch\]"'):
            work.check_machine(WorkloadOptions(Device("cpu"), backend="jax"))


def test_a_session_says_that_a_backend_is_not_installed(
    installed: set[str], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tests fail in that sentence, and show no code."""
    installed.discard("jax")
    monkeypatch.setattr("loader_gate.plugin.trees.provided_tree", lambda _: Tree)
    pytester.makepyfile(**ONE_LOADER)
    said = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--backend", "jax").stdout.str()
    assert "--backend jax: it is not installed" in said
    assert "DeviceError" not in said
    assert "gate.py" not in said


def test_it_is_the_same_in_all_that_is_trained() -> None:
    """What the workload says, its consumer says too: a worker refuses to train on another."""
    for device in (Device("cpu"), Device("emulated"), Device("emulated", 100.0)):
        found = workload("training", WorkloadOptions(device, backend="jax"))
        assert found.backend == found.consumer["backend"] == "jax"
    assert workload("loading", WorkloadOptions(Device("cpu"), backend="jax")).backend is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_environment_of_a_worker(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite's own variants, and all that trains, run on the session's backend, by default on the CPU."""
    monkeypatch.setenv("KERAS_BACKEND", "theirs")
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "theirs")
    own, built_in = (
        Variant("photos", "theirs", "photos"),
        Variant(BASELINE, f"loader_gate.variants.{BASELINE}"),
    )

    def environment(variant: Variant, **limits: bool) -> dict[str, str]:
        asked = WorkerLimits(120.0, backend=backend, **limits)
        return environment_for(variant, Origin((), "python"), "folder", asked)

    for variant, trains in ((built_in, False), (built_in, True), (own, True)):
        found = environment(variant, trains=trains)
        assert found["KERAS_BACKEND"] == backend
        hidden = [found[name] for name in ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "KERAS_TORCH_DEVICE")]
        assert hidden == ["-1", "cpu", "cpu"]
    assert environment(own)["KERAS_BACKEND"] == "theirs"
    seeing = environment(own, trains=True, see_gpu=True)
    assert "KERAS_TORCH_DEVICE" not in seeing
    assert seeing["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"


def test_runs_of_other_backends_are_of_other_work() -> None:
    """What was saved before there was a choice trained on TensorFlow."""
    info = {"tree": "t", "image_size": 96, "batch_size": 32, "device": "cpu", "schema": 1, "augment": "none"}
    old, new = work_of(info, "cpu"), work_of({**info, "backend": "jax"}, "cpu")
    assert old == work_of({**info, "backend": "tensorflow"}, "cpu")
    assert old.differences(new) == "backend tensorflow then, jax now"


def test_what_the_docs_install_without_tensorflow() -> None:
    """It is all that the suite depends on, but for TensorFlow."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        dependencies = tomllib.load(file)["project"]["dependencies"]
    page = (ROOT / "docs" / "backends.md").read_text(encoding="utf-8")
    (line,) = (each for each in page.splitlines() if each.startswith("pip install jax "))
    assert shlex.split(line)[3:] == [each for each in dependencies if not each.startswith("tensorflow")]
