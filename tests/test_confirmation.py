"""A session that goes on with an earlier one: what it knows, what it refuses, and how surely it is right."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from loader_gate.base.base import Base
from loader_gate.registry.variant import BASELINE
from loader_gate.rotation.looks import EARLIEST_CHANGE_SECONDS, look
from loader_gate.rotation.measurement import Measurement
from loader_gate.rotation.pace import Pace
from loader_gate.runs.confirmation import ConfirmError, read_earlier_run
from loader_gate.runs.saved import Checkout
from loader_gate.statistics.counts import FEWEST_BLOCKS
from loader_gate.statistics.estimate import TO_DEVIATION, Estimate
from loader_gate.statistics.sequences import (
    BETS,
    CLIPPED_AT,
    ERROR,
    robust_estimate_at_any_look,
)
from loader_gate.statistics.session_error import SESSION_ERROR, failing_error
from loader_gate.verdict.change import RESOLUTION, Change
from loader_gate.verdict.earlier import EarlierSessions, PairedSeconds, confirmed
from loader_gate.verdict.rules import Rules
from loader_gate.verdict.verdict import Verdict
from tests.compared_suite import FILE, MEMORY, STREAMING, Suite, suite_in
from tests.made_up_passes import contestant
from tests.made_up_runs import benchmark, changed, made_up_run
from tests.test_statistics import drifting, heavy_tailed, normal

pytest_plugins = ("pytester",)

COMMIT, BASE = "c0ffee" * 6, "beef" * 10
TOLERANCE = 0.03


def noise(count: int, ratio: float = 1.0, deviation: float = 0.05, seed: int = 1) -> list[float]:
    """Return log-ratios of pairs of passes around a ratio."""
    rng = np.random.default_rng(seed)
    return [float(each) for each in rng.normal(math.log(ratio), deviation, count)]


# The interval of several sessions.


def evidence(log_ratios: Sequence[float], log_ratio: float, side: int) -> float:
    """Return the log of a session's e-value that the true ratio is beyond one, on a side, by the formula."""
    data = np.array(log_ratios)
    bound = CLIPPED_AT * TO_DEVIATION * np.median(np.abs(data - np.median(data)))
    scores = side * np.clip((data - log_ratio) / bound, -1, 1).reshape(-1, 2).mean(axis=1)
    return float(np.log(np.mean([np.prod(np.exp(bet * scores) / np.cosh(bet * scores)) for bet in BETS])))


def test_evidence_multiplies() -> None:
    """At the ends of the interval, that of all sessions together is just what chance allows."""
    sessions = noise(40), noise(60, 1.01, 0.1, seed=2), noise(12, seed=3)
    found = robust_estimate_at_any_look(sessions[0], ERROR, 2, sessions[1:])
    for end, side in ((found.low, 1), (found.high, -1)):
        together = sum(evidence(each, math.log(end), side) for each in sessions)
        assert together == pytest.approx(math.log(2 / ERROR), abs=1e-3)
    assert found.low < found.ratio < found.high
    assert found.blocks == 56


def test_without_an_earlier_session_nothing_is_another() -> None:
    """And one that has seen next to nothing has next to no say."""
    alone = robust_estimate_at_any_look(noise(40), ERROR, 2)
    assert robust_estimate_at_any_look(noise(40), ERROR, 2, ()) == alone
    hardly = robust_estimate_at_any_look(noise(40), ERROR, 2, [noise(2, 5.0)])
    assert hardly.low == pytest.approx(alone.low, rel=0.02)
    assert hardly.high == pytest.approx(alone.high, rel=0.02)


def test_the_order_of_sessions_does_not_matter() -> None:
    """Nor which of them is the one that is being measured; together they know more than each."""
    one, other = noise(40), noise(60, 1.01, 0.1, seed=2)
    found = robust_estimate_at_any_look(one, ERROR, 2, [other])
    swapped = robust_estimate_at_any_look(other, ERROR, 2, [one])
    assert [found.low, found.ratio, found.high] == pytest.approx([swapped.low, swapped.ratio, swapped.high])
    for alone in (one, other):
        assert found.half_width < robust_estimate_at_any_look(alone, ERROR, 2).half_width


def test_the_calmer_session_has_the_greater_say() -> None:
    """The ratio that is shown is nearer to its middle, as often as it is sooner known."""
    calm, wild = noise(40, 1.0, 0.01), noise(40, 1.1, 0.1, seed=2)
    found = robust_estimate_at_any_look(wild, ERROR, 2, [calm])
    assert found.ratio == pytest.approx(1.0, abs=0.01)


