"""What ``--device`` may say, and what a pass does on each device."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loader_gate import workloads
from loader_gate.registry.kind import KINDS
from loader_gate.registry.variant import Variant
from loader_gate.workloads import training
from loader_gate.workloads.device import Device, DeviceError, parse_device
from loader_gate.workloads.known import floor_tables, known_workloads, workload
from loader_gate.workloads.training import ARTICLE_RATIO
from loader_gate.workloads.workload import WorkloadOptions

DRAIN = {"name": "drain"}


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("auto", Device("auto")),
        ("cpu", Device("cpu")),
        ("gpu", Device("gpu")),
        ("emulated", Device("emulated")),
        ("emulated:1500", Device("emulated", 1500.0)),
        ("emulated:0.5", Device("emulated", 0.5)),
        ("emulated:2e3", Device("emulated", 2000.0)),
    ],
)
def test_every_device_can_be_asked_for(text: str, device: Device) -> None:
    """The four names, and a speed for the emulated one."""
    assert parse_device(text, has_gpu=True) == device


@pytest.mark.parametrize("text", ["auto", "cpu", "gpu", "emulated", "emulated:1500", "emulated:0.5"])
def test_a_device_is_said_as_it_is_asked_for(text: str) -> None:
    """What the JSON says of the device can be given to ``--device`` again."""
    assert str(parse_device(text, has_gpu=True)) == text


@pytest.mark.parametrize("text", ["", "tpu", "GPU", "cpu:4", "gpu:0", "auto:", ":100"])
def test_a_device_that_there_is_not(text: str) -> None:
    """The message names the option, what was found and what was expected."""
    with pytest.raises(DeviceError) as caught:
        parse_device(text, has_gpu=True)
    assert f"--device {text}: expected auto, cpu, gpu, emulated or" in str(caught.value)


@pytest.mark.parametrize("rate", ["", "0", "-5", "fast", "nan", "inf", "1:2"])
def test_a_speed_that_is_none(rate: str) -> None:
    """Only a finite number above 0 is a speed; anything else is named."""
    with pytest.raises(DeviceError) as caught:
        parse_device(f"emulated:{rate}", has_gpu=True)
    assert f"--device emulated:{rate}: {rate!r} images a second, expected a number" in str(caught.value)


def test_a_gpu_that_is_not_there() -> None:
    """It says what to use instead; nothing else minds."""
    with pytest.raises(DeviceError, match=r"--device gpu: .*no GPU.*--device cpu or --device emulated"):
        parse_device("gpu", has_gpu=False)
    for text in ("auto", "cpu", "emulated", "emulated:10"):
        parse_device(text, has_gpu=False)


@pytest.mark.parametrize("name", ["loading", "dump"])
def test_loading_and_dumping_use_no_device(name: str) -> None:
    """Both drain batches of 32 images of 224x224, whatever the device, and have floors of their own."""
    for device in (Device("auto"), Device("gpu"), Device("emulated", 100.0)):
        found = workload(name, WorkloadOptions(device))
        assert (found.name, found.floors, found.device) == (name, name, None)
        assert (found.image_size, found.batch_size, found.consumer) == ((224, 224), 32, DRAIN)


def test_training_on_a_cpu() -> None:
    """The model is so small that loading matters."""
    found = workload("training", WorkloadOptions(Device("cpu")))
    assert (found.name, found.floors, found.device) == ("training", "training", Device("cpu"))
    assert (found.image_size, found.batch_size) == ((96, 96), 32)
    model = {"name": "model", "width": 0.35, "weights": None, "backend": "tensorflow", "gpu": False}
    assert found.consumer == {**model, "precision": "float32", "xla": False}


def test_training_on_a_gpu() -> None:
    """Everything is as in the article."""
    found = workload("training", WorkloadOptions(Device("gpu")))
    assert (found.floors, found.device) == ("training", Device("gpu"))
    assert (found.image_size, found.batch_size) == ((256, 256), 256)
    model = {"name": "model", "width": 1.0, "weights": None, "backend": "tensorflow", "gpu": True}
    assert found.consumer == {**model, "precision": "float32", "xla": False}


@pytest.mark.parametrize(("sees_gpu", "name"), [(True, "gpu"), (False, "cpu")])
def test_auto_asks_the_backend(sees_gpu: bool, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU is taken where the backend can use it, and the CPU where it cannot."""
    monkeypatch.setattr(training, "sees_gpu", lambda backend: sees_gpu and backend == "jax")
    assert workload("training", WorkloadOptions(Device("auto"), backend="jax")) == workload(
        "training", WorkloadOptions(Device(name), backend="jax")
    )
    assert str(workload("training", WorkloadOptions(Device("auto"), backend="torch")).device) == "cpu"


def test_an_emulated_accelerator_of_a_given_speed() -> None:
    """It needs no model; and no floor of a file can hold for a speed that the user has chosen."""
    found = workload("training", WorkloadOptions(Device("emulated", 1500.0)))
    assert (found.name, found.floors) == ("training", None)
    assert (found.image_size, found.batch_size) == ((224, 224), 32)
    assert found.device == Device("emulated", 1500.0)
    assert found.consumer == {"name": "emulated", "images_per_second": 1500.0, "backend": "tensorflow"}


