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
from loader_gate.advice.recommendation import Situation
from loader_gate.advice.space import free_disk
from loader_gate.machine.memory import free_memory
from loader_gate.runs.parsing import RunError, read_run
from loader_gate.runs.saved import SavedRun
from loader_gate.sizes import parse_size
from loader_gate.text import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the map and the recommendation of a saved run; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        run, data, infos = _read(options.run)
        cold_infos = [] if options.cold_run is None else _read(options.cold_run)[2]
    except RunError as error:
        print(error, file=sys.stderr)
        return 1
    images, file_bytes = _measured_tree(data, infos)
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


def _draw(advice: Advice, picture: Path) -> int:
    from loader_gate.advice.map_picture import draw_map

    try:
        draw_map(advice.placed, picture)
    except ModuleNotFoundError as error:
        print(f"--picture: {error}; install matplotlib, which the extra study has.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"--picture {picture} cannot be written: {error}.", file=sys.stderr)
        return 1
    return 0


def _measured_tree(data: Mapping[str, Any], infos: Sequence[Mapping[str, Any]]) -> tuple[int, float]:
    """Return the images of the tree that a run is of and the mean bytes of a file, 0 if that is not known."""
    images = next((info["images"] for info in infos if isinstance(info.get("images"), int)), 0)
    try:
        file_bytes = float(data["loader_gate"]["recommendation"][0]["situation"]["file_bytes"])
    except (KeyError, IndexError, TypeError, ValueError):  # a run from before the recommendation
        file_bytes = 0.0
    return images, file_bytes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loader_gate.advice",
        description="Show the map of a saved run, and which variant to use for how many images.",
    )
    parser.add_argument("run", type=Path, metavar="RUN.json", help="a JSON file of pytest-benchmark")
    parser.add_argument(
        "--cold-run",
        type=Path,
        metavar="COLD.json",
        help="a run of the same work with --cold: how fast variants are where not all fits into memory",
    )
    parser.add_argument("--images", type=_count, metavar="N", help="how many (default: as were measured)")
    parser.add_argument(
        "--file-size",
        type=_size,
        metavar="SIZE",
        help="of an image's file, on average (default: as measured)",
    )
    parser.add_argument(
        "--memory", type=_size, metavar="SIZE", help="free memory, such as 16G (default: this machine's)"
    )
    parser.add_argument(
        "--disk", type=_size, metavar="SIZE", help="free disk (default: this machine's, for temporary files)"
    )
    parser.add_argument("--picture", type=_picture, metavar="FILE", help="draw the map too, as .svg or .png")
    return parser


def _count(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {text!r}")
    return int(text)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _picture(text: str) -> Path:
    if not text.endswith((".svg", ".png")):
        raise argparse.ArgumentTypeError(f"expected a name that ends in .svg or .png, found {text!r}")
    return Path(text)


if __name__ == "__main__":
    sys.exit(main())
