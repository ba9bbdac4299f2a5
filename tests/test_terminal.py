"""The table at the end of a session: what people can read off it, and how wide it may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE
from loader_gate.report.profiles import stage_lines
from loader_gate.report.terminal import change_table, share_lines, shuffle_lines, verdict_table
from loader_gate.rotation.measurement import Measurement
from loader_gate.statistics.estimate import Estimate
from loader_gate.text import WIDTH
from loader_gate.verdict.change import COMPARED_TOO, PEAK_MEMORY, Change, Outcome
from loader_gate.verdict.share import Share

ESCAPE = "\x1b"


def test_what_a_row_says(make_measurement: Callable[..., Measurement]) -> None:
    """Images a second, the speedup and its interval, the floor, CPU time, memory and verdict, in one line."""
    lines = verdict_table([make_measurement(seconds=(0.4, 0.5, 0.5, 0.6))], images=200, colour=False)
    heading, rule, row = lines
    assert heading.split() == [
        "variant",
        "images/s",
        "speedup",
        "(95",
        "%",
        "CI)",
        "floor",
        "CPU",
        "ms",
        "peak",
        "MB",
        "verdict",
    ]
    assert set(rule.strip()) == {"─"}
    assert row.split() == ["tfdata_no_cache", "400", "2.00", "(1.80–2.20)", "1.50", "4.00", "600", "pass"]


def test_the_baseline_has_no_interval(make_measurement: Callable[..., Measurement]) -> None:
    """Its speedup is 1 by definition, and it has no floor."""
    baseline = make_measurement(BASELINE, floor=None, estimate=Estimate(1.0, 1.0, 1.0, 2))
    row = verdict_table([baseline], images=200, colour=False)[-1]
    assert row.split() == [BASELINE, "400", "1.00", "–", "4.00", "600", "pass"]


def test_rows_come_in_the_order_given(make_measurement: Callable[..., Measurement]) -> None:
    """A table and pytest's own list of tests have the same order."""
    names = [variant.name for variant in built_in_variants()]
    lines = verdict_table([make_measurement(name) for name in names], images=200, colour=False)
    assert [line.split()[0] for line in lines[2:]] == names


@pytest.mark.parametrize("colour", [False, True])
def test_never_wider_than_a_page(colour: bool, make_measurement: Callable[..., Measurement]) -> None:
    """The longest names of the article and large figures still fit, each row in one line, nothing cut off."""
    names = [BASELINE, "tfdata_no_cache"]
    large = [
        make_measurement(
            name,
            status="undecided",
            floor=150.0,
            estimate=Estimate(1_611.4, 381.2, 6_815.9, 40),
            seconds=(0.0002,) * 80,
            cpu_seconds=123.0,
            peak_rss_bytes=25_000_000_000,
        )
        for name in names
    ]
    lines = verdict_table(large, images=2000, colour=colour)
    plain = [_without_colour(line) for line in lines]
    assert max(map(len, plain)) <= WIDTH == 100
    assert len(lines) == 2 + len(names)
    for name, line in zip(names, plain[2:], strict=True):
        assert line.split() == [
            *(name, "10,000,000", "1611"),
            *(() if name == BASELINE else ("(381–6816)",)),
            *("150", "61.50", "25,000", "undecided"),
        ]


