"""Builds a tree of symbolic links to chosen images, in the cache; the images themselves are never touched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from loader_gate.progress import Display
from loader_gate.trees.cache import FORMAT, built
from loader_gate.trees.digests import key_digest
from loader_gate.trees.source import SourceImage, resolved
from loader_gate.trees.tree import TreeError, list_images


def _link(target: str, place: Path) -> None:
    try:
        os.symlink(target, place)  # noqa: PTH211 - many of them
    except FileExistsError as error:
        raise TreeError(
            f"{target} cannot be linked to beside another image of its class: the file system of the cache "
            f"takes both names for {place.name}. Rename one of them, or set LOADER_GATE_CACHE to a folder on "
            "another file system."
        ) from error


def link_tree(images: Sequence[SourceImage], label: str, cache: Path, display: Display) -> Path:
    """Return the root of a tree of links to these images, built now if it is not in the cache.

    Args:
        images: The images, by class name, then by file name.
        label: First part of the folder's name, for people.
        cache: The cache folder.
        display: Where to say what is waited for.

    Raises:
        TreeError: The cache folder cannot be used.
    """
    targets = resolved(image.path for image in images)
    wanted: dict[str, list[str]] = {}
    for image in images:
        wanted.setdefault(image.class_name, []).append(image.name)
    key = key_digest([FORMAT, [[*image[:2], target] for image, target in zip(images, targets, strict=True)]])

    def valid(folder: Path) -> bool:
        try:
            return list_images(folder / "train")[1] == wanted
        except TreeError:
            return False

    def build(folder: Path) -> None:
        for name in wanted:
            (folder / "train" / name).mkdir(parents=True)
        for image, target in zip(images, targets, strict=True):
            _link(target, folder / "train" / image.class_name / image.name)

    safe = "".join(character if character.isalnum() or character in "-_." else "-" for character in label)
    name = f"{safe.lstrip('.')[:40] or 'tree'}-{len(images)}x{len(wanted)}-{key[:12]}"
    return built(cache / "trees", name, valid, build, display) / "train"
