"""What feeds so many GPUs, from made-up runs: what is computed, and what is refused as nobody measured it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from loader_gate.capacity.__main__ import main
from loader_gate.capacity.inputs import DISK_LIMIT, INPUTS, Known, measured_in, variants_in
from loader_gate.capacity.plan import RULES, missing_of, plan_of
from loader_gate.registry.variant import BASELINE
from tests.made_up_runs import benchmark, made_up_run

if TYPE_CHECKING:
    from pathlib import Path

GIVEN = {
    "gpus": 8,
    "gpu_rate": 2_500,
    "cpu_ms": 3.2,
    "worker_rate": 600,
    "process_rate": 3_800,
    "read_bytes": 150_000,
    "disk_rate": 500_000_000,
    "delivered_bytes": 602_112,
    "link_gbits": 25,
    "images": 1_000_000,
}


def known(**figures: float) -> dict[str, Known]:
    """Return figures as somebody has given them."""
    return {name: Known(value, "given") for name, value in figures.items()}


def planned(**figures: float) -> dict[str, float | None]:
    """Return the plan, by what each figure is."""
    return {each.rule.about: each.value for each in plan_of(known(**figures))}


def run_of(*benchmarks: dict[str, Any], file_bytes: float = 150_000.0) -> dict[str, Any]:
    """Return the JSON of a run."""
    run = made_up_run()
    situation = {"file_bytes": file_bytes}
    run["loader_gate"]["recommendation"] = [{"situation": situation}]
    return {**run, "benchmarks": [*benchmarks]}


def test_everything_is_computed() -> None:
    """20,000 images/s of 3.2 ms, of 150 KB, and sent as 602 KB."""
    assert planned(**GIVEN) == {
        "images/s in all": 20_000,
        "an epoch": 50,
        "cores": 64,
        "workers": 34,
        "processes": 6,
        "bytes/s from storage": 3e9,
        "gigabits from storage": 24,
        "disks": 6,
        "size of the set": 1.5e11,
        "gigabits to the GPUs": pytest.approx(96.34, rel=0.001),
        "links to the GPUs": 4,
    }


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_not_known_is_not_computed(name: str) -> None:
    """Exactly what takes it is left out, and it is named as missing."""
    plan = plan_of(known(**{each: value for each, value in GIVEN.items() if each != name}))
    assert [each.rule.about for each in plan if each.value is None] == [
        rule.about for rule in RULES if name in rule.takes
    ]
    assert missing_of(plan) == [name]


def test_every_input_is_taken_and_can_be_given() -> None:
    """None is there for nothing."""
    assert {name for rule in RULES for name in rule.takes} == {*INPUTS} == {*GIVEN}


@pytest.mark.parametrize(("rate", "workers"), [(100.0, 10), (1000 / 3, 3), (334.0, 3), (1001.0, 1)])
def test_there_is_no_half_of_a_worker(rate: float, workers: int) -> None:
    """It is the next whole number, and no more than that where a division is not exact."""
    assert planned(gpus=1, gpu_rate=1000, worker_rate=rate)["workers"] == workers


def test_what_a_run_says_of_a_streaming_variant() -> None:
    """Its CPU time, its files, its batches, and a rate that is below its median by what noise allows."""
    run = run_of(benchmark(BASELINE), benchmark("streams", image_size=224, bottleneck_evidence={"cores": 2}))
    found = measured_in(run, "streams")
    assert found["cpu_ms"].value == pytest.approx(1.8)
    assert found["read_bytes"].value == 150_000
    assert found["delivered_bytes"].value == 224 * 224 * 12
    assert found["images"].value == 256
    passes = next(each["extra_info"] for each in run["benchmarks"][1:])["variant_seconds"]
    middle = 256 / math.exp(sum(map(math.log, passes)) / len(passes))
    assert 0.85 * middle < found["worker_rate"].value < middle
    assert "on 2 cores" in found["worker_rate"].source
    assert not {"gpu_rate", "disk_rate", "link_gbits", "gpus"} & {*found}


def test_a_service_sends_less_than_it_delivers() -> None:
    """Bytes of uint8 cross the network, and the trainer makes float32 of them: a quarter of the gigabits."""
    service, other = (
        measured_in(run_of(benchmark(name, image_size=224)), name)["delivered_bytes"]
        for name in ("tfdata_service", "tfdata_tuned")
    )
    assert (service.value, other.value) == (150_528, 602_112)
    assert (service.source, other.source) == (
        "224x224 of 3 channels, 1 B of each",
        "224x224 of 3 channels, 4 B of each",
    )


def test_a_dump_is_not_taken_at_its_word() -> None:
    """What it takes on disk counts if the workload of dumps has measured it, and not what is predicted."""
    loading = benchmark("dumps", kind="dump", disk_bytes_per_image=16_000.0)
    assert "read_bytes" not in measured_in(run_of(loading), "dumps")
    dumped = benchmark("dumps", workload="dump", kind="dump", dump_bytes_per_image=16_700.0)
    assert measured_in(run_of(loading, dumped), "dumps")["read_bytes"].value == 16_700
    memory = benchmark("memory", kind="memory")
    assert measured_in(run_of(memory), "memory")["read_bytes"].value == 0


def test_a_disk_is_measured_cold() -> None:
    """Bytes a second of a page cache are no disk's, and the limit tells more than a variant."""
    warm = benchmark("streams", bytes_per_second=9e9, cached_share=1.0)
    assert "disk_rate" not in measured_in(run_of(warm), "streams")
    cold = benchmark("streams", bytes_per_second=2e8, cached_share=0.0)
    assert measured_in(run_of(cold), "streams")["disk_rate"].value == 2e8
    limit = benchmark(DISK_LIMIT, kind="limit", bytes_per_second=6e8, cached_share=0.01)
    found = measured_in(run_of(cold, limit), "streams")["disk_rate"]
    assert found.value == 6e8
    assert DISK_LIMIT in found.source


