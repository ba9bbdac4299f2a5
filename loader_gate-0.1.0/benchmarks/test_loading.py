"""How fast each variant delivers one epoch of batches, with nothing to use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loader_gate.plugin.books import passes_clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.kinds("streaming", "memory", "dump", "rival")
@pytest.mark.benchmark(group="loading", timer=passes_clock)
def test_throughput(
    variant: str, gate: Callable[[str, str, BenchmarkFixture], None], benchmark: BenchmarkFixture
) -> None:
    """The variant's speedup over the baseline clears its floor."""
    gate("loading", variant, benchmark)
