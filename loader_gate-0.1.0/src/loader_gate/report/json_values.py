"""Values of a JSON file, none of which is trusted to be what it should be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return an object of the JSON, empty if it is none."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Any]:
    """Return a list of the JSON, empty if it is none."""
    return value if isinstance(value, list) else []


def as_mappings(value: object) -> list[Mapping[str, Any]]:
    """Return a list of objects, without what is none."""
    return [each for each in as_list(value) if isinstance(each, Mapping)]


def as_figure(value: object) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def as_figures(value: object) -> list[float]:
    """Return a list of finite numbers, without what is none."""
    return [found for each in as_list(value) if (found := as_figure(each)) is not None]
