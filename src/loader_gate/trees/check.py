"""Decodes every image once before the clock starts, so that no bad file is met in a measurement."""

from __future__ import annotations

import io
import json
import os
import stat
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loader_gate.progress import Display
from loader_gate.trees.cache import FORMAT, locked, usable
from loader_gate.trees.digests import content_digest, key_digest
from loader_gate.trees.pool import Failure, results
from loader_gate.trees.tree import TreeError, listed

#: What Keras and TensorFlow decode, as Pillow calls it; a TIFF or WebP under another suffix is none of them.
FORMATS = ("BMP", "GIF", "JPEG", "PNG")


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        digests: Content digest of every good file, by its path.
        bad: For every bad file, by its path, what is wrong with it.
    """

    digests: dict[str, str]
    bad: dict[str, str]


def check_files(paths: Sequence[str], home: Path, cache: Path, display: Display) -> Checked:
    """Decode every file in full and digest its bytes, in parallel processes.

    Files that were good before and have kept size and modification time are not read again; bad ones always
    are. Several names of one file (hard links) are checked once.

    Args:
        paths: Absolute paths.
        home: The folder they come from; each has its own record in the cache.
        cache: The cache folder.
        display: Where to show progress.

    Raises:
        TreeError: The cache folder cannot be used.
    """
    record = _Record(cache / "checks", home)
    known = record.read()
    digests: dict[str, str] = {}
    bad: dict[str, str] = {}
    stamps: dict[str, tuple[int, int]] = {}
    same: dict[tuple[int, int], list[str]] = {}
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - a Path an image is slow
        except OSError as error:
            bad[path] = (
                "is a link to nothing" if Path(path).is_symlink() else f"cannot be read: {error.strerror}"
            )
            continue
        if not stat.S_ISREG(status.st_mode):
            bad[path] = "is not a regular file"
            continue
        stamps[path] = (status.st_size, status.st_mtime_ns)
        entry = known.get(path)
        if entry is not None and tuple(entry[:2]) == stamps[path]:
            digests[path] = str(entry[2])
        else:
            same.setdefault((status.st_dev, status.st_ino), []).append(path)
    if same:
        groups = list(same.values())
        with (
            results("loader_gate.trees.check:inspect", [group[0] for group in groups]) as found,
            display.progress("Checking images", len(groups)) as progress,
        ):
            for done, (place, answer) in enumerate(found, 1):
                digest, reason = (None, answer.reason) if isinstance(answer, Failure) else answer
                for path in groups[place]:
                    if reason is None:
                        digests[path] = str(digest)
                    else:
                        bad[path] = reason
                progress.update(done, f"{len(bad):,} bad" if bad else "")
        fresh = {
            path: (*stamps[path], digests[path]) for group in groups for path in group if path in digests
        }
        record.add(fresh, display)
    return Checked(digests, {path: bad[path] for path in paths if path in bad})


def refuse_bad(bad: dict[str, str]) -> None:
    """Raise a TreeError that names bad files, if there are any."""
    if bad:
        count = (
            "1 file is not a usable image" if len(bad) == 1 else f"{len(bad):,} files are not usable images"
        )
        lines = [f"{path} {reason}" for path, reason in bad.items()]
        raise TreeError(
            f"{count}. Repair or remove what is named here, or leave it out with --skip-bad-images:"
            f"{listed(lines)}"
        )


def inspect(path: str) -> tuple[str | None, str | None]:
    """Read and decode one file; a worker process calls it.

    Returns:
        The content digest of a good file and None, or None and what is wrong with it.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        return None, f"cannot be read: {error.strerror}"
    if not data:
        return None, "is empty (0 bytes)"
    reason = _undecodable(data)
    return (content_digest(data), None) if reason is None else (None, reason)


def _undecodable(data: bytes) -> str | None:
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        # Odd metadata is only worth a warning to Pillow, and nothing to a loader.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                # TensorFlow decodes every frame of a GIF even if it keeps only the first.
                for frame in range(getattr(image, "n_frames", 1) if image.format == "GIF" else 1):
                    image.seek(frame)
                    image.load()
        except UnidentifiedImageError:
            return "is not a BMP, GIF, JPEG or PNG image"
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            return f"has too many pixels: {error}"
        except Exception as error:
            return f"cannot be decoded: {error or type(error).__name__}"
    return None


class _Record:
    """The good files of one folder that were checked before: path to size, modification time and digest."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder = folder
        self._file = folder / f"{key_digest([FORMAT, os.fspath(home)])}.json"

    def read(self) -> dict[str, list[int | str]]:
        try:
            record: dict[str, list[int | str]] = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return record

    def add(self, fresh: dict[str, tuple[int, int, str]], display: Display) -> None:
        with usable(self._folder), locked(self._folder, display, "writing down what it checked"):
            # Read again: another session may have added files of the same folder meanwhile.
            text = json.dumps({**self.read(), **fresh}, separators=(",", ":"))
            unfinished = self._file.with_suffix(".tmp")
            unfinished.write_text(text, "utf-8")
            unfinished.replace(self._file)
