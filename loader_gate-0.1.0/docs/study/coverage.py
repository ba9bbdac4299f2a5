"""How often the interval of a speedup misses, by made-up noise and by recordings: ``coverage.md``.

Every session goes through the looks of real ones. The truth is the middle of all blocks that there are, by
the estimate's own definition, and nothing is left out of it: that of 40,000 made-up blocks, or of all
ordinary blocks of the recorded session.
"""

from __future__ import annotations

import contextlib
import functools
import math
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from docs.study.rates import Rate, quantile
from docs.study.settings import mean_at_any_look, replaced
from docs.study.virtual import MEAN_RUN, ordinary_blocks, ordinary_log_ratios
from loader_gate.progress import Progress
from loader_gate.registry.variant import Variant
from loader_gate.rotation import looks
from loader_gate.rotation.contestant import Contestant
from loader_gate.rotation.pace import Pace
from loader_gate.statistics import blocks
from loader_gate.statistics.blocks import block_estimate, middle_of_blocks
from loader_gate.statistics.counts import FEWEST_BLOCKS, MOST_BLOCKS
from loader_gate.statistics.estimate import log_ratios
from loader_gate.statistics.sequences import ERROR
from loader_gate.verdict.rules import Rules
from loader_gate.worker.timing import PassTiming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType
    from typing import Any, TextIO

    from docs.study.trace import Trace
    from loader_gate.statistics.estimate import Estimate

    #: Seconds of the baseline and of a variant, two a block.
    Passes = tuple[Sequence[float], Sequence[float]]

FILE = "coverage.md"
#: What the looks estimate by, where there are several; other settings stand in its place.
_AT_ANY_LOOK = "block_estimate_at_any_look"
NAME = "made_up"
#: Of a block's log-ratio, and of a pass beside it.
SD = 0.08
#: Blocks of sessions that are looked at once, and of those that are looked at after every block.
ONCE = 8
LENGTHS = (12, 60, MOST_BLOCKS)
#: The floor over the true speedup.
FLOORS = (1.0, 1 / 1.03, 1.03, 1 / 1.10, 1.10)
AT, ABOVE, BELOW, FAR_ABOVE, FAR_BELOW = FLOORS
#: Mean number of blocks that a mood of two lasts, and how far apart they are.
MOOD_BLOCKS, MOOD = 6, 0.10


@dataclass(frozen=True)
class Noise:
    """Where the passes of sessions come from: they are made up.

    Attributes:
        name: For tables.
        heavy: Whether log-ratios of blocks are Student's t of 3 degrees of freedom, or normal.
        resembling: The correlation of neighbouring blocks, of an AR(1) series.
        baseline: The share of the baseline's passes that take twice as long.
        variant: The same of the variant's.
        moods: Whether the variant has two speeds, each for several blocks.
    """

    name: str
    heavy: bool = False
    resembling: float = 0.0
    baseline: float = 0.0
    variant: float = 0.0
    moods: bool = False

    def passes(self, count: int, chance: np.random.Generator) -> Passes:
        """Return the passes of so many blocks, at a speedup of 1."""
        ratios = chance.standard_t(3, count) / math.sqrt(3) if self.heavy else chance.normal(0, 1, count)
        for block in range(1, count):
            fresh = math.sqrt(1 - self.resembling**2) * ratios[block]
            ratios[block] = self.resembling * ratios[block - 1] + fresh
        ratios *= SD
        if self.moods:
            changes = chance.random(count) < 1 / MOOD_BLOCKS
            ratios += MOOD * ((np.cumsum(changes) + chance.integers(2)) % 2 - 0.5)
        apart = chance.normal(0, SD, (2, count))
        logs = np.stack([apart, -apart], axis=2)
        logs[1] -= ratios[:, None]
        slow = chance.random(logs.shape) < np.array([self.baseline, self.variant])[:, None, None]
        baseline, variant = np.exp(logs + slow * math.log(2)).reshape(2, -1).tolist()
        return baseline, variant

    def truth(self) -> float:
        """Return the true log speedup."""
        chance = np.random.default_rng(0)
        return middle_of_blocks([r for _ in range(200) for r in log_ratios(*self.passes(200, chance))])[0]


