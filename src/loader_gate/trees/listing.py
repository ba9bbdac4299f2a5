"""Names in a message: some of many, each in a line of its own, whatever they are."""

from __future__ import annotations

from collections.abc import Sequence

from loader_gate.text import printable

#: How many names an error lists before it gives only their number.
NAMED = 20


def listed(lines: Sequence[str]) -> str:
    """Return the first 20 lines, indented, and the number of those left out; they may hold any name."""
    text = "".join(f"\n  {printable(line)}" for line in lines[:NAMED])
    more = len(lines) - NAMED
    return f"{text}\n  and {more:,} more" if more > 0 else text
