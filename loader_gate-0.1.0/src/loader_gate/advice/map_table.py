"""The map as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from loader_gate.advice.pareto import Placed
from loader_gate.sizes import format_size
from loader_gate.text import new_table, printable, table_lines
from loader_gate.verdict.sentence import number


def map_table(found: Sequence[Placed], colour: bool) -> list[str]:
    """Return the lines of the map, without the variants that another one beats.

    Args:
        found: The variants, from the fastest to the slowest.
        colour: Whether colours may be used.
    """
    from rich.text import Text

    table = new_table("variant")
    # Of a run whose passes all began cold, they are the same.
    both = any(each.point.from_disk not in (None, each.point.images_per_second) for each in found)
    headings = ("images/s", *(["from disk"] * both), "speedup", "disk/image", "memory/image")
    for heading in headings:
        table.add_column(heading, justify="right")
    table.add_column("Pareto-optimal")
    for each in found:
        point = each.point
        if each.front != "no":
            front = Text(each.front, "green" if each.front == "yes" else "yellow")
            table.add_row(
                Text(printable(point.variant)),
                f"{point.images_per_second:,.0f}",
                *(["–" if point.from_disk is None else f"{point.from_disk:,.0f}"] * both),
                number(point.speedup.ratio),
                _bytes(point.disk_bytes),
                _bytes(point.memory_bytes),
                front,
            )
    return table_lines(table, colour)


def _bytes(size: float | None) -> str:
    if size is None:
        return "not known"
    return format_size(size) if size else "–"
