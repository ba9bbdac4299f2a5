"""How fast the machine could be: what every loader has to do, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loader_gate.plugin.books import passes_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.kinds("limit")
@pytest.mark.benchmark(group="loading", timer=passes_clock)
def test_limit(
    variant: str, gate: Callable[[str, str, BenchmarkFixture], None], benchmark: BenchmarkFixture
) -> None:
    """The limit is measured, in the same blocks as the variants that it bounds."""
    gate("loading", variant, benchmark)