def test_sessions_that_contradict_each_other_tell_nothing() -> None:
    """No ratio is left that both allow, and none is made up."""
    found = robust_estimate_at_any_look(noise(60, 1.0, 0.01), ERROR, 2, [noise(60, 1.2, 0.01)])
    assert (found.low, found.high) == (0.0, math.inf)
    assert 1.0 < found.ratio < 1.2


Noise = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]


def rerun_until(
    noise: Noise, sessions: int, blocks: int, error: float, stop: float | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which reruns ever have an interval below the true ratio, and which ever one above it.

    Args:
        noise: Of a pass.
        sessions: How many there are, each of which takes all before it into account.
        blocks: How many a session has at most; it is looked at after every other one.
        error: Of the interval.
        stop: A session ends early once it is proven to be beyond this, as a log-ratio to the true one.
    """
    count = 3000
    rng = np.random.default_rng(7)
    known, known_of_stop = np.zeros((2, 2, count))
    below, above = np.zeros((2, count), dtype=bool)
    for _ in range(sessions):
        passes = noise(rng, (count, 4 * blocks)).reshape(count, blocks, 4)
        pairs = np.stack([passes[:, :, 0] - passes[:, :, 1], passes[:, :, 3] - passes[:, :, 2]], axis=2)
        rows, running = pairs.reshape(count, 2 * blocks), np.ones(count, dtype=bool)
        own, own_of_stop = np.zeros((2, 2, count))
        for seen in range(FEWEST_BLOCKS, blocks + 1, 2):
            data = rows[:, : 2 * seen]
            deviations = np.abs(data - np.median(data, axis=1, keepdims=True))
            bound = CLIPPED_AT * TO_DEVIATION * np.median(deviations, axis=1, keepdims=True)
            found = np.array([_evidence_of_rows(data, each, bound) for each in (0.0, stop or 0.0)])
            own, own_of_stop = np.where(running, found, [own, own_of_stop])
            above |= known[0] + own[0] > math.log(2 / error)
            below |= known[1] + own[1] > math.log(2 / error)
            if stop is not None:
                running &= known_of_stop[0] + own_of_stop[0] <= math.log(2 / failing_error(17))
        known, known_of_stop = known + own, known_of_stop + own_of_stop
    return below, above


def _evidence_of_rows(
    rows: NDArray[np.float64], log_ratio: float, bound: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the evidence of each session that the true ratio is larger, and that it is smaller."""
    scores = np.clip((rows - log_ratio) / bound, -1, 1).reshape(len(rows), -1, 2).mean(axis=2)
    won = [[np.exp(bet * side) / np.cosh(bet * side) for bet in BETS] for side in (scores, -scores)]
    found: NDArray[np.float64] = np.log(np.mean(np.prod(won, axis=3), axis=1))
    return found


@pytest.mark.parametrize("noise", [normal, heavy_tailed, drifting])
@pytest.mark.parametrize(("sessions", "blocks"), [(5, 20), (15, FEWEST_BLOCKS)])
def test_a_rerun_turns_nothing_green_by_luck(noise: Noise, sessions: int, blocks: int) -> None:
    """What is slower by the tolerance and 2 % is ever called the same in 2.5 % of reruns at most."""
    beyond = math.log((1 + TOLERANCE) / (1 + TOLERANCE + RESOLUTION))
    for stop in (None, beyond):  # it ends as soon as it is clear, or when the budget does
        below, above = rerun_until(noise, sessions, blocks, ERROR, stop)
        assert below.mean() <= ERROR / 2
        assert above.mean() <= ERROR / 2


@pytest.mark.parametrize("noise", [normal, heavy_tailed, drifting])
def test_reruns_together_have_the_error_of_a_session(noise: Noise) -> None:
    """Where nothing has changed, none of five in a row fails but with the error that a session has."""
    _, above = rerun_until(noise, 5, 20, failing_error(1), stop=None)
    assert above.mean() <= SESSION_ERROR


# Looks.

NAME = "mine"
RULES = Rules({NAME: 1.5}, cores=2)
PACE = Pace(1e6, tolerance=TOLERANCE)
FEW = 8


def going_on(
    head: float,
    earlier: Sequence[Sequence[float]],
    blocks: int = FEW,
    pace: Pace = PACE,
    deviation: float = 0.02,
) -> Change | None:
    """Return what became of the seconds of a variant that goes on with earlier sessions."""
    ratios = noise(2 * blocks, head, deviation, seed=5)
    seen = contestant(NAME, lambda number: math.exp(ratios[number]), base=1.0, baseline=4.0, blocks=blocks)
    seen.earlier = earlier
    return look(seen, RULES, pace, None).change


def test_a_session_goes_on_where_another_has_ended() -> None:
    """What neither can tell by itself, both can."""
    earlier = noise(12, 1.0, 0.06)
    assert robust_estimate_at_any_look(earlier, ERROR, 2).high > 1 + TOLERANCE + RESOLUTION
    assert going_on(1.0, [], deviation=0.06) is None
    change = going_on(1.0, [earlier], deviation=0.06)
    assert change is not None
    assert change.outcome == "same"
    assert change.estimate is not None
    assert change.estimate.blocks == 6 + FEW


def test_what_was_proven_is_no_news() -> None:
    """It is a regression at the first look, and confirmed only by passes of the later session."""
    proven = [noise(100, 1.2, 0.02)]
    seconds = EARLIEST_CHANGE_SECONDS / 4
    assert going_on(1.2, proven, FEWEST_BLOCKS - 1) is None
    agreed = going_on(1.2, proven, round(seconds) + FEW)
    assert agreed is not None
    assert agreed.outcome == "regression"
    assert going_on(1.0, [noise(100, 1.06, 0.02)], 4) is None


def test_sessions_that_contradict_each_other() -> None:
    """In the end it is undecided, which leaves a regression one."""
    change = going_on(1.0, [noise(100, 1.3, 0.02)], 30, Pace(1e6, TOLERANCE, most_blocks=30))
    assert change is not None
    assert change.outcome == "undecided"
    assert "contradict each other" in change.reason


def test_few_blocks_go_on_in_a_sequence() -> None:
    """They would be looked at once, by Student's t, which no later session could go on with."""
    pace = Pace(6 * 4.0, tolerance=TOLERANCE)
    earlier = noise(12, 1.0, 0.02)
    alone, together = going_on(1.0, [], 6, pace), going_on(1.0, [earlier], 6, pace)
    assert alone is not None
    assert together is not None
    assert together.estimate == robust_estimate_at_any_look(noise(12, 1.0, 0.02, seed=5), ERROR, 2, [earlier])
    assert alone.estimate != together.estimate


# What stays failed.


def verdict(*changes: Change) -> Verdict:
    """Return a pass with such changes."""
    return Verdict("pass", 1.5, Estimate(2.0, 1.9, 2.1, FEW), "which clears its floor of 1.50", changes)


def seconds(outcome: Any) -> Change:
    """Return such a change of the seconds."""
    return Change("seconds", outcome, Estimate(1.02, 0.99, 1.06, FEW), TOLERANCE, "not known")


@pytest.mark.parametrize(
    ("now", "status"), [("same", "pass"), ("slower", "pass"), ("improvement", "pass"), ("undecided", "fail")]
)
def test_what_failed_stays_failed_until_it_is_ruled_out(now: str, status: str) -> None:
    """A later session that cannot tell changes nothing, and the one after it sees a regression."""
    found = confirmed(verdict(seconds(now)), EarlierSessions("run.json", (), {"seconds": TOLERANCE}))
    assert found.status == status
    assert found.changes[0].outcome == (now if status == "pass" else "regression")
    assert "a regression in run.json" in found.reason
    assert confirmed(verdict(seconds("undecided")), EarlierSessions("run.json")).status == "pass"


def test_a_figure_that_is_not_compared_any_more() -> None:
    """As the machine moved, say, or base failed: it stays a regression, and is one in the JSON."""
    earlier = EarlierSessions("run.json", (), {"CPU seconds": 0.05})
    found = confirmed(verdict(seconds("same")), earlier)
    assert [change.outcome for change in found.changes] == ["same", "regression"]
    assert found.status == "fail"
    none = confirmed(verdict(seconds("same"), Change("CPU seconds", "same", None, 0.05)), earlier)
    assert none.status == "pass"
    assert "CPU seconds a regression in run.json, and none any more" in none.reason


def test_all_that_is_known_of_what_failed() -> None:
    """Each figure for itself, in one reason; what is a regression anew says so by itself."""
    earlier = EarlierSessions("run.json", (), {"seconds": 0.03, "CPU seconds": 0.05, "first batch": 0.2})
    again = Change("CPU seconds", "regression", Estimate(1.2, 1.1, 1.3, FEW), 0.05)
    before = verdict(seconds("undecided"), again, Change("first batch", "same", None, 0.2))
    found = confirmed(before, earlier)
    stays = replace(
        seconds("undecided"),
        outcome="regression",
        reason="a regression in run.json that is not ruled out here, so it stays one",
    )
    assert found == replace(
        before,
        status="fail",
        reason=f"{before.reason}; {stays}; first batch a regression in run.json, and none any more",
        changes=(stays, *before.changes[1:]),
    )
    forgotten = confirmed(verdict(), EarlierSessions("run.json", (), {"seconds": 0.04})).changes
    assert forgotten == (Change("seconds", "regression", None, 0.04, stays.reason),)


def test_what_is_not_measured_fails_anyway() -> None:
    """Its reason is its own."""
    crashed = replace(verdict(), status="unmeasured")
    assert confirmed(crashed, EarlierSessions("run.json", (), {"seconds": TOLERANCE})) is crashed


# The run that is gone on with.


def earlier_run(**more: Any) -> dict[str, Any]:
    """Return a run against base in which one was undecided, one a regression, and two the same."""
    about = {"base_revision": BASE, "tree": "0123456789abcdef" * 4}
    found = made_up_run()
    found["commit_info"] = {"id": COMMIT, "branch": "main", "dirty": False}
    found["loader_gate"] = {"schema": 1, "comparisons": 40, "unmeasured": [], "device": "auto"}
    found["benchmarks"] = [
        benchmark(BASELINE, **changed(1.0, "same"), **about),
        benchmark(STREAMING, verdict="undecided", **changed(1.02, "undecided"), **about),
        benchmark(MEMORY, verdict="fail", **changed(1.12, "regression"), **about),
        benchmark(FILE, **changed(1.0, "same"), **about),
    ]
    return {**found, **more}


def written(folder: Path, data: object, name: str = "run.json") -> Path:
    """Write a run, and return its file."""
    file = folder / name
    file.write_text(json.dumps(data), encoding="utf-8")
    return file


def test_what_a_run_has_left_open(tmp_path: Path) -> None:
    """What was undecided or failed, with the seconds of both sides, as far as base was measured."""
    data = earlier_run()
    info = data["benchmarks"][1]["extra_info"]
    info["base_seconds"] = info["base_seconds"][:12]
    info["earlier_sessions"] = [{"variant_seconds": [0.2] * 8, "base_seconds": [0.1] * 8}]
    data["loader_gate"]["unmeasured"] = [
        {"workload": "loading", "variant": "crashed", "reason": "it crashed"}
    ]
    data["loader_gate"]["slower"] = [{"workload": "loading", "variant": FILE, "reason": "slower than before"}]
    run = read_earlier_run(written(tmp_path, data))
    names = {variant for _, variant in run.left_open}
    assert names == {STREAMING, MEMORY, FILE, "crashed"}
    first, second = run.left_open["loading", STREAMING].sessions
    assert first.log_ratios == pytest.approx([math.log(2)] * 8)
    assert second.head == tuple(info["variant_seconds"][:12])
    assert len(second.base) == 12
    assert run.left_open["loading", MEMORY].failed == {"seconds": TOLERANCE}
    assert run.left_open["loading", STREAMING].failed == {}
    assert run.comparisons == 40


def without(data: dict[str, Any], *path: Any) -> dict[str, Any]:
    """Return a run without what is at the end of a path."""
    found = copy.deepcopy(data)
    inner: Any = found
    for each in path[:-1]:
        inner = inner[each]
    del inner[path[-1]]
    return found


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "it holds no object"),
        ({**earlier_run(), "loader_gate": None}, "loader-gate has not measured it"),
        ({**earlier_run(), "benchmarks": [benchmark(STREAMING)]}, "expected one with --against"),
        (without(earlier_run(), "loader_gate", "comparisons"), "it is damaged: KeyError('comparisons')"),
        (without(earlier_run(), "benchmarks", 1, "extra_info", "variant_seconds"), "it is damaged"),
    ],
)
def test_a_file_that_is_no_such_run(data: object, words: str, tmp_path: Path) -> None:
    """It is named, with what was found and what was expected."""
    with pytest.raises(ConfirmError, match=re.escape(words)):
        read_earlier_run(written(tmp_path, data))
    with pytest.raises(ConfirmError, match="cannot be read"):
        read_earlier_run(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("found", "now", "base", "words"),
    [
        ({}, Checkout(COMMIT, "another", dirty=False), BASE, ""),
        ({}, Checkout("0ff" * 13), BASE, "head is c0ffeec0ff there and 0ff0ff0ff0 here"),
        ({}, Checkout(COMMIT), "dead" * 10, "base is beefbeefbe there and deaddeadde here"),
        ({}, Checkout(COMMIT, dirty=True), BASE, "this checkout is c0ffeec0ff with changes, so nobody knows"),
        ({"dirty": True}, Checkout(COMMIT), BASE, "its checkout is c0ffeec0ff with changes, so nobody knows"),
        ({"id": "unversioned"}, Checkout(COMMIT), BASE, "its checkout is no known revision"),
    ],
)
def test_only_the_same_comparison_goes_on(
    found: dict[str, Any], now: Checkout, base: str, words: str, tmp_path: Path
) -> None:
    """Of the same two commits, and nobody knows which those are if files were changed."""
    data = earlier_run()
    data["commit_info"] |= found
    run = read_earlier_run(written(tmp_path, data))
    if not words:
        run.check_comparison(now, base, TOLERANCE)
        return
    with pytest.raises(ConfirmError, match=re.escape(words)):
        run.check_comparison(now, base, TOLERANCE)


