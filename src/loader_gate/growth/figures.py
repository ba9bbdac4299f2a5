"""What is measured at each size, and what sessions' JSON says of it: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loader_gate.registry.kind import kind_named
from loader_gate.runs.parsing import number_above_0
from loader_gate.sizes import format_size


@dataclass(frozen=True)
class Figure:
    """One kind of figure.

    Attributes:
        name: As the JSON has it.
        about: The same for people.
        linear: The exponent with which it grows where cost grows as the number of images does.
        wanted: The greatest exponent that the suite sets itself; None if it sets none, as it may for some
            variants only.
        is_rate: Whether more of it is better: it costs more where it falls.
    """

    name: str
    about: str
    linear: float = 1.0
    wanted: float | None = field(default=None, compare=False)
    is_rate: bool = False

    def text(self, value: float) -> str:
        """Return a value with its unit, for people."""
        if self.name in ("scan_seconds", "first_batch_seconds"):
            return f"{value:,.3g} s" if value >= 1 else f"{1000 * value:,.3g} ms"
        if self.is_rate:
            return f"{value:,.0f}"
        return f"{value:,.0f}" if self.name == "dump_bytes_per_image" else format_size(value)


SCAN = Figure("scan_seconds", "scan", wanted=1.05)
CONTROLLER = Figure("controller_peak_rss_bytes", "memory", wanted=0.1)
THROUGHPUT = Figure("images_per_second", "images/s", linear=0.0, wanted=0.0, is_rate=True)
FIRST_BATCH = Figure("first_batch_seconds", "first batch")
WORKER = Figure("peak_rss_bytes", "peak memory", wanted=0.1)
DUMP = Figure("dump_bytes_per_image", "bytes an image", linear=0.0)
#: Every figure, in the order of the table: the suite's own, then those of each variant.
FIGURES = (SCAN, CONTROLLER, THROUGHPUT, FIRST_BATCH, WORKER, DUMP)
_OF_VARIANTS = (THROUGHPUT, FIRST_BATCH, WORKER, DUMP)


@dataclass(frozen=True)
class Sample:
    """One figure, measured once.

    Attributes:
        figure: What it is.
        subject: The variant and its workload; empty for the suite itself.
        images: How many images the tree had.
        value: In the figure's unit, above 0.
    """

    figure: Figure
    subject: str
    images: int
    value: float


def samples_of(run: Mapping[str, Any], images: int) -> Iterator[Sample]:
    """Yield what the JSON of a session says of its variants; limits have no cost.

    Args:
        run: The JSON of pytest-benchmark.
        images: How many images the tree had.
    """
    for info in _infos(run):
        kind = kind_named(str(info.get("kind")))
        if info.get("verdict") == "unmeasured" or kind.is_limit:
            continue
        for figure in _OF_VARIANTS:
            value = number_above_0(info.get(figure.name))
            # Who keeps images in memory, or maps a dump of them, is meant to grow.
            is_free = figure == WORKER and (kind.fills_memory or kind.writes_dump)
            if value is not None:
                yield Sample(
                    replace(figure, wanted=None) if is_free else figure, _subject(info), images, value
                )


def problems_of(run: Mapping[str, Any]) -> Iterator[str]:
    """Yield why variants of a session were not measured, a sentence each."""
    about = run.get("loader_gate")
    for each in about.get("unmeasured", ()) if isinstance(about, dict) else ():
        if isinstance(each, dict):
            yield f"{_subject(each)}, {each.get('reason')}"


def _infos(run: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    benchmarks = run.get("benchmarks")
    found = [
        each.get("extra_info")
        for each in (benchmarks if isinstance(benchmarks, list) else ())
        if isinstance(each, dict)
    ]
    return [info for info in found if isinstance(info, dict) and "variant" in info]


def _subject(info: Mapping[str, Any]) -> str:
    return f"{info.get('variant')}: {info.get('workload')}"
