"""Pictures that trees of any size share: they are drawn once, and linked into each tree that has more images.

A picture has its name only when it is whole, so that what a session had drawn that was killed is used again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loader_gate.progress import Display
from loader_gate.trees.cache import locked
from loader_gate.trees.digests import content_digest
from loader_gate.trees.pool import UNSTARTED, Failure, results
from loader_gate.trees.tree import TreeError

_RECORD = "drawn.json"


def draw(tasks: Sequence[Sequence[object]], display: Display) -> list[str]:
    """Draw pictures in parallel; return the digest of each.

    Args:
        tasks: What ``picture.write`` takes.
        display: Where to show progress.

    Raises:
        TreeError: One cannot be drawn.
    """
    digests = [""] * len(tasks)

    def keep(place: int, digest: str) -> None:
        digests[place] = digest

    _draw(tasks, keep, display)
    return digests


def shared(
    folder: Path, tasks: Callable[[Sequence[Path]], list[list[Any]]], count: int, display: Display
) -> list[str]:
    """Draw the pictures of a folder that are not there yet, or have changed since; return all their digests.

    Args:
        folder: Where they are, ``000000.jpg`` and so on.
        tasks: Gives what ``picture.write`` takes, of pictures that are to be written to these files.
        count: How many.
        display: Where to show progress.

    Raises:
        TreeError: One cannot be drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, display, "drawing pictures"):
        known = _known(folder)
        files = [folder / f"{number:06}.jpg" for number in range(count)]
        unfinished = [file.with_name(f".{file.name}") for file in files]
        every = tasks(unfinished)
        missing = [number for number, file in enumerate(files) if not _is_there(file, known.get(file.name))]

        def keep(place: int, _: str) -> None:
            number = missing[place]
            unfinished[number].replace(files[number])

        _draw([every[number] for number in missing], keep, display)
        redrawn = {files[number].name for number in missing}
        for file in files:
            if file.name not in known or file.name in redrawn:
                status = file.stat()
                known[file.name] = [status.st_size, status.st_mtime_ns, content_digest(file.read_bytes())]
        record = folder / f".{_RECORD}"
        record.write_text(json.dumps(known), "utf-8")
        record.replace(folder / _RECORD)
        return [str(known[file.name][2]) for file in files]


def _draw(tasks: Sequence[Sequence[object]], keep: Callable[[int, str], None], display: Display) -> None:
    if not tasks:
        return
    with (
        results("loader_gate.trees.picture:write", tasks) as drawn,
        display.progress("Drawing images", len(tasks)) as progress,
    ):
        for done, (place, answer) in enumerate(drawn, 1):
            if isinstance(answer, Failure) and answer.unstarted:
                raise TreeError(UNSTARTED.format("pictures cannot be drawn", answer.reason))
            if isinstance(answer, Failure):
                _, _, number, file = tasks[place]
                raise TreeError(
                    f"picture {number} of the synthetic tree could not be drawn into the cache folder, as "
                    f"{file}: {answer.reason}. Make that folder writable and give it room, or set "
                    "LOADER_GATE_CACHE to another one; where memory has run out, let there be more."
                )
            keep(place, answer)
            progress.update(done)


def _known(folder: Path) -> dict[str, list[Any]]:
    try:
        known: dict[str, list[Any]] = json.loads((folder / _RECORD).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known


def _is_there(file: Path, known: Sequence[Any] | None) -> bool:
    """Return whether a picture is whole: as it was, or of a session that did not come to write it down."""
    try:
        status = os.stat(file)  # noqa: PTH116 (as everywhere in this room)
    except OSError:
        return False
    return known is None or known[:2] == [status.st_size, status.st_mtime_ns]