@pytest.mark.parametrize(
    ("estimate", "cell"),
    [
        (Estimate(0.872, 0.845, 0.901, 9), "87 ±3"),
        (Estimate(0.0712, 0.06, 0.08, 9), "7.1 ±1"),
        (Estimate(1.04, 0.9, 1.2, 9), "104 ±15"),
        (Estimate(0.5, 0.0, math.inf, 1), "50"),
    ],
)
def test_a_share_of_a_limit(
    estimate: Estimate, cell: str, make_measurement: Callable[..., Measurement]
) -> None:
    """In percent in its row, still in one line; with the whole interval below, and the limit's name."""
    bounded = make_measurement(BASELINE, status="undecided", share=Share("limit_jpeg_decode", estimate))
    free = make_measurement("limit_jpeg_decode")
    heading, _, row, other = verdict_table([bounded, free], images=200, colour=False)
    assert "% limit" in heading
    assert f" {cell} " in row
    assert other.count("–") == 2  # of its interval, and of the share that it has none of
    assert max(map(len, (heading, row, other))) <= WIDTH
    (line,) = share_lines([bounded, free])
    interval = f" ({estimate.low:.2f}–{estimate.high:.2f})" if estimate.low else ""
    assert line == f"Share of limit_jpeg_decode (95 % CI): {BASELINE} {estimate.ratio:.2f}{interval}."


def test_shuffle_quality(make_measurement: Callable[..., Measurement]) -> None:
    """In a line below the table: who shuffles visibly less is named, the others are one figure."""

    def shuffling(name: str, quality: float | None) -> Measurement:
        made = make_measurement(name)
        passes = [replace(timing, shuffle_quality=quality) for timing in made.variant_passes]
        return replace(made, variant_passes=tuple(passes))

    good, fair = shuffling("good", 0.99), shuffling("fair", 0.97)
    buffered, sorted_ = shuffling("buffered", 0.61), shuffling("sorted", 0.0)
    begins = "Shuffle quality, 1 as if drawn at random:"
    assert shuffle_lines([good, fair]) == [f"{begins} all 0.97 or more."]
    assert shuffle_lines([buffered, good, fair, sorted_]) == [
        f"{begins} sorted 0.00, buffered 0.61, all others 0.97 or more."
    ]
    assert shuffle_lines([buffered]) == [f"{begins} buffered 0.61."]
    assert shuffle_lines([shuffling("unknown", None)]) == []


def test_without_a_limit_there_is_no_column(make_measurement: Callable[..., Measurement]) -> None:
    """Training has no limits, and a session may leave them out."""
    assert "limit" not in verdict_table([make_measurement()], images=200, colour=False)[0]
    assert share_lines([make_measurement()]) == []


def test_a_long_name_is_folded(make_measurement: Callable[..., Measurement]) -> None:
    """A user's function may have any name: all of it is shown, over several lines, and the page holds."""
    name = "a_loader_whose_name_says_everything_about_how_it_works_" * 3
    lines = verdict_table([make_measurement(name)], images=200, colour=False)
    assert max(map(len, lines)) <= WIDTH
    assert "".join(line.split()[0] for line in lines[2:]) == name


def test_an_unmeasured_variant_has_a_row(make_measurement: Callable[..., Measurement]) -> None:
    """Nobody goes missing: no figures, but a name and a verdict."""
    lost = make_measurement("lost", status="unmeasured", estimate=None, seconds=(), baseline_seconds=())
    died = make_measurement("died_in_block_3", status="unmeasured", estimate=None)
    lines = verdict_table([lost, died], images=200, colour=False)
    assert lines[2].split() == ["lost", *"–––––", "unmeasured"]
    assert lines[3].split() == ["died_in_block_3", *"–––––", "unmeasured"]


def test_no_interval_is_no_interval(make_measurement: Callable[..., Measurement]) -> None:
    """One block gives a speedup but no interval: the table does not make one up."""
    alone = make_measurement(status="undecided", floor=None, estimate=Estimate(2.0, 0.0, math.inf, 1))
    row = verdict_table([alone], images=200, colour=False)[-1]
    assert "2.00" in row
    assert "inf" not in row
    assert "0.00" not in row


@pytest.mark.parametrize("name", ["[red]loader[/red]", "[/]", "[link=x]", ":boom:"])
def test_a_name_is_shown_as_it_is(name: str, make_measurement: Callable[..., Measurement]) -> None:
    """What looks like markup is text."""
    for colour in (False, True):
        lines = verdict_table([make_measurement(name)], images=200, colour=colour)
        assert name in _without_colour(lines[-1])


