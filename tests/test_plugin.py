"""The plugin, as a user meets it before anything is measured: node ids, ``--help``, and wrong options."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loader_gate.plugin.options import OPTIONS, TREES
from loader_gate.trees.request import PRESETS
from tests import node_ids as node_id_file
from tests.node_ids import listed

pytest_plugins = ("pytester",)

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = ("keras_image_data_generator", "tfdata_file_cache", "tfdata_memory_cache", "tfdata_no_cache")
DUMP = "benchmarks/test_dump.py::test_dump"
LIMIT = "benchmarks/test_limits.py::test_limit"
LOADING = "benchmarks/test_loading.py::test_throughput"
TRAINING = "benchmarks/test_training.py::test_epoch"

#: Scripts, saved runs and people know the tests by these names: a change breaks their history.
#: Whoever adds a variant has them written anew: `python -m tests.node_ids`.
LISTED = listed()
NODE_IDS = [name for name, by_default in LISTED.items() if by_default]

#: What takes long to import, and is needed only to measure.
HEAVY = ("tensorflow", "keras", "torch", "scipy", "PIL", "rich", "tomlkit", "plotly", "jinja2")


def run_pytest(folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run pytest in the repository; return what it said, and which heavy modules it had imported."""
    (folder / "list_heavy_modules.py").write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "def pytest_unconfigure():\n"
        f"    found = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "    Path(__file__).with_name('heavy.txt').write_text(' '.join(found))\n",
        encoding="utf-8",
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "-p", "list_heavy_modules", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(folder), "COLUMNS": "110"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done, (folder / "heavy.txt").read_text(encoding="utf-8")


def node_ids(output: str) -> list[str]:
    """Return the node ids that ``--collect-only -q`` listed."""
    return [line for line in output.splitlines() if "::" in line]


def test_collecting(tmp_path: Path) -> None:
    """These tests and no others, by these names, without importing a framework or building a tree."""
    done, heavy = run_pytest(tmp_path, "benchmarks/", "--collect-only", "-q", "-W", "error")
    assert done.returncode == 0, done.stderr
    assert node_ids(done.stdout) == NODE_IDS
    assert heavy == ""
    assert done.stderr == ""


