"""A user's own loaders under the real command: good ones, slow ones, those in trouble, and their floors.

Starting TensorFlow takes long, so tests share sessions. None depends on how fast or how calm the machine is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from loader_gate.registry.variant import BASELINE
from loader_gate.statistics.counts import FEWEST_BLOCKS
from tests.sample_loaders import SLEEP_SECONDS
from tests.sessions import AMPLE_BUDGET, ONLY_BASELINE, ROOT, Run, Sessions, loaders

#: No loader of memory is so slow, and none that sleeps half a second an epoch so fast: on an idle core
#: ``photos`` is a thousand times as fast as the baseline, and ``sleepy`` a tenth.
FLOOR_BETWEEN = 30

#: Seconds in which the slowest machine starts TensorFlow, beside other workers and other tests.
HANG_SECONDS = 40


# Floors written by one session, and held by the next.

FLOOR_KEY = '"sample_loaders:one_shot" = '


def floor_in(floors: str) -> float:
    """Return the loader's floor in the text of a file of floors."""
    assert FLOOR_KEY in floors
    return float(floors.partition(FLOOR_KEY)[2].partition("\n")[0])


@pytest.fixture(scope="module")
def floors_sessions(new_sessions: Callable[[], Sessions]) -> Sessions:
    """A place for the session."""
    return new_sessions()


@pytest.fixture(scope="module")
def updated(floors_sessions: Sessions) -> Run:
    """A loader gets a floor: one that decodes as the baseline does, and as long, so that noise cancels."""
    own = ROOT / "benchmarks" / "floors.toml"
    before = own.read_bytes()
    floors = floors_sessions.folder / "floors.toml"
    floors.write_text("# Ours.\n", encoding="utf-8")
    options = (f"--floors={floors}", "--profile=ours", "--budget=12", "--update-floors")
    run = floors_sessions.run(*ONLY_BASELINE, *loaders("one_shot"), *options)
    assert own.read_bytes() == before, "the suite's own floors are not ours to change"
    return run


@pytest.fixture(scope="module")
def written(updated: Run) -> str:
    """The file of floors as the first session left it."""
    return (updated.folder / "floors.toml").read_text(encoding="utf-8")


def test_floors_are_written(updated: Run, written: str) -> None:
    """The file says what was measured, when and where, keeps its comments, and the run is green."""
    assert updated.code == 0, updated.out + updated.err
    assert written.startswith("# Ours.\n")
    assert "[profiles.ours.loading]" in written
    assert 0 < floor_in(written) < updated.infos["one_shot"]["speedup"]
    assert "[profiles.ours.measured.loading]" in written
    assert "Wrote 1 floor of profile ours" in updated.out


# One session of a user's loaders: a good one, one that has become slow, and five in trouble.


TROUBLE = ("killed", "raises", "hangs", "flipped", "loses_an_image")
REASONS = (
    ("killed", "was killed by SIGKILL"),
    ("killed", "its last words: about to be killed"),
    ("raises", "raised OSError: the disk went away"),
    ("hangs", f"hung: no batch for {HANG_SECONDS} s (see --hang-after)"),
    ("flipped", "does other work than asked"),
    ("flipped", "mirrored"),
    ("loses_an_image", "only the last batch may be smaller"),
)


@pytest.fixture(scope="module")
def users_sessions(new_sessions: Callable[[], Sessions]) -> Sessions:
    """A place for the session."""
    return new_sessions()


@pytest.fixture(scope="module")
def users_run(users_sessions: Sessions, written: str) -> Run:
    """All of them at once, and the one with the written floor."""
    floors = users_sessions.folder / "floors.toml"
    # Half of what was measured, as somebody writes it who knows how noisy the machine is.
    floors.write_text(
        written.replace(f"{FLOOR_KEY}{floor_in(written)}", f"{FLOOR_KEY}{floor_in(written) / 2}"),
        encoding="utf-8",
    )
    return users_sessions.run(
        *ONLY_BASELINE,
        *loaders("photos", *TROUBLE, "sleepy", "one_shot"),
        *(f"--floors={floors}", "--profile=ours"),
        *(f"--floor={name}={FLOOR_BETWEEN}" for name in ("photos", "sleepy")),
        *(AMPLE_BUDGET, f"--hang-after={HANG_SECONDS}"),
        f"--report={users_sessions.folder / 'report.html'}",
    )


