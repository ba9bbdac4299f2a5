"""The map over made-up figures: who beats whom, and what chance leaves open."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from loader_gate.advice.map_table import map_table
from loader_gate.advice.pareto import (
    MapPoint,
    map_as_json,
    offers_a_choice,
    placed,
    points_of,
    surely_faster,
    takes_no_more,
)
from loader_gate.registry.variant import BASELINE
from loader_gate.statistics.estimate import Estimate
from loader_gate.text import WIDTH


def point(
    variant: str, ratio: float, *, within: float = 0.05, disk: float | None = 0.0, memory: float | None = 0.0
) -> MapPoint:
    """Make a variant up that is so many times as fast as the baseline, within a share of that."""
    estimate = Estimate(ratio, ratio / (1 + within), ratio * (1 + within), 0)
    kind = "memory" if memory != 0 else "dump" if disk != 0 else "streaming"
    return MapPoint(variant, kind, 400 * ratio, estimate, disk, memory)


THE_BASELINE = point(BASELINE, 1.0, within=0.0)
#: No interval, as after one block.
UNKNOWN = Estimate(9.0, 0.0, math.inf, 0)


def fronts(*points: MapPoint) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return what the map says of each variant."""
    return {each.point.variant: (each.front, each.others) for each in placed(points)}


def test_who_takes_more_has_to_be_faster() -> None:
    """Fast and large, slow and small: nobody beats either; large and slow is beaten by both."""
    found = fronts(
        point("small", 2.0), point("large", 9.0, disk=6e5), point("both", 1.5, disk=6e5), THE_BASELINE
    )
    assert found == {
        "large": ("yes", ()),
        "small": ("yes", ()),
        "both": ("no", ("large", "small")),
        BASELINE: ("no", ("small",)),
    }


def test_disk_and_memory_are_two_things() -> None:
    """A byte on disk is no byte in memory: what takes one of them beats nothing that takes the other."""
    found = fronts(point("in_memory", 9.0, memory=1e5), point("on_disk", 5.0, disk=6e5))
    assert found == {"in_memory": ("yes", ()), "on_disk": ("yes", ())}


def test_chance_beats_nobody() -> None:
    """What the intervals cannot tell apart is undecided, on either side of a tie."""
    found = fronts(point("first", 2.04), point("second", 2.0), point("far", 1.5))
    assert found == {
        "first": ("undecided", ("second",)),
        "second": ("undecided", ("first",)),
        "far": ("no", ("first", "second")),
    }


def test_a_tie_with_something_larger_is_no_tie() -> None:
    """Who takes less need not be faster: only the larger one is undecided."""
    found = fronts(point("small", 2.0), point("large", 2.04, disk=6e5))
    assert found == {"large": ("undecided", ("small",)), "small": ("yes", ())}


def test_how_far_is_certain() -> None:
    """Half-widths add in quadrature, on the log scale, as for any two independent figures."""
    apart = math.exp(math.hypot(math.log(1.05), math.log(1.05)))
    slow = point("slow", 2.0)
    assert not surely_faster(point("fast", 2.0 * apart * 0.999), slow)
    assert surely_faster(point("fast", 2.0 * apart * 1.001), slow)
    assert not surely_faster(slow, slow)


def test_no_interval_tells_nothing() -> None:
    """One block is no evidence: neither beats the other, however far apart they seem."""
    lucky = MapPoint("lucky", "streaming", 3600.0, UNKNOWN)
    found = fronts(lucky, point("known", 2.0), THE_BASELINE)
    assert found == {
        "lucky": ("undecided", ("known",)),
        "known": ("undecided", ("lucky",)),
        BASELINE: ("no", ("known",)),
    }


