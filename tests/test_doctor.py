"""What a machine can decide: from made-up noise of known spread, in words, and once for real."""

from __future__ import annotations

import json
import math
import random
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loader_gate.doctor import examination
from loader_gate.doctor.__main__ import main
from loader_gate.doctor.disturbances import Disturbance, Readings, disturbances
from loader_gate.doctor.findings import Findings
from loader_gate.doctor.prospects import (
    SLOWDOWNS,
    TOLERANCES,
    Oracle,
    Prospect,
    Setting,
    Unchanged,
    advised,
    session_seconds,
    smallest,
    spread,
)
from loader_gate.doctor.recording import Durations, Pair, Recorded, Recording
from loader_gate.machine.noise import NoiseReading
from loader_gate.machine.surroundings import SurroundingsReading, TemporaryFolder
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation.looks import EARLIEST_WHEN_BUSY_SECONDS
from loader_gate.session.settings import comparisons
from loader_gate.statistics.sequences import BETS
from loader_gate.statistics.session_error import failing_error
from loader_gate.text import WIDTH
from loader_gate.worker.timing import PassTiming

if TYPE_CHECKING:
    pass

FAST, CACHED = "tfdata_no_cache", "tfdata_file_cache"
#: A session of these two and the baseline.
COMPARISONS = comparisons(
    [Variant(name, f"loader_gate.variants.{name}") for name in (BASELINE, FAST, CACHED)],
    {BASELINE, FAST, CACHED},
)
SECONDS = 0.5
BUDGET = 40.0
QUIET_NOISE = NoiseReading(0.5, 0, 1000, 0, 0.0, 10.0, 5.0, 0.0)
DURATIONS = Durations(workers=5, start=20.0, check=3.0, blocks=130.0, passes=100.0, renewed=8, renewal=24.0)


def recorded(noise: float, *, blocks: int = 60, names: tuple[str, ...] = (FAST,), seed: int = 1) -> Recorded:
    """Return a recording of normal noise of this spread, as a share, of each pass."""
    chance = random.Random(seed)  # noqa: S311 (noise, no secret)

    def passes(seconds: float) -> tuple[PassTiming, ...]:
        drawn = (seconds * math.exp(chance.gauss(0, noise)) for _ in range(2 * blocks))
        return tuple(PassTiming(each, each / 8, 0.0, 1.5 * each, 500_000_000, 1) for each in drawn)

    pairs = {name: Pair(passes(SECONDS), passes(SECONDS)) for name in names}
    recording = Recording("2024-05-01T10:00+00:00", "load 0.5 at the start", passes(2 * SECONDS), pairs)
    after = replace(QUIET_NOISE, moment=100.0, busy_seconds=110.0, own_seconds=104.0, cpu_ticks=21_000)
    return Recorded(recording, DURATIONS, (QUIET_NOISE, after))


# --- the smallest slowdown ---------------------------------------------------------------------------------


@pytest.mark.parametrize("guess", [None, 0.0, 0.04, 0.5, 9.0])
def test_the_smallest(guess: float | None) -> None:
    """Wherever it is, it is found, and a good guess saves looks."""
    for index, truth in enumerate(SLOWDOWNS):
        asked: list[float] = []

        def is_found(slowdown: float, truth: float = truth, asked: list[float] = asked) -> bool:
            asked.append(slowdown)
            return slowdown >= truth

        assert smallest(SLOWDOWNS, is_found, guess) == truth
        assert len(asked) <= 7
        assert smallest(SLOWDOWNS, is_found, truth) == truth
        assert index < 2 or len(asked) <= 7 + 2
    assert smallest(SLOWDOWNS, lambda _: False, guess) is None


def expected(noise: float, tolerance: float) -> float:
    """Return what theory has for the smallest slowdown that is found in 95 % of sessions.

    At the end of the budget there are so many blocks. The evidence of Huber's scores, whose squares are about
    half and those of means of two a quarter, has to leave what chance allows with the best of the bets; and
    the estimate is below the truth by 1.6 standard errors at most.
    """
    deviation = math.sqrt(2) * noise
    blocks = BUDGET / (4 * SECONDS)
    needed = math.log(2 * len(BETS) / failing_error(COMPARISONS))
    # A score falls by 0.68 / deviation, on average, with the ratio.
    half = math.sqrt(2 * 0.26 * needed / blocks) / 0.68 * deviation
    return (1 + tolerance) * math.exp(half + 1.64 * 1.05 * deviation / math.sqrt(2 * blocks)) - 1


