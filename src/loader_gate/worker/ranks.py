"""Whether a loader that declares ``SHARDS`` heeds it: two ranks have to share one epoch of some images."""

from __future__ import annotations

import gc
import tempfile
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.same_work.check import check_epoch
from loader_gate.same_work.cropped import Crops
from loader_gate.same_work.reference import build_reference
from loader_gate.same_work.shards import union_problem
from loader_gate.text import in_words
from loader_gate.trees.plain import part_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from loader_gate import Spec, Tree
    from loader_gate.same_work.fingerprints import Fingerprints
    from loader_gate.worker.loader import Loader

#: So many images at most are shared by two ranks.
RANKS_IMAGES = 63


def ranks_problem(
    build: Callable[[Tree, Spec], Loader], prints: Fingerprints, alive: Callable[[], None]
) -> str | None:
    """Return why two ranks do not share an epoch of some of the images; None if they do.

    Args:
        build: Builds the loader.
        prints: What is known of the loader, on the whole tree.
        alive: Called after each batch.
    """
    # An odd number of them, so that ranks are found that are filled up to be equally long.
    images = (min(RANKS_IMAGES, len(prints.tree)) - 1) | 1
    if images < 3 or prints.spec.service:  # the files of a part are not where a service looks for them
        return None
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            problem = _union_problem(build, prints, images, Path(folder), alive)
    except Exception as error:
        traceback.print_exc()
        problem = f"it raised {in_words(error)}."
    return problem and (
        f"It declares SHARDS, but two ranks do not share an epoch of {images} images: {problem} Deliver "
        "every spec.shards-th image, from spec.shard on, of an order that is the same for all ranks, or "
        "leave SHARDS out."
    )


def _union_problem(
    build: Callable[[Tree, Spec], Loader],
    prints: Fingerprints,
    images: int,
    folder: Path,
    alive: Callable[[], None],
) -> str | None:
    tree = part_of(prints.tree, images, folder / "tree")
    spec = replace(prints.spec, batch_size=images, shards=2)
    batches: list[Any] = []
    ends = []
    for rank in range(spec.shards):
        own = replace(spec, shard=rank, cache_dir=folder).for_variant(f"rank {rank}")
        for batch in build(tree, own).batches:
            batches.append(tuple(np.array(each) for each in batch))
            alive()
        ends.append(sum(len(each[0]) for each in batches))
        gc.collect()  # it may hold processes
    sizes = ends[0], ends[1] - ends[0]
    if ends[1] != images or abs(sizes[0] - sizes[1]) != 1:
        return f"{sizes[0]} and {sizes[1]} came."
    whole = [np.concatenate(each) for each in zip(*batches, strict=True)]
    if isinstance(prints, Crops):  # boxes say which files came
        return union_problem(np.split(whole[2][:, 0], ends[:1]), images)
    decoded = build_reference(tree, spec.image_size, folder / "reference")
    found = check_epoch([whole], tree, spec, prints.declared, decoded)
    return found.reason and (union_problem(np.split(found.order, ends[:1]), images) or found.reason)
