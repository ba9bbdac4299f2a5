"""Finds the images of a real folder, and the class of each, without looking into the files."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from loader_gate.trees.listing import listed
from loader_gate.trees.tree import (
    IMAGE_SUFFIXES,
    TreeError,
    existing_folder,
    images_in,
    is_folder,
    is_image_name,
    list_images,
    visible_folders,
)

#: Kaggle's dogs-vs-cats: ``cat.0.jpg``.
_FLAT_NAME = re.compile(r"(?P<label>[^.]+)\.[0-9]+\.[A-Za-z]+")

#: What Keras' ``flow_from_directory`` lists beyond the suffixes of a tree.
_KERAS_SUFFIXES = (".ppm", ".tif", ".tiff")

#: Of images that are none of a tree, and may be taken for some.
_OTHER_SUFFIXES = (*_KERAS_SUFFIXES, ".avif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jxl", ".webp")

#: Folders that are no classes, and what leaves them.
_LITTER = {"__MACOSX": "macOS", "@eaDir": "a Synology server", "$RECYCLE.BIN": "Windows"}


class SourceImage(NamedTuple):
    """One image of a real folder.

    Attributes:
        class_name: Its class.
        name: Its file name in the class folder of a tree.
        path: Where it is now, absolute.
    """

    class_name: str
    name: str
    path: str


class Source(NamedTuple):
    """All images of a real folder, by class name, then by file name.

    Attributes:
        home: The folder they are in.
        images: The images.
        in_place: Whether ``home`` is a tree as it is, in which every loader finds just these images.
        left_out: For every image that belongs to it and is not among them, by its path, why.
        passed_over: The names of files that may have been meant as images, and are none of the tree.
    """

    home: Path
    images: tuple[SourceImage, ...]
    in_place: bool
    left_out: Mapping[str, str] = MappingProxyType({})
    passed_over: tuple[str, ...] = ()


def find_images(root: Path) -> Source:
    """Find the images of a folder of class folders, or of a flat one with Kaggle's names.

    Args:
        root: ``ROOT/<class>/<image>``, ``ROOT/<label>.<number>.<suffix>``, or the same in ``ROOT/train/``.

    Raises:
        TreeError: The folder is missing, no folder, or has no classes, one class or an empty class.
    """
    root = existing_folder(root)
    for folder in (root / "train", root):
        # Kaggle's own archive has flat folders train/ and test1/, which must not be taken for two classes.
        if not visible_folders(folder) and (flat := _flat(folder)):
            return Source(folder, flat, in_place=False)
    home, classes = list_images(root)
    empty = [name for name, files in classes.items() if not files]
    strays = [f"{home / name / inner}" for name in classes for inner in visible_folders(home / name)]
    if strays:
        raise TreeError(
            "these folders lie in class folders, but images must lie in the class folder itself; move them "
            f"away, or give the folder above the classes as --image-root:{listed(list(map(_remark, strays)))}"
        )
    if empty:
        raise TreeError(
            f"these class folders of {home} hold no image ({', '.join(IMAGE_SUFFIXES)}); remove them or fill "
            f"them:{listed(empty)}"
        )
    images = tuple(
        SourceImage(readable(name), readable(file), f"{home}{os.sep}{name}{os.sep}{file}")
        for name, files in sorted(classes.items())
        for file in files
    )
    require_classes(images, home)
    extras, passed_over = _extras(home, classes)
    is_text = all(_is_readable(name) for name in (os.fspath(home), *classes)) and all(
        _is_readable(file) for files in classes.values() for file in files
    )
    return Source(home, images, in_place=is_text and not extras, passed_over=tuple(passed_over))


def readable(name: str) -> str:
    """Return a file name as text: bytes that are no UTF-8, which no string of TensorFlow holds, in words."""
    return name if _is_readable(name) else os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_readable(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= each <= "\udfff" for each in name)


def _remark(folder: str) -> str:
    """Return a folder with what has left it there, if that is known."""
    left_by = next((by for name, by in _LITTER.items() if f"{os.sep}{name}" in folder), None)
    return f"{folder} (left there by {left_by}: remove it)" if left_by else folder


def require_classes(images: Iterable[SourceImage], home: Path) -> None:
    """Raise a TreeError unless there are at least two classes.

    Args:
        images: The images of the tree.
        home: The folder to name in the message.
    """
    names = sorted({image.class_name for image in images})
    if len(names) < 2:
        found = f"only one class, {names[0]!r}" if names else "no class"
        raise TreeError(f"{home} has {found}; a tree needs images of at least two classes.")


def _flat(folder: Path) -> tuple[SourceImage, ...]:
    """Return the images of a flat folder named as Kaggle does; none if there are no such names."""
    names = images_in(folder) if folder.is_dir() else []
    labels = {name: match["label"] for name in names if (match := _FLAT_NAME.fullmatch(name))}
    # A class may be called "train" (COCO has one): files of one label are no reason to take it for the root.
    if not labels or (folder.name == "train" and len(set(labels.values())) < 2):
        return ()
    others = [name for name in names if name not in labels]
    if others:
        raise TreeError(
            f"{folder} has images named like 'cat.0.jpg' and others, whose class is unknown; rename or move "
            f"these:{listed(others)}"
        )
    images = tuple(
        sorted(
            SourceImage(readable(label), readable(name), f"{folder}{os.sep}{name}")
            for name, label in labels.items()
        )
    )
    require_classes(images, folder)
    return images


def _extras(home: Path, classes: Iterable[str]) -> tuple[bool, list[str]]:
    """Look for what is no image of the tree.

    Returns:
        Whether a loader that walks the folder itself, as Keras does, might find more than we do; and the
        names of files that may have been meant as images.
    """
    more, names = False, []
    with os.scandir(home) as entries:
        for entry in entries:
            more = more or (entry.name.startswith(".") and is_folder(entry))
            if entry.name.lower().endswith((*IMAGE_SUFFIXES, *_OTHER_SUFFIXES)) and not is_folder(entry):
                names.append(f"{entry.name} is in no class folder")
    for name in classes:
        with os.scandir(home / name) as entries:
            for entry in entries:
                if is_image_name(entry.name):
                    continue
                suffix = entry.name.lower()
                more = more or suffix.endswith((*IMAGE_SUFFIXES, *_KERAS_SUFFIXES)) or is_folder(entry)
                if suffix.endswith((*IMAGE_SUFFIXES, *_OTHER_SUFFIXES)) and not is_folder(entry):
                    hidden = entry.name.startswith(".")
                    why = "is hidden" if hidden else "is of a kind that not every loader reads"
                    names.append(f"{name}{os.sep}{entry.name} {why}")
    return more, sorted(names)


def resolved(paths: Iterable[str]) -> list[str]:
    """Return the absolute paths of the files themselves.

    Each folder is resolved once, and only links on their own: 100,000 calls of ``realpath`` take seconds.
    """
    folders: dict[str, str] = {}
    targets = []
    for path in paths:
        if os.path.islink(path):  # noqa: PTH114 - a Path an image is slow
            targets.append(os.path.realpath(path))
            continue
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        targets.append(f"{folders[folder]}{os.sep}{name}")
    return targets


def duplicates(names: Iterable[object]) -> list[str]:
    """Return what occurs more than once, in order of appearance."""
    return [str(name) for name, count in Counter(names).items() if count > 1]
