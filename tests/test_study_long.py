"""The study over made-up traces: what it records, replays, plants, holds and writes."""

from __future__ import annotations

import gzip
import io
import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any
from unittest.mock import create_autospec

import pytest

from docs.study import __main__ as command
from docs.study import coverage, live, planted
from docs.study import record as recording
from docs.study import replay as replaying
from docs.study.errors import StudyError
from docs.study.processes import between_processes
from docs.study.rates import Rate, quantile
from docs.study.report import FILE as TABLE
from docs.study.report import write_report
from docs.study.rivals import asv_continuous, drawn, mann_whitney, pytest_benchmark
from docs.study.settings import (
    CHOSEN,
    alternatives,
    applied,
    geometric_looks,
    median_estimate,
    spent_at,
)
from docs.study.trace import About, Trace, load_trace, save_trace
from docs.study.virtual import (
    EVERY,
    PACE,
    Situation,
    Theatre,
    ordinary_blocks,
    resampled,
    true_log_speedup,
)
from loader_gate.doctor.recording import Pair, Recording
from loader_gate.doctor.virtual import slowed
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation import looks
from loader_gate.rotation import pace as paces
from loader_gate.rotation.looks import EARLIEST_CHANGE_SECONDS
from loader_gate.same_work.reference import build_reference
from loader_gate.statistics import counts, sequences
from loader_gate.statistics.estimate import log_ratios
from loader_gate.trees.tree import Tree
from loader_gate.worker.process import WorkerError
from loader_gate.worker.timing import PassTiming

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from loader_gate.worker.forked import Fork

FAST, DUMP = "tfdata_no_cache", "tfdata_file_cache"
PROJECT = Path(__file__).parents[1]
SIZES = replaying.Sizes(same=10, slowed=4, setting=1)


def one_pass(seconds: float, **others: Any) -> PassTiming:
    """Return a pass with figures that go with its seconds."""
    timing = PassTiming(round(seconds, 6), round(seconds / 8, 6), 0.02, round(2 * seconds, 6), 500_000_000, 1)
    return replace(timing, **others)


def made_up_trace(noise: float = 0.03, sessions: int = 2, blocks: int = 40, drift: float = 0.0) -> Trace:
    """Return a trace of normal noise and of a machine that slows down steadily by ``drift`` a session."""
    chance = random.Random(0)  # noqa: S311 (noise, no secret)

    def passes(seconds: float) -> tuple[PassTiming, ...]:
        return tuple(
            one_pass(seconds * math.exp(chance.gauss(0, noise) + drift * number / (2 * blocks)))
            for number in range(2 * blocks)
        )

    def session(number: int) -> Recording:
        pairs = {FAST: Pair(passes(0.3), passes(0.3)), DUMP: Pair(passes(0.1), passes(0.1))}
        return Recording(f"2024-05-0{number + 1}T10:00+00:00", "quiet", passes(0.6), pairs)

    about = About("a machine", "f" * 16, {"python": "3.11"}, "d" * 32, 256, 224, 32, (FAST, DUMP))
    return Trace(about, tuple(session(number) for number in range(sessions)))


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Return a trace of a quiet machine."""
    return made_up_trace()


@pytest.fixture(scope="module")
def trace_file(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same trace in a file."""
    path = tmp_path_factory.mktemp("study") / "trace.json.gz"
    save_trace(trace, path)
    return path


@pytest.fixture(scope="module")
def replayed(trace_file: Path) -> replaying.Replay:
    """Return what a small replay of the trace finds."""
    return replaying.replay(trace_file, PACE, SIZES, jobs=1, stream=io.StringIO())


# --- traces ------------------------------------------------------------------------------------------------


def test_a_trace_survives_its_file(trace: Trace, trace_file: Path) -> None:
    """What is loaded is what was saved; equal traces make equal files."""
    assert load_trace(trace_file) == trace
    before = trace_file.read_bytes()
    save_trace(trace, trace_file)
    assert trace_file.read_bytes() == before
    assert [path.name for path in trace_file.parent.iterdir()] == [trace_file.name]


def _shorten(document: dict[str, Any]) -> None:
    document["recordings"][0]["variants"][FAST]["head"]["seconds"].pop()


def _lose_a_variant(document: dict[str, Any]) -> None:
    del document["recordings"][1]["variants"][DUMP]


def _stop_the_clock(document: dict[str, Any]) -> None:
    document["recordings"][0]["baseline"]["seconds"][3] = 0


def _grow_old(document: dict[str, Any]) -> None:
    document["schema"] = 0


@pytest.mark.parametrize("damage", [_shorten, _lose_a_variant, _stop_the_clock, _grow_old])
def test_a_damaged_trace_is_named(trace_file: Path, tmp_path: Path, damage: Any) -> None:
    """An error names the file and says what to do."""
    document = json.loads(gzip.decompress(trace_file.read_bytes()))
    damage(document)
    path = tmp_path / "damaged.json.gz"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    with pytest.raises(StudyError, match=r"damaged\.json\.gz.*remove it and make a new one"):
        load_trace(path)