def test_nearly_as_large_is_as_large() -> None:
    """Two formats of the same pixels: what they write around them is no reason to keep the slower one."""
    found = fronts(point("fast", 9.0, disk=150_900), point("slow", 5.0, disk=150_528))
    assert found["slow"] == ("no", ("fast",))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (0.0, 0.0, True),
        (0.0, None, True),
        (None, 0.0, False),
        (5.0, 0.0, False),
        (None, 5.0, None),
        (5.0, None, None),
        (None, None, None),
        (5.0, 4.0, False),
        (4.0, 5.0, True),
    ],
)
def test_sizes_nobody_knows(one: float | None, other: float | None, expected: bool | None) -> None:
    """Some bytes are more than none, and nothing else is known of them."""
    for name in ("disk", "memory"):
        sizes = [point("it", 2.0, **{name: size}) for size in (one, other)]  # type: ignore[arg-type]
        assert takes_no_more(*sizes) is expected


def test_a_size_nobody_knows_decides_nothing() -> None:
    """A user's dump may be the smaller one: it beats nothing for certain, and may spoil the front."""
    found = fronts(point("mine", 9.0, disk=None), point("theirs", 5.0, disk=6e5), point("streams", 2.0))
    assert found == {
        "mine": ("yes", ()),
        "theirs": ("undecided", ("mine",)),
        "streams": ("yes", ()),
    }


def info(variant: str, speedup: float | None = 2.0, **others: Any) -> dict[str, Any]:
    """Make up what the JSON says of a benchmark."""
    return {
        "variant": variant,
        "kind": "streaming",
        "workload": "loading",
        "verdict": "pass",
        "speedup": speedup,
        "speedup_low": None if speedup is None else speedup * 0.9,
        "speedup_high": None if speedup is None else speedup * 1.1,
        "images": 200,
        "images_per_second": 800.0,
        "tree": "abc",
        "image_size": 224,
        "batch_size": 32,
        "schema": 1,
        "disk_bytes_per_image": 0,
        "memory_bytes_per_image": 0,
        "buffer_bytes": 0,
        **others,
    }


A_DUMP: dict[str, Any] = {"kind": "dump", "disk_bytes_per_image": 600_000.0}


def test_who_is_on_the_map() -> None:
    """What was measured, but limits, which are no way to load images, and other workloads."""
    found = points_of(
        [
            info(BASELINE, 1.0),
            info("tfdata_no_cache"),
            info("decode_limit", kind="limit"),
            info("crashed", None, verdict="unmeasured"),
            info("died_in_block_3", verdict="unmeasured"),
            info("trained", workload="training"),
            info("torch", kind="rival"),
            {"other": "suite"},
            info("damaged", speedup_low=5.0),
        ]
    )
    assert [each.variant for each in found] == [BASELINE, "tfdata_no_cache", "torch"]


def test_what_the_json_says() -> None:
    """Everything about a variant is read from it."""
    (found,) = points_of([info("cache", kind="memory", memory_bytes_per_image=6e5, buffer_bytes=7e8)])
    assert found == MapPoint("cache", "memory", 800.0, found.speedup, 0.0, 6e5, 7e8, None)
    assert (found.speedup.ratio, found.speedup.low, found.speedup.high) == (2.0, 1.8, 2.2)


def test_the_dump_workload_knows_more() -> None:
    """What was written and how long it took joins what loading measured, and is not measured itself."""
    written = info(
        "file_cache", 9.0, workload="dump", **A_DUMP,
        dump_bytes_per_image=612_345.0, cold_seconds=4.0, dump_of_this_machine=True,
    )  # fmt: skip
    loading = [info(BASELINE, 1.0), info("file_cache", 3.0, **A_DUMP)]
    found = points_of([*loading, written])[1]
    assert (found.speedup.ratio, found.disk_bytes, found.cold_seconds) == (3.0, 612_345.0, 0.02)
    found = points_of([*loading, {**written, "dump_of_this_machine": False}])[1]
    assert (found.disk_bytes, found.cold_seconds) == (612_345.0, None)
    found = points_of([*loading, {**written, "tree": "another"}])[1]
    assert (found.disk_bytes, found.cold_seconds) == (600_000.0, None)


