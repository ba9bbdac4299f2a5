"""Writes pictures that matplotlib draws, which few have installed: of equal figures, equal files.

It imports no room.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.kept_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable


def picture_file(text: str) -> Path:
    """Return the file of a picture, by whose name its format is known.

    Raises:
        argparse.ArgumentTypeError: It has another name.
    """
    if not text.endswith((".svg", ".png")):
        raise argparse.ArgumentTypeError(f"expected a name that ends in .svg or .png, found {text!r}")
    return Path(text)


def write_picture(file: Path, draw: Callable[[], Any]) -> None:
    """Write a picture.

    Args:
        file: The SVG or PNG file.
        draw: Returns the figure of matplotlib, and may import it.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: The file cannot be written.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    # With a set salt for identifiers and no date, equal figures make equal files.
    looks = {
        "svg.hashsalt": "loader-gate",
        "savefig.dpi": 120,
        "savefig.facecolor": "white",
        "font.size": 9,
        "axes.grid": True,
        "grid.alpha": 0.3,
    }
    metadata = {"Date": None, "Creator": None} if file.suffix == ".svg" else None
    with mpl.rc_context(looks):
        figure = draw()
        picture = io.BytesIO()
        figure.savefig(picture, format=file.suffix[1:], metadata=metadata)
        pyplot.close(figure)
    write_whole(file, picture.getvalue())


def why_not_drawn(option: str, file: Path, error: ImportError | OSError) -> str:
    """Return why there is no picture, and what to do.

    Args:
        option: Which asked for it.
        file: Where it should be.
        error: What `write_picture` has raised.
    """
    if isinstance(error, ImportError):
        return f"{option}: {error}; install matplotlib, which the extra study has."
    return f"{option} {file} cannot be written: {error}."
