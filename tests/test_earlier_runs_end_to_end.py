"""``--benchmark-compare`` gates a session by a saved run, and the session may become a saved run itself."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loader_gate.plugin import suite as plugin_suite
from loader_gate.plugin.suite import Suite as PluginSuite
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE
from loader_gate.rotation.measurement import Measurement
from loader_gate.session import settings
from loader_gate.statistics.estimate import Estimate
from tests.compared_suite import (
    COMPARE,
    FILE,
    GATE,
    MEMORY,
    ROOT,
    SAVE,
    STREAMING,
    Suite,
    estimate,
    not_run,
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


def test_a_passing_run_is_accepted(suite: Suite) -> None:
    """Both of its files are marked, and it is said."""
    result = suite.run(SAVE, "--benchmark-json=run.json", "-W", "error")
    assert result.ret == 0
    assert suite.accepted() == [True]
    assert json.loads((suite.folder / "run.json").read_text(encoding="utf-8"))["loader_gate"]["accepted"]
    result.stdout.fnmatch_lines(["This run is accepted: --benchmark-compare takes it from now on."])
    assert "compared with a saved run" not in str(result.stdout)


def test_the_seed_is_printed_and_saved(suite: Suite) -> None:
    """With it a session can be held again in the same order; it is of the run, and not of a benchmark."""
    result = suite.run(SAVE, "--session-seed=48213")
    result.stdout.fnmatch_lines(["Order: drawn from --session-seed 48213."])
    (file,) = suite.saved()
    saved = json.loads(file.read_text(encoding="utf-8"))
    assert saved["loader_gate"]["seed"] == 48213
    assert (saved["loader_gate"]["comparisons"], saved["loader_gate"]["session_error"]) == (12, 0.005)
    result.stdout.fnmatch_lines(["12 comparisons: at most 0.5 % of sessions with nothing changed fail."])
    assert all("seed" not in each["extra_info"] for each in saved["benchmarks"])


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
        "0.76), which is beyond the tolerance of 1 %: find what slowed it, or run once more with --accept if "
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
    fails = PluginSuite.fails
    monkeypatch.setattr(
        PluginSuite, "fails", lambda self, name, variant: variant == STREAMING or fails(self, name, variant)
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
    assert "This run is accepted although it failed (--accept)" in str(result.stdout)
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
    for module in (settings, plugin_suite):
        monkeypatch.setattr(module, "built_in_variants", lambda: left)


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


def test_a_session_that_has_compared_nothing_is_no_success(suite: Suite) -> None:
    """Base could be measured of none of its variants, say: a required check should not be green then."""
    result = suite.run(f"--against-python={sys.executable}")
    assert result.ret == 1
    said = " ".join(" ".join(result.outlines).split())
    assert "Nothing was compared with base, so this run is no success" in said
