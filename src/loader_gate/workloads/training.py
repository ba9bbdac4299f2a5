"""Training: an epoch of MobileNetV2 on a CPU or GPU, or on an accelerator that only takes its time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from loader_gate.workloads.device import Device, DeviceError, tensorflow_sees_gpu
from loader_gate.workloads.workload import Workload, WorkloadOptions

#: Of the article's last row: how many times what the generator can feed its device could take.
ARTICLE_RATIO = 4.14
_EMULATED_TABLE = "training-emulated"


@dataclass(frozen=True)
class Training(Workload):
    """Trains a model, or keeps an emulated accelerator busy."""

    has_headspace: ClassVar[bool] = True
    is_diagnosed: ClassVar[bool] = True

    @property
    def tables(self) -> tuple[str, ...]:
        """Return its tables: an emulated accelerator has its own, as speedups are others than a model's."""
        return (self.name, _EMULATED_TABLE)

    def on(self, device: Device, weights: str | None) -> Workload:
        """Return the same workload on a device, with the size of images and of the model that suit it."""
        if device.name == "auto":
            device = Device("gpu" if tensorflow_sees_gpu() else "cpu")
        if device.name == "emulated":
            if device.images_per_second is None:
                return replace(self, floors=_EMULATED_TABLE, consumer={"name": "emulated"})
            return replace(self, floors=None).at(device.images_per_second)
        if device.name == "gpu":  # as in the article
            size, batch_size, width = 256, 256, 1.0
        else:  # a model so small that loading matters
            size, batch_size, width = 96, 32, 0.35
        model = {"name": "model", "width": width, "weights": weights}
        return replace(self, image_size=(size, size), batch_size=batch_size, consumer=model, device=device)

    def check_options(self, options: WorkloadOptions) -> None:
        """Refuse weights that are not there, or that nothing would use."""
        if options.weights not in (None, "imagenet") and not Path(options.weights).is_file():
            raise DeviceError(f"--weights {options.weights}: no such file; give one, or imagenet.")
        if options.weights is not None and options.device.name == "emulated":
            raise DeviceError(
                f"--weights {options.weights}: the emulated accelerator has no model; leave it out, or give "
                "--device cpu or gpu."
            )

    def check_machine(self, options: WorkloadOptions) -> None:
        """Refuse a GPU that TensorFlow cannot use."""
        if options.device.name == "gpu" and not tensorflow_sees_gpu():
            raise DeviceError(
                "--device gpu: TensorFlow sees none; install tensorflow[and-cuda], or use --device emulated."
            )


WORKLOAD = Training("training", "training")