@dataclass(frozen=True)
class Recorded:
    """Where the passes of sessions come from: one recorded session, of one of a variant's two workers."""

    trace: Trace
    number: int
    variant: str
    side: str
    name: str

    def passes(self, count: int, chance: np.random.Generator) -> Passes:
        """Return the passes of so many blocks, drawn by the stationary bootstrap; see ``virtual.py``."""
        recording = self.trace.recordings[self.number]
        ordinary = ordinary_blocks(recording, self.trace.about.blocks_a_process)
        places = chance.integers(len(ordinary), size=count)
        for block in range(1, count):
            if chance.random() >= 1 / MEAN_RUN:
                places[block] = (places[block - 1] + 1) % len(ordinary)
        both = (recording.baseline, getattr(recording.variants[self.variant], self.side))
        drawn = [2 * ordinary[place] + which for place in places for which in (0, 1)]
        baseline, variant = ([passes[number].seconds for number in drawn] for passes in both)
        return baseline, variant

    def truth(self) -> float:
        """Return the true log speedup."""
        recording = self.trace.recordings[self.number]
        of_a_process = self.trace.about.blocks_a_process
        return middle_of_blocks(ordinary_log_ratios(recording, self.variant, self.side, of_a_process))[0]


NOISES = (
    Noise("normal"),
    Noise("heavy-tailed", heavy=True),
    Noise("5 % of the baseline's passes doubled", baseline=0.05),
    Noise("10 % of the baseline's", baseline=0.10),
    Noise("5 % of the variant's", variant=0.05),
    Noise("10 % of the variant's", variant=0.10),
    Noise("5 % of both", baseline=0.05, variant=0.05),
    Noise("10 % of both", baseline=0.10, variant=0.10),
    Noise("neighbours correlated, 0.2", resembling=0.2),
    Noise("neighbours correlated, 0.4", resembling=0.4),
    Noise(f"two speeds, {100 * MOOD:.0f} % apart, {MOOD_BLOCKS} blocks each", moods=True),
)


@dataclass(eq=False)
class _Timeless(Contestant):
    """A variant whose blocks are counted, not timed."""

    def spent_seconds(self) -> float:
        """Return a second a block."""
        return float(self.blocks)


@dataclass
class Session:
    """What became of one session.

    Attributes:
        missed: After which blocks the interval missed.
        logs: The log of the estimate over the truth, by the number of blocks.
        decided: By floor: after how many blocks there was a verdict of pass or fail, and which.
    """

    missed: set[int] = field(default_factory=set)
    logs: dict[int, float] = field(default_factory=dict)
    decided: dict[float, tuple[int, str]] = field(default_factory=dict)

    def verdict(self, floor: float, length: int) -> str:
        """Return the verdict of a session of so many blocks."""
        after, status = self.decided.get(floor, (0, ""))
        return status if 0 < after <= length else "undecided"


def hold(passes: Passes, truth: float, count: int, floors: Sequence[float] = FLOORS) -> Session:
    """Hold a session of so many blocks against several floors at once, through the looks of real ones."""
    found = Session()
    pace = Pace(math.inf, most_blocks=count, comparisons=2)
    contestants = {floor: _Timeless(Variant(NAME, NAME)) for floor in floors}
    rules = {floor: Rules({NAME: math.exp(truth) * floor}, cores=1) for floor in floors}
    ratios = log_ratios(*passes)
    with _remembered(ratios):
        for block in range(1, count + 1):
            for floor, contestant in contestants.items():
                if floor in found.decided:
                    continue
                new = slice(2 * block - 2, 2 * block)
                contestant.baseline_passes += map(_timing, passes[0][new])
                contestant.head.passes += map(_timing, passes[1][new])
                contestant.decisions = looks.look(contestant, rules[floor], pace, None)
                verdict = contestant.decisions.speedup
                if verdict is not None and verdict.status in ("pass", "fail"):
                    found.decided[floor] = (block, verdict.status)
            if block < (count if count == ONCE else FEWEST_BLOCKS):
                continue
            estimator = _short_once if count == ONCE else getattr(looks, _AT_ANY_LOOK)
            now: Estimate = estimator(ratios[:block], ERROR)
            found.logs[block] = math.log(now.ratio) - truth
            if not now.low <= math.exp(truth) <= now.high:
                found.missed.add(block)
    return found


