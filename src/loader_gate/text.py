"""Lines for a terminal: what it may show, how wide they are, and tables of text.

It imports no room; rich is only imported where a table is made.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

#: The most columns of a line.
WIDTH = 100


#: What the runners of GitHub take for a command: at the beginning of a line, and anywhere.
_COMMAND = re.compile(r"(?<!\S)::|##\[")


def printable(text: str) -> str:
    """Return text of a file as a terminal or a log may show it.

    What would steer the terminal, or the runner that writes the log, is spelled out: wherever a line is
    broken later, none begins with ``::``.
    """
    shown = text if text.isprintable() else "".join(map(_spelled, text))
    return _COMMAND.sub(lambda found: f"\\x{ord(found[0][0]):x}{found[0][1:]}", shown)


def _spelled(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def printable_lines(text: str) -> str:
    """Return a text of several lines, each as a terminal or a log may show it."""
    return "\n".join(map(printable, text.split("\n")))


def one_line(text: str) -> str:
    """Return a text, such as the message of somebody's exception, in one line that may be shown."""
    return printable(" ".join(text.split()))


def wrapped(text: str, first: str = "", others: str = "") -> list[str]:
    """Return a text in lines of at most `WIDTH` columns, as a terminal may show it.

    Args:
        text: The text.
        first: What the first line begins with.
        others: What all others begin with.
    """
    return textwrap.wrap(
        printable(text), WIDTH, initial_indent=first, subsequent_indent=others, break_on_hyphens=False
    )


def new_table(first: str) -> Table:
    """Return an empty table.

    Args:
        first: The heading of its first column, whose texts are folded where they are too long.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True)
    table.add_column(first, overflow="fold")
    return table


def table_lines(table: Table, colour: bool) -> list[str]:
    """Return the lines of a table, at most `WIDTH` columns wide.

    Args:
        table: The table.
        colour: Whether colours may be used.
    """
    from rich.console import Console

    text = io.StringIO()
    console = Console(
        file=text,
        width=WIDTH,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
    )
    console.print(table)
    return [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]], colour: bool) -> list[str]:
    """Return the lines of a table of texts from files, at most `WIDTH` columns wide.

    Args:
        headings: Of the columns.
        rows: A text for each of them.
        colour: Whether colours may be used.
    """
    from rich.text import Text

    table = new_table(headings[0])
    for heading in headings[1:]:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(text)) for text in row))
    return table_lines(table, colour)


def in_words(error: Exception) -> str:
    """Return an exception with its message, which a loader may have written, in one line."""
    try:
        return one_line(f"{type(error).__name__}: {error}")
    except Exception:
        return type(error).__name__
