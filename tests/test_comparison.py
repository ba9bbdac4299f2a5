"""Comparing the speedups of two sessions: the arithmetic, and which figures of before count."""

from __future__ import annotations

import argparse
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from loader_gate.runs.comparison import (
    Ratio,
    compare_entry,
    figures_by_key,
    parse_tolerance,
    ratio_of,
    word_for,
)
from loader_gate.runs.saved import Entry, SavedRun, WorkKey, rotation_of
from loader_gate.statistics.estimate import Estimate

STREAMING, MEMORY = "tfdata_no_cache", "tfdata_memory_cache"
WORK = WorkKey("tree", "224", "32", "none", "1")


def estimate(speedup: float, share: float = 0.01) -> Estimate:
    """Return a speedup with an interval of that share to both sides."""
    return Estimate(speedup, speedup / (1 + share), speedup * (1 + share), 4)


def saved_run(
    *speedups: tuple[str, float],
    number: int = 1,
    work: WorkKey = WORK,
    missing: frozenset[tuple[str, str]] = frozenset(),
) -> SavedRun:
    """Return a run with these speedups of the loading workload."""
    entries = tuple(
        Entry("loading", variant, f"test[{variant}]", estimate(speedup), 100.0, work)
        for variant, speedup in speedups
    )
    path = Path(f"{number:04}_run.json")
    return SavedRun(path, True, "2026-07-01", "f", "a machine", entries, missing)


@pytest.mark.parametrize(
    ("text", "fraction"), [("3", 0.03), ("3%", 0.03), (" 2.5 % ", 0.025), ("0", 0.0), ("99.9", 0.999)]
)
def test_tolerance(text: str, fraction: float) -> None:
    """Percent, with or without the sign."""
    assert parse_tolerance(text) == pytest.approx(fraction)


@pytest.mark.parametrize("text", ["", "%", "three", "-1", "100", "nan", "inf", "3%%", "3 percent"])
def test_nonsense_tolerance(text: str) -> None:
    """It is named, and what is expected is said."""
    with pytest.raises(
        argparse.ArgumentTypeError, match=f"^{re.escape(repr(text))}: expected percent from 0"
    ):
        parse_tolerance(text)


def test_ratio_of_independent_sessions() -> None:
    """Half-widths on the log scale add in quadrature: 3 % and 4 % make 5 %."""
    then = Estimate(2.0, 2.0 * math.exp(-0.03), 2.0 * math.exp(0.03), 4)
    now = Estimate(1.0, math.exp(-0.04), math.exp(0.04), 9)
    ratio = ratio_of(then, now)
    assert ratio.value == 0.5
    assert (ratio.low, ratio.high) == pytest.approx((0.5 * math.exp(-0.05), 0.5 * math.exp(0.05)))


@pytest.mark.parametrize("unbounded", [Estimate(2.0, 0.0, math.inf, 1), Estimate(1.0, 1e-308, 1e308, 2)])
def test_ratio_without_an_interval(unbounded: Estimate) -> None:
    """Where one session knows nothing, the ratio says nothing."""
    ratio = ratio_of(unbounded, estimate(2.0))
    assert (ratio.low, ratio.high) == (0.0, math.inf)
    assert word_for(ratio, 0.03) == "not known"


@pytest.mark.parametrize(
    ("ratio", "word"),
    [
        (Ratio(0.90, 0.85, 0.95), "slower"),
        (Ratio(0.96, 0.957, 0.963), "slower"),
        (Ratio(0.96, 0.949, 0.969), "not known"),
        (Ratio(0.96, 0.93, 0.999), "not known"),
        (Ratio(0.96, 0.90, 1.02), "not known"),
        (Ratio(0.98, 0.94, 0.995), "not known"),
        (Ratio(0.98, 0.951, 0.995), "same"),
        (Ratio(0.98, 0.971, 0.989), "same"),
        (Ratio(1.0, 0.98, 1.02), "same"),
        (Ratio(1.0, 1.0, 1.0), "same"),
        (Ratio(1.0, 0.8, 1.25), "not known"),
        (Ratio(1.10, 1.05, 1.15), "faster"),
        (Ratio(1.10, 0.99, 1.22), "not known"),
        (Ratio(1.02, 1.01, 1.03), "same"),
    ],
)
def test_words(ratio: Ratio, word: str) -> None:
    """A change is beyond the tolerance with the whole interval; the same is at most a little beyond it."""
    assert word_for(ratio, 0.03) == word


def test_many_comparisons_share_one_error() -> None:
    """What is slower for one of them alone need not be so for one of many."""
    ratio = Ratio(0.93, 0.90, 0.965)
    assert [word_for(ratio, 0.01, count) for count in (1, 40)] == ["slower", "not known"]


def test_the_newest_run_counts() -> None:
    """Of two runs with the same work, the newer one."""
    runs = [saved_run((STREAMING, 3.0), number=2), saved_run((STREAMING, 2.0), number=1)]
    row = compare_entry(runs[0].entries[0], figures_by_key(runs)["loading", STREAMING], 0.03)
    assert (row.word, row.run) == ("same", runs[0])


def test_a_run_on_other_work_hides_nothing() -> None:
    """Between two runs on one tree there may be one on another."""
    other = replace(WORK, tree="other tree")
    runs = [saved_run((STREAMING, 1.0), number=2, work=other), saved_run((STREAMING, 2.0), number=1)]
    now = saved_run((STREAMING, 1.0)).entries[0]
    row = compare_entry(now, figures_by_key(runs)["loading", STREAMING], 0.03)
    assert (row.word, row.run) == ("slower", runs[1])


@pytest.mark.parametrize("name", ["tree", "image_size", "batch_size", "device", "schema", "rotation"])
def test_other_work_is_not_compared(name: str) -> None:
    """Whatever differs is named, with both values."""
    run = saved_run((STREAMING, 2.0), work=replace(WORK, **{name: "another"}))
    row = compare_entry(saved_run((STREAMING, 1.0)).entries[0], [(run, run.entries[0])], 0.03)
    assert (row.word, row.ratio) == ("other work", None)
    words = name.replace("_", " ")
    assert run.entries[0].work.differences(WORK) == f"{words} another then, {getattr(WORK, name)} now"


def test_a_part_of_the_suite_is_other_work() -> None:
    """Among few variants the baseline idles less; one variant more in a suite changes nothing."""
    assert rotation_of(2) == rotation_of(3) != rotation_of(12) == rotation_of(13)


def test_a_run_of_a_part_hides_nothing() -> None:
    """A benchmark that the last run left out has its figures of the run before."""
    runs = [saved_run((MEMORY, 9.0), number=2), saved_run((STREAMING, 2.0), (MEMORY, 8.0), number=1)]
    assert {key: [run.label for run, _ in saved] for key, saved in figures_by_key(runs).items()} == {
        ("loading", MEMORY): ["0002", "0001"],
        ("loading", STREAMING): ["0001"],
    }


def test_what_is_gone_for_good_is_not_missed() -> None:
    """After a run that did without it, a benchmark is no longer part of the suite; it may come back."""
    gone = frozenset({("loading", STREAMING)})
    runs = [saved_run((MEMORY, 9.0), number=2, missing=gone), saved_run((STREAMING, 2.0), number=1)]
    assert set(figures_by_key(runs)) == {("loading", MEMORY)}
    back = [saved_run((STREAMING, 3.0), number=3), *runs]
    assert [run.label for run, _ in figures_by_key(back)["loading", STREAMING]] == ["0003"]
