"""What other tools' rules would have said of the same passes.

Each rule gets as many passes of either side as the gate needs at the median. As these tools are used, all
of base is run first and all of head afterwards: two consecutive windows of a recorded session. To see what
the rule itself is worth, each is also asked about the gate's own interleaved passes.

``pytest-benchmark``
    ``--benchmark-compare-fail=mean:5%``: worse if head's mean is more than 5 % above base's.
``asv continuous``
    Worse if head's median is above base's by more than the factor 1.1, and a two-sided Mann-Whitney test
    has p < 0.002: exact for up to 20 samples a side, by the normal approximation without continuity
    correction beyond. With too few samples for such a p, it is never worse: the intervals of the medians
    that it then falls back to have no ends. Written from the description in asv's documentation and the
    behaviour of version 0.6 (``asv/commands/compare.py``: ``--factor``; ``asv/_stats.py``: ``is_different``).
``Mann-Whitney``
    Worse if a two-sided test has p < 0.05 and head's median is above base's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from docs.study.rates import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from docs.study.trace import Trace

    Passes: TypeAlias = NDArray[np.float64]
    Worse: TypeAlias = NDArray[np.bool_]

Order: TypeAlias = Literal["base first", "interleaved"]
ORDERS: tuple[Order, ...] = ("base first", "interleaved")

PYTEST_BENCHMARK_SHARE = 0.05
ASV_FACTOR = 1.1
ASV_P = 0.002
ASV_EXACT = 20
MANN_WHITNEY_P = 0.05


@dataclass(frozen=True)
class Finding:
    """How often a rule said "worse".

    Attributes:
        rule: Its name.
        order: How the passes were taken.
        variant: The variant.
        slowdown: The share by which head was slower.
        passes: How many of each side it was given.
        found: How often it said so.
        draws: Of how many.
    """

    rule: str
    order: Order
    variant: str
    slowdown: float
    passes: int
    found: int
    draws: int

    @property
    def rate(self) -> Rate:
        """Return how often it said so."""
        return Rate(self.found, self.draws)


def pytest_benchmark(base: Passes, head: Passes) -> Worse:
    """Return whether head is worse, for every row of passes."""
    import numpy as np

    return np.asarray(head.mean(axis=-1) > (1 + PYTEST_BENCHMARK_SHARE) * base.mean(axis=-1))


def asv_continuous(base: Passes, head: Passes) -> Worse:
    """Return whether head is worse, for every row of passes."""
    import numpy as np
    from scipy.stats import mannwhitneyu

    sizes = base.shape[-1], head.shape[-1]
    slower = np.median(head, axis=-1) > ASV_FACTOR * np.median(base, axis=-1)
    if 1 / math.comb(sum(sizes), min(sizes)) >= ASV_P:
        return np.zeros_like(slower)
    method: Literal["exact", "asymptotic"] = "asymptotic" if max(sizes) > ASV_EXACT else "exact"
    test = mannwhitneyu(base, head, use_continuity=False, axis=-1, method=method)
    return np.asarray(slower & (test.pvalue < ASV_P))


def mann_whitney(base: Passes, head: Passes) -> Worse:
    """Return whether head is worse, for every row of passes."""
    import numpy as np
    from scipy.stats import mannwhitneyu

    test = mannwhitneyu(base, head, axis=-1)
    slower = np.median(head, axis=-1) > np.median(base, axis=-1)
    return np.asarray(slower & (test.pvalue < MANN_WHITNEY_P))


RULES: dict[str, Callable[[Passes, Passes], Worse]] = {
    "pytest-benchmark mean:5%": pytest_benchmark,
    "asv continuous": asv_continuous,
    "Mann-Whitney": mann_whitney,
}


def find_with_rivals(
    trace: Trace, variant: str, slowdown: float, passes: int, draws: int, seed: int
) -> list[Finding]:
    """Ask every rule about passes drawn from a trace.

    Args:
        trace: The trace.
        variant: The variant.
        slowdown: The share by which head is slower.
        passes: How many each side has; two consecutive windows may not overlap, so that there are at most as
            many as half a recorded session has.
        draws: How often to draw.
        seed: Of what is drawn.
    """
    findings = []
    for order in ORDERS:
        base, head = drawn(trace, variant, order, passes, draws, seed)
        for rule, worse in RULES.items():
            found = int(worse(base, (1 + slowdown) * head).sum())
            findings.append(Finding(rule, order, variant, slowdown, base.shape[-1], found, draws))
    return findings


def drawn(
    trace: Trace, variant: str, order: Order, passes: int, draws: int, seed: int
) -> tuple[Passes, Passes]:
    """Return the seconds of base's and of head's passes, a row a draw.

    A window may go on from the end of its recorded session to the beginning.
    """
    import random

    import numpy as np

    from docs.study.virtual import resampled

    chance = random.Random(f"{seed} {variant} {order}")  # noqa: S311 (a simulation, no secret)
    recorded = [
        tuple(
            np.array([timing.seconds for timing in side]).reshape(-1, 2)
            for side in (recording.variants[variant].head, recording.variants[variant].base)
        )
        for recording in trace.recordings
    ]
    shortest = min(len(sides[0]) for sides in recorded)
    blocks = max(1, passes // 2)
    if order == "base first":
        blocks = max(1, min(blocks, shortest // 2))
    rows: tuple[list[Passes], list[Passes]] = ([], [])
    for _ in range(draws):
        base, head = chance.sample(chance.choice(recorded), 2)
        if order == "interleaved":
            first = second = resampled(len(base), blocks, chance)
        else:
            start = chance.randrange(len(base))
            window = [(start + number) % len(base) for number in range(2 * blocks)]
            first, second = window[:blocks], window[blocks:]
        rows[0].append(base[first].ravel())
        rows[1].append(head[second].ravel())
    return np.array(rows[0]), np.array(rows[1])
