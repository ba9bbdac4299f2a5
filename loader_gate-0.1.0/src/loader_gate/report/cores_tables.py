"""Throughput against cores as tables of text, from a run's JSON: it needs the standard library only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loader_gate.report.json_values import as_figure, as_list, as_mapping, as_mappings

NONE = "–"


@dataclass(frozen=True)
class TextTable:
    """A table of text.

    Attributes:
        title: What it shows.
        headings: Of its columns.
        rows: Its rows; the first cell of each is the name of a variant.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def scalings(about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what is known of each variant.

    Args:
        about: What a run's JSON says of the run as a whole.
    """
    return as_mappings(as_mapping(about.get("cores")).get("variants"))


def cores_remarks(about: Mapping[str, Any]) -> list[str]:
    """Return what is said of all variants together, a sentence each."""
    return [str(each) for each in as_list(as_mapping(about.get("cores")).get("remarks"))]


def cores_tables(about: Mapping[str, Any]) -> list[TextTable]:
    """Return throughput by number of cores, and what is predicted; nothing where that was not measured."""
    found = scalings(about)
    predictions = [row for each in found for row in _prediction(each)]
    tests = [row for each in found for row in _test(each)]
    tables = [
        TextTable(
            "Throughput against cores",
            ("variant", "cores", "images/s (95 % CI)", "a core", "speedup (95 % CI)", "serial % (CI)"),
            tuple(row for each in found for row in _rates(each)),
        ),
        TextTable(
            "What more cores would give",
            ("variant", "cores", "images/s (95 % CI)", "limited by"),
            tuple(predictions),
        ),
        TextTable(
            "What one core alone tells of all",
            ("variant", "cores", "speedup predicted", "measured (95 % CI)", "right"),
            tuple(tests),
        ),
    ]
    return [each for each in tables if each.rows]


def _rates(scaling: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return a row a number of cores."""
    points = as_mappings(scaling.get("points"))
    rows: list[tuple[str, ...]] = []
    for index, point in enumerate(points):
        cores, rate = as_figure(point.get("cores")), as_mapping(point.get("images_per_second"))
        value, problem = as_figure(rate.get("value")), str(point.get("problem") or "")
        is_last = index == len(points) - 1
        rows.append(
            (
                str(scaling.get("variant")),
                _number(cores) + "*" * bool(point.get("shares_cores")),
                problem or with_range(rate, "{:,.0f}".format),
                f"{value / cores:,.0f}" if value is not None and cores else NONE,
                with_range(as_mapping(point.get("speedup")), "{:.2f}".format),
                with_range(as_mapping(scaling.get("serial_share")), _percent) if is_last else "",
            )
        )
    return rows


def _prediction(scaling: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield a row, if something is predicted."""
    predicted = as_mapping(scaling.get("prediction"))
    if predicted:
        yield (
            str(scaling.get("variant")),
            _number(predicted.get("cores")),
            with_range(as_mapping(predicted.get("images_per_second")), "{:,.0f}".format),
            str(predicted.get("limited_by") or NONE),
        )


def _test(scaling: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield a row, if one core alone was held against all."""
    tested = as_mapping(scaling.get("from_one_core"))
    least, most = (as_figure(tested.get(name)) for name in ("at_least", "at_most"))
    if least is not None and most is not None:
        yield (
            str(scaling.get("variant")),
            _number(tested.get("cores")),
            f"{least:.2f} to {most:.2f}",
            with_range(as_mapping(tested.get("measured")), "{:.2f}".format),
            str(tested.get("right") or NONE),
        )


def _number(value: object) -> str:
    cores = as_figure(value)
    return NONE if cores is None else f"{cores:.0f}"


def with_range(figure: Mapping[str, Any], written: Callable[[float], str]) -> str:
    """Return a figure with its interval, if it has one."""
    value, low, high = (as_figure(figure.get(name)) for name in ("value", "low", "high"))
    if value is None:
        return NONE
    return written(value) + (f" ({written(low)}–{written(high)})" if low is not None and high else "")


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
