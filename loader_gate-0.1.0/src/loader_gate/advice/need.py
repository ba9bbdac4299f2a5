"""How many images a second the model takes on its device, and which variants deliver as many.

Of a variant that was trained with, its headspace says so. Of another one its speed in loading does, if it was
measured on the same work and the device leaves the CPU to loaders.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from loader_gate.registry.kind import kind_named
from loader_gate.runs.parsing import number_above_0, read_entry
from loader_gate.verdict.headspace import Feeds, feeds
from loader_gate.workloads import loading, training

#: What has to be equal for a speed in loading to say what a device would be fed with.
_SAME_WORK = ("tree", "image_size", "batch_size")
#: A device on which the model and the loader share the cores.
_SHARED_DEVICE = "cpu"


@dataclass(frozen=True)
class Feeding:
    """Whether a variant delivers as much as the device takes.

    Attributes:
        variant: Its name.
        feeds: Whether it does, as far as the intervals tell.
        evidence: What says so: its headspace in training, or its speed in loading.
    """

    variant: str
    feeds: Feeds
    evidence: Literal["headspace", "loading"]


@dataclass(frozen=True)
class Need:
    """What the model takes on its device.

    Attributes:
        device: The device, as ``--device`` names it.
        image_size: Height and width of its images, in pixels.
        images_per_second: What it takes of batches that are already there.
        low: The lower end of the interval; 0 if there is none.
        high: The upper end; infinite if there is none.
        variants: Which variants deliver as much, and which do not.
    """

    device: str
    image_size: str
    images_per_second: float
    low: float
    high: float
    variants: tuple[Feeding, ...] = ()

    def is_met_by(self, variant: str) -> bool:
        """Return whether a variant delivers as much, for certain."""
        return any(each.variant == variant and each.feeds == "yes" for each in self.variants)

    def __str__(self) -> str:
        """Return what it takes, in words."""
        spread = f" ({self.low:,.0f}–{self.high:,.0f})" if 0 < self.low < self.high < math.inf else ""
        where = f"{self.device}, {self.image_size}x{self.image_size}"
        return f"the {self.images_per_second:,.0f}{spread} images/s that the device takes ({where})"

    def by_loading(self) -> list[str]:
        """Return a sentence on those that were not trained with; none if there are none."""
        named = {
            word: [each.variant for each in self.variants if (each.feeds, each.evidence) == (word, "loading")]
            for word in ("yes", "no")
        }
        parts = [
            f"{what}: {', '.join(names)}"
            for what, names in (("as many", named["yes"]), ("fewer", named["no"]))
            if names
        ]
        return (
            [f"Of {self}, variants that were not trained with deliver {'; '.join(parts)}."] if parts else []
        )

    def as_json(self) -> dict[str, Any]:
        """Return what the JSON says of it; an interval without an upper end has null there."""
        return {**asdict(self), "high": self.high if math.isfinite(self.high) else None}


def need_of(extra_infos: Iterable[Mapping[str, Any]]) -> Need | None:
    """Return what the model of a run takes; None if it was not trained on batches that are already there.

    Args:
        extra_infos: The ``extra_info`` of each benchmark of one run.
    """
    infos = [each for each in extra_infos if each.get("verdict") != "unmeasured"]
    trained = [each for each in infos if each.get("workload") == training.WORKLOAD.name]
    found = next((need for each in trained if (need := _taken(each)) is not None), None)
    if found is None:
        return None
    by_headspace = [
        Feeding(str(each.get("variant")), feeds(low, high), "headspace")
        for each in trained
        if number_above_0(each.get("headspace")) is not None
        for low, high in [_interval(each, "headspace")]
    ]
    known = {each.variant for each in by_headspace}
    by_loading = [each for each in _by_loading(found, trained[0], infos) if each.variant not in known]
    return replace(found, variants=(*by_headspace, *by_loading))


def _taken(info: Mapping[str, Any]) -> Need | None:
    taken = number_above_0(info.get("device_images_per_second"))
    if taken is None:
        return None
    low, high = _interval(info, "device_images_per_second")
    return Need(str(info.get("device")), str(info.get("image_size")), taken, low, high)


def _by_loading(
    need: Need, trained: Mapping[str, Any], infos: Sequence[Mapping[str, Any]]
) -> Iterable[Feeding]:
    """Yield what speeds in loading tell."""
    if need.device == _SHARED_DEVICE:
        return
    for info in infos:
        is_same = all(info.get(name) == trained.get(name) for name in _SAME_WORK)
        # From the disk it may be slower than it has to be.
        if info.get("workload") != loading.WORKLOAD.name or not is_same or info.get("cache") == "cold":
            continue
        try:
            entry = read_entry(info, "", None)
        except ValueError:  # a damaged run has less to show
            continue
        if entry is None or entry.images_per_second is None or kind_named(entry.kind).is_limit:
            continue
        # Only of the speedup an interval is known; what the baseline's noise adds makes it careful.
        rate, speedup = entry.images_per_second, entry.estimate
        low, high = (rate * end / speedup.ratio for end in (speedup.low, speedup.high))
        word: Feeds = "yes" if low >= need.high else "no" if high < need.low else "unclear"
        yield Feeding(entry.variant, word, "loading")


def _interval(info: Mapping[str, Any], name: str) -> tuple[float, float]:
    low, high = (number_above_0(info.get(f"{name}_{end}")) for end in ("low", "high"))
    return (0.0 if low is None else low), (math.inf if high is None else high)
