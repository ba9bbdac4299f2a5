"""What was found, for people: a table, and what is to be said of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from loader_gate.growth.fit import LINEAR_WITHIN, Growth
from loader_gate.text import text_table, wrapped


def lines_of(found: Sequence[Growth], problems: Iterable[str], colour: bool) -> list[str]:
    """Return the table and the sentences below it.

    Args:
        found: How each figure grows.
        problems: What could not be measured, a sentence each.
        colour: Whether colours may be used.
    """
    sizes = sorted({size for each in found for size, _ in each.middles})
    headings = ["images", *(f"{size:,}" for size in sizes), "exponent (95 % CI)", "wanted"]
    lines: list[str] = []
    subject = None
    rows: list[list[str]] = []
    for each in found:
        if each.subject != subject:
            subject = each.subject
            rows.append([subject or "the suite", *[""] * (len(sizes) + 2)])
        values = dict(each.middles)
        shown = [each.figure.text(values[size]) if size in values else "–" for size in sizes]
        rows.append([f"  {each.figure.about}", *shown, exponent_text(each), _wanted(each)])
    lines += text_table(headings, rows, colour)
    for sentence in (*sentences(found), *(f"Not measured, with {each}" for each in problems)):
        lines += wrapped(sentence, others="  ")
    return lines


def exponent_text(growth: Growth) -> str:
    """Return an exponent and its interval."""
    if growth.exponent is None:
        return "–"
    value, low, high = (_number(each) for each in _ends(growth))
    return f"{value} ({low}–{high})" if math.isfinite(growth.exponent.high) else value


def sentences(found: Sequence[Growth]) -> Iterator[str]:
    """Yield what is worse than linear, what may be, and what is not as the suite wants it."""
    worse = [each for each in found if each.is_worse == "yes"]
    may_be = [each for each in found if each.is_worse == "not told"]
    yield from (
        f"Worse than linear: {_name(each)} grows with exponent {exponent_text(each)}, where "
        f"{each.figure.linear:g} is in proportion to the images."
        for each in worse
    )
    if not worse:
        yield f"Nothing is surely worse than linear, by more than {LINEAR_WITHIN:g} of exponent."
    if may_be:
        yield (
            f"Not told whether it is worse than linear, as the interval is too wide: "
            f"{', '.join(map(_name, may_be))}. More rounds, or sizes further apart, tell more."
        )
    for each in found:
        if each.is_as_wanted == "no" and each.figure.is_rate:
            yield (f"{_name(each)} depends on the size: exponent {exponent_text(each)}, wanted 0 in it.")
        elif each.is_as_wanted == "no":
            yield (
                f"{_name(each)} grows faster than wanted: exponent {exponent_text(each)}, wanted "
                f"{_most(each)}."
            )


def _name(growth: Growth) -> str:
    return f"{growth.figure.about} of {growth.subject or 'the suite'}"


def _wanted(growth: Growth) -> str:
    if growth.figure.wanted is None:
        return ""
    return f"{_most(growth)}: {growth.is_as_wanted}"


def _most(growth: Growth) -> str:
    return f"{growth.figure.wanted:g}" if growth.figure.is_rate else f"≤ {growth.figure.wanted:g}"


def _ends(growth: Growth) -> tuple[float, float, float]:
    exponent = growth.exponent
    return (math.nan,) * 3 if exponent is None else (exponent.value, exponent.low, exponent.high)


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00")
