"""What writing a dump to disk costs, and what reading it gains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loader_gate.plugin.books import passes_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.kinds("dump")
@pytest.mark.benchmark(group="dump", timer=passes_clock)
def test_dump(
    variant: str, gate: Callable[[str, str, BenchmarkFixture], None], benchmark: BenchmarkFixture
) -> None:
    """Reading the dump clears its floor, and the dump is no larger than predicted."""
    gate("dump", variant, benchmark)
