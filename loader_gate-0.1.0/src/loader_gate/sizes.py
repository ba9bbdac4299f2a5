"""Sizes in bytes, as people read and write them."""

from __future__ import annotations

import re

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_size(text: str) -> int:
    """Return the bytes that a text such as ``800M`` or ``1.5G`` means; units are powers of 1000.

    Raises:
        ValueError: It has another form, or is not above 0.
    """
    match = re.fullmatch(r"(?P<number>\d+(\.\d+)?)(?P<unit>[KMGT]?)B?", text.strip().upper())
    size = round(float(match["number"]) * _UNITS[match["unit"]]) if match else 0
    if size == 0:
        raise ValueError(f"expected a size such as 800M or 1.5G, found {text!r}")
    return size


def format_size(size: float) -> str:
    """Return bytes as people read them, such as ``92.2 GB``."""
    for unit in ("GB", "MB"):
        scale = _UNITS[unit[0]]
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size / 1000:,.0f} KB"
