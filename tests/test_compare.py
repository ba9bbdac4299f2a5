"""Comparing with saved runs: the arithmetic, what is read from files, and what becomes of a session.

Sessions here are real ones of pytest and pytest-benchmark, but their figures are made up.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO
from xml.etree import ElementTree as ET

import pytest
import scipy.special  # noqa: F401 (pytester's sessions forget what they import, but NumPy loads only once)

from loader_gate.machine.machine import Machine, NoiseReading
from loader_gate.plugin.selection import asked_for
from loader_gate.registry.variant import BASELINE, built_in_variants
from loader_gate.report.terminal import WIDTH
from loader_gate.rotation.rotation import Measurement
from loader_gate.runs.comparison import Ratio, by_key, compare_entry, parse_tolerance, ratio_of, word_for
from loader_gate.runs.saved import Entry, RunError, SavedRun, Work, mark_accepted, printable, read_run
from loader_gate.session import session as suite_session
from loader_gate.session.measuring import Result
from loader_gate.session.session import Session
from loader_gate.statistics.estimates import Estimate
from loader_gate.trees.tree import Tree
from loader_gate.workloads.workload import Device, workload

pytest_plugins = ("pytester",)

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = tuple(variant.name for variant in built_in_variants())
STREAMING, MEMORY, FILE = "tfdata_no_cache", "tfdata_memory_cache", "tfdata_file_cache"
WORK = Work("tree", "224", "32", "none", "1")


def estimate(speedup: float, share: float = 0.01) -> Estimate:
    """Return a speedup with an interval of that share to both sides."""
    return Estimate(speedup, speedup / (1 + share), speedup * (1 + share), 4)


def saved_run(
    *speedups: tuple[str, float],
    number: int = 1,
    work: Work = WORK,
    missing: frozenset[tuple[str, str]] = frozenset(),
) -> SavedRun:
    """Return a run with these speedups of the loading workload."""
    entries = tuple(
        Entry("loading", variant, f"test[{variant}]", estimate(speedup), 100.0, work)
        for variant, speedup in speedups
    )
    path = Path(f"{number:04}_run.json")
    return SavedRun(path, True, "2026-07-01", "f", "a machine", entries, missing)


# Arithmetic.


@pytest.mark.parametrize(
    ("text", "fraction"), [("3", 0.03), ("3%", 0.03), (" 2.5 % ", 0.025), ("0", 0.0), ("99.9", 0.999)]
)
def test_tolerance(text: str, fraction: float) -> None:
    """Percent, with or without the sign."""
    assert parse_tolerance(text) == pytest.approx(fraction)


@pytest.mark.parametrize("text", ["", "%", "three", "-1", "100", "nan", "inf", "3%%", "3 percent"])
def test_nonsense_tolerance(text: str) -> None:
    """It is named, and what is expected is said."""
    with pytest.raises(
        argparse.ArgumentTypeError, match=f"^{re.escape(repr(text))}: expected percent from 0"
    ):
        parse_tolerance(text)


def test_ratio_of_independent_sessions() -> None:
    """Half-widths on the log scale add in quadrature: 3 % and 4 % make 5 %."""
    then = Estimate(2.0, 2.0 * math.exp(-0.03), 2.0 * math.exp(0.03), 4)
    now = Estimate(1.0, math.exp(-0.04), math.exp(0.04), 9)
    ratio = ratio_of(then, now)
    assert ratio.value == 0.5
    assert (ratio.low, ratio.high) == pytest.approx((0.5 * math.exp(-0.05), 0.5 * math.exp(0.05)))


@pytest.mark.parametrize("unbounded", [Estimate(2.0, 0.0, math.inf, 1), Estimate(1.0, 1e-308, 1e308, 2)])
def test_ratio_without_an_interval(unbounded: Estimate) -> None:
    """Where one session knows nothing, the ratio says nothing."""
    ratio = ratio_of(unbounded, estimate(2.0))
    assert (ratio.low, ratio.high) == (0.0, math.inf)
    assert word_for(ratio, 0.03) == "not known"


@pytest.mark.parametrize(
    ("ratio", "word"),
    [
        (Ratio(0.90, 0.85, 0.95), "slower"),
        (Ratio(0.96, 0.93, 0.999), "slower"),
        (Ratio(0.96, 0.90, 1.02), "not known"),
        (Ratio(0.98, 0.95, 0.995), "not known"),
        (Ratio(0.98, 0.971, 0.989), "same"),
        (Ratio(1.0, 0.98, 1.02), "same"),
        (Ratio(1.0, 1.0, 1.0), "same"),
        (Ratio(1.0, 0.8, 1.25), "not known"),
        (Ratio(1.10, 1.05, 1.15), "faster"),
        (Ratio(1.10, 0.99, 1.22), "not known"),
        (Ratio(1.02, 1.01, 1.03), "same"),
    ],
)
def test_words(ratio: Ratio, word: str) -> None:
    """A change is beyond the tolerance and certain; the same is within it and certain."""
    assert word_for(ratio, 0.03) == word


def test_the_newest_run_counts() -> None:
    """Of two runs with the same work, the newer one."""
    runs = [saved_run((STREAMING, 3.0), number=2), saved_run((STREAMING, 2.0), number=1)]
    row = compare_entry(runs[0].entries[0], by_key(runs)["loading", STREAMING], 0.03)
    assert (row.word, row.run) == ("same", runs[0])


def test_a_run_on_other_work_hides_nothing() -> None:
    """Between two runs on one tree there may be one on another."""
    other = replace(WORK, tree="other tree")
    runs = [saved_run((STREAMING, 1.0), number=2, work=other), saved_run((STREAMING, 2.0), number=1)]
    now = saved_run((STREAMING, 1.0)).entries[0]
    row = compare_entry(now, by_key(runs)["loading", STREAMING], 0.03)
    assert (row.word, row.run) == ("slower", runs[1])


@pytest.mark.parametrize("name", ["tree", "image_size", "batch_size", "device", "schema"])
def test_other_work_is_not_compared(name: str) -> None:
    """Whatever differs is named, with both values."""
    run = saved_run((STREAMING, 2.0), work=replace(WORK, **{name: "another"}))
    row = compare_entry(saved_run((STREAMING, 1.0)).entries[0], [(run, run.entries[0])], 0.03)
    assert (row.word, row.ratio) == ("other work", None)
    words = name.replace("_", " ")
    assert run.entries[0].work.differences(WORK) == f"{words} another then, {getattr(WORK, name)} now"


def test_a_run_of_a_part_hides_nothing() -> None:
    """A benchmark that the last run left out has its figures of the run before."""
    runs = [saved_run((MEMORY, 9.0), number=2), saved_run((STREAMING, 2.0), (MEMORY, 8.0), number=1)]
    assert {key: [run.label for run, _ in saved] for key, saved in by_key(runs).items()} == {
        ("loading", MEMORY): ["0002", "0001"],
        ("loading", STREAMING): ["0001"],
    }


def test_what_is_gone_for_good_is_not_missed() -> None:
    """After a run that did without it, a benchmark is no longer part of the suite; it may come back."""
    gone = frozenset({("loading", STREAMING)})
    runs = [saved_run((MEMORY, 9.0), number=2, missing=gone), saved_run((STREAMING, 2.0), number=1)]
    assert set(by_key(runs)) == {("loading", MEMORY)}
    back = [saved_run((STREAMING, 3.0), number=3), *runs]
    assert [run.label for run, _ in by_key(back)["loading", STREAMING]] == ["0003"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["benchmarks"], True),
        (["benchmarks/"], True),
        (["."], True),
        (["benchmarks/test_loading.py"], False),
        (["benchmarks/test_loading.py", "benchmarks"], True),
        (["benchmarks/test_training.py::test_epoch"], True),
        (["benchmarks/test_training.py::test_epoch[one]"], True),
        (["benchmarks/test_training.py::test_epoch[other]"], False),
        (["benchmarks/test_training.py::test_ep"], False),
        (["a.package"], True),
    ],
)
def test_asked_for(arguments: list[str], expected: bool, tmp_path: Path) -> None:
    """A test that is gone would have been collected from these arguments, or not."""
    (tmp_path / "benchmarks").mkdir()
    for name in ("test_loading.py", "test_training.py"):
        (tmp_path / "benchmarks" / name).touch()
    node_id = "benchmarks/test_training.py::test_epoch[one]"
    assert asked_for(node_id, arguments, tmp_path, tmp_path) is expected
    assert not asked_for(node_id, arguments, tmp_path, tmp_path, ignored=["benchmarks/test_training.py"])
    assert not asked_for(node_id, arguments, tmp_path, tmp_path, ignored_globs=["*/test_tr*.py"])


# Files.


STATS = dict.fromkeys(("min", "max", "mean", "stddev", "median", "iqr", "rounds", "iterations"), 1.0)
BENCHMARK = {"fullname": "test[a]", "name": "test[a]", "group": "loading", "stats": STATS}
INFO = {"workload": "loading", "variant": "a", "speedup": 2.0, "speedup_low": 1.9, "speedup_high": 2.1}


def write_run(path: Path, *infos: dict[str, Any], **about: Any) -> Path:
    """Write a run with these benchmarks."""
    benchmarks = [{**BENCHMARK, "extra_info": info} for info in infos]
    data = {"machine_info": {"node": "here"}, "benchmarks": benchmarks, "loader_gate": about}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read: Expecting value"),
        ('{"machine_info": {', "cannot be read"),
        ("\xff", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "it holds no object"),
        ("{}", "it has no machine_info"),
        ('{"machine_info": {}}', "it has no list of benchmarks"),
        ('{"machine_info": {}, "benchmarks": {}}', "it has no list of benchmarks"),
        ('{"machine_info": {}, "benchmarks": [1]}', "benchmark 0 has no fullname"),
        ('{"machine_info": {}, "benchmarks": [{"fullname": "a"}]}', "a has no figure min"),
        (
            json.dumps({"machine_info": {}, "benchmarks": [{**BENCHMARK, "stats": {**STATS, "iqr": "?"}}]}),
            "test[a] has no figure iqr in its stats",
        ),
    ],
)
def test_damaged_files(text: str, problem: str, tmp_path: Path) -> None:
    """Whatever is in a file, reading it raises nothing but an error that names it."""
    path = tmp_path / "0001_run.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError) as caught:
        read_run(path)
    assert str(caught.value).startswith(f"{path} is passed over, as it ")
    assert problem in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    """Neither does a file that is gone."""
    with pytest.raises(RunError, match="cannot be read"):
        read_run(tmp_path / "0001_run.json")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"speedup": "2"}, "speedup is '2', expected a number above 0"),
        ({"speedup": -1}, "speedup is -1"),
        ({"speedup": True}, "speedup is True"),
        ({"speedup": math.nan}, "speedup is nan"),
        ({"speedup": 10**400}, "expected a number above 0"),
        ({"speedup": 3.0}, "speedup 3.0 is outside its interval 1.9–2.1"),
        ({"speedup_low": []}, "speedup_low is []"),
        ({"images_per_second": {}}, "images_per_second is {}"),
        ({"variant": None}, "variant None, expected names"),
    ],
)
def test_damaged_entries(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    """One bad benchmark does not spoil the others of its run."""
    run = read_run(write_run(tmp_path / "0001_run.json", {**INFO, **change}, {**INFO, "variant": "b"}))
    assert [entry.variant for entry in run.entries] == ["b"]
    (text,) = run.damaged
    assert text.startswith(f"test[a] in {run.path} is passed over: ")
    assert problem in text


def test_entries_without_a_speedup(tmp_path: Path) -> None:
    """A benchmark of somebody else, or one without figures, is no damage."""
    infos: list[Any] = [{}, {"speedup": 2.0}, {**INFO, "speedup": None}, None]
    run = read_run(write_run(tmp_path / "run.json", *infos))
    assert (run.entries, run.damaged) == ((), ())
    assert (run.accepted, run.label) == (None, "run.json")


@pytest.mark.parametrize("accepted", [None, "yes", 1, []])
def test_only_true_is_accepted(accepted: object, tmp_path: Path) -> None:
    """Anything that is no mark is taken for none."""
    assert read_run(write_run(tmp_path / "0001_a.json", INFO, accepted=accepted)).accepted is None


def test_a_calibrated_accelerator_is_one_device(tmp_path: Path) -> None:
    """Its speed follows the baseline's from session to session; a speed that was asked for does not."""
    works = [
        read_run(write_run(tmp_path / "run.json", {**INFO, "device": device}, device=asked)).entries[0].work
        for device, asked in (
            ("emulated:1200", "emulated"),
            ("emulated:1300", "emulated"),
            ("emulated:1300", "emulated:1300"),
            ("cpu", "auto"),
        )
    ]
    assert [work.device for work in works] == ["emulated", "emulated", "emulated:1300", "cpu"]