def test_only_with_the_same_tolerance(tmp_path: Path) -> None:
    """Another one would be another question."""
    run = read_earlier_run(written(tmp_path, earlier_run()))
    with pytest.raises(ConfirmError, match="the tolerance is 3 % there and 1 % here"):
        run.check_comparison(Checkout(COMMIT), BASE, 0.01)


def test_only_of_the_same_work(tmp_path: Path) -> None:
    """However many variants are measured beside it."""
    run = read_earlier_run(written(tmp_path, earlier_run()))
    key = ("loading", STREAMING)
    work = run.benchmarks[key].work
    run.check_work({key: (replace(work, rotation="of few"), ""), ("loading", "new"): (work, "")})
    with pytest.raises(ConfirmError, match="tfdata_no_cache: image size 224 then, 96 now"):
        run.check_work({key: (replace(work, image_size="96"), "")})
    with pytest.raises(ConfirmError, match="loader  then, mine:load now"):
        run.check_work({key: (work, "mine:load")})


def test_what_a_later_session_has_lost(tmp_path: Path) -> None:
    """Its run does not have what earlier ones knew of a variant that it could not measure."""
    data = earlier_run()
    data["loader_gate"] |= {
        "unmeasured": [{"workload": "loading", "variant": "crashed"}],
        "confirms": "0.json",
    }
    run = read_earlier_run(written(tmp_path, data))
    run.check_measured([("loading", STREAMING)])
    with pytest.raises(ConfirmError, match="could not measure loading/crashed"):
        run.check_measured([("loading", "crashed")])


