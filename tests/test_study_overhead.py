"""The study of what looking at batches costs: it runs, and its page says what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.study import overhead

if TYPE_CHECKING:
    from pathlib import Path


def test_a_variant_is_timed_with_and_without_a_look(tmp_path: Path) -> None:
    """Its passes are those of a worker, and its row has images/s, their ratio and what is off the clock."""
    (threads,) = (each for each in overhead.default_variants() if each.name == "native_threads")
    overhead.measure(32, 3, tmp_path, [threads])
    row = (tmp_path / overhead.FILE).read_text(encoding="utf-8").splitlines()[-1]
    name, throughput, ratio, off_the_clock = (cell.strip() for cell in row.strip("|").split("|"))
    assert name == "`native_threads`"
    assert float(throughput.replace(",", "")) > 0
    assert 0.2 < float(ratio.split()[0]) < 5
    assert off_the_clock.endswith("%")
