"""Decodes every image once before the clock starts, so that no bad file is met in a measurement."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from loader_gate.progress import Display
from loader_gate.trees.cache import FORMAT, locked, usable
from loader_gate.trees.digests import key_digest
from loader_gate.trees.kinds import LIBRARIES, ODD
from loader_gate.trees.listing import listed
from loader_gate.trees.pool import UNSTARTED, Failure, results
from loader_gate.trees.tree import TreeError

#: Part of the key of a record: raise it when what is looked for in a file changes.
_LOOKS = 3


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        digests: Content digest of every good file, by its path.
        bad: For every bad file, by its path, what is wrong with it.
        odd: For every good file that not all of `LIBRARIES` read alike, by its path, what they do.
    """

    digests: dict[str, str]
    bad: dict[str, str]
    odd: dict[str, str]


def check_files(
    paths: Sequence[str],
    home: Path,
    cache: Path,
    display: Display,
    *,
    libraries: Collection[str] = LIBRARIES,
    most_pixels: int | None = None,
) -> Checked:
    """Decode every file in full and digest its bytes, in parallel processes.

    Files that were good before and have kept size and modification time are not read again; bad ones always
    are. Several names of one file (hard links) are checked once.

    Args:
        paths: Absolute paths.
        home: The folder they come from; each has its own record in the cache.
        cache: The cache folder.
        display: Where to show progress.
        libraries: Those that are going to read the files: what one of them reads otherwise is bad.
        most_pixels: The most pixels that an image may have; see `look`.

    Raises:
        TreeError: The cache folder cannot be used, or no process can be started.
    """
    record = _Record(cache / "checks", home, most_pixels)
    known = record.read()
    digests: dict[str, str] = {}
    kinds: dict[str, str] = {}
    bad: dict[str, str] = {}
    stamps: dict[str, tuple[int, int]] = {}
    same: dict[tuple[int, int], list[str]] = {}
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - a Path an image is slow
        except OSError as error:
            bad[path] = _unreachable(path, error)
            continue
        if not stat.S_ISREG(status.st_mode):
            bad[path] = "is not a regular file"
            continue
        stamps[path] = (status.st_size, status.st_mtime_ns)
        entry = known.get(path)
        if entry is not None and tuple(entry[:2]) == stamps[path]:
            digests[path] = str(entry[2])
            kinds[path] = str(entry[3])
        else:
            same.setdefault((status.st_dev, status.st_ino), []).append(path)
    if same:
        groups = list(same.values())
        with (
            results("loader_gate.trees.look:look", [[group[0], most_pixels] for group in groups]) as found,
            display.progress("Checking images", len(groups)) as progress,
        ):
            for done, (place, answer) in enumerate(found, 1):
                if isinstance(answer, Failure) and answer.unstarted:
                    raise TreeError(UNSTARTED.format("images cannot be checked", answer.reason))
                digest, kind, reason = (None, "", answer.reason) if isinstance(answer, Failure) else answer
                for path in groups[place]:
                    if reason is None:
                        digests[path] = str(digest)
                        kinds[path] = kind
                    else:
                        bad[path] = reason
                progress.update(done, f"{len(bad):,} bad" if bad else "")
        fresh = {
            path: (*stamps[path], digests[path], kinds[path])
            for group in groups
            for path in group
            if path in digests
        }
        record.add(fresh, display)
    for path, kind in kinds.items():
        problem = ODD[kind].problem(libraries) if kind else None
        if problem:
            bad[path] = problem
            del digests[path]
    # What only a rival's library reads otherwise, as DALI any GIF, tells nobody else anything.
    odd = {
        path: ODD[kind].told()
        for path, kind in kinds.items()
        if kind and path in digests and ODD[kind].problem(LIBRARIES)
    }
    return Checked(digests, {path: bad[path] for path in paths if path in bad}, odd)


def _unreachable(path: str, error: OSError) -> str:
    """Say why a file cannot be looked at."""
    if not Path(path).is_symlink():
        return f"cannot be read: {error.strerror}"
    if error.errno == errno.ELOOP:
        return "is a link that leads to itself"
    target = os.readlink(path)  # noqa: PTH115 - the text of the link
    if f"annex{os.sep}objects{os.sep}" in target:
        return "is a link to a file of git-annex that is not here: run `git annex get .` in its repository"
    return "is a link to nothing"


def refuse_bad(bad: dict[str, str]) -> None:
    """Raise a TreeError that names bad files, if there are any."""
    if bad:
        count = (
            "1 file is not a usable image" if len(bad) == 1 else f"{len(bad):,} files are not usable images"
        )
        lines = [f"{path} {reason}" for path, reason in bad.items()]
        raise TreeError(
            f"{count}. Repair, convert or remove what is named here, or leave it out with --skip-bad-images:"
            f"{listed(lines)}"
        )


class _Record:
    """The good files of one folder that were checked before.

    By path: size, modification time, digest and kind.
    """

    def __init__(self, folder: Path, home: Path, most_pixels: int | None) -> None:
        self._folder = folder
        self._file = folder / f"{key_digest([FORMAT, _LOOKS, os.fspath(home), most_pixels])}.json"

    def read(self) -> dict[str, list[int | str]]:
        try:
            record: dict[str, list[int | str]] = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return record

    def add(self, fresh: dict[str, tuple[int, int, str, str]], display: Display) -> None:
        with usable(self._folder), locked(self._folder, display, "writing down what it checked"):
            # Read again: another session may have added files of the same folder meanwhile.
            text = json.dumps({**self.read(), **fresh}, separators=(",", ":"))
            unfinished = self._file.with_suffix(".tmp")
            unfinished.write_text(text, "utf-8")
            unfinished.replace(self._file)
