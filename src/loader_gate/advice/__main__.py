"""Shows the map of a saved run, and which variant to use for how many images.

``python -m loader_gate.advice RUN.json --images 1000000 --picture map.svg``
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from loader_gate.advice.advice import Advice, advice_of
from loader_gate.advice.measured_tree import measured_tree
from loader_gate.advice.recommendation import Situation
from loader_gate.advice.space import free_disk
from loader_gate.argument_types import count, size
from loader_gate.machine.memory import free_memory
from loader_gate.pictures import picture_file, why_not_drawn
from loader_gate.runs.parsing import RunError, read_run
from loader_gate.text import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the map and the recommendation of a saved run; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        run = read_run(options.run)
    except RunError as error:
        print(error, file=sys.stderr)
        return 1
    data = json.loads(options.run.read_text(encoding="utf-8"))
    infos = [each["extra_info"] for each in data["benchmarks"] if isinstance(each.get("extra_info"), dict)]
    images, file_bytes = measured_tree(data, infos)
    situation = Situation(
        tree="A tree",
        images=options.images or images,
        file_bytes=options.file_size or file_bytes,
        free_memory=options.memory or free_memory(),
        free_disk=options.disk or free_disk(None),
    )
    advice = advice_of(infos, [situation])
    lines = advice.lines(colour=False) or [f"{options.run} has no two kinds of variants to choose from."]
    for line in (*lines, f"Measured on {run.machine}."):
        print(printable(line))
    if options.picture is not None and advice.placed:
        return _draw(advice, options.picture)
    return 0


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
