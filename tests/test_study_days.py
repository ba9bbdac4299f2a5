"""The study of days: what it records beside whom, which sessions it holds over that, and what it writes."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import create_autospec

import psutil
import pytest

from docs.study import __main__ as command
from docs.study import days, load
from docs.study import record as recording
from docs.study.errors import StudyError
from docs.study.trace import Trace, load_trace, save_trace
from docs.study.virtual import PACE
from loader_gate.doctor.virtual import Stage
from loader_gate.machine.noise import read_noise, used_by_others
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.same_work.reference import build_reference
from loader_gate.statistics.counts import FEWEST_BLOCKS
from tests.test_study_long import DUMP, FAST, FakeWorker, made_up_trace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loader_gate.trees.tree import Tree
    from loader_gate.worker.forked import Fork


BLOCKS = 6


def trace_of_days(noise: float = 0.01) -> Trace:
    """Return a trace of two days: none and busy on the first, none on the second."""
    trace = made_up_trace(noise, sessions=3, blocks=12)
    beside = (("none", 0.1), ("busy", 1.2), ("none", None))
    recordings = (
        replace(
            each, neighbour=neighbour, others=others, date=f"2024-05-0{1 + number // 2}T1{number}:30+00:00"
        )
        for number, (each, (neighbour, others)) in enumerate(zip(trace.recordings, beside, strict=True))
    )
    return replace(trace, recordings=tuple(recordings))


# --- neighbours --------------------------------------------------------------------------------------------


def is_gone(pid: int, seconds: float = 10.0) -> bool:
    """Return whether a process has ended, or does so soon; be it that nobody asks what became of it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)


def test_a_neighbour_is_busy_and_counts_as_another_program() -> None:
    """It uses CPU time as long as it is wanted, which is nobody's own, and is gone afterwards."""
    before = read_noise()
    with load.beside("busy") as pid:
        assert pid is not None
        time.sleep(1.0)
        used = sum(psutil.Process(pid).cpu_times()[:2])
        after = read_noise()
    assert used > 0.2  # a whole core's would be a second, on a machine that nobody else uses
    others = used_by_others(before, after)
    assert others is None or others > 0.1
    assert is_gone(pid)


def test_a_quiet_neighbour_works_in_bursts() -> None:
    """In the two and a half seconds that it is there it begins to work three times, and rests in between."""
    with load.beside("quiet") as pid:
        assert pid is not None
        time.sleep(2.5)
        used = sum(psutil.Process(pid).cpu_times()[:2])
    assert 0.2 < used < 1.6
    assert is_gone(pid)


def test_no_neighbour_is_no_process() -> None:
    """Nothing is started."""
    with load.beside(load.NONE) as pid:
        assert pid is None


def test_a_neighbour_ends_whatever_happens() -> None:
    """If what is measured beside it fails, and if the study is killed and can end nothing."""
    with pytest.raises(KeyError), load.beside("quiet") as pid:
        raise KeyError
    assert pid is not None
    assert is_gone(pid)
    program = (
        "import time; from docs.study import load\n"
        "with load.beside('busy') as pid: print(pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
    ) as study:
        assert study.stdout is not None
        pid = int(study.stdout.readline())
        assert not is_gone(pid, 0.0)
        study.kill()
    assert is_gone(pid)


def end_now(pid: int | None) -> None:
    """Kill a process, as somebody else might, and wait until it is gone."""
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert is_gone(pid)
    time.sleep(0.5)  # its other thread may take a moment longer


def test_a_neighbour_that_ends_early_is_no_neighbour() -> None:
    """What was measured meanwhile was not beside it."""
    with (
        pytest.raises(load.NeighbourError, match="quiet neighbour ended too early"),
        load.beside("quiet") as pid,
    ):
        end_now(pid)


