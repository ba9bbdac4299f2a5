"""The whole of what a tree is a sample of: what a user will train on, in the end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loader_gate.trees.cache import cache_root
from loader_gate.trees.prepare import find_source
from loader_gate.trees.request import PRESETS, TreeRequest


@dataclass(frozen=True)
class Whole:
    """A data set.

    Attributes:
        name: What people call it, as the beginning of a sentence.
        images: How many images it has.
    """

    name: str
    images: int


def whole_of(request: TreeRequest, *, cache: Path | None = None) -> Whole | None:
    """Return the whole that the tree asked for is a sample of, or None if it is no sample.

    Args:
        request: The options about the tree, which has been prepared.
        cache: Another cache folder than ``loader_gate.trees.cache.cache_root()``.
    """
    if request.image_root is not None:
        if (request.tree_images, request.classes, request.images_per_class) == (None, None, None):
            return None
        images = len(find_source(request, request.image_root, cache or cache_root()).images)
        return Whole(f"All of {request.image_root}", images)
    # The small tree has pictures like those of COCO.
    name = "coco2017" if request.tree in (None, "small") else request.tree
    whole = PRESETS[name].images
    return Whole(f"A tree as large as {name}", whole) if request.sizes()[0] < whole else None
