"""What options of our commands take, most of it the ``type`` of an argparse argument.

It imports no room.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.sizes import parse_size

if TYPE_CHECKING:
    from collections.abc import Sequence

#: More seconds, images a second or gigabits than anybody needs.
_MOST = 1_000_000


def positive(text: str) -> float:
    """Return a number above 0 and below a million."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < _MOST:
        raise argparse.ArgumentTypeError(f"expected a number above 0 and below a million, found {text!r}")
    return number


def count(text: str) -> int:
    """Return a whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return int(text)


def size(text: str) -> int:
    """Return the bytes that a size such as 800M means."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def picture(text: str) -> Path:
    """Return the file of a picture, by whose name its format is known."""
    if not text.endswith((".svg", ".png")):
        raise argparse.ArgumentTypeError(f"expected a name that ends in .svg or .png, found {text!r}")
    return Path(text)


def split_at_dashes(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments before a lone ``--``, which are ours, and those after it, which are pytest's."""
    end = given.index("--") if "--" in given else len(given)
    return [*given[:end]], [*given[end + 1 :]]
