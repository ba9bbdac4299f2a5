"""What a workload says of why its variants are as fast as they are."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from loader_gate.diagnosis.bottleneck import Bottleneck, bottleneck
from loader_gate.diagnosis.observed import evidence_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loader_gate.rotation.measurement import Measurement
    from loader_gate.workloads.workload import Workload


def bottlenecks(
    workload: Workload, measurements: Mapping[str, Measurement], cores: int
) -> dict[str, dict[str, Any]]:
    """Return ``bottleneck`` and ``bottleneck_evidence`` of each variant that was looked at, by name.

    Args:
        workload: The workload.
        measurements: What was measured, by name.
        cores: How many cores there are.
    """
    seconds = {
        name: median(timing.seconds for timing in each.variant_passes)
        for name, each in measurements.items()
        if each.variant_passes
    }
    limits = [measurements[name].variant for name in seconds if measurements[name].variant.traits.is_limit]
    found = {}
    for name, each in measurements.items():
        if each.observed is None or name not in seconds:
            continue
        shares = {
            limit.name: seconds[limit.name] / seconds[name] for limit in limits if each.kind in limit.bounds
        }
        compute = _compute(each)
        evidence = evidence_of(each.observed, cores, shares, compute)
        said = bottleneck(evidence)
        if workload.device is not None and compute is None:
            said = Bottleneck("unclear", "what the device alone takes of an epoch is not known")
        found[name] = {
            "bottleneck": said.word,
            "bottleneck_evidence": {**evidence.as_json(), "sentence": said.sentence},
        }
    return found


def _compute(measurement: Measurement) -> float | None:
    """Return the share of an epoch of training that the device alone takes; None if that is not known."""
    busy = [each.accelerator_utilisation for each in measurement.variant_passes]
    known = [each for each in busy if each is not None]
    if known:
        return median(known)
    # As long as its epoch with batches that are already there.
    return None if measurement.headspace is None else min(1.0, 1 / measurement.headspace.ratio)
