"""How cost grows with the number of images: exponents of made-up figures, and what is said of them."""

from __future__ import annotations

import json
import math
import random
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loader_gate.commands import last_words, run_to_end
from loader_gate.growth.__main__ import main
from loader_gate.growth.figures import (
    CONTROLLER,
    DUMP,
    FIRST_BATCH,
    SCAN,
    THROUGHPUT,
    WORKER,
    Figure,
    Sample,
    problems_of,
    samples_of,
)
from loader_gate.growth.fit import growth_of
from loader_gate.growth.measuring import session_command
from loader_gate.growth.picture import draw_growth
from loader_gate.growth.words import exponent_text, lines_of
from loader_gate.registry.variant import BASELINE
from tests.made_up_runs import HOSTILE, benchmark

if TYPE_CHECKING:
    from loader_gate.growth.fit import Growth

SIZES = (1_000, 10_000, 117_266)


def samples(
    figure: Figure, exponent: float, subject: str = "", noise: float = 0.002, seed: int = 0
) -> list[Sample]:
    """Return what two rounds measure of something that grows so."""
    draw = random.Random(seed)  # noqa: S311 (noise)
    return [
        Sample(figure, subject, size, 3.0 * size**exponent * math.exp(draw.gauss(0, noise)))
        for _ in range(2)
        for size in SIZES
    ]


def grown(figure: Figure, exponent: float, noise: float = 0.002, seed: int = 0) -> Growth:
    """Return how that grows."""
    (found,) = growth_of(samples(figure, exponent, noise=noise, seed=seed))
    return found


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.3])
def test_the_interval_holds_the_exponent(exponent: float) -> None:
    """95 of 100 do, and none is wide where there is little noise."""
    found = [grown(SCAN, exponent, seed=seed).exponent for seed in range(400)]
    intervals = [each for each in found if each is not None]
    missed = sum(not each.low < exponent < each.high for each in intervals)
    assert len(intervals) == 400
    assert 8 <= missed <= 34
    assert max(each.high - each.low for each in intervals) < 0.01


def test_no_power_law_has_a_wide_interval() -> None:
    """What is flat at first and steep in the end has no one exponent, however little noise there is."""
    values = dict(zip(SIZES, (1.0, 1.0, 100.0), strict=True))
    (found,) = growth_of([Sample(SCAN, "", size, values[size]) for _ in range(2) for size in SIZES])
    assert found.exponent is not None
    assert found.exponent.high - found.exponent.low > 0.5
    assert found.is_worse == "not told"


def test_few_samples_have_no_interval() -> None:
    """Two tell an exponent and nothing of how well it is known, and one size tells none."""
    (two,) = growth_of([Sample(SCAN, "", 10, 1.0), Sample(SCAN, "", 100, 10.0)])
    assert exponent_text(two) == "1.00"
    assert (two.is_worse, two.is_as_wanted) == ("not told", "not told")
    (one,) = growth_of([Sample(SCAN, "", 10, 1.0), Sample(SCAN, "", 10, 1.1), Sample(SCAN, "", 10, 1.2)])
    assert one.exponent is None
    assert one.middles == ((10, 1.1),)
    assert one.is_worse == "not told"


@pytest.mark.parametrize(
    ("figure", "exponent", "worse", "wanted"),
    [
        (SCAN, 1.0, "no", "yes"),
        (SCAN, 1.2, "yes", "no"),
        (CONTROLLER, 0.05, "no", "yes"),
        (CONTROLLER, 0.3, "no", "no"),
        (CONTROLLER, 1.1, "yes", "no"),
        (THROUGHPUT, 0.0, "no", "yes"),
        (THROUGHPUT, -0.2, "yes", "no"),  # a slower epoch an image is more than linear
        (THROUGHPUT, 0.2, "no", "no"),
        (FIRST_BATCH, 1.0, "no", "not told"),
        (WORKER, 0.05, "no", "yes"),
        (WORKER, 0.3, "no", "no"),
        (WORKER, 1.2, "yes", "no"),
        (DUMP, 0.0, "no", "not told"),
        (DUMP, 0.1, "yes", "not told"),
    ],
)
def test_what_is_worse_than_linear(figure: Figure, exponent: float, worse: str, wanted: str) -> None:
    """Each figure by its own exponent of linear growth, and by what the suite wants of itself."""
    found = grown(figure, exponent)
    assert (found.is_worse, found.is_as_wanted) == (worse, wanted)


def test_noise_tells_nothing() -> None:
    """Where the interval reaches to both sides, that is said."""
    found = grown(SCAN, 1.05, noise=0.5)
    assert (found.is_worse, found.is_as_wanted) == ("not told", "not told")
    text = " ".join(lines_of([found], [], colour=False))
    assert "Not told whether it is worse than linear" in text
    assert "scan of the suite" in text


def test_the_table() -> None:
    """The suite first, then variants; what was not measured at a size has a dash, and why stands below."""
    some = [
        *samples(SCAN, 1.2),
        *samples(THROUGHPUT, 0.0, subject="streams: loading"),
        *[each for each in samples(DUMP, 0.0, subject="dumps: dump") if each.images < 50_000],
    ]
    found = growth_of(some)
    assert [each.subject for each in found] == ["", "dumps: dump", "streams: loading"]
    lines = lines_of(found, [f"117,266 images: dumps: dump: {HOSTILE}\x07"], colour=False)
    assert max(map(len, lines)) <= 100
    (dump,) = (line for line in lines if "bytes an image" in line)
    assert dump.split()[:6] == ["bytes", "an", "image", "3", "3", "–"]
    text = " ".join(lines)
    assert re.search(r"Worse than linear: scan of the suite grows with exponent 1\.20 \(1\.\d+–", text)
    assert "scan of the suite grows faster than wanted" in text
    assert f"Not measured, with 117,266 images: dumps: dump: {HOSTILE}\\x07" in text


