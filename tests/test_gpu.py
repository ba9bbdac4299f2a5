"""What is said of a GPU, of one that is made up: no test here has seen a real one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loader_gate.machine.gpu import GpuReading, describe_gpu, only_the_first, read_gpu, visible_gpus
from loader_gate.machine.machine import read_machine
from loader_gate.machine.noise import NoiseReading, describe_noise
from loader_gate.registry.variant import Variant
from loader_gate.rotation.measurement import Measurement
from loader_gate.runs.parsing import work_of
from loader_gate.session.dump_writer import Dumps
from loader_gate.session.figures import Figures, remarks
from loader_gate.trees.tree import Tree
from loader_gate.verdict.verdict import Verdict
from loader_gate.worker.handed_over import busy_share
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.origin import Origin
from loader_gate.worker.process import environment_for
from loader_gate.worker.timing import GpuUse, PassTiming
from loader_gate.workloads.device import Device
from loader_gate.workloads.known import workload
from loader_gate.workloads.workload import WorkloadOptions
from tests.made_up_gpu import MadeUpLibrary, two
from tests.made_up_passes import passes

H200 = GpuReading(
    "NVIDIA H200",
    visible=1,
    memory_used=600_000_000,
    memory_bytes=150_000_000_000,
    busy=0.0,
    clock=345,
    highest_clock=1980,
    watts=75.0,
    most_watts=700.0,
    users=0,
)


@pytest.mark.parametrize(
    ("environment", "visible", "first"),
    [
        ({}, None, "0"),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, ("1", "0"), "1"),
        ({"CUDA_VISIBLE_DEVICES": " GPU-2222 "}, ("GPU-2222",), "GPU-2222"),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, ("0",), "0"),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, (), "-1"),
        ({"CUDA_VISIBLE_DEVICES": ""}, (), "-1"),
    ],
)
def test_workers_see_the_first_visible_gpu(
    environment: dict[str, str], visible: tuple[str, ...] | None, first: str
) -> None:
    """As CUDA counts; JAX would take memory of every one, and TensorFlow too."""
    assert visible_gpus(environment) == visible
    assert only_the_first(environment) == {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": first}


def test_the_order_of_gpus_is_the_users() -> None:
    """Who has set it means the numbers that CUDA gives then."""
    found = only_the_first({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})
    assert found["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"


def test_a_gpu_is_read() -> None:
    """Everything that is shown of it, in plain units; and the library is closed again."""
    library = MadeUpLibrary(two()[:1])
    assert read_gpu({}, library) == replace(H200, busy=0.37)
    assert not library.is_open


@pytest.mark.parametrize(
    ("visible", "name", "number", "is_slice"),
    [
        (None, "NVIDIA H200", 2, False),
        ("0", "NVIDIA H200", 1, False),
        ("GPU-1111", "NVIDIA H200", 1, False),
        ("1,0", "NVIDIA A100 MIG 1g.5gb", 2, True),
        ("GPU-2222-bbbb", "NVIDIA A100 MIG 1g.5gb", 1, True),
        ("MIG-4", "NVIDIA A100 MIG 1g.5gb", 1, True),
    ],
)
def test_the_first_visible_one_is_read(visible: str | None, name: str, number: int, is_slice: bool) -> None:
    """By number, UUID or the beginning of one; of a GPU that is cut into slices the first of them."""
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    found = read_gpu(environment, MadeUpLibrary(two()))
    assert isinstance(found, GpuReading)
    assert (found.name, found.visible, found.is_slice) == (name, number, is_slice)
    assert (found.clock, found.most_watts) == (345, 700.0)


def test_what_a_gpu_does_not_show() -> None:
    """It is left out, and the rest is there."""
    asked = "MemoryInfo UtilizationRates PowerUsage ClockInfo ComputeRunningProcesses MigMode"
    lacking = tuple(f"nvmlDeviceGet{each}" for each in asked.split())
    found = read_gpu({}, MadeUpLibrary(two()[:1], lacking))
    assert found == GpuReading("NVIDIA H200", 1, highest_clock=1980, most_watts=700.0)
    assert isinstance(found, GpuReading)
    assert describe_gpu(found, found) == "NVIDIA H200, power limit 700 W"


@pytest.mark.parametrize(
    ("visible", "gpus", "expected"),
    [
        ("", 1, "no GPU may be used (CUDA_VISIBLE_DEVICES)"),
        (None, 0, "no GPU may be used (CUDA_VISIBLE_DEVICES)"),
        ("7", 1, "NVIDIA's management library says: Invalid Argument"),
        ("GPU-9", 1, "NVIDIA's management library says: Not Found"),
        ("MIG-9", 2, "NVIDIA's management library says: Not Found"),
    ],
)
def test_why_nothing_is_known(visible: str | None, gpus: int, expected: str) -> None:
    """In words, not as an exception: nothing is measured worse for it."""
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert read_gpu(environment, MadeUpLibrary(two()[:gpus])) == expected


def test_a_gpu_in_the_noise_line() -> None:
    """Its pace, what holds it back, and who else uses it."""
    before, after = replace(H200, visible=8, users=2, busy=0.35), replace(H200, memory_used=900_000_000)
    assert describe_gpu(before, after, [1980, 1755, 1900]) == (
        "NVIDIA H200 (the first of 8 visible), clock 1,755–1,980 of 1,980 MHz at the end of passes, power "
        "limit 700 W, 2 other processes on it, 0.9 of 150.0 GB of its memory in use without us, 35% busy "
        "before"
    )
    cut = replace(H200, is_slice=True, users=1, most_watts=700.0)
    said = describe_gpu(cut, replace(cut, most_watts=500.0), [1980, 1980])
    assert "NVIDIA H200, a slice of it (MIG), clock 1,980 of 1,980 MHz" in said
    assert "power limit 700 W, 500 W at the end, 1 other process on it" in said


def test_noise_of_a_session_without_a_gpu_says_nothing_of_one() -> None:
    """Nor is anything asked; with one that is not shown, the line says why."""
    quiet = NoiseReading(0.5, None, None, None)
    assert describe_noise(quiet, quiet) == "load 0.5 at the start"
    unknown = replace(quiet, gpu="nvidia-ml-py is not installed (the extra gpu)")
    assert describe_noise(unknown, unknown) == (
        "load 0.5 at the start, nothing is known of the GPU: nvidia-ml-py is not installed (the extra gpu)"
    )
    known = replace(quiet, gpu=H200)
    assert describe_noise(known, known, [1980]).startswith(
        "load 0.5 at the start, NVIDIA H200, clock 1,980 of"
    )


def by_the_plan(came: list[float], images: list[int], pace: float) -> tuple[float, float]:
    """Return when a device of a pace has done all, and the share of time after the first step it worked."""
    free = busy = after_first = 0.0
    for number, (at, size) in enumerate(zip(came, images, strict=True)):
        free = max(at, free) + size * pace
        if number == 0:
            after_first = free
        else:
            busy += size * pace
    return free, busy / (free - after_first)


@pytest.mark.parametrize("pace", [0.001, 0.004, 0.02])
@pytest.mark.parametrize(
    "gaps",
    [
        [0.1] * 12,
        [0.3, *[0.0] * 11],
        [0.1, 0.5, 0.01, 0.01, 0.01, 0.4, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02],
        [0.2, *[0.032] * 11],
    ],
)
def test_busy_as_the_emulated_accelerator_is(gaps: list[float], pace: float) -> None:
    """Whoever feeds it, and however unevenly: the share is that of a device which works by the plan."""
    came = [sum(gaps[: number + 1]) for number in range(len(gaps))]
    images = [32] * 11 + [7]
    end, share = by_the_plan(came, images, pace)
    assert busy_share(came, images, end) == pytest.approx(share)


def test_busy_of_too_little() -> None:
    """One batch has nothing after its step, and a device that is waited for at every step took no time."""
    assert busy_share([1.0], [32], 2.0) is None
    assert busy_share([1.0, 2.0], [32, 32], 2.0) is None
    assert busy_share([], [], 2.0) is None


def test_what_a_worker_says_of_a_gpu_comes_across() -> None:
    """It is JSON on its way."""
    use = {"peak_bytes": 5, "busy": 0.5, "clock": 1980, "watts": 300.0}
    answer = {
        **dict.fromkeys(("seconds", "first_batch_seconds", "teardown_seconds", "cpu_seconds"), 1.0),
        "peak_rss_bytes": 1,
        "epochs": 1,
    }
    assert PassTiming.of({**answer, "gpu": use}).gpu == GpuUse(5, 0.5, 1980, 300.0)
    assert PassTiming.of(answer).gpu is None


def test_what_is_said_of_a_gpu_that_has_trained() -> None:
    """Medians of its passes, the most of its memory, and nothing without one."""
    uses = [
        GpuUse(4_000_000_000, 0.9, 1900, 600.0),
        GpuUse(6_000_000_000, 0.7, 1980, None),
        GpuUse(None, 0.8, 1755, 500.0),
    ]
    timings = tuple(replace(each, gpu=use) for each, use in zip(passes(0.5, 2), uses, strict=False))
    verdict = Verdict("pass", None, None, "")
    measurement = Measurement(Variant("calm", "some"), "streaming", verdict, (), timings, 0.0, None)
    tree = Tree(Path("nowhere"), ("a.jpg",), (0,), ("a",), "digest")
    work = workload("training", WorkloadOptions(Device("gpu")))
    figures = Figures(work, tree, Dumps(), read_machine())
    infos = figures.extra_info({"calm": measurement})
    expected = {"gpu_peak_bytes": 6e9, "gpu_busy": 0.8, "gpu_clock_mhz": 1900, "gpu_watts": 550.0}
    assert {name: infos["calm"][name] for name in expected} == expected
    said = [*remarks({"calm": measurement}, infos)]
    assert "Busy at the end of passes, as NVIDIA's library counts: calm 80%." in said
    assert "Most memory of the GPU: calm 6.0 GB." in said
    without = replace(measurement, variant_passes=tuple(replace(each, gpu=None) for each in timings))
    assert not {*expected} & {*figures.extra_info({"calm": without})["calm"]}


def test_runs_of_other_arithmetic_are_of_other_work() -> None:
    """They are not compared; a run of before there was a choice computed with float32."""
    then = work_of({"device": "gpu"}, "gpu")
    assert work_of({"device": "gpu", "arithmetic": "float32"}, "gpu") == then
    now = work_of({"device": "gpu", "arithmetic": "mixed_bfloat16"}, "gpu")
    assert then.differences(now) == "arithmetic float32 then, mixed_bfloat16 now"


def test_what_a_worker_on_a_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sees the first visible GPU, and leaves the others' memory alone."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    origin, limits = Origin((), sys.executable), WorkerLimits(120.0, see_gpu=True, trains=True)
    found = environment_for(Variant("some", "some"), origin, "nowhere", limits)
    assert (found["CUDA_VISIBLE_DEVICES"], found["CUDA_DEVICE_ORDER"]) == ("3", "PCI_BUS_ID")
    assert (found["TF_FORCE_GPU_ALLOW_GROWTH"], found["XLA_PYTHON_CLIENT_PREALLOCATE"]) == ("true", "false")
