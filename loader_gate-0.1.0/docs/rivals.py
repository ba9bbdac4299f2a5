"""How many times as fast as each rival `native_threads` is: epochs of all in one process, in balanced order.

`python -m docs.rivals PHOTOS` takes every rival that is installed, or those that are named, and writes the
table.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.statistics.estimate import estimate, log_ratios
from loader_gate.trees.tree import Tree

FASTEST = "native_threads"
FILE = Path(__file__).with_suffix(".md")


def seconds_of(batches: Any) -> float:
    """Return how long an epoch takes, with every batch made real."""
    begun = time.perf_counter()
    for images, labels in batches:
        np.asarray(images), np.asarray(labels)
    return time.perf_counter() - begun


@contextmanager
def loaded(names: Sequence[str], tree: Tree, size: int) -> Iterator[dict[str, Any]]:
    """Give the epochs of variants, each with a folder of its own, and one of them already run."""
    variants = {variant.name: variant for variant in built_in_variants()}
    with tempfile.TemporaryDirectory() as folder:
        epochs = {}
        for name in names:
            own = Path(folder) / name
            own.mkdir()
            spec = Spec((size, size), 32, shuffle=True, seed=0, cache_dir=own)
            epochs[name] = importlib.import_module(variants[name].module).load(tree, spec)
            seconds_of(epochs[name])
        yield epochs


def table(seconds: Mapping[str, Sequence[float]]) -> str:
    """Return the table, the fastest first; of each variant two epochs a block."""
    known = {
        name: estimate(log_ratios(each, seconds[FASTEST]), 0.05)
        for name, each in seconds.items()
        if name != FASTEST
    }
    lines = [f"| `{FASTEST}` is faster than | times (95 % CI) |", "| --- | --- |"]
    for name, ratio in sorted(known.items(), key=lambda each: each[1].ratio):
        high = "" if math.isinf(ratio.high) else f"{ratio.high:.2f}"
        lines.append(f"| `{name}` | {ratio.ratio:.2f} ({ratio.low:.2f}–{high}) |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write the table; return the exit code."""
    rivals = [each.name for each in built_in_variants() if each.kind == "rival" and not each.absence()]
    parser = argparse.ArgumentParser(prog="python -m docs.rivals", description=__doc__)
    parser.add_argument("photos", type=Path, help="a tree of photographs")
    parser.add_argument(
        "--variant", action="append", choices=rivals, help="only these (default: %(choices)s)"
    )
    parser.add_argument("--image-size", type=int, default=224, help="height and width, in pixels")
    parser.add_argument("--blocks", type=int, default=6, help="two epochs of each in a block")
    options = parser.parse_args(arguments)
    names = [FASTEST, *(options.variant or rivals)]
    tree = Tree.read(options.photos)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    with loaded(names, tree, options.image_size) as epochs:
        for _ in range(options.blocks):
            for name in (*names, *reversed(names)):
                seconds[name].append(seconds_of(epochs[name]))
    text = (
        "# How fast rivals are\n\n"
        f"{len(tree)} photographs at {options.image_size}x{options.image_size}, {options.blocks} blocks of "
        f"two epochs, by `python -m docs.rivals`.\n\n{table(seconds)}"
    )
    FILE.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