def test_what_a_session_says() -> None:
    """Figures of measured variants, not of limits, nor what is no number; and why others have none."""
    run = {
        "benchmarks": [
            benchmark(BASELINE, images_per_second=400.0, first_batch_seconds=0.1, peak_rss_bytes=1),
            benchmark("limit_jpeg_decode", kind="limit"),
            benchmark("odd", images_per_second="many", first_batch_seconds=None, peak_rss_bytes=math.inf),
            benchmark("dumps", workload="dump", dump_bytes_per_image=16_700.0),
            benchmark("broken", verdict="unmeasured"),
            {"extra_info": None},
        ],
        "loader_gate": {"unmeasured": [{"variant": "large", "workload": "dump", "reason": "92 GB"}, 3]},
    }
    found = [*samples_of(run, 1000)]
    assert {each.subject for each in found} == {f"{BASELINE}: loading", "dumps: dump"}
    assert {each.images for each in found} == {1000}
    of_baseline = {each.figure: each.value for each in found if each.subject.startswith(BASELINE)}
    assert of_baseline == {THROUGHPUT: 400.0, FIRST_BATCH: 0.1, WORKER: 1.0}
    assert [each.value for each in found if each.figure == DUMP] == [16_700.0]
    assert [*problems_of(run)] == ["large: dump, 92 GB"]
    for nothing in ({}, {"benchmarks": 3, "loader_gate": 3}):
        assert [*samples_of(nothing, 1), *problems_of(nothing)] == []


@pytest.mark.parametrize(
    ("kind", "answer"), [("streaming", "no"), ("rival", "no"), ("memory", "not told"), ("dump", "not told")]
)
def test_a_worker_stays_as_large_as_it_is(kind: str, answer: str) -> None:
    """Its memory is to be flat, unless images are what it holds, or maps from its dump."""
    some = [
        sample
        for size in SIZES
        for _ in range(2)
        for sample in samples_of(
            {"benchmarks": [benchmark("some", kind=kind, peak_rss_bytes=size**0.3)]}, size
        )
    ]
    (memory,) = (each for each in growth_of(some) if each.figure == WORKER)
    assert memory.is_as_wanted == answer
    lines = lines_of([memory], [], colour=False)
    assert ("peak memory of some: loading grows faster than wanted" in " ".join(lines)) == (answer == "no")


def test_our_options_come_last() -> None:
    """What the user adds for pytest cannot take the tree of the session away."""
    command = session_command(["tests"], ["--tree", "small"], 1000, Path("books.json"))
    assert command.index("small") < command.index("coco2017") < command.index("1000")


def test_the_picture(tmp_path: Path) -> None:
    """It is drawn, also where something hardly grows and something has one size only."""
    pytest.importorskip("matplotlib")
    some = [
        *samples(SCAN, 1.0),
        *samples(THROUGHPUT, 0.0, subject="a: loading"),
        Sample(DUMP, "a: dump", 5, 1.0),
    ]
    draw_growth(growth_of(some), some, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").read_bytes().count(b"<svg") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sizes", "1000"], "two sizes or more"),
        (["no/such/tests"], "There is no no/such/tests here"),
        (["--scan-only", "--json", "no/such/folder/a.json"], "there is no folder no/such/folder"),
        (["--scan-only", "--sizes", "10,20"], "each class needs one"),
    ],
)
def test_wrong_arguments(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They are refused at once, in a sentence."""
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "1000,many", "0,10", "1000,-3"])
def test_wrong_sizes(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes are whole numbers above 0."""
    with pytest.raises(SystemExit, match="2"):
        main(["--sizes", text])
    assert "expected a whole number above 0" in capsys.readouterr().err


def test_a_command_that_hangs_is_ended(tmp_path: Path) -> None:
    """It is watched meanwhile, and what it said is kept."""
    watched: list[int] = []
    command = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(600)"]

    def watch(pid: int, seconds: float) -> None:  # noqa: ARG001 (as commands are watched)
        watched.append(pid)

    said = run_to_end(command, tmp_path / "output", patience=2.0, watch=watch, every=0.1)
    assert last_words(said) == "begun | it did not end in 2 s"
    assert len({*watched}) == 1


def test_data(tmp_path: Path) -> None:
    """JSON knows no infinity: an interval without ends has null there."""
    from loader_gate.growth.__main__ import _data

    (found,) = growth_of([Sample(SCAN, "", 10, 1.0), Sample(SCAN, "", 100, 10.0)])
    file = tmp_path / "growth.json"
    file.write_text(json.dumps(_data(found), allow_nan=False), encoding="utf-8")
    read = json.loads(file.read_text(encoding="utf-8"))
    assert read["exponent"] == {"value": pytest.approx(1.0), "low": None, "high": None}
    assert read["middles"] == {"10": 1.0, "100": 10.0}
    assert read["wanted"] == 1.05
