"""Whether a session can write what it will have to: said before it measures, and not after an hour."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.kept_files import why_not_written

if TYPE_CHECKING:
    import argparse


#: What every process of Linux has there; None on other systems.
PROC = Path("/proc/self/stat") if sys.platform == "linux" else None


class PlaceError(Exception):
    """Something cannot be written; the message names the option or variable that says where it goes."""


def check_places(options: argparse.Namespace) -> None:
    """Look at the folders of temporary files and of what is kept, and for the system's own: what all need.

    Args:
        options: Every option by its plain name.

    Raises:
        PlaceError: A folder cannot be written to, or is not there.
    """
    if PROC is not None and not PROC.exists():
        raise PlaceError(
            "/proc is not mounted, where Linux shows what processes take: `mount -t proc proc /proc`."
        )
    try:
        tempfile.gettempdir()
    except OSError as error:
        tried = f"TMPDIR is {os.environ['TMPDIR']}" if "TMPDIR" in os.environ else "TMPDIR is not set"
        raise PlaceError(
            f"there is no folder that temporary files can be written to ({tried}): set TMPDIR to one."
        ) from error
    try:
        multiprocessing.get_context("fork").Lock()
    except (ImportError, OSError) as error:
        raise PlaceError(
            f"no semaphore can be made ({error}), which Keras' generator and pools of processes need: Linux "
            "has them in /dev/shm, which has to be writable (`mount -t tmpfs none /dev/shm`)."
        ) from error
    if options.benchmark_json is not None:
        _check(f"--benchmark-json {options.benchmark_json}", Path(options.benchmark_json))
    storage = options.benchmark_storage.removeprefix("file://")
    if (options.benchmark_autosave or options.benchmark_save) and "://" not in storage:
        _check(f"--benchmark-storage {storage}", Path(storage) / "run", makes_folders=True)


def _check(option: str, path: Path, *, makes_folders: bool = False) -> None:
    problem = why_not_written(path, makes_folders=makes_folders)
    if problem:
        raise PlaceError(f"{option}: {problem}, so this run could not be saved: name another place.")