def test_marking(tmp_path: Path) -> None:
    """The mark is all that changes: no figure, no right, no neighbour, nothing left behind."""
    path = write_run(tmp_path / "0001_run.json", INFO, accepted=False, run="this one", other=[0.1, 1e-17])
    path.chmod(0o640)
    before = json.loads(path.read_text(encoding="utf-8"))
    assert mark_accepted(path, "this one")
    after = json.loads(path.read_text(encoding="utf-8"))
    assert after["loader_gate"].pop("accepted") is True
    assert before["loader_gate"].pop("accepted") is False
    assert after == before
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_marking_through_a_link(tmp_path: Path) -> None:
    """A link stays a link, to the marked run."""
    path = write_run(tmp_path / "0001_run.json", INFO, accepted=False, run="this one")
    link = tmp_path / "latest.json"
    link.symlink_to(path)
    assert mark_accepted(link, "this one")
    assert link.is_symlink()
    assert read_run(path).accepted is True


def test_only_the_run_of_that_id_is_marked(tmp_path: Path) -> None:
    """Somebody else may have saved in the meantime; and not every file is a run, or even a file."""
    path = write_run(tmp_path / "0001_run.json", INFO, accepted=False, run="another", note="this one")
    before = path.read_bytes()
    assert not mark_accepted(path, "this one")
    assert path.read_bytes() == before
    assert not mark_accepted(Path(os.devnull), "this one")
    assert not mark_accepted(tmp_path / "nowhere.json", "this one")


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced at once or not at all."""
    path = write_run(tmp_path / "0001_run.json", INFO, accepted=False, run="this one")
    before = path.read_bytes()

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        mark_accepted(path, "this one")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_printable() -> None:
    """What would steer a terminal is spelled out; letters and brackets stay."""
    assert printable("[bold]é\x1b[31m\r\n\u202e\ud800") == "[bold]é\\x1b[31m\\r\\n\\u202e\\ud800"


# Sessions.


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

    def measure(self, session: Session, name: str, wanted: list[str], _tree: Tree, _stream: TextIO) -> None:
        """Stand in for `Session.measure`."""
        measurements = {variant: self._measurement(variant) for variant in wanted}
        work = workload(name, Device("cpu"), session._options.image_size, None, None)
        extra_info: dict[str, dict[str, Any]] = {
            variant: {"device": "cpu"} if name == "training" else {} for variant in wanted
        }
        silence = NoiseReading(None, None, None, None)
        measurements.setdefault(BASELINE, self._measurement(BASELINE))
        session.results[name] = Result(work, self.tree, measurements, extra_info, (silence, silence), ())

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


@pytest.fixture
def suite(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    make_measurement: Callable[..., Measurement],
    tmp_path: Path,
) -> Suite:
    """A suite of a loading and a training workload, with made-up figures."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a.jpg").write_bytes(b"no JPEG")
    made_up = Suite(pytester, make_measurement, Tree.read(tmp_path, "0123456789abcdef" * 4))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(Session, "measure", lambda *arguments: made_up.measure(*arguments))
    monkeypatch.setattr(suite_session, "read_machine", lambda: made_up.machine)
    monkeypatch.setattr("loader_gate.trees.prepare.prepare_tree", lambda *_: made_up.tree)
    monkeypatch.setattr("cpuinfo.get_cpu_info", dict)  # it takes a second
    (pytester.path / "empty.toml").touch()
    (pytester.path / "suite").mkdir()
    for name in ("test_loading.py", "test_training.py"):
        shutil.copy(ROOT / "benchmarks" / name, pytester.path / "suite")
    return made_up


