"""What a workload has to say beside its speedups: how busy its device was, what its dumps take and gain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from loader_gate.registry.kind import kind_named
from loader_gate.rotation.measurement import Measurement
from loader_gate.session.bottlenecks import bottlenecks
from loader_gate.session.cold import ColdPlan, cold_figures
from loader_gate.session.dump_writer import Dumps
from loader_gate.session.dumps import break_even_epochs
from loader_gate.session.headspace import device_figures, device_takes
from loader_gate.sizes import format_size
from loader_gate.trees.tree import Tree
from loader_gate.verdict.dump_size import held_to_base, held_to_ceiling
from loader_gate.workloads.workload import Workload

if TYPE_CHECKING:
    from loader_gate.machine.machine import Machine
    from loader_gate.session.dumps import Dump
    from loader_gate.worker.timing import GpuUse, PassTiming

#: What a break-even is held against.
STREAMING = "tfdata_no_cache"
#: The share of images whose labels cannot be checked from which people are told.
_NOTABLE = 0.05


@dataclass(frozen=True)
class Figures:
    """What there is to say of one workload.

    Attributes:
        workload: The workload, with the device it ran on.
        tree: The images.
        dumps: What was written beforehand.
        machine: This machine.
        cold: What is known of cold passes.
    """

    workload: Workload
    tree: Tree
    dumps: Dumps
    machine: Machine
    cold: ColdPlan = field(default_factory=ColdPlan)

    def extra_info(self, measurements: Mapping[str, Measurement]) -> dict[str, dict[str, Any]]:
        """Return more to say of each variant in the JSON, by name."""
        streaming = measurements.get(STREAMING)
        takes = device_figures(device_takes(measurements, len(self.tree)))
        words = bottlenecks(self.workload, measurements, self.machine.cores)
        return {
            name: {
                **self._of_device(each),
                **takes,
                **self._of_dump(each, streaming),
                **cold_figures(each, self.cold),
                **words.get(name, {}),
            }
            for name, each in measurements.items()
        }

    def judged(self, measurement: Measurement) -> Measurement:
        """Let ``verdict/dump_size.py`` judge the size of a variant's dump, if it has one."""
        written = self.dumps.head.get(measurement.variant.name)
        if written is None or not measurement.variant_passes:
            return measurement
        images = len(self.tree)
        predicted = (measurement.variant.predicted_bytes(images, written.spec) or 0) / images
        labels = 4 * len(self.tree.class_names)  # one-hot float32; the prediction is of pixels
        verdict = held_to_ceiling(measurement.verdict, written.dump.bytes / images, predicted, labels)
        base = self.dumps.base.get(measurement.variant.name)
        if base is not None and base.dump.bytes and verdict.changes:
            verdict = held_to_base(verdict, written.dump.bytes, base.dump.bytes)
        return replace(measurement, verdict=verdict)

    def _of_device(self, measurement: Measurement) -> dict[str, Any]:
        timings = measurement.variant_passes
        if self.workload.device is None or not timings:
            return {}
        busy = [each.accelerator_utilisation for each in timings if each.accelerator_utilisation]
        return {
            "device": str(self.workload.device),
            "backend": self.workload.backend,
            "arithmetic": self.workload.arithmetic,
            "accelerator_utilisation": median(busy) if busy else None,
            **_of_gpu([each.gpu for each in timings if each.gpu is not None]),
        }

    def _of_dump(self, measurement: Measurement, streaming: Measurement | None) -> dict[str, Any]:
        written = self.dumps.head.get(measurement.variant.name)
        if written is None or not measurement.variant_passes:
            return {}
        images, dump = len(self.tree), written.dump
        predicted = measurement.variant.predicted_bytes(images, written.spec)
        epochs, break_even = self._break_even(measurement, dump, streaming)
        return {
            "cold_seconds": dump.cold_seconds,
            "dump_bytes": dump.bytes,
            "dump_files": len(dump.files),
            "dump_bytes_per_image": dump.bytes / images,
            "predicted_bytes_per_image": None if predicted is None else predicted / images,
            "median_psnr": measurement.median_psnr,
            "break_even_epochs": epochs,
            "break_even": break_even,
            "dump_history": dump.history,
            "dump_date": dump.date,
            "dump_of_this_machine": dump.machine == self.machine.fingerprint,
            # Before a cold pass it is evicted, whatever was there.
            "page_cache_share": None if self.workload.is_cold else written.cached_share,
        }

    def _break_even(
        self, warm: Measurement, dump: Dump, streaming: Measurement | None
    ) -> tuple[int | None, str]:
        """Return after how many epochs a dump has paid for itself, and the same in words."""
        not_known = "when it has paid for itself is not known"
        if dump.machine != self.machine.fingerprint:  # seconds do not travel
            return None, f"{not_known}, as another machine wrote it"
        if streaming is None or not streaming.variant_passes:
            return None, f"{not_known}, as {STREAMING} could not be measured"
        epochs = break_even_epochs(dump.cold_seconds, _median_seconds(warm), _median_seconds(streaming))
        if epochs is None:
            return None, f"never pays against {STREAMING}"
        plural = "" if epochs == 1 else "s"
        return epochs, f"has paid for itself after {epochs} epoch{plural} against {STREAMING}"


