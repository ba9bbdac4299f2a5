"""What training says of batches that are already there: what its device takes, and what they would gain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from loader_gate.registry.variant import BASELINE
from loader_gate.verdict.headspace import NOT_WORTH_MORE, feeds, taken_rate
from loader_gate.verdict.sentence import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from loader_gate.rotation.measurement import Measurement
    from loader_gate.statistics.estimate import Estimate
    from loader_gate.workloads.workload import Workload


def device_takes(measurements: Mapping[str, Measurement], images: int) -> Estimate | None:
    """Return how many images a second the device takes; None if that was not measured.

    Args:
        measurements: What was measured, by variant.
        images: Of an epoch.
    """
    ready = _ready(measurements)
    return taken_rate(ready.variant_passes, images) if ready is not None and ready.variant_passes else None


def device_figures(taken: Estimate | None) -> dict[str, Any]:
    """Return what the JSON says of it, of each variant; nothing if it was not measured."""
    if taken is None:
        return {}
    return {
        "device_images_per_second": taken.ratio,
        "device_images_per_second_low": taken.low,
        "device_images_per_second_high": taken.high if math.isfinite(taken.high) else None,
    }


def about_headspace(
    workload: Workload, measurements: Mapping[str, Measurement], images: int
) -> Iterator[str]:
    """Say what the device takes, which variants deliver as much, and what a perfect loader would gain.

    Args:
        workload: The workload, with its device.
        measurements: What was measured, by variant.
        images: Of an epoch.
    """
    ready, taken = _ready(measurements), device_takes(measurements, images)
    known = {
        name: each.headspace
        for name, each in measurements.items()
        if each.headspace is not None and each.verdict.status != "unmeasured"
    }
    if ready is None or not any(each.variant_passes for each in measurements.values()):
        return
    if taken is None:
        yield f"Headspace was not measured: {ready.variant.name}: {ready.verdict.reason}."
        return
    fed = {name: feeds(each.low, each.high) for name, each in known.items()}
    by = {word: [name for name, each in fed.items() if each == word] for word in ("yes", "no", "unclear")}
    words = {"yes": "It is fed by", "no": "It is not fed by", "unclear": "Not told yet:"}
    side = workload.image_size[0]
    is_usual = workload.arithmetic == type(workload).arithmetic
    what = f"{workload.device}{'' if is_usual else f', {workload.arithmetic}'}"
    yield " ".join(
        [
            f"The device ({what}, {side}x{side}, {workload.batch_size} a batch) takes "
            f"{_spread(taken, '{:,.0f}'.format)} images/s of batches that are already there.",
            *(f"{words[word]} {', '.join(names)}." for word, names in by.items() if names),
        ]
    )
    gains = [f"{name} {_spread(each, number)}" for name, each in known.items()]
    if gains:
        yield (
            "A perfect loader would make an epoch so many times as fast (headspace, 95 % CI): "
            f"{', '.join(gains)}."
        )
    if by["yes"]:
        where = "here" if BASELINE in by["yes"] else f"where {' or '.join(by['yes'])} is in use"
        yield (
            f"No loader is worth buying {where}: a perfect one would make training less than "
            f"{100 * (NOT_WORTH_MORE - 1):.0f} % faster."
        )


def _ready(measurements: Mapping[str, Measurement]) -> Measurement | None:
    """Return the measurement of batches that are already there."""
    found = (each for each in measurements.values() if each.variant.traits.hands_over_batches)
    return next(found, None)


def _spread(estimate: Estimate, form: Callable[[float], str]) -> str:
    """Return an estimate with its interval, if it has one."""
    bounded = 0 < estimate.low < estimate.high < math.inf
    return form(estimate.ratio) + (f" ({form(estimate.low)}–{form(estimate.high)})" if bounded else "")