def test_noise_of_known_spread() -> None:
    """The smallest slowdown lies where it should; it is larger with more noise, and with more tolerance."""
    found: dict[float, list[float]] = {}
    for noise, tolerances in ((0.01, TOLERANCES[::2]), (0.03, TOLERANCES[:1])):
        settings = [Setting(tolerance, BUDGET) for tolerance in tolerances]
        oracle = Oracle(recorded(noise), COMPARISONS, 2, 20)
        found[noise] = [each for each in oracle.smallest_found(FAST, settings) if each is not None]
        for setting, slowdown in zip(settings, found[noise], strict=True):
            beyond = slowdown - setting.tolerance
            wanted = expected(noise, setting.tolerance) - setting.tolerance
            # The interval is wider where pairs of processes differ, if only by chance; and steps have a size.
            assert 0.6 * wanted <= beyond <= 1.7 * wanted + 0.005, (noise, setting, slowdown, wanted)
    assert found[0.03][0] > found[0.01][0]
    assert found[0.01] == sorted({*found[0.01]})
    assert spread(recorded(0.03).recording.variants[FAST]) == pytest.approx(0.03, rel=0.3)


def test_nothing_changed() -> None:
    """On a quiet machine everything passes soon; on a wild one much is undecided, and takes all its time."""
    setting = Setting(0.05, BUDGET)
    quiet, wild = (
        Oracle(recorded(noise, names=(FAST, CACHED)), COMPARISONS, 2, 6).unchanged(setting)
        for noise in (0.005, 0.25)
    )
    assert (quiet.sessions, quiet.failed, quiet.undecided) == (6, 0, 0)
    assert quiet.will_do
    assert wild.failed == 0
    assert wild.undecided >= 4
    assert not wild.will_do
    assert list(wild.seconds) == sorted(wild.seconds)
    assert wild.median_seconds > 2 * quiet.median_seconds


def test_beside_other_programs() -> None:
    """What others used while it was recorded counts in virtual sessions too: a failure then takes longer."""
    busy = recorded(0.005)
    busy = replace(busy, noise=(busy.noise[0], replace(busy.noise[1], busy_seconds=190.0)))
    assert busy.others == pytest.approx(0.81)
    spent = []
    for each in (recorded(0.005), busy):
        (found,) = Oracle(each, 2, 2, 1).session(Setting(0.01, 90.0), {FAST: 0.2}, 0).measurements
        assert found.verdict.status == "fail"
        spent.append(sum(timing.seconds for timing in (*found.variant_passes, *found.base_passes)))
    calm, beside = spent
    assert calm < EARLIEST_WHEN_BUSY_SECONDS <= beside


