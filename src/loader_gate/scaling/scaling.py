"""How the variants of a session scale with cores, from the passes of their blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from loader_gate.machine.noise import used_by_others
from loader_gate.rotation.contestant import cost
from loader_gate.statistics.amdahl import AmdahlFit, Figure, OneCore, fit_amdahl
from loader_gate.statistics.blocks import LONG_BLOCK_SECONDS, block_estimate
from loader_gate.statistics.estimate import log_ratios
from loader_gate.statistics.sequences import ERROR
from loader_gate.verdict.excuses import busy_elsewhere

if TYPE_CHECKING:
    from loader_gate.machine.topology import Binding
    from loader_gate.rotation.measurement import Measurement
    from loader_gate.session.result import Result
    from loader_gate.worker.timing import PassTiming

#: What is predicted is the throughput with so many cores, and with at least twice as many as there are.
PREDICTED_CORES = 8
#: Rates that are off Amdahl's law by more than this share do not follow it.
MOST_MISFIT = 0.10
#: By what share a pass may keep more cores busy than it may use: clocks have a grain.
MOST_BEYOND = 0.10
#: An interval that reaches so far to either side, as a share, tells nothing of a prediction that it holds.
WIDE = 0.15
#: From so much of what as many times the cores would give, cores are what limits.
NEARLY_ALL = 0.90


@dataclass(frozen=True)
class Point:
    """One variant with one number of cores.

    Attributes:
        cores: The number.
        shares_cores: Whether some of these processors are hyper-threads of one core.
        images_per_second: Its throughput; None if it was not measured.
        speedup: Over the fewest cores that it was measured with, paired; None of these themselves.
        problem: Why it was not measured; empty if it was.
    """

    cores: int
    shares_cores: bool
    images_per_second: Figure | None = None
    speedup: Figure | None = None
    problem: str = ""


@dataclass(frozen=True)
class Prediction:
    """What a variant would do with more cores, by Amdahl's law.

    Attributes:
        cores: How many.
        images_per_second: The throughput; of an interval as wide as that of the serial share.
        limited_by: What keeps it from more: a limit's name, "its serial share" or "the cores".
    """

    cores: int
    images_per_second: Figure
    limited_by: str


@dataclass(frozen=True)
class FromOneCore:
    """The speedup with all cores as one core alone predicts it, and as it was measured.

    Attributes:
        cores: How many all are.
        at_least: The least that it should be; see `OneCore.speedup`.
        at_most: The most.
        measured: What it is.
        right: "yes", "no, it is slower" or "no, it is faster", by whether the two intervals have a speedup in
            common; "not told" where the measured one is wide, or other programs took cores.
    """

    cores: int
    at_least: float
    at_most: float
    measured: Figure
    right: str


@dataclass(frozen=True)
class Scaling:
    """How one variant scales.

    Attributes:
        workload: The workload's name.
        variant: The variant's name.
        is_limit: Whether it is a limit.
        points: By number of cores, ascending; the last one is all cores.
        serial_share: By Amdahl's law; None where there are not two numbers of cores.
        misfit: How far its rates are off that law, in words; empty if they follow it.
        prediction: What more cores would give; None where nobody can say.
        from_one_core: Whether one core alone would have told; None where it was not measured.
    """

    workload: str
    variant: str
    is_limit: bool
    points: tuple[Point, ...]
    serial_share: Figure | None = None
    misfit: str = ""
    prediction: Prediction | None = None
    from_one_core: FromOneCore | None = None


def scaling_of(result: Result, bindings: Sequence[Binding]) -> list[Scaling]:
    """Return how each variant that was measured scales, the limits first.

    Args:
        result: What was measured.
        bindings: With which processors, ascending; the last one is all of them.
    """
    measured = [each for each in result.measurements.values() if has_scaled(each)]
    measured.sort(key=lambda each: not each.variant.traits.is_limit)
    found: dict[str, Scaling] = {}
    is_busy = bool(busy_meanwhile(result, bindings))
    for each in measured:
        bound_by = None if each.share is None else found.get(each.share.limit)
        scaled = _Measured(each, len(result.tree), tuple(bindings), is_busy)
        found[each.variant.name] = scaled.scaling(result.workload.name, bound_by)
    return [*found.values()]


def busy_meanwhile(result: Result, bindings: Sequence[Binding]) -> str:
    """Return what other programs took of the cores, in words; nothing if that is little.

    Beside them all cores are fewer than there are, and what is said of all would be wrong.

    Args:
        result: What was measured.
        bindings: With which processors, ascending; the last one is all of them.
    """
    return busy_elsewhere(used_by_others(*result.noise), bindings[-1].cores)


def has_scaled(measurement: Measurement) -> bool:
    """Return whether a variant was measured on fewer cores, too."""
    is_measured = measurement.verdict.status != "unmeasured" and bool(measurement.variant_passes)
    return is_measured and bool(measurement.on_fewer_cores)


@dataclass(frozen=True)
class _Measured:
    """The passes of one variant.

    Attributes:
        measurement: What was measured.
        images: Images an epoch.
        bindings: With which processors, ascending; the last one is all of them.
        is_busy: Whether other programs took so much of them that nothing is told of all.
    """

    measurement: Measurement
    images: int
    bindings: tuple[Binding, ...]
    is_busy: bool

    def scaling(self, workload: str, bound_by: Scaling | None) -> Scaling:
        """Return how it scales.

        Args:
            workload: The workload's name.
            bound_by: How the limit scales that bounds it, if one does.
        """
        passes, problems = self._passes()
        points = tuple(self._point(each, passes, problems) for each in self.bindings)
        variant = self.measurement.variant
        about = workload, variant.name, variant.traits.is_limit
        if len(passes) < 2:
            return Scaling(*about, points)
        fit = fit_amdahl(
            {cores: block_seconds(each) for cores, each in passes.items()}, is_long=_is_long(passes)
        )
        misfit = ""
        if fit.misfit > MOST_MISFIT:
            misfit = f"{100 * fit.misfit:.0f} % off Amdahl's law with {fit.misfit_at} cores"
        prediction = None if misfit or self.is_busy else _prediction(fit, points[-1], bound_by)
        return Scaling(*about, points, fit.serial_share, misfit, prediction, self._from_one_core(passes))

    def _passes(self) -> tuple[dict[int, Sequence[PassTiming]], dict[int, str]]:
        """Return the passes by number of cores, of the same blocks, and why there are none of some."""
        problems = {len(each.processors): each.problem for each in self.measurement.on_fewer_cores}
        passes: dict[int, Sequence[PassTiming]] = {
            len(each.processors): each.passes for each in self.measurement.on_fewer_cores
        }
        passes[self.bindings[-1].cores] = self.measurement.variant_passes
        for cores, each in passes.items():
            if each and not problems.get(cores) and (used := _cores_used(each)) > cores * (1 + MOST_BEYOND):
                problems[cores] = (
                    f"it kept {used:.2g} cores busy and may use {cores}: it, or what it starts, has changed "
                    "its own affinity; leave that as it is"
                )
        measured = {cores: each for cores, each in passes.items() if each and not problems.get(cores)}
        count = min(map(len, measured.values()), default=0)
        return {cores: measured[cores][:count] for cores in sorted(measured)}, problems

    def _point(
        self, binding: Binding, passes: Mapping[int, Sequence[PassTiming]], problems: Mapping[int, str]
    ) -> Point:
        cores = binding.cores
        if cores not in passes:
            return Point(cores, binding.shares_cores, problem=problems.get(cores) or "it was not measured")
        fewest = min(passes)
        speedup = None if cores == fewest else paired(passes[fewest], passes[cores])
        return Point(cores, binding.shares_cores, self._rate(passes[cores]), speedup)

    def _rate(self, passes: Sequence[PassTiming]) -> Figure:
        """Return the throughput, whose middle is what the table of verdicts has."""
        logs = [math.log(self.images / seconds) for seconds in block_seconds(passes)]
        found = block_estimate(logs, ERROR, is_long=_is_long({1: passes}))
        rate = self.images / median(timing.seconds for timing in passes)
        return Figure(rate, rate * found.low / found.ratio, rate * found.high / found.ratio)

    def _from_one_core(self, passes: Mapping[int, Sequence[PassTiming]]) -> FromOneCore | None:
        cores = self.bindings[-1].cores
        if not {1, cores} <= passes.keys():
            return None
        alone = OneCore(
            *(
                median(each) / self.images
                for each in zip(
                    *((one.seconds, one.cpu_seconds, one.asking_cpu_seconds) for one in passes[1]),
                    strict=True,
                )
            )
        )
        at_least, at_most = alone.speedup(cores)
        measured = paired(passes[1], passes[cores])
        right = "yes" if measured.high < measured.low * (1 + WIDE) ** 2 else "not told"
        if self.is_busy:
            right = "not told"
        elif measured.high < at_least:
            right = "no, it is slower"
        elif measured.low > at_most:
            right = "no, it is faster"
        return FromOneCore(cores, at_least, at_most, measured, right)


def _prediction(fit: AmdahlFit, now: Point, bound_by: Scaling | None) -> Prediction | None:
    """Return what more cores would give.

    Args:
        fit: Amdahl's law, fitted.
        now: The throughput with all cores.
        bound_by: How the limit scales that bounds it, if one does.
    """
    if now.images_per_second is None or now.cores != fit.most:
        return None
    cores, rate = max(PREDICTED_CORES, 2 * fit.most), now.images_per_second.value
    times = fit.speedup(cores)
    own = Figure(rate * times.value, rate * times.low, rate * times.high)
    is_nearly_all = times.value >= NEARLY_ALL * cores / fit.most
    limited_by = "the cores" if is_nearly_all else "its serial share"
    if bound_by is not None and bound_by.prediction is not None:
        most = bound_by.prediction.images_per_second
        limited_by = bound_by.variant if own.value > most.value else limited_by
        own = Figure(min(own.value, most.value), min(own.low, most.low), min(own.high, most.high))
    return Prediction(cores, own, limited_by)


def paired(above: Sequence[PassTiming], below: Sequence[PassTiming], error: float = ERROR) -> Figure:
    """Return how many times as fast the second of two sides is, from blocks that both took part in.

    Args:
        above: Passes of one side, two a block.
        below: Those of the other.
        error: The chance of a miss that the interval may have.
    """
    sides = ([timing.seconds for timing in each] for each in (above, below))
    found = block_estimate(log_ratios(*sides), error, is_long=_is_long({1: above, 2: below}))
    return Figure(found.ratio, found.low, found.high)


def block_seconds(passes: Sequence[PassTiming]) -> list[float]:
    """Return the seconds of an epoch in each block: the geometric mean of its two passes."""
    seconds = [timing.seconds for timing in passes]
    return [math.sqrt(one * other) for one, other in zip(seconds[::2], seconds[1::2], strict=True)]


def _is_long(passes: Mapping[int, Sequence[PassTiming]]) -> bool:
    """Return whether blocks of these passes outlast a machine's moods."""
    blocks = len(next(iter(passes.values()))) // 2
    return sum(cost(timing) for each in passes.values() for timing in each) / blocks >= LONG_BLOCK_SECONDS


def _cores_used(passes: Sequence[PassTiming]) -> float:
    return median(timing.cpu_seconds / (timing.seconds + timing.look_seconds) for timing in passes)