@pytest.mark.parametrize("status", ["pass", "fail", "undecided", "unmeasured"])
def test_colour_only_when_asked(
    status: str, make_measurement: Callable[..., Measurement], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log file gets plain text whatever the environment says, a terminal coloured verdicts."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = verdict_table([make_measurement(status=status)], images=200, colour=True)
    assert ESCAPE in coloured[-1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    plain = verdict_table([make_measurement(status=status)], images=200, colour=False)
    assert ESCAPE not in "".join(plain)
    assert [_without_colour(line).rstrip() for line in coloured] == plain


def test_the_terminals_width_does_not_matter(
    make_measurement: Callable[..., Measurement], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same table in a narrow terminal, a wide one and a log."""
    expected = verdict_table([make_measurement()], images=200, colour=False)
    for columns in ("20", "400"):
        monkeypatch.setenv("COLUMNS", columns)
        assert verdict_table([make_measurement()], images=200, colour=False) == expected


def _without_colour(line: str) -> str:
    for part in line.split(ESCAPE)[1:]:
        line = line.replace(ESCAPE + part[: part.index("m") + 1], "", 1)
    return line


def test_changes_without_a_column(make_measurement: Callable[..., Measurement]) -> None:
    """What has none is said below the table, if there is anything to say; the table is never too wide."""
    made = make_measurement(BASELINE, seconds=(0.5,) * 16)

    def compared(outcome: Outcome) -> Measurement:
        found = [
            Change(
                figure,
                "same" if figure == "seconds" else outcome,
                Estimate(9.871, 9.001, 10.642, 8),
                0.03,
                "",
            )
            for figure in ("seconds", *COMPARED_TOO, PEAK_MEMORY)
        ]
        verdict = replace(made.verdict, changes=tuple(found))
        return replace(made, verdict=verdict, base_passes=made.variant_passes)

    lines = change_table([compared("regression")], colour=False)
    assert max(map(len, lines)) <= WIDTH
    assert lines[2].split()[0] == BASELINE
    what = "head / base (with the interval that a failure takes)"
    said = f"{what}: {BASELINE} 9.871 (9.001–10.642), regression."
    assert " ".join(lines[3:]) == f"Longest batch, {said} Seconds with teardown, {said}"
    assert len(change_table([compared("same")], colour=False)) == 3


def test_figures_that_a_moving_machine_costs_are_said(make_measurement: Callable[..., Measurement]) -> None:
    """Below the changes, with the names; a variant that base could not be measured of is another matter."""
    changes = [
        Change(figure, "same", Estimate(1.0, 0.99, 1.01, 8), 0.03) for figure in ("seconds", *COMPARED_TOO)
    ]
    lost = Change("seconds", "undecided", None, 0.03, "at base, it died")

    def compared(name: str, found: tuple[Change, ...], passes: int) -> Measurement:
        made = make_measurement(name, seconds=(0.5,) * 16)
        verdict = replace(made.verdict, changes=found)
        return replace(made, verdict=verdict, base_passes=made.variant_passes[:passes])

    whole, moved = compared("whole", (*changes,), 16), compared("moved", (changes[0],), 16)
    lines = change_table([whole, moved, compared("lost", (lost,), 0)], colour=False)
    assert lines[-1] == "Only the seconds of moved were compared: the machine moved under the measurement."
    assert change_table([whole], colour=False)[-1].split()[0] == "whole"


def test_where_the_time_goes() -> None:
    """A line for each variant that was profiled, the largest stage first."""
    extra_info = {
        "profiled": {"profile_stages": {"read": 0.1, "decode": 0.896, "other": 0.004}},
        "not profiled": {},
    }
    assert stage_lines(extra_info) == ["Where the time of profiled goes: decode 90 %, read 10 %."]
