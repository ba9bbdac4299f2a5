"""Shows the map of a saved run, and which variant to use for how many images.

``python -m loader_gate.advice RUN.json --cold-run COLD.json --images 1000000 --picture map.svg``
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loader_gate.advice.advice import Advice, advice_of
from loader_gate.advice.measured_tree import measured_tree
from loader_gate.advice.recommendation import Situation
from loader_gate.advice.space import free_disk
from loader_gate.argument_types import count, size
from loader_gate.machine.memory import free_memory
from loader_gate.pictures import picture_file, why_not_drawn
from loader_gate.runs.parsing import RunError, read_run
from loader_gate.runs.saved import SavedRun
from loader_gate.text import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the map and the recommendation of a saved run; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        run, data, infos = _read(options.run)
        cold_infos = [] if options.cold_run is None else _read(options.cold_run)[2]
    except RunError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    images, file_bytes = measured_tree(data, infos)
    situation = Situation(
        tree="A tree",
        images=options.images or images,
        file_bytes=options.file_size or file_bytes,
        free_memory=options.memory or free_memory(),
        free_disk=options.disk or free_disk(None),
    )
    advice = advice_of(infos, [situation], cold_infos)
    if options.cold_run is not None and not any(each.point.from_disk for each in advice.placed):
        print(
            f"--cold-run {options.cold_run}: it has no cold passes of the work of {options.run}; measure the "
            "same tree, image size and batch size with --cold.",
            file=sys.stderr,
        )
        return 1
    lines = advice.lines(colour=False) or [f"{options.run} has no two kinds of variants to choose from."]
    for line in (*lines, f"Measured on {run.machine}."):
        print(printable(line))
    if options.picture is not None and advice.placed:
        return _draw(advice, options.picture)
    return 0


def _read(path: Path) -> tuple[SavedRun, Mapping[str, Any], list[Mapping[str, Any]]]:
    """Return a saved run, its JSON, and of that the ``extra_info`` of each benchmark.

    Raises:
        RunError: It is no saved run.
    """
    run, data = read_run(path), json.loads(path.read_text(encoding="utf-8"))
    infos = (each.get("extra_info") for each in data["benchmarks"])
    return run, data, [each for each in infos if isinstance(each, dict)]


def _draw(advice: Advice, file: Path) -> int:
    from loader_gate.advice.map_picture import draw_map

    try:
        draw_map(advice.placed, file)
    except (ImportError, OSError) as error:
        print(why_not_drawn("--picture", file, error), file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loader_gate.advice",
        description="Show the map of a saved run, and which variant to use for how many images.",
    )
    parser.add_argument("run", type=Path, metavar="RUN.json", help="a JSON file of pytest-benchmark")
    parser.add_argument("--images", type=count, metavar="N", help="how many (default: as were measured)")
    parser.add_argument(
        "--cold-run",
        type=Path,
        metavar="COLD.json",
        help="a run of the same work with --cold: how fast variants are where not all fits into memory",
    )
    parser.add_argument(
        "--file-size",
        type=size,
        metavar="SIZE",
        help="of an image's file, on average (default: as measured)",
    )
    parser.add_argument(
        "--memory", type=size, metavar="SIZE", help="free memory, such as 16G (default: this machine's)"
    )
    parser.add_argument(
        "--disk", type=size, metavar="SIZE", help="free disk (default: this machine's, for temporary files)"
    )
    parser.add_argument(
        "--picture", type=picture_file, metavar="FILE", help="draw the map too, as .svg or .png"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
