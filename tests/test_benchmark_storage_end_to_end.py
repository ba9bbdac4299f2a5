"""Which saved runs a session is compared with, and what of them: by machine, work, name and damage."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loader_gate.plugin.suite import Suite as PluginSuite
from loader_gate.registry.variant import BASELINE
from loader_gate.rotation.measurement import Measurement
from tests.compared_suite import (
    COMPARE,
    GATE,
    SAVE,
    STREAMING,
    VARIANTS,
    Suite,
    estimate,
    row_of,
    suite_in,
    text_of,
)

pytest_plugins = ("pytester",)


@pytest.fixture
def suite(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    make_measurement: Callable[..., Measurement],
    tmp_path: Path,
) -> Suite:
    """A suite of a loading and a training workload, with made-up figures."""
    return suite_in(pytester, monkeypatch, make_measurement, tmp_path)


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
        assert any(" passed" in line for line in result.outlines)
    assert suite.accepted() == [True, False, False]


def test_seconds_alone_gate_no_speedup(suite: Suite) -> None:
    """pytest-benchmark's option is about seconds, and keeps its meaning; ours has a name of its own."""
    suite.run(SAVE)
    suite.estimates[STREAMING] = estimate(1.0)
    assert suite.run(SAVE, COMPARE, "--benchmark-compare-fail=mean:900%").ret == 0
    assert suite.run(SAVE, "--benchmark-compare=0001", "--fail-if-slower").ret == 1


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
    assert "So --fail-if-slower has nothing to hold this run against." in text
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
    result = suite.run("--benchmark-compare=0002", "--fail-if-slower")
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
        ("--fail-if-slower", "there is nothing to compare with; add --benchmark-compare"),
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


def test_a_disk_that_is_full_in_the_end(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables are shown, the run fails with a sentence, and what was saved before is as it was."""
    suite.run(SAVE)
    before = {path: path.read_bytes() for path in suite.saved()}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("loader_gate.plugin.benchmark_storage.replace_whole", full)
    result = suite.run(SAVE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "loading: speedup over the baseline" in str(result.stdout)
    assert "This run could not be saved: --benchmark-storage" in str(result.stdout)
    assert "saved, but not accepted" not in str(result.stdout)
    assert "Traceback" not in str(result.stderr) + str(result.stdout)
    assert {path: path.read_bytes() for path in suite.saved()} == before


@pytest.mark.parametrize("options", [(), ("--accept",)])
def test_a_disk_that_is_full_after_the_run_was_saved(
    options: tuple[str, ...], suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not said to be accepted, as it is not: the session fails, and the next one passes it over."""
    suite.run(SAVE)
    (first,) = suite.saved()
    before = first.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as filling:
        filling.setattr("loader_gate.runs.acceptance.replace_whole", full)
        result = suite.run(SAVE, *options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = str(result.stdout)
    assert "This run is saved, but could not be marked as accepted: --benchmark-storage" in said
    assert "No space left on device. --benchmark-compare passes it over" in said
    assert "This run is accepted" not in said
    assert suite.accepted() == [True, False]
    assert first.read_bytes() == before
    assert "compared with a saved run" in str(suite.run(COMPARE).stdout)


def test_an_interrupt_while_it_tidies_up(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said in a sentence; what was saved by then is there, and what is left to remove is removed."""
    closed = []

    def close(_: PluginSuite) -> None:
        closed.append("")
        if len(closed) == 1:
            raise KeyboardInterrupt("ended by SIGTERM")

    monkeypatch.setattr(PluginSuite, "close", close)
    result = suite.run(SAVE)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "This session was ended by SIGTERM while it tidied up: all that is kept" in str(result.stdout)
    assert "Traceback" not in str(result.stderr) + str(result.stdout)
    assert suite.accepted() == [True]
    assert len(closed) == 2


@pytest.mark.parametrize("how", ["", "ended by SIGTERM"])
def test_an_interrupt_while_it_is_saved(how: str, suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said in a sentence, and the run counts as interrupted; nothing that was there has changed."""
    suite.run(SAVE)
    before = {path: path.read_bytes() for path in suite.saved()}

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt(how)

    monkeypatch.setattr("loader_gate.plugin.benchmark_storage.replace_whole", interrupt)
    result = suite.run(SAVE)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert f"This session was {how or 'interrupted'} while it wrote what is kept" in str(result.stdout)
    assert {path: path.read_bytes() for path in suite.saved()} == before
