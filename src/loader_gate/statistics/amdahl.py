"""Throughput against cores: Amdahl's law, fitted to paired blocks, and what one core alone says of more.

The law: if a share s of the work is serial and the rest divides among n cores, an epoch takes
T(1) (s + (1 - s) / n) seconds (Amdahl, "Validity of the single processor approach to achieving large scale
computing capabilities", AFIPS Spring Joint Computer Conference, 1967). All here is pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loader_gate.statistics.blocks import block_estimate
from loader_gate.statistics.estimate import Estimate
from loader_gate.statistics.sequences import ERROR


@dataclass(frozen=True)
class Figure:
    """A figure and its interval.

    Attributes:
        value: The figure.
        low: Lower end of the interval.
        high: Upper end of the interval; infinite where the blocks are too few for one.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class AmdahlFit:
    """Amdahl's law, fitted.

    Attributes:
        least: The smallest number of cores that was measured.
        most: The largest one.
        ratio: Seconds with the most cores over seconds with the least, of the fitted law.
        misfit: By what share the seconds with some number of cores are off the law at most; 0 of two numbers,
            which it always fits.
        misfit_at: That number.
    """

    least: int
    most: int
    ratio: Estimate
    misfit: float = 0.0
    misfit_at: int = 0

    @property
    def serial_share(self) -> Figure:
        """Return the share of the work of one core that is serial, from 0 to 1."""
        found = self.ratio
        return Figure(*(self._serial_share_at(each) for each in (found.ratio, found.low, found.high)))

    def speedup(self, cores: int) -> Figure:
        """Return how many times as fast so many cores are as the most that were measured."""
        share = self.serial_share
        value, low, high = (
            seconds_by_law(each, self.most) / seconds_by_law(each, cores)
            for each in (share.value, share.high, share.low)
        )
        return Figure(value, min(low, high), max(low, high))

    def _serial_share_at(self, ratio: float) -> float:
        """Solve (s + (1 - s) / most) / (s + (1 - s) / least) = ratio for s, which grows with it."""
        if ratio >= 1:
            return 1.0
        within = max(ratio, self.least / self.most)
        above, below = within / self.least - 1 / self.most, 1 - 1 / self.most - within * (1 - 1 / self.least)
        return max(above / below, 0.0)


def fit_amdahl(seconds: Mapping[int, Sequence[float]], *, is_long: bool = False) -> AmdahlFit:
    """Return Amdahl's law as it fits the seconds of paired blocks.

    Each block is fitted by itself, with least squares of relative errors; its ratio of seconds with the most
    cores and with the least is one datum, as of a speedup. Of two numbers of cores that is their ratio as it
    is. The interval of everything else follows, as all of it grows or falls with that ratio.

    Args:
        seconds: The seconds of an epoch in each block, by number of cores; at least two of these, and
            equally many of each.
        is_long: See `block_estimate`.

    Raises:
        ValueError: There are fewer than two numbers of cores, or no blocks, or not as many of each.
    """
    counts = sorted(seconds)
    if len(counts) < 2:
        raise ValueError(f"seconds with {counts} cores: expected at least two numbers of cores")
    blocks = [
        dict(zip(counts, each, strict=True)) for each in zip(*(seconds[n] for n in counts), strict=True)
    ]
    ratios = [_fitted_log_ratio(block) for block in blocks]
    ratio = block_estimate(ratios, ERROR, is_long=is_long)
    misfit, at = 0.0, 0
    if len(counts) > 2:
        middle = {n: math.exp(math.fsum(map(math.log, seconds[n])) / len(blocks)) for n in counts}
        serial, divided = _fitted(middle)
        misfit, at = max((abs((serial + divided / n) / middle[n] - 1), n) for n in counts)
    return AmdahlFit(counts[0], counts[-1], ratio, misfit, at)


def _fitted_log_ratio(block: Mapping[int, float]) -> float:
    least, most = min(block), max(block)
    if len(block) == 2:
        return math.log(block[most] / block[least])
    serial, divided = _fitted(block)
    return math.log((serial + divided / most) / (serial + divided / least))


def _fitted(block: Mapping[int, float]) -> tuple[float, float]:
    """Return the seconds that are serial and those that divide, with least squares of relative errors."""
    rows = [(1 / seconds, 1 / (cores * seconds)) for cores, seconds in block.items()]
    one, both, other = (math.fsum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    first, second = (math.fsum(row[i] for row in rows) for i in (0, 1))
    determinant = one * other - both * both
    serial, divided = (
        (first * other - second * both) / determinant,
        (one * second - both * first) / determinant,
    )
    # The law has no negative part: what gains more than it allows is all divided, what loses all serial.
    if serial < 0:
        return 0.0, second / other
    return (first / one, 0.0) if divided < 0 else (serial, divided)


def seconds_by_law(serial_share: float, cores: float) -> float:
    """Return the seconds with so many cores, of one with one core, by Amdahl's law."""
    return serial_share + (1 - serial_share) / cores


@dataclass(frozen=True)
class OneCore:
    """What an image takes on one core, in seconds.

    Attributes:
        seconds: Of the clock.
        cpu_seconds: CPU time, of all threads and processes.
        asking_cpu_seconds: What of that is the thread's that asks for batches, which is one whatever the
            number of cores.
    """

    seconds: float
    cpu_seconds: float
    asking_cpu_seconds: float

    def speedup(self, cores: int) -> tuple[float, float]:
        """Return between which two numbers the speedup with so many cores has to be, from this alone.

        At most, all threads work at the same time: it gains what the cores do, and no epoch is shorter than
        the CPU time of the thread that asks (the asymptotic bounds of Denning and Buzen, "The operational
        analysis of queueing network models", Computing Surveys 10, 1978). At least, what that thread does and
        what was waited for stay as they are, and only the rest is divided, as Amdahl has it.

        This assumes that the CPU time of an image does not grow with the cores, that the loader starts as
        many threads as there are cores, and that these threads never wait for each other's lock.
        """
        cpu = min(self.cpu_seconds, self.seconds)  # a core has no more; the rest is the grain of the clocks
        asking = min(self.asking_cpu_seconds, cpu)
        alone = self.seconds - cpu + asking
        at_least = self.seconds / (alone + (cpu - asking) / cores)
        return at_least, cores / max(1.0, cores * asking / self.seconds)
