"""Small files of the system, which may be missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file, none if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def words_of(path: Path) -> list[str]:
    """Return the words of a file, none if it cannot be read."""
    return " ".join(lines_of(path)).split()


def object_of(path: Path) -> dict[str, Any]:
    """Return the object that a file of JSON holds; an empty one if it cannot be read, or holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
