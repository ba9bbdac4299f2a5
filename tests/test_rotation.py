"""The rotation with made-up workers: no process, no clock, seconds as the test says."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from itertools import chain, count, cycle, islice, pairwise, repeat
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation.looks import EARLIEST_CHANGE_SECONDS, EARLIEST_WHEN_BUSY_SECONDS
from loader_gate.rotation.measurement import Measurement
from loader_gate.rotation.pace import Pace
from loader_gate.rotation.rotation import Watch, rotate
from loader_gate.rotation.runner import Job, Runner
from loader_gate.statistics.blocks import block_estimate_at_any_look
from loader_gate.statistics.counts import (
    FEWEST_BLOCKS,
    FEWEST_TO_LOOK_EARLY,
    FEWEST_WARMUP_PASSES,
    MOST_BLOCKS,
)
from loader_gate.statistics.estimate import Estimate
from loader_gate.statistics.sequences import ERROR, robust_estimate_at_any_look
from loader_gate.trees.tree import Tree
from loader_gate.verdict.rules import Rules
from loader_gate.verdict.share import Share
from loader_gate.verdict.verdict import Verdict
from loader_gate.worker.epoch import DRAIN
from loader_gate.worker.process import WorkerError

Seconds = float | Iterator[float] | Exception

#: Seconds whose middle, on the log scale, is that of 2 and 4.
AROUND = (2.0, 2.0, 8**0.5, 8**0.5, 4.0, 4.0)
#: After so many blocks a speedup has an interval with ends, and can be decided if it is clear enough.
FIRST_LOOK = next(
    count
    for count in range(FEWEST_BLOCKS, MOST_BLOCKS)
    if block_estimate_at_any_look([0.0] * count, ERROR).half_width < math.inf
)
#: The same of a change.
FIRST_LOOK_AT_CHANGE = next(
    count
    for count in range(FEWEST_BLOCKS, MOST_BLOCKS)
    if robust_estimate_at_any_look([0.0] * 2 * count, ERROR, 2).half_width < math.inf
)


#: What is wrong with a variant's work at every check, or at one after another.
Checks: TypeAlias = "str | Iterator[str]"


class FakeWorker:
    """Answers from a script, and notes what it was asked in a journal shared by all."""

    pid = 0

    def __init__(self, name: str, seconds: Seconds, journal: list[str], check: Checks = "") -> None:
        self.name, self.seconds, self.journal, self.check = name, seconds, journal, check
        self.ended = False
        self.asked = 0
        self.checked_after: list[int] = []
        self.idle_cpu_seconds = 0.0
        self.is_missing = False
        self.rest = (0.0, 0.0)

    def open(self, tree: Tree, spec: Spec, consumer: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Be built."""
        assert spec.cache_dir.name == self.name
        assert (len(tree), consumer, seed) == (2, DRAIN, 0)
        (spec.cache_dir / "archive").write_bytes(b"x" * 7)
        return {
            "kind": "limit" if self.name.startswith("limit") else "streaming",
            "build_seconds": 0.5,
            "imported": {},
        }

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Answer one request."""
        assert not self.ended
        if do == "check":
            self.checked_after.append(self.asked)
            reason = self.check if isinstance(self.check, str) else next(self.check)
            return {"reason": reason, "median_psnr": 40.0, "idle": self.rest}
        if do == "recall":
            return {}
        self.journal.append(self.name)
        self.asked += 1
        if isinstance(self.seconds, Exception):
            raise self.seconds
        seconds = next(self.seconds) if isinstance(self.seconds, Iterator) else self.seconds
        return {
            "seconds": seconds,
            "first_batch_seconds": seconds / 10,
            "teardown_seconds": 0.0,
            "cpu_seconds": seconds,
            "peak_rss_bytes": 1_000_000,
            "epochs": arguments["epochs"],
            "idle_cpu_seconds": self.idle_cpu_seconds if self.asked % 2 else 0.0,
        }

    def hired(self) -> FakeWorker:
        """Return the same, or if it has been ended a fresh one that goes on where it was, if there is one."""
        if self.is_missing:
            raise WorkerError("its dump could not be written: the disk is full")
        if self.ended:
            self.ended = False
            self.journal.append(f"{self.name} anew")
        return self

    def close(self) -> None:
        """Begin to end."""

    def end(self) -> None:
        """End."""
        self.ended = True


class FakeWorkers:
    """Hires fake workers by name; those with one at base are compared."""

    def __init__(self, workers: Mapping[str, FakeWorker], folder: Path) -> None:
        self._workers = workers
        self._spec = Spec((8, 8), 2, shuffle=True, seed=0, cache_dir=folder)

    def start(self, variant: Variant, at_base: bool, imported: Mapping[str, str] | None = None) -> FakeWorker:
        """Start one; a fresh one may be forked from what has imported the same."""
        assert imported in (None, {})
        return self._workers[self._named(variant, at_base)].hired()

    def compares(self, variant: Variant) -> bool:
        """Return whether there is one at base."""
        return self._named(variant, True) in self._workers

    def spec(self, variant: Variant, at_base: bool) -> Spec:
        """Return what it has to deliver."""
        return self._spec.for_variant(self._named(variant, at_base))

    def _named(self, variant: Variant, at_base: bool) -> str:
        return f"{variant.name}_at_base" if at_base else variant.name


class Stage:
    """Runs a rotation over fake workers."""

    def __init__(self, folder: Path) -> None:
        self.journal: list[str] = []
        self.workers: dict[str, FakeWorker] = {}
        self.reports: list[str] = []
        self.readings = 0
        self._folder = folder

    def run(
        self,
        floor: float = 1.5,
        budget: float = 1e6,
        only_check: str = "",
        checks: Mapping[str, Checks] | None = None,
        base: dict[str, Seconds] | None = None,
        works_on: str = "",
        bounds: tuple[str, ...] = ("streaming",),
        others: float | Iterator[float] | None = None,
        missing: str = "",
        rests_not: str = "",
        rehearsals: Any = None,
        on_one_core: dict[str, Seconds] | None = None,
        **seconds: Seconds,
    ) -> dict[str, Measurement]:
        """Measure variants named by the keywords; ``baseline`` stands for the baseline.

        Those in ``base`` are compared with what takes so long there, beside ``others``. The worker of one
        that ``works_on`` does so between every other two passes, that of one that ``rests_not`` after its
        last one, and that of one that is ``missing`` cannot be started. What is named ``limit`` is one, of
        the kinds in ``bounds``. Those in ``on_one_core`` are measured there, too, where they take so long.
        """
        named = {BASELINE if name == "baseline" else name: value for name, value in seconds.items()}
        at_base = {BASELINE if name == "baseline" else name: value for name, value in (base or {}).items()}
        alone = on_one_core or {}
        everyone = {
            **named,
            **{f"{name}_at_base": value for name, value in at_base.items()},
            **{f"{name}@1": value for name, value in alone.items()},
        }
        for name, value in everyone.items():
            self.workers[name] = FakeWorker(name, value, self.journal, (checks or {}).get(name, ""))
            self.workers[name].idle_cpu_seconds = 0.5 if name == works_on else 0.0
            self.workers[name].is_missing = name == missing
            self.workers[name].rest = (60.0, 30.0 if name == rests_not else 0.1)

        def read() -> float | None:
            self.readings += 1
            return next(others) if isinstance(others, Iterator) else others

        limits = {name for name in named if name.startswith("limit")}
        return rotate(
            [
                Variant(name, "made_up", kind="limit", bounds=bounds)
                if name in limits
                else Variant(name, "made_up")
                for name in named
            ],
            FakeWorkers(self.workers, self._folder),
            Job(
                Tree(self._folder, ("a/1.jpg", "b/1.jpg"), (0, 1), ("a", "b"), "digest"),
                self._folder,
                DRAIN,
                only_check=only_check,
                rehearsals=rehearsals,
                on_fewer_cores={name: [Variant(name, "made_up").bound_to((0,))] for name in alone},
            ),
            Rules({name: None if name in limits else floor for name in named}, cores=2),
            Pace(budget, tolerance=0.03),
            Watch(self.reports.append, read),
        )


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Return a stage for one rotation."""
    return Stage(tmp_path)


