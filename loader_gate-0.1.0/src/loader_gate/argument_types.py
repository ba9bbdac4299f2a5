"""Types of commands' arguments, for argparse: errors say what was found and what is expected."""

from __future__ import annotations

import argparse

from loader_gate.sizes import parse_size

_MOST = 1_000_000


def count(text: str) -> int:
    """Return a whole number above 0.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not (text.isascii() and text.isdecimal()) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return int(text)


def positive(text: str) -> float:
    """Return a number above 0 and below a million.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < _MOST:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return number


def size(text: str) -> int:
    """Return the bytes of a size such as ``1.5G``.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
