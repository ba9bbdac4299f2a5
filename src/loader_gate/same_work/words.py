"""Words of the reasons why a variant does not do the same work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loader_gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.same_work.recognition import Miscount
    from loader_gate.trees.tree import Tree

#: How many files a reason names at most.
FILES_NAMED = 3


class DifferenceError(Exception):
    """The variant does something else; the message is the reason."""


def file_name(tree: Tree, position: int) -> str:
    """Return the name of a file of the tree, without the tree's folder."""
    path, root = tree.paths[position], f"{tree.root}"
    return printable(path[len(root) :].lstrip("/\\") if path.startswith(root) else path)


def listed(tree: Tree, miscounts: Sequence[Miscount]) -> str:
    """Return the first files that did not come as often as they should, and how often they came."""
    told = []
    for one in miscounts[:FILES_NAMED]:
        absent = (one.found, one.expected) == (0, 1)
        copies = "" if absent else f" {one.found} times, expected {one.expected}"
        told.append(f"{file_name(tree, one.file)}{copies}")
    return ", ".join(told) + (", ..." if len(miscounts) > FILES_NAMED else "")
