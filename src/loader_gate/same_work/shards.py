"""Whether the ranks of a training share an epoch: each image has to come once, for one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.same_work.reference import Ints


def union_problem(orders: Sequence[Ints], images: int) -> str | None:
    """Return one sentence if what came for all ranks together is not one epoch, None if it is.

    Ranks may differ by one image: they are not filled up to be equally long, which would take images twice.

    Args:
        orders: For each rank, in turn, ``(its images,)``: for each image that came the position in the tree.
        images: How many images the tree has.
    """
    came = np.concatenate([*orders, np.empty(0, np.int64)])
    if len(came) and not 0 <= came.min() <= came.max() < images:
        return f"Not all that came is of the tree: it has {images} images, numbered from 0."
    times = np.bincount(came, minlength=images)
    sizes = [len(order) for order in orders]
    if (times > 1).any():
        place = int(np.argmax(times > 1))
        ranks = [str(rank) for rank, order in enumerate(orders) if (order == place).any()]
        return (
            f"{int((times > 1).sum())} of {images} images came more than once, such as the tree's "
            f"{place + 1}, for rank {' and '.join(ranks)}: do all ranks draw the same order?"
        )
    if not times.all():
        return f"{int((times == 0).sum())} of {images} images came for no rank of {len(orders)}."
    if max(sizes) - min(sizes) > 1:
        return f"Ranks have {min(sizes)} to {max(sizes)} images, expected the same number, or one more."
    return None