def test_a_map_of_the_dump_workload_alone() -> None:
    """Where loading was not run, or had one kind only, dumps and the baseline make a map."""
    dumps = [info(each["variant"], workload="dump", **A_DUMP) for each in (info("one"), info("two"))]
    baseline = info(BASELINE, 1.0, workload="dump")
    assert len(points_of([baseline, *dumps])) == 3
    assert len(points_of([info(BASELINE, 1.0), baseline, *dumps])) == 3
    assert len(points_of([info(BASELINE, 1.0), info("memory", kind="memory"), baseline, *dumps])) == 2


def test_runs_from_before_the_map() -> None:
    """What a kind takes none of is known without being said, and the rest is not made up."""
    old = [info(name, kind=name) for name in ("streaming", "memory", "dump")]
    for each in old:
        del each["disk_bytes_per_image"], each["memory_bytes_per_image"], each["buffer_bytes"]
    found = {each.kind: (each.disk_bytes, each.memory_bytes) for each in points_of(old)}
    assert found == {"streaming": (0, 0), "memory": (0, None), "dump": (None, 0)}


def test_one_kind_is_no_choice() -> None:
    """Variants that all stream differ in speed only, which the table of verdicts shows already."""
    assert not offers_a_choice([THE_BASELINE, point("streams", 2.0)])
    assert offers_a_choice([THE_BASELINE, point("dumps", 2.0, disk=6e5)])
    assert not offers_a_choice([])


SOME = placed(
    [
        point("fast", 9.0, disk=150_528.0),
        point("as_fast", 9.1, disk=602_112.0),
        point("mine", 8.0, memory=None),
        THE_BASELINE,
        point("slower", 0.5),
    ]
)


def test_in_the_json() -> None:
    """One object a variant, the beaten ones too."""
    rows = json.loads(json.dumps(map_as_json(SOME), allow_nan=False))
    assert [(row["variant"], row["pareto"], row["others"]) for row in rows] == [
        ("as_fast", "undecided", ["fast"]),
        ("fast", "yes", []),
        ("mine", "yes", []),
        (BASELINE, "yes", []),
        ("slower", "no", [BASELINE]),
    ]
    assert rows[0] == {
        "variant": "as_fast",
        "kind": "dump",
        "images_per_second": 3640.0,
        "disk_bytes_per_image": 602_112.0,
        "memory_bytes_per_image": 0.0,
        "pareto": "undecided",
        "others": ["fast"],
    }


def test_the_table() -> None:
    """The fastest first, the beaten ones left out, sizes as people read them."""
    heading, _, *rows = map_table(SOME, colour=False)
    assert heading.split() == [
        "variant",
        "images/s",
        "speedup",
        "disk/image",
        "memory/image",
        "Pareto-optimal",
    ]
    assert [row.split() for row in rows] == [
        ["as_fast", "3,640", "9.10", "602", "KB", "–", "undecided"],
        ["fast", "3,600", "9.00", "151", "KB", "–", "yes"],
        ["mine", "3,200", "8.00", "–", "not", "known", "yes"],
        [BASELINE, "400", "1.00", "–", "–", "yes"],
    ]


def test_the_table_fits_a_page() -> None:
    """Long names are folded, not cut; what looks like markup or steers a terminal is text."""
    name = "a_loader_whose_name_says_everything_about_how_it_works_" * 2
    lines = map_table(
        placed([point(name, 9.0, disk=6e5), point(name[:-1], 9.1, disk=6e5), point("[red]\x1b[1m", 2.0)]),
        colour=False,
    )
    assert max(map(len, lines)) <= WIDTH
    assert any("[red]\\x1b[1m" in line for line in lines)


def test_a_workload_that_is_no_name() -> None:
    """A damaged run has less to show; `tests/test_fuzz.py` has found it."""
    assert points_of([{"workload": []}, {"workload": {}}, {}]) == []
