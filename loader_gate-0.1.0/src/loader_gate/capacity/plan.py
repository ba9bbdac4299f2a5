"""How much of everything feeds so many GPUs: each figure from what it takes, or what is missing. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loader_gate.capacity.inputs import INPUTS, Known
from loader_gate.progress import minutes_and_seconds
from loader_gate.sizes import format_size


@dataclass(frozen=True)
class Rule:
    """How one figure of a plan is computed.

    Attributes:
        about: What it is, for people.
        takes: The names of the inputs that it takes.
        compute: Returns it, of these inputs, in their order.
        text: Writes it for people.
        assumption: What has to hold for it to be right, in a sentence.
    """

    about: str
    takes: tuple[str, ...]
    compute: Callable[..., float]
    text: Callable[[float], str]
    assumption: str


@dataclass(frozen=True)
class Planned:
    """A figure of a plan.

    Attributes:
        rule: How it is computed.
        value: The figure; None if something that it takes is not known.
        missing: The names of the inputs that are not known.
    """

    rule: Rule
    value: float | None
    missing: tuple[str, ...] = ()


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _up(value: float) -> float:
    """Return the next whole number up; what is above one by rounding alone is that one."""
    return float(math.ceil(round(value, 9)))


def _gigabits(value: float) -> str:
    return f"{value:,.3g} Gbit/s"


_EACH_ONCE = ("gpus", "gpu_rate")

RULES = (
    Rule(
        "images/s in all",
        _EACH_ONCE,
        lambda gpus, rate: gpus * rate,
        _whole,
        "Every GPU takes as much as one alone, and waits for nothing else.",
    ),
    Rule(
        "an epoch",
        (*_EACH_ONCE, "images"),
        lambda gpus, rate, images: images / (gpus * rate),
        lambda seconds: minutes_and_seconds(seconds) if seconds >= 1 else f"{seconds:.2g} s",
        "Each image is delivered once.",
    ),
    Rule(
        "cores",
        (*_EACH_ONCE, "cpu_ms"),
        lambda gpus, rate, cpu: _up(gpus * rate * cpu / 1000),
        _whole,
        "Cores are like those that were measured, and an image takes as much CPU time however many work at "
        "once: near enough for decoding, too few where they wait for memory. Nothing is left for the "
        "processes that train.",
    ),
    Rule(
        "workers",
        (*_EACH_ONCE, "worker_rate"),
        lambda gpus, rate, worker: _up(gpus * rate / worker),
        _whole,
        "A worker has a machine like the one that was measured to itself, and shares nothing with others, so "
        "that two deliver twice as much. To send and to receive takes CPU time, which only counts where a "
        "service was measured.",
    ),
    Rule(
        "processes",
        (*_EACH_ONCE, "process_rate"),
        lambda gpus, rate, process: _up(gpus * rate / process),
        _whole,
        "One process gains from more cores as Amdahl's law has it, fitted to the few that were measured: "
        "fewer cannot deliver as much, however large a machine each has.",
    ),
    Rule(
        "bytes/s from storage",
        (*_EACH_ONCE, "read_bytes"),
        lambda gpus, rate, read: gpus * rate * read,
        lambda value: f"{format_size(value)}/s",
        "No page cache holds any of it: the set is larger than the memory of those who read it.",
    ),
    Rule(
        "gigabits from storage",
        (*_EACH_ONCE, "read_bytes"),
        lambda gpus, rate, read: 8 * gpus * rate * read / 1e9,
        _gigabits,
        "Storage is behind the network; what protocols add to the bytes is not counted.",
    ),
    Rule(
        "disks",
        (*_EACH_ONCE, "read_bytes", "disk_rate"),
        lambda gpus, rate, read, disk: _up(gpus * rate * read / disk),
        _whole,
        "Disks share the load evenly, and each gives as many bytes a second as it did when it was measured, "
        "for reads as large as those.",
    ),
    Rule(
        "size of the set",
        ("images", "read_bytes"),
        lambda images, read: images * read,
        format_size,
        "It is stored once; disks or buckets that hold copies of it need that for each.",
    ),
    Rule(
        "gigabits to the GPUs",
        (*_EACH_ONCE, "delivered_bytes"),
        lambda gpus, rate, delivered: 8 * gpus * rate * delivered / 1e9,
        _gigabits,
        "Batches are sent as they are delivered, not compressed. Where loaders run beside the GPUs, no "
        "network carries this, but the bus to the GPUs.",
    ),
    Rule(
        "links to the GPUs",
        (*_EACH_ONCE, "delivered_bytes", "link_gbits"),
        lambda gpus, rate, delivered, link: _up(8 * gpus * rate * delivered / 1e9 / link),
        _whole,
        "Links share the load evenly, in one direction; workers are not on the machines that have the GPUs.",
    ),
)


def plan_of(known: Mapping[str, Known]) -> list[Planned]:
    """Return every figure of a plan, in the order of the table.

    Args:
        known: What is known, by the names of `INPUTS`.
    """
    found = []
    for rule in RULES:
        missing = tuple(name for name in rule.takes if name not in known)
        value = None if missing else rule.compute(*(known[name].value for name in rule.takes))
        found.append(Planned(rule, value, missing))
    return found


def missing_of(plan: list[Planned]) -> list[str]:
    """Return the names of the inputs that something takes and that are not known, as `INPUTS` has them."""
    taken = {name for each in plan for name in each.missing}
    return [name for name in INPUTS if name in taken]
