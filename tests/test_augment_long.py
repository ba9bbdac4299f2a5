"""``--augment crop-flip`` under the real command: who does it is measured, and the others are told of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loader_gate.registry.variant import BASELINE
from tests.sessions import SMALL_BUDGET, Run, Sessions, loaders


@pytest.fixture(scope="module")
def run(new_sessions: Callable[[], Sessions]) -> Run:
    """A session of the baseline, a variant of tf.data, and a loader that has not heard of it."""
    options = ("--augment=crop-flip", "--variant=tfdata_tuned", SMALL_BUDGET, "--hang-after=600")
    return new_sessions().run(*options, *loaders("photos"))


def test_who_augments_is_measured(run: Run) -> None:
    """Its work is said to be another than that of whole pictures."""
    for name in (BASELINE, "tfdata_tuned"):
        assert run.infos[name]["augment"] == "crop-flip", run.out + run.err
        assert run.infos[name]["verdict"] != "unmeasured"


def test_who_does_not_learns_what_to_add(run: Run) -> None:
    """Its test fails with the line."""
    assert list(run.failures) == ["photos"]
    assert "yield images, labels, boxes" in run.failures["photos"]