SAVE = "--benchmark-autosave"
COMPARE = "--benchmark-compare"
GATE = (SAVE, COMPARE, "--benchmark-compare-fail=mean:900%")


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


def test_a_passing_run_is_accepted(suite: Suite) -> None:
    """Both of its files are marked, and it is said."""
    result = suite.run(SAVE, "--benchmark-json=run.json", "-W", "error")
    assert result.ret == 0
    assert suite.accepted() == [True]
    assert json.loads((suite.folder / "run.json").read_text(encoding="utf-8"))["loader_gate"]["accepted"]
    result.stdout.fnmatch_lines(["This run is accepted: --benchmark-compare takes it from now on."])
    assert "compared with a saved run" not in str(result.stdout)


def test_a_failing_run_is_kept_but_not_accepted(suite: Suite) -> None:
    """Its figures are history like any other."""
    suite.estimates[FILE] = None
    result = suite.run(SAVE, "--benchmark-json=run.json")
    assert result.ret == 1
    assert suite.accepted() == [False]
    assert not json.loads((suite.folder / "run.json").read_text(encoding="utf-8"))["loader_gate"]["accepted"]
    assert "This run is saved, but not accepted" in str(result.stdout)


@pytest.mark.parametrize(
    "hook",
    [
        "@pytest.hookimpl(trylast=True)\ndef pytest_sessionfinish(session): session.exitstatus = 1",
        "def pytest_terminal_summary(): raise RuntimeError('late')",
        "def pytest_runtest_teardown(item): raise KeyboardInterrupt",
        "def pytest_runtest_teardown(item, nextitem): assert nextitem is not None",
    ],
)
def test_a_run_that_fails_late_is_not_accepted(hook: str, suite: Suite, pytester: pytest.Pytester) -> None:
    """Whatever fails a session, however late, and though the run has long been saved by then."""
    pytester.makeconftest(f"import pytest\n{hook}")
    try:
        result = suite.run(SAVE)
    except RuntimeError:
        pass
    else:
        assert result.ret != 0
    assert suite.accepted() == [False]