def noisy(seconds: float, noise: float = 0.05) -> Iterator[float]:
    """Return seconds that swing around a mean; the second pass of a block is as fast as the first."""
    swings = (-noise, noise, noise / 3, 0.0)
    return cycle([seconds * (1 + swing) for swing in (*swings, *reversed(swings))])


def in_turn(*moods: Iterator[float]) -> Iterator[float]:
    """Return seconds of processes that go on where others were, each with its own mood."""
    for number, mood in enumerate(cycle(moods)):
        yield from islice(mood, 2 + (1 if number else FEWEST_WARMUP_PASSES))


def blocks_of(journal: list[str], names: int) -> list[list[str]]:
    """Cut a journal of equal blocks, its end, into blocks of two passes a name."""
    return [journal[start : start + 2 * names] for start in range(0, len(journal), 2 * names)]


def test_clear_speedups_are_decided_at_the_first_look(stage: Stage) -> None:
    """What is far from its floor takes the fewest blocks."""
    found = stage.run(baseline=noisy(4.0), fast=noisy(1.0), slow=noisy(3.5))
    assert {name: found[name].verdict.status for name in found} == {
        BASELINE: "pass",
        "fast": "pass",
        "slow": "fail",
    }
    assert len(found["fast"].variant_passes) == 2 * FIRST_LOOK
    assert len(found["fast"].baseline_passes) == 2 * FIRST_LOOK
    assert found["fast"].verdict.estimate is not None
    assert found["fast"].verdict.estimate.ratio == pytest.approx(4.0, rel=0.1)
    assert found["fast"].build_seconds == 0.5
    assert found["fast"].written_bytes == 7
    # To fail takes more to be sure of than to pass.
    blocks = len(found["slow"].variant_passes) // 2
    assert FIRST_LOOK < blocks < 2 * FIRST_LOOK
    assert found[BASELINE].verdict.estimate == Estimate(1.0, 1.0, 1.0, blocks)


def test_blocks_are_balanced(stage: Stage) -> None:
    """Every block is some order of all variants, and then the same in reverse."""
    found = stage.run(baseline=4.0, fast=1.0, faster=0.5)
    timed = stage.journal[-sum(len(each.variant_passes) for each in found.values()) :]
    for block in blocks_of(timed, names=3):
        assert sorted(block[:3]) == sorted([BASELINE, "fast", "faster"])
        assert block[3:] == block[2::-1]
    assert len({tuple(block) for block in blocks_of(timed, names=3)}) > 1


