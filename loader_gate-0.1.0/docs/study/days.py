"""The gate on different days, at different hours, beside no neighbour, a quiet one and a busy one.

Short sessions are recorded whenever somebody has the time, each beside a neighbour of the study's own
(``load.py``), so that what it does can be repeated. Traces are in a folder, one of each set of circumstances:
another version of TensorFlow begins another one. What is replayed of them is whole sessions, of all recorded
variants together, as it is a session that has one error.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from docs.study import load
from docs.study.errors import StudyError
from docs.study.rates import Quantile, Rate, quantile
from docs.study.record import about_of
from docs.study.trace import Trace, load_trace, save_trace
from docs.study.virtual import outcome_of
from loader_gate.doctor.prospects import spread
from loader_gate.doctor.virtual import Block, Stage
from loader_gate.machine.cores import cores
from loader_gate.progress import Progress
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.verdict.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from docs.study.record import Recorder
    from loader_gate.doctor.recording import Recording
    from loader_gate.rotation.pace import Pace

#: Where the traces are, and what is written of them, in the folder of the study.
FOLDER = "days"
FILE = "days.md"
VARIANTS = ("tfdata_no_cache", "tfdata_file_cache", "native_threads")
#: Of the study's own, as a team's own loader is one of theirs.
LOADERS = ("docs.study.burning:burning",)
#: As many pairs of processes a variant, a session of a few minutes.
BLOCKS = 24
IMAGES = 96
SESSIONS = 3
#: By how much head is slower, beside the tolerance itself, which is allowed.
SLOWDOWNS = (0.03, 0.05, 0.10, 0.20)
DAILY_SLOWDOWNS = (0.05, 0.10)
ABOUT = """
# How often the gate is right, day by day and beside others

Written by `python -m docs.study days-report`; do not edit it.

{sessions} were recorded on {days}, from {first} to {last}, with nothing changed: both sides run the same
code. Beside them ran, by turns, nothing (`none`), a program that copies memory for {quiet:g} s of CPU time in
each second (`quiet`), and one that keeps a whole core busy with that (`busy`): `docs/study/load.py`. What
others used of the machine was read from the system meanwhile, and is shown to the rules as it was.