# --- recording ---------------------------------------------------------------------------------------------


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return whom sessions were recorded beside; nobody is started."""
    asked: list[str] = []

    @contextmanager
    def pretended(neighbour: str) -> Iterator[None]:
        asked.append(neighbour)
        yield

    monkeypatch.setattr(load, "beside", pretended)
    return asked


@pytest.fixture
def recorder(tiny_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> recording.Recorder:
    """Return a recorder of made-up workers, which look at no reference."""
    monkeypatch.setattr(recording, "build_reference", create_autospec(build_reference))
    variants = [Variant(name, f"loader_gate.variants.{name}") for name in (BASELINE, FAST)]
    return recording.Recorder(tiny_tree, variants, BLOCKS, FakeWorker, io.StringIO())


def test_neighbours_take_turns(recorder: recording.Recorder, beside: list[str], tmp_path: Path) -> None:
    """Each session is beside the one that there are fewest of, those of earlier days included."""
    folder = tmp_path / "days"
    path = days.record_days(recorder, folder, 2, load.NEIGHBOURS, io.StringIO())
    assert path.parent == folder
    assert beside == ["none", "quiet"]
    assert days.record_days(recorder, folder, 3, load.NEIGHBOURS, io.StringIO()) == path
    assert beside == ["none", "quiet", "busy", "none", "quiet"]
    days.record_days(recorder, folder, 1, ["busy"], io.StringIO())
    (trace,) = days.load_days(folder)
    assert [each.neighbour for each in trace.recordings] == beside == [*beside[:5], "busy"]
    assert {each.blocks for each in trace.recordings} == {BLOCKS}
    shown = read_noise().busy_seconds is not None
    assert all((each.others is not None) == shown for each in trace.recordings)


def test_other_circumstances_are_other_traces(
    recorder: recording.Recorder, beside: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another TensorFlow has a file named after it, and whatever else differs one with a number."""
    about = recording.about_of(recorder)
    first = Trace(replace(about, versions={"tensorflow": "2.20.0"}), ())
    numbered = Trace(replace(first.about, machine="another"), ())
    names = []
    for trace in (first, numbered, first):
        monkeypatch.setattr(days, "about_of", lambda _, trace=trace: trace.about)
        names.append(days.record_days(recorder, tmp_path, 1, ["none"], io.StringIO()).name)
    assert names == ["tensorflow-2.20.0.json.gz", "tensorflow-2.20.0-2.json.gz", "tensorflow-2.20.0.json.gz"]
    assert len(beside) == 3
    assert [len(each.recordings) for each in days.load_days(tmp_path)] == [1, 2]