def test_fewer_cores_run_next_to_all(stage: Stage) -> None:
    """In every block of the variant, its passes on fewer cores are nearest to its own."""
    found = stage.run(baseline=4.0, fast=1.0, on_one_core={"fast": 2.0})
    (bound,) = found["fast"].on_fewer_cores
    assert (bound.processors, bound.problem) == ((0,), "")
    assert [each.seconds for each in bound.passes] == [2.0] * len(found["fast"].variant_passes)
    # Long enough for an interval of what the cores give, though the speedup is clear before that.
    assert len(found["fast"].variant_passes) == 2 * FEWEST_TO_LOOK_EARLY > 2 * FIRST_LOOK
    assert found[BASELINE].on_fewer_cores == ()
    timed = stage.journal[-6 * FEWEST_TO_LOOK_EARLY :]
    for block in blocks_of(timed, names=3):
        places = [block.index(name) for name in ("fast", "fast@1")]
        assert abs(places[0] - places[1]) == 1
        assert block[3:] == block[2::-1]
    assert "fast@1" not in found


def test_fewer_cores_have_no_verdict(stage: Stage) -> None:
    """What goes wrong there costs the variant nothing but its figures there."""
    crash = WorkerError("its worker was killed by SIGKILL")
    found = stage.run(baseline=4.0, fast=1.0, slow=1.0, on_one_core={"fast": crash, "slow": 100.0})
    assert {name: each.verdict.status for name, each in found.items()} == dict.fromkeys(found, "pass")
    (bound,) = found["fast"].on_fewer_cores
    assert (bound.passes, bound.problem) == ((), str(crash))
    assert found["slow"].on_fewer_cores[0].passes[0].seconds == 100.0
    assert found["slow"].verdict.estimate is not None
    assert found["slow"].verdict.estimate.ratio == pytest.approx(4.0)


def test_fewer_cores_end_with_the_budget(stage: Stage) -> None:
    """The budget is that of all cores: it is spent as fast as without."""
    found = stage.run(baseline=4.0, fast=1.0, budget=30.0, on_one_core={"fast": 2.0})
    assert len(found["fast"].variant_passes) == len(found["fast"].on_fewer_cores[0].passes) == 6


def test_a_decided_variant_leaves_the_rotation(stage: Stage) -> None:
    """Only what is undecided is measured on."""
    found = stage.run(baseline=4.0, clear=1.0, near=cycle([2.0, 2.0, 4.0, 4.0]), floor=1.5)
    assert len(found["clear"].variant_passes) == 2 * FIRST_LOOK
    assert len(found["near"].variant_passes) > 2 * FIRST_LOOK
    assert len(found[BASELINE].variant_passes) == len(found["near"].variant_passes)


def test_the_last_look_ends_it(stage: Stage) -> None:
    """A speedup on its floor stays undecided, and is not measured for ever."""
    found = stage.run(baseline=4.0, near=cycle(AROUND), floor=2**0.5)
    assert found["near"].verdict.status == "undecided"
    assert len(found["near"].variant_passes) == 2 * MOST_BLOCKS


def test_no_variant_takes_more_than_its_budget(stage: Stage) -> None:
    """The budget counts the variant's passes and the baseline's that go with them."""
    found = stage.run(baseline=4.0, near=cycle(AROUND), floor=2**0.5, budget=100.0)
    passes = (*found["near"].variant_passes, *found["near"].baseline_passes)
    assert sum(each.seconds for each in passes) <= 100.0
    assert "--budget" in found["near"].verdict.reason


def test_a_budget_too_small_for_an_interval(stage: Stage) -> None:
    """One block is always measured; it says so if that is too little."""
    found = stage.run(baseline=4.0, slow=3.0, budget=1.0)
    assert found["slow"].verdict.status == "undecided"
    assert len(found["slow"].variant_passes) == 2


def test_fast_variants_get_several_epochs_a_pass(stage: Stage) -> None:
    """A pass is long enough to time."""
    found = stage.run(baseline=4.0, fast=0.02)
    assert {timing.epochs for timing in found["fast"].variant_passes} == {12}
    assert {timing.epochs for timing in found[BASELINE].variant_passes} == {1}


def test_head_and_base_take_turns_within_a_pass(stage: Stage) -> None:
    """Where epochs are short: what slows a moment slows both. Each is first as often as the other."""
    found = stage.run(baseline=4.0, fast=0.02, base={"fast": 0.02}, budget=1.0)
    timings = (*found["fast"].variant_passes, *found["fast"].base_passes)
    assert {timing.epochs for timing in timings} == {12}
    assert [timing.seconds for timing in timings] == pytest.approx([0.02] * len(timings))
    rounds = 6
    sides = [name for name in stage.journal if name in ("fast", "fast_at_base")][-4 * rounds :]
    for half in (sides[: 2 * rounds], sides[2 * rounds : 4 * rounds]):
        pairs = [half[start : start + 2] for start in range(0, len(half), 2)]
        assert all(sorted(pair) == ["fast", "fast_at_base"] for pair in pairs)
        assert all(pair == before[::-1] for before, pair in pairwise(pairs))
    assert sides[:2] == sides[2 * rounds : 2 * rounds + 2][::-1]


def test_what_seems_slower_is_decided_first(stage: Stage) -> None:
    """A session that fails says so early, and everybody is decided all the same."""
    draws = random.Random(1)  # noqa: S311 (noise, no secret)

    def drawn(seconds: float, deviation: float) -> Iterator[float]:
        return (seconds * math.exp(draws.gauss(0, deviation)) for _ in count())

    found = stage.run(
        baseline=noisy(4.0),
        same=drawn(1.0, 0.08),
        slow=drawn(1.08, 0.04),
        base={"same": drawn(1.0, 0.08), "slow": drawn(1.0, 0.04)},
    )
    assert found["slow"].verdict.changes[0].outcome == "regression"
    assert found["same"].verdict.changes[0].outcome == "same"
    last = max(number for number, name in enumerate(stage.journal) if name == "slow_at_base")
    before = stage.journal[:last]
    assert before.count("same") < before.count("slow")
    assert "same" in stage.journal[last:]