def test_an_emulated_accelerator_gets_its_speed_later() -> None:
    """Without a speed there is no device yet; ``at`` gives it one and changes nothing else."""
    found = workload("training", WorkloadOptions(Device("emulated"), 64, 8))
    assert found.device is None
    assert found.floors == "training-emulated"
    assert found.consumer["name"] == "emulated"
    fast = found.at(ARTICLE_RATIO * 100)
    assert str(fast.device) == "emulated:414"
    assert fast.consumer == {**found.consumer, "images_per_second": ARTICLE_RATIO * 100}
    assert replace(fast, device=None, consumer=found.consumer) == found


@pytest.mark.parametrize("name", ["loading", "training", "dump"])
@pytest.mark.parametrize("device", [Device("cpu"), Device("gpu"), Device("emulated", 10.0)])
def test_options_go_before_defaults(name: str, device: Device) -> None:
    """``--image-size`` and ``--batch-size`` hold for every workload and device, each by itself too."""
    default = workload(name, WorkloadOptions(device))
    assert workload(name, WorkloadOptions(device, 48)) == replace(default, image_size=(48, 48))
    assert workload(name, WorkloadOptions(device, None, 7)) == replace(default, batch_size=7)
    assert workload(name, WorkloadOptions(device, 48, 7)) == replace(
        default, image_size=(48, 48), batch_size=7
    )


def test_weights_are_the_models() -> None:
    """``--weights`` reaches the model of either real device."""
    for device in (Device("cpu"), Device("gpu")):
        assert (
            workload("training", WorkloadOptions(device, None, None, "imagenet")).consumer["weights"]
            == "imagenet"
        )


def test_a_workload_is_found_by_being_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with a ``WORKLOAD`` is all it takes; what writes dumps comes last."""
    code = (
        "from loader_gate.workloads.workload import Workload\n"
        "class Scrubbing(Workload):\n"
        "    tables = ('scrubbing', 'scrubbing-dry')\n"
        "WORKLOAD = Scrubbing('scrubbing', 'scrubbing')\n"
    )
    (tmp_path / "scrubbing.py").write_text(code, encoding="utf-8")
    assert (*known_workloads(),) == ("loading", "training", "dump")
    monkeypatch.setattr(workloads, "__path__", [*workloads.__path__, str(tmp_path)])
    known_workloads.cache_clear()
    try:
        assert (*known_workloads(),) == ("loading", "scrubbing", "training", "dump")
        assert floor_tables()[1:3] == ("scrubbing", "scrubbing-dry")
        assert workload("scrubbing", WorkloadOptions(Device("cpu"), 48)).image_size == (48, 48)
    finally:
        known_workloads.cache_clear()
        sys.modules.pop("loader_gate.workloads.scrubbing", None)


def test_which_kinds_take_part() -> None:
    """Limits are measured beside loading only, and where dumps are written only what writes one.

    Batches that are already there are the limit of training.
    """
    found = {
        name: [kind for kind in KINDS if Variant("some", "some", kind=kind).takes_part_in(each)]
        for name, each in known_workloads().items()
    }
    assert found == {
        "loading": ["streaming", "memory", "dump", "rival", "limit"],
        "training": ["streaming", "memory", "dump", "rival", "ready"],
        "dump": ["dump"],
    }


@pytest.mark.parametrize(
    ("precision", "xla", "arithmetic"),
    [("mixed_bfloat16", False, "mixed_bfloat16"), ("float32", True, "float32 by XLA")],
)
def test_what_a_model_computes_with(precision: str, xla: bool, arithmetic: str) -> None:
    """It is part of the work, and no floor of a file holds for another than the usual one."""
    options = WorkloadOptions(Device("cpu"), precision=precision, xla=xla)
    found = workload("training", options)
    found.check_options(options)
    assert (found.arithmetic, found.floors) == (arithmetic, None)
    assert (found.consumer["precision"], found.consumer["xla"]) == (precision, xla)
    usual = workload("training", WorkloadOptions(Device("cpu")))
    assert (usual.arithmetic, usual.floors) == ("float32", "training")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            WorkloadOptions(Device("emulated"), precision="mixed_float16"),
            "--precision mixed_float16: the emulated accelerator computes nothing",
        ),
        (WorkloadOptions(Device("emulated"), xla=True), "--xla: the emulated accelerator computes nothing"),
        (WorkloadOptions(Device("gpu"), backend="jax", xla=True), "--xla: JAX compiles by XLA in any case"),
        (WorkloadOptions(Device("gpu"), backend="torch", xla=True), "--xla: torch has none"),
    ],
)
def test_arithmetic_that_nothing_would_use(options: WorkloadOptions, expected: str) -> None:
    """It is refused before anything is built."""
    with pytest.raises(DeviceError, match=expected):
        workload("training", options).check_options(options)
