"""The plugin in a repository that is not ours: inert, beside other plugins, and with its own loaders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

import pytest

import loader_gate
from loader_gate.base.base import base_of
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.trees.tree import Tree
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerProcess, module_search_path
from tests.sessions import TESTS

pytest_plugins = ("pytester",)

STRICT = ("-W", "error", "--strict-markers", "--import-mode=importlib", "-p", "no:cacheprovider")
CONFTEST = 'pytest_plugins = ["loader_gate"]\n'
LOADERS = """
import pytest
import loader_gate

@loader_gate.loading(floor=1.2)
@loader_gate.dump
def photos(tree, spec):
    return []

@pytest.mark.skip(reason="not today")
@loader_gate.training
def later(tree, spec):
    return []

def test_plain():
    pass
"""


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files, by their names."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


class Run(Protocol):
    """Runs pytest in a folder."""

    def __call__(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Return what came of it."""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, with nothing of these tests on its path."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env={**inherited, "LOADER_GATE_CACHE": str(folder / "cache")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def run_here(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs pytest in a folder as `run` does, but in this process, which takes less long."""
    monkeypatch.setenv("LOADER_GATE_CACHE", str(pytester.path / "cache"))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def runs(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(folder)
        done = pytester.runpytest_inprocess(*arguments)
        return subprocess.CompletedProcess(arguments, done.ret, done.stdout.str(), done.stderr.str())

    return runs


def node_ids(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the node ids that ``--collect-only -q`` listed."""
    return [line for line in done.stdout.splitlines() if "::" in line]


# Ordinary tests.

INERT = """
import signal, sys, threading

def test_nothing_is_there():
    ours = sorted(name for name in sys.modules if name.startswith("loader_gate"))
    assert ours == [
        "loader_gate", "loader_gate.plugin", "loader_gate.plugin.hooks", "loader_gate.plugin.options"
    ]
    heavy = {"numpy", "psutil", "tensorflow", "rich", "scipy", "tomllib", "PIL"}
    assert heavy & {*sys.modules} - BEFORE == set()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert threading.active_count() == 1

def test_benchmark_of_their_own(benchmark):
    benchmark(lambda: None)
"""
#: What pytest imports itself.
BEFORE = "import sys\nBEFORE = {name for name in ('tomllib',) if name in sys.modules}\n"


@pytest.mark.parametrize("named_by", ["conftest", "option"])
def test_ordinary_tests_pay_nothing(named_by: str, tmp_path: Path) -> None:
    """Nothing of ours is imported beyond the plugin, nothing started or said, not even of a wrong setting."""
    settings = "[tool.loader-gate]\nno-such-setting = 1\n"
    write(tmp_path, {"test_inert.py": BEFORE + INERT, "pyproject.toml": settings})
    if named_by == "conftest":
        write(tmp_path, {"conftest.py": CONFTEST})
    done = run(tmp_path, *STRICT, *(("-p", "loader_gate") if named_by == "option" else ()))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "loader" not in done.stdout


@pytest.mark.parametrize("options", [(), ("-p", "loader_gate")])
def test_imported_before_and_after(options: tuple[str, ...], tmp_path: Path) -> None:
    """No warning that assertions of an imported module are not rewritten, whoever comes first."""
    files = {
        "conftest.py": f"import loader_gate\n{CONFTEST}",
        "test_it.py": "from loader_gate import Tree, Spec\n",
    }
    write(tmp_path, {**files, "test_more.py": "def test_more(): import loader_gate.plugin.hooks\n"})
    done = run(tmp_path, *STRICT, *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_comparing_of_their_own_benchmarks(tmp_path: Path) -> None:
    """pytest-benchmark compares with its last run as it does without us."""
    test = "def test_it(benchmark):\n    benchmark(lambda: None)\n"
    write(tmp_path, {"conftest.py": CONFTEST, "test_it.py": test})
    assert run(tmp_path, "--benchmark-autosave").returncode == 0
    done = run(tmp_path, "--benchmark-compare", "--benchmark-compare-fail=mean:1000000%")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Comparing against benchmarks from:" in done.stdout + done.stderr
    assert "test_it (0001" in done.stdout


# Names of options.

TAKES_PROFILE = """
def pytest_addoption(parser):
    parser.getgroup("profiling").addoption("--profile", action="store_true", help="theirs")
"""
TAKES_DEVICE = """
def pytest_addoption(parser):
    parser.addoption("--device", default="theirs")
"""


@pytest.mark.parametrize(
    "plugins", [("loader_gate", "profiling"), ("profiling", "loader_gate"), ("profiling",)]
)
def test_taken_names(plugins: tuple[str, ...], tmp_path: Path) -> None:
    """Whoever comes first, others keep their options, and ours have names of their own."""
    write(tmp_path, {"profiling.py": TAKES_PROFILE, "test_loaders.py": LOADERS})
    named = CONFTEST if "loader_gate" not in plugins else ""
    check = """
def pytest_collection_finish(session):
    from loader_gate.plugin.settings import options_of
    config = session.config
    assert (config.option.device, config.option.profile) == ("theirs", True)
    options = options_of(config)
    assert (options.device, options.gate, options.batch_size) == ("cpu", "strict", 7)
"""
    write(tmp_path, {"conftest.py": named + TAKES_DEVICE + check})
    chosen = [part for plugin in plugins for part in ("-p", plugin)]
    ours = ("--profile", "--loader-gate-device=cpu", "--gate=strict", "--loader-gate-batch-size=7")
    done = run(tmp_path, *chosen, *ours, "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = run(tmp_path, *chosen, "--help").stdout
    assert "--loader-gate-device=DEVICE" in shown
    assert "another plugin has --device" in " ".join(shown.split())
    assert "--loader-gate-profile=NAME" in shown
    assert "--loader-gate-gate" not in shown


# Decorated loaders.


def test_decorators_leave_the_function_alone() -> None:
    """It can be called, and has no other name."""

    def photos(tree: Tree, spec: Spec) -> list[Any]:
        return [tree, spec]

    decorated = loader_gate.loading(floor=2)(loader_gate.training(photos))
    assert decorated is photos


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("loading(1.2)", TypeError, r"a floor has a name: loader_gate.loading\(floor=1.2\)"),
        (
            "loading(floor='1.2')",
            TypeError,
            r"@loader_gate.loading\(floor='1.2'\): expected a number above 0",
        ),
        ("dump(floor=True)", TypeError, "expected a number above 0"),
        ("training(floor=0)", ValueError, "expected a number above 0"),
        ("loading(floor=float('nan'))", ValueError, "expected a number above 0"),
        ("loading(loader_gate.loading(lambda tree, spec: []))", ValueError, "has it already"),
    ],
)
def test_wrong_decorators(code: str, error: type[Exception], message: str) -> None:
    """They are refused where they stand."""
    with pytest.raises(error, match=message):
        eval(f"loader_gate.{code}")  # noqa: S307


def test_collecting_loaders(tmp_path: Path, run_here: Run) -> None:
    """A loader is an item a workload, with its own marks; beside it, tests are what they were."""
    imported = "from benchmarks.test_loaders import photos\n"
    write(
        tmp_path,
        {
            "conftest.py": CONFTEST,
            "benchmarks/test_loaders.py": LOADERS,
            "benchmarks/test_imported.py": imported,
            "benchmarks/more/test_other.py": LOADERS,
            "fixtures/__init__.py": "",
        },
    )
    done = run_here(tmp_path, *STRICT, "benchmarks", "--collect-only", "-q", "--floor=photos=1.5")
    assert done.returncode == 0, done.stdout + done.stderr
    there = ("photos[loading]", "photos[dump]", "later[training]", "test_plain")
    assert sorted(node_ids(done)) == sorted(
        [
            *(f"benchmarks/test_imported.py::photos[{workload}]" for workload in ("loading", "dump")),
            *(f"benchmarks/test_loaders.py::{name}" for name in there),
            *(f"benchmarks/more/test_other.py::{name}" for name in there),
        ]
    )
    done = run_here(tmp_path, *STRICT, "benchmarks", "-k", "later", "-rs")
    assert "2 skipped" in done.stdout
    assert "not today" in done.stdout


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("class TestIt:\n    @loader_gate.loading\n    def photos(self, tree, spec): ...", "not of a class"),
        (
            "@pytest.mark.parametrize('a', [1])\n@loader_gate.loading\ndef photos(tree, spec): ...",
            "it cannot be parametrized",
        ),
    ],
)
def test_what_no_loader_can_be(code: str, message: str, tmp_path: Path, run_here: Run) -> None:
    """It is an error of collecting, in a line."""
    write(tmp_path, {"conftest.py": CONFTEST, "test_it.py": f"import pytest\nimport loader_gate\n{code}\n"})
    done = run_here(tmp_path, *STRICT)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert message in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (
            {"pyproject.toml": "[tool.loader-gate]\nbatch-sise = 3\n"},
            (),
            "pyproject.toml: [tool.loader-gate] batch-sise: there is no such setting; did you mean batch-",
        ),
        (
            {"pyproject.toml": "[tool.loader-gate]\nvariants = ['tfdata_no_cash']\n"},
            (),
            "variants in [tool.loader-gate] of pyproject.toml: there is no variant tfdata_no_cash",
        ),
        (
            {"test_more.py": LOADERS.replace("photos", "tfdata_no_cache")},
            (),
            "test_more.py: a variant is named tfdata_no_cache already; rename the function.",
        ),
        ({}, ("--benchmark-compare-fail=mean:5%",), "--benchmark-compare-fail: there is nothing to compare"),
        ({}, ("--against=HEAD~1",), "--against HEAD~1: "),
    ],
)
def test_what_is_wrong_once_collected(
    files: dict[str, str], options: tuple[str, ...], message: str, tmp_path: Path, run_here: Run
) -> None:
    """It is an error of usage as before collecting, and nothing is measured."""
    write(tmp_path, {"conftest.py": CONFTEST, "test_loaders.py": LOADERS, **files})
    done = run_here(tmp_path, *STRICT, *options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout + done.stderr
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("ERROR: "))
    assert message in error
    assert "Traceback" not in done.stdout + done.stderr


def test_without_pytest_benchmark(tmp_path: Path, run_here: Run) -> None:
    """There are no books to enter anything into: the way out is said."""
    write(tmp_path, {"conftest.py": CONFTEST, "test_loaders.py": LOADERS})
    for options, stream in (((), "stdout"), (("--image-size=32",), "stderr")):
        done = run_here(tmp_path, *STRICT, "-p", "no:benchmark", *options)
        assert "leave out -p no:benchmark" in getattr(done, stream)
        assert done.returncode != 0
        assert "Traceback" not in done.stdout + done.stderr


# What the command line alone asks for.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--loader=mine.loaders:photos",), ["loader_gate::photos[loading]"]),
        (
            ("--variant=tfdata_no_cache",),
            [f"loader_gate::{name}[loading]" for name in ("keras_image_data_generator", "tfdata_no_cache")],
        ),
        (("--loader=mine.loaders:photos", "-k", "other"), []),
        (("--image-size=32",), []),
    ],
)
def test_without_any_test(
    options: tuple[str, ...], expected: list[str], tmp_path: Path, run_here: Run
) -> None:
    """A loader or variant that no test measures has an item of its own, which ``-k`` can leave out."""
    write(
        tmp_path,
        {"mine/loaders.py": "raise SystemExit('imported')", "tests/test_it.py": "def test_it(): pass"},
    )
    done = run_here(tmp_path, "-p", "loader_gate", *STRICT, *options, "--collect-only", "-q")
    assert [each for each in node_ids(done) if "test_it" not in each] == expected


def test_variants_beside_loaders(tmp_path: Path, run_here: Run) -> None:
    """Where loaders have tests, ``--variant`` names what is measured beside them: no item is theirs."""
    write(tmp_path, {"conftest.py": CONFTEST, "test_loaders.py": LOADERS})
    done = run_here(tmp_path, *STRICT, "--variant=tfdata_no_cache", "--collect-only", "-q")
    assert "loader_gate::" not in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


# In the worker, and at another revision.

LOADER = """
import loader_gate
from benchmarks.helpers import Epochs
from .near import NEAR

@loader_gate.loading
def photos(tree, spec):
    return Epochs(tree, spec)
"""
HELPERS = "from sample_loaders import Epochs as Base\nclass Epochs(Base): SIDE = 'head'\n"


@pytest.fixture
def their_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Variant:
    """A loader in a folder without ``__init__.py`` that imports its neighbours in both ways."""
    monkeypatch.syspath_prepend(str(TESTS))
    write(
        tmp_path,
        {
            "benchmarks/test_it.py": LOADER,
            "benchmarks/helpers.py": HELPERS,
            "benchmarks/near.py": "NEAR = 1\n",
        },
    )
    file = tmp_path / "benchmarks" / "test_it.py"
    return Variant("photos", "benchmarks.test_it", "photos", file=str(file), path=(str(tmp_path),))


@pytest.mark.parametrize("module", ["benchmarks.test_it", "test_it"])
def test_a_worker_imports_the_file(
    module: str, their_loader: Variant, tiny_tree: Tree, tmp_path: Path
) -> None:
    """By the name that pytest gave it, whatever else is called so; by its file where that leads nowhere."""
    text = LOADER if "." in module else LOADER.replace("from .near", "from benchmarks.near")
    Path(their_loader.file).write_text(text, encoding="utf-8")
    variant = Variant("photos", module, "photos", file=their_loader.file, path=their_loader.path)
    worker = WorkerProcess(variant, module_search_path(tmp_path / "elsewhere"), WorkerLimits(60.0))
    try:
        opened = worker.open(tiny_tree, Spec((32, 32), 5, True, 0, tmp_path))
        assert opened["kind"] == "streaming"
    finally:
        worker.end()


def test_at_another_revision(their_loader: Variant, tmp_path: Path) -> None:
    """The file is that of the worktree, by its place in the repository, and so is what it imports."""
    from tests.test_against_end_to_end import git

    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    with base_of("HEAD", None, [their_loader], module_search_path(tmp_path)) as base:
        origin = base.origins["photos"]
        assert origin.inside is not None
        assert origin.file == str(Path(origin.inside) / "benchmarks" / "test_it.py")
        assert origin.search_path[0] == origin.inside
