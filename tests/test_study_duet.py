"""The study of duets: halves of the cores, what moves between them, what blocks tell, and the command."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from docs.study import duet, planted
from docs.study.__main__ import main
from docs.study.duet_pairs import Case, Pairs, Workers
from docs.study.errors import StudyError
from docs.study.halves import bound_to, halves_of, move
from docs.study.neighbours import Ratio
from docs.study.spreads import HALF_WIDTH, Block, spread_of, times_fewer
from loader_gate.machine.cores import cores, processors
from loader_gate.registry.built_in import built_in_variants
from loader_gate.rotation.contestant import Arm, Contestant
from loader_gate.variants import tfdata_no_cache
from loader_gate.worker.timing import PassTiming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.rotation.runner import Job

STREAMING = "tfdata_no_cache"
two_cores = pytest.mark.skipif(len(processors() or ()) < 2, reason="one core, or nobody knows how many")


def made_up(pairs: int, deviation: float, between: float = 0.0, seconds: float = 1.0) -> list[list[Block]]:
    """Return blocks of so many pairs of processes, six each, whose noise is normal."""
    chance = random.Random(f"{pairs} {deviation} {between}")  # noqa: S311 (a simulation, no secret)
    runs = []
    for _ in range(pairs):
        own = chance.gauss(0, between)
        runs.append([Block(own + chance.gauss(0, deviation), seconds) for _ in range(6)])
    return runs


# --- halves ------------------------------------------------------------------------------------------------


def test_halves() -> None:
    """The last of an odd number of cores is left out."""
    assert halves_of({3, 1, 0, 2}) == ((0, 1), (2, 3))
    assert halves_of({0, 2, 5}) == ((0,), (2,))


def test_there_are_no_halves() -> None:
    """Of one core, and where nobody knows the cores; the errors say so."""
    with pytest.raises(StudyError, match="one core has no two halves"):
        halves_of({4})
    with pytest.raises(StudyError, match="cannot bind a process"):
        halves_of(None)


@two_cores
def test_what_is_started_meanwhile_is_bound() -> None:
    """From its first thread on, and only then: the thread that starts it is bound for as long."""
    before = os.sched_getaffinity(0)
    first, _ = halves_of(before)
    code = "from loader_gate import cores; print(cores())"
    with bound_to(first):
        assert cores() == len(first)
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(said.stdout) == len(first)
    assert os.sched_getaffinity(0) == before
    with pytest.raises(RuntimeError, match="it fails"), bound_to(first):
        raise RuntimeError("it fails")
    assert os.sched_getaffinity(0) == before


@two_cores
def test_every_thread_is_moved() -> None:
    """Those of a child too, and what they begin later."""
    code = """
        import subprocess, sys, threading
        if sys.argv[1:]:
            child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
            child.stdout.readline()
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        print("ready", flush=True)
        sys.stdin.read()
    """
    code = textwrap.dedent(code)
    process = subprocess.Popen(
        [sys.executable, "-c", code, code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        _, second = halves_of(os.sched_getaffinity(0))
        move(process.pid, second)
        threads = [
            int(thread.name)
            for each in (str(process.pid), *children)
            for thread in Path(f"/proc/{each}/task").iterdir()
        ]
        assert len(threads) >= 4
        assert {tuple(sorted(os.sched_getaffinity(each))) for each in threads} == {second}
        move(2**22 + 1, second)  # nobody has so large a number
        process.kill()


# --- what blocks tell --------------------------------------------------------------------------------------


def test_spread() -> None:
    """Of normal noise, all spreads are its standard deviation; the seconds follow from it."""
    found = spread_of(made_up(400, 0.05, seconds=2.0))
    assert (found.blocks, found.run, found.seconds) == (2400, 6, 2.0)
    assert [found.robust, found.plain, found.within] == pytest.approx([0.05] * 3, rel=0.08)
    assert found.between < 0.01
    expected = 2.0 * (1.96 * found.plain / math.log(1 + HALF_WIDTH)) ** 2
    assert found.needed("plain") == pytest.approx(expected)
    assert found.needed("plain") == pytest.approx(22, rel=0.1)


def test_what_pairs_differ_by_counts_once_a_pair() -> None:
    """Blocks cannot cure it; and one block that is far off does little to the robust spread."""
    differing = spread_of(made_up(400, 0.02, between=0.05))
    assert differing.within == pytest.approx(0.02, rel=0.1)
    assert differing.between == pytest.approx(0.05, rel=0.1)
    assert differing.needed("processes") > 4 * differing.needed("plain")
    calm = made_up(10, 0.02)
    disturbed = [[Block(3.0, 1.0), *calm[0][1:]], *calm[1:]]
    assert spread_of(disturbed).robust < 1.3 * spread_of(calm).robust
    assert spread_of(disturbed).plain > 10 * spread_of(calm).plain


def test_how_many_times_fewer_seconds() -> None:
    """Half the noise at twice the seconds needs half of them; the interval says how well that is known."""
    fewer = times_fewer(made_up(40, 0.06), made_up(40, 0.03, seconds=2.0), draws=400)
    for each in fewer.values():
        assert each.low < 2 < each.high
    same = made_up(8, 0.06)
    assert set(times_fewer(same, same, draws=40).values()) == {Ratio(1.0, 1.0, 1.0)}
    quiet = [[Block(0.0, 1.0)] * 6] * 2
    assert times_fewer(same[:2], quiet, draws=40)["plain"].value == math.inf


# --- pairs -------------------------------------------------------------------------------------------------


class FakeRunner:
    """A machine on which head takes twice as long, and everything three times as long on the second half."""

    def __init__(self) -> None:
        self.at: dict[int, Sequence[int]] = {}
        self.at_once = threading.Barrier(2)
        self.problem: str | None = None
        self.renewed = 0

    def move(self, pid: int, cores: Sequence[int]) -> None:
        """Bind a process."""
        self.at[pid] = cores

    def start(self, variants: Sequence[object]) -> list[Contestant]:  # noqa: ARG002 (as it is asked)
        """Start both sides."""
        variant = next(each for each in built_in_variants() if each.name == STREAMING)
        return [Contestant(variant, Arm(at_base=True))]

    def warm_up(self, contestants: Sequence[Contestant]) -> None:
        """Do nothing."""

    def renew(self, due: Sequence[Contestant]) -> None:
        """Count."""
        assert len(due) == 1
        self.renewed += 1

    def run_pass(self, contestant: Contestant, arm: Arm) -> PassTiming | None:
        """Run a pass; in duet, only when the other side has been asked too."""
        if self.at:
            self.at_once.wait(10)
        if self.problem is not None:
            arm.problem = self.problem
            return None
        half = self.at.get(int(arm.at_base), (0,))
        seconds = 0.05 * (1 if arm.at_base else 2) * (3 if half == (1,) else 1)
        return PassTiming(seconds, 0.0, 0.0, 0.0, 1, contestant.epochs)


def pairs_on(machine: FakeRunner, monkeypatch: pytest.MonkeyPatch, way: duet.Way) -> Pairs:
    """Return pairs on a machine that is made up."""
    monkeypatch.setattr("docs.study.duet_pairs.Runner", lambda *_: machine)
    monkeypatch.setattr("docs.study.duet_pairs.move", machine.move)
    (variant,) = (each for each in built_in_variants() if each.name == STREAMING)
    workers = cast("Workers", type("Numbered", (), {"pids": {False: 0, True: 1}}))
    halves = ((0,), (1,)) if way == "duet" else None
    case, job = Case("made up", variant, variant), cast("Job", None)
    return Pairs(case, job, workers, halves, lambda _: None, in_rounds=way == "in rounds")


@pytest.mark.parametrize(("way", "epochs"), [("in turn", 4), ("in rounds", 1), ("duet", 2)])
def test_a_block_cancels_what_halves_differ_by(
    monkeypatch: pytest.MonkeyPatch, way: duet.Way, epochs: int
) -> None:
    """Both sides are on either half, both at once in duet; passes are long enough."""
    machine, order = FakeRunner(), random.Random(0)  # noqa: S311 (an order of passes, no secret)
    pairs = pairs_on(machine, monkeypatch, way)
    for _ in range(2):
        pairs.renew()
        for _ in range(3):
            pairs.block(order)
    assert machine.renewed == 1
    assert [len(run) for run in pairs.runs] == [3, 3]
    assert {round(math.exp(block.log_ratio), 6) for run in pairs.runs for block in run} == {2.0}
    assert len(machine.at) == (2 if way == "duet" else 0)
    assert pairs._contestant.epochs == epochs
    machine.problem = "its worker died"
    with pytest.raises(StudyError, match="made up could not be timed: its worker died"):
        pairs.block(order)


# --- what is written ---------------------------------------------------------------------------------------


def test_rows() -> None:
    """A line a way, and one of each other way against the first."""
    found: duet.Found = {
        "in turn": made_up(4, 0.06),
        "in rounds": made_up(4, 0.05),
        "duet": made_up(4, 0.03, seconds=2.0),
    }
    turns, rounds, at_once = duet.spread_rows(STREAMING, found)
    assert turns.startswith("| `tfdata_no_cache` | in turn | 24 | 1.00 | ")
    assert rounds.startswith("| `tfdata_no_cache` | in rounds | 24 | 1.00 | ")
    assert at_once.startswith("| `tfdata_no_cache` | duet | 24 | 2.00 | ")
    assert {line.count("|") for line in (turns, at_once)} == {12}
    assert [line.count("–") for line in duet.fewer_rows(STREAMING, found)] == [3, 3]
    first, _, last = duet.planted_rows("slow", found)
    assert first.startswith("| slow | in turn | 24 | ")
    assert last.startswith("| slow | duet | 24 | ")


def test_parallelism_can_be_lost() -> None:
    """The planted text maps one image at a time, and fails loudly where it cannot be planted."""
    text = Path(str(tfdata_no_cache.__file__)).read_text(encoding="utf-8")
    slow = planted.one_at_a_time(text)
    compile(slow, planted.FILE, "exec")
    assert "num_parallel_calls=1)" in slow
    assert slow != text
    with pytest.raises(StudyError, match=rf"{planted.FILE} has changed"):
        planted.one_at_a_time(slow)


def test_planted_cases(tmp_path: Path) -> None:
    """They are loaders of files of their own, compared with the same file without."""
    cases = duet.planted_cases(tmp_path)
    assert [case.head.name for case in cases] == [*duet.PLANTED]
    assert {case.base.name for case in cases} == {"nothing_planted"}
    assert all(Path(each.file).is_file() for case in cases for each in (case.head, case.base))


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The errors name the option and say what is expected."""
    with pytest.raises(StudyError, match=r"--variants nothing: expected some of .*, one_at_a_time"):
        duet.measure(["nothing"], 8, 12, tmp_path)
    for blocks in (6, 13):
        with pytest.raises(StudyError, match=rf"--blocks {blocks}: expected a multiple of 6, .* at least 12"):
            duet.measure([STREAMING], 8, blocks, tmp_path)
    assert main(["duet", "--blocks", "7", "--folder", str(tmp_path)]) == 1
    assert "--blocks 7" in capsys.readouterr().err
