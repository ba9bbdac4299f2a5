"""What a profile says, in words. It needs nothing but the standard library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loader_gate.report.json_values import as_figure, as_mapping, as_mappings
from loader_gate.text import printable

#: So many functions are named in a sentence.
_MOST_NAMED = 3


def stage_lines(extra_info: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each variant that was profiled, with the shares of its stages.

    Args:
        extra_info: What there is to say of each variant, by its name.
    """
    lines = []
    for name, info in extra_info.items():
        parts = [
            f"{stage} {100 * share:.0f} %" for stage, share in stage_shares(info).items() if share >= 0.005
        ]
        if parts:
            lines.append(f"Where the time of {name} goes: {', '.join(parts)}.")
    return lines


def stage_shares(info: Mapping[str, Any]) -> dict[str, float]:
    """Return the share of the time of all threads that each stage has, the largest first."""
    shares = {
        printable(str(stage)): share
        for stage, value in as_mapping(info.get("profile_stages")).items()
        if (share := as_figure(value)) is not None
    }
    return dict(sorted(shares.items(), key=lambda each: -each[1]))


def gained_words(info: Mapping[str, Any]) -> str:
    """Return the functions in which head spends more time than base, in words; nothing if none is known."""
    words = [
        f"{milliseconds:.3g} ms an image in {place(each)}"
        for each in as_mappings(info.get("profile_gained"))
        if (milliseconds := as_figure(each.get("milliseconds_an_image"))) is not None
    ]
    return f"gained most: {', '.join(words[:_MOST_NAMED])}" if words else ""


def place(function: Mapping[str, Any]) -> str:
    """Return a function with its file and line, as text of one line."""
    file, line = str(function.get("file") or ""), as_figure(function.get("line"))
    where = f"{file}:{line:.0f}" if line else file
    return printable(f"{function.get('function')} ({where})" if where else str(function.get("function")))
