"""STUB, to be replaced."""

from __future__ import annotations

from typing import Any


def shuffle_quality(order: Any, images: int) -> float | None:
    """Stub."""
    return None


def order_problem(orders: Any, shuffle: bool) -> str | None:
    """Stub."""
    return None