def test_a_slowdown_fails_again_and_again(suite: Suite) -> None:
    """The trap: it fails, is saved, and must not pass against itself. History is left as it is."""
    assert suite.run(SAVE).ret == 0
    (first,) = suite.saved()
    before = first.read_bytes()
    suite.estimates[STREAMING] = estimate(1.5)
    for _ in range(3):
        result = suite.run(*GATE)
        assert result.ret == 1
        assert "run 0001, the last accepted one" in text_of(result)
        assert row_of(result, STREAMING).endswith("0.75 (0.74–0.76) slower")
    assert suite.accepted() == [True, False, False, False]
    assert first.read_bytes() == before
    assert set(suite.junit()) == {f"test_throughput[{STREAMING}]", f"test_epoch[{STREAMING}]"}
    sentence = suite.junit()[f"test_throughput[{STREAMING}]"]
    assert sentence == (
        "Failed: tfdata_no_cache (loading) has become slower: it was 2.00 times as fast as "
        "keras_image_data_generator in run 0001 and is 1.50 times now, 0.75 of that (95 % interval 0.74 to "
        "0.76), which is beyond the tolerance of 3 %: find what slowed it, or run once more with --accept if "
        "the slowdown is meant."
    )


def test_a_repaired_loader_passes_and_is_accepted(suite: Suite) -> None:
    """Failed runs in between count for nothing."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = estimate(1.5)
    suite.run(*GATE)
    suite.estimates[STREAMING] = estimate(2.5)
    result = suite.run(*GATE)
    assert result.ret == 0
    assert row_of(result, STREAMING) == (
        "tfdata_no_cache 2.00 (1.98–2.02) 2.50 (2.48–2.52) 1.25 (1.23–1.27) faster"
    )
    assert suite.accepted() == [True, False, True]


@pytest.mark.parametrize("in_between", ["part", "other tree"])
def test_a_passing_run_of_something_else_hides_no_slowdown(in_between: str, suite: Suite) -> None:
    """A run of other variants or images is accepted, but is nobody's baseline that it did not measure."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = estimate(1.5)
    tree = suite.tree
    if in_between == "part":
        assert suite.run(SAVE, f"--variant={MEMORY}").ret == 0
    else:
        suite.tree = replace(tree, digest="another")
        assert suite.run(SAVE).ret == 0
        suite.tree = tree
    result = suite.run(*GATE)
    assert result.ret == 1
    assert len(suite.junit()) == 2
    assert "run 0002, the last accepted one" in text_of(result)
    assert "Compared with run 0001" in text_of(result)


