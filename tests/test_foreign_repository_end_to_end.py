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
from loader_gate.plugin.items import to_measure
from loader_gate.plugin.settings import settings_file
from loader_gate.registry.decorators import DeclaredBenchmark, declared_of
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


def installed(folder: Path) -> dict[str, str]:
    """Return the environment in which the plugin is installed, which it need not be where tests run."""
    about = folder / "installed" / "loader_gate_test-1.dist-info"
    write(
        about,
        {
            "METADATA": "Metadata-Version: 2.1\nName: loader-gate-test\nVersion: 1\n",
            "entry_points.txt": "[pytest11]\nloader_gate = loader_gate\n",
        },
    )
    return {"PYTHONPATH": str(about.parent)}


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, with nothing of these tests on its path."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env={**inherited, "LOADER_GATE_CACHE": str(folder / "cache"), **environment},
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
    benchmark.pedantic(lambda: None)
"""
#: What pytest imports itself.
BEFORE = "import sys\nBEFORE = {name for name in ('tomllib',) if name in sys.modules}\n"


@pytest.mark.parametrize("named_by", ["conftest", "option", "installed"])
def test_ordinary_tests_pay_nothing(named_by: str, tmp_path: Path) -> None:
    """Nothing of ours is imported beyond the plugin, nothing started or said, not even of a wrong setting."""
    settings = "[tool.loader-gate]\nno-such-setting = 1\n"
    write(tmp_path, {"test_inert.py": BEFORE + INERT, "pyproject.toml": settings})
    if named_by == "conftest":
        write(tmp_path, {"conftest.py": CONFTEST})
    options = ("-p", "loader_gate") if named_by == "option" else ()
    environment = installed(tmp_path) if named_by == "installed" else {}
    done = run(tmp_path, *STRICT, *options, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    # pytest's own line of those that are installed says that it is.
    said = [line for line in done.stdout.splitlines() if not line.startswith("plugins: ")]
    assert "loader" not in "".join(said)


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


def test_comparing_of_their_own_benchmarks(
    tmp_path: Path, run_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest-benchmark compares with its last run as it does without us."""
    test = "def test_it(benchmark):\n    benchmark.pedantic(lambda: None, rounds=5)\n"
    write(tmp_path, {"conftest.py": CONFTEST, "test_it.py": test})
    monkeypatch.setattr("cpuinfo.get_cpu_info", dict)  # it takes a second
    assert run_here(tmp_path, "--benchmark-autosave").returncode == 0
    done = run_here(tmp_path, "--benchmark-compare", "--benchmark-compare-fail=mean:1000000%")
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
def test_taken_names(
    plugins: tuple[str, ...], tmp_path: Path, run_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes first, others keep their options, and ours have names of their own."""
    monkeypatch.syspath_prepend(str(tmp_path))
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
    done = run_here(tmp_path, *chosen, *ours, "--collect-only", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = run_here(tmp_path, *chosen, "--help").stdout
    assert "--loader-gate-device=DEVICE" in shown
    assert "another plugin has --device" in " ".join(shown.split())
    assert "--loader-gate-profile=NAME" in shown
    assert "--loader-gate-gate" not in shown


@pytest.mark.parametrize(("options", "conftest"), [((), ""), (("-p", "loader_gate"), CONFTEST)])
def test_installed(options: tuple[str, ...], conftest: str, tmp_path: Path) -> None:
    """That is enough, and to name it as well is harmless; a conftest.py below the root keeps its options."""
    check = """
def pytest_collection_finish(session):
    assert session.config.option.device == "theirs"
"""
    files = {"benchmarks/test_loaders.py": LOADERS, "tests/test_it.py": "def test_theirs(): ...\n"}
    write(tmp_path, {**files, "tests/conftest.py": TAKES_DEVICE + check, "conftest.py": conftest})
    environment = installed(tmp_path)
    ours = ("--loader-gate-device=cpu", "--collect-only", "-q")
    done = run(tmp_path, *STRICT, *options, *ours, "benchmarks", "tests", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "benchmarks/test_loaders.py::photos[loading]" in node_ids(done)


def test_switched_off(tmp_path: Path) -> None:
    """``-p no:loader_gate`` does it, whoever names the plugin."""
    write(tmp_path, {"test_loaders.py": LOADERS, "conftest.py": CONFTEST})
    done = run(tmp_path, "-p", "no:loader_gate", "--collect-only", "-q", **installed(tmp_path))
    assert node_ids(done) == ["test_loaders.py::test_plain"]


def test_without_autoload(tmp_path: Path) -> None:
    """Who has pytest load no installed plugin names it, and then it is there."""
    write(tmp_path, {"test_loaders.py": LOADERS, "conftest.py": CONFTEST})
    environment = {**installed(tmp_path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = run(tmp_path, *STRICT, "-p", "benchmark", "--device=cpu", "--collect-only", "-q", **environment)
    assert "test_loaders.py::photos[loading]" in node_ids(done), done.stdout + done.stderr


# Decorated loaders.


def test_decorators_leave_the_function_alone() -> None:
    """It can be called, and has no other name."""

    def photos(tree: Tree, spec: Spec) -> list[Any]:
        return [tree, spec]

    decorated = loader_gate.loading(floor=2)(loader_gate.training(photos))
    assert decorated is photos
    assert declared_of(photos) == (
        DeclaredBenchmark("loading", 2.0, __name__),
        DeclaredBenchmark("training", None, __name__),
    )


def test_what_cannot_be_looked_at_is_no_loader() -> None:
    """Such as a lazy proxy outside of its context, or one that skips a test."""

    class Proxy:
        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            return pytest.skip("cannot be had")

    assert declared_of(Proxy()) == ()


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
    imported = """
import loader_gate
from benchmarks.test_loaders import photos

class TestIt:
    loader = staticmethod(photos)

def given(tree, spec):
    return []
"""
    given = """
import loader_gate
from benchmarks.test_imported import given, photos

named = loader_gate.loading(floor=1.2)(given)

class TestIt:
    loader = given
"""
    other = LOADERS.replace("photos", "others").replace("later", "never")
    write(
        tmp_path,
        {
            "conftest.py": CONFTEST,
            "benchmarks/test_loaders.py": LOADERS,
            "benchmarks/test_imported.py": imported,
            "benchmarks/test_given.py": given,
            "benchmarks/more/test_other.py": other,
            "fixtures/__init__.py": "",
        },
    )
    done = run_here(tmp_path, *STRICT, "benchmarks", "--collect-only", "-q", "--floor=photos=1.5")
    assert done.returncode == 0, done.stdout + done.stderr
    there = ("photos[loading]", "photos[dump]", "later[training]", "test_plain")
    more = ("others[loading]", "others[dump]", "never[training]", "test_plain")
    assert sorted(node_ids(done)) == sorted(
        [
            "benchmarks/test_given.py::named[loading]",
            *(f"benchmarks/test_loaders.py::{name}" for name in there),
            *(f"benchmarks/more/test_other.py::{name}" for name in more),
        ]
    )
    done = run_here(tmp_path, *STRICT, "benchmarks", "-k", "later or never", "-rs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 skipped" in done.stdout
    assert "not today" in done.stdout


def test_loaders_of_one_name(tmp_path: Path, run_here: Run) -> None:
    """They keep their node ids; everywhere else each goes by its module, also one of the command line."""
    check = """
def pytest_collection_finish(session):
    from loader_gate.plugin.items import key_of
    from loader_gate.plugin.start import SUITE
    suite = session.config.stash[SUITE]
    print("keys", *sorted({key_of(item)[1] for item in session.items if key_of(item)}))
    print("floors", sorted(suite.settings.gating.declared.items()))
"""
    one = "import loader_gate\n\n@loader_gate.loading(floor={})\ndef photos(tree, spec): ...\n"
    files = {"a/test_it.py": one.format(1), "b/test_it.py": one.format(2), "c/mine.py": ""}
    write(tmp_path, {"conftest.py": CONFTEST + check, **files})
    collect = (*STRICT, "--collect-only", "-q", "-s")
    done = run_here(tmp_path, *collect, "--floor=loading/a.test_it:photos=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [each for each in node_ids(done) if "keys" not in each] == [
        f"{folder}/test_it.py::photos[loading]" for folder in "ab"
    ]
    assert "keys a.test_it:photos b.test_it:photos\n" in done.stdout
    declared = [
        (("loading", f"{folder}.test_it:photos"), floor) for folder, floor in (("a", 1.0), ("b", 2.0))
    ]
    assert f"floors {declared}" in done.stdout
    assert "keys photos\n" in run_here(tmp_path, "a", *collect).stdout
    done = run_here(tmp_path, "a", *collect, "--loader=c.mine:photos")
    assert "keys a.test_it:photos c.mine:photos\n" in done.stdout
    assert "loader_gate::c.mine:photos[loading]" in done.stdout


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
            "pyproject.toml: [tool.loader-gate] batch-sise: there is no such setting; nearest: batch-",
        ),
        (
            {"pyproject.toml": "[tool.loader-gate]\nvariants = ['tfdata_no_cash']\n"},
            (),
            "variants in [tool.loader-gate] of pyproject.toml: there is no variant tfdata_no_cash",
        ),
        (
            {"test_more.py": LOADERS.replace("photos", "tfdata_no_cache").replace("later", "never")},
            (),
            "test_more.py: a variant is named tfdata_no_cache already; rename the function.",
        ),
        ({}, ("--loader=test_loaders:photos",), "--loader test_loaders:photos: it is given already, and "),
        ({"more/test_more.py": LOADERS}, ("--floor=photos=2",), "nearest: more.test_more:photos or test"),
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


def test_fixtures_of_theirs(tmp_path: Path, run_here: Run) -> None:
    """What is called as ours of the suite are is none of ours, and decorated loaders do without it."""
    theirs = """
import pytest

@pytest.fixture(params=["a", "b"])
def variant(request):
    return request.param

@pytest.fixture
def gate():
    raise AssertionError("not theirs")

@pytest.fixture(scope="session")
def image_tree():
    raise AssertionError("not theirs")
"""
    test = """
import pytest

@pytest.fixture
def gate():
    return 3

@pytest.mark.benchmark(group="doors")
def test_doors(variant, gate, benchmark):
    benchmark.pedantic(lambda: gate)
"""
    files = {"conftest.py": CONFTEST + theirs, "test_loaders.py": LOADERS, "test_doors.py": test}
    write(tmp_path, files)
    (tmp_path / "empty").mkdir()
    done = run_here(tmp_path, *STRICT, "-k", "doors or photos", "--image-root=empty")
    assert "not theirs" not in done.stdout
    assert "2 passed, 2 deselected, 2 errors" in done.stdout
    assert "No usable image tree" in done.stdout


@pytest.mark.parametrize(
    ("mark", "runs"),
    [
        ("skip", False),
        ("skipif(True, reason='so')", False),
        ("skipif(condition=True, reason='so')", False),
        ("skipif(False, reason='so')", True),
        ("skipif('False')", True),
        ("xfail(run=False)", False),
        ("xfail(True, run=False, reason='so')", False),
        ("xfail(False, run=False, reason='so')", True),
        ("xfail", True),
    ],
)
def test_what_a_mark_skips(mark: str, runs: bool, pytester: pytest.Pytester) -> None:
    """It is not measured for nobody to see."""
    code = f"""
import pytest
import loader_gate

@pytest.mark.{mark}
@loader_gate.loading
def photos(tree, spec): ...
"""
    pytester.makeconftest(CONFTEST)
    item = pytester.getitem(code, "photos[loading]")
    assert to_measure([item], ()) == ([("loading", "photos")] if runs else [])
    assert to_measure([item], ["photos"]) == [("loading", "photos")]


TIMEOUT = """
import types

import pytest

class Timeout:
    @pytest.hookspec(firstresult=True)
    def pytest_timeout_set_timer(self, item, settings):
        ...

def pytest_addhooks(pluginmanager):
    pluginmanager.add_hookspecs(Timeout)

def pytest_configure(config):
    config._env_timeout = 2.5

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    settings = types.SimpleNamespace(timeout=2.5)
    print(item.name, "timer:", item.ihook.pytest_timeout_set_timer(item=item, settings=settings))
    return (yield)
"""


def test_a_timeout_is_of_other_tests(tmp_path: Path, run_here: Run) -> None:
    """What pytest-timeout asks before it sets a timer is answered for benchmarks alone, and said first."""
    write(tmp_path, {"conftest.py": CONFTEST + TIMEOUT, "test_loaders.py": LOADERS})
    done = run_here(tmp_path, *STRICT, "--setup-plan", "-s")
    assert "test_plain timer: None" in done.stdout
    assert "photos[loading] timer: True" in done.stdout
    start, timer, rest = done.stdout.partition("timer:")
    assert start.count("pytest-timeout's 2.5 s do not count for benchmarks") == 1
    assert timer
    assert "do not count" not in rest
    done = run_here(tmp_path, *STRICT, "--setup-plan", "-k", "test_plain")
    assert "do not count" not in done.stdout


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


def test_a_floor_of_a_variant_beside_loaders(tmp_path: Path, run_here: Run) -> None:
    """It has to be kept, so the variant has an item in each workload of the loaders that it takes part in."""
    write(tmp_path, {"conftest.py": CONFTEST, "test_loaders.py": LOADERS})
    options = ("--variant=tfdata_no_cache", "--variant=tfdata_memory_cache")
    for floor, workloads in (("", ("loading", "training")), ("training/", ("training",))):
        given = (*options, f"--floor={floor}tfdata_no_cache=2")
        done = run_here(tmp_path, *STRICT, *given, "--collect-only", "-q")
        added = [each for each in node_ids(done) if each.startswith("loader_gate::")]
        assert sorted(added) == [f"loader_gate::tfdata_no_cache[{name}]" for name in workloads]


def test_the_nearest_settings(tmp_path: Path, run_here: Run) -> None:
    """A part of a repository has its own, or those of the folders above it, whatever pytest's root is."""
    wrong = "[tool.loader-gate]\nno-such = 1\n"
    files = {"part/inner/pyproject.toml": "[tool.other]\n", "part/inner/pytest.ini": "[pytest]\n"}
    write(tmp_path, {"part/pyproject.toml": wrong, "pyproject.toml": "[tool.loader-gate]\n", **files})
    inner = tmp_path / "part" / "inner"
    assert settings_file(inner, inner) == tmp_path / "part" / "pyproject.toml"
    assert settings_file(tmp_path, inner) == tmp_path / "pyproject.toml"
    write(inner, {"conftest.py": CONFTEST, "test_loaders.py": LOADERS})
    done = run_here(inner, *STRICT)
    assert f"{tmp_path / 'part' / 'pyproject.toml'}: [tool.loader-gate] no-such" in done.stderr
    (tmp_path / "part" / "pyproject.toml").unlink()
    assert run_here(inner, *STRICT, "--collect-only").returncode == 0


def test_settings_of_the_root_folder(tmp_path: Path) -> None:
    """They count where the session starts elsewhere, and no folder above it has any."""
    write(tmp_path, {"root/pyproject.toml": "[tool.loader-gate]\n", "elsewhere/pyproject.toml": ""})
    assert settings_file(tmp_path / "elsewhere", tmp_path / "root") == tmp_path / "root" / "pyproject.toml"


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


def commit_all(folder: Path) -> None:
    """Make a folder a repository of one commit."""
    from tests.test_against_end_to_end import git

    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "First")


def test_a_first_loader(tmp_path: Path, run_here: Run) -> None:
    """The change that brings it is no error: a note, in no colour of alarm, says what is not compared."""
    nothing_runs = "def pytest_runtestloop():\n    return True\n"
    write(tmp_path, {"conftest.py": CONFTEST + nothing_runs})
    commit_all(tmp_path)
    write(tmp_path, {"test_loaders.py": LOADERS})
    done = run_here(tmp_path, *STRICT, "--against=HEAD", "--color=yes")
    lines = done.stdout.splitlines()
    (note,) = (line for line in lines if "photos has no base: git does not track" in line)
    assert "\x1b" not in note
    (complaint,) = (line for line in lines if "Nothing was measured" in line)
    assert complaint.startswith("\x1b[31m")


def test_at_another_revision(their_loader: Variant, tmp_path: Path) -> None:
    """The file is that of the worktree, by its place in the repository, and so is what it imports."""
    commit_all(tmp_path)
    with base_of("HEAD", None, [their_loader], module_search_path(tmp_path), times_unchanged=True) as base:
        origin = base.origins["photos"]
        assert origin.inside is not None
        assert origin.file == str(Path(origin.inside) / "benchmarks" / "test_it.py")
        assert origin.search_path[0] == origin.inside
