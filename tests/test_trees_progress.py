"""Progress: a bar on a terminal, elsewhere a line now and then; and the workers that it reports on."""

from __future__ import annotations

import io
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest

from fixtures.trees import NewFolder
from loader_gate.progress import Display, Progress
from loader_gate.trees.cache import locked
from loader_gate.trees.check import check_files
from loader_gate.trees.pool import Failure, results
from loader_gate.trees.tree import TreeError


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        """Start at some odd time."""
        self.now = 1234.5

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_lines_now_and_then() -> None:
    """At most one line in 15 s, with what is left, and one at the end."""
    clock, stream = Clock(), io.StringIO()
    with Progress("Drawing images", 256, stream, clock) as progress:
        for done in range(1, 257):
            clock.now += 0.125
            progress.update(done, "busy")
    assert stream.getvalue().splitlines() == [
        "Drawing images: 120/256, 0:15 elapsed, about 0:17 left - busy",
        "Drawing images: 240/256, 0:30 elapsed, about 0:02 left - busy",
        "Drawing images: 256/256, 0:32 elapsed - busy",
    ]


def test_total_unknown_and_long() -> None:
    """Without a total there is nothing left to tell; hours are shown as such."""
    clock, stream = Clock(), io.StringIO()
    with Progress("Measuring", None, stream, clock) as progress:
        clock.now += 3723
        progress.update(2.5)
    assert stream.getvalue().splitlines()[0] == "Measuring: 1:02:03 elapsed"


def test_an_error_says_where_it_stopped() -> None:
    """The last line does not claim that the job is done."""
    clock, stream = Clock(), io.StringIO()

    def interrupted() -> None:
        with Progress("Checking images", 10, stream, clock) as progress:
            progress.update(3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue() == "Checking images: stopped at 3/10, 0:00 elapsed\n"


def test_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Title, share and text are on it; square brackets are no markup."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    with Progress("Checking [all]", 10, stream) as progress:
        progress.update(5, "[2] bad")
    assert "Checking [all]" in stream.getvalue()
    assert "50%" in stream.getvalue()
    assert "[2] bad" in stream.getvalue()


def test_notices_are_kept() -> None:
    """What is said is shown at once; what matters is kept for the end."""
    display = Display(io.StringIO())
    display.say("one")
    display.say("two", keep=True)
    assert display.notices == ["two"]


def test_waiting_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for another session's lock says so, and goes on when it is free."""
    monkeypatch.setattr("loader_gate.trees.cache.WAIT_SECONDS", 0.05)
    quiet = Display(io.StringIO())

    class Impatient(Display):
        def say(self, line: str, keep: bool = False) -> None:
            super().say(line, keep)
            raise TimeoutError

    stream = io.StringIO()
    with locked(tmp_path, quiet, "working"), pytest.raises(TimeoutError):  # noqa: SIM117 - the order matters
        with locked(tmp_path, Impatient(stream), "working"):
            pass
    assert stream.getvalue().startswith("Waiting for another session, which is working")
    with locked(tmp_path, quiet, "working"):
        pass


def work(item: Any) -> Any:
    """Do in a worker what a test says."""
    if item == "raise":
        raise ValueError("no good")
    if item == "print":
        print("this must not come between the answers")
    if item == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return [item, os.getpid()]


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name by which a worker finds the function above."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    return f"{Path(__file__).stem}:work"


def test_pool_answers_every_item(function: str) -> None:
    """Each result belongs to its item, in whatever order; two workers share the work."""
    with results(function, list(range(40)), workers=2) as found:
        answers = dict(found)
    assert {place: answer[0] for place, answer in answers.items()} == {n: n for n in range(40)}
    workers = {answer[1] for answer in answers.values()}
    assert 1 <= len(workers) <= 2
    assert os.getpid() not in workers


def test_pool_survives_what_goes_wrong(function: str) -> None:
    """An exception or a death costs its own item only, and says what happened."""
    items = ["a", "raise", "print", "die", "b"]
    with results(function, items, workers=1) as found:
        answers = [answer for _, answer in sorted(found, key=lambda pair: pair[0])]
    assert answers[1] == Failure("ValueError: no good", died=False)
    assert answers[3].died
    assert answers[3].reason.startswith("its worker process was killed by signal 9")
    assert [answers[place][0] for place in (0, 2, 4)] == ["a", "print", "b"]


def test_pool_says_why_it_cannot_start() -> None:
    """A function that is not there: the last line of the worker's stderr says so."""
    with results("loader_gate.nowhere:work", [1]) as found:
        [(_, answer)] = found
    assert answer.died
    assert "No module named 'loader_gate.nowhere'" in answer.reason


def test_pool_that_cannot_start_a_process(
    new_folder: NewFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is nobody's fault who is looked at: no image is called bad for it, and nobody waits for ever."""
    files = [str(path) for path in new_folder("photos", cats=2, dogs=2).rglob("*.*")]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no room"))
    with pytest.raises(TreeError, match=r"no process can be started .*`ulimit -n`.* or set TMPDIR"):
        check_files(files, tmp_path, tmp_path / "cache", Display(io.StringIO()))


def test_pool_is_left_early(function: str) -> None:
    """Leaving the block ends the workers and does not wait for the other items; no items need no workers."""
    with results(function, list(range(1000)), workers=2) as found:
        next(found)
    with results(function, []) as found:
        assert list(found) == []