# The session.


@pytest.fixture
def suite(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    make_measurement: Callable[..., Measurement],
    tmp_path: Path,
) -> Suite:
    """A suite with made-up figures, in a checkout of a made-up commit, against a made-up base."""
    found = suite_in(pytester, monkeypatch, make_measurement, tmp_path)
    measured = found._measurement

    def compared(variant: str) -> Measurement:
        each = measured(variant)
        same = Change("seconds", "same", Estimate(1.0, 0.99, 1.01, FEW), TOLERANCE)
        return replace(each, verdict=replace(each.verdict, changes=(same,)), base_passes=each.variant_passes)

    @contextmanager
    def base_of(*_: object, **__: object) -> Iterator[Base]:
        yield Base(BASE, "beef (main)", {STREAMING: Any}, {}, {})  # type: ignore[dict-item]

    monkeypatch.setattr(found, "_measurement", compared)
    monkeypatch.setattr("loader_gate.base.base.base_of", base_of)
    checkout = {"id": COMMIT, "dirty": False, "branch": "main"}
    monkeypatch.setattr("pytest_benchmark.plugin.get_commit_info", lambda *_: {**checkout})
    return found


AGAINST = ("suite/test_loading.py", "--against=main", "--tolerance=3", "--confirm=run.json")


def test_what_is_decided_is_left_out(suite: Suite) -> None:
    """The rest goes on, shares the larger session's error, and the JSON has what both have measured."""
    written(suite.folder, earlier_run())
    result = suite.run(*AGAINST, "--benchmark-json=later.json")
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] == 2
    later = json.loads((suite.folder / "later.json").read_text(encoding="utf-8"))
    infos = {each["extra_info"]["variant"]: each["extra_info"] for each in later["benchmarks"]}
    assert {*infos} == {STREAMING, MEMORY}
    assert later["loader_gate"]["comparisons"] == 40
    assert later["loader_gate"]["confirms"] == "run.json"
    text = " ".join(result.outlines)
    assert f"Decided in run.json, and left out here: loading/{BASELINE}, loading/{FILE}." in text
    assert f"head and base included: loading/{MEMORY}, loading/{STREAMING}." in text
    # A later session goes on with this one.
    data = later
    for each in data["benchmarks"]:
        each["extra_info"] |= {"verdict": "undecided"}
    found = read_earlier_run(written(suite.folder, data)).left_open
    assert [len(each.base) for each in found["loading", STREAMING].sessions] == [16, 8]