def test_noise_does_not_drag_the_baseline_down(suite: Suite) -> None:
    """What seems slower, but not certainly, passes; the next run is held against the figures before it."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = estimate(1.8, 0.3)
    for options in (GATE, (SAVE,)):
        assert suite.run(*options).ret == 0
    suite.estimates[STREAMING] = estimate(1.8)
    result = suite.run(*GATE)
    assert result.ret == 1
    assert row_of(result, STREAMING).endswith("0.90 (0.89–0.91) slower")
    assert suite.accepted() == [True, True, True, False]


def test_a_doubtful_run_may_be_accepted_on_purpose(suite: Suite) -> None:
    """With ``--accept`` nobody is in doubt."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = estimate(1.8, 0.3)
    assert suite.run(*GATE, "--accept").ret == 0
    suite.estimates[STREAMING] = estimate(1.8)
    result = suite.run(*GATE)
    assert result.ret == 0
    assert row_of(result, STREAMING).startswith(f"{STREAMING} 1.80 (1.38–2.34) 1.80 ")


def test_without_the_gate_it_is_only_reported(suite: Suite) -> None:
    """Comparing alone fails nothing."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = estimate(1.5)
    result = suite.run(COMPARE)
    assert result.ret == 0
    assert row_of(result, STREAMING).endswith("slower")


@pytest.mark.parametrize(
    ("now", "options", "word"),
    [
        (estimate(1.97, 0.005), (), "same"),
        (estimate(1.9, 0.2), (), "not known"),
        (estimate(1.7), ("--tolerance=20%",), "same"),
        (Estimate(1.0, 0.0, math.inf, 1), (), "not known"),
    ],
)
def test_what_is_no_certain_slowdown_passes(
    now: Estimate, options: tuple[str, ...], word: str, suite: Suite
) -> None:
    """It is within the tolerance, or not known."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = now
    result = suite.run(*GATE, *options)
    assert result.ret == 0
    assert row_of(result, STREAMING).endswith(word)


