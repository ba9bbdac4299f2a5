"""Where the training workload runs."""

from __future__ import annotations

from dataclasses import dataclass

DEVICES = ("auto", "cpu", "gpu", "emulated")


class DeviceError(Exception):
    """A device cannot be used; the message names the option and says what to do."""


@dataclass(frozen=True)
class Device:
    """Where the training workload runs.

    Attributes:
        name: ``cpu``, ``gpu``, ``emulated``, or ``auto`` for a GPU if the backend sees one, else the CPU.
        images_per_second: The speed of an emulated one; None until it is known.
    """

    name: str
    images_per_second: float | None = None

    def __str__(self) -> str:
        """Return the value of ``--device`` that gives this device."""
        return self.name if self.images_per_second is None else f"{self.name}:{self.images_per_second:.4g}"


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