def test_half_a_trace_is_named(trace_file: Path, tmp_path: Path) -> None:
    """So is a file that was cut off, and one that is not there."""
    path = tmp_path / "half.json.gz"
    path.write_bytes(trace_file.read_bytes()[:1000])
    with pytest.raises(StudyError, match=r"half\.json\.gz"):
        load_trace(path)
    with pytest.raises(StudyError, match="there is no trace"):
        load_trace(tmp_path / "none.json.gz")


# --- recording ---------------------------------------------------------------------------------------------


class FakeWorker:
    """Answers with noisy passes."""

    pid = 0

    def __init__(
        self,
        variant: Variant,
        fork: Fork | None,  # noqa: ARG002 (nothing is started)
        dies_after: float = math.inf,
    ) -> None:
        self.variant, self.left = variant, dies_after
        self.folder = Path()

    def open(self, tree: Tree, spec: Spec, consumer: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Be built."""
        assert (spec.image_size, len(tree), consumer["name"], seed) == ((224, 224), 24, "drain", 0)
        self.folder = spec.cache_dir
        return {"kind": "streaming", "build_seconds": 0.5, "imported": {}}

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Answer one request."""
        if do == "check":
            return {"reason": None, "median_psnr": 40.0}
        if do == "recall":
            return {}
        self.left -= 1
        if self.left < 0:
            raise WorkerError("its worker was killed by SIGKILL")
        seconds = {BASELINE: 0.6}.get(self.variant.name, 0.3) + self.left % 7 / 100 if self.left < 99 else 0.3
        timing = one_pass(seconds, epochs=arguments["epochs"])
        return {name: getattr(timing, name) for name in timing.__dataclass_fields__}

    def close(self) -> None:
        """Begin to end."""

    def end(self) -> None:
        """End."""


@pytest.fixture
def recorder(tiny_tree: Tree, monkeypatch: pytest.MonkeyPatch) -> recording.Recorder:
    """Return a recorder of made-up workers, which look at no reference."""
    monkeypatch.setattr(recording, "build_reference", create_autospec(build_reference))
    variants = [Variant(name, f"loader_gate.variants.{name}") for name in (BASELINE, FAST)]
    return recording.Recorder(tiny_tree, variants, 5, FakeWorker, io.StringIO())


def test_recording_goes_on_where_it_was(recorder: recording.Recorder, tmp_path: Path) -> None:
    """Sessions are added until there are enough; each has all of its blocks, of fresh workers."""
    path = tmp_path / "new" / "trace.json.gz"
    started: list[FakeWorker] = []

    def start(variant: Variant, fork: Fork | None) -> FakeWorker:
        started.append(FakeWorker(variant, fork))
        return started[-1]

    recorder = replace(recorder, start=start)
    recording.record(recorder, path, 1)
    # Fresh ones for each of 5 blocks, but of the baseline.
    assert [worker.variant.name for worker in started] == [BASELINE, *[FAST] * 10]
    assert len({worker.folder for worker in started}) == 3
    first = load_trace(path).recordings[0]
    assert first.blocks == 5
    assert len(first.variants[FAST].head) == len(first.variants[FAST].base) == 10
    assert len(recording.record(recorder, path, 3).recordings) == 3
    assert load_trace(path).recordings[0] == first
    assert len(started) == 33
    assert len(recording.record(recorder, path, 3).recordings) == 3
    assert len(started) == 33


def test_recording_may_be_longer_than_a_session(recorder: recording.Recorder) -> None:
    """The most blocks of a session do not hold here, and hold again afterwards."""
    most = counts.MOST_BLOCKS
    assert replace(recorder, blocks=most + 20).session("Recording").blocks == most + 20
    assert most == counts.MOST_BLOCKS


def test_a_trace_names_nobody(recorder: recording.Recorder, tmp_path: Path) -> None:
    """There is no path in a trace, and no name of host or user."""
    import getpass
    import platform

    path = tmp_path / "trace.json.gz"
    recording.record(recorder, path, 1)
    text = gzip.decompress(path.read_bytes()).decode()
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text
    assert f'"{getpass.getuser()}"' not in text
    assert f'"{platform.node()}"' not in text


def test_another_recording_is_not_mixed_in(recorder: recording.Recorder, tmp_path: Path) -> None:
    """A trace is of one machine and one set of variants."""
    path = tmp_path / "trace.json.gz"
    save_trace(made_up_trace(), path)
    with pytest.raises(StudyError, match=r"trace\.json\.gz was recorded on another machine"):
        recording.record(recorder, path, 3)


@pytest.mark.parametrize("arm", [1, 2])
def test_a_worker_that_dies_ends_the_recording(
    recorder: recording.Recorder, tmp_path: Path, arm: int
) -> None:
    """Half a session is not kept, and the error says which variant it was, be it head or base."""
    started: list[FakeWorker] = []

    def start(variant: Variant, fork: Fork | None) -> FakeWorker:
        started.append(FakeWorker(variant, fork, 3 if len(started) == arm else math.inf))
        return started[-1]

    path = tmp_path / "trace.json.gz"
    with pytest.raises(StudyError, match=FAST):
        recording.record(replace(recorder, start=start), path, 1)
    assert not path.exists()


@pytest.mark.parametrize("name", ["tfdata_nothing", BASELINE])
def test_unknown_variants_are_refused(name: str) -> None:
    """Before anything is prepared, and with the known names; the baseline is recorded anyway."""
    with pytest.raises(StudyError, match=f"{name}: expected some of .*{FAST}"):
        recording.recorder_of([name], 10)


# --- replaying ---------------------------------------------------------------------------------------------


def test_resampled_blocks_come_in_runs() -> None:
    """About one block in ten begins a new run; every block is drawn about equally often."""
    drawn_blocks = resampled(20, 20_000, random.Random(1))  # noqa: S311 (noise, no secret)
    breaks = sum((before + 1) % 20 != after for before, after in pairwise(drawn_blocks))
    # A new run begins where the old one would have gone on once in 20 times.
    assert breaks / 20_000 == pytest.approx(0.1 * 19 / 20, abs=0.01)
    assert min(map(drawn_blocks.count, range(20))) > 800


def test_a_slowdown_slows_what_takes_time() -> None:
    """Not the teardown, and not memory."""
    found = slowed(one_pass(1.0), 0.10)
    assert found == one_pass(1.1, teardown_seconds=0.02, first_batch_seconds=pytest.approx(0.1375))


def test_planted_slowdowns_are_found_and_the_same_code_is_not(replayed: replaying.Replay) -> None:
    """On a quiet machine every session is right."""
    assert replayed.tally(Situation(EVERY)).statuses == {"pass": SIZES.same}
    for name in (FAST, DUMP):
        same = replayed.tally(Situation(name))
        assert same.sessions == SIZES.same
        assert same.outcome("regression").count == same.outcome("improvement").count == 0
        expected = {"seconds", "CPU seconds", "first batch", "seconds with teardown", "peak memory"}
        assert set(same.outcomes) == expected
        for slowdown in (0.05, 0.10, 0.20):
            slower = replayed.tally(Situation(name, slowdown))
            assert slower.outcome("regression").share == slower.status("fail").share == 1
            # A little beyond the tolerance takes longer than the least there is.
            most = (5 if slowdown == 0.05 else 2.5) * EARLIEST_CHANGE_SECONDS
            assert EARLIEST_CHANGE_SECONDS <= slower.median_seconds.value < most
            assert slower.median_with_baseline.value > slower.median_seconds.value
            assert len(slower.seconds) == 101
            assert list(slower.seconds) == sorted(slower.seconds)


def test_floors_are_replayed_too(replayed: replaying.Replay) -> None:
    """Above its floor a variant does not fail, below it does not pass."""
    above, at, below = replaying.FLOORS
    for own_truth in (False, True):
        found = replayed.tally(Situation(FAST, floor=above, own_truth=own_truth))
        assert found.status("fail").count == 0
        assert found.status("pass").count > 0
        assert replayed.tally(Situation(FAST, floor=below, own_truth=own_truth)).status("pass").count == 0
        assert replayed.tally(Situation(FAST, floor=at, own_truth=own_truth)).status("undecided").share > 0.5


def test_the_true_speedup_is_of_all_ordinary_blocks() -> None:
    """A slow baseline counts wherever it is, but right after a start of processes."""
    quiet = [one_pass(0.6 * 1.01 ** (number % 3)) for number in range(80)]
    slow = [one_pass(1.2) for _ in range(2)]
    ordinary = ordinary_blocks(Recording("2024", "quiet", tuple(quiet), {}), 6)
    passes = tuple(one_pass(0.3) for _ in range(80))

    def truth(blocks: Iterable[int], of_a_process: int = 6) -> float:
        baseline = list(quiet)
        for block in blocks:
            baseline[2 * block : 2 * block + 2] = slow
        return true_log_speedup(
            [Recording("2024", "quiet", tuple(baseline), {FAST: Pair(passes, passes)})], FAST, of_a_process
        )

    assert truth(range(0, 40, 6)) == pytest.approx(truth([]))
    assert truth(range(0, 40, 6), of_a_process=1) > truth([]) + 0.005
    assert truth([]) == pytest.approx(math.log(2), abs=0.02)
    assert truth(ordinary[::7]) > truth([]) + 0.005


# --- coverage ----------------------------------------------------------------------------------------------


def test_made_up_passes_are_as_noisy_as_they_say() -> None:
    """The spread of blocks, what neighbours have in common, and which side has slow passes."""
    import numpy as np

    def blocks_of(noise: coverage.Noise) -> NDArray[np.float64]:
        return np.array(log_ratios(*noise.passes(20_000, np.random.default_rng(1))))

    for noise in coverage.NOISES[:2]:
        assert blocks_of(noise).std() == pytest.approx(coverage.SD, rel=0.2)
        assert noise.truth() == pytest.approx(0, abs=0.003)
    alike = blocks_of(coverage.Noise("", resembling=0.4))
    assert np.corrcoef(alike[1:], alike[:-1])[0, 1] == pytest.approx(0.4, abs=0.03)
    moody = blocks_of(coverage.Noise("", moods=True))
    assert np.corrcoef(moody[1:], moody[:-1])[0, 1] > 0.1
    mean = 0.05 * math.log(2)
    assert blocks_of(coverage.Noise("", baseline=0.05)).mean() == pytest.approx(mean, rel=0.1)
    assert blocks_of(coverage.Noise("", variant=0.05)).mean() == pytest.approx(-mean, rel=0.1)


def test_a_session_meets_several_floors_at_once() -> None:
    """Each is decided as if it were alone, and what is far from the speedup is soon decided."""
    import numpy as np

    passes = coverage.Noise("normal").passes(60, np.random.default_rng(3))
    found = coverage.hold(passes, 0.0, 60)
    alone = coverage.hold(passes, 0.0, 60, (coverage.FAR_ABOVE,))
    assert found.decided[coverage.FAR_ABOVE] == alone.decided[coverage.FAR_ABOVE]
    assert found.verdict(coverage.FAR_ABOVE, 60) == "pass"
    assert found.verdict(coverage.FAR_BELOW, 60) == "fail"
    assert found.verdict(coverage.FAR_ABOVE, 4) == found.verdict(coverage.AT, 60) == "undecided"
    assert found.missed == set()
    once = coverage.hold((passes[0][:16], passes[1][:16]), 0.0, coverage.ONCE)
    assert set(once.logs) == {coverage.ONCE}


def test_the_command_writes_the_table_of_coverage(
    trace_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of made-up noise and of the recordings that there are."""
    monkeypatch.setattr(coverage, "NOISES", coverage.NOISES[:1])  # all would take long
    (tmp_path / "trace.json.gz").write_bytes(trace_file.read_bytes())
    assert command.main(["coverage", "--folder", str(tmp_path), "--sessions", "1"]) == 0
    table = (tmp_path / coverage.FILE).read_text(encoding="utf-8")
    assert f"| calm, {FAST} 1, head | 60 |" in table
    assert all(f"| {noise.name} | 12 |" in table for noise in coverage.NOISES)
    assert all(f"| {setting} | calm |" in table for setting in coverage.OTHERS)
    assert "nan" not in table


def test_a_replay_depends_on_its_seed_alone(trace_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes find what one finds."""
    monkeypatch.setattr(replaying, "alternatives", lambda: alternatives()[:1])  # all would take long
    monkeypatch.setattr(replaying, "SLOWDOWNS", (0.05,))
    monkeypatch.setattr(replaying, "CHUNK", 2)
    sizes = replaying.Sizes(same=3, slowed=1, setting=1)
    alone, together, other = (
        replaying.replay(trace_file, PACE, sizes, seed=seed, jobs=jobs, stream=io.StringIO())
        for seed, jobs in ((0, 1), (0, 2), (1, 1))
    )
    assert alone == together
    assert alone.tallies != other.tallies


def test_the_passes_of_a_block_stay_together(trace: Trace) -> None:
    """The real rotation gets the passes of the drawn blocks, whatever the order in a block."""
    flat = tuple(one_pass(0.6) for _ in range(80))
    ramp = [one_pass(0.03 * (1 + number // 2)) for number in range(80)]
    steps = Pair(tuple(ramp), tuple(ramp))
    recordings = (Recording("2024", "quiet", flat, {FAST: steps}),)
    theatre = Theatre(Trace(replace(trace.about, variants=(FAST,)), recordings), PACE)
    # Head and base are equal in each block however much blocks differ: there is nothing to be uncertain of.
    found = theatre.session(Situation(FAST), "seed")
    assert found.changes["seconds"] == "same"


def test_a_replay_survives_its_file(replayed: replaying.Replay, tmp_path: Path) -> None:
    """What is loaded is what was saved; a damaged one is named."""
    path = tmp_path / "replay.json"
    replaying.save_replay(replayed, path)
    assert replaying.load_replay(path) == replayed
    path.write_text(path.read_text(encoding="utf-8")[:500], encoding="utf-8")
    with pytest.raises(StudyError, match=r"replay\.json is not a replay"):
        replaying.load_replay(path)


# --- settings ----------------------------------------------------------------------------------------------


def test_settings_hold_for_a_while() -> None:
    """Every name is put back, even after an error."""
    names = [
        (paces, "failing_error"),
        (looks, "EARLIEST_CHANGE_SECONDS"),
        (looks, "robust_estimate_at_any_look"),
        (sequences, "CLIPPED_AT"),
        (sequences, "evidence"),
    ]
    before = [getattr(module, name) for module, name in names]
    for other in alternatives():
        assert other != CHOSEN
        with pytest.raises(KeyError), applied(other, 70):  # noqa: PT012 (what holds meanwhile is the point)
            assert [getattr(module, name) for module, name in names] != before
            raise KeyError
        assert [getattr(module, name) for module, name in names] == before
    with applied(CHOSEN, 70):
        assert [getattr(module, name) for module, name in names] == before


def test_settings_differ_in_what_they_estimate() -> None:
    """Blocks are means of pairs; a union bound knows the plan, and a median its own interval."""
    ratios = [0.01 * (number % 5) for number in range(40)]
    found = {}
    for setting in alternatives():
        with applied(setting, 30):
            found[setting.name] = getattr(looks, "robust_estimate_at_any_look")(ratios, 0.05, 2)  # noqa: B009
    assert {each.blocks for each in found.values()} == {20}
    assert found["union bound, median"].ratio == pytest.approx(math.exp(0.02), rel=0.005)
    early, late = (found[f"union bound, power {power}"] for power in (1, 4))
    assert found["mean, t-test"].ratio == pytest.approx(math.exp(fmean(ratios)))
    assert early.half_width != late.half_width
    assert found["union bound, geometric looks"].low == 0  # there is no look after 20 blocks


@pytest.mark.parametrize("planned", [4, 5, 40, 100])
def test_fewer_looks_spend_the_same_error(planned: int) -> None:
    """What looks in between would have had goes to the next one."""
    looks = geometric_looks(planned)
    spent = {blocks: spent_at(blocks, planned, 3, geometric=True) for blocks in range(4, planned + 1)}
    assert math.fsum(spent.values()) == pytest.approx(1)
    assert tuple(blocks for blocks, share in spent.items() if share) == looks
    assert looks[-1] == planned
    every = [spent_at(blocks, planned, 3) for blocks in range(4, planned + 1)]
    assert math.fsum(every) == pytest.approx(1)
    assert min(every) > 0


def test_the_median_has_the_interval_of_order_statistics() -> None:
    """Of ten values the second and second to last, which miss in 2.1 %: 2 (1 + 10) / 2 to the 10th."""
    ratios = [math.log(value) for value in range(1, 11)]
    found = median_estimate(ratios, 0.0215)
    assert [found.low, found.high, found.blocks] == pytest.approx([2, 9, 10])
    assert found.ratio == pytest.approx(math.sqrt(30))
    assert median_estimate(ratios, 0.0214).low == pytest.approx(1)
    assert (median_estimate(ratios, 0.0001).low, median_estimate(ratios, 0.0001).high) == (0, math.inf)


# --- rates -------------------------------------------------------------------------------------------------


def test_rates_have_exact_intervals() -> None:
    """No event in n has the upper end 1 - 0.025 ** (1 / n), by hand."""
    none = Rate(0, 40)
    assert [none.low, none.high] == pytest.approx([0, 1 - 0.025 ** (1 / 40)])
    assert [Rate(40, 40).low, Rate(40, 40).high] == pytest.approx([0.025 ** (1 / 40), 1])
    assert str(Rate(5, 10)) == "50.0 % (18.7 to 81.3)"
    assert str(Rate(0, 0)) == "–"


def test_quantiles_have_intervals_of_order_statistics() -> None:
    """Of ten values the median's interval is from the second to the ninth."""
    found = quantile(list(range(10, 0, -1)), 0.5)
    assert (found.value, found.low, found.high) == (5, 2, 9)
    assert quantile([3.0], 0.95).high == 3
    with pytest.raises(ValueError, match="no value"):
        quantile([], 0.5)


# --- rivals ------------------------------------------------------------------------------------------------


def test_pytest_benchmark_compares_means() -> None:
    """More than 5 % above is worse, 5 % is not."""
    import numpy as np

    base = np.array([1.0, 3.0])
    assert pytest_benchmark(base, np.array([1.0, 3.22]))
    assert not pytest_benchmark(base, np.array([1.0, 3.19]))


def test_asv_wants_a_factor_and_a_test() -> None:
    """Seven samples that are all larger have p = 2 / 3,432; six have 2 / 924, above 0.002."""
    import numpy as np

    base = np.linspace(1.0, 1.02, 10)
    assert asv_continuous(base, 1.12 * base)
    assert not asv_continuous(base, 1.09 * base)
    mixed = np.where(np.arange(10) < 6, 1.2, 0.9)  # its median is above the factor, and p is far above 0.002
    assert not asv_continuous(base, mixed)
    assert not asv_continuous(base[:5], 2 * base[:5])
    assert not asv_continuous(base[:6], 2 * base[:6])
    assert asv_continuous(base[:7], 2 * base[:7])
    many = np.linspace(1.0, 1.02, 30)
    assert list(asv_continuous(np.array([many, many]), np.array([many, 1.2 * many]))) == [False, True]


def test_mann_whitney_wants_a_slower_median() -> None:
    """Four samples that are all larger have p = 2 / 70 = 0.029; three have 0.1."""
    import numpy as np

    base = np.array([1.0, 1.1, 1.2, 1.3])
    assert mann_whitney(base, base + 1)
    assert not mann_whitney(base + 1, base)
    assert not mann_whitney(base[:3], base[:3] + 1)


def test_rivals_see_two_windows_or_the_same_blocks() -> None:
    """Base first and head afterwards takes a drift for a change; interleaved passes do not."""
    import numpy as np

    drifting = made_up_trace(noise=0.001, drift=0.4)
    base, head = drawn(drifting, FAST, "base first", 40, 100, seed=0)
    assert base.shape == head.shape == (100, 40)
    later = np.abs(np.log(head.mean(axis=1) / base.mean(axis=1)))
    assert np.median(later) > 0.05
    base, head = drawn(drifting, FAST, "interleaved", 40, 100, seed=0)
    assert np.abs(np.log(head / base)).max() < 0.01
    # Two windows that do not overlap have at most half a session each.
    assert drawn(drifting, FAST, "base first", 200, 2, seed=0)[0].shape == (2, 40)


def test_rivals_stand_beside_the_gate(replayed: replaying.Replay) -> None:
    """Each rule is asked about each slowdown in either order, with the gate's number of passes."""
    assert len(replayed.findings) == 2 * 6 * 2 * 3
    for finding in replayed.findings:
        gate = replayed.tally(Situation(finding.variant, finding.slowdown))
        assert finding.passes == min(2 * gate.blocks, 40 if finding.order == "base first" else 200)
        assert finding.draws == SIZES.slowed
        if finding.slowdown == 0.2:
            assert finding.rate.share == 1


# --- planted slowdowns -------------------------------------------------------------------------------------


def test_a_slowdown_is_planted_once() -> None:
    """The variant's text gets it, is still Python, and nothing else of it changes."""
    text = (PROJECT / planted.FILE).read_text(encoding="utf-8")
    slow = planted.planted(text, 0.05)
    compile(slow, planted.FILE, "exec")
    assert "round(0.05 * len(tree))" in slow
    kept = set(text.splitlines()) - set(slow.splitlines())
    assert kept == {"    return files.map(decode, num_parallel_calls=tf.data.AUTOTUNE)"}
    with pytest.raises(StudyError, match=rf"{planted.FILE} has changed"):
        planted.planted(slow, 0.05)


def test_a_loader_burns_its_share(tiny_tree: Tree, tmp_path: Path) -> None:
    """It loads the same images, and takes longer by what is planted."""
    text = (PROJECT / "docs" / "study" / planted.LOADER_FILE).read_text(encoding="utf-8")
    slow = planted.planted(text, 1.0, planted.LOADER)
    assert len(set(text.splitlines()) ^ set(slow.splitlines())) == 2
    spec = Spec((32, 32), 5, shuffle=False, seed=0, cache_dir=tmp_path)
    seconds = []
    for source in (text, slow):
        names: dict[str, Any] = {"__name__": planted.LOADER}
        exec(compile(source, planted.LOADER_FILE, "exec"), names)  # noqa: S102 (text of our own)
        took = []
        for _ in range(3):
            start = time.thread_time()
            shapes = [(images.shape, labels.shape) for images, labels in names["burning"](tiny_tree, spec)]
            took.append(time.thread_time() - start)
        assert shapes == [((5, 32, 32, 3), (5, 2))] * 4 + [((4, 32, 32, 3), (4, 2))]
        seconds.append(min(took))
    assert seconds[1] > 1.2 * seconds[0]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_a_slowdown_is_a_share(share: float) -> None:
    """Nothing, and more than everything, cannot be planted."""
    with pytest.raises(StudyError, match="planted slowdown"):
        planted.planted("", share)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.3, 1.0])
def test_images_that_are_decoded_twice_are_spread(share: float) -> None:
    """The rule that is planted picks as many as asked for, evenly."""
    twice = round(share * 256)
    again = [index for index in range(256) if index * twice % 256 < twice]
    assert len(again) == twice
    gaps = [after - before for before, after in pairwise(again)]
    assert max(gaps) - min(gaps) <= 1


# --- live sessions -----------------------------------------------------------------------------------------

STUB = """
import json, sys
from pathlib import Path
text = Path("src/loader_gate/variants/tfdata_no_cache.py").read_text()
slow = "twice = round" in text
assert sys.argv[sys.argv.index("--against") + 1] == "HEAD"
assert sys.argv[sys.argv.index("--tolerance") + 1] == "1"
benchmarks = []
for variant in sys.argv[sys.argv.index("-k") + 1].split(" or "):
    slower = slow and variant == "[tfdata_no_cache]"
    info = {
        "variant": variant.strip("[]"), "workload": "loading", "verdict": "fail" if slower else "pass",
        "blocks": 4, "reason": "because", "change": 1.06 if slower else 1.0, "change_low": 1.0,
        "change_high": 1.1, "change_outcome": "regression" if slower else "same",
        "variant_seconds": [0.3] * 8, "base_seconds": [0.2] * 8, "epochs": 2,
        "baseline_seconds": [0.6] * 8, "teardown_seconds": 0.1,
    }
    benchmarks.append({"extra_info": info})
books = sys.argv[sys.argv.index("--benchmark-json") + 1]
Path(books).write_text(json.dumps({"benchmarks": benchmarks}))
sys.exit(slow)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with the variant that slowdowns are planted in, and little else."""
    folder = tmp_path_factory.mktemp("project")
    module = folder / planted.FILE
    module.parent.mkdir(parents=True)
    module.write_text((PROJECT / planted.FILE).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "not-tracked.txt").write_text("mine", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)  # noqa: S607 (as the study finds it)
    subprocess.run(["git", "add", planted.FILE], cwd=folder, check=True)  # noqa: S607
    return folder


def stage_of(repository: Path, tmp_path: Path, program: str) -> live.Stage:
    """Return a stage whose command is a program of the test."""
    stub = tmp_path / "stub.py"
    stub.write_text(program, encoding="utf-8")
    return live.Stage(repository, PACE, command=(sys.executable, str(stub)))


def test_live_sessions_go_on_where_they_were(project: Path, tmp_path: Path) -> None:
    """Kinds take turns, each session is a line, and none is held twice."""
    path = tmp_path / "new" / "live.jsonl"
    planned = live.interleaved([0.05], 2, 1)
    assert planned == [0.0, 0.05, 0.05]
    assert live.interleaved([0.05, 0.1], 3, 2) == [0.0, 0.05, 0.0, 0.1, 0.05]
    with live.throw_away_repository(project) as repository:
        assert not (repository / "not-tracked.txt").exists()
        stage = stage_of(repository, tmp_path, STUB)
        live.hold_sessions(stage, [FAST, DUMP], planned[:2], path, io.StringIO())
        first = live.load_live(path)
        live.hold_sessions(stage, [FAST, DUMP], planned, path, io.StringIO())
    assert not repository.exists()
    sessions = live.load_live(path)
    assert sessions[:4] == first
    calm, slowed, other = live.Kind(FAST, 0.0), live.Kind(FAST, 0.05), live.Kind(DUMP, 0.0)
    assert [session.kind for session in sessions] == [calm, other, slowed, other, slowed, other]
    assert [session.outcome for session in sessions] == ["same", "same", *["regression", "same"] * 2]
    assert [session.exit_code for session in sessions] == [0, 0, 1, 1, 1, 1]
    assert [session.planted for session in sessions] == [0.0, 0.0, *[0.05] * 4]
    assert sessions[0].seconds == pytest.approx(2 * (8 * 0.3 + 8 * 0.2 + 16 * 0.1))
    assert sessions[0].with_baseline == pytest.approx(sessions[0].seconds + 8 * 0.6)


def test_live_sessions_without_a_verdict_are_kept_and_end_it(project: Path, tmp_path: Path) -> None:
    """One may happen and is held again; several in a row say that something is wrong."""
    path = tmp_path / "live.jsonl"
    planned = live.interleaved([], 0, 5)
    with live.throw_away_repository(project) as repository:
        program = "import os; print('no room in', os.getcwd()); raise SystemExit(3)"
        stage = stage_of(repository, tmp_path, program)
        with pytest.raises(StudyError, match=r"3 live sessions in a row.*no room in \.$"):
            live.hold_sessions(stage, [FAST], planned, path, io.StringIO())
        assert [session.status for session in live.load_live(path)] == ["error"] * 3
        live.hold_sessions(stage_of(repository, tmp_path, STUB), [FAST], planned, path, io.StringIO())
    sessions = live.load_live(path)
    assert [session.status for session in sessions] == ["error"] * 3 + ["pass"] * 5
    assert str(tmp_path) not in path.read_text(encoding="utf-8")


def test_live_sessions_of_other_options_are_not_mixed_in(project: Path, tmp_path: Path) -> None:
    """A file has one machine and one set of options."""
    path = tmp_path / "live.jsonl"
    with live.throw_away_repository(project) as repository:
        stage = stage_of(repository, tmp_path, STUB)
        live.hold_sessions(stage, [FAST], [0.0], path, io.StringIO())
        other = replace(stage, pace=replace(PACE, tolerance=0.05))
        with pytest.raises(StudyError, match=r"live\.jsonl holds sessions .* other options"):
            live.hold_sessions(other, [FAST], [], path, io.StringIO())


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    """With its number."""
    path = tmp_path / "live.jsonl"
    path.write_text('{"variant": 1}\n', encoding="utf-8")
    with pytest.raises(StudyError, match=r"live\.jsonl, line 1,.*remove the line"):
        live.load_live(path)


def test_a_folder_that_is_no_checkout(tmp_path: Path) -> None:
    """Live sessions need one."""
    with (
        pytest.raises(StudyError, match="run from a checkout"),
        live.throw_away_repository(tmp_path),
    ):
        pass


# --- processes ---------------------------------------------------------------------------------------------


def test_processes_that_differ_are_found() -> None:
    """What every other pair of processes has over the rest shows beside the noise of blocks, and only it."""
    trace = made_up_trace(noise=0.03, sessions=2, blocks=60)

    def unequal(recording: Recording) -> Recording:
        pair = recording.variants[FAST]
        run = 2 * trace.about.blocks_a_process
        head = tuple(slowed(each, 0.06 * (number // run % 2)) for number, each in enumerate(pair.head))
        return replace(recording, variants={**recording.variants, FAST: replace(pair, head=head)})

    trace = replace(trace, recordings=tuple(map(unequal, trace.recordings)))
    found, other = (between_processes(trace, name) for name in (FAST, DUMP))
    assert found.pairs == other.pairs == 20
    # Head / base of one pass each scatters by more than one pass does.
    assert found.passes == pytest.approx(0.03 * math.sqrt(2), rel=0.3)
    assert found.between == pytest.approx(0.03, rel=0.4)
    assert found.chance < 0.001
    assert other.between < 0.01
    assert other.chance > 0.01


def test_one_pair_of_processes() -> None:
    """Nothing can be said of what pairs differ by."""
    trace = made_up_trace(sessions=1, blocks=6)
    found = between_processes(trace, FAST)
    assert (found.pairs, found.between, found.chance) == (1, 0.0, 1.0)


# --- the report --------------------------------------------------------------------------------------------


def live_session(slowdown: float, outcome: str) -> live.LiveSession:
    """Return a live session."""
    status = "fail" if outcome == "regression" else "pass"
    return live.LiveSession(
        FAST,
        slowdown,
        slowdown,
        32,
        "2024-05-09T10:00+00:00",
        "f" * 16,
        9.5,
        1.25,
        0.03,
        90.0,
        60.0,
        0,
        status,
        outcome,
        1.0 + slowdown,
    )


def test_the_report_writes_every_file_the_same_way(
    trace: Trace, replayed: replaying.Replay, tmp_path: Path
) -> None:
    """Tables and plots; twice the same, byte by byte."""
    pytest.importorskip("matplotlib")
    sessions = [*[live_session(0.0, "same")] * 3, *[live_session(0.05, "regression")] * 3]
    for folder in ("one", "two"):
        write_report(trace, replayed, sessions, tmp_path / folder)
    written = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert set(written) == {TABLE, "noise.svg", "same-code.svg", "detection.svg", "time-to-verdict.svg"}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    table = written[TABLE].decode()
    assert "| 5 % slower: found | at least 99 % | 100.00 % (39.76 to 100.00) | yes |" in table
    assert "| the same, live, in 40 sessions | none | 0 of 3 | so far |" in table
    assert "from 2024-05-01 to 2024-05-02" in table
    assert "6 live sessions on 2024-05-09" in table
    assert all(f"]({name})" in table for name in written if name.endswith(".svg"))
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert all(line.count(" | ") > 2 for line in lines)
    assert all(b"<svg" in content for name, content in written.items() if name.endswith(".svg"))


def test_the_command_replays_and_reports(
    trace_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder with a trace to a folder with a report; without a trace it says what to do."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(replaying, "alternatives", lambda: alternatives()[:1])  # all would take long
    assert command.main(["replay", "--folder", str(tmp_path)]) == 1
    assert "python -m docs.study record" in capsys.readouterr().err
    (tmp_path / "trace.json.gz").write_bytes(trace_file.read_bytes())
    sizes = ["--sessions", "3", "--slowed", "2", "--setting", "1", "--jobs", "1"]
    assert command.main(["replay", "--folder", str(tmp_path), *sizes]) == 0
    assert command.main(["report", "--folder", str(tmp_path)]) == 0
    assert "not tried" in (tmp_path / TABLE).read_text(encoding="utf-8")


def test_steps_have_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Every step explains itself, and refuses numbers that make no sense."""
    for step in (*command.STEPS, "all"):
        with pytest.raises(SystemExit, match="0"):
            command.main([step, "--help"])
        assert "--folder" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        command.main(["record", "--sessions", "0"])
    assert "expected a whole number above 0" in capsys.readouterr().err