def test_the_good_one_passes(users_run: Run) -> None:
    """Whatever becomes of the others, it is measured and passes."""
    assert users_run.junit["photos"] == users_run.junit[BASELINE] == ""
    assert users_run.verdict("photos") == users_run.infos["photos"]["verdict"] == "pass"
    assert users_run.infos["photos"]["speedup_low"] >= FLOOR_BETWEEN


def test_the_slow_one_fails(users_run: Run) -> None:
    """It sleeps before each batch: a speedup below its floor, and a failing test item."""
    assert users_run.code == 1
    assert users_run.verdict("sleepy") == users_run.infos["sleepy"]["verdict"] == "fail"
    assert users_run.infos["sleepy"]["speedup_high"] < FLOOR_BETWEEN
    assert min(users_run.infos["sleepy"]["variant_seconds"]) >= 5 * SLEEP_SECONDS


def test_one_sentence_says_why(users_run: Run) -> None:
    """Variant, workload, profile, speedup, interval, floor and what to do, on screen and in JUnit."""
    message = users_run.junit["sleepy"].removeprefix("Failed: ")
    assert message in users_run.out
    info = users_run.infos["sleepy"]
    for part in (
        *("sleepy (loading, ", f" times as fast as {BASELINE} (95 % interval "),
        *(f"below its floor of {FLOOR_BETWEEN:.1f}: ", "find what slowed it"),
    ):
        assert part in message
    said = re.search(r"(\d+) blocks\)", message)
    assert said is not None
    assert FEWEST_BLOCKS <= int(said[1]) <= info["blocks"]  # those that a busy machine spoiled do not count
    assert "Traceback" not in users_run.out


@pytest.mark.parametrize(("name", "reason"), REASONS)
def test_trouble_is_explained(name: str, reason: str, users_run: Run) -> None:
    """Each is unmeasured for its own reason, in the table, on screen, in JUnit and in the JSON."""
    assert users_run.verdict(name) == "unmeasured"
    assert reason in users_run.unmeasured[name]
    assert f"{name} (loading, " in users_run.junit[name]
    assert reason in users_run.junit[name]
    assert users_run.junit[name].removeprefix("Failed: ") in users_run.out


def test_a_failing_session_has_its_report(users_run: Run) -> None:
    """What failed comes first, and the reasons are there."""
    html = (users_run.folder / "report.html").read_text(encoding="utf-8")
    assert f"<title>1 fail, {len(TROUBLE)} unmeasured, 3 pass" in html
    assert html.index("sleepy") < html.index("photos")
    assert "raised OSError: the disk went away" in html


def test_the_books_have_only_what_was_measured(users_run: Run) -> None:
    """No figures are made up for the others: they are listed apart."""
    assert set(users_run.infos) == {BASELINE, "one_shot", "photos", "sleepy"}
    assert set(users_run.unmeasured) == set(TROUBLE)
    assert "benchmark 'loading': 4 tests" in users_run.out


def test_nothing_of_the_troubled_is_left(users_run: Run, users_sessions: Sessions) -> None:
    """Not of the one that was killed, nor of its child, nor of the one that hangs."""
    assert users_run.code == 1
    users_sessions.check_nothing_is_left()


def test_floors_are_held(users_run: Run, written: str) -> None:
    """The session after the one that wrote them has that floor, and the same loader clears it."""
    assert users_run.infos["one_shot"]["floor"] == floor_in(written) / 2
    assert users_run.infos["one_shot"]["profile"] == "ours"
    assert users_run.infos["one_shot"]["verdict"] == "pass"
    assert users_run.junit["one_shot"] == ""
