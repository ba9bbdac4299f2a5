"""Trees that show what a loader's time goes into: a part of a tree, and its files with next to no picture."""

from __future__ import annotations

import io
import os
from functools import cache
from pathlib import Path

from loader_gate.trees.tree import Tree

#: Width and height of the picture that is in every file of a plain tree, in pixels, and its grey.
SIDE, GREY = 16, 128
_FORMATS = {".png": "PNG", ".gif": "GIF", ".bmp": "BMP"}


def part_of(tree: Tree, most: int, folder: Path) -> Tree:
    """Return a tree of no more than so many of its images, by links; the tree itself if it has no more.

    Args:
        tree: The tree.
        most: How many images the part may have.
        folder: Where to make it, if it has to be made.
    """
    if len(tree) <= most:
        return tree
    chosen = [tree.paths[number * len(tree) // most] for number in range(most)]
    _make_folders(tree, folder)
    for path in chosen:
        os.symlink(os.path.realpath(path), _inside(tree, path, folder))  # noqa: PTH211 (many of them)
    return Tree.read(folder, f"{most} of {tree.digest}")


def plain(tree: Tree, folder: Path) -> Tree:
    """Return a tree of as many files, as large and by the same names, each with a tiny grey picture in it.

    To read it takes what reading the tree takes from the page cache, and to decode it next to nothing. What
    is behind the picture is a hole in the file: it takes no room on a disk.

    Args:
        tree: The tree.
        folder: Where to make it.
    """
    _make_folders(tree, folder)
    for path in tree.paths:
        picture = _picture(_FORMATS.get(Path(path).suffix.lower(), "JPEG"))
        with open(_inside(tree, path, folder), "wb") as file:  # noqa: PTH123 (many of them)
            file.write(picture)
            file.truncate(max(len(picture), os.stat(path).st_size))  # noqa: PTH116
    return Tree.read(folder, f"plain {tree.digest}")


@cache
def _picture(kind: str) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (GREY, GREY, GREY)).save(file, kind)
    return file.getvalue()


def _make_folders(tree: Tree, folder: Path) -> None:
    for name in tree.class_names:
        (folder / name).mkdir(parents=True)


def _inside(tree: Tree, path: str, folder: Path) -> str:
    return os.path.join(folder, os.path.relpath(path, tree.root))  # noqa: PTH118
