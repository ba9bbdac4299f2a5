"""Times the scan of a synthetic tree, in a process of its own: ``loader_gate.growth.scan NAME IMAGES``.

What a session does before it measures: every file is listed and looked at, and held against what is known of
it. Imports, and drawing pictures that are not there yet, come before.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median

from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest

#: A scan that is shorter is repeated.
_LEAST_SECONDS = 0.5


def main(name: str, images: int) -> None:
    """Print the median seconds of a scan, as the last line.

    Args:
        name: Of the tree, as ``--tree`` takes it.
        images: How many it has.
    """
    request = TreeRequest(tree=name, tree_images=images)
    prepare_tree(request)
    seconds: list[float] = []
    while sum(seconds) < _LEAST_SECONDS:
        started = time.perf_counter()
        prepare_tree(request)
        seconds.append(time.perf_counter() - started)
    print(json.dumps({"scan_seconds": median(seconds)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
