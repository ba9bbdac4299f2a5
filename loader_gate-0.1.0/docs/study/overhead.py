"""What looking at batches costs: the same loader in the same process, with and without being looked at."""

from __future__ import annotations

import datetime
import multiprocessing
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docs.study.neighbours import hodges_lehmann
from docs.study.record import BATCH_SIZE, IMAGE_SIZE
from loader_gate.machine.machine import read_machine
from loader_gate.machine.noise import describe_noise, read_noise
from loader_gate.machine.processes import adopt_orphans
from loader_gate.progress import Progress
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE
from loader_gate.same_work.reference import Reference, build_reference
from loader_gate.statistics.counts import epochs_per_pass
from loader_gate.statistics.estimate import pair_log_ratios
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

    from loader_gate.registry.variant import Variant
    from loader_gate.trees.tree import Tree

FILE = "overhead.md"
WARM_UP = 3
_SIZE = (IMAGE_SIZE, IMAGE_SIZE)
ABOUT = """\
# What looking at batches costs

Written by `python -m docs.study overhead`, on {date}: {blocks} blocks of one rotation, {images} images,
{machine}; {noise}.

In every block each loader runs four passes in its one process: looked at, not, not, looked at. The ratio is
images a second with / without, the Hodges-Lehmann estimate of pairs of passes with the 95 % interval of
Wilcoxon's signed ranks; below 1, being looked at makes a loader slower. On the clock is only that 16 pixels
of every image are read. "Off the clock" is what the rest takes, as a share of the seconds: threads of the
loader may work on meanwhile.

| variant | images/s | with / without | off the clock |
| :-- | --: | --: | --: |
"""


@dataclass(frozen=True)
class Looked:
    """Seconds of passes of one variant, two a block.

    Attributes:
        seen: Of those that were looked at.
        unseen: Of those that were not.
        paused: What looking took of the first ones besides, an epoch.
    """

    seen: tuple[float, ...]
    unseen: tuple[float, ...]
    paused: tuple[float, ...]


def default_variants() -> list[Variant]:
    """Return the baseline and what `loading` measures if nothing is said, but for limits."""
    return [each for each in built_in_variants() if _takes_part(each)]


def measure(images: int, blocks: int, folder: Path, chosen: Sequence[Variant]) -> None:
    """Time variants with and without a look at their batches, and write the page.

    Args:
        images: Images of the small tree.
        blocks: Blocks of the rotation.
        folder: Where the page is written.
        chosen: The variants.
    """
    tree = prepare_tree(TreeRequest(tree="small", tree_images=images))
    before = read_noise()
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        own = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        build_reference(tree, _SIZE, own / "reference")
        progress = stack.enter_context(Progress("Looking", blocks))
        ends: list[Connection] = []
        for variant in chosen:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(variant, tree, own, theirs), daemon=True)
            process.start()
            stack.callback(process.kill)
            ends.append(ours)
        for end in ends:
            end.recv()
        found: dict[str, list[list[tuple[float, float]]]] = {each.name: [] for each in chosen}
        for block in range(blocks):
            for variant, end in zip(chosen, ends, strict=True):
                end.send("block")
                found[variant.name].append(end.recv())
            progress.update(block + 1)
    rows = [_row(name, _looked(passes), images) for name, passes in found.items()]
    head = ABOUT.format(
        date=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        blocks=blocks,
        images=images,
        machine=read_machine().describe(),
        noise=describe_noise(before, read_noise()),
    )
    (folder / FILE).write_text(head + "\n".join(rows) + "\n", encoding="utf-8")


def _takes_part(variant: Variant) -> bool:
    is_default = "loading" in variant.default or variant.name == BASELINE
    return is_default and not variant.traits.is_limit and not variant.absence()


def _serve(variant: Variant, tree: Tree, folder: Path, connection: Connection) -> None:
    """Run blocks of one variant on request: passes that are looked at, and passes that are not."""
    import importlib

    from loader_gate.same_work.check import check_epoch
    from loader_gate.same_work.fingerprints import Fingerprints
    from loader_gate.worker.consumers.drain import Drain
    from loader_gate.worker.loader import Loader
    from loader_gate.worker.passes import Passes, settle
    from loader_gate.worker.stopwatch import Stopwatch

    adopt_orphans()  # as every worker does, which passes rely on
    module = importlib.import_module(variant.module)
    spec = Spec(_SIZE, BATCH_SIZE, True, 0, folder).for_variant(variant.name)
    loader = Loader(module.load, module, tree, spec)
    fingerprints = Fingerprints(tree, spec, loader.declared, seed=0)
    reference = Reference.open(folder / "reference")
    fingerprints.begin(reference)
    check = check_epoch(loader.batches, tree, spec, loader.declared, reference, fingerprints.learn)
    if check.reason is not None:
        raise RuntimeError(f"{variant.name}: {check.reason}")
    settle()
    drain = Drain(tree, spec, loader.declared)

    def passes(prints: Fingerprints | None) -> Passes:
        return Passes(drain, loader.batches, prints, Stopwatch(), shuffle=spec.shuffle, alive=lambda: None)

    seen, unseen = passes(fingerprints), passes(None)
    warm = [seen.run(1).seconds for _ in range(WARM_UP)]
    epochs = epochs_per_pass(min(warm))
    connection.send("ready")
    while connection.recv():
        timings = [each.run(epochs) for each in (seen, unseen, unseen, seen)]
        connection.send([(each.seconds, each.look_seconds) for each in timings])


def _looked(blocks: list[list[tuple[float, float]]]) -> Looked:
    seen, unseen, paused = [], [], []
    for first, second, third, fourth in blocks:
        seen += [first[0], fourth[0]]
        unseen += [second[0], third[0]]
        paused += [first[1], fourth[1]]
    return Looked(tuple(seen), tuple(unseen), tuple(paused))


def _row(name: str, looked: Looked, images: int) -> str:
    ratio: Any = hodges_lehmann(pair_log_ratios(looked.unseen, looked.seen))
    middle = sorted(looked.seen)[len(looked.seen) // 2]
    shares = sorted(pause / seconds for pause, seconds in zip(looked.paused, looked.seen, strict=True))
    return f"| `{name}` | {images / middle:,.0f} | {ratio} | {shares[len(shares) // 2]:.2%} |"
