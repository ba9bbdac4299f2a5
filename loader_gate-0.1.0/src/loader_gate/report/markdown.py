"""Markdown for GitHub, of text that may be a stranger's: shown as text, and no longer than GitHub takes.

It needs nothing but the standard library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from loader_gate.text import printable

#: GitHub takes 65,536 characters in a comment, and 1 MiB in a summary.
MOST_CHARACTERS = 60_000
#: What may be spent on the table, and on each folded part.
_OF_A_TABLE = 16_000
#: The most characters of a name, and of a sentence.
LONGEST_NAME, LONGEST_SENTENCE = 80, 2000

#: Columns that are no figures.
_OF_WORDS = {"variant", "workload", "verdict", "row", "why"}
#: Where to break what would be turned into a mention or a link even where no Markdown is left.
_LINKS = re.compile(r"(?<=[@#])|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=GH)(?=-)", re.IGNORECASE)
_ZERO_WIDTH_SPACE = "\u200b"


def escaped(foreign: object, most: int = LONGEST_SENTENCE) -> str:
    """Return any text so that Markdown and HTML show it as it is, in one line, and nobody is notified."""
    line = printable(" ".join(str(foreign).split()))
    if len(line) > most:
        line = line[: most - 1] + "…"
    line = _LINKS.sub(_ZERO_WIDTH_SPACE, line)
    # What means nothing here stays, such as an underscore inside a word: most names have one.
    return re.sub(
        r"(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])|:(?! )|[!#$&*<>@\[\\\]^`{|}~]",
        lambda found: f"&#{ord(found[0])};",
        line,
    )


def code(name: str) -> str:
    """Return a name as code."""
    return f"<code>{escaped(name, LONGEST_NAME)}</code>"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, with as many rows as there is room for."""
    sides = [":--" if column in _OF_WORDS else "--:" for column in columns]
    lines = [f"| {' | '.join(columns)} |", f"| {' | '.join(sides)} |"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    length = 0
    for place, line in enumerate(lines):
        length += len(line) + 1
        if length > _OF_A_TABLE:
            return "\n".join([*lines[:place], "", f"… and {len(lines) - place} more."])
    return "\n".join(lines)


def folded(title: str, inside: str) -> str:
    """Return Markdown that is folded behind a title; nothing if there is none."""
    # Markdown inside of HTML needs empty lines around it.
    return f"<details><summary>{title}</summary>\n\n{inside}\n\n</details>" if inside else ""


def fitting(parts: Iterable[str]) -> str:
    """Return the parts that there is room for, and say so where there is not."""
    cut = "… The rest is left out here, as GitHub takes no more; the saved run has it."
    shown: list[str] = []
    for part in filter(None, parts):
        if sum(len(each) + 2 for each in [*shown, part, cut]) > MOST_CHARACTERS:
            return "\n\n".join([*shown, cut])
        shown.append(part)
    return "\n\n".join(shown)


def figure_with_interval(
    value: float, low: float | None, high: float | None, form: Callable[[float], str]
) -> str:
    """Return a figure with its interval, if it has one.

    Args:
        value: The figure.
        low: Lower end of its interval, if it has one.
        high: Upper end of it.
        form: How figures of its kind are written.
    """
    if low is None or high is None or not low < high:
        return form(value)
    return f"{form(value)} ({form(low)}–{form(high)})"


def formatted(value: float | None, form: str, scale: float = 1) -> str:
    """Return a figure as text, times a scale; a dash where there is none."""
    return "–" if value is None else form.format(value * scale)
