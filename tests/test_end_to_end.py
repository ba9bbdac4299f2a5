"""The real command on a tiny tree, with real workers: what a user sees, and what is left behind.

Starting TensorFlow takes long, so tests share sessions. None depends on how fast or how calm the machine is:
what has to be decided is far from its floor, and has more time than it can need.
"""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from loader_gate.plugin.books import SCHEMA
from loader_gate.registry.variant import BASELINE
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.trees.tree import Tree
from tests.sessions import AMPLE_BUDGET, ONLY_BASELINE, SMALL_BUDGET, STUCK_SECONDS, Run, Sessions, loaders

#: A loader that needs no TensorFlow, which takes long to start.
LOADER = "photos"
MEASURED = (BASELINE, "tfdata_memory_cache", LOADER)
EXTRA_INFO = {
    *("variant", "kind", "workload", "profile", "verdict", "floor", "speedup", "speedup_low"),
    *("speedup_high", "blocks", "images", "images_per_second", "cpu_seconds_per_image", "peak_rss_bytes"),
    *("first_batch_seconds", "teardown_seconds", "baseline_seconds", "variant_seconds", "tree", "schema"),
    *("bottleneck", "bottleneck_evidence"),
}

# One session of two variants and a loader, and a second one that is compared with it.


@pytest.fixture(scope="module")
def both_sessions(new_sessions: Callable[[], Sessions]) -> Sessions:
    """A place that both sessions share."""
    return new_sessions()


@pytest.fixture(scope="module")
def first(both_sessions: Sessions) -> Run:
    """All of them, with floors that any machine clears."""
    chosen = [*(f"--variant={name}" for name in MEASURED[1:-1]), *loaders(LOADER)]
    floors = [f"--floor={name}=0.01" for name in MEASURED[1:]]
    return both_sessions.run(*chosen, *floors, AMPLE_BUDGET, "--benchmark-autosave", "-W", "error")


@pytest.fixture(scope="module")
def first_saved(first: Run) -> dict[str, Any]:
    """The JSON of the first session."""
    return first.saved


@pytest.fixture(scope="module")
def second(both_sessions: Sessions, first_saved: dict[str, Any]) -> Run:
    """A single loader, as a quick look after a change; here it has no floor."""
    assert first_saved
    floors = both_sessions.folder / "no_floors.toml"
    floors.write_text("", encoding="utf-8")
    return both_sessions.run(
        *(*ONLY_BASELINE, *loaders(LOADER), f"--floors={floors}", SMALL_BUDGET),
        *("--benchmark-compare", "--benchmark-group-by=group"),
        *("-W", "error", "-W", f"default:{LOADER} (loading"),
        f"--report={both_sessions.folder / 'report.html'}",
    )


def test_all_pass(first: Run) -> None:
    """Exit code 0, a passed test for each variant, no warnings."""
    assert first.code == 0, first.out + first.err
    assert first.junit == dict.fromkeys(MEASURED, "")
    assert f" {len(MEASURED)} passed in " in first.out


def test_the_table(first: Run) -> None:
    """Each variant has a row with its verdict, the machine and noise a line, and all fits a page."""
    assert [first.verdict(name) for name in MEASURED] == ["pass"] * len(MEASURED)
    assert any(line.startswith("Machine: ") for line in first.table)
    assert any(line.startswith("Noise: ") for line in first.table)
    for name, info in first.infos.items():
        assert f"{name}: {info['bottleneck']}: {info['bottleneck_evidence']['sentence']}." in first.text
    assert max(map(len, first.table)) <= 100


def test_pytest_benchmarks_own_table(first: Run) -> None:
    """It is there too, as every user of pytest-benchmark expects."""
    assert f"benchmark 'loading': {len(MEASURED)} tests" in first.out
    assert all(f"test_throughput[{name}]" in first.out for name in MEASURED)


def test_progress_is_said(first: Run) -> None:
    """It goes to standard error, so that output can be piped."""
    assert "Decoding the reference: 24/24" in first.err
    assert "Measuring loading" in first.err
    assert "Measuring loading" not in first.out


