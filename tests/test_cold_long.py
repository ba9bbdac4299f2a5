"""Cold passes, from the option to the tables: what the disk gives, and a loader that cannot be evicted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from loader_gate.machine.page_cache import file_system_of
from loader_gate.registry.variant import BASELINE
from loader_gate.report.summary import summary
from loader_gate.session.cold import NEVER_COLD
from loader_gate.worker.cold import MOST_CACHED
from tests.sessions import ONLY_BASELINE, Run, loaders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sessions import Sessions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux evicts")

DUMP, DISK = "uint8_memory_map", "limit_disk_read"


@pytest.fixture(scope="module")
def run(new_sessions: Callable[[], Sessions], tree_cache: Path) -> Run:
    """One session whose passes begin cold."""
    sessions = new_sessions()
    # A tree of its own: other tests read theirs meanwhile, which brings its files back.
    sessions.environment["LOADER_GATE_CACHE"] = str(sessions.folder / "cache")
    for folder in (sessions.folder, tree_cache):
        kind = file_system_of(str(folder))
        if kind in NEVER_COLD:
            pytest.skip(f"{folder} is on {kind}")
    found = sessions.run(
        "benchmarks/test_limits.py",
        *(*ONLY_BASELINE, f"--variant={DUMP}", f"--variant={DISK}", *loaders("pinned")),
        *("--cold", "--budget=6", f"--report={sessions.folder / 'report.html'}"),
    )
    assert sessions.left_files() == []
    return found


def test_passes_begin_cold(run: Run) -> None:
    """Nothing to speak of is cached, and what an epoch needs comes from the disk."""
    assert {*run.infos} == {BASELINE, DUMP, DISK}, run.out + run.err
    for info in run.infos.values():
        assert 0 <= info["cached_share"] <= MOST_CACHED
        assert info["bytes_per_second"] > 0
        assert (info["cache"], info["epochs"]) == ("cold", 1)
    dump = 24 * 32 * 32 * 3
    assert dump <= run.infos[DUMP]["read_bytes"] < 2 * dump + 1_000_000
    assert run.infos[BASELINE]["read_bytes"] >= run.infos[DISK]["read_bytes"] / 2
    assert run.infos[BASELINE]["limit"] == DISK


def test_what_cannot_be_evicted_is_unmeasured(run: Run) -> None:
    """A loader that holds on to its dump, with what was found and what to do."""
    assert "no pass of it began cold" in run.unmeasured["pinned"]
    assert "measure without --cold" in run.unmeasured["pinned"]


def test_tables(run: Run) -> None:
    """The terminal, the Markdown and the page have them; floors of warm passes do not hold."""
    assert "MB/s from disk" in run.out
    assert "Cold: before each pass" in run.text
    assert "No floors but those of --floor" in run.text
    assert run.infos[DUMP]["floor"] is None
    assert "MB/s from disk" in summary(run.saved)
    assert "From the disk: loading" in (run.folder / "report.html").read_text(encoding="utf-8")