def test_nothing_to_go_on_with(suite: Suite) -> None:
    """It is said, nothing is measured, and that is no failure; unless it was another comparison."""
    data = earlier_run()
    data["benchmarks"] = [data["benchmarks"][0], data["benchmarks"][3]]
    written(suite.folder, data)
    result = suite.run(*AGAINST)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["There is nothing to go on with: run.json has decided what is selected here."]
    )
    data["commit_info"]["id"] = "0ff" * 13
    written(suite.folder, data)
    assert suite.run(*AGAINST).ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--confirm=run.json",), "add --against REV"),
        (("--confirm=nowhere.json", "--against=main"), "nowhere.json: it cannot be read"),
        ((*AGAINST, "--image-size=96"), "image size 224 then, 96 now"),
        ((*AGAINST, "-k", FILE), f"nothing of what it has left open is selected here: loading/{STREAMING}"),
        ((*AGAINST, "--tolerance=1"), "the tolerance is 3 % there and 1 % here"),
        (("suite/test_training.py", *AGAINST[1:]), "it has none of the benchmarks that are selected here"),
    ],
)
def test_it_refuses_before_the_clock_starts(options: tuple[str, ...], words: str, suite: Suite) -> None:
    """As a wrong option, with what was found and expected."""
    written(suite.folder, earlier_run())
    result = suite.run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in " ".join(result.errlines)


