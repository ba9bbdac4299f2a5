"""What cold passes had from the disk, as a table of text. It needs nothing but the standard library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from loader_gate.report.json_values import as_figure

HEADINGS = ("cold passes", "MB/s from disk", "MB an epoch", "cached at the start")


def cold_rows(extra_infos: Iterable[tuple[str, Mapping[str, Any]]]) -> list[tuple[str, ...]]:
    """Return a row for each variant whose passes began cold.

    Args:
        extra_infos: The name of each variant, and what the JSON says of it.
    """
    return [
        (
            name,
            _megabytes(as_figure(info.get("bytes_per_second"))),
            _megabytes(as_figure(info.get("read_bytes"))),
            f"{cached:.1%}",
        )
        for name, info in extra_infos
        if (cached := as_figure(info.get("cached_share"))) is not None
    ]


def _megabytes(figure: float | None) -> str:
    return "–" if figure is None else f"{figure / 1e6:,.1f}"
