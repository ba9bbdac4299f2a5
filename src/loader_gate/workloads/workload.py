"""What a pass does: which size of images it asks for, and what uses the batches up."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from typing import Any

#: Of the article's last row: how many times what the generator can feed its device could take.
ARTICLE_RATIO = 4.14
DEVICES = ("auto", "cpu", "gpu", "emulated")


class DeviceError(Exception):
    """A device cannot be used; the message names the option and says what to do."""


@dataclass(frozen=True)
class Device:
    """Where the training workload runs.

    Attributes:
        name: ``cpu``, ``gpu`` or ``emulated``.
        images_per_second: The speed of an emulated one; None until it is known.
    """

    name: str
    images_per_second: float | None = None

    def __str__(self) -> str:
        """Return the value of ``--device`` that gives this device."""
        return self.name if self.images_per_second is None else f"{self.name}:{self.images_per_second:.4g}"


@dataclass(frozen=True)
class Workload:
    """What a pass does.

    Attributes:
        name: ``loading``, ``training`` or ``dump``.
        floors: The table of a profile that holds its floors; None where floors of a file cannot hold, because
            the user has set the speed of an emulated accelerator.
        image_size: Height and width of images, in pixels.
        batch_size: Images a batch.
        consumer: What uses the batches in a worker; see ``worker/epoch.py``.
        device: Of the training workload.
    """

    name: str
    floors: str | None
    image_size: tuple[int, int]
    batch_size: int
    consumer: dict[str, Any]
    device: Device | None = None

    def at(self, images_per_second: float) -> Workload:
        """Return the same workload on an emulated accelerator of this speed."""
        return replace(
            self,
            device=Device("emulated", images_per_second),
            consumer={"name": "emulated", "images_per_second": images_per_second},
        )


def parse_device(text: str, has_gpu: bool) -> Device:
    """Return the device that ``--device`` names.

    Raises:
        DeviceError: There is no such device, or no GPU.
    """
    name, colon, rate = text.partition(":")
    if name not in DEVICES or (colon and name != "emulated"):
        raise DeviceError(f"--device {text}: expected auto, cpu, gpu, emulated or emulated:IMAGES_A_SECOND.")
    if name == "gpu" and not has_gpu:
        raise DeviceError("--device gpu: this machine shows no GPU; use --device cpu or --device emulated.")
    if not colon:
        return Device(name)
    try:
        images_per_second = float(rate)
    except ValueError:
        images_per_second = 0.0
    if not 0 < images_per_second < float("inf"):
        raise DeviceError(f"--device {text}: {rate!r} images a second, expected a number above 0.")
    return Device(name, images_per_second)


def tensorflow_sees_gpu() -> bool:
    """Return whether TensorFlow can use a GPU, as told by a process of its own."""
    program = "import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices('GPU'))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0


def workload(
    name: str, device: Device, image_size: int | None, batch_size: int | None, weights: str | None
) -> Workload:
    """Return a workload.

    Args:
        name: ``loading``, ``training`` or ``dump``.
        device: Where training runs; ``auto`` takes a GPU if TensorFlow sees one.
        image_size: ``--image-size``, if given.
        batch_size: ``--batch-size``, if given.
        weights: ``--weights``, if given.
    """
    if name != "training":
        return _sized(name, name, 224, 32, image_size, batch_size, {"name": "drain"})
    if device.name == "auto":
        device = Device("gpu" if tensorflow_sees_gpu() else "cpu")
    if device.name == "emulated":
        table = None if device.images_per_second else "training-emulated"
        sized = _sized(name, table, 224, 32, image_size, batch_size, {"name": "emulated"})
        return sized.at(device.images_per_second) if device.images_per_second else sized
    if device.name == "gpu":  # as in the article
        size, batch, width = 256, 256, 1.0
    else:  # a model so small that loading matters
        size, batch, width = 96, 32, 0.35
    model = {"name": "model", "width": width, "weights": weights}
    return replace(_sized(name, name, size, batch, image_size, batch_size, model), device=device)


def _sized(
    name: str,
    floors: str | None,
    default_size: int,
    default_batch: int,
    image_size: int | None,
    batch_size: int | None,
    consumer: dict[str, Any],
) -> Workload:
    size = image_size or default_size
    return Workload(name, floors, (size, size), batch_size or default_batch, consumer)
