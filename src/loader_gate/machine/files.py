"""Small files of the system, which may be missing."""

from __future__ import annotations

from pathlib import Path


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file, none if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def words_of(path: Path) -> list[str]:
    """Return the words of a file, none if it cannot be read."""
    return " ".join(lines_of(path)).split()
