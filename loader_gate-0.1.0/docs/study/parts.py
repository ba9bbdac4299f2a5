"""Whether a pass that is a part of an epoch tells of the whole one: of the same processes, block by block."""

from __future__ import annotations

import datetime
import math
import random
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from docs.study.errors import StudyError
from docs.study.neighbours import hodges_lehmann, runner_of
from docs.study.record import BATCH_SIZE
from loader_gate.machine.machine import read_machine
from loader_gate.machine.noise import describe_noise, read_noise
from loader_gate.progress import Progress
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE
from loader_gate.rotation.parts import LEAST_PARTS, Parts, parts_of, to_find
from loader_gate.statistics.estimate import log_ratios
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.rotation.contestant import Contestant
    from loader_gate.rotation.runner import Runner

VARIANTS = (BASELINE, "tfdata_no_cache", "torch_simplejpeg", "native_threads", "resized_jpeg_simplejpeg")
IMAGES = 6_000
BLOCKS = 8
#: Seconds of a variant, from which a session's rule takes how long parts are.
BUDGET = 16.0
FILE = "parts.md"
ABOUT = """\
# Whether parts of epochs tell of whole ones

Written by `python -m docs.study parts`, on {date}: {blocks} blocks, {images:,} images of the tree coco2017,
{batches} batches; {machine}; {noise}.

In every block each process runs four passes: a whole epoch, two parts of one, a whole epoch. A part begins a
fresh epoch, lets some batches come, another number each time, times those that follow, and closes the
iterator; how many, a session's rule says. The ratio is the seconds of an epoch by its parts / those of the
whole ones, the Hodges-Lehmann estimate of the blocks' log-ratios with the 95 % interval of Wilcoxon's signed
ranks, of which fewer than six blocks have none. With fewer images an epoch's beginning, in which a loader
gets ahead, is a larger share of it than at full size.

| variant | images/s, whole | batches before | timed | seconds, by parts / whole | CPU seconds, likewise |
| :-- | --: | --: | --: | --: | --: |
"""


def measure(names: Sequence[str], images: int, blocks: int, folder: Path) -> None:
    """Time whole epochs and parts of them, and write how they compare.

    Args:
        names: The variants to look at.
        images: How many images the tree has.
        blocks: How many blocks.
        folder: Where to write.

    Raises:
        StudyError: There is no such variant, or one could not be timed.
    """
    known = {each.name: each for each in built_in_variants() if not each.absence()}
    for name in names:
        if name not in known:
            raise StudyError(f"--variants {name}: expected some of {', '.join(known)}.")
    batches = math.ceil(images / BATCH_SIZE)
    tree = prepare_tree(TreeRequest(tree="coco2017", tree_images=images))
    before, order = read_noise(), random.Random(0)  # noqa: S311 (an order of passes, no secret)
    with (
        tempfile.TemporaryDirectory(prefix="loader-gate-", ignore_cleanup_errors=True) as temporary,
        Progress("Timing parts and wholes", None) as progress,
    ):
        runner = runner_of(tree, Path(temporary), progress)
        try:
            contestants = runner.start(known[name] for name in names)
            runner.warm_up(contestants)
            parts = {each.variant.name: _parts(runner, each, images, batches) for each in contestants}
            found: dict[str, list[Seconds]] = {name: [] for name in names}
            for block in range(blocks):
                progress.update(0, f"block {block + 1} of {blocks}")
                order.shuffle(contestants)
                for contestant in contestants:
                    name = contestant.variant.name
                    found[name].append(_block(runner, contestant, parts[name]))
        finally:
            runner.end()
    about = ABOUT.format(
        date=datetime.datetime.now(datetime.timezone.utc).date(),
        blocks=blocks,
        images=images,
        batches=batches,
        machine=read_machine().describe(),
        noise=describe_noise(before, read_noise()),
    )
    rows = [_row(name, images, parts[name], found[name]) for name in names]
    (folder / FILE).write_text(about + "".join(rows), encoding="utf-8")


#: Seconds and CPU seconds of an epoch: of two whole ones, and of two that parts tell of.
Seconds = tuple[list[float], list[float], list[float], list[float]]


def _parts(runner: Runner, contestant: Contestant, images: int, batches: int) -> Parts:
    """Return the parts that a session would time, though they may be more than a fourth of an epoch."""
    timing = runner.run_pass(contestant, contestant.head, to_find(BUDGET))
    if timing is None:
        raise StudyError(f"{contestant.variant.name} could not be timed: {contestant.head.problem}")
    parts = parts_of(timing, LEAST_PARTS * images, LEAST_PARTS * batches, BUDGET)
    if parts is None:
        raise StudyError(
            f"An epoch of {contestant.variant.name} is no longer than a part: use more --images."
        )
    return parts


def _block(runner: Runner, contestant: Contestant, parts: Parts) -> Seconds:
    seconds: Seconds = ([], [], [], [])
    epochs = contestant.epochs
    for is_part in (False, True, True, False):
        contestant.parts, contestant.epochs = (parts, 1) if is_part else (None, epochs)
        timing = runner.run_pass(contestant, contestant.head)
        if timing is None:
            raise StudyError(f"{contestant.variant.name} could not be timed: {contestant.head.problem}")
        seconds[is_part].append(timing.seconds)
        seconds[2 + is_part].append(timing.cpu_seconds)
    return seconds


def _row(name: str, images: int, parts: Parts, blocks: Sequence[Seconds]) -> str:
    wholes, of_parts, cpu_wholes, cpu_of_parts = (
        [each for block in blocks for each in block[which]] for which in range(4)
    )
    ratios = [
        hodges_lehmann(log_ratios(*sides)) for sides in ((of_parts, wholes), (cpu_of_parts, cpu_wholes))
    ]
    before = f"{parts.least_begin} to {parts.most_begin} | {parts.timed}"
    told = " | ".join(str(each) if each.high < math.inf else f"{each.value:.3f} (–)" for each in ratios)
    return f"| `{name}` | {images / median(wholes):,.0f} | {before} | {told} |\n"