def test_slow_variants_take_turns_pass_by_pass(stage: Stage) -> None:
    """An epoch is not cut."""
    found = stage.run(baseline=4.0, slow=1.0, base={"slow": 1.0}, budget=1.0)
    assert {timing.epochs for timing in found["slow"].base_passes} == {1}


@pytest.mark.parametrize("when", [0, 1, 5])
def test_a_failing_worker_costs_only_its_own_verdict(stage: Stage, when: int) -> None:
    """Whether it fails in warming up or in a block, the others are measured."""

    def dies() -> Iterator[float]:
        yield from [1.0] * when
        raise WorkerError("its worker was killed by SIGKILL")

    found = stage.run(baseline=4.0, dies=dies(), fast=1.0)
    assert found["dies"].verdict.status == "unmeasured"
    assert "SIGKILL" in found["dies"].verdict.reason
    assert found["fast"].verdict.status == "pass"
    assert len(found["fast"].variant_passes) == len(found["fast"].baseline_passes) == 2 * FIRST_LOOK
    assert all(worker.ended for worker in stage.workers.values())


def test_a_failing_baseline_leaves_nothing_to_compare_with(stage: Stage) -> None:
    """Without a baseline every variant is unmeasured, and says why."""
    found = stage.run(baseline=WorkerError("its worker hung"), fast=1.0)
    assert {each.verdict.status for each in found.values()} == {"unmeasured"}
    assert "baseline" in found["fast"].verdict.reason
    assert "hung" in found["fast"].verdict.reason


def test_a_baseline_that_dies_in_the_first_block(stage: Stage) -> None:
    """Nothing is left to compare with, and that is what every variant says."""

    def dies() -> Iterator[float]:
        yield from [4.0] * 2
        raise WorkerError("its worker was killed by SIGKILL")

    found = stage.run(baseline=dies(), fast=1.0)
    assert {each.verdict.status for each in found.values()} == {"unmeasured"}
    assert "SIGKILL" in found["fast"].verdict.reason


def test_a_slow_baseline_is_not_measured_beyond_the_budget(stage: Stage) -> None:
    """Where one block is all there is time for, the baseline alone gets no more either."""
    found = stage.run(baseline=600.0, fast=1.0, budget=60.0)
    assert len(found[BASELINE].variant_passes) == 2


def test_other_work_is_not_timed(stage: Stage) -> None:
    """A variant that fails the check is unmeasured, with the reason."""
    found = stage.run(baseline=4.0, cheat=1.0, checks={"cheat": "3 images are missing"})
    assert found["cheat"].verdict.status == "unmeasured"
    assert "3 images are missing" in found["cheat"].verdict.reason
    assert stage.workers["cheat"].asked == 0


def test_work_is_checked_before_amid_and_after(stage: Stage) -> None:
    """Before anything is timed, at a drawn pass, and when the last has been: all at different times."""
    stage.run(baseline=4.0, fast=1.0)
    for name in (BASELINE, "fast"):
        worker = stage.workers[name]
        assert len(worker.checked_after) == 3
        assert worker.checked_after[0] == 0
        assert worker.checked_after[1] > FEWEST_WARMUP_PASSES
        assert worker.checked_after[2] == worker.asked


def test_what_holds_variants_back_is_looked_for_last(stage: Stage) -> None:
    """Nothing is timed or checked any more then, and each worker ends when it has been looked at."""

    class Looks:
        asked: tuple[int, ...] = ()

        def hold(self, contestants: Any, running: Any, spec: Any, done_with: Any) -> None:
            self.asked = tuple(stage.workers[name].asked for name in (BASELINE, "fast"))
            for each in contestants:
                assert spec(each.variant, False).cache_dir.name == each.variant.name
                done_with(each.head)
                assert stage.workers[each.variant.name].ended
                assert each.head not in running

    looks = Looks()
    found = stage.run(baseline=4.0, fast=1.0, rehearsals=looks)
    assert looks.asked == tuple(stage.workers[name].asked for name in (BASELINE, "fast"))
    assert min(looks.asked) > 0
    assert statuses(found) == {BASELINE: "pass", "fast": "pass"}
    only_checked = Looks()
    stage.run(baseline=4.0, fast=1.0, rehearsals=only_checked, only_check="xdist is at work")
    assert only_checked.asked == ()


@pytest.mark.parametrize("honest", [1, 2])
def test_a_variant_that_is_honest_at_first(honest: int, stage: Stage) -> None:
    """It is unmeasured as soon as a check finds it out, be it the last one; the others are not."""
    checks: dict[str, Checks] = {"cheat": chain(repeat("", honest), repeat("3 images are missing"))}
    found = stage.run(baseline=4.0, fast=1.0, cheat=1.0, checks=checks)
    assert found["cheat"].verdict.status == "unmeasured"
    assert "3 images are missing" in found["cheat"].verdict.reason
    assert found["fast"].verdict.status == found[BASELINE].verdict.status == "pass"


def test_only_check(stage: Stage) -> None:
    """Where nothing may be timed, work is checked and nobody passes."""
    found = stage.run(baseline=4.0, fast=1.0, cheat=1.0, only_check="switched off", checks={"cheat": "bad"})
    assert {each.verdict.status for each in found.values()} == {"unmeasured"}
    assert found["fast"].verdict.reason == "switched off"
    assert "bad" in found["cheat"].verdict.reason
    assert stage.journal == []