def remarks(
    measurements: Mapping[str, Measurement], extra_info: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Put into words what the table has no column for.

    Args:
        measurements: What was measured, by variant.
        extra_info: More to say of a variant in the JSON; see `Figures.extra_info`.
    """
    for name, each in measurements.items():
        yield from _about_teardown(name, each.variant_passes)
    busy = [
        f"{name} {info['accelerator_utilisation']:.0%}"
        for name, info in extra_info.items()
        if info.get("accelerator_utilisation") is not None and not measurements[name].variant.traits.is_limit
    ]
    if busy:
        yield f"Accelerator busy after its first step: {', '.join(busy)}."
    yield from _about_gpu(extra_info)
    for name, info in extra_info.items():
        if "dump_bytes" in info:
            yield f"{name}: {_about_dump(info)}."


def _of_gpu(uses: Sequence[GpuUse]) -> dict[str, Any]:
    """Return what the JSON says of what a GPU showed at the end of passes; nothing without one."""
    if not uses:
        return {}
    peaks = [each.peak_bytes for each in uses if each.peak_bytes is not None]

    def middle(values: Iterable[float | None]) -> float | None:
        known = [each for each in values if each is not None]
        return median(known) if known else None

    return {
        "gpu_peak_bytes": max(peaks, default=None),
        "gpu_busy": middle(each.busy for each in uses),
        "gpu_clock_mhz": middle(each.clock for each in uses),
        "gpu_watts": middle(each.watts for each in uses),
    }


def _about_gpu(extra_info: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Say what the GPU's own counters showed, of each variant that has trained on one."""
    for key, what, form in (
        ("gpu_busy", "Busy at the end of passes, as NVIDIA's library counts", "{:.0%}".format),
        ("gpu_peak_bytes", "Most memory of the GPU", format_size),
    ):
        known = [
            f"{name} {form(info[key])}" for name, info in extra_info.items() if info.get(key) is not None
        ]
        if known:
            yield f"{what}: {', '.join(known)}."


def about_look_alikes(measurements: Iterable[Measurement], tree: Tree) -> Iterator[str]:
    """Say that the check of labels is weak, where many files look like files of another class."""
    images = max((each.not_told_apart for each in measurements), default=0)
    if images >= _NOTABLE * len(tree):
        yield (
            f"Labels of {images} of {len(tree)} images were not checked: their files look like files of "
            "another class (equal or blank pictures)."
        )


def about_parts(measurements: Iterable[Measurement], images: int) -> Iterator[str]:
    """Say which passes are parts of epochs, and how large.

    Args:
        measurements: What was measured.
        images: How many images an epoch has.
    """
    shares = {each.variant.name: each.part_of_epoch for each in measurements if each.variant_passes}
    parts = [f"{name} {share:.2%}" for name, share in shares.items() if share is not None]
    if parts:
        whole = [name for name, share in shares.items() if share is None]
        others = f" Of whole epochs: {', '.join(whole)}." if whole else ""
        yield (
            f"Passes are parts of epochs, as whole ones of {images:,} images are longer than --budget "
            f"allows; timed are {', '.join(parts)} of an epoch. Seconds, images/s and CPU seconds are those "
            f"of a whole epoch with that beginning and at that pace.{others}"
        )


def about_no_limit(workload: Workload, measurements: Iterable[Measurement]) -> Iterator[str]:
    """Say which loaders of the user's are held against no limit, which would tell that they keep images."""
    names = [
        each.variant.name
        for each in measurements
        if not each.variant.is_built_in
        and kind_named(each.kind).is_held_to_limit
        and each.variant_passes
        and each.share is None
    ]
    if not names:
        return
    not_seen = (
        f"Held against no limit: {', '.join(names)}. That a loader keeps what it has decoded is not seen so"
    )
    if workload.has_limits:
        yield (
            f"{not_seen}: run the tests of benchmarks/test_limits.py, too, or name limit_jpeg_decode in "
            "variants of [tool.loader-gate]. That one bounds trees of JPEGs only."
        )
    else:
        yield f"{not_seen}: there are limits in the workload loading."


def _about_teardown(name: str, passes: Sequence[PassTiming]) -> Iterator[str]:
    """Say of a variant that ending its epoch takes longer than the epoch: no speedup counts that."""
    if not passes:
        return
    # The mean: an iterator may wait for a timer now and then, and a training script waits as often.
    teardown = fmean(timing.teardown_seconds for timing in passes)
    seconds = median(timing.seconds for timing in passes)
    if teardown > seconds:
        yield (
            f"{name}: ending an epoch takes {teardown:.3g} s on average (teardown), the epoch itself "
            f"{seconds:.3g} s. No speedup counts that, but whoever trains waits for it: let threads and "
            "processes end sooner, or keep them for the next epoch; in tf.data, options.autotune.enabled = "
            "False ends the wait."
        )


def _about_dump(info: Mapping[str, Any]) -> str:
    size, predicted = info["dump_bytes_per_image"], info["predicted_bytes_per_image"]
    cached = info["page_cache_share"]
    parts = [f"{format_size(info['dump_bytes'])} in {info['dump_files']} files, {size:,.0f} bytes an image"]
    if predicted:
        parts.append(f"{size / predicted - 1:+.2%} of the predicted {predicted:,.0f}")
    if info["median_psnr"] is not None:
        parts.append(f"median PSNR {info['median_psnr']:.1f} dB")
    seconds = f"in {info['cold_seconds']:.3g} s"
    if info["dump_history"].startswith("written"):
        parts.append(f"{info['dump_history']} {seconds}")
    else:
        day = f" on {info['dump_date']}" if info["dump_date"] else ""
        where = "this machine" if info["dump_of_this_machine"] else "another machine"
        parts.append(f"{info['dump_history']}, written by {where}{day} {seconds}")
    parts.append(info["break_even"])
    parts.append("read by a fresh process")
    if cached is not None:
        parts[-1] += f", {cached:.0%} of it in the page cache before that"
    return ", ".join(parts)


def _median_seconds(measurement: Measurement) -> float:
    return median(timing.seconds for timing in measurement.variant_passes)