def test_extra_info(first_saved: dict[str, Any], tiny_tree: Tree) -> None:
    """Every name of the design is there, for every variant, with figures that agree with each other."""
    infos = [each["extra_info"] for each in first_saved["benchmarks"]]
    assert sorted(info["variant"] for info in infos) == sorted(MEASURED)
    kinds = {info["variant"]: info["kind"] for info in infos}
    assert kinds == dict(zip(MEASURED, ("streaming", "memory", "streaming"), strict=True))
    for info in infos:
        assert set(info) >= EXTRA_INFO
        assert (info["workload"], info["verdict"], info["schema"]) == ("loading", "pass", SCHEMA)
        assert (info["images"], info["tree"]) == (24, tiny_tree.digest)
        assert info["floor"] == (None if info["variant"] == BASELINE else 0.01)
        assert info["blocks"] >= FEWEST_BLOCKS
        assert 0 < info["speedup_low"] <= info["speedup"] <= info["speedup_high"]
        assert 0 < info["first_batch_seconds"] <= max(info["variant_seconds"])
        assert info["teardown_seconds"] >= 0
        assert info["cpu_seconds_per_image"] > 0
        assert info["peak_rss_bytes"] > 2**20
        assert "problem" not in info["bottleneck_evidence"]
        assert info["bottleneck_evidence"]["cores_used"] > 0


def test_passes_are_paired(first_saved: dict[str, Any]) -> None:
    """Two passes a block of the variant, and the two of the baseline that they were paired with."""
    infos = {each["extra_info"]["variant"]: each["extra_info"] for each in first_saved["benchmarks"]}
    for info in infos.values():
        assert len(info["variant_seconds"]) == len(info["baseline_seconds"]) == 2 * info["blocks"]
        shared = len(info["baseline_seconds"])
        assert info["baseline_seconds"] == infos[BASELINE]["variant_seconds"][:shared]
    assert infos[BASELINE]["speedup"] == 1


def test_one_set_of_passes(first_saved: dict[str, Any]) -> None:
    """pytest-benchmark's own statistics are of the very passes that the verdict is from."""
    for benchmark in first_saved["benchmarks"]:
        assert benchmark["group"] == "loading"
        seconds = benchmark["extra_info"]["variant_seconds"]
        assert benchmark["stats"]["data"] == pytest.approx(seconds, abs=1e-6)
        assert benchmark["stats"]["rounds"] == len(seconds)


def test_of_the_whole_run(first_saved: dict[str, Any]) -> None:
    """The JSON says that nothing was left out, and what machine it was, without what changes."""
    assert first_saved["loader_gate"]["schema"] == SCHEMA
    assert first_saved["loader_gate"]["unmeasured"] == []
    assert first_saved["loader_gate"]["gate"] == "lenient"
    assert "load " in first_saved["loader_gate"]["about"]["loading"]["noise"]
    machine = first_saved["machine_info"]
    assert machine["fingerprint"]
    assert machine["description"]
    assert "tensorflow" in machine["versions"] or "tensorflow-cpu" in machine["versions"]
    assert "hz_" not in json.dumps(machine)


def test_which_variant_to_use(first: Run, first_saved: dict[str, Any]) -> None:
    """The map and a recommendation for this tree and a large one are said, and kept."""
    about = first_saved["loader_gate"]
    assert sorted(row["variant"] for row in about["map"]) == sorted(MEASURED)
    float32 = 32 * 32 * 3 * 4
    taken = {
        row["variant"]: (row["disk_bytes_per_image"], row["memory_bytes_per_image"]) for row in about["map"]
    }
    assert taken == {
        BASELINE: (0, 0),
        LOADER: (0, 0),
        "tfdata_memory_cache": (0, float32),
    }
    assert [each["situation"]["images"] for each in about["recommendation"]] == [24, 117_266]
    for each in about["recommendation"]:
        assert each["sentences"][0] in first.text
    assert "docs/using-a-variant.md" in first.text


def test_autosave(first: Run) -> None:
    """The run is kept for later comparison."""
    (saved,) = first.folder.glob("storage/*/0001_*.json")
    names = [each["name"] for each in json.loads(saved.read_text(encoding="utf-8"))["benchmarks"]]
    assert sorted(names) == sorted(f"test_throughput[{name}]" for name in MEASURED)