def test_what_a_session_takes() -> None:
    """Starts, checks, what is between passes, fresh processes; and the baseline's pair."""
    oracle = Oracle(recorded(0.0, names=(FAST, CACHED)), COMPARISONS, 2, 1)
    played = oracle.session(Setting(0.01, BUDGET), dict.fromkeys((FAST, CACHED), 0.0), 0)
    (blocks,) = {len(each.variant_passes) // 2 for each in played.measurements}
    assert played.renewed == 2 * (blocks - 1)
    passes = blocks * (2 * 4 * SECONDS + 2 * 2 * 2 * SECONDS)
    wanted = 20 / 5 * 6 + 3 + 1.3 * passes + 3.0 * (played.renewed * 3 / 2)
    assert session_seconds(played, DURATIONS) == pytest.approx(wanted)
    # Where none was started anew, it is taken to last as long as at the start.
    once = replace(DURATIONS, renewed=0, renewal=0.0)
    assert session_seconds(played, once) == pytest.approx(wanted + (8.0 - 3.0) * (played.renewed * 3 / 2))


# --- words -------------------------------------------------------------------------------------------------


def prospect(
    tolerance: float, *, failed: int = 0, undecided: int = 0, found: float | None = 0.03
) -> Prospect:
    """Return what forty sessions have found."""
    unchanged = Unchanged(40, failed, undecided, tuple(range(120, 160)))
    return Prospect(Setting(tolerance, 90.0), unchanged, {FAST: found, CACHED: 0.045})


def findings(*prospects: Prospect, blocks: int = 30, found: tuple[Disturbance, ...] = ()) -> Findings:
    """Return findings of two variants."""
    made_up = recorded(0.02, blocks=blocks, names=(FAST, CACHED))
    return Findings("A CPU, 2 cores", 256, made_up, COMPARISONS, prospects, found)


def test_which_setting_is_advised() -> None:
    """The smallest tolerance with which nearly all pass; of none, the last that was tried."""
    vague, fine, coarse = prospect(0.01, undecided=3), prospect(0.02, undecided=2), prospect(0.05)
    assert advised([vague, fine, coarse]) is fine
    assert advised([vague, prospect(0.02, failed=3)]).setting.tolerance == 0.02
    assert fine.unchanged.median_seconds == 139.5
    assert fine.unchanged.most_seconds == 157


def test_the_pasted_line() -> None:
    """It is the last one, and takes its numbers as pytest does."""
    found = findings(prospect(0.01, undecided=9), prospect(0.02), prospect(0.05))
    *lines, last = found.lines(colour=False)
    assert last.strip() == "--tolerance 2 --budget 90"
    said = " ".join(lines)
    assert "9 undecided of 40" in said
    assert "all 40 pass" in said
    assert "a smaller tolerance too many stay undecided: 40 of 40" in said
    assert f"3 % of {FAST}, 4.5 % of {CACHED}" in said
    assert "2:20" in said
    assert max(map(len, lines)) <= WIDTH
    assert Setting(0.015, 120.0).options == "--tolerance 1.5 --budget 120"


def test_a_machine_that_cannot_decide() -> None:
    """It is said so, and a slowdown beyond all that were tried is no number."""
    found = findings(prospect(0.05, failed=1, undecided=30, found=None))
    said = " ".join(found.lines(colour=False))
    assert "Not even this will do, as 31 of 40 sessions with nothing changed do not pass" in said
    assert found.data()["prospects"][0]["failed"] == 1
    assert "1 fail, 30" in said
    assert "over 50 %" in said
    assert found.data()["will_do"] is False


def test_no_false_precision() -> None:
    """How little so few blocks tell is said where the figures are, and more of it of very few."""
    few = " ".join(findings(prospect(0.01), blocks=8).lines(colour=False))
    assert "8 recorded blocks, each of a pair of processes of its own, too few to know how they differ" in few
    many = " ".join(findings(prospect(0.01), blocks=30).lines(colour=False))
    assert (
        "30 recorded blocks, each of a pair of processes of its own. That tells nothing of other hours"
        in many
    )
    for said in (few, many):
        assert "little of rare false alarms" in said
        assert "not what was measured here" in said


def test_data() -> None:
    """The file has what the lines have."""
    disturbance = Disturbance("the machine swapped", "free memory")
    found = findings(prospect(0.01, undecided=1, found=None), found=(disturbance,))
    data = json.loads(json.dumps(found.data()))
    assert data["options"] == "--tolerance 1 --budget 90"
    assert (data["blocks"], data["comparisons"]) == (30, COMPARISONS)
    (row,) = data["prospects"]
    assert row["smallest_found"] == {FAST: None, CACHED: 0.045}
    assert (row["sessions"], row["failed"], row["undecided"]) == (40, 0, 1)
    assert data["disturbances"] == [{"what": "the machine swapped", "remedy": "free memory"}]
    assert "- the machine swapped: free memory." in found.lines(colour=False)


# --- what disturbs -----------------------------------------------------------------------------------------

CALM = SurroundingsReading(
    shown_processors=4,
    usable_processors=4,
    quota=math.inf,
    sharing_processors=0,
    governors=("performance",),
    turbo=False,
    throttled_by_heat=5,
    on_battery=None,
    free_memory=8_000_000_000,
    swapped_pages=700,
    temporary=TemporaryFolder("/somewhere", "ext4", 50_000_000_000, 100_000_000_000, 300_000_000.0),
    shows_children=True,
    shows_shares=True,
)
#: A system that shows nothing, such as a container in another one.
BLIND = replace(
    CALM,
    shown_processors=None,
    usable_processors=None,
    sharing_processors=None,
    governors=(),
    turbo=None,
    throttled_by_heat=None,
    swapped_pages=None,
    temporary=replace(CALM.temporary, filesystem="", written_per_second=None),
)
NOT_SHOWN = NoiseReading(None, None, None, None)


def told(
    first: SurroundingsReading = CALM,
    last: SurroundingsReading | None = None,
    noise: tuple[NoiseReading, NoiseReading] | None = None,
) -> list[str]:
    """Return what disturbs, in words."""
    readings = Readings(noise or recorded(0.0).noise, (first, last or first), 4, 3_000_000_000)
    return [f"{each.what}: {each.remedy}" for each in disturbances(readings)]


def test_nothing_disturbs() -> None:
    """A calm machine, and one that shows nothing, have nothing said of them."""
    assert told() == []
    assert told(BLIND, noise=(NOT_SHOWN, NOT_SHOWN)) == []


def with_disk(**others: Any) -> SurroundingsReading:
    """Return a calm machine with another disk."""
    return replace(CALM, temporary=replace(CALM.temporary, **others))


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (
            replace(CALM, usable_processors=2),
            None,
            "2 of the machine's 4 processors: start it without taskset",
        ),
        (replace(CALM, sharing_processors=4), None, "4 of 4 processors are hyper-threads"),
        (replace(CALM, governors=("performance", "powersave")), None, "(governor powersave): keep it up"),
        (replace(CALM, turbo=True), None, "turbo is on"),
        (CALM, replace(CALM, throttled_by_heat=7), "because of their heat, 2 times"),
        (replace(CALM, on_battery=64.0), CALM, "its battery (64 %): plug it in"),
        (replace(CALM, quota=1.5), None, "the CPU time of 1.5 cores"),
        (
            replace(CALM, free_memory=2_000_000_000),
            None,
            "2.0 GB of memory were free, and a session of these",
        ),
        (CALM, replace(CALM, swapped_pages=9_700), "swapped meanwhile (9,000 pages)"),
        (with_disk(filesystem="tmpfs"), None, "kept in memory (/somewhere is tmpfs): set TMPDIR"),
        (with_disk(written_per_second=8_000_000.0), None, "(/somewhere) takes 8.0 MB a second: set TMPDIR"),
        (with_disk(free=900_000_000), None, "900.0 MB are left for temporary files (/somewhere): free some"),
        (replace(CALM, shows_children=False), None, "does not list the children of a process"),
        (replace(CALM, shows_shares=False), None, "does not show which memory processes share"),
    ],
)
def test_surroundings(first: SurroundingsReading, last: SurroundingsReading | None, words: str) -> None:
    """Each thing is told of alone, with what to do."""
    (said,) = told(first, last)
    assert words in said