def test_another_service(suite: Suite) -> None:
    """What may use one makes other work of it; what loads by itself does not."""
    data = earlier_run()
    for each in data["benchmarks"]:
        each["extra_info"]["service"] = "grpc://there:5050"
    written(suite.folder, data)
    result = suite.run(*AGAINST)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "service grpc://there:5050 then, started here now" in " ".join(result.errlines)
    written(suite.folder, earlier_run())
    assert suite.run(*AGAINST, "--service=grpc://there:5050").ret == 0


def test_another_tree(suite: Suite) -> None:
    """It is known only when it has been built; then the session ends, and no name in the run is a command."""
    data = earlier_run()
    for each in data["benchmarks"]:
        each["extra_info"]["tree"] = "another"
    data["benchmarks"].append(benchmark("\n::stop-commands::x", tree="another"))
    written(suite.folder, data)
    result = suite.run(*AGAINST)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "tree another then, 0123456789ab… now" in " ".join(result.outlines)
    assert r"\x3a:stop-commands::x" in str(result.stdout)
    assert "\n::" not in f"{result.stdout}{result.stderr}"


def test_a_stranger_s_run_gives_no_commands(suite: Suite) -> None:
    """What the run has left open is text, whatever it is called."""
    data = earlier_run()
    data["benchmarks"][1]["extra_info"]["variant"] = "\n::stop-commands::x"
    written(suite.folder, data)
    result = suite.run(*AGAINST, "-k", FILE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert r"\x3a:stop-commands::x" in str(result.stderr)
    assert "\n::" not in f"{result.stdout}{result.stderr}"


def test_seconds_of_both_sides_are_paired() -> None:
    """As those of any session."""
    assert PairedSeconds((2.0, 1.0), (1.0, 1.0)).log_ratios == [math.log(2), 0.0]
    with pytest.raises(ValueError, match="expected two a block of each"):
        _ = PairedSeconds((2.0,), (1.0,)).log_ratios
