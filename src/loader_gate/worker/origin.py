"""Where a worker takes its code from: the interpreter, and where that looks for modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """Where a base worker takes its code from.

    Attributes:
        search_path: Folders in which it looks for modules, first to last.
        python: The interpreter.
        package: The folder of another ``loader_gate``, for all that a variant may import; None is this
            checkout's.
        inside: The folder in which the loader's module must turn out to lie, or None if it is not checked.
        file: The file of the loader's module there, if the loader was found in a file.
    """

    search_path: tuple[str, ...]
    python: str
    package: str | None = None
    inside: str | None = None
    file: str | None = None


def environment_of(program: str, search_path: Iterable[str]) -> dict[str, str]:
    """Return the environment variables in which a Python looks for modules in these folders first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search_path)}
    if program != sys.executable:  # it says where our own standard library is
        environment.pop("PYTHONHOME", None)
    return environment