def test_floor_and_comparison_fail_together(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both reasons are in the one failure."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = estimate(1.5)
    fails = Session.fails
    monkeypatch.setattr(
        Session, "fails", lambda self, name, variant: variant == STREAMING or fails(self, name, variant)
    )
    suite.run(*GATE)
    message = suite.junit()[f"test_throughput[{STREAMING}]"]
    assert "because." in message
    assert "has become slower" in message


def test_accept(suite: Suite) -> None:
    """A slowdown that is meant fails once more, and is the baseline from then on."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = estimate(1.5)
    result = suite.run(*GATE, "--accept")
    assert result.ret == 1
    assert "This run is accepted although it failed (--accept)" in text_of(result)
    assert suite.run(*GATE).ret == 0
    assert suite.accepted() == [True, True, True]


def test_accept_takes_no_run_that_was_cut_short(suite: Suite, pytester: pytest.Pytester) -> None:
    """Half a session is no baseline, even if somebody asks for it."""
    pytester.makeconftest("def pytest_runtest_teardown(item): raise KeyboardInterrupt")
    assert suite.run(SAVE, "--accept").ret == 2
    assert suite.accepted() == [False]


def remove(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Take variants out of the suite, as a commit would."""
    left = [variant for variant in built_in_variants() if variant.name not in names]
    monkeypatch.setattr(suite_session, "built_in_variants", lambda: left)


def test_new_and_missing(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are listed; what is missing fails a gated session until that is accepted."""
    with monkeypatch.context() as patch:
        remove(patch, MEMORY)
        assert suite.run(SAVE).ret == 0
    remove(monkeypatch, FILE)
    reported = suite.run(COMPARE)
    assert reported.ret == 0
    for result in (suite.run(*GATE), suite.run(*GATE)):
        assert result.ret == 1
        assert suite.junit() == {}
        text = text_of(result)
        assert "New, in no saved run: tfdata_memory_cache (loading), tfdata_memory_cache (training)." in text
        assert "Missing, in a saved run only: tfdata_file_cache (loading), tfdata_file_cache (tr" in text
        assert "This run fails, as it lacks what the saved one has: tfdata_file_cache (loading)" in text
        assert row_of(result, FILE) == "tfdata_file_cache 2.00 (1.98–2.02) – – missing"
        assert row_of(result, MEMORY) == "tfdata_memory_cache – 2.00 (1.98–2.02) – new"
    assert suite.run(*GATE, "--accept").ret == 1
    last = suite.run(*GATE)
    assert last.ret == 0
    assert "missing" not in text_of(last).lower()


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        (("-k", STREAMING), {f"{BASELINE} (loading)", f"{FILE} (training)"}),
        ((f"--variant={STREAMING}",), {f"{FILE} (loading)", f"{MEMORY} (training)"}),
        ((f"suite/test_loading.py::test_throughput[{STREAMING}]",), {f"{FILE} (loading)"}),
        (("--deselect=suite/test_training.py",), {f"{BASELINE} (training)", f"{FILE} (training)"}),
        (("--ignore=suite/test_training.py",), {f"{BASELINE} (training)", f"{FILE} (training)"}),
    ],
)
def test_what_was_left_out_is_not_missing(options: tuple[str, ...], left_out: set[str], suite: Suite) -> None:
    """Whoever runs a part is told what was not run, and nothing fails."""
    suite.run(SAVE)
    result = suite.run(*GATE, *options)
    assert result.ret == 0
    assert left_out <= not_run(result)
    assert "issing" not in text_of(result)
    assert suite.run(*GATE).ret == 0


@pytest.mark.parametrize(
    "then_and_now",
    [
        ("DEFAULT = False\n", "DEFAULT = False\n"),
        ("DEFAULT = ('dump',)\n", "DEFAULT = ('dump',)\n"),
        ("", "REQUIRES = 'no_such_library'\nINSTALL = 'pip install it'\n"),
    ],
    ids=["on request", "in another workload", "not installed any more"],
)
def test_what_takes_no_part_is_not_missing(
    then_and_now: tuple[str, str], suite: Suite, drop_in: Callable[[str, str], Path]
) -> None:
    """A rival that nobody asked for, or that is not installed here, was not lost."""
    then, now = (f"KIND = 'rival'\n{each}def load(tree, spec): return []\n" for each in then_and_now)
    drop_in("some_rival", then)
    assert suite.run(SAVE, "--variant=all").ret == 0
    drop_in("some_rival", now)
    result = suite.run(*GATE)
    assert result.ret == 0
    assert {"some_rival (loading)", "some_rival (training)"} <= not_run(result)


def test_a_slower_limit_fails_nobody(suite: Suite) -> None:
    """The table shows it; but whatever it is, no loader has become slower."""
    # By another name: the suite's own tests of limits have this one.
    shutil.copy(ROOT / "benchmarks/test_limits.py", suite.folder / "suite/test_of_limits.py")
    suite.run(SAVE)
    suite.estimates["limit_read_files"] = estimate(1.0)
    result = suite.run(*GATE)
    assert result.ret == 0
    assert row_of(result, "limit_read_files").endswith("slower")
    assert json.loads(suite.saved()[-1].read_text(encoding="utf-8"))["loader_gate"]["slower"] == []


def test_last_failed_misses_nothing(suite: Suite, pytester: pytest.Pytester) -> None:
    """With ``--lf`` pytest does not even collect files without a failure."""
    suite.run(SAVE)
    conftest = pytester.makeconftest(
        "def pytest_runtest_call(item): assert 'test_throughput' not in item.name"
    )
    assert suite.run().ret == 1
    conftest.unlink()
    result = suite.run(*GATE, "--lf")
    assert result.ret == 0
    assert f"Not run in this session: {BASELINE} (training)" in text_of(result)


def test_a_deleted_test_is_missing(suite: Suite) -> None:
    """pytest-benchmark alone would pass it silently; but a run of another file does not miss it."""
    suite.run(SAVE)
    (suite.folder / "suite/test_training.py").unlink()
    assert suite.run(*GATE, "suite/test_loading.py").ret == 0
    result = suite.run(*GATE)
    assert result.ret == 1
    assert f"Missing, in a saved run only: {BASELINE} (training)" in text_of(result)


def test_a_moved_test_is_found(suite: Suite) -> None:
    """A benchmark is its workload and variant, not its file."""
    suite.run(SAVE)
    (suite.folder / "suite/test_loading.py").rename(suite.folder / "suite/test_renamed.py")
    result = suite.run(*GATE)
    assert result.ret == 0
    assert "missing" not in text_of(result).lower()


def test_a_skipped_test_does_not_slip_through(suite: Suite, pytester: pytest.Pytester) -> None:
    """It was selected and gave no figures: to the gate that is no success."""
    suite.run(SAVE)
    pytester.makeconftest(
        f"""
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                if "{STREAMING}" in item.name:
                    item.add_marker(pytest.mark.skip)
        """
    )
    assert suite.run(COMPARE).ret == 0
    result = suite.run(*GATE)
    assert result.ret == 1
    assert f"these were selected but gave no figures: {STREAMING} (loading)" in text_of(result)


@pytest.mark.filterwarnings("ignore:Benchmark machine_info is different")
@pytest.mark.parametrize("elsewhere", [False, True])
def test_another_machine(elsewhere: bool, suite: Suite, tmp_path: Path) -> None:
    """Speedups are compared all the same; seconds are by nobody, and why is said."""
    storage = [f"--benchmark-storage={tmp_path / 'storage'}"] if elsewhere else []
    suite.run(SAVE, *storage)
    suite.machine = replace(suite.machine, cpu="Other CPU", cores=8)
    suite.seconds = dict.fromkeys(VARIANTS, 5.0)
    result = suite.run(SAVE, COMPARE, "--benchmark-compare-fail=mean:10%", *storage)
    assert result.ret == 0
    text = text_of(result)
    assert "not compared with run 0001, as the machine differs: Some CPU, 2 cores" in text
    assert "; Other CPU, 8 cores" in text
    assert "→" not in text
    assert row_of(result, STREAMING).endswith("1.00 (0.99–1.01) same")
    assert "(0001" not in str(result.stdout)


def test_the_same_machine(suite: Suite) -> None:
    """Throughput then and now."""
    suite.run(SAVE)
    suite.seconds = {STREAMING: 0.05}
    text = text_of(suite.run(COMPARE))
    assert f"on the same machine, loading: {BASELINE} 2 → 2;" in text
    assert f"on the same machine, training: {BASELINE} 2 → 2;" in text
    assert text.count(f"; {STREAMING} 2 → 20") == 2


def test_seconds_fail_again_too(suite: Suite) -> None:
    """pytest-benchmark's own check of seconds holds, and hides neither our tables nor the summary."""
    suite.run(SAVE)
    suite.seconds = {STREAMING: 5.0}
    for _ in range(2):
        result = suite.run(SAVE, COMPARE, "--benchmark-compare-fail=mean:50%")
        assert result.ret == 1
        assert "Performance has regressed" in str(result.stderr)
        assert "seconds are beyond --benchmark-compare-fail: see above" in text_of(result)
        assert " passed" in result.outlines[-1]
    assert suite.accepted() == [True, False, False]


def test_other_work(suite: Suite) -> None:
    """What differs is named, and neither speedups nor seconds are compared."""
    suite.run(SAVE)
    suite.seconds = dict.fromkeys(VARIANTS, 5.0)
    suite.estimates[STREAMING] = estimate(1.0)
    result = suite.run(SAVE, COMPARE, "--benchmark-compare-fail=mean:10%", "--image-size=64")
    assert result.ret == 0
    assert row_of(result, STREAMING).endswith("other work")
    assert f"{STREAMING} (loading) is not compared with run 0001: image size 224 then, 64 now." in text_of(
        result
    )


def test_nothing_accepted_yet(suite: Suite) -> None:
    """A first run has nothing to fail against: it says so, and becomes the baseline."""
    result = suite.run(*GATE, "-W", "error")
    assert result.ret == 0
    text = text_of(result)
    assert "There is no accepted run in " in text
    assert "So --benchmark-compare-fail has nothing to hold this run against." in text
    assert suite.accepted() == [True]


def test_runs_from_before_marks(suite: Suite) -> None:
    """They are history, but nobody knows whether they failed; how to use them is said."""
    suite.run(SAVE)
    (path,) = suite.saved()
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["loader_gate"]["accepted"]
    path.write_text(json.dumps(data), encoding="utf-8")
    result = suite.run(COMPARE)
    assert result.ret == 0
    text = text_of(result)
    assert "Run 0001 was saved before runs were marked as accepted" in text
    assert "give --benchmark-compare=0001" in text
    assert "compared with a saved run" in str(suite.run("--benchmark-compare=0001").stdout)


def test_a_run_of_another_python(suite: Suite) -> None:
    """pytest-benchmark keeps runs by Python and system; a new Python should not end the gate unnoticed."""
    suite.run(SAVE)
    (path,) = suite.saved()
    path.parent.rename(path.parent.with_name("Linux-CPython-3.1-64bit"))
    text = text_of(suite.run(COMPARE))
    assert "of another Python or system: --benchmark-compare=Linux-CPython-3.1-64bit/0001." in text
    result = suite.run("--benchmark-compare=Linux-CPython-3.1-64bit/0001")
    assert row_of(result, STREAMING).endswith("same")


def test_a_named_run(suite: Suite) -> None:
    """It is the user's choice, with a plain word if it was not accepted."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = estimate(1.5)
    suite.run(*GATE)
    result = suite.run("--benchmark-compare=0002", "--benchmark-compare-fail=mean:900%")
    assert result.ret == 0
    assert "Run 0002 was not accepted: its session failed or was cut short." in text_of(result)
    assert "was not accepted" not in text_of(suite.run("--benchmark-compare=0001"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--benchmark-compare=0007", "--benchmark-compare 0007: no such run in "),
        ("--benchmark-compare=0002", "0002_damaged.json is passed over, as it cannot be read"),
        ("--benchmark-compare=a/b/c", "--benchmark-compare a/b/c: "),
        ("--benchmark-compare-fail=mean:5%", "there is nothing to compare with; add --benchmark-compare"),
        ("--accept", "--accept: this run would not be saved; add --benchmark-autosave"),
        ("--tolerance=lots", "--tolerance: 'lots': expected percent from 0 to below 100"),
        ("--tolerance=-1", "--tolerance: '-1': expected percent"),
    ],
)
def test_wrong_options(options: str, message: str, suite: Suite) -> None:
    """A line that names the option and says what to do, before anything is measured."""
    suite.run(SAVE)
    (first,) = suite.saved()
    first.with_name("0002_damaged.json").write_text("{", encoding="utf-8")
    result = suite.run(*options.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any(message in line for line in result.errlines), str(result.stderr)
    assert "Traceback" not in str(result.stderr)


def test_damaged_runs_are_passed_over(suite: Suite) -> None:
    """They are named; the last accepted run that can be read counts."""
    suite.run(SAVE)
    (first,) = suite.saved()
    first.with_name("0002_damaged.json").write_text('{"benchmarks": [', encoding="utf-8")
    first.with_name("0003_other.json").write_text("[]", encoding="utf-8")
    result = suite.run(*GATE, "-W", "error")
    assert result.ret == 0
    text = text_of(result).replace(" ", "")
    assert "run0001,thelastaccepted" in text
    for name in ("0002_damaged.json", "0003_other.json"):
        assert f"{name}ispassedover" in text
    assert suite.saved()[-1].name.startswith("0004_")


@pytest.mark.filterwarnings("ignore:Benchmark machine_info is different")
def test_names_are_shown_as_text(suite: Suite) -> None:
    """Whatever is in a saved file cannot colour, move or fake anything in a terminal."""
    suite.run(SAVE)
    (path,) = suite.saved()
    data = json.loads(path.read_text(encoding="utf-8"))
    evil = "[bold]\x1b[2J\x1b]0;title\x07\nPASSED"
    data["benchmarks"][1]["extra_info"]["variant"] = evil
    data["benchmarks"][1]["fullname"] = f"suite/test_loading.py::test_throughput[{evil}]"
    data["machine_info"].update(fingerprint="another", description=evil)
    path.write_text(json.dumps(data), encoding="utf-8")
    result = suite.run(COMPARE, "--color=no")
    ours = str(result.stdout).partition("compared with a saved run")[2]
    assert result.ret == 0
    assert r"[bold]\x1b[2J\x1b]0;title\x07\nPASSED" in ours.replace("\n", "")
    assert "\x1b" not in ours
    assert "\x07" not in ours


def test_colours(suite: Suite) -> None:
    """In a terminal the words are coloured."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = estimate(1.5)
    assert "\x1b[1;31mslower" in str(suite.run(COMPARE, "--color=yes").stdout)


def test_nothing_is_said_where_nothing_is_timed(suite: Suite) -> None:
    """Neither when collecting only nor when pytest-benchmark is disabled."""
    suite.run(SAVE)
    for option in ("--collect-only", "--benchmark-disable"):
        result = suite.run(COMPARE, option)
        assert "compared with a saved run" not in str(result.stdout)
    assert suite.accepted() == [True]
