"""The witness of a worker's figures: made-up cgroups and findings, and a real one where that may be."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import pytest

from docs.study import __main__ as command
from docs.study import groups, witness
from docs.study.errors import StudyError
from docs.study.groups import Group, new_group
from docs.study.witness import Finding, Place, report
from loader_gate.machine.cores import cpu_quota, processors

if TYPE_CHECKING:
    from pathlib import Path

FOUND = Finding(
    Place("a quota of 1.5", 2, 1.5),
    "threads",
    seconds=(2.0, 2.0),
    cpu_seconds=(1.01, 1.98),
    cpu_witnessed=(1.0, 2.0),
    peak_bytes=309_000_000,
    peak_witnessed=300_000_000,
    cores=(1, 1),
)


def test_what_a_finding_says() -> None:
    """CPU time by the worst pass, memory in the end, cores by the quota, rounded down."""
    assert FOUND.cpu_deviation == pytest.approx(0.01)
    assert FOUND.memory_deviation == pytest.approx(0.03)
    assert FOUND.busy == pytest.approx(2.99 / 4)
    assert FOUND.place.most == 1.5
    assert FOUND.counts_right
    assert Place("2 cores", 2).most == 2


def test_the_table() -> None:
    """A line a finding, and what they come to."""
    text = report([FOUND])
    assert "| a quota of 1.5 | `threads` | 1495 | 1500 | +1.0 % | 309 | 300 | +3.0 % | 1 | 0.75 |" in text
    assert "+1.0 % of CPU time and +3.0 % of memory; 1 of 1 rows have one above 2 %." in text
    assert "`cores()` is wrong in 0 of them." in text
    assert "at most 0.498 of what" in text


@pytest.mark.parametrize("version", [1, 2])
def test_a_group_of_either_version(tmp_path: Path, version: int) -> None:
    """What is written is what `cores` reads; what is read leaves page cache out."""
    group = Group(tmp_path, tmp_path, tmp_path)
    if version == 2:
        (tmp_path / "cpu.max").write_text("max 100000\n", encoding="utf-8")
        stat = "anon 300\nfile 5000\nshmem 20\n"
    else:
        stat = "cache 5000\nrss 1\nshmem 2\ntotal_cache 5000\ntotal_rss 300\ntotal_shmem 20\n"
    (tmp_path / "memory.stat").write_text(stat, encoding="utf-8")
    assert group.resident_bytes() == 320
    system = tmp_path / "system"
    (system / "proc/self").mkdir(parents=True)
    (system / "sys/fs").mkdir(parents=True)
    (system / "proc/self/cgroup").write_text("0::/\n" if version == 2 else "1:cpu:/\n", encoding="utf-8")
    (system / "sys/fs/cgroup").symlink_to(tmp_path)
    for quota in (0.5, None):
        group.limit(quota)
        assert cpu_quota(system) == (quota or math.inf)


def test_without_leave_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no cgroup can be made, there is a sentence, and nothing is written."""
    monkeypatch.setattr(groups, "ROOT", tmp_path)
    assert command.main(["witness", "--folder", str(tmp_path)]) == 1
    assert "witness: skipped, as no cgroup could be made" in capsys.readouterr().err
    assert not (tmp_path / witness.FILE).exists()


def test_a_real_worker_under_a_real_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every loader runs, whatever processes it has, and counts on what the quota allows."""
    try:
        new_group(f"loader-gate-{os.getpid()}").remove()
    except StudyError as error:
        pytest.skip(str(error))
    bound_to = len(processors() or ())
    loaders = ("forked", "daemons")
    monkeypatch.setenv("LOADER_GATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(witness, "IMAGES", 8)
    monkeypatch.setattr(witness, "PASSES", 1)
    monkeypatch.setattr(witness, "LOADERS", loaders)
    monkeypatch.setattr(witness, "PLACES", [Place("a quota", bound_to, bound_to - 0.5)])
    witness.hold_against_witness(tmp_path)
    text = (tmp_path / witness.FILE).read_text(encoding="utf-8")
    assert [name for name in loaders if f"| a quota | `{name}` |" in text] == [*loaders]
    assert "`cores()` is wrong in 0 of them." in text
