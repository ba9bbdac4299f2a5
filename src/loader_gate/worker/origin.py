"""Where a worker takes its code from: the interpreter, and where that looks for modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: The folder of this package.
OWN_FOLDER = str(Path(__file__).resolve().parents[2])
# The harness is this checkout's, whatever else the search path holds.
_START = (
    "import sys; sys.path[:] = [sys.argv[2], *filter(None, sys.path)]; import loader_gate; "
    "del sys.path[0]; from loader_gate.worker.{} import main; main()"
)


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


def command(program: str, module: str, descriptor: int, *arguments: str) -> list[str]:
    """Return the command line by which a Python runs a module of this room.

    Args:
        program: The Python.
        module: The module's last name.
        descriptor: The file descriptor that it serves on.
        arguments: What else it is told.
    """
    return [program, "-c", _START.format(module), str(descriptor), OWN_FOLDER, *arguments]
