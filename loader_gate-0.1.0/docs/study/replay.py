"""Replays thousands of virtual sessions over a trace, and counts what became of them."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from docs.study.errors import StudyError
from docs.study.rates import Quantile, Rate, quantile
from docs.study.rivals import Finding, find_with_rivals
from docs.study.settings import CHOSEN, HELD_AGAINST, Setting, alternatives, applied
from docs.study.trace import load_trace
from docs.study.virtual import EVERY, Outcome, Situation, Theatre
from loader_gate.machine.cores import cores
from loader_gate.progress import Progress
from loader_gate.rotation.pace import Pace
from loader_gate.statistics.counts import MOST_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from docs.study.trace import Trace

SCHEMA = 2
FILE = "replay.json"
SLOWDOWNS = (0.02, 0.03, 0.05, 0.10, 0.20)
#: The slowdowns by which settings are held against each other, beside none at all.
SETTING_SLOWDOWNS = (0.03, 0.05)
#: How far the true speedup is above, and below, its floor; beside being at it.
FLOOR_DISTANCE = 0.03
FLOORS = (1 / (1 + FLOOR_DISTANCE), 1.0, 1 + FLOOR_DISTANCE)
#: Sessions that a process holds at a time.
CHUNK = 100


@dataclass(frozen=True)
class Sizes:
    """How many virtual sessions of each situation there are.

    Attributes:
        same: With nothing changed, a variant; and above its floor.
        slowed: A slowdown and a variant; another floor and a variant; and draws of a rival's passes.
        setting: A situation under another setting.
    """

    same: int = 1000
    slowed: int = 400
    setting: int = 60


@dataclass(frozen=True)
class Part:
    """Sessions of one situation under one setting."""

    situation: Situation
    setting: Setting
    sessions: int


@dataclass(frozen=True)
class Tally:
    """What became of the sessions of one situation under one setting.

    Attributes:
        situation: What they were about.
        setting: The name of the setting.
        sessions: How many there were.
        statuses: How many had which verdict.
        outcomes: How many had which outcome, by figure.
        blocks: The median number of blocks.
        seconds: Percentiles 0 to 100 of the measuring time of the variant itself.
        median_seconds: Their median.
        most_seconds: Their 95th percentile.
        median_with_baseline: The median of the time with the baseline's passes.
        most_with_baseline: The 95th percentile of that.
    """

    situation: Situation
    setting: str
    sessions: int
    statuses: Mapping[str, int]
    outcomes: Mapping[str, Mapping[str, int]]
    blocks: int
    seconds: tuple[float, ...]
    median_seconds: Quantile
    most_seconds: Quantile
    median_with_baseline: Quantile
    most_with_baseline: Quantile

    def status(self, name: str) -> Rate:
        """Return how often the verdict was this."""
        return Rate(self.statuses.get(name, 0), self.sessions)

    def outcome(self, name: str, figure: str = "seconds") -> Rate:
        """Return how often the outcome of a figure was this."""
        return Rate(self.outcomes.get(figure, {}).get(name, 0), self.sessions)


@dataclass(frozen=True)
class Replay:
    """All that a replay found, and what of.

    Attributes:
        pace: Of the sessions: their budget and tolerance.
        seed: Of what was drawn.
        recordings: How many recorded sessions were replayed.
        blocks: How many blocks they have in all.
        date: When the last of them was recorded.
        tallies: Of the gate.
        findings: Of its rivals.
    """

    pace: Pace
    seed: int
    recordings: int
    blocks: int
    date: str
    tallies: tuple[Tally, ...]
    findings: tuple[Finding, ...]

    def tally(self, situation: Situation, setting: str = CHOSEN.name) -> Tally:
        """Return the tally of a situation under a setting.

        Raises:
            StudyError: There is none.
        """
        for tally in self.tallies:
            if (tally.situation, tally.setting) == (situation, setting):
                return tally
        raise StudyError(
            f"the replay holds no {situation} under {setting}: run `python -m docs.study replay` anew."
        )


def replay(
    path: Path,
    pace: Pace,
    sizes: Sizes,
    seed: int = 0,
    jobs: int | None = None,
    stream: TextIO | None = None,
) -> Replay:
    """Replay a trace. What is found depends on the seed and not on the number of jobs.

    Args:
        path: The trace.
        pace: Of the sessions: their budget and tolerance.
        sizes: How many of each kind.
        seed: Of what is drawn.
        jobs: Processes; all cores if None. With one, it is this process.
        stream: Where progress is shown; standard error if None.

    Raises:
        StudyError: The trace cannot be used.
    """
    trace = load_trace(path)
    if not trace.recordings:
        raise StudyError(f"{path} holds no session; record some with `python -m docs.study record`.")
    parts = planned(trace.about.variants, sizes)
    with Progress("Replaying", sum(part.sessions for part in parts), stream) as progress:
        tallies = []
        done = 0
        for part, outcomes in _held(path, trace, pace, parts, seed, jobs or cores()):
            tallies.append(_tally(part, outcomes))
            done += part.sessions
            progress.update(done, f"{part.situation.variant}, {part.setting.name}")
    with Progress("Asking rivals", None, stream) as progress:
        findings = []
        for tally in tallies:
            situation = tally.situation
            is_chosen = tally.setting == CHOSEN.name
            if is_chosen and situation.floor is None and situation.variant != EVERY:
                passes = 2 * min(tally.blocks, MOST_BLOCKS)
                found = find_with_rivals(
                    trace, situation.variant, situation.slowdown, passes, sizes.slowed, seed
                )
                findings += found
                progress.update(len(findings), situation.variant)
    return Replay(
        pace,
        seed,
        len(trace.recordings),
        sum(recording.blocks for recording in trace.recordings),
        trace.recordings[-1].date,
        tuple(tallies),
        tuple(findings),
    )


def planned(variants: Iterable[str], sizes: Sizes) -> list[Part]:
    """Return every part of a replay."""
    parts = [Part(Situation(EVERY), CHOSEN, sizes.same)]
    for name in variants:
        parts.append(Part(Situation(name), CHOSEN, sizes.same))
        parts += [Part(Situation(name, slowdown), CHOSEN, sizes.slowed) for slowdown in SLOWDOWNS]
        parts += [
            Part(
                Situation(name, floor=floor, own_truth=own_truth),
                CHOSEN,
                sizes.same if floor == FLOORS[0] else sizes.slowed,
            )
            for own_truth in (False, True)
            for floor in FLOORS
        ]
        parts += [
            Part(Situation(name, slowdown), setting, sizes.setting)
            for setting in (HELD_AGAINST, *alternatives())
            for slowdown in (0.0, *SETTING_SLOWDOWNS)
        ]
    return [part for part in parts if part.sessions]


def _held(
    path: Path, trace: Trace, pace: Pace, parts: Sequence[Part], seed: int, jobs: int
) -> Iterator[tuple[Part, list[Outcome]]]:
    """Yield each part with the outcomes of its sessions."""
    if jobs == 1:
        theatre = Theatre(trace, pace)
        for part in parts:
            yield part, _hold(theatre, part, seed, 0, part.sessions)
        return
    # Not forked: other threads of this process, such as a progress bar's, would be left behind half-way.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _open_theatre, (path, pace)) as pool:
        waiting: list[list[Future[list[Outcome]]]] = [
            [
                pool.submit(_hold_here, part, seed, first, min(CHUNK, part.sessions - first))
                for first in range(0, part.sessions, CHUNK)
            ]
            for part in parts
        ]
        for part, futures in zip(parts, waiting, strict=True):
            yield part, [outcome for future in futures for outcome in future.result()]


_theatre: Theatre | None = None


def _open_theatre(path: Path, pace: Pace) -> None:
    global _theatre
    _theatre = Theatre(load_trace(path), pace)


def _hold_here(part: Part, seed: int, first: int, count: int) -> list[Outcome]:
    assert _theatre is not None  # noqa: S101
    return _hold(_theatre, part, seed, first, count)


def _hold(theatre: Theatre, part: Part, seed: int, first: int, count: int) -> list[Outcome]:
    # Every setting is shown the same sessions.
    situation = part.situation
    with applied(part.setting, theatre.planned(situation.variant)):
        return [
            theatre.session(situation, f"{seed} {situation} {number}")
            for number in range(first, first + count)
        ]


def _tally(part: Part, outcomes: Sequence[Outcome]) -> Tally:
    own = sorted(outcome.seconds for outcome in outcomes)
    both = [outcome.with_baseline for outcome in outcomes]
    figures = sorted({figure for outcome in outcomes for figure in outcome.changes})
    return Tally(
        situation=part.situation,
        setting=part.setting.name,
        sessions=len(outcomes),
        statuses=dict(Counter(outcome.status for outcome in outcomes)),
        outcomes={
            figure: dict(Counter(outcome.changes.get(figure, "missing") for outcome in outcomes))
            for figure in figures
        },
        blocks=sorted(outcome.blocks for outcome in outcomes)[len(outcomes) // 2],
        seconds=tuple(round(own[round(percent / 100 * (len(own) - 1))], 3) for percent in range(101)),
        median_seconds=quantile(own, 0.5),
        most_seconds=quantile(own, 0.95),
        median_with_baseline=quantile(both, 0.5),
        most_with_baseline=quantile(both, 0.95),
    )


def save_replay(found: Replay, path: Path) -> None:
    """Write what a replay found, so that a reader finds either the old file or all of the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    document = asdict(found)
    del document["pace"]
    names = ("tolerance", "budget_seconds", "comparisons")
    rules = {name: getattr(found.pace, name) for name in names}
    document = {"schema": SCHEMA, "rules": rules, **document}
    unfinished.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, path)  # noqa: PTH105 (as one step)


def load_replay(path: Path) -> Replay:
    """Read what a replay found.

    Raises:
        StudyError: There is nothing, or it is damaged.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.pop("schema") != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        pace = Pace(**document.pop("rules"))
        return Replay(
            **{
                **document,
                "pace": pace,
                "tallies": tuple(map(_read_tally, document["tallies"])),
                "findings": tuple(Finding(**finding) for finding in document["findings"]),
            }
        )
    except FileNotFoundError:
        raise StudyError(
            f"{path}: there is no replay; make one with `python -m docs.study replay`."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(
            f"{path} is not a replay, or is damaged ({type(error).__name__}: {error}); make a new one with "
            "`python -m docs.study replay`."
        ) from error


def _read_tally(document: Mapping[str, Any]) -> Tally:
    quantiles = ("median_seconds", "most_seconds", "median_with_baseline", "most_with_baseline")
    return Tally(
        **{
            **document,
            "situation": Situation(**document["situation"]),
            "seconds": tuple(document["seconds"]),
            **{name: Quantile(**document[name]) for name in quantiles},
        }
    )
