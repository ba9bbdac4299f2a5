"""A line a variant on what holds it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def bottleneck_lines(extra_info: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each variant that was looked at.

    Args:
        extra_info: What the JSON says of variants, by name.
    """
    return [
        f"{name}: {info['bottleneck']}: {info['bottleneck_evidence']['sentence']}."
        for name, info in extra_info.items()
        if "bottleneck" in info
    ]