@contextlib.contextmanager
def _remembered(ratios: Sequence[float]) -> Iterator[None]:
    """Let the looks at one session take logs and estimate once for all its floors.

    Args:
        ratios: The log-ratios of its blocks.
    """
    estimator = getattr(looks, _AT_ANY_LOOK)
    once = functools.cache(lambda blocks, error: estimator(ratios[:blocks], error))
    changes: list[tuple[ModuleType, str, Any]] = [
        (looks, "log_ratios", lambda _, variant: ratios[: len(variant) // 2]),
        (looks, _AT_ANY_LOOK, lambda seen, error: once(len(seen), error)),
    ]
    with replaced(changes):
        yield


def _short_once(ratios: Sequence[float], error: float) -> Estimate:
    """Return the estimate of blocks that are looked at once: those that were recorded are short."""
    return block_estimate(ratios, error, is_long=False)


def _timing(seconds: float) -> PassTiming:
    return PassTiming(seconds, seconds, 0.0, seconds, 1, 1)


def _of_two(ratios: Sequence[float], error: float) -> Estimate:
    """Return the estimate of means of two blocks each, of which nothing is allowed for."""
    pairs = zip(ratios[::2], ratios[1::2], strict=False)
    return mean_at_any_look([fmean(pair) for pair in pairs] or ratios, error)


#: What else was tried: names of modules, and what stands in their place.
OTHERS: Mapping[str, Sequence[tuple[ModuleType, str, Any]]] = {
    "chosen": (),
    "any spread believed": [(blocks, "DEVIATION_WEIGHT", 0)],
    "no resemblance": [(blocks, "resemblance", lambda _: 0.0)],
    "neither": [(blocks, "resemblance", lambda _: 0.0), (blocks, "DEVIATION_WEIGHT", 0)],
    "mean, neither": [(looks, _AT_ANY_LOOK, mean_at_any_look)],
    "mean of two blocks, neither": [(looks, _AT_ANY_LOOK, _of_two)],
}
#: The noises that these are held against, beside the recordings.
HARD = ("normal", "5 % of the variant's", "5 % of both", "neighbours correlated, 0.4")


def write_coverage(
    traces: Mapping[str, Trace], path: Path, sessions: int, seed: int = 0, stream: TextIO | None = None
) -> None:
    """Hold the sessions and write the tables.

    Args:
        traces: Recordings, by what to call them.
        path: Where to write.
        sessions: How many of each noise and recording; a quarter as many of each other setting.
        seed: Of what is drawn.
        stream: Where progress is shown; standard error if None.
    """
    recorded = [
        Recorded(trace, number, name, side, f"{called}, {name} {number + 1}, {side}")
        for called, trace in traces.items()
        for name in trace.about.variants
        for number in range(len(trace.recordings))
        for side in ("head", "base")
    ]
    fewer = max(1, sessions // 4)
    sources: list[Noise | Recorded] = [*NOISES, *recorded]
    hard: list[Noise | Recorded] = [*(noise for noise in NOISES if noise.name in HARD), *recorded]
    truths = {source.name: source.truth() for source in sources}
    with Progress("Holding sessions", len(sources) + len(OTHERS) * len(hard), stream) as progress:
        done = 0

        def held(
            source: Noise | Recorded, count: int, many: int, floors: Sequence[float] = FLOORS
        ) -> list[Session]:
            chance, truth = np.random.default_rng([seed, count]), truths[source.name]
            return [hold(source.passes(count, chance), truth, count, floors) for _ in range(many)]

        rows: list[tuple[str, ...]] = []
        long: dict[str, list[Session]] = {}
        for source in sources:
            long[source.name] = held(source, MOST_BLOCKS, sessions)
            rows.append(_row(source.name, ONCE, held(source, ONCE, sessions)))
            rows += [_row(source.name, length, long[source.name]) for length in LENGTHS]
            done += 1
            progress.update(done, source.name)
        other_rows: list[tuple[str, ...]] = []
        for setting, changes in OTHERS.items():
            groups: dict[str, list[Session]] = {}
            with replaced(changes):
                for source in hard:
                    group = source.name.split(",")[0] if isinstance(source, Recorded) else source.name
                    groups.setdefault(group, []).extend(held(source, MOST_BLOCKS, fewer, (AT, FAR_ABOVE)))
                    done += 1
                    progress.update(done, setting)
            other_rows += [_other_row(setting, group, each) for group, each in groups.items()]
    pooled = [session for source in recorded for session in long[source.name]]
    path.write_text(_page(rows, other_rows, pooled, sessions, fewer, seed), encoding="utf-8")


def _row(name: str, length: int, found: Sequence[Session]) -> tuple[str, ...]:
    return (
        name,
        str(length) if length != ONCE else f"{ONCE}, looked at once",
        str(Rate(sum(length in session.missed for session in found), len(found))),
        str(Rate(sum(min(session.missed, default=length + 1) <= length for session in found), len(found))),
        f"{100 * math.expm1(fmean(session.logs[length] for session in found)):+.2f} %",
        *(
            str(_rate(found, floor, length, status))
            for floor, status in ((AT, "pass"), (AT, "fail"), (ABOVE, "pass"), (ABOVE, "fail"))
        ),
        *(str(_rate(found, BELOW, length, status)) for status in ("fail", "pass")),
        f"{_rate(found, FAR_ABOVE, length, 'pass')}",
        f"{_rate(found, FAR_BELOW, length, 'fail')}",
    )


def _other_row(setting: str, group: str, found: Sequence[Session]) -> tuple[str, ...]:
    after = [session.decided.get(FAR_ABOVE, (MOST_BLOCKS, ""))[0] for session in found]
    return (
        setting,
        group,
        str(Rate(sum(bool(session.missed) for session in found), len(found))),
        str(_rate(found, AT, MOST_BLOCKS, "pass")),
        str(_rate(found, AT, MOST_BLOCKS, "fail")),
        str(quantile(after, 0.5)),
    )


def _rate(found: Sequence[Session], floor: float, length: int, status: str) -> Rate:
    return Rate(sum(session.verdict(floor, length) == status for session in found), len(found))


def _page(
    rows: Sequence[Sequence[str]],
    others: Sequence[Sequence[str]],
    pooled: Sequence[Session],
    sessions: int,
    fewer: int,
    seed: int,
) -> str:
    heads = (
        *("noise", "blocks", "the interval misses at the end", "at any look", "bias"),
        *("at the floor: passes", "fails", "3 % above: passes", "fails", "3 % below: fails", "passes"),
        *("10 % above: passes", "10 % below: fails"),
    )
    misses = Rate(sum(bool(session.missed) for session in pooled), len(pooled))
    passes, fails = (_rate(pooled, AT, MOST_BLOCKS, status) for status in ("pass", "fail"))
    about = (
        f"{sessions:,} sessions a row, from seed {seed}. In brackets are 95 % intervals (Clopper and "
        f"Pearson). With an error of {100 * ERROR:g} %, the interval should miss at any look in at most "
        f"{100 * ERROR:g} % of sessions, and a variant at exactly its floor pass in at most "
        f"{100 * ERROR / 2:g} %. The bias is that of the estimate, against the middle of all "
        "blocks that there are."
    )
    together = (
        f"All recorded series together, {MOST_BLOCKS} blocks: the interval misses at any look in {misses}; "
        f"at exactly the floor {passes} pass and {fails} fail."
    )
    about_others = (
        f"{fewer:,} sessions of each noise and of each recorded series, of {MOST_BLOCKS} blocks. *Chosen* "
        "allows for neighbours that resemble each other, and believes no spread that is much less than usual "
        "before there are many blocks; the others do without one of these, or both."
    )
    other_heads = (
        *("setting", "noise", "the interval misses at any look", "at the floor: passes", "fails"),
        "10 % above: blocks until it passes (median)",
    )
    parts = [
        "# How often the interval of a speedup misses",
        "Written by `python -m docs.study coverage`; do not edit it.",
        about,
        together,
        _table(heads, rows),
        "## Other settings",
        about_others,
        _table(other_heads, others),
    ]
    return "\n\n".join(parts) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))
