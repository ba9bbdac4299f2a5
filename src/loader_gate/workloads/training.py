"""Training: an epoch of MobileNetV2 on a CPU or GPU, or on an accelerator that only takes its time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from loader_gate.workloads.backend import sees_gpu
from loader_gate.workloads.device import Device, DeviceError
from loader_gate.workloads.workload import PRECISIONS, Workload, WorkloadOptions

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

    def on(self, options: WorkloadOptions) -> Workload:
        """Return the same workload on a device, with the size of images and of the model that suit it."""
        device, backend = options.device, options.backend
        if device.name == "auto":
            device = Device("gpu" if sees_gpu(backend) else "cpu")
        if device.name == "emulated":
            emulated = replace(self, backend=backend, consumer={"name": "emulated", "backend": backend})
            if device.images_per_second is None:
                return replace(emulated, floors=_EMULATED_TABLE)
            return replace(emulated, floors=None).at(device.images_per_second)
        if device.name == "gpu":  # as in the article
            size, batch_size, width = 256, 256, 1.0
        else:  # a model so small that loading matters
            size, batch_size, width = 96, 32, 0.35
        consumer = {
            "name": "model",
            "width": width,
            "weights": options.weights,
            "backend": backend,
            "gpu": device.name == "gpu",
            "precision": options.precision,
            "xla": options.xla,
        }
        arithmetic = f"{options.precision}{' by XLA' if options.xla else ''}"
        return replace(
            self,
            floors=self.floors if arithmetic == Workload.arithmetic else None,
            image_size=(size, size),
            batch_size=batch_size,
            consumer=consumer,
            device=device,
            backend=backend,
            arithmetic=arithmetic,
        )

    def check_options(self, options: WorkloadOptions) -> None:
        """Refuse weights that are not there, and what nothing would use."""
        if options.weights not in (None, "imagenet") and not Path(options.weights).is_file():
            raise DeviceError(f"--weights {options.weights}: no such file; give one, or imagenet.")
        if options.weights is not None and options.device.name == "emulated":
            raise DeviceError(
                f"--weights {options.weights}: the emulated accelerator has no model; leave it out, or give "
                "--device cpu or gpu."
            )

        if options.precision != PRECISIONS[0] and options.device.name == "emulated":
            raise DeviceError(
                f"--precision {options.precision}: the emulated accelerator computes nothing; leave it out, "
                "or give --device cpu or gpu."
            )
        if options.xla and (options.device.name == "emulated" or options.backend != "tensorflow"):
            why = {"jax": "JAX compiles by XLA in any case", "torch": "torch has none"}
            raise DeviceError(
                f"--xla: {why.get(options.backend, 'the emulated accelerator computes nothing')}; leave it "
                "out, or let a model train on TensorFlow (--backend tensorflow, --device cpu or gpu)."
            )

    def check_machine(self, options: WorkloadOptions) -> None:
        """Refuse a backend that is not installed, and a GPU that it cannot use."""
        super().check_machine(options)
        if options.device.name == "gpu" and not sees_gpu(options.backend):
            raise DeviceError(
                f"--device gpu: {options.backend} sees none; install its build for this GPU (of TensorFlow "
                "tensorflow[and-cuda], of JAX jax[cuda12]), or use --device emulated."
            )


WORKLOAD = Training("training", "training")