@pytest.fixture
def collect(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """Return what collects as `run_pytest` does, but in this process, which takes less long: node ids."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(ROOT)

    def collected(*arguments: str) -> list[str]:
        result = pytester.runpytest_inprocess(*arguments, "--collect-only", "-q", "-p", "no:cacheprovider")
        assert result.ret == pytest.ExitCode.OK, str(result.stderr)
        return node_ids(str(result.stdout))

    return collected


def test_one_variant_comes_with_the_baseline(collect: Callable[..., list[str]]) -> None:
    """``--variant`` leaves only that variant and what it is compared with."""
    found = collect("benchmarks/", "--variant", "tfdata_no_cache")
    left = [f"{test}[{VARIANTS[number]}]" for test in (LOADING, TRAINING) for number in (0, 3)]
    assert [each for each in found if not each.startswith(DUMP)] == left


def test_several_variants_in_the_suites_order(collect: Callable[..., list[str]]) -> None:
    """The order of the options does not matter, nor does the baseline among them or one given twice."""
    names = ("tfdata_no_cache", "tfdata_file_cache", "keras_image_data_generator", "tfdata_no_cache")
    options = [f"--variant={name}" for name in names]
    chosen = (VARIANTS[0], VARIANTS[1], VARIANTS[3])
    assert collect("benchmarks/", *options) == [
        f"{DUMP}[tfdata_file_cache]",
        *(f"{test}[{name}]" for test in (LOADING, TRAINING) for name in chosen),
    ]


def test_all_of_them(tmp_path: Path) -> None:
    """``--variant all`` adds what runs on request only, installed or not."""
    done, heavy = run_pytest(tmp_path, "benchmarks/", "--variant=all", "--collect-only", "-q")
    assert node_ids(done.stdout) == [*LISTED]
    assert heavy == ""


def test_loaders_are_collected_last(tmp_path: Path, collect: Callable[..., list[str]]) -> None:
    """A user's loaders have tests like any other, behind the suite's own; collecting imports none of them."""
    (tmp_path / "my_loaders.py").write_text("raise SystemExit('imported')\n", encoding="utf-8")
    options = ("--loader=my_loaders:b", "--loader=my_loaders:a", "--variant=tfdata_no_cache")
    found = collect("benchmarks/test_loading.py", *options)
    assert found == [f"{LOADING}[{name}]" for name in (VARIANTS[0], VARIANTS[3], "b", "a")]


def test_loaders_of_one_name(tmp_path: Path, collect: Callable[..., list[str]]) -> None:
    """Each goes by its module, too, and can be selected so; one of them alone by its function's name."""
    (tmp_path / "my_loaders.py").touch()
    (tmp_path / "more_loaders.py").touch()
    both = ("--loader=my_loaders:a", "--loader=more_loaders:a", "--variant=keras_image_data_generator")
    names = ("my_loaders:a", "more_loaders:a")
    floors = ("--floor=loading/my_loaders:a=2", "--floor=more_loaders:a=3")
    found = collect("benchmarks/test_loading.py", *both, *floors)
    assert found == [f"{LOADING}[{name}]" for name in (VARIANTS[0], *names)]
    for name in names:
        assert collect(f"{LOADING}[{name}]", *both) == [f"{LOADING}[{name}]"]
    found = collect("benchmarks/test_loading.py", *both[1:], "--variant=a")
    assert found == [f"{LOADING}[{name}]" for name in (VARIANTS[0], "a")]


def test_help(tmp_path: Path) -> None:
    """Every option is in one group, with a word on what it does, and asking costs no import."""
    done, heavy = run_pytest(tmp_path, "benchmarks/", "--help")
    assert done.returncode == 0, done.stderr
    assert heavy == ""
    _, found, group = done.stdout.partition("\nimage loaders:")
    assert found
    assert "image loaders:" not in group.partition("\n")[2]
    lines = group.partition("\n\n")[0].splitlines()
    shown = [line.split()[0].partition("=")[0] for line in lines if line.startswith("  --")]
    assert shown == [f"--{option.name}" for option in OPTIONS]
    assert "--loader-gate-" not in done.stdout


def test_help_of_trees() -> None:
    """What it says of them, without importing them, is what they are."""
    assert {name: preset.about for name, preset in PRESETS.items()} == TREES


def test_a_node_id_does_not_vanish_silently(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command adds what is new, and forgets nothing unless it is told to."""
    monkeypatch.setattr(node_id_file, "FILE", tmp_path / "node_ids.txt")
    monkeypatch.setattr(node_id_file, "collected", lambda: {"a[x]": True, "a[y]": False})
    assert node_id_file.main([]) == 0
    monkeypatch.setattr(node_id_file, "collected", lambda: {"a[y]": False, "a[z]": True})
    assert node_id_file.main([]) == 1
    assert node_id_file.listed() == {"a[x]": True, "a[y]": False}
    assert node_id_file.main(["--forget"]) == 0
    assert node_id_file.listed() == {"a[y]": False, "a[z]": True}


@pytest.fixture
def user_folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with a test that would say so if it ran, and files of floors, good and bad."""
    monkeypatch.setenv("LOADER_GATE_CACHE", str(pytester.path / "cache"))
    pytester.makepyfile(test_user="def test_it(image_tree): print('it ran')")
    (pytester.path / "my_loaders.py").touch()
    (pytester.path / "more_loaders.py").touch()
    for name, text in {
        "empty": "",
        "broken": "[profiles",
        "good": "[profiles.mine.loading]\ntfdata_no_cache = 1.5\n",
        "unknown_variant": "[profiles.mine.loading]\ntfdata_no_cash = 1.5\n",
        "unknown_workload": "[profiles.mine.lading]\ntfdata_no_cache = 1.5\n",
        "not_a_number": "[profiles.mine.loading]\ntfdata_no_cache = 'high'\n",
    }.items():
        (pytester.path / f"{name}.toml").write_text(text, encoding="utf-8")
    return pytester.path


def run_in_user_folder(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest with the suite's plugins."""
    return pytester.runpytest_inprocess("-p", "loader_gate", "-p", "no:cacheprovider", *options)


@pytest.mark.usefixtures("user_folder")
def test_right_options(pytester: pytest.Pytester) -> None:
    """What the tests of wrong options change is right to begin with."""
    options = ("--loader=my_loaders:fast", "--floor=fast=2", "--floors=good.toml", "--profile=mine")
    result = run_in_user_folder(pytester, *options, "--variant=tfdata_no_cache", "--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.usefixtures("user_folder")
def test_a_report_of_nothing(pytester: pytest.Pytester) -> None:
    """A session that has measured nothing says so; one that only collects says nothing."""
    assert run_in_user_folder(pytester, "--report=report.html", "--collect-only").ret == pytest.ExitCode.OK
    assert not (pytester.path / "report.html").exists()
    result = run_in_user_folder(pytester, "--report=report.html", "-k", "no_such_test")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert result.outlines[-1] == "Report: report.html"
    assert "<title>Nothing was measured" in (pytester.path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--variant tfdata_no_cash", "--variant tfdata_no_cash: no such variant; nearest: tfdata_no_cac"),
        ("--variant fats --loader my_loaders:fast", "--variant fats: no such variant; nearest: fast"),
        ("--device emulated --weights imagenet", "--weights imagenet: the emulated accelerator has no model"),
        ("--device emulated:9 --weights imagenet", "--weights imagenet: the emulated accelerator has no mod"),
        ("--profile laptop", "--profile: there is no file of floors; give one with --floors FILE, or as"),
        ("--update-floors", "--update-floors: there is no file of floors; give one with --floors FILE"),
        ("--profile laptop --floors good.toml", "--profile laptop: no such profile"),
        ("--floor tfdata_no_cache", "--floor tfdata_no_cache: expected VARIANT=X"),
        ("--floor tfdata_no_cache=", "--floor tfdata_no_cache=: the floor is ''"),
        ("--floor tfdata_no_cache=fast", "the floor is 'fast', expected a number above 0"),
        ("--floor tfdata_no_cache=0", "expected a number above 0"),
        ("--floor tfdata_no_cache=-1", "expected a number above 0"),
        ("--floor tfdata_no_cache=nan", "expected a number above 0"),
        ("--floor keras_image_data_generator=1", "is the baseline"),
        ("--floor my-loader=2", "--floor my-loader=2: expected VARIANT=X"),
        ("--floor lading/tfdata_no_cache=2", "no such workload; nearest: loading"),
        ("--floors nowhere.toml", "nowhere.toml cannot be read"),
        ("--floors broken.toml", "broken.toml is not TOML"),
        ("--floors unknown_variant.toml", "tfdata_no_cash: no such variant; nearest: tfdata_no_cache"),
        ("--floors unknown_workload.toml", "lading: no such key or workload; nearest: loading"),
        ("--floors not_a_number.toml", "the floor is 'high', expected a number above 0"),
        ("--floors empty.toml --update-floors", "--update-floors: No floors: no profile in"),
        ("--loader my_loaders", "--loader my_loaders: expected MODULE:FUNCTION"),
        ("--loader my_loaders.py:fast()", "expected MODULE:FUNCTION"),
        ("--loader no_such_module:fast", "--loader no_such_module:fast: no module 'no_such_module'"),
        ("--loader my_loaders:tfdata_no_cache", "--loader my_loaders:tfdata_no_cache: "),
        (
            "--loader my_loaders:tfdata_no_cache --variant tfdata_file_cache",
            "is named tfdata_no_cache already",
        ),
        ("--loader my_loaders:fast --loader my_loaders:fast", "it is given already; leave one out"),
        ("--session-seed -1", "--session-seed -1: expected a whole number of at least 0"),
        ("--session-seed monday", "invalid int value: 'monday'"),
        ("--gate loose", "'loose'"),
        ("--budget 0", "--budget 0.0: expected a number above 0"),
        ("--budget -5", "--budget -5.0: expected a number above 0"),
        ("--budget soon", "invalid float value: 'soon'"),
        ("--image-size 0", "--image-size 0: expected a number above 0"),
        ("--image-size 224x224", "invalid int value: '224x224'"),
        ("--batch-size 0", "--batch-size 0: expected a number above 0"),
        ("--hang-after 0", "--hang-after 0.0: expected a number above 0"),
        ("--budget nan --collect-only", "--budget nan: expected"),
        ("--hang-after nan --collect-only", "--hang-after nan: expected"),
        ("--hang-after inf --collect-only", "--hang-after inf: expected"),
        ("--report nowhere/report.html", "--report nowhere/report.html: there is no folder nowhere"),
        ("--report .", "--report .: it is a folder"),
        ("--image-root nowhere", "nowhere does not exist; expected a folder of images"),
        ("--coco-annotations a.json", "--coco-annotations needs --image-root"),
        ("--tree-images 0", "--tree-images is 0; expected a whole number of at least 1"),
        ("--tree-images 4 --classes 5", "cannot be made of 4 images"),
    ],
)
def test_wrong_options(options: str, message: str, user_folder: Path, pytester: pytest.Pytester) -> None:
    """A usage error that names the option and what was expected, in a line, before anything is built."""
    result = run_in_user_folder(pytester, *options.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if message in line)
    assert error.startswith("ERROR: ") or ": error: " in error
    assert sum(line.startswith("ERROR: ") for line in result.errlines) == 1
    assert "Traceback" not in str(result.stderr)
    assert not result.outlines
    assert not (user_folder / "cache").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--floor tfdata_no_cash=2",
            "--floor tfdata_no_cash=2: no such variant; nearest: tfdata_no_cache",
        ),
        (
            "--floor tfdata_no_cache=1 --variant tfdata_file_cache",
            "--floor tfdata_no_cache=1: no such variant",
        ),
        ("--floor fast=2", "--floor fast=2: no such variant"),
        ("--floor loading/my_loaders:fast=2", "--floor loading/my_loaders:fast=2: no such variant"),
        (
            "--loader my_loaders:fast --loader more_loaders:fast --floor fast=2",
            "--floor fast=2: no such variant; nearest: my_loaders:fast or more_loaders:fast",
        ),
    ],
)
@pytest.mark.usefixtures("user_folder")
def test_floor_of_no_variant(options: str, message: str, pytester: pytest.Pytester) -> None:
    """It may be a loader's that is only found by collecting, so it is wrong once all are collected."""
    result = run_in_user_folder(pytester, *options.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (error,) = (line for line in result.errlines if line)
    assert error.startswith(f"ERROR: {message}")
    assert "it ran" not in str(result.stdout)


BENCHMARK = """
    import pytest

    @pytest.mark.kinds("rival")
    @pytest.mark.benchmark(group="loading")
    def test_rival(variant, gate, benchmark):
        gate("loading", variant, benchmark)
"""
LOAD = "KIND = 'rival'\ndef load(tree, spec): return []\n"


@pytest.fixture
def rivals(
    user_folder: Path, pytester: pytest.Pytester, drop_in: Callable[[str, str], Path]
) -> Callable[..., list[str]]:
    """Rivals by default, on request, in another workload and not installed; and what is collected of them."""
    assert user_folder == pytester.path
    pytester.makepyfile(test_rivals=BENCHMARK)
    drop_in("by_default", LOAD)
    drop_in("on_request", f"DEFAULT = False\n{LOAD}")
    drop_in("trains_only", f"DEFAULT = ('training',)\n{LOAD}")
    drop_in("not_there", f"REQUIRES = 'no_such_library'\nINSTALL = 'pip install \"x[y]\"'\n{LOAD}")

    def collected(*options: str) -> list[str]:
        result = run_in_user_folder(pytester, "test_rivals.py", *options, "--collect-only", "-q")
        return [line.partition("[")[2].rstrip("]") for line in result.outlines if "::test_rival[" in line]

    return collected


def test_what_takes_part(rivals: Callable[..., list[str]]) -> None:
    """By default what is meant to; with a name only that; with ``all`` everything."""
    dropped = {"by_default", "on_request", "trains_only", "not_there"}
    assert dropped & {*rivals()} == {"by_default", "not_there"}
    assert rivals("--variant=on_request") == ["on_request"]
    assert rivals("--variant=trains_only") == ["trains_only"]
    assert dropped <= {*rivals("--variant=all")}
    assert dropped <= {*rivals("--variant=all", "--variant=tfdata_no_cache")}


@pytest.mark.usefixtures("rivals")
def test_what_is_not_installed_is_skipped_by_name(pytester: pytest.Pytester) -> None:
    """The reason has the line that installs it; and a run of nothing else is no success."""
    result = run_in_user_folder(pytester, "test_rivals.py", "-k", "not_there", "-rs")
    result.assert_outcomes(skipped=1)
    assert 'not_there needs no_such_library: pip install "x[y]"' in " ".join(str(result.stdout).split())
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["Nothing was measured, so this run is no success."])


@pytest.mark.usefixtures("rivals")
def test_what_is_not_installed_cannot_be_asked_for(pytester: pytest.Pytester) -> None:
    """That is a wrong option, and the line that installs it is said."""
    result = run_in_user_folder(pytester, "test_rivals.py", "--variant=not_there")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert 'ERROR: --variant not_there: it needs no_such_library: pip install "x[y]"' in result.errlines


@pytest.mark.usefixtures("rivals")
def test_floors_of_what_is_not_installed(pytester: pytest.Pytester) -> None:
    """A file of floors may have them: it is the same file on every machine."""
    floors = "[profiles.mine.loading]\nnot_there = 1.5\non_request = 1.5\n"
    (pytester.path / "rivals.toml").write_text(floors, encoding="utf-8")
    result = run_in_user_folder(pytester, "--floors=rivals.toml", "--collect-only", "-q")
    assert result.ret == pytest.ExitCode.OK
