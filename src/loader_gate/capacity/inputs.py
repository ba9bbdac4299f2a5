"""What a capacity is computed from, each with where it was measured: in a saved run, or by the user."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loader_gate.advice.measured_tree import measured_tree
from loader_gate.advice.need import need_of
from loader_gate.advice.pareto import MAPPED_WORKLOADS
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.kind import kind_named
from loader_gate.registry.variant import Variant
from loader_gate.runs.parsing import number_above_0
from loader_gate.statistics.amdahl import seconds_by_law
from loader_gate.statistics.blocks import LONG_BLOCK_SECONDS, block_estimate
from loader_gate.statistics.sequences import ERROR
from loader_gate.worker.cold import MOST_CACHED

#: What reads as fast as a disk can, and does nothing else.
DISK_LIMIT = "limit_disk_read"
#: Of the images of all of the suite's own variants.
_CHANNELS = 3


@dataclass(frozen=True)
class Input:
    """One figure that a capacity may be computed from.

    Attributes:
        name: As code knows it, and the option that gives it.
        about: What it is, for people.
        measure: How to measure it, as the end of a sentence.
    """

    name: str
    about: str
    measure: str

    @property
    def option(self) -> str:
        """Return the option that gives it."""
        return f"--{self.name.replace('_', '-')}"


_LOADING = (
    "run pytest benchmarks/test_loading.py --variant NAME --benchmark-json RUN.json, and name that file"
)

INPUTS = {
    each.name: each
    for each in (
        Input("gpus", "the number of GPUs", "count them"),
        Input(
            "gpu_rate",
            "images/s that one GPU takes",
            "train on it with pytest benchmarks/test_training.py --device gpu: the device's images/s",
        ),
        Input("cpu_ms", "CPU milliseconds an image", _LOADING),
        Input("worker_rate", "images/s that one worker delivers", _LOADING),
        Input(
            "process_rate",
            "images/s that one process delivers at most",
            "give the same command --cores 1,2, which measures what more cores gain",
        ),
        Input(
            "read_bytes",
            "bytes read from disk an image",
            "run pytest benchmarks/ with --benchmark-json, with benchmarks/test_dump.py if it writes a dump",
        ),
        Input(
            "disk_rate",
            "bytes a second that one disk gives",
            "read files there that are not in the page cache, as fio or a session with --cold does",
        ),
        Input(
            "delivered_bytes",
            "bytes an image of a batch, as it is sent",
            "take the nbytes of a batch of images, divided by its length",
        ),
        Input(
            "link_gbits",
            "gigabits a second that one link of the network carries",
            "send between two of the machines, as iperf3 does",
        ),
        Input("images", "images of the set", "count the files"),
    )
}


@dataclass(frozen=True)
class Known:
    """A figure that is known.

    Attributes:
        value: In the unit of its `Input`.
        source: Who says so, such as "given", as the end of a sentence.
    """

    value: float
    source: str


def measured_in(run: Mapping[str, Any], variant: str) -> dict[str, Known]:
    """Return what a saved run says of a variant, by the names of `INPUTS`; what it does not say is not there.

    Args:
        run: The JSON of pytest-benchmark.
        variant: The variant's name.
    """
    infos = [each["extra_info"] for each in run["benchmarks"] if isinstance(each.get("extra_info"), dict)]
    return dict(_found(run, infos, variant))


def variants_in(run: Mapping[str, Any]) -> list[str]:
    """Return the names of the variants that a saved run has measured, limits left out."""
    infos = (each.get("extra_info") for each in run["benchmarks"])
    return list(
        dict.fromkeys(
            str(info["variant"])
            for info in infos
            if isinstance(info, dict)
            and "variant" in info
            and info.get("verdict") != "unmeasured"
            and not kind_named(str(info.get("kind"))).is_limit
        )
    )


def _found(
    run: Mapping[str, Any], infos: Sequence[Mapping[str, Any]], variant: str
) -> Iterator[tuple[str, Known]]:
    of_it = {
        info.get("workload"): info
        for info in infos
        if info.get("variant") == variant and info.get("verdict") != "unmeasured"
    }
    need = need_of(infos)
    if need is not None and need.device.startswith("gpu"):
        yield "gpu_rate", Known(need.images_per_second, f"what {need.device} took in the run")
    workload = next((each for each in MAPPED_WORKLOADS if each in of_it), None)
    if workload is None:
        return
    info, where = of_it[workload], f"{variant}, {workload}"
    cpu = number_above_0(info.get("cpu_seconds_per_image"))
    if cpu is not None:
        waits = ", which waits for memory: more cores gain less" if _waits_for_memory(info) else ""
        yield "cpu_ms", Known(1000 * cpu, f"{where}{waits}")
    rate = _careful_rate(info)
    if rate is not None:
        evidence = info.get("bottleneck_evidence")
        cores = evidence.get("cores") if isinstance(evidence, dict) else None
        on = f" on {cores} cores" if isinstance(cores, int) else " on all of the run's cores"
        yield "worker_rate", Known(rate, f"{where}{on}, the low end of its interval")
    most = _most_of_one_process(run, variant)
    if most is not None:
        yield "process_rate", Known(most, f"{where}, by the high end of its serial share")
    images, file_bytes = measured_tree(run, infos)
    if images:
        yield "images", Known(images, "of the run's tree")
    yield from _bytes(infos, of_it, variant, file_bytes)
    size = info.get("image_size")
    if isinstance(size, int) and not info.get("loader"):
        own = {each.name: each.sent_bytes for each in built_in_variants()}
        each = own.get(variant, Variant.sent_bytes)
        yield (
            "delivered_bytes",
            Known(size * size * _CHANNELS * each, f"{size}x{size} of {_CHANNELS} channels, {each} B of each"),
        )


def _waits_for_memory(info: Mapping[str, Any]) -> bool:
    return info.get("bottleneck") in ("copy-bound", "memory-bound")


def _most_of_one_process(run: Mapping[str, Any], variant: str) -> float | None:
    """Return images a second that one process delivers at most, by Amdahl's law, of a run with ``--cores``.

    None where that was not measured, or does not follow the law.
    """
    try:
        found = next(each for each in run["loader_gate"]["cores"]["variants"] if each["variant"] == variant)
        high, most = float(found["serial_share"]["high"]), found["points"][-1]
        rate, cores = float(most["images_per_second"]["value"]), int(most["cores"])
    except (KeyError, IndexError, StopIteration, TypeError, ValueError):  # a run without, or a damaged one
        return None
    if found.get("misfit") or not 0 < high <= 1:
        return None
    return number_above_0(rate * seconds_by_law(high, cores) / high)


def _bytes(
    infos: Sequence[Mapping[str, Any]],
    of_it: Mapping[Any, Mapping[str, Any]],
    variant: str,
    file_bytes: float,
) -> Iterator[tuple[str, Known]]:
    """Yield what is read of an image, and how fast a disk is."""
    kind = kind_named(str(next(iter(of_it.values())).get("kind")))
    dumped = [number_above_0(info.get("dump_bytes_per_image")) for info in of_it.values()]
    dump_bytes = next((each for each in dumped if each is not None), None)
    if kind.fills_memory:
        yield "read_bytes", Known(0.0, "nothing after the first epoch, as it is in each worker's memory")
    elif dump_bytes is not None:
        yield "read_bytes", Known(dump_bytes, f"the dump of {variant}, measured")
    elif file_bytes and not kind.may_write:
        yield "read_bytes", Known(file_bytes, "the mean file of the run's tree")
    cold = [
        (str(info.get("variant")), rate)
        for info in infos
        if info.get("variant") in (variant, DISK_LIMIT)
        and (rate := number_above_0(info.get("bytes_per_second"))) is not None
        and isinstance(info.get("cached_share"), (int, float))
        and info["cached_share"] <= MOST_CACHED
    ]
    if cold:
        name, rate = max(cold, key=lambda each: each[1])
        yield "disk_rate", Known(rate, f"what the run's disk gave to {name}, cold")


def _careful_rate(info: Mapping[str, Any]) -> float | None:
    """Return images a second, the low end of their 95 % interval; None where passes are too few for one."""
    images, passes = number_above_0(info.get("images")), info.get("variant_seconds")
    if images is None or not isinstance(passes, list):
        return None
    seconds = [each for each in map(number_above_0, passes) if each is not None]
    pairs = [*zip(seconds[::2], seconds[1::2], strict=False)]
    if len(pairs) < 2 or len(seconds) < len(passes):
        return None
    logs = [math.log(images) - (math.log(one) + math.log(other)) / 2 for one, other in pairs]
    low = block_estimate(logs, ERROR, is_long=2 * min(seconds) >= LONG_BLOCK_SECONDS).low
    return low if low > 0 else None
