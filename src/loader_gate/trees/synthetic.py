"""Builds a synthetic tree in the cache: some hundred pictures drawn in parallel, hard links beyond those."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from loader_gate.progress import Display
from loader_gate.sizes import format_size
from loader_gate.trees.cache import FORMAT, built
from loader_gate.trees.digests import content_digest, key_digest, tree_digest
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.tree import Tree, TreeError, list_images

#: How many images of a tree are drawn; the others are hard links to these, or copies. As many pictures as
#: this differ enough for a loader, and drawing more would only take time and disk.
UNIQUE_IMAGES = 1024

_RECORD = "tree.json"


def synthetic_tree(
    request: TreeRequest, cache: Path, display: Display, unique_images: int = UNIQUE_IMAGES
) -> Tree:
    """Return a synthetic tree, built now if it is not in the cache.

    Args:
        request: The options, checked.
        cache: The cache folder.
        display: Where to show progress.
        unique_images: The most pictures to draw.

    Raises:
        TreeError: A picture cannot be drawn, or the cache folder cannot be used.
    """
    from loader_gate.trees import drawn, picture

    images, classes = request.sizes()
    unique = min(images, unique_images)
    preset = request.preset
    digits = max(2, len(str(classes - 1)))
    class_names = preset.class_names or tuple(f"class_{number:0{digits}}" for number in range(classes))
    # Other versions of these two may draw or encode another way.
    drawn_with = [version("numpy"), version("pillow")]
    # The code counts as it stands: a change to it that leaves old trees in place would never be noticed.
    code = content_digest(Path(picture.__file__).read_bytes())
    copies = ["copies"] if request.no_links and unique < images else []
    key = key_digest(
        [FORMAT, code, preset.style, drawn_with, images, class_names, unique, request.tree_seed, *copies]
    )
    name = f"{request.tree or 'small'}-{images}x{classes}-seed{request.tree_seed}-{key[:12]}"
    files = [f"{class_names[number % classes]}/{number:06}.jpg" for number in range(images)]

    def build(folder: Path) -> None:
        train = folder / "train"
        for class_name in class_names:
            (train / class_name).mkdir(parents=True)

        def tasks(places: Sequence[Path]) -> list[list[Any]]:
            return [
                [preset.style, request.tree_seed, number, os.fspath(place)]
                for number, place in enumerate(places)
            ]

        if unique == images:
            digests = drawn.draw(tasks([train / file for file in files]), display)
        else:
            pictures = (
                cache / "pictures" / key_digest([FORMAT, code, preset.style, drawn_with, request.tree_seed])
            )
            of_pictures = drawn.shared(pictures, tasks, unique, display)
            # Each round of links is shifted by one, so that a picture gets to different classes.
            originals = [(number + number // unique) % unique for number in range(images)]
            pairs = [
                (pictures / f"{original:06}.jpg", train / file)
                for file, original in zip(files, originals, strict=True)
            ]
            if copies:
                _copy(pairs, display)
            else:
                for pair in pairs:
                    _link(*pair)
            digests = [of_pictures[original] for original in originals]
        record = {
            "digest": tree_digest(zip(files, digests, strict=True)),
            "manifest": _manifest(train),
        }
        (folder / _RECORD).write_text(json.dumps(record), "utf-8")

    place = built(cache / "trees", name, lambda folder: _digest(folder) is not None, build, display)
    return Tree.read(place / "train", _digest(place) or "")


def _copy(pairs: Sequence[tuple[Path, Path]], display: Display) -> None:
    """Copy each picture to its place.

    Raises:
        TreeError: The disk has no room for all.
    """
    needed = sum(original.stat().st_size for original, _ in pairs)
    folder = pairs[0][1].parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise TreeError(
            f"a tree of {len(pairs):,} images that are no links (--cold) takes {format_size(needed)}, and "
            f"{folder} has {format_size(free)} free: take fewer --tree-images, or set LOADER_GATE_CACHE to a "
            "folder on a larger disk."
        )
    with display.progress("Copying images", len(pairs)) as progress:
        for number, (original, place) in enumerate(pairs, 1):
            shutil.copy2(original, place)
            progress.update(number)


def _link(original: Path, place: Path) -> None:
    try:
        place.hardlink_to(original)
    except OSError:
        # A file system without hard links, or no more of them to this file.
        shutil.copy2(original, place)


def _digest(folder: Path) -> str | None:
    """Return the digest of a built tree, or None if there is none or its files have changed since."""
    try:
        record = json.loads((folder / _RECORD).read_text("utf-8"))
        digest, manifest = str(record["digest"]), record["manifest"]
        return digest if _manifest(folder / "train") == manifest else None
    except (OSError, ValueError, KeyError, TypeError, TreeError):
        return None


def _manifest(train: Path) -> str:
    """Return a digest of the names, sizes and modification times of all files."""
    root, classes = list_images(train)
    entries = []
    for name, files in sorted(classes.items()):
        for file in files:
            status = os.stat(f"{root}{os.sep}{name}{os.sep}{file}")  # noqa: PTH116 - a Path an image is slow
            entries.append([name, file, status.st_size, status.st_mtime_ns])
    return key_digest(entries)
