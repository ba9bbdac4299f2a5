"""The size of a dump: what was predicted, what base writes, and what becomes of the verdict."""

from __future__ import annotations

import pytest

from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.dump_size import held_to_base, held_to_ceiling
from loader_gate.verdict.verdict import Verdict

PASSED = Verdict("pass", 1.5, Estimate(2.0, 1.8, 2.2, 9), "because")


@pytest.mark.parametrize(
    ("size", "predicted", "allowance"),
    [(10_201.0, 10_000.0, 1), (10_200.0, 10_000.0, 0), (5.0, 0.0, 0), (1, 9, 0)],
)
def test_what_is_as_large_as_foreseen(size: float, predicted: float, allowance: int) -> None:
    """Within 2 % and what labels take; whatever it is where nobody knows."""
    assert held_to_ceiling(PASSED, size, predicted, allowance) is PASSED


@pytest.mark.parametrize(("size", "allowance"), [(10_202.0, 1), (10_201.0, 0)])
def test_what_is_larger(size: float, allowance: int) -> None:
    """It fails, and says by how much and what to do; the rest of the verdict stays."""
    found = held_to_ceiling(PASSED, size, 10_000.0, allowance)
    assert (found.status, found.floor, found.estimate) == ("fail", PASSED.floor, PASSED.estimate)
    assert found.reason == (
        "but its dump takes 10 KB an image, above the ceiling of 1.02 times the predicted 10 KB: "
        "find what made it grow"
    )


@pytest.mark.parametrize(
    ("head", "outcome", "status"),
    [
        (10_000, "same", "pass"),
        (10_100, "slower", "pass"),
        (10_101, "regression", "fail"),
        (9_000, "improvement", "pass"),
    ],
)
def test_held_against_base(head: int, outcome: str, status: str) -> None:
    """One per cent more is allowed: the bytes of a dump have no noise."""
    found = held_to_base(PASSED, head, 10_000)
    assert found.status == status
    (change,) = found.changes
    assert (change.figure, change.outcome, change.tolerance) == ("dump bytes", outcome, 0.01)
    ratio = head / 10_000
    assert change.estimate == Estimate(ratio, ratio, ratio, 1)
    assert ("; " in found.reason) == (outcome not in ("same", "slower"))