def test_a_gpu_says_what_it_takes() -> None:
    """The CPU, and an accelerator that only waits, are none."""
    for device, is_known in (("gpu", True), ("cpu", False), ("emulated:900", False)):
        trained = benchmark(
            "streams", workload="training", device=device, device_images_per_second=900.0, image_size=224
        )
        found = measured_in(run_of(benchmark("streams"), trained), "streams")
        assert ("gpu_rate" in found) == is_known, device


def test_what_is_not_told() -> None:
    """A loader of the user's may deliver anything, few passes tell no rate, odd figures nothing."""
    own = benchmark("photos", loader="photos:photos", variant_seconds=[0.5, 0.5])
    found = measured_in(run_of(own, file_bytes=0.0), "photos")
    assert {*found} == {"cpu_ms", "images"}
    assert measured_in(run_of(benchmark("broken", verdict="unmeasured")), "broken") == {}
    odd = benchmark("odd", cpu_seconds_per_image="much", variant_seconds="long", images=None, image_size=None)
    assert {*measured_in(run_of(odd, file_bytes=0.0), "odd")} == set()


def test_more_cores_for_what_waits_for_memory() -> None:
    """That they gain less is said where the figure stands."""
    for word, gain_less in (("memory-bound", True), ("copy-bound", True), ("decode-bound", False)):
        run = run_of(benchmark("copies", bottleneck=word))
        assert ("more cores gain less" in measured_in(run, "copies")["cpu_ms"].source) == gain_less


