"""What a pass does: which size of images it asks for, and what uses the batches up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from loader_gate.workloads.backend import BACKENDS, INSTALL, is_installed
from loader_gate.workloads.device import Device, DeviceError

#: What a model may compute with, as Keras calls it; the first one is what it does unless it is asked.
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class WorkloadOptions:
    """What the options ask of every workload.

    Attributes:
        device: ``--device``: where training runs.
        backend: What Keras runs on, see `backend_of`.
        image_size: ``--image-size``, if given.
        batch_size: ``--batch-size``, if given.
        weights: ``--weights``, if given.
        cold: ``--cold``: whether passes begin with nothing in the page cache.
        augment: ``--augment``.
        precision: ``--precision``.
        xla: ``--xla``.
    """

    device: Device
    image_size: int | None = None
    batch_size: int | None = None
    weights: str | None = None
    cold: bool = False
    augment: str = "none"
    backend: str = BACKENDS[0]
    precision: str = PRECISIONS[0]
    xla: bool = False


@dataclass(frozen=True)
class Workload:
    """What a pass does, by default to drain an epoch: images of 224x224, 32 a batch.

    Attributes:
        name: Its name, in options, floors and reports.
        floors: The table of a profile that holds its floors; None where floors of a file cannot hold, because
            the user has set the speed of an emulated accelerator, or what a model computes with.
        image_size: Height and width of images, in pixels.
        batch_size: Images a batch.
        consumer: What uses the batches in a worker; see ``worker/consumers``.
        augment: What is done to images, see ``Spec.augment``.
        device: Where a model trains, or seems to; None where none does, and of an emulated accelerator before
            it has a speed.
        backend: What Keras runs on where batches are handed to a model, or seem to be; else None.
        arithmetic: What a model computes with, and whether XLA compiles it on TensorFlow.
        is_cold: Whether each timed pass begins with nothing of its data in the page cache.
        writes_dumps: Whether dumps are written beforehand, so that only what writes one takes part.
        has_limits: Whether limits take part, which others are held against.
        has_headspace: Whether batches that are already there take part, so that it is known how much faster a
            perfect loader would make an epoch.
        is_diagnosed: Whether it is looked why variants are as fast as they are.
        runs_on_fewer_cores: Whether ``--cores`` is about it.
        may_be_cold: Whether ``--cold`` is about it.
    """

    name: str
    floors: str | None
    image_size: tuple[int, int] = (224, 224)
    batch_size: int = 32
    augment: str = "none"
    consumer: Mapping[str, Any] = field(default_factory=lambda: {"name": "drain"})
    device: Device | None = None
    backend: str | None = None
    arithmetic: str = PRECISIONS[0]
    is_cold: bool = False
    writes_dumps: ClassVar[bool] = False
    has_limits: ClassVar[bool] = False
    has_headspace: ClassVar[bool] = False
    is_diagnosed: ClassVar[bool] = False
    runs_on_fewer_cores: ClassVar[bool] = False
    may_be_cold: ClassVar[bool] = False

    @property
    def tables(self) -> tuple[str, ...]:
        """Return every table of floors that it may take its floors from."""
        return (self.name,)

    @property
    def trains_a_model(self) -> bool:
        """Return whether a worker holds a model beside the batches."""
        return bool(self.consumer["name"] == "model")

    @property
    def is_emulated(self) -> bool:
        """Return whether an emulated accelerator uses the batches up."""
        return bool(self.consumer["name"] == "emulated")

    @property
    def uses_gpu(self) -> bool:
        """Return whether workers have to see a GPU."""
        return self.device is not None and self.device.name == "gpu"

    def with_options(self, options: WorkloadOptions) -> Workload:
        """Return the same workload as the options want it."""
        side = options.image_size
        found = self.on(options)
        return replace(
            found,
            image_size=(side, side) if side else found.image_size,
            batch_size=options.batch_size or found.batch_size,
            is_cold=options.cold and self.may_be_cold,
            augment=options.augment,
        )

    def on(self, options: WorkloadOptions) -> Workload:  # noqa: ARG002 (for those that use one)
        """Return the same workload on the device and the backend of the options; most use none."""
        return self

    def at(self, images_per_second: float) -> Workload:
        """Return the same workload on an emulated accelerator of this speed."""
        return replace(
            self,
            device=Device("emulated", images_per_second),
            consumer={**self.consumer, "name": "emulated", "images_per_second": images_per_second},
        )

    def check_options(self, options: WorkloadOptions) -> None:
        """Refuse options that it cannot follow, before anything is built.

        Raises:
            DeviceError: A device or weights that cannot be used.
        """

    def check_machine(self, options: WorkloadOptions) -> None:
        """Refuse what this machine cannot do; looked at just before it is measured, as that takes seconds.

        Raises:
            DeviceError: A device that there is not, or a backend that is not installed.
        """
        if not is_installed(options.backend):
            ways = ", ".join(f"{name} ({INSTALL[name]})" for name in BACKENDS)
            raise DeviceError(
                f"--backend {options.backend}: it is not installed, and the baseline is Keras', which runs "
                f"on one of {ways}."
            )