def test_the_machine_stays_the_same(first_saved: dict[str, Any], second: Run) -> None:
    """Two runs on one machine say the same of it, so pytest-benchmark does not warn of another."""
    assert second.saved["machine_info"] == first_saved["machine_info"]
    assert "machine_info" not in second.out + second.err


def test_the_report(second: Run) -> None:
    """It is one page, with the run that was saved before in its history."""
    assert second.out.splitlines()[-1] == f"Report: {second.folder / 'report.html'}"
    html = (second.folder / "report.html").read_text(encoding="utf-8")
    assert "Speedups of 2 runs" in html
    assert "this session" in html
    assert not [*second.folder.glob(".report*")]


def test_compare(second: Run) -> None:
    """The usual option of pytest-benchmark shows the variant beside its saved run, in one group."""
    assert second.code == 0, second.out + second.err
    assert "Comparing against benchmarks from:" in second.out + second.err
    assert "benchmark 'loading': 4 tests" in second.out
    for name in (BASELINE, LOADER):
        rows = [line for line in second.out.splitlines() if line.startswith(f"test_throughput[{name}] (")]
        assert [row.partition("(")[2][:4] for row in rows] in (["0001", "NOW)"], ["NOW)", "0001"])
    assert any("Compared with run 0001, the last accepted one" in line for line in second.table)
    assert any("→" in line for line in second.table)


def test_without_a_floor_nobody_passes_silently(second: Run) -> None:
    """The lenient gate lets it through, with a warning that says how to set a floor."""
    assert second.junit == {BASELINE: "", LOADER: ""}
    assert second.verdict(LOADER) == "undecided"
    warning = f"UndecidedWarning: {LOADER} (loading, no profile) is "
    (line,) = (line for line in second.out.splitlines() if warning in line)
    assert "has no floor to clear: set one with --floor" in line
    assert "2 passed, 1 warning in " in second.out


def test_nothing_is_left(both_sessions: Sessions, second: Run) -> None:
    """No worker outlives its session, and no temporary folder does."""
    assert second.code == 0
    both_sessions.check_nothing_is_left()


# Sessions that decide nothing.


def test_a_skipped_run_is_not_green(new_sessions: Callable[[], Sessions]) -> None:
    """With --benchmark-skip nothing is measured, and no worker is even started: the run says so and fails."""
    run = new_sessions().run("--benchmark-skip")
    assert run.code == 1
    assert re.search(r"= \d+ skipped in ", run.out)
    assert "Nothing was measured, so this run is no success." in run.out
    assert "Measuring" not in run.err


def check_its_end(ending: signal.Signals, doing: bytes, sessions: Sessions) -> None:
    """Start a session, send it a signal when it is doing that, and check that it ends and leaves nothing."""
    terminal, theirs = pty.openpty()
    is_doing_it = threading.Event()

    def read() -> None:
        # A terminal has a progress bar, which says what is being timed. It is read to the end: a session
        # whose terminal is full waits for somebody to read it.
        seen = b""
        with suppress(OSError):  # nobody has the other end any more
            while text := os.read(terminal, 4096):
                seen += text
                if doing in seen:
                    is_doing_it.set()

    reader = threading.Thread(target=read, daemon=True)
    options = (*ONLY_BASELINE, *loaders("hangs", "photos"))
    with sessions.started(*options, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        reader.start()
        assert is_doing_it.wait(STUCK_SECONDS)
        process.send_signal(ending)
        out, _ = process.communicate(timeout=STUCK_SECONDS)
    reader.join(STUCK_SECONDS)
    os.close(terminal)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in out
    assert "warning" not in out  # nor one of pytest-benchmark, that its fixture was not used
    sessions.check_nothing_is_left()


@pytest.mark.usefixtures("signals_heeded")
def test_ctrl_c_in_a_pass(new_sessions: Callable[[], Sessions]) -> None:
    """Nothing runs on, and nothing stays in TMPDIR."""
    check_its_end(signal.SIGINT, b"warming up hangs", new_sessions())