def test_one_process_is_bound_by_its_serial_share() -> None:
    """900 images/s on two cores, of which up to 0.121 is serial: 4,169 at most, however many cores."""
    run = run_of(benchmark("calm"), benchmark(BASELINE))
    found = measured_in(run, "calm")["process_rate"]
    assert found.value == pytest.approx(900 * (0.121 + 0.879 / 2) / 0.121)
    (calm, *_) = run["loader_gate"]["cores"]["variants"]
    calm["misfit"] = "12 % off Amdahl's law with 2 cores"
    assert "process_rate" not in measured_in(run, "calm")
    for damaged in ({"variants": 3}, {"variants": [{"variant": "calm", "serial_share": None}]}, "none"):
        run["loader_gate"]["cores"] = damaged
        assert "process_rate" not in measured_in(run, "calm")


def test_limits_are_no_variants() -> None:
    """Nobody can load with one."""
    run = run_of(benchmark("streams"), benchmark("limit", kind="limit"), benchmark("x", verdict="unmeasured"))
    assert variants_in(run) == ["streams"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what is known and from where, each figure with its assumption, and what to measure."""
    file = tmp_path / "run.json"
    file.write_text(json.dumps(run_of(benchmark(BASELINE), benchmark("streams"))), encoding="utf-8")
    given = ["--variant", "streams", "--gpus", "8", "--gpu-rate", "2500", "--images", "1000000"]
    assert main([str(file), *given]) == 1
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    text = " ".join(out.split())
    assert "CPU milliseconds an image 1.8 streams, loading" in text
    assert "cores 36 Cores are like those that were measured" in text
    assert "nobody has measured bytes a second that one disk gives: disks." in text
    assert "or give what you know with --disk-rate." in text
    more = ("--disk-rate", "500M", "--link-gbits", "25", "--process-rate", "4000")
    assert main([str(file), *given, *more]) == 0
    assert "Not computed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["no-such-run.json", "--variant", "streams"], "no-such-run.json is passed over"),
        (["--variant", "streams"], "name its file"),
        (["{run}", "--variant", "nobody"], "has measured streams"),
        (["{run}"], "has measured streams"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are refused in a sentence."""
    file = tmp_path / "run.json"
    file.write_text(json.dumps(run_of(benchmark("streams"))), encoding="utf-8")
    assert main([each.format(run=file) for each in arguments]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [("--gpus", "0"), ("--cpu-ms", "nan"), ("--read-bytes", "many")])
def test_wrong_numbers(wrong: tuple[str, str]) -> None:
    """The parser says what it expected."""
    with pytest.raises(SystemExit, match="2"):
        main([*wrong])


@pytest.mark.parametrize(
    ("figures", "about", "value"),
    [
        ({"gpu_rate": 31_278, "cpu_ms": 3.18}, "cores", 100),
        ({"gpu_rate": 172_801, "cpu_ms": 0.18}, "cores", 32),
        ({"gpu_rate": 172_801, "read_bytes": 132_500}, "bytes/s from storage", 22.9e9),
        ({"gpu_rate": 1_956, "read_bytes": 481_000}, "bytes/s from storage", 941e6),
        ({"gpu_rate": 6_870, "read_bytes": 132_500}, "bytes/s from storage", 910e6),
        ({"gpu_rate": 16_631, "read_bytes": 51_100}, "bytes/s from storage", 850e6),
        ({"gpus": 512, "gpu_rate": 1_785.7}, "images/s in all", 914_278),
        ({"gpus": 512, "gpu_rate": 1_785.7, "read_bytes": 114_660}, "bytes/s from storage", 104.8e9),
        ({"gpu_rate": 841_944, "read_bytes": 114_660}, "bytes/s from storage", 96.5e9),
        ({"gpu_rate": 5_800, "cpu_ms": 3.18}, "cores", 19),
        ({"gpu_rate": 7_221, "cpu_ms": 3.18}, "cores", 23),
        ({"gpu_rate": 7_221, "read_bytes": 111_700}, "gigabits from storage", 6.45),
    ],
)
def test_what_docs_scale_holds_against_published_figures(
    figures: dict[str, float], about: str, value: float
) -> None:
    """The table there is computed so."""
    assert planned(**{"gpus": 1, **figures})[about] == pytest.approx(value, rel=0.002)
