"""What a page is made of, and how its figures are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

#: What stands for a figure that there is not.
NONE = "–"


@dataclass(frozen=True)
class Chart:
    """A picture, and the same in words and numbers for those who do not see it.

    Attributes:
        key: Its name on the page.
        title: The heading.
        summary: What it shows, in a sentence or two.
        headings: Of the table of its numbers.
        rows: The table; the first cell of a row names it.
        spec: What ``page.js`` draws it from.
        caption: How to read it.
    """

    key: str
    title: str
    summary: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    spec: dict[str, Any]
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """A table for people.

    Attributes:
        title: The caption.
        headings: One a column.
        rows: The first cell of a row names it.
        notes: What is to be said below it.
    """

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        key: Its name in links.
        title: Its heading.
        about: How to read it, in a sentence or two.
        charts: Its pictures.
        tables: Its tables.
        tables_first: Whether they come before the pictures.
        advice: What to do, a paragraph each.
    """

    key: str
    title: str
    about: str = ""
    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    tables_first: bool = False
    advice: Sequence[str] = ()


def spread(
    written: Callable[[float], str], value: float | None, low: float | None, high: float | None
) -> str:
    """Return a figure with its interval, if it has one.

    Args:
        written: How a figure of its kind is written.
        value: The figure.
        low: The lower end; None or 0 if there is none.
        high: The upper end; None if there is none.
    """
    if value is None:
        return NONE
    return written(value) + (f" ({written(low)}–{written(high)})" if low and high else "")


def percent_change(ratio: float) -> str:
    """Return a ratio as the percent by which something is more."""
    return f"{(ratio - 1) * 100:+.1f} %".replace("-", "−")


def in_seconds(seconds: float) -> str:
    """Return seconds as people read them."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def three_decimals(ratio: float) -> str:
    """Return a ratio near 1."""
    return f"{ratio:.3f}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """Return names in a sentence: the first ones, and how many more there are."""
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
