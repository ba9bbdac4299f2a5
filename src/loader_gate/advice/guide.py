"""The map and the recommendation of one run; as a command, those of a saved run.

``python -m loader_gate.advice.guide RUN.json --images 1000000 --picture map.svg``
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate import variants
from loader_gate.advice.frontier import Placed, as_json, placed, points_of, says_something
from loader_gate.advice.recommendation import Advice, Situation, recommend
from loader_gate.machine.memory import free_memory
from loader_gate.registry.spec import Spec
from loader_gate.report.terminal import WIDTH, map_table
from loader_gate.runs.saved import RunError, printable, read_run
from loader_gate.sizes import parse_size
from loader_gate.trees.tree import TreeError

if TYPE_CHECKING:
    from loader_gate.registry.variant import Variant
    from loader_gate.trees.request import TreeRequest
    from loader_gate.trees.tree import Tree
    from loader_gate.workloads.workload import Workload

#: Images of a tree so large that every buffer is full.
_MANY = 1_000_000


@dataclass(frozen=True)
class Guide:
    """What a run has to say on which variant to use.

    Attributes:
        found: The map.
        advice: What to use, for each size of tree.
    """

    found: tuple[Placed, ...]
    advice: tuple[Advice, ...]

    def lines(self, colour: bool) -> list[str]:
        """Return it in lines for people; none if there is no choice to show.

        Args:
            colour: Whether colours may be used.
        """
        if not says_something([each.point for each in self.found]):
            return []
        lines = map_table(self.found, colour)
        lines += [line for text in _remarks(self.found) for line in _wrapped(text)]
        for each in self.advice:
            first, *others = each.sentences
            lines += ["", *_wrapped(first), *(line for text in others for line in _wrapped(text, "  "))]
        return [*lines, "", *_wrapped(self._where())]

    def as_json(self) -> dict[str, Any]:
        """Return what the JSON says of the run as a whole."""
        return {"map": as_json(self.found), "recommendation": [asdict(each) for each in self.advice]}

    def _where(self) -> str:
        """Return a sentence on where the code is."""
        named = [name for each in self.advice for name in (each.variant, each.next_best) if name]
        files = [
            f"loader_gate/variants/{name}.py"
            for name in dict.fromkeys(named)
            if find_spec(f"{variants.__name__}.{name}") is not None
        ]
        code = f"Code: {', '.join(files)}. " if files else ""
        return f"{code}To use it in your training script, see docs/using-a-variant.md."


def guide_of(extra_infos: Iterable[Mapping[str, Any]], situations: Sequence[Situation]) -> Guide:
    """Return the map and the recommendation.

    Args:
        extra_infos: The ``extra_info`` of each benchmark of one run.
        situations: What a variant is to be used for.
    """
    points = points_of(extra_infos)
    advice = tuple(recommend(points, each) for each in situations) if points else ()
    return Guide(tuple(placed(points)), advice)


def guide_of_session(
    extra_infos: Iterable[Mapping[str, Any]], tree: Tree, request: TreeRequest, options: argparse.Namespace
) -> Guide:
    """Return the map and the recommendation for the tree of a session, and for what it is a sample of.

    Args:
        extra_infos: The ``extra_info`` of each of its benchmarks.
        tree: The images.
        request: The options about the tree.
        options: pytest's parsed options.
    """
    from loader_gate.trees.whole import whole_of

    memory, disk = free_memory(), free_disk(options.keep_dumps)
    this = Situation(
        tree="This tree",
        images=len(tree),
        file_bytes=tree.mean_bytes(),
        free_memory=min(memory, options.memory_limit or memory),
        free_disk=min(disk, options.disk_limit or disk),
    )
    situations = [this]
    with contextlib.suppress(TreeError, OSError):  # the folder has changed meanwhile
        whole = whole_of(request)
        if whole is not None and whole.images > len(tree):
            situations.append(replace(this, tree=whole.name, images=whole.images))
    return guide_of(extra_infos, situations)


def taken_bytes(
    variant: Variant, kind: str, images: int, workload: Workload, written: int = 0
) -> dict[str, Any]:
    """Return what the JSON says of the bytes that a variant takes; null where it takes some nobody knows.

    Args:
        variant: The variant.
        kind: Its kind.
        images: How many images it was measured with.
        workload: What it was asked to deliver.
        written: Bytes that it had written to disk when it was built, as some rivals write archives.
    """
    spec = Spec(workload.image_size, workload.batch_size, True, 0, Path())
    predicted = variant.predicted_bytes(images, spec)
    each = None if predicted is None else predicted / images
    return {
        "disk_bytes_per_image": each if kind == "dump" else written / images,
        "memory_bytes_per_image": each if kind == "memory" else 0,
        "buffer_bytes": variant.predicted_buffer_bytes(_MANY, spec),
    }


def free_disk(folder: Path | None) -> int:
    """Return the bytes that are free on the disk of a folder, which need not exist yet.

    Args:
        folder: The folder; that of temporary files if None.
    """
    folder = (folder or Path(tempfile.gettempdir())).absolute()
    return shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists())).free


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent="  ", break_on_hyphens=False)


def _remarks(found: Sequence[Placed]) -> list[str]:
    undecided = [f"{each.point.variant} ({each.others[0]})" for each in found if each.front == "undecided"]
    beaten = [each.point.variant for each in found if each.front == "no"]
    texts = []
    if undecided:
        texts.append("Undecided, as one that takes no more may be as fast: " + ", ".join(undecided) + ".")
    if beaten:
        texts.append(f"Not Pareto-optimal, as another one is faster and takes no more: {', '.join(beaten)}.")
    return texts


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
    images, file_bytes = _measured_tree(data, infos)
    situation = Situation(
        tree="A tree",
        images=options.images or images,
        file_bytes=options.file_size or file_bytes,
        free_memory=options.memory or free_memory(),
        free_disk=options.disk or free_disk(None),
    )
    guide = guide_of(infos, [situation])
    lines = guide.lines(colour=False) or [f"{options.run} has no two kinds of variants to choose from."]
    for line in (*lines, f"Measured on {run.machine}."):
        print(printable(line))
    if options.picture is not None and guide.found:
        return _draw(guide, options.picture)
    return 0


def _draw(guide: Guide, picture: Path) -> int:
    from loader_gate.advice.picture import draw_map

    try:
        draw_map(guide.found, picture)
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
        prog="python -m loader_gate.advice.guide",
        description="Show the map of a saved run, and which variant to use for how many images.",
    )
    parser.add_argument("run", type=Path, metavar="RUN.json", help="a JSON file of pytest-benchmark")
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
