"""Ranks that share an epoch: the check of their union, and who may be asked for a rank."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from loader_gate.registry.spec import Spec
from loader_gate.same_work.shards import union_problem
from loader_gate.worker.loader import Loader
from loader_gate.worker.serve import _spec

SPEC = Spec((8, 8), 4, shuffle=True, seed=0, cache_dir=Path("cache"))


@pytest.mark.parametrize(
    ("images", "ranks", "problem"),
    [
        (5, [[0, 2, 4], [1, 3]], None),
        (5, [[4, 3, 2, 1, 0]], None),
        (1, [[0]], None),
        (1, [[], [0]], None),
        (5, [[0, 2, 4], [1]], "1 of 5 images came for no rank of 2."),
        (5, [[], []], "5 of 5 images came for no rank of 2."),
        (
            5,
            [[0, 1], [1, 2, 3], [3, 4, 3]],
            "2 of 5 images came more than once, such as the tree's 2, for rank 0 and 1: do all ranks draw "
            "the same order?",
        ),
        (
            2,
            [[0], [1], [0]],
            "1 of 2 images came more than once, such as the tree's 1, for rank 0 and 2: do all ranks draw "
            "the same order?",
        ),
        (4, [[0, 1, 2], [3], []], "Ranks have 0 to 3 images, expected the same number, or one more."),
        (4, [[0, 1, 2], [3]], "Ranks have 1 to 3 images, expected the same number, or one more."),
        (5, [[0, 1, 2], [3, 5]], "Not all that came is of the tree: it has 5 images, numbered from 0."),
        (2, [[0], [-1]], "Not all that came is of the tree: it has 2 images, numbered from 0."),
    ],
)
def test_union(images: int, ranks: list[list[int]], problem: str | None) -> None:
    """It is one epoch, whatever the order; what is missing or doubled is said."""
    assert union_problem([np.array(each, np.int64) for each in ranks], images) == problem


@pytest.mark.parametrize(("shard", "shards"), [(2, 2), (-1, 2), (0, 0)])
def test_no_such_rank(shard: int, shards: int) -> None:
    """A rank that there is not is refused."""
    with pytest.raises(ValueError, match=rf"shard is {shard} and shards is {shards}: expected a rank"):
        replace(SPEC, shard=shard, shards=shards)


def test_who_cannot_is_refused_by_name() -> None:
    """A loader that says nothing of ranks would give each of them a whole epoch."""

    def photos(_tree: Any, spec: Spec) -> list[Any]:
        return [spec.shard]

    one = replace(SPEC, shard=1, shards=2)
    tree: Any = SimpleNamespace()
    assert Loader(photos, photos, tree, SPEC).batches == [0]
    with pytest.raises(ValueError, match=r"photos has no epochs of one rank, and that of rank 1 of 2 was"):
        Loader(photos, photos, tree, one)
    photos.SHARDS = True  # type: ignore[attr-defined]
    assert Loader(photos, photos, tree, one).batches == [1]


def test_a_spec_goes_to_a_worker_whole() -> None:
    """As JSON, all of its fields arrive."""
    spec = replace(SPEC, shard=1, shards=3, service="grpc://host:5050")
    fields: dict[str, Any] = {**vars(spec), "image_size": [8, 8], "cache_dir": "cache"}
    assert _spec(fields) == spec