def test_the_baseline_alone(stage: Stage) -> None:
    """The baseline is measured even if nothing is compared with it."""
    found = stage.run(baseline=4.0)
    assert len(found[BASELINE].variant_passes) == 2 * FEWEST_BLOCKS
    assert found[BASELINE].verdict.status == "pass"


def test_an_interrupt_ends_every_worker(stage: Stage) -> None:
    """Ctrl-C in the middle of a pass leaves no process."""

    def interrupted() -> Iterator[float]:
        yield from [1.0] * 4
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage.run(baseline=4.0, fast=interrupted(), other=2.0)
    assert all(worker.ended for worker in stage.workers.values())


def test_one_round_of_looks_uses_one_reading(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is judged after a block, and however often, is told the same of other programs."""
    told: list[tuple[int, float | None]] = []
    judge = Rules.judge

    def noting(
        rules: Rules, variant: Variant, estimate: Estimate, last: bool, others: float | None
    ) -> Verdict | None:
        told.append((stage.readings, others))
        return judge(rules, variant, estimate, last, others)

    monkeypatch.setattr(Rules, "judge", noting)
    readings = (0.1 + number / 1000 for number in count(1))
    found = stage.run(baseline=noisy(4.0), slow=noisy(3.5), slower=noisy(3.9), others=readings)
    assert statuses(found)["slow"] == statuses(found)["slower"] == "fail"
    assert stage.readings == len(found[BASELINE].variant_passes) // 2
    assert len(told) > 2 * stage.readings  # two variants, and again by the surer interval
    assert all(others == pytest.approx(0.1 + reading / 1000) for reading, others in told)


def test_it_says_how_long_it_may_take(stage: Stage) -> None:
    """What is left shrinks, and the text says what is being done."""
    stage.run(baseline=4.0, near=cycle(AROUND), floor=2**0.5, budget=1000.0)
    timing = [text for text in stage.reports if "timing near" in text]
    assert timing[0] == "block 1, 0 of 1 decided, timing near, at most 16:40 left"
    assert "block 71, 0 of 1 decided" in timing[-1]
    assert "at most 0:" in timing[-1]


# Head and base.


def statuses(found: dict[str, Measurement]) -> dict[str, str]:
    """Return the verdicts' statuses, by variant."""
    return {name: measurement.verdict.status for name, measurement in found.items()}


def outcomes(found: dict[str, Measurement]) -> dict[str, dict[str, str]]:
    """Return the outcome of each figure that was compared, by variant."""
    return {
        name: {change.figure: change.outcome for change in measurement.verdict.changes}
        for name, measurement in found.items()
    }


def test_only_what_has_become_slower_fails(stage: Stage) -> None:
    """Each variant is held against its own base; the floors of all are cleared."""
    found = stage.run(
        baseline=noisy(4.0),
        slower=noisy(1.1),
        same=noisy(1.0),
        faster=noisy(0.9),
        new=noisy(1.0),
        base={"baseline": noisy(4.0), "slower": noisy(1.0), "same": noisy(1.0), "faster": noisy(1.0)},
    )
    assert statuses(found) == {
        BASELINE: "pass",
        "slower": "fail",
        "same": "pass",
        "faster": "pass",
        "new": "pass",
    }
    seconds = {name: changes.get("seconds") for name, changes in outcomes(found).items()}
    assert seconds == {
        BASELINE: "same",
        "slower": "regression",
        "same": "same",
        "faster": "improvement",
        "new": None,
    }
    change = found["slower"].verdict.changes[0].estimate
    assert change is not None
    assert change.ratio == pytest.approx(1.1)
    assert "seconds 1.100 times base's" in found["slower"].verdict.reason
    # Base is done when the change is known, head goes on until its floor is cleared.
    assert 2 * FEWEST_BLOCKS <= len(found["slower"].base_passes) <= len(found["slower"].variant_passes)
    assert all(worker.ended for worker in stage.workers.values())


def test_head_and_base_are_neighbours(stage: Stage) -> None:
    """In every block both run next to each other, and in the other order in its second half.

    Neither is always started anew before the other.
    """
    stage.run(baseline=4.0, fast=1.0, other=1.0, base={"fast": 1.0})
    timed = [*stage.journal]
    anew = ("fast anew", "fast_at_base anew")
    first = set()
    while "fast anew" in timed:  # and so is base; a pass warms each of them up
        start = min(map(timed.index, anew))
        first.add(timed[start])
        assert {*timed[start : start + 4]} == {"fast anew", "fast_at_base anew", "fast", "fast_at_base"}
        del timed[start : start + 4]
    assert first == {*anew}
    timed = timed[4 * FEWEST_WARMUP_PASSES :][: FEWEST_BLOCKS * 8]
    for block in blocks_of(timed, names=4):
        assert block[4:] == block[3::-1]
        places = sorted(block[:4].index(name) for name in ("fast", "fast_at_base"))
        assert places[1] - places[0] == 1


def test_fresh_processes_go_on(stage: Stage) -> None:
    """Head and base are ended and started anew after each block, and nothing of their passes is lost."""
    found = stage.run(
        baseline=4.0, near=cycle([1.0, 1.2, 0.8]), base={"near": cycle([1.2, 0.8, 1.0, 1.0])}, budget=60.0
    )
    blocks = len(found["near"].variant_passes) // 2
    for name in ("near", "near_at_base"):
        assert stage.journal.count(f"{name} anew") == blocks - 1 > 10
        # A pass warms each of them up.
        assert stage.journal.count(name) >= 2 * blocks + FEWEST_WARMUP_PASSES + blocks - 1
    assert f"{BASELINE} anew" not in stage.journal
    assert len(found["near"].base_passes) == 2 * blocks


def test_the_baseline_rests(stage: Stage) -> None:
    """When the speedups are decided and only changes are not, nobody needs it any more, nor a limit."""
    found = stage.run(
        baseline=4.0,
        near=cycle([1.0, 1.2, 0.8]),
        limit=0.5,
        base={"near": cycle([1.2, 0.8, 1.0, 1.0])},
        budget=60.0,
    )
    near, limit = found["near"], found["limit"]
    assert len(near.variant_passes) > len(near.baseline_passes)
    assert len(near.baseline_passes) == len(found[BASELINE].variant_passes) == len(limit.variant_passes)
    last = max(index for index, name in enumerate(stage.journal) if name in (BASELINE, "limit"))
    assert {*stage.journal[last + 1 :]} == {"near", "near_at_base", "near anew", "near_at_base anew"}
    assert near.verdict.estimate is not None
    assert near.verdict.estimate.ratio == pytest.approx(4.0, rel=0.2)
    assert near.share is not None


def test_a_process_that_cannot_be_renewed(stage: Stage) -> None:
    """Base is lost then, and head is measured on."""

    def dies() -> Iterator[float]:
        yield from [1.0, 1.2, 1.1] * 3
        raise WorkerError("its worker was killed by SIGKILL")

    found = stage.run(baseline=4.0, near=cycle([1.0, 1.2, 0.8]), base={"near": dies()}, budget=60.0)
    assert found["near"].verdict.status == "undecided"
    assert "SIGKILL" in found["near"].verdict.reason


def test_cpu_and_first_batch_are_compared_too(stage: Stage) -> None:
    """Of made-up workers they change as the seconds do, and have tolerances of their own."""
    found = stage.run(baseline=4.0, slower=1.1, base={"slower": 1.0})
    assert outcomes(found)["slower"] == {
        "seconds": "regression",
        "CPU seconds": "regression",
        "first batch": "slower",
        "seconds with teardown": "slower",
        "peak memory": "same",
    }


def test_an_epoch_that_was_ready_makes_no_pass_longer(stage: Stage) -> None:
    """A loader that has decoded it in advance seems fast once: its passes would be of 64 epochs."""
    found = stage.run(baseline=4.0, prefetcher=chain([0.0003], cycle([0.3])))
    assert {timing.epochs for timing in found["prefetcher"].variant_passes} == {1}


def test_a_worker_that_works_on_is_not_measured(stage: Stage) -> None:
    """It takes cores from the others' passes, so that it is ended at once."""
    found = stage.run(baseline=noisy(4.0), prefetcher=noisy(1.0), fast=noisy(1.0), works_on="prefetcher")
    assert found["prefetcher"].verdict.status == "unmeasured"
    assert "it works when it should be idle" in found["prefetcher"].verdict.reason
    assert stage.workers["prefetcher"].asked < 10
    assert found["fast"].verdict.status == "pass"


def test_a_baseline_that_works_on(stage: Stage) -> None:
    """Nothing has a speedup then."""
    found = stage.run(baseline=noisy(4.0), fast=noisy(1.0), works_on=BASELINE)
    assert {each.verdict.status for each in found.values()} == {"unmeasured"}
    assert "could not be measured: it works when it should be idle" in found["fast"].verdict.reason


def test_a_base_that_works_on(stage: Stage) -> None:
    """That is base's problem alone: head is held to its floor."""
    found = stage.run(
        baseline=noisy(4.0), fast=noisy(1.0), base={"fast": noisy(1.0)}, works_on="fast_at_base"
    )
    assert found["fast"].verdict.status == "undecided"
    assert "at base, it works when it should be idle" in found["fast"].verdict.reason


def test_a_worker_that_works_on_after_its_last_pass(stage: Stage) -> None:
    """It is heard of when its work is checked for the last time, and no figure of it counts."""
    found = stage.run(baseline=noisy(4.0), fast=noisy(1.0), other=noisy(1.0), rests_not="fast")
    assert found["fast"].verdict.status == "unmeasured"
    assert found["fast"].verdict.reason.startswith("it works when it should be idle: after its last pass")
    assert found["other"].verdict.status == "pass"


def test_a_base_that_fails_is_said(stage: Stage) -> None:
    """Head is measured against its floor all the same, and nobody passes silently."""
    found = stage.run(baseline=4.0, fast=1.0, base={"fast": WorkerError("its worker hung")})
    assert found["fast"].verdict.status == "undecided"
    assert "not compared with base: at base, its worker hung" in found["fast"].verdict.reason
    assert len(found["fast"].variant_passes) == 2 * FIRST_LOOK
    assert stage.workers["fast_at_base"].ended


def test_a_base_that_cannot_even_be_started(stage: Stage) -> None:
    """There may be no dump for it to read: head is measured, and nobody passes silently."""
    found = stage.run(baseline=4.0, fast=1.0, base={"fast": 1.0}, missing="fast_at_base")
    assert found["fast"].verdict.status == "undecided"
    assert "not compared with base: at base, its dump could not be written" in found["fast"].verdict.reason
    assert len(found["fast"].variant_passes) == 2 * FIRST_LOOK


def test_a_base_that_does_other_work_is_not_compared(stage: Stage) -> None:
    """Seconds of other work say nothing of a change."""
    checks = {"fast_at_base": "3 images are missing"}
    found = stage.run(baseline=4.0, fast=1.0, base={"fast": 0.5}, checks=checks)
    assert found["fast"].verdict.status == "undecided"
    assert "3 images are missing" in found["fast"].verdict.reason
    assert stage.workers["fast_at_base"].asked == 0


def test_the_budget_of_a_comparison(stage: Stage) -> None:
    """It counts passes of head and base: the baseline's are everybody's."""
    found = stage.run(
        baseline=40.0, near=cycle([1.0, 1.2, 0.8]), base={"near": cycle([1.2, 0.8, 1.0, 1.0])}, budget=60.0
    )
    passes = (*found["near"].variant_passes, *found["near"].base_passes)
    assert sum(each.seconds for each in passes) <= 60.0 + 4 * 1.2  # a block may take longer than usual
    assert len(found["near"].variant_passes) > 2 * FEWEST_BLOCKS


def test_a_baseline_that_has_become_slower(stage: Stage) -> None:
    """It is compared like any other, even when nothing else is measured."""
    found = stage.run(baseline=noisy(4.4), base={"baseline": noisy(4.0)})
    assert found[BASELINE].verdict.status == "fail"
    assert "1.100 times base's" in found[BASELINE].verdict.reason


def test_nothing_is_a_change_in_the_first_seconds(stage: Stage) -> None:
    """However many short blocks there are."""
    for seconds in (0.05, 5.0):
        found = stage.run(
            baseline=4.0, slower=noisy(1.2 * seconds, 0.01), base={"slower": noisy(seconds, 0.01)}
        )
        passes = found["slower"].variant_passes + found["slower"].base_passes
        measured = sum(timing.seconds * timing.epochs for timing in passes)
        assert statuses(found)["slower"] == "fail"
        assert measured >= EARLIEST_CHANGE_SECONDS


def test_an_improvement_that_is_not_sure(stage: Stage) -> None:
    """It is none, but nobody has to look into it either: even the strict gate lets it through."""
    moods = in_turn(noisy(1.6, 0.01), noisy(2.0, 0.01))
    found = stage.run(baseline=4.0, faster=moods, base={"faster": noisy(2.0, 0.01)}, budget=200)
    assert outcomes(found)["faster"]["seconds"] == "same"
    assert statuses(found)["faster"] == "pass"


def test_processes_whose_cpu_seconds_differ(stage: Stage) -> None:
    """Of made-up workers they change as the seconds do: what is not the code in these is none in those."""
    moods = in_turn(noisy(2.7, 0.01), noisy(1.5, 0.01))
    found = stage.run(baseline=4.0, slower=moods, base={"slower": noisy(2.0, 0.01)})
    assert outcomes(found)["slower"]["CPU seconds"] == "same"


def test_room_for_few_pairs_of_processes(stage: Stage) -> None:
    """A large tree has few blocks: they are looked at once, and have to do."""
    found = stage.run(baseline=30.0, slower=noisy(12.0, 0.01), base={"slower": noisy(10.0, 0.01)}, budget=250)
    assert len(found["slower"].base_passes) <= 10
    assert outcomes(found)["slower"]["seconds"] == "regression"


def test_beside_other_programs_a_change_takes_longer(stage: Stage) -> None:
    """A slowdown is found all the same, when three times as much of the machine has been seen."""
    found = stage.run(baseline=4.0, slower=noisy(2.4, 0.01), base={"slower": noisy(2.0, 0.01)}, others=0.4)
    passes = found["slower"].variant_passes + found["slower"].base_passes
    assert outcomes(found)["slower"]["seconds"] == "regression"
    assert sum(timing.seconds for timing in passes) >= EARLIEST_WHEN_BUSY_SECONDS


def test_processes_that_differ(stage: Stage) -> None:
    """One in two is a third slower, the other as much faster: however many there are, that is no code."""
    moods = in_turn(noisy(2.7, 0.01), noisy(1.5, 0.01))
    found = stage.run(baseline=4.0, slower=moods, base={"slower": noisy(2.0, 0.01)})
    assert outcomes(found)["slower"]["seconds"] == "undecided"
    assert "too uncertain to rule out a regression" in found["slower"].verdict.reason


def test_few_blocks_are_looked_at_once(stage: Stage) -> None:
    """Where the budget has room for a handful, all of them are measured and then tell more."""
    room = FEWEST_TO_LOOK_EARLY // 2
    found = stage.run(
        baseline=noisy(40.0), fast=noisy(10.0), slow=noisy(35.0), floor=2.0, budget=room * 170.0
    )
    assert statuses(found) == {BASELINE: "pass", "fast": "pass", "slow": "fail"}
    assert room <= len(found["slow"].variant_passes) // 2 < FEWEST_TO_LOOK_EARLY


# A machine that moves.


def moving() -> Iterator[float]:
    """Return a baseline whose second pass of each block takes longer."""
    yield from [4.0] * 2
    yield from cycle([4.0, 5.0, 4.0, 5.1])


def test_a_machine_that_moves_may_be_to_blame(stage: Stage) -> None:
    """It is measured on to the end, and the reason is said."""
    found = stage.run(baseline=moving(), slow=noisy(3.4), budget=200.0)
    assert statuses(found) == {BASELINE: "pass", "slow": "undecided"}
    assert "the machine moved under the measurement: the baseline's" in found["slow"].verdict.reason
    assert len(found["slow"].variant_passes) > 2 * 8


def test_contaminated_blocks_alone_fail_nobody(stage: Stage) -> None:
    """Blocks in which all but base was disturbed do not make a regression; the quiet ones decide."""
    quiet, bad = [4.0, 4.0], [4.0, 9.0]
    found = stage.run(
        baseline=chain([4.0] * 2, quiet * 2, bad * 3, repeat(4.0)),
        fine=chain([1.0] * 2, noisy_list(4), [3.0] * 6, noisy(1.0, 0.01)),
        base={"fine": noisy(1.0, 0.01)},
    )
    assert found["fine"].verdict.status == "pass"
    assert outcomes(found)["fine"]["seconds"] == "same"


def noisy_list(passes: int) -> list[float]:
    """Return the first passes of a quiet loader."""
    return list(islice(noisy(1.0, 0.01), passes))


# Limits, which others are held against.

NEVER_DECIDED = (2.0, 2.0, 4.0, 4.0)


def share(found: Measurement) -> Share:
    """Return the share of its limit that a variant reaches."""
    assert found.share is not None
    return found.share


def test_a_limit_stays_until_all_that_it_bounds_are_decided(stage: Stage) -> None:
    """Every variant is paired with it in all of its own blocks."""
    found = stage.run(baseline=4.0, clear=1.0, near=cycle(NEVER_DECIDED), limit=0.5)
    blocks = {name: len(each.variant_passes) // 2 for name, each in found.items()}
    assert FEWEST_BLOCKS <= blocks["clear"] < blocks["near"] == blocks["limit"]
    assert share(found["clear"]).estimate.blocks == blocks["clear"]
    assert share(found["near"]).estimate.blocks == blocks["near"]
    assert share(found[BASELINE]).estimate.ratio == pytest.approx(0.5 / 4.0)
    assert found["limit"].share is None
    assert found["limit"].verdict.status == "pass"


def test_a_limit_is_looked_at_once(stage: Stage) -> None:
    """So its own interval is a plain one, narrower than that of a variant that may be looked at often."""
    found = stage.run(baseline=4.0, fast=cycle([0.9, 1.0, 1.1]), limit=cycle([0.9, 1.0, 1.1]))
    limit, fast = (found[name].verdict.estimate for name in ("limit", "fast"))
    assert limit is not None
    assert fast is not None
    assert 0 < limit.half_width < fast.half_width / 3


def test_a_limit_of_other_kinds_does_not_wait(stage: Stage) -> None:
    """It leaves at its first look, and nobody has a share of it."""
    found = stage.run(baseline=4.0, near=cycle(NEVER_DECIDED), limit=0.5, bounds=("dump", "memory"))
    assert len(found["near"].variant_passes) > 2 * FEWEST_BLOCKS
    assert len(found["limit"].variant_passes) == 2 * FEWEST_BLOCKS
    assert all(each.share is None for each in found.values())


def test_a_limit_takes_no_budget_of_its_own(stage: Stage) -> None:
    """However long it takes, it is there as long as others are."""
    found = stage.run(baseline=4.0, near=cycle(NEVER_DECIDED), limit=40.0, budget=100.0)
    assert len(found["limit"].variant_passes) == len(found["near"].variant_passes) > 2 * FEWEST_BLOCKS


def test_a_limit_that_fails_costs_only_its_shares(stage: Stage) -> None:
    """The variants have their verdicts all the same."""
    found = stage.run(baseline=4.0, fast=1.0, limit=WorkerError("its worker hung"), limit_read=0.1)
    assert found["limit"].verdict.status == "unmeasured"
    assert found["fast"].verdict.status == "pass"
    assert share(found["fast"]).limit == "limit_read"


def test_limits_alone(stage: Stage) -> None:
    """They are measured even if nothing else is."""
    found = stage.run(baseline=4.0, limit=0.5)
    assert found["limit"].verdict.status == "pass"
    assert share(found[BASELINE]).estimate.ratio == pytest.approx(0.125)


def test_a_limit_beside_a_comparison(stage: Stage) -> None:
    """It has no base, and is measured until the speedup is decided, not for as long as head and base."""
    base: dict[str, Seconds] = {"near": cycle([1.2, 0.8, 1.0, 1.0])}
    found = stage.run(baseline=4.0, near=cycle([1.0, 1.2, 0.8]), limit=0.5, base=base, budget=60.0)
    limit, near = found["limit"], found["near"]
    assert len(limit.variant_passes) == len(near.baseline_passes) < len(near.variant_passes)
    assert share(near).estimate.ratio == pytest.approx(0.5, rel=0.2)
    assert limit.base_passes == ()


@pytest.mark.parametrize(
    ("is_cold", "written", "finds"), [(False, 7, True), (True, 7, False), (True, 0, True)]
)
def test_what_is_read_ahead_makes_no_part(is_cold: bool, written: int, finds: bool, tmp_path: Path) -> None:
    """An epoch that reads an archive from a disk is timed as a whole, however long; others may be parted."""
    asked: list[dict[str, Any]] = []

    class Noting(FakeWorker):
        def open(self, _: Tree, spec: Spec, *__: Any) -> dict[str, Any]:
            (spec.cache_dir / "archive").write_bytes(b"x" * written)
            return {"kind": "streaming", "build_seconds": 0.5, "imported": {}}

        def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
            if do == "pass":
                asked.append(arguments)
            return super().ask(do, **arguments)

    tree = Tree(tmp_path, tuple(f"a/{number}.jpg" for number in range(200)), (0,) * 200, ("a",), "digest")
    workers = FakeWorkers({"mine": Noting("mine", 1.0, [])}, tmp_path)
    runner = Runner(workers, Job(tree, tmp_path, DRAIN, is_cold=is_cold), lambda _: None)
    runner.warm_up(runner.start([Variant("mine", "made_up")]), 60.0)
    assert ("part" in asked[0]) == finds
    assert asked[0]["cold"] == is_cold