A session is of all recorded variants together, and fails if one of them does. **As they were**: each recorded
session is judged as if it had been a real one that ended with its last block; there are as many as were
recorded, and those of a day have that day in common. **Virtual sessions** are drawn from all that were
recorded beside the same neighbour (on the same day, where it says so), block by block, as each is of another
pair of processes, with head of every variant slowed. All are as with
`--tolerance {tolerance:g} --budget {budget:g}`, of {comparisons} comparisons that share one error, from seed
{seed}. In brackets are 95 % intervals, Clopper and Pearson's for shares: they say how well the replay knows
what was recorded, not what another day brings.
"""


# --- recording ---------------------------------------------------------------------------------------------


def record_days(
    recorder: Recorder,
    folder: Path,
    sessions: int,
    neighbours: Sequence[str],
    stream: TextIO | None = None,
) -> Path:
    """Record sessions beside neighbours, and add each to the trace of its circumstances; return that file.

    Args:
        recorder: Records them.
        folder: Holds the traces; it is made if need be.
        sessions: How many to add.
        neighbours: Beside whom, of `load.NEIGHBOURS`: each time the one that there are fewest sessions of.
        stream: Where it is said what is done; standard error if None.

    Raises:
        StudyError: A variant could not be measured, or a neighbour did not do as it should.
    """
    if recorder.blocks < FEWEST_BLOCKS:
        raise StudyError(f"--blocks {recorder.blocks}: expected at least {FEWEST_BLOCKS}.")
    about = about_of(recorder)
    path = _trace_of(Trace(about, ()), folder)
    trace = load_trace(path) if path.exists() else Trace(about, ())
    recorder = replace(recorder, stream=stream)
    for number in range(sessions):
        neighbour = _fewest(trace.recordings, neighbours)
        with _beside(neighbour):
            recording = recorder.session(f"Session {number + 1} of {sessions}, neighbour: {neighbour}")
        trace = Trace(about, (*trace.recordings, replace(recording, neighbour=neighbour)))
        save_trace(trace, path)
    return path


@contextlib.contextmanager
def _beside(neighbour: str) -> Iterator[None]:
    try:
        with load.beside(neighbour):
            yield
    except load.NeighbourError as error:
        raise StudyError(f"{error} Sessions before this one are kept.") from error


def _fewest(recordings: Iterable[Recording], neighbours: Sequence[str]) -> str:
    """Return the neighbour that there are fewest recordings beside; of several, the first."""
    held = Counter(recording.neighbour for recording in recordings)
    return min(neighbours, key=lambda each: held[each])


def _trace_of(wanted: Trace, folder: Path) -> Path:
    """Return the file of a folder that holds a trace of these circumstances, or that is free for one.

    Named by TensorFlow, whose versions are what differs most often; by a number if other things do.
    """
    version = wanted.about.versions.get("tensorflow", "none")
    number = 1
    while True:
        path = folder / f"tensorflow-{version}{f'-{number}' if number > 1 else ''}.json.gz"
        if not path.exists() or load_trace(path).about == wanted.about:
            return path
        number += 1


def load_days(folder: Path) -> tuple[Trace, ...]:
    """Read the traces of a folder, in the order of their names.

    Raises:
        StudyError: There is none, or one is damaged.
    """
    traces = tuple(load_trace(path) for path in sorted(folder.glob("*.json.gz")))
    if not any(trace.recordings for trace in traces):
        raise StudyError(f"{folder} holds no session; record some with `python -m docs.study days`.")
    return tuple(trace for trace in traces if trace.recordings)


# --- virtual sessions --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """How many virtual sessions there are.

    Attributes:
        same: Beside each neighbour, with nothing changed.
        slowed: Beside each neighbour, of each slowdown, that of the tolerance included.
        daily: Of each day beside each neighbour, with nothing changed and of each slowdown that is looked at.
    """

    same: int = 200
    slowed: int = 50
    daily: int = 20


@dataclass(frozen=True)
class Circumstance:
    """Recorded sessions that have a neighbour in common, and a day or none.

    Attributes:
        neighbour: Beside whom they were recorded.
        day: On which day, in UTC; nothing of all days.
        recordings: The sessions.
    """

    neighbour: str
    day: str
    recordings: tuple[Recording, ...]

    @property
    def others(self) -> float | None:
        """Return how many cores other programs kept busy, as a rule; None if no session says."""
        found = [each.others for each in self.recordings if each.others is not None]
        return median(found) if found else None


@dataclass(frozen=True)
class Held:
    """What became of sessions of all variants.

    Attributes:
        sessions: How many there were.
        failed: How many of them failed.
        undecided: In how many nothing failed, and something stayed undecided.
        found: In how many the seconds of each variant were called a regression.
        seconds: The measuring time of each, that of the baseline included.
    """

    sessions: int
    failed: int
    undecided: int
    found: Mapping[str, int]
    seconds: tuple[float, ...]

    @property
    def fail(self) -> Rate:
        """Return how often a session failed."""
        return Rate(self.failed, self.sessions)

    @property
    def is_undecided(self) -> Rate:
        """Return how often nothing failed, and something stayed undecided."""
        return Rate(self.undecided, self.sessions)

    @property
    def median_seconds(self) -> Quantile:
        """Return the median of the measuring time."""
        return quantile(self.seconds, 0.5)


def circumstances(recordings: Sequence[Recording], *, daily: bool) -> tuple[Circumstance, ...]:
    """Return recordings by neighbour; or by day and neighbour.

    Args:
        recordings: The sessions.
        daily: Whether each day is one of its own.
    """
    groups: dict[tuple[str, str], list[Recording]] = {}
    for recording in recordings:
        groups.setdefault((recording.date[:10] if daily else "", recording.neighbour), []).append(recording)
    known = [*load.NEIGHBOURS]

    def place(key: tuple[str, str]) -> tuple[str, int, str]:
        day, neighbour = key
        return day, known.index(neighbour) if neighbour in known else len(known), neighbour

    return tuple(Circumstance(key[1], key[0], tuple(groups[key])) for key in sorted(groups, key=place))


def hold(circumstance: Circumstance, slowdown: float, sessions: int, pace: Pace, seed: int = 0) -> Held:
    """Hold virtual sessions of all variants over the sessions that were recorded in one circumstance.

    Args:
        circumstance: Whose recordings are drawn from, and beside how busy others.
        slowdown: By how much head is slower, as a share, of every variant.
        sessions: How many to hold.
        pace: How long each may take, and how finely it compares.
        seed: Of what is drawn; sessions of all slowdowns see the same blocks.
    """
    stage = Stage(circumstance.recordings)
    drawn = (
        stage.drawn_processes(random.Random(f"{seed} {number}"))  # noqa: S311 (a simulation, no secret)
        for number in range(sessions)
    )
    return _held(stage, circumstance, slowdown, drawn, pace)


def hold_as_recorded(circumstance: Circumstance, pace: Pace) -> Held:
    """Judge each recorded session as it was: the same blocks in the same order, and no more of them.

    Args:
        circumstance: Whose recordings.
        pace: How finely to compare; what ends before all blocks are seen does so as in a real session.
    """
    every = []
    for recording in circumstance.recordings:
        blocks: list[Block] = [(0, block, False) for block in range(recording.blocks)]
        alone = replace(circumstance, recordings=(recording,))
        most = replace(pace, most_blocks=recording.blocks)
        every.append(_held(Stage(alone.recordings), alone, 0.0, [blocks], most))
    return Held(
        len(every),
        sum(each.failed for each in every),
        sum(each.undecided for each in every),
        {name: sum(each.found[name] for each in every) for name in every[0].found},
        tuple(seconds for each in every for seconds in each.seconds),
    )


def _held(
    stage: Stage,
    circumstance: Circumstance,
    slowdown: float,
    drawn: Iterable[Sequence[Block]],
    pace: Pace,
) -> Held:
    names = [*circumstance.recordings[0].variants]
    statuses: list[str] = []
    seconds = []
    found = Counter(dict.fromkeys(names, 0))
    for blocks in drawn:
        # Without floors: what is asked here is what becomes of a change.
        played = stage.play(
            blocks, dict.fromkeys(names, slowdown), Rules({}, cores=1), pace, others=circumstance.others
        )
        outcome = outcome_of(played.measurements)
        statuses.append(outcome.status)
        seconds.append(outcome.with_baseline)
        for measurement in played.measurements:
            changes = {change.figure: change.outcome for change in measurement.verdict.changes}
            found[measurement.variant.name] += changes.get("seconds") == "regression"
    counted = Counter(statuses)
    failed = counted["fail"] + counted["unmeasured"]
    return Held(len(statuses), failed, counted["undecided"], dict(found), tuple(seconds))


# --- the report --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """What was found of one circumstance.

    Attributes:
        circumstance: Which.
        recorded: What became of its recorded sessions, as they were.
        held: What became of virtual sessions, by slowdown.
    """

    circumstance: Circumstance
    recorded: Held
    held: Mapping[float, Held]


@dataclass(frozen=True)
class Found:
    """What was found of one trace: all days together, and day by day."""

    trace: Trace
    together: tuple[Row, ...]
    daily: tuple[Row, ...]


def replay_days(
    traces: Sequence[Trace],
    pace: Pace,
    sizes: Sizes,
    seed: int = 0,
    jobs: int | None = None,
    stream: TextIO | None = None,
) -> tuple[Found, ...]:
    """Hold virtual sessions over all traces. What is found depends on the seed and not on the number of jobs.

    Args:
        traces: Of `load_days`.
        pace: Of the sessions: their budget and tolerance.
        sizes: How many of each kind.
        seed: Of what is drawn.
        jobs: Processes; as many as cores if None. With one, it is this process.
        stream: Where progress is shown; standard error if None.
    """
    parts = [
        (trace, circumstance, _counts(circumstance, pace, sizes))
        for trace in traces
        for daily in (False, True)
        for circumstance in circumstances(trace.recordings, daily=daily)
    ]
    tasks = [
        task
        for _, circumstance, counts in parts
        for task in (
            partial(hold_as_recorded, circumstance, pace),
            *(partial(hold, circumstance, slowdown, count, pace, seed) for slowdown, count in counts.items()),
        )
    ]
    rows: dict[int, list[Row]] = {}
    with (
        contextlib.closing(_done(tasks, jobs or cores())) as done,
        Progress("Holding sessions", len(parts), stream) as progress,
    ):
        for number, (trace, circumstance, counts) in enumerate(parts, 1):
            recorded = next(done)
            row = Row(circumstance, recorded, {slowdown: next(done) for slowdown in counts})
            rows.setdefault(id(trace), []).append(row)
            progress.update(number, f"{circumstance.day or 'all days'}, {circumstance.neighbour}")
    return tuple(
        Found(
            trace,
            tuple(row for row in rows[id(trace)] if not row.circumstance.day),
            tuple(row for row in rows[id(trace)] if row.circumstance.day),
        )
        for trace in traces
    )


def _counts(circumstance: Circumstance, pace: Pace, sizes: Sizes) -> dict[float, int]:
    """Return how many sessions to hold, by slowdown."""
    if circumstance.day:
        return dict.fromkeys((0.0, *DAILY_SLOWDOWNS), sizes.daily)
    return {0.0: sizes.same, **dict.fromkeys((pace.tolerance, *SLOWDOWNS), sizes.slowed)}


def _done(tasks: Sequence[Callable[[], Held]], jobs: int) -> Generator[Held, None, None]:
    """Yield what tasks return, in their order."""
    if jobs == 1:
        yield from (task() for task in tasks)
        return
    # Not forked: other threads of this process, such as a progress bar's, would be left behind half-way.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for future in [pool.submit(task) for task in tasks]:
            yield future.result()


def page_of(found: Sequence[Found], pace: Pace, seed: int) -> str:
    """Return the page in Markdown."""
    dates = sorted(recording.date for each in found for recording in each.trace.recordings)
    days = {date[:10] for date in dates}
    many = len(dates)
    about = ABOUT.format(
        sessions=f"{many} sessions" if many > 1 else "1 session",
        days=f"{len(days)} days" if len(days) > 1 else "1 day",
        first=dates[0][:10],
        last=dates[-1][:10],
        quiet=load.SHARES["quiet"],
        tolerance=100 * pace.tolerance,
        budget=pace.budget_seconds,
        comparisons=pace.comparisons,
        seed=seed,
    )
    return "\n\n".join([about.strip(), *(part for each in found for part in _parts(each, pace))]) + "\n"


def _parts(found: Found, pace: Pace) -> Iterator[str]:
    about = found.trace.about
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    yield f"## TensorFlow {about.versions.get('tensorflow', 'none')}"
    yield (
        f"- Machine: {about.machine}; fingerprint `{about.fingerprint}`.\n"
        f"- Versions: {versions}.\n"
        f"- Work: {about.images} images of tree `{about.tree[:12]}`, "
        f"{about.image_size}x{about.image_size}, in batches of {about.batch_size}."
    )
    yield _sessions(found.trace)
    yield _unchanged(found.together, pace)
    yield _slower(found.together, pace)
    yield _daily(found.daily)


def _sessions(trace: Trace) -> str:
    rows = []
    for number, recording in enumerate(sorted(trace.recordings, key=lambda each: each.date), 1):
        day, _, time = recording.date.partition("T")
        others = "–" if recording.others is None else f"{recording.others:.2f}"
        spreads = (f"{100 * spread(pair):.1f} %" for pair in recording.variants.values())
        rows.append(
            (str(number), day, time[:5], recording.neighbour or "–", str(recording.blocks), others,
             recording.noise, *spreads)
        )  # fmt: skip
    heads = [f"{name}: head / base strays by" for name in trace.about.variants]
    return _table(
        "Recorded sessions",
        ("", "day", "ended (UTC)", "neighbour", "blocks", "cores used by others", "noise", *heads),
        rows,
    )


def _unchanged(found: Sequence[Row], pace: Pace) -> str:
    rows = []
    for row in found:
        same, allowed = row.held[0.0], row.held[pace.tolerance]
        rows.append(
            (
                row.circumstance.neighbour or "–",
                str(row.recorded.sessions),
                f"{row.recorded.failed}; {row.recorded.undecided}",
                f"{same.sessions:,}",
                *map(str, (same.fail, same.is_undecided, same.median_seconds)),
                f"{allowed.sessions:,}",
                *map(str, (allowed.fail, allowed.is_undecided)),
            )
        )
    return _table(
        "Nothing that is not allowed: sessions of all variants",
        (
            "neighbour",
            "recorded",
            "of these, as they were: fail; undecided",
            "nothing changed: virtual sessions",
            "fail",
            "undecided",
            "median seconds",
            f"{100 * pace.tolerance:g} % slower: virtual sessions",
            "fail",
            "undecided",
        ),
        rows,
    )


def _slower(found: Sequence[Row], pace: Pace) -> str:
    rows = []
    names: Sequence[str] = ()
    for row in found:
        for slowdown, held in row.held.items():
            if slowdown > pace.tolerance:
                names = [*held.found]
                rows.append(
                    (
                        row.circumstance.neighbour or "–",
                        f"{100 * slowdown:g} %",
                        f"{held.sessions:,}",
                        *(str(Rate(count, held.sessions)) for count in held.found.values()),
                        *map(str, (held.fail, held.median_seconds)),
                    )
                )
    heads = ("neighbour", "slower by", "virtual sessions", *(f"{name}: found" for name in names))
    return _table("Slower code", (*heads, "the session fails", "median seconds"), rows)


def _daily(found: Sequence[Row]) -> str:
    rows = []
    for row in found:
        same = row.held[0.0]
        rows.append(
            (
                row.circumstance.day,
                row.circumstance.neighbour or "–",
                f"{row.recorded.sessions}: {row.recorded.failed}; {row.recorded.undecided}",
                f"{same.sessions:,}",
                *map(str, (same.fail, same.is_undecided, same.median_seconds)),
                *(_least_found(row.held[slowdown]) for slowdown in DAILY_SLOWDOWNS),
            )
        )
    return _table(
        "Day by day",
        (
            "day",
            "neighbour",
            "recorded: fail; undecided",
            "virtual sessions of each kind",
            "nothing changed: fail",
            "undecided",
            "median seconds",
            *(f"{100 * slowdown:g} % slower: found, where least" for slowdown in DAILY_SLOWDOWNS),
        ),
        rows,
    )


def _least_found(held: Held) -> str:
    name, count = min(held.found.items(), key=lambda each: each[1])
    return f"{Rate(count, held.sessions)} `{name}`"


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join([f"### {title}", "", *(f"| {' | '.join(cells)} |" for cells in lines)])
