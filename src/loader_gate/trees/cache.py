"""The folder where built trees and results of checks are kept between sessions."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from loader_gate.progress import Display
from loader_gate.trees.tree import TreeError

#: Part of every key: raise it when what is stored, or how a tree is made, changes.
FORMAT = 1

#: Seconds of waiting for another session before saying so, and between saying so again.
WAIT_SECONDS = 5.0

_UNFINISHED = ".building-"


def cache_root() -> Path:
    """Return the cache folder: ``LOADER_GATE_CACHE`` if set, otherwise the user's cache folder.

    Raises:
        TreeError: The user has none, as in a container whose user nobody has entered.
    """
    from platformdirs import user_cache_path

    chosen = os.environ.get("LOADER_GATE_CACHE")
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        folder = user_cache_path("loader-gate", appauthor=False)
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():  # some versions of platformdirs give "~/.cache"
        raise TreeError(
            "no home folder is known (HOME is not set, and the system has no entry of this user), so there "
            "is no place for trees: set LOADER_GATE_CACHE to a folder."
        )
    return folder


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Turn an OSError inside the block into a TreeError that says where the cache is and how to move it."""
    try:
        yield
    except OSError as error:
        raise TreeError(
            f"the cache folder {folder} cannot be used: {error}. "
            "Make it writable and give it room, or set LOADER_GATE_CACHE to another folder."
        ) from error


@contextmanager
def locked(folder: Path, display: Display, doing: str) -> Iterator[None]:
    """Hold the lock of a cache folder, which no other session holds meanwhile.

    Args:
        folder: The folder; it is made if it is missing.
        display: Where to say so if another session holds the lock for long.
        doing: What the other session may be doing.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    while True:
        try:
            lock.acquire(timeout=WAIT_SECONDS)
            break
        except Timeout:
            display.say(f"Waiting for another session, which is {doing} (it holds {lock.lock_file}).")
    try:
        yield
    finally:
        lock.release()


def built(
    folder: Path,
    name: str,
    valid: Callable[[Path], bool],
    build: Callable[[Path], None],
    display: Display,
) -> Path:
    """Return a folder of the cache, built now if there is no valid one.

    It appears whole or not at all: it is built beside its place and renamed. One session builds at a time, so
    every unfinished folder found under the lock was left by a session that was killed, and is removed.

    Args:
        folder: The folder that holds it.
        name: Its name in there.
        valid: Whether a folder of that name is what is wanted; called again under the lock.
        build: Fills an empty folder.
        display: Where to say what is waited for.

    Raises:
        TreeError: The cache folder cannot be used.
    """
    place = folder / name
    with usable(folder):
        if valid(place):
            return place
        with locked(folder, display, "building a tree"):
            if valid(place):
                return place
            for stale in folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(stale, ignore_errors=True)
            unfinished = folder / f"{_UNFINISHED}{uuid.uuid4().hex}"
            try:
                unfinished.mkdir()
                build(unfinished)
                if place.exists():
                    # Damaged. Moving it away first keeps the time without any folder short.
                    place.replace(folder / f"{_UNFINISHED}old-{uuid.uuid4().hex}")
                unfinished.replace(place)
            finally:
                for leftover in folder.glob(f"{_UNFINISHED}*"):
                    shutil.rmtree(leftover, ignore_errors=True)
    return place
