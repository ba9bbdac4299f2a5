"""The tree that a saved run is of, as far as its JSON tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def measured_tree(data: Mapping[str, Any], infos: Sequence[Mapping[str, Any]]) -> tuple[int, float]:
    """Return the images of the tree that a run is of and the mean bytes of a file, 0 if that is not known.

    Args:
        data: The JSON of pytest-benchmark.
        infos: The ``extra_info`` of each benchmark.
    """
    images = next((info["images"] for info in infos if isinstance(info.get("images"), int)), 0)
    try:
        file_bytes = float(data["loader_gate"]["recommendation"][0]["situation"]["file_bytes"])
    except (KeyError, IndexError, TypeError, ValueError):  # a run from before the recommendation
        file_bytes = 0.0
    return images, file_bytes
