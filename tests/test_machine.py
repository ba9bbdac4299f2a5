"""What a machine is and shows, read from made-up system files."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import loader_gate
from loader_gate.machine import cores as home_of_cores
from loader_gate.machine import machine, noise
from loader_gate.machine.machine import Machine, read_machine
from loader_gate.machine.memory import free_memory
from loader_gate.machine.noise import (
    NoiseReading,
    describe_noise,
    read_noise,
    steal_share,
    throttled_periods,
    throttled_seconds,
    used_by_others,
)

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = Machine("A CPU", 2, 8 * 2**30, "Linux", "x86_64", None, {"python": "3.11.7"})


def put(root: Path, **files: str) -> None:
    """Write system files; two underscores in a name stand for a slash, one for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process run on 8 cores."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def test_this_machine() -> None:
    """The real thing is read without an error, and twice the same."""
    found = read_machine()
    assert found.cores >= 1
    assert found.memory_bytes > 0
    assert found.cpu
    assert found.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found.fingerprint == read_machine().fingerprint
    assert "\n" not in found.describe()
    assert describe_noise(read_noise(), read_noise())


def test_light() -> None:
    """Importing and reading brings in neither TensorFlow nor SciPy: collection has to stay quick."""
    code = (
        "import sys, loader_gate.verdict.verdict, loader_gate.verdict.floors; "
        "from loader_gate.machine.machine import read_machine; "
        "read_machine(); "
        "print({'tensorflow', 'keras', 'scipy', 'numpy', 'tomlkit'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "set()"


def test_fingerprint_is_of_what_stays() -> None:
    """Other versions or a kernel's few megabytes are the same machine; other cores are not."""
    same = dataclasses.replace(MACHINE, versions={"python": "3.12.0"}, memory_bytes=8 * 2**30 - 5_000_000)
    assert same.fingerprint == MACHINE.fingerprint
    assert dataclasses.replace(MACHINE, cores=4).fingerprint != MACHINE.fingerprint
    assert dataclasses.replace(MACHINE, gpu="A10G").fingerprint != MACHINE.fingerprint


def test_fingerprint_of_saved_runs() -> None:
    """Without a quota it is what runs have saved that were made before quotas had a part in it."""
    assert MACHINE.fingerprint == "27dbdbe859aaba23"


def test_fingerprint_of_a_quota() -> None:
    """Two quotas may be of as many whole cores, but they are not as fast."""
    limited = [dataclasses.replace(MACHINE, cores=1, quota=quota) for quota in (None, 1.0, 1.5, 1.9)]
    assert len({each.fingerprint for each in limited}) == 4


def test_describe() -> None:
    """One line for people, and another one of what a quota means."""
    assert MACHINE.describe() == "A CPU, 2 cores, 8.0 GiB, no GPU, Linux x86_64"
    assert MACHINE.remarks() == ()
    limited = dataclasses.replace(MACHINE, cores=1, quota=1.5)
    assert limited.describe() == "A CPU, 1 core by a quota of 1.5, 8.0 GiB, no GPU, Linux x86_64"
    (remark,) = limited.remarks()
    assert "CPU time of 1.5 cores" in remark
    assert "count on 1 core" in remark


#: What version 2 says of a quota, and version 1 in two files; how many cores' time that is, and whole cores.
QUOTAS = [
    ("50000 100000", 0.5, 1),
    ("150000 100000", 1.5, 1),
    ("190000 100000", 1.9, 1),
    ("250000 100000", 2.5, 2),
    ("100000 50000", 2.0, 2),
    ("800000 100000", None, 8),
    ("6400000 100000", None, 8),
]


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(("text", "quota", "cores"), [*QUOTAS, ("max 100000", None, 8), ("", None, 8)])
@pytest.mark.parametrize("level", ["", "outer", "outer/inner"])
def test_cgroup_2(tmp_path: Path, text: str, quota: float | None, cores: int, level: str) -> None:
    """The tightest quota and limit on the way to the root count, whatever level has it."""
    put(tmp_path, proc__self__cgroup="0::/outer/inner\n")
    mount = tmp_path / "sys/fs/cgroup"
    group = mount / level
    (mount / "outer/inner").mkdir(parents=True)
    (mount / "outer/inner/cpu.max").write_text("max 100000\n", encoding="utf-8")
    (mount / "outer/cpu.max").write_text("900000 100000\n", encoding="utf-8")
    (group / "cpu.max").write_text(f"{text}\n", encoding="utf-8")
    (group / "memory.max").write_text("1048576\n", encoding="utf-8")
    stat = "usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 2500000\nnr_bursts 0\n"
    (group / "cpu.stat").write_text(stat, encoding="utf-8")
    found = read_machine(tmp_path)
    assert (found.cores, found.quota) == (cores, quota)
    assert found.memory_bytes == 1048576
    reading = read_noise(tmp_path)
    assert (reading.throttled_periods, reading.throttled_seconds) == (3, 2.5)
    assert (reading.busy_seconds is None) or quota is None


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(("text", "quota", "cores"), [*QUOTAS, ("-1 100000", None, 8)])
@pytest.mark.parametrize("mounted", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("level", ["", "job", "job/step"])
def test_cgroup_1_in_a_container(
    tmp_path: Path, text: str, quota: float | None, cores: int, mounted: str, level: str
) -> None:
    """The path is the host's, of which only what lies below the container's group is to be seen."""
    put(
        tmp_path,
        proc__self__cgroup="9:name=systemd:/\n4:memory:/docker/12ab\n2:cpu,cpuacct:/docker/12ab/job/step\n",
    )
    mounts = tmp_path / "sys/fs/cgroup"
    (mounts / "memory").mkdir(parents=True)
    (mounts / mounted / "job/step").mkdir(parents=True)
    cpu, memory = mounts / mounted / level, mounts / "memory"
    for name, number in zip(("quota", "period"), text.split(), strict=True):
        (cpu / f"cpu.cfs_{name}_us").write_text(f"{number}\n", encoding="utf-8")
    stat = "nr_periods 9\nnr_throttled 3\nthrottled_time 2500000000\n"
    (cpu / "cpu.stat").write_text(stat, encoding="utf-8")
    (memory / "memory.limit_in_bytes").write_text("2097152\n", encoding="utf-8")
    found = read_machine(tmp_path)
    assert (found.cores, found.quota) == (cores, quota)
    assert found.memory_bytes == 2097152
    reading = read_noise(tmp_path)
    assert (reading.throttled_periods, reading.throttled_seconds) == (3, 2.5)
    (memory / "memory.limit_in_bytes").write_text("9223372036854771712\n", encoding="utf-8")
    assert read_machine(tmp_path).memory_bytes > 2097152


@pytest.mark.usefixtures("many_cores")
def test_both_versions_of_cgroups(tmp_path: Path) -> None:
    """Where both are mounted, version 2 has a folder beside those of version 1; either may have the quota."""
    put(tmp_path, proc__self__cgroup="2:cpu:/job\n0::/slice\n")
    newer, older = tmp_path / "sys/fs/cgroup/unified/slice", tmp_path / "sys/fs/cgroup/cpu/job"
    newer.mkdir(parents=True)
    older.mkdir(parents=True)
    (newer / "cpu.max").write_text("300000 100000\n", encoding="utf-8")
    assert read_machine(tmp_path).quota == 3
    (older / "cpu.cfs_quota_us").write_text("200000\n", encoding="utf-8")
    (older / "cpu.cfs_period_us").write_text("100000\n", encoding="utf-8")
    assert read_machine(tmp_path).quota == 2


@pytest.mark.usefixtures("many_cores")
def test_what_variants_ask_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`cores` is what a machine has; the quota is read once, as a loader may ask for every batch."""
    put(tmp_path, proc__self__cgroup="0::/\n", sys__fs__cgroup__cpu_max="250000 100000\n")
    monkeypatch.setattr(home_of_cores, "ROOT", tmp_path)
    home_of_cores.quota_of_this_process.cache_clear()
    try:
        assert loader_gate.cores() == read_machine(tmp_path).cores == 2
        put(tmp_path, sys__fs__cgroup__cpu_max="350000 100000\n")
        assert loader_gate.cores() == 2
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5}, raising=False)
        assert loader_gate.cores() == 1
    finally:
        home_of_cores.quota_of_this_process.cache_clear()


def test_cores_are_light() -> None:
    """A variant that asks for them imports nothing more of ours, and nothing that is installed."""
    code = (
        "import sys; before = {*sys.modules}; from loader_gate import cores; cores(); "
        "ours = {name for name in sys.modules if name.startswith('loader_gate')}; "
        "others = {name.partition('.')[0] for name in {*sys.modules} - before} - sys.stdlib_module_names; "
        "print(sorted(ours), sorted(others))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    ours = ["loader_gate", "loader_gate.machine", "loader_gate.machine.cores"]
    assert found.stdout.strip() == f"{ours} ['loader_gate']"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "processor : 0\nmodel name\t: A CPU @ 2.00GHz\n\nprocessor : 1\nmodel name\t: B\n",
            "A CPU @ 2.00GHz",
        ),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "ARM implementer 0x41 part 0xd0c"),
    ],
)
def test_cpu_model(tmp_path: Path, text: str, name: str) -> None:
    """The first core names the CPU; ARM has numbers only."""
    put(tmp_path, proc__cpuinfo=text)
    assert read_machine(tmp_path).cpu == name


def test_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU needs the driver's word and a device, and may be hidden."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(machine, "_output", lambda *_: "")
    information = tmp_path / "proc/driver/nvidia/gpus/0000:00:1e.0/information"
    information.parent.mkdir(parents=True)
    information.write_text("Model: \t\t NVIDIA A10G\nIRQ: 10\n", encoding="utf-8")
    assert read_machine(tmp_path).gpu is None
    put(tmp_path, dev__nvidia0="")
    assert read_machine(tmp_path).gpu == "NVIDIA A10G"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert read_machine(tmp_path).gpu is None


def test_gpu_by_the_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no driver to be seen, as under WSL, the tool is asked."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(
        machine, "_output", lambda *_: "GPU 0: NVIDIA T4 (UUID: GPU-12)\nGPU 1: B (UUID: GPU-13)"
    )
    assert read_machine(tmp_path).gpu == "NVIDIA T4"


def test_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steal is a share of all CPU time, in which guests count once."""
    monkeypatch.setattr(os, "getloadavg", lambda: (1.25, 0.0, 0.0), raising=False)
    put(tmp_path, proc__stat="cpu  100 0 50 800 0 0 0 50 100 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
    before = read_noise(tmp_path)
    assert dataclasses.astuple(before)[:4] == (1.25, 50, 1000, None)
    put(tmp_path, proc__stat="cpu  160 0 60 880 0 0 0 100 150 0\n")
    after = read_noise(tmp_path)
    assert steal_share(before, after) == 0.25
    assert throttled_periods(before, after) is None
    assert describe_noise(before, after) == "load 1.2 at the start, 25.0 % of CPU time stolen"
    assert steal_share(before, before) is None


def test_noise_throttled() -> None:
    """Throttling is told in seconds and periods, and its absence too."""
    before, after = NoiseReading(None, None, None, 3), NoiseReading(None, None, None, 44)
    assert describe_noise(before, after) == "throttled in 41 periods"
    assert describe_noise(before, before) == "not throttled"
    before = dataclasses.replace(before, throttled_seconds=1.5)
    after = dataclasses.replace(after, throttled_seconds=4.75)
    assert describe_noise(before, after) == "throttled for 3.2 s in 41 periods"
    assert throttled_seconds(before, after) == 3.25
    after = dataclasses.replace(after, throttled_periods=4)
    assert describe_noise(before, after) == "throttled for 3.2 s in 1 period"
    assert describe_noise(before, before) == "not throttled"


def test_a_system_that_shows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc, as on macOS, everything still answers."""
    monkeypatch.delattr(os, "getloadavg", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    reading = read_noise(tmp_path)
    assert dataclasses.astuple(reading)[:4] == (None, None, None, None)
    assert describe_noise(reading, reading) == "this system shows nothing of load, steal or throttling"
    found = read_machine(tmp_path)
    assert found.cpu
    assert found.cores >= 1


def test_free_memory_of_this_machine() -> None:
    """The real thing is read without an error, and is no more than there is."""
    assert 0 < free_memory() <= read_machine().memory_bytes


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"memory.max": "9000", "memory.current": "5000"}, 4000),
        ({"memory.max": "9000", "memory.current": "5000", "memory.stat": "inactive_file 1000\n"}, 5000),
        ({"memory.max": "9000", "memory.current": "9500"}, 0),
        ({"memory.max": "9000"}, 9000),
        ({"memory.max": "max", "memory.current": "5000"}, None),
        ({}, None),
    ],
)
def test_free_memory_of_a_container(tmp_path: Path, files: dict[str, str], free: int | None) -> None:
    """Of its limit, what is used is not free; but files that only lie in the cache make room."""
    group = tmp_path / "sys/fs/cgroup/job"
    group.mkdir(parents=True)
    put(tmp_path, proc__self__cgroup="0::/job\n")
    for name, text in files.items():
        (group / name).write_text(text, encoding="utf-8")
    found = free_memory(tmp_path)
    assert found == free if free is not None else found > 9500


def test_free_memory_of_an_older_container(tmp_path: Path) -> None:
    """Version 1 has other names, and sums of a group and those below it."""
    memory = tmp_path / "sys/fs/cgroup/memory"
    memory.mkdir(parents=True)
    put(tmp_path, proc__self__cgroup="4:memory:/\n")
    (memory / "memory.limit_in_bytes").write_text("9000\n", encoding="utf-8")
    (memory / "memory.usage_in_bytes").write_text("5000\n", encoding="utf-8")
    (memory / "memory.stat").write_text("inactive_file 10\ntotal_inactive_file 1000\n", encoding="utf-8")
    assert free_memory(tmp_path) == 5000


def test_used_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What our cores have worked, less our own part; other cores do not count."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2}, raising=False)
    monkeypatch.setattr(os, "sysconf", lambda _: 100)
    monkeypatch.setattr(noise, "_own_seconds", iter([10.0, 14.0]).__next__)
    monkeypatch.setattr("loader_gate.machine.noise.time.monotonic", iter([100.0, 110.0]).__next__)
    readings = []
    for busy in (0, 500):
        cores = [f"cpu{core} {1000 + busy * core} 0 0 9000 0 0 0 0 0 0" for core in range(4)]
        put(tmp_path, proc__stat="\n".join(["cpu 1 2 3 4 5 6 7 8 9", *cores]))
        readings.append(read_noise(tmp_path))
    # 5 + 10 seconds of cores 1 and 2 in 10 seconds, of which 4 are ours
    before, after = readings
    assert used_by_others(before, after) == pytest.approx(1.1)
    assert "1.1 cores used by others" in describe_noise(before, after)


@pytest.mark.usefixtures("many_cores")
def test_under_a_quota_nobody_knows(tmp_path: Path) -> None:
    """Others on the same cores may take nothing from us then."""
    cores = "\n".join(f"cpu{core} 1 2 3 4 5 6 7 8 0 0" for core in range(8))
    put(tmp_path, proc__stat=cores)
    assert read_noise(tmp_path).busy_seconds is not None
    put(tmp_path, proc__self__cgroup="0::/\n", sys__fs__cgroup__cpu_max="200000 100000\n")
    reading = read_noise(tmp_path)
    assert reading.busy_seconds is None
    assert used_by_others(reading, reading) is None
