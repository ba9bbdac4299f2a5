"""The check of a machine with a GPU: which sessions it holds, and what is carried there."""

from __future__ import annotations

import ast
import importlib
import io
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from loader_gate.gpu_check.__main__ import main
from loader_gate.gpu_check.plan import SCALES, SESSIONS, TREE, VARIANTS, Session, suite_file, why_not
from loader_gate.gpu_check.sessions import Held, earlier_files, environment_for, hold, outcome
from loader_gate.machine.machine import read_machine
from loader_gate.plugin.options import OPTIONS
from loader_gate.registry.built_in import built_in_variants
from loader_gate.trees.request import PRESETS
from tests.sessions import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]


def test_what_a_session_is_asked() -> None:
    """Options that there are, variants that there are, and of what trains the device and the backend."""
    session = Session("some", "training", "torch")
    options = session.options("gpu", SCALES["gpu"], VARIANTS)
    assert {"--loader-gate-device=gpu", "--loader-gate-backend=torch", "--loader-gate-batch-size=256"} <= {
        *options
    }
    known = {f"--loader-gate-{each.name}" for each in OPTIONS}
    assert {each.partition("=")[0] for each in options} <= known
    assert {*VARIANTS} <= {each.name for each in built_in_variants()}
    loading = Session("some", "loading").options("gpu", SCALES["gpu"], ())
    assert not [each for each in loading if "device" in each or "backend" in each]


def test_epochs_have_whole_batches() -> None:
    """So that a model is compiled for one shape, and utilisation has steps to look at."""
    for scale in SCALES.values():
        assert scale.images % scale.batch_size == 0
        assert scale.images // scale.batch_size >= 4
        assert scale.images >= PRESETS[TREE].classes  # of which each needs an image


@pytest.mark.parametrize("workload", ["loading", "training"])
def test_benchmarks_are_those_of_the_suite(workload: str) -> None:
    """By file, name, marks and what they do, so that runs may be compared with the suite's."""
    file, text = suite_file(workload)

    def parts(source: str) -> tuple[Any, ...]:
        (test,) = [each for each in ast.parse(source).body if isinstance(each, ast.FunctionDef)]
        arguments = {each.arg for each in test.args.args}
        return test.name, arguments, [*map(ast.unparse, test.decorator_list)], ast.unparse(test.body[-1])

    assert parts(text) == parts((ROOT / file).read_text(encoding="utf-8"))


def test_what_is_missing_is_said() -> None:
    """A session is left out where its backend is not installed, and the others are held."""
    assert why_not(SESSIONS[0], lambda name: name != "jax") == "not installed: jax"
    assert why_not(SESSIONS[0], lambda _: False) == "not installed: jax, keras"
    assert why_not(SESSIONS[-1], lambda name: name != "jax") == ""


def test_no_session_is_begun_that_cannot_end(tmp_path: Path) -> None:
    """Each says why, and nothing is written."""
    found = [*hold(tmp_path, "cpu", SCALES["cpu"], 5.0, io.StringIO())]
    assert [each.session for each in found] == [*SESSIONS]
    for each in found:
        backend = each.session.backend
        if backend is None or find_spec(backend) is not None:
            assert each.problem == "not begun, as 5 s are left of 5"
        assert each.problem in str(each)
    assert [*tmp_path.iterdir()] == []


def test_what_became_of_a_session() -> None:
    """In a line, with what was not measured."""
    assert str(Held(SESSIONS[0], 61.2, 7)) == "training-jax: 7 variants measured in 61 s"
    run = {"benchmarks": [{}] * 6, "loader_gate": {"unmeasured": [{"variant": "calm"}]}}
    held = Held(SESSIONS[0], 61.2, *outcome(run, "much"))
    assert str(held).endswith("6 variants measured in 61 s; not measured, as its log says: calm")
    assert outcome({"benchmarks": [{}]}, "much") == (1, "")
    assert outcome({}, "It broke.\n") == (0, "the session said: It broke.")
    assert str(Held(SESSIONS[0], 1.0, *outcome({}, ""))) == "training-jax: the session said: nothing"


def test_threads_of_torch_do_not_spin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU there is one of them; beside a GPU, as many as the user or torch wants."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert environment_for(tmp_path, "cpu")["OMP_NUM_THREADS"] == "1"
    assert environment_for(tmp_path, "gpu")["OMP_NUM_THREADS"] == "3"


@pytest.mark.skipif(read_machine().gpu is not None, reason="there is a GPU")
def test_no_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so at once, and what else there is."""
    assert main([str(tmp_path / "out")]) == 2
    assert "shows no GPU; --device cpu" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["training-jax.json", "loading.log", "training-torch.html"])
def test_an_earlier_check_is_not_lost(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that has files of one is refused, and they are as they were."""
    (tmp_path / "notes.txt").write_text("theirs", encoding="utf-8")
    assert earlier_files(tmp_path) == earlier_files(tmp_path / "none") == []
    (tmp_path / name).write_text("measured", encoding="utf-8")
    assert main([str(tmp_path), "--device", "cpu"]) == 2
    assert f"has {name} of an earlier check" in capsys.readouterr().err
    assert {each.name: each.read_text(encoding="utf-8") for each in tmp_path.iterdir()} == {
        "notes.txt": "theirs",
        name: "measured",
    }


@pytest.fixture
def packing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script that packs, which is in no package."""
    monkeypatch.syspath_prepend(ROOT / ".ci")
    return importlib.import_module("pack_gpu_check")


def test_what_is_carried_is_what_is_needed(packing: Any) -> None:
    """All that the package and the extras of the check depend on, but for what is there anyway."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["fast"], *extras["gpu"], *extras["report"]]
    names = {each.replace("[", ">").partition(">")[0].partition(";")[0].strip() for each in needed}
    there = {"numpy", "filelock", "jinja2", "tomli"}  # of torch, of Python 3.10's pytest
    assert names - {*packing.THERE} - there - {"tensorflow"} <= {*packing.CARRIED}
    assert [*packing.CARRIED] == sorted(packing.CARRIED)


def test_what_is_packed(packing: Any, tmp_path: Path) -> None:
    """Wheels, and the script that installs and runs them."""
    wheel = tmp_path / "some-1-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    packing.pack(tmp_path / "packed.tar.gz", [wheel])
    with tarfile.open(tmp_path / "packed.tar.gz") as archive:
        modes = {each.name: each.mode for each in archive.getmembers()}
    assert {*modes} == {"gpu-check/run", f"gpu-check/wheels/{wheel.name}"}
    assert modes["gpu-check/run"] & 0o100
