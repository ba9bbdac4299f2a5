"""Annotations on GitHub: at the file and line of the variant, one a failure, and nothing anywhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import scipy.special  # noqa: F401 (pytester forgets what a session has imported, and this can be imported only once)

from loader_gate.machine.noise import read_noise
from loader_gate.plugin.annotations import Annotation, place_of
from loader_gate.plugin.suite import Suite
from loader_gate.registry.own import user_variant
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation.measurement import Measurement
from loader_gate.session.result import Result
from loader_gate.trees.tree import Tree
from loader_gate.workloads.device import Device
from loader_gate.workloads.known import workload
from loader_gate.workloads.workload import WorkloadOptions

pytest_plugins = ("pytester",)

ROOT = Path(__file__).resolve().parents[1]

TESTS = """
import pytest
from loader_gate.plugin.books import passes_clock

@pytest.fixture
def image_tree():
    return None

@pytest.mark.benchmark(group="loading", timer=passes_clock)
def test_throughput(variant, gate, benchmark):
    gate("loading", variant, benchmark)

def test_another():
    assert False
"""


def test_it_is_one_line() -> None:
    """Whatever a message, a title or a file holds, GitHub takes all of it, and nothing else, for it."""
    nasty = "50 %, a:b\r\n::error::forged"
    found = str(Annotation("error", nasty, nasty, "a,b:c.py", 7))
    assert found == (
        "::error file=a%2Cb%3Ac.py,line=7,title=50 %25%2C a%3Ab%0D%0A%3A%3Aerror%3A%3Aforged"
        "::50 %25, a:b%0D%0A::error::forged"
    )


def test_without_a_file() -> None:
    """It is shown at the run as a whole."""
    assert str(Annotation("warning", "a", "b", "", 1)) == "::warning title=a::b"


def test_place_of_a_variant() -> None:
    """It is the function in its module, relative to the repository."""
    variant = Variant("tfdata_no_cache", "loader_gate.variants.tfdata_no_cache")
    file, line = place_of(variant, [str(ROOT)], ROOT)
    assert file == "src/loader_gate/variants/tfdata_no_cache.py"
    assert (ROOT / file).read_text(encoding="utf-8").splitlines()[line - 1].startswith("def load(")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n\ndef fast(tree, spec): pass\n", 3),
        ("class fast: pass", 1),
        ("\nfast = 1", 2),
        ("def", 1),
        ("\0", 1),
    ],
)
def test_place_of_a_loader(text: str, line: int, tmp_path: Path) -> None:
    """A user's loader is found in a package, without importing it; line 1 if that is not plain."""
    package = tmp_path / "source" / "my_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    (package / "loaders.py").write_text(text, encoding="utf-8")
    path = [str(tmp_path / "source")]
    loader = user_variant("my_package.loaders:fast", path)
    assert place_of(loader, path, tmp_path) == ("source/my_package/loaders.py", line)
    assert place_of(loader, path, tmp_path / "elsewhere") == ("", 1)
    by_file = replace(loader, module="test_loaders", file=str(package / "loaders.py"))
    assert place_of(by_file, [], tmp_path) == ("source/my_package/loaders.py", line)
    assert place_of(Variant("gone", "my_package.gone", "gone"), path, tmp_path) == ("", 1)


@pytest.fixture
def run_made_up(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    make_measurement: Callable[..., Measurement],
    tiny_tree: Tree,
) -> Callable[..., pytest.RunResult]:
    """Return a function that runs a session with made-up measurements."""
    measurements = {
        BASELINE: make_measurement(BASELINE, floor=None),
        "tfdata_no_cache": make_measurement(status="fail"),
        "fast": replace(make_measurement(status="undecided"), variant=Variant("fast", "my_loaders", "fast")),
        "lost": make_measurement("lost", status="unmeasured", estimate=None, seconds=()),
    }

    def measure(suite: Suite, name: str, *_: Any) -> None:
        work = workload(name, WorkloadOptions(Device("cpu")))
        noise = (read_noise(), read_noise())
        extra_info: dict[str, dict[str, Any]] = {each: {} for each in measurements}
        suite.results[name] = Result(work, tiny_tree, measurements, extra_info, noise, ())

    monkeypatch.setattr(Suite, "measure", measure)
    pytester.makepyfile(
        test_made_up=TESTS, my_loaders="def lost(tree, spec): pass\ndef fast(tree, spec): pass"
    )

    def run(*options: str) -> pytest.RunResult:
        return pytester.runpytest_inprocess(
            *(
                "-ploader_gate",
                "-pno:cacheprovider",
                "--variant=tfdata_no_cache",
                "--benchmark-storage=storage",
            ),
            *("--loader=my_loaders:fast", "--loader=my_loaders:lost", *options),
            f"--floors={ROOT / 'benchmarks' / 'floors.toml'}",
        )

    return run


def _commands(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("::")]


def test_on_github(
    run_made_up: Callable[..., pytest.RunResult], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failures are errors, what is undecided is a warning, and other tests are no business of ours."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path))
    result = run_made_up("-Wignore")
    sentence = "tfdata_no_cache (loading, profile"
    failed, undecided, lost = _commands(result)
    # The suite is not part of the user's repository.
    assert failed.startswith(f"::error title=tfdata_no_cache (loading)%3A fail::{sentence}")
    assert undecided.startswith(
        "::warning file=my_loaders.py,line=2,title=fast (loading)%3A undecided::fast ("
    )
    assert lost.startswith("::error file=my_loaders.py,line=1,title=lost (loading)%3A unmeasured::lost (")
    assert result.outlines[-4:-1] == [failed, undecided, lost]
    assert [line.split(",")[0] for line in _commands(run_made_up("--gate=strict"))][
        1
    ] == "::error file=my_loaders.py"


def test_elsewhere(run_made_up: Callable[..., pytest.RunResult], monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of the kind is printed."""
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    result = run_made_up("-Wignore")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert _commands(result) == []