def test_a_session_that_fails_is_not_kept(
    recorder: recording.Recorder, beside: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those before it are; be it a worker that dies, or the neighbour."""
    path = days.record_days(recorder, tmp_path, 1, ["none"], io.StringIO())
    kept = path.read_bytes()

    def start(variant: Variant, fork: Fork | None) -> FakeWorker:
        return FakeWorker(variant, fork, 3 if variant.name == FAST else math.inf)

    with pytest.raises(StudyError, match=FAST):
        days.record_days(replace(recorder, start=start), tmp_path, 1, ["busy"], io.StringIO())

    @contextmanager
    def dying(neighbour: str) -> Iterator[None]:
        yield
        raise load.NeighbourError(f"the {neighbour} neighbour ended too early.")

    monkeypatch.setattr(load, "beside", dying)
    with pytest.raises(StudyError, match=r"ended too early.*before this one are kept"):
        days.record_days(recorder, tmp_path, 1, ["busy"], io.StringIO())
    assert path.read_bytes() == kept
    assert beside == ["none", "busy"]


def test_a_session_has_at_least_one_pair_of_processes(recorder: recording.Recorder, tmp_path: Path) -> None:
    """Virtual sessions are drawn from the blocks of one pair at a time."""
    with pytest.raises(StudyError, match=rf"--blocks {FEWEST_BLOCKS - 1}: expected at least {FEWEST_BLOCKS}"):
        days.record_days(replace(recorder, blocks=FEWEST_BLOCKS - 1), tmp_path, 1, ["none"])


def test_loaders_of_ones_own_are_recorded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a user's are measured; what cannot be found, or is called as a variant is, is refused."""
    monkeypatch.chdir(Path(__file__).parents[1])
    found = recording.recorder_of([FAST], 6, 24, days.LOADERS)
    assert [each.name for each in found.variants] == [BASELINE, FAST, "burning"]
    assert not found.variants[-1].is_built_in
    assert recording.about_of(found).variants == (FAST, "burning")
    for loader, message in (
        ("docs.study.burning", "expected MODULE:FUNCTION"),
        ("no_such_module:photos", "no module"),
        (f"docs.study.burning:{FAST}", "a variant of the suite is called"),
    ):
        with pytest.raises(StudyError, match=f"--loader {loader}: .*{message}"):
            recording.recorder_of([FAST], 6, 24, [loader])


def test_the_loader_of_the_study_draws_each_epoch_anew(tiny_tree: Tree, tmp_path: Path) -> None:
    """Every image is there once, under its own label; else the check would refuse it."""
    from docs.study.burning import burning

    spec = Spec((32, 32), 5, shuffle=True, seed=0, cache_dir=tmp_path)

    def epoch(spec: Spec) -> list[tuple[bytes, int]]:
        return [
            (image.tobytes(), int(label.argmax()))
            for images, labels in burning(tiny_tree, spec)
            for image, label in zip(images, labels, strict=True)
        ]

    in_order = epoch(replace(spec, shuffle=False))
    one, other = epoch(spec), epoch(spec)
    assert one != other
    assert in_order != one
    assert sorted(one) == sorted(other) == sorted(in_order)
    assert [label for _, label in in_order] == list(tiny_tree.labels)


def test_traces_say_beside_whom_they_are(tmp_path: Path) -> None:
    """And those that were recorded before anybody asked still load."""
    trace, path = trace_of_days(), tmp_path / "trace.json.gz"
    save_trace(trace, path)
    assert load_trace(path) == trace
    document = json.loads(gzip.decompress(path.read_bytes()))
    for each in document["recordings"]:
        del each["neighbour"], each["others"]
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    assert {(each.neighbour, each.others) for each in load_trace(path).recordings} == {("", None)}


# --- virtual sessions --------------------------------------------------------------------------------------


def test_circumstances_are_neighbours_and_days() -> None:
    """In the order of days, the quietest neighbour first; what others used is the middle of what is known."""
    recordings = trace_of_days().recordings
    none, busy = days.circumstances(recordings[::-1], daily=False)
    assert (none.neighbour, len(none.recordings), none.others, none.day) == ("none", 2, 0.1, "")
    assert (busy.neighbour, len(busy.recordings), busy.others, busy.day) == ("busy", 1, 1.2, "")
    found = days.circumstances(recordings, daily=True)
    assert [(each.day, each.neighbour) for each in found] == [
        ("2024-05-01", "none"),
        ("2024-05-01", "busy"),
        ("2024-05-02", "none"),
    ]
    assert found[2].others is None


def test_sessions_are_of_all_variants() -> None:
    """On a quiet machine nothing is found where nothing is, and everything that is there."""
    none, _ = days.circumstances(trace_of_days().recordings, daily=False)
    same, slower = (days.hold(none, slowdown, 4, PACE) for slowdown in (0.0, 0.10))
    assert (same.sessions, same.failed, same.found) == (4, 0, {FAST: 0, DUMP: 0})
    assert (slower.sessions, slower.failed, slower.found) == (4, 4, {FAST: 4, DUMP: 4})
    assert slower.undecided == 0
    assert len(slower.seconds) == 4
    assert days.hold(none, 0.10, 4, PACE) == slower
    assert days.hold(none, 0.10, 4, PACE, seed=1) != slower


def test_sessions_know_how_busy_others_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules are told what was recorded."""
    told = []
    play = Stage.play

    def listening(*arguments: object, **options: object) -> object:
        told.append(options["others"])
        return play(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Stage, "play", listening)
    for circumstance in days.circumstances(trace_of_days().recordings, daily=False):
        days.hold(circumstance, 0.2, 1, PACE)
    assert told == [0.1, 1.2]


def test_recorded_sessions_are_judged_as_they_were() -> None:
    """One that is over before anything is decided is undecided, and one that is as noisy as none passes."""
    quiet, _ = days.circumstances(trace_of_days(0.001).recordings, daily=False)
    noisy, _ = days.circumstances(trace_of_days(0.20).recordings, daily=False)
    found = days.hold_as_recorded(quiet, PACE)
    assert (found.sessions, found.failed, found.undecided) == (2, 0, 0)
    found = days.hold_as_recorded(noisy, PACE)
    assert (found.sessions, found.failed, found.undecided) == (2, 0, 2)


# --- the report --------------------------------------------------------------------------------------------


def test_the_command_writes_what_became_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table of sessions, of what passes, of what is found, and of each day; of each trace that there is."""
    assert command.main(["days-report", "--folder", str(tmp_path)]) == 1
    assert "python -m docs.study days" in capsys.readouterr().err
    trace = trace_of_days()
    save_trace(trace, tmp_path / days.FOLDER / "tensorflow-2.21.0.json.gz")
    options = ["--same", "3", "--slowed", "2", "--daily", "1", "--jobs", "1"]
    assert command.main(["days-report", "--folder", str(tmp_path), *options]) == 0
    page = (tmp_path / days.FILE).read_text(encoding="utf-8")
    assert "3 sessions were recorded on 2 days, from 2024-05-01 to 2024-05-02" in page
    assert "| 2 | 2024-05-01 | 11:30 | busy | 12 | 1.20 | quiet | " in page
    assert "| 3 | 2024-05-02 | 12:30 | none | 12 | – | quiet | " in page
    assert "| none | 2 | 0; " in page
    assert "| none | 20 % | 2 | 100.00 % (15.81 to 100.00) | 100.00 % (15.81 to 100.00) | " in page
    assert "| 2024-05-02 | none | 1: 0; " in page
    assert "nan" not in page
    lines = page.splitlines()
    for line, after in pairwise(lines):
        assert not (line.startswith("|") and after.startswith("|")) or line.count("|") == after.count("|")
    assert all(len(line) <= 120 for line in lines if not line.startswith(("|", "- ")))


def test_steps_have_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Both steps explain themselves, and refuse neighbours that there are not."""
    for step in ("days", "days-report"):
        with pytest.raises(SystemExit, match="0"):
            command.main([step, "--help"])
        assert "--folder" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        command.main(["days", "--neighbours", "loud"])
    assert "loud" in capsys.readouterr().err
