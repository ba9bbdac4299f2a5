"""The table of what is said of loaders whose cause is known."""

from __future__ import annotations

import pytest

from docs.diagnosis import planted
from docs.diagnosis.__main__ import NAMES, outcome_of, table


@pytest.mark.parametrize(
    ("name", "word", "outcome"),
    [
        ("torch_held_lock", "interpreter-bound", "right"),
        ("torch_held_lock", "wait-bound", "wrong"),
        ("torch_held_lock", "unclear", "unclear"),
        ("tfdata_no_cache", "decode-bound", "right"),
        ("tfdata_no_cache", "read-bound", "wrong"),
    ],
)
def test_what_is_right(name: str, word: str, outcome: str) -> None:
    """A word is, that the cause or our reading of the variant has; no word is neither."""
    assert outcome_of(name, word) == outcome


def test_the_table() -> None:
    """What is wrong stands out, with the word; what was not looked at is no success."""
    found = {
        "planted": {"torch_copies": {"word": "read-bound", "sentence": "it reads"}},
        "shipped": {"tfdata_no_cache": {"word": "decode-bound", "sentence": "2.0 of 2 cores busy"}},
    }
    lines = table(found, 24).splitlines()
    cells = next(line for line in lines if line.startswith("| copies |")).split(" | ")
    assert cells[2 + [*NAMES].index("torch")] == "**wrong**: read-bound"
    assert cells[2 + [*NAMES].index("tfdata")] == "not looked at"
    (row,) = (line for line in lines if line.startswith("| `tfdata_no_cache` |"))
    assert "decode-bound: 2.0 of 2 cores busy" in row
    assert row.endswith(" right |")


def test_every_cause_is_planted_in_every_kind() -> None:
    """Each is a loader of its name."""
    for kind in NAMES:
        for cause in planted.CAUSES | planted.ELSEWHERE:
            assert callable(getattr(planted, f"{kind}_{cause}"))
    with pytest.raises(AttributeError):
        _ = planted.torch_nothing