def test_noise() -> None:
    """Other programs, other machines, and a quota that stopped us."""
    before = QUIET_NOISE
    after = replace(before, moment=100.0, busy_seconds=260.0, own_seconds=105.0, cpu_ticks=21_000)
    (said,) = told(noise=(before, after))
    assert said.startswith("other programs used 1.5 of 4 cores: stop them")
    calm = recorded(0.0).noise[1]
    (said,) = told(noise=(before, replace(calm, steal_ticks=1000)))
    assert said.startswith("5 % of CPU time was stolen by other machines")
    (said,) = told(noise=(before, replace(calm, throttled_periods=31, throttled_seconds=2.25)))
    assert said.startswith("the quota stopped the measurement for 2.2 s (31 times): raise it")


# --- the command -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--variant", "tfdata_nothing"], f"--variant tfdata_nothing: expected one of .*{FAST}"),
        (["--variant", BASELINE], f"--variant {BASELINE}: expected one of"),
        (["--variant", "limit_read_files"], "--variant limit_read_files: expected one of"),
        (["--loader", "photos"], "--loader photos: expected MODULE:FUNCTION"),
        (["--json", "nowhere/found.json"], "--json nowhere/found.json: there is no folder nowhere"),
        (["--tree-images", "3"], "cannot be made of 3 images"),
    ],
)
def test_wrong_arguments(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They are named before anything is measured."""
    assert main(arguments) == 2
    assert re.search(words, capsys.readouterr().err)


@pytest.mark.parametrize("arguments", [["--minutes", "0"], ["--budget", "soon"], ["--batch-size", "0"]])
def test_wrong_numbers(arguments: list[str]) -> None:
    """So are these."""
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)


def test_how_many_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there is time for, and never fewer than tell anything, or more than do."""
    asked: Any = examination.Asked(None, (), (), 2.0, 4.0)  # type: ignore[arg-type]
    monkeypatch.setattr(examination, "cores", lambda: 2)
    clock = iter([0.0, 0.05, 0.0, 100.0, 0.0, 0.001])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    found = [examination._sessions(asked, recorded(0.01), COMPARISONS) for _ in range(3)]
    assert found == [60, 20, 100]


def test_what_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, tree_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What memory has no room for is not started: its worker would be killed, or somebody else's."""
    monkeypatch.setattr(examination, "free_memory", lambda: 1_000_000_000)
    monkeypatch.setenv("LOADER_GATE_CACHE", str(tree_cache))
    assert main(["--tree-images", "24", "--variant", "tfdata_memory_cache"]) == 1
    errors = capsys.readouterr().err
    assert "tfdata_memory_cache could not be recorded: its cache of 24 images would take" in errors
    assert "--no-guard" not in errors


def test_when_recording_ends() -> None:
    """After a block, when another one would take too long; there is always one."""
    now = 0.0
    ending = examination.Ending(60.0, lambda: now)
    ended = []
    for blocks in range(1, 20):
        now = 20.0 + 3.0 * blocks  # twenty seconds to start
        if ending.is_due(blocks):
            ended.append((blocks, now))
    assert ended[0] == (13, 59.0)
    now = 0.0
    short = examination.Ending(1.0, lambda: now)
    now = 50.0
    assert short.is_due(1)
