"""`docs/faults`: what is judged right and wrong of a fault, and what is found to grow."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from docs.faults import loaders
from docs.faults.cases import FAILED, SAID_OF, Case, all_cases
from docs.faults.judge import Row, judged
from docs.faults.places import PREPARATIONS
from docs.faults.sessions import SESSIONS, Found, Left
from docs.faults.soak import MAY_GROW, WARM_UP, Reading, grown, growth
from docs.faults.stages import STAGES
from docs.faults.surroundings import missing
from docs.faults.table import summary, write_table

CASE = Case("SIGINT", "saving", "interrupted", (2,), "interrupted")
RIGHT = Found(2, "This session was interrupted", Left())


def wrong(found: Found, case: Case = CASE, afterwards: Found | None = None) -> str:
    """Return what is wrong with a session."""
    (row,) = judged(case, found, afterwards)
    return row.wrong


def test_a_case_has_what_it_needs() -> None:
    """Each has a name of its own, a session and a preparation that there are, and loaders that there are."""
    cases = all_cases()
    assert len({case.name for case in cases}) == len(cases) > 150
    for case in cases:
        assert case.session in SESSIONS, case.name
        assert case.before in ("", *PREPARATIONS), case.name
        assert all(hasattr(loaders, each) for each in case.loaders), case.name
        assert case.words or case.loaders or FAILED not in case.codes, f"{case.name}: any failure is right"
    assert {*SAID_OF} <= {*loaders.TROUBLES}
    for fault in ("SIGINT", "SIGTERM", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1"):
        assert {case.stage for case in cases if case.fault == fault} == {*STAGES}


def test_what_is_right() -> None:
    """The code and the words that are expected, and nothing left."""
    assert wrong(RIGHT) == ""


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (replace(RIGHT, code=1), "exit code 1, not 2"),
        (replace(RIGHT, said="."), "nothing like “interrupted” was said"),
        (replace(RIGHT, said="interrupted\nTraceback (most recent call last):\n"), "without a sentence"),
        (replace(RIGHT, said="interrupted\nF Traceback (most recent call last):\n"), "without a sentence"),
        (replace(RIGHT, said="interrupted\nINTERNALERROR> x"), "without a sentence"),
        (replace(RIGHT, said="interrupted\nE   OSError: x"), "without a sentence"),
        (replace(RIGHT, reached=False), "the session never came to where it was to happen"),
        (replace(RIGHT, lost=7), "7 bytes of what was kept are gone"),
        (replace(RIGHT, left=Left(processes=("sleep 600",))), "still runs: sleep 600"),
        (replace(RIGHT, left=Left(folders=("loader-gate-x",))), "left behind: loader-gate-x"),
        (replace(RIGHT, left=Left(half=("0002_run.json",))), "left behind: 0002_run.json"),
    ],
)
def test_what_is_wrong(found: Found, said: str) -> None:
    """Each is found, alone."""
    assert said in wrong(found)


def test_what_may_stay_until_the_next_session() -> None:
    """Folders of who was killed, but no process; and the next session has to remove them."""
    killed = Case("SIGKILL", "passes", "ended", (-signal.SIGKILL,), stays=True)
    left = Found(-signal.SIGKILL, "", Left(folders=("loader-gate-x",)))
    assert wrong(left, killed, Found(0, "", Left())) == ""
    assert "after the next session: loader-gate-x" in wrong(left, killed, replace(left, code=0))
    assert "after the next session: exit code 1" in wrong(left, killed, Found(1, "", Left()))
    assert "still runs" in wrong(replace(left, left=Left(processes=("x",))), killed)


def test_a_row_for_each_loader() -> None:
    """Each with what was said of it; what is wrong with the session is said once."""
    case = Case(
        "loaders, 1", "timed", "unmeasured", (1,), loaders={"killed_timed": "SIGKILL", "photos": "pass"}
    )
    saved = {
        "loader_gate": {"unmeasured": [{"variant": "killed_timed", "reason": "was killed by SIGKILL"}]},
        "benchmarks": [{"extra_info": {"variant": "photos", "verdict": "fail"}}],
    }
    rows = judged(case, Found(1, "", Left(), lost=3, saved=saved), None)
    assert [(row.fault, row.happened, row.lost) for row in rows] == [
        ("loaders: killed", "was killed by SIGKILL", 3),
        ("loaders: photos", "fail", 0),
    ]
    assert "3 bytes" in rows[0].wrong
    assert rows[1].wrong == "expected “pass”"


def test_the_table(tmp_path: Path) -> None:
    """It counts, and says what was not tried and why; what was said cannot break it."""
    rows = [
        Row("SIGINT", "saving", "interrupted", "exit code 2: a | b <c>"),
        Row("full disk", "report", "fails", "exit code 0", "exit code 0, not 1", lost=1200, left=1),
        Row("out of memory", "timed", "ended", skipped="a control group: none can be made"),
    ]
    assert summary(rows) == "2 tried, 1 right, 1 wrong, 1,200 bytes lost, 1 processes left; 1 not tried"
    write_table(rows, tmp_path / "table.md")
    lines = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    assert [line.count("|") for line in lines[-3:]] == [8] * 3
    assert "a / b &lt;c>" in lines[-3]
    assert "**wrong**: exit code 0, not 1" in lines[-2]
    assert "a control group: none can be made | not tried" in lines[-1]


def test_nothing_is_missing_where_nothing_is_needed() -> None:
    """Most faults can happen anywhere."""
    assert missing("") == ""


CALM = Reading(memory=100_000_000, processes=0, threads=3, descriptors=20, disk=5_000_000)
PLANTED = {"memory": 500_000, "processes": 1, "threads": 1, "descriptors": 1, "disk": 10_000}


def chain(sessions: int = 30, **leak: int) -> list[Reading]:
    """Return readings of sessions that leak so much each, after a few that fill what is filled once."""
    found = []
    for number in range(sessions):
        about = json.loads(json.dumps(CALM.__dict__))
        about["memory"] += min(number, WARM_UP) * 20_000_000 + (number % 3) * 100_000
        for name, much in leak.items():
            about[name] += number * much
        found.append(Reading(**about))
    return found


def test_nothing_grows() -> None:
    """Neither what is filled once nor what goes up and down counts, nor one reading that stands out."""
    readings = chain()
    readings[20] = replace(readings[20], memory=10**9, descriptors=90)
    assert grown([readings, chain(40)]) == []


@pytest.mark.parametrize("name", [*MAY_GROW])
def test_a_planted_leak_is_found(name: str) -> None:
    """Of each figure, in any one of the processes."""
    (found,) = grown([chain(), chain(**{name: PLANTED[name]})])
    assert found.startswith(f"{name} grows by ")


def test_failed_sessions_are_no_soak() -> None:
    """Nothing grows where nothing is done."""
    assert grown([[*chain(), replace(CALM, failed=True)]]) == ["1 sessions failed"]


def test_growth() -> None:
    """It is a slope, and nothing of too few readings."""
    assert growth([1, 3, 5, 7]) == 2
    assert growth([4.0]) == 0
