"""What `python -m docs.service` makes of what it has counted and measured."""

from __future__ import annotations

from typing import Any

import pytest

from docs.service.__main__ import table
from docs.service.counted import as_promised, in_words

WHOLE = {"images": 8, "once": 8, "more": 0, "missing": 0, "most": 1, "problem": ""}
LOST = {**WHOLE, "once": 6, "missing": 2}
TWICE = {**WHOLE, "once": 0, "more": 8, "most": 2}
SOME_TWICE = {**WHOLE, "once": 5, "more": 3, "most": 2}
HUNG = {**LOST, "problem": "no end after 90 s"}
REFUSED = {**WHOLE, "once": 0, "missing": 8, "problem": "Found an unshardable source dataset"}


@pytest.mark.parametrize(
    ("policy", "fault", "found", "expected"),
    [
        ("DYNAMIC", "none", WHOLE, "yes"),
        ("DYNAMIC", "none", LOST, "no"),
        ("DYNAMIC", "dispatcher", LOST, "no"),
        ("DYNAMIC", "dispatcher", {**LOST, "problem": "no such job"}, "no"),
        ("DYNAMIC", "worker", LOST, "yes"),
        ("DYNAMIC", "worker", SOME_TWICE, "no"),
        ("DYNAMIC", "worker", HUNG, "no"),
        ("DYNAMIC", "host", HUNG, "as far as it came"),
        ("DYNAMIC", "host", {**HUNG, "more": 1}, "no"),
        ("DYNAMIC", "host", LOST, "yes"),
        ("OFF", "none", TWICE, "yes"),
        ("OFF", "none", WHOLE, "no"),
        ("OFF", "worker", SOME_TWICE, "yes"),
        ("DATA", "worker", SOME_TWICE, "yes"),
        ("DATA", "dispatcher", SOME_TWICE, "no"),
        ("DATA", "worker", LOST, "no"),
        ("FILE", "none", REFUSED, "refused"),
    ],
)
def test_promises(policy: str, fault: str, found: dict[str, Any], expected: str) -> None:
    """What a policy promises is held against what came."""
    assert as_promised(policy, fault, found) == expected


def test_what_tensorflow_found() -> None:
    """Its message goes through three processes, and names each."""
    message = (
        "{{node}} Failed to get element from worker localhost:1: Failed to get an element, with a "
        "nonretryable error: Failed to get element: Found an unshardable source dataset: goo.gle/debug "
    )
    assert in_words(RuntimeError(message)) == "Found an unshardable source dataset"
    assert in_words(RuntimeError("no such thing")) == "no such thing"


def test_table() -> None:
    """Each part has its rows; what was not measured says why."""
    rate = {"images_per_second": 400.0}
    trainers = {
        "images": [4, 4],
        "in_both": 0,
        "first_batch_seconds": 0.5,
        "images_per_second": 100.0,
        "service_cpu_ms_per_image": 2.0,
        "problem": "",
    }
    link = {"images_per_second": 80.0, "megabits_per_second": 100.0, "every_image_once": True}
    found = {
        "about": "a day",
        "workers": {
            "in one process": rate,
            "tfdata_tuned": {**rate, "times_as_long": [0.8, 0.7, 0.9]},
            "2": {**rate, "times_as_long": [1.2, 1.1, 1.3]},
        },
        "policies": {"DYNAMIC worker": LOST, "FILE none": REFUSED},
        "trainers": {"one job": trainers, "cross-trainer cache": {"problem": "no such thing"}},
        "network": {
            "bandwidth": {"0": link, "100": link},
            "latency": {"milliseconds": 20, "problem": "no netem"},
        },
        "faults": {"DYNAMIC worker": LOST, "DYNAMIC dispatcher": LOST, "DYNAMIC host": HUNG},
    }
    page = table(found)
    for row in (
        "| in one process | 400 | 1 | 1.25 |",
        "| `tfdata_tuned` | 400 | 0.80 (0.70–0.90) | 1 |",
        "| 2 | 400 | 1.20 (1.10–1.30) | 1.50 |",
        "| `DYNAMIC` | once; at most once if a worker ends | a worker | 6 | 0 | 2 | yes |",
        "| nothing | 0 | 0 | 8 | refused: Found an unshardable source dataset |",
        "| one job | 4 and 4 | 0 | 0.5 s | 100 | 2.00 ms |",
        "| cross-trainer cache | no such thing |",
        "| no limit | 80 | 100 | yes |",
        "| 100 Mbit/s | 80 | 100 | yes |",
        "| 20 ms to a worker | no netem |",
        "| `DYNAMIC` | once; at most once if a worker ends | a worker's host, for good | 6 | 0 | 2 | "
        "as far as it came: no end after 90 s |",
        "| `DYNAMIC` | once; at most once if a worker ends | the dispatcher | 6 | 0 | 2 | no |",
    ):
        assert row in page
    nowhere = {"problem": "no namespaces"}
    page = table({"about": "", "network": nowhere, "faults": nowhere})
    assert "Not measured: no namespaces" in page
    assert "Not counted: no namespaces" in page
