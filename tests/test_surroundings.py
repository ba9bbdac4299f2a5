"""What disturbs is read from made-up system files, and from the real ones."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from loader_gate.machine import surroundings
from loader_gate.machine.surroundings import SurroundingsReading, read_surroundings

CPU = "sys/devices/system/cpu"


def put(root: Path, files: dict[str, str]) -> None:
    """Write system files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")


@pytest.fixture(autouse=True)
def small_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write less to the disk than the real thing."""
    monkeypatch.setattr(surroundings, "WRITTEN", 2**20)


def read(root: Path, **files: str) -> SurroundingsReading:
    """Read some files of the processors' folder."""
    put(root, {f"{CPU}/{name.replace('__', '/')}": text for name, text in files.items()})
    return read_surroundings(root)


def test_this_machine() -> None:
    """The real thing is read without an error, and leaves no file."""
    before = {*Path(tempfile.gettempdir()).glob("loader-gate-*")}
    found = read_surroundings()
    assert found.free_memory > 0
    assert found.temporary.size >= found.temporary.free > 0
    assert found.temporary.written_per_second is None or found.temporary.written_per_second > 0
    assert not {*Path(tempfile.gettempdir()).glob("loader-gate-*")} - before


def test_what_is_not_shown(tmp_path: Path) -> None:
    """An empty system says nothing, and nothing is made of it."""
    found = read_surroundings(tmp_path)
    assert (found.shown_processors, found.sharing_processors, found.governors) == (None, None, ())
    assert (found.turbo, found.throttled_by_heat, found.swapped_pages) == (None, None, None)
    assert found.temporary.filesystem == ""


def test_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are switched on, those that we may use, and which of ours share a core."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 4}, raising=False)
    siblings = {
        f"cpu{each}__topology__thread_siblings_list": f"{each % 4},{each % 4 + 4}" for each in (0, 1, 4)
    }
    found = read(tmp_path, online="0-5,7", **siblings)
    assert (found.shown_processors, found.usable_processors, found.sharing_processors) == (7, 3, 2)
    found = read(tmp_path, cpu0__topology__thread_siblings_list="0", cpu4__topology__thread_siblings_list="4")
    assert found.sharing_processors == 0


def test_the_clock(tmp_path: Path) -> None:
    """Governors, each once; turbo as either maker's driver says it; heat of all processors together."""
    drivers = {
        "cpu0__cpufreq__scaling_governor": "powersave",
        "cpu1__cpufreq__scaling_governor": "powersave",
        "cpu0__thermal_throttle__core_throttle_count": "3",
        "cpu1__thermal_throttle__package_throttle_count": "4",
    }
    found = read(tmp_path, **drivers, cpufreq__boost="1")
    assert (found.governors, found.turbo, found.throttled_by_heat) == (("powersave",), True, 7)
    assert read(tmp_path, cpufreq__boost="0").turbo is False
    assert read(tmp_path, intel_pstate__no_turbo="0").turbo is True
    assert read(tmp_path, intel_pstate__no_turbo="1").turbo is False


def test_swap(tmp_path: Path) -> None:
    """What came from it and went to it since boot."""
    put(tmp_path, {"proc/vmstat": "nr_free_pages 7\npswpin 30\npswpout 12"})
    assert read_surroundings(tmp_path).swapped_pages == 42


def test_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deepest mount that holds it says what it is; a disk that cannot be written to has no speed."""
    folder = tmp_path / "my tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(folder))
    name = str(folder).replace(" ", "\\040")
    put(tmp_path, {"proc/self/mounts": f"d / ext4 rw 0 0\nt {name} tmpfs rw 0 0\nd {name}er xfs rw 0 0"})
    found = read_surroundings(tmp_path).temporary
    assert (found.path, found.filesystem) == (str(folder), "tmpfs")
    assert found.written_per_second is not None
    assert found.written_per_second > 0

    def full(**_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert read_surroundings(tmp_path).temporary.written_per_second is None


@pytest.mark.parametrize(
    ("battery", "found"),
    [(None, None), (SimpleNamespace(percent=80, power_plugged=True), None)]
    + [
        (SimpleNamespace(percent=80, power_plugged=plugged), level)
        for plugged, level in ((False, 80.0), (None, None))
    ],
)
def test_the_battery(
    battery: object, found: float | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only a machine that lives on it counts."""
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery, raising=False)
    assert read_surroundings(tmp_path).on_battery == found
    monkeypatch.delattr(psutil, "sensors_battery")
    assert read_surroundings(tmp_path).on_battery is None
