"""Both sides at once, each on half of the cores (duet), against both in turn, or in short rounds, on all.

Blocks of the ways alternate, so that all meet the same moods of the machine. See Bulej et al., "Duet
Benchmarking: Improving Measurement Accuracy in the Cloud" (ICPE 2020).
"""

from __future__ import annotations

import datetime
import random
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from docs.study import planted
from docs.study.duet_pairs import PASS_SECONDS, Case, Pairs, Workers
from docs.study.errors import StudyError
from docs.study.halves import Half, halves_of
from docs.study.neighbours import Ratio, hodges_lehmann
from docs.study.record import BATCH_SIZE, IMAGE_SIZE
from docs.study.spreads import KINDS, Block, spread_of, times_fewer
from loader_gate.machine.cores import processors
from loader_gate.machine.machine import read_machine
from loader_gate.machine.noise import describe_noise, read_noise
from loader_gate.progress import Progress
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE, Variant
from loader_gate.rotation.runner import Job
from loader_gate.same_work.reference import build_reference
from loader_gate.statistics.counts import ROUND_SECONDS
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.variants import tfdata_no_cache
from loader_gate.worker.epoch import DRAIN
from loader_gate.worker.forked import Templates

if TYPE_CHECKING:
    from loader_gate.trees.tree import Tree

#: What is planted, by the name of its loader.
PLANTED = {"one_at_a_time": "one image at a time", "tenth_twice": "10 % of images decoded twice"}
VARIANTS = ("tfdata_no_cache", "tfdata_file_cache", "tfdata_memory_cache", "native_threads", *PLANTED)
IMAGES = 96
BLOCKS = 60
#: After so many blocks both sides go on in fresh processes.
BLOCKS_A_PAIR = 6
FILE = "duet.md"
SIZE = (IMAGE_SIZE, IMAGE_SIZE)

Way: TypeAlias = Literal["in turn", "in rounds", "duet"]
WAYS: tuple[Way, ...] = get_args(Way)
ABOUT = """\
# Both at once, or in turn

Written by `python -m docs.study duet`, on {date}. Head and base were timed in three ways, in blocks that
alternate:

- **in turn**: one after the other on all {cores} cores, A B B A;
- **in rounds**: likewise, but where epochs are short they take turns within each pass, in rounds of about
  {round:g} s, as sessions do;
- **duet**: both at once, each bound to half of the cores ({halves}) from before its first thread began, and
  once more with the halves swapped (Bulej et al., "Duet Benchmarking", ICPE 2020). What disturbs one is to
  disturb the other.

Both sides go on in fresh processes after every {run} blocks. {images} images, passes of about
{length:g} s, {machine}; {noise}.

## The same code on both sides

Head / base of a block would be 1 without noise. *Robust* is 1.48 times the median absolute deviation of the
log-ratios of all blocks, *plain* their standard deviation; *within* is that of blocks of one pair of
processes and *between* what pairs differ by besides (one-way analysis of variance). Seconds are of measuring,
for an interval of ±3 % (95 %), by each spread; "by pairs" is by the last two, what pairs differ by counted
once a pair.

| loader | way | blocks | s a block | robust | plain | within | between | s by robust | by plain | by pairs |
| :-- | :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
{spreads}
How many times fewer seconds another way needs than in turn, with 95 % intervals of a bootstrap over pairs of
processes; below 1 it needs more:

| loader | way | by robust | by plain | by pairs |
| :-- | :-- | --: | --: | --: |
{fewer}
## Something planted

Head is `{planted}` with something planted, base the same file without. Head / base is the Hodges-Lehmann
estimate of blocks with the 95 % interval of Wilcoxon's signed ranks.

| head | way | blocks | head / base |
| :-- | :-- | --: | --: |
{found}
A side on half of the cores has half of the parallelism to lose{lost}. Where one side has done its pass, the
other goes on beside nobody, so that a large difference looks smaller than it is.
"""
ONE_CORE = """: here a half is one core, on which a loader of one image at a time
need be no slower than one of several, and what sessions in turn show is not seen"""


#: Blocks by pair of processes, of each way.
Found: TypeAlias = Mapping[Way, Sequence[Sequence[Block]]]


@dataclass
class _Study:
    """Times one case after another.

    Attributes:
        tree: The images.
        reference: The folder of their reference decode.
        templates: What workers are forked from, by way: how many cores there are is read when they import.
        halves: Of the cores.
        blocks: Blocks of each way.
        progress: Shows how far it is.
        done: How many blocks there are, of all cases.
    """

    tree: Tree
    reference: Path
    templates: Mapping[Way, Templates]
    halves: tuple[Half, Half]
    blocks: int
    progress: Progress
    done: int = field(default=0, init=False)

    def time(self, case: Case, order: random.Random, folder: Path) -> Found:
        """Time a case in all ways, in blocks that alternate.

        Raises:
            StudyError: It could not be.
        """
        with ExitStack() as stack:
            pairs = {way: self._pairs(case, way, folder / way, stack) for way in WAYS}
            for block in range(self.blocks):
                for way in order.sample(WAYS, len(WAYS)):
                    if block % BLOCKS_A_PAIR == 0:
                        pairs[way].renew()
                    self.progress.update(self.done, f"{case.name}, block {block + 1} of {self.blocks}, {way}")
                    pairs[way].block(order)
                    self.done += 1
        return {way: pairs[way].runs for way in WAYS}

    def _pairs(self, case: Case, way: Way, folder: Path, stack: ExitStack) -> Pairs:
        spec = Spec(SIZE, BATCH_SIZE, True, 0, folder / "cache")
        folder.mkdir(parents=True)
        # What is remembered of a variant's images is written beside it.
        (folder / "reference").symlink_to(self.reference)
        halves = self.halves if way == "duet" else None
        workers = Workers(case, spec, halves and halves[0], self.templates[way])
        pairs = Pairs(
            case,
            Job(self.tree, folder / "reference", DRAIN),
            workers,
            halves,
            lambda text: self.progress.update(self.done, f"{case.name}, {way}: {text}"),
            in_rounds=way == "in rounds",
        )
        stack.callback(pairs.end)
        return pairs


def measure(names: Sequence[str], images: int, blocks: int, folder: Path) -> None:
    """Time variants, and planted slowdowns, in all ways, and write what came of it.

    Args:
        names: The variants that are compared with themselves, and of `PLANTED` what is to be planted.
        images: How many images of the small tree.
        blocks: Blocks of each case in each way.
        folder: Where to write.

    Raises:
        StudyError: There is no such variant, or one could not be timed; or cores have no halves.
    """
    known = {each.name: each for each in built_in_variants() if each.name != BASELINE and not each.absence()}
    for name in names:
        if name not in known and name not in PLANTED:
            raise StudyError(f"--variants {name}: expected some of {', '.join((*known, *PLANTED))}.")
    if blocks < 2 * BLOCKS_A_PAIR or blocks % BLOCKS_A_PAIR:
        raise StudyError(
            f"--blocks {blocks}: expected a multiple of {BLOCKS_A_PAIR}, as many as a pair of processes is "
            f"timed for, and at least {2 * BLOCKS_A_PAIR}."
        )
    halves = halves_of(processors())
    tree = prepare_tree(TreeRequest(tree="small", tree_images=images))
    before, order = read_noise(), random.Random(0)  # noqa: S311 (an order of passes, no secret)
    with tempfile.TemporaryDirectory(prefix="loader-gate-", ignore_cleanup_errors=True) as temporary:
        same = [Case(name, known[name], known[name]) for name in dict.fromkeys(names) if name in known]
        slowed = [case for case in planted_cases(Path(temporary)) if case.head.name in names]
        reference = Path(temporary, "reference")
        build_reference(tree, SIZE, reference)
        with ExitStack() as stack:
            progress = stack.enter_context(
                Progress("Timing both at once", len(WAYS) * blocks * len([*same, *slowed]))
            )
            templates = {way: stack.enter_context(closing(Templates())) for way in WAYS}
            study = _Study(tree, reference, templates, halves, blocks, progress)
            found = {
                case.name: study.time(case, order, Path(temporary, str(number)))
                for number, case in enumerate((*same, *slowed))
            }
    one_core = len(halves[0]) == 1
    about = ABOUT.format(
        date=datetime.datetime.now(datetime.timezone.utc).date(),
        cores=len(processors() or ()),
        halves=" and ".join(", ".join(map(str, half)) for half in halves),
        run=BLOCKS_A_PAIR,
        images=images,
        length=PASS_SECONDS,
        round=ROUND_SECONDS,
        machine=read_machine().describe(),
        noise=describe_noise(before, read_noise()),
        planted=planted.VARIANT,
        spreads="".join(line for case in same for line in spread_rows(case.name, found[case.name])),
        fewer="".join(line for case in same for line in fewer_rows(case.name, found[case.name])),
        found="".join(line for case in slowed for line in planted_rows(case.name, found[case.name])),
        lost=ONE_CORE if one_core else "",
    )
    (folder / FILE).write_text(about, encoding="utf-8")


def planted_cases(folder: Path) -> list[Case]:
    """Write loaders with something planted, and what they are compared with, to a folder."""
    text = Path(str(tfdata_no_cache.__file__)).read_text(encoding="utf-8")

    def written(module: str, text: str) -> Variant:
        (folder / f"{module}.py").write_text(text, encoding="utf-8")
        return Variant(module, module, file=str(folder / f"{module}.py"), path=(str(folder),))

    base = written("nothing_planted", text)
    texts = {"one_at_a_time": planted.one_at_a_time(text), "tenth_twice": planted.planted(text, 0.1)}
    return [Case(PLANTED[name], written(name, text), base) for name, text in texts.items()]


def spread_rows(name: str, found: Found) -> list[str]:
    """Return the lines of the table of spreads, one a way."""
    lines = []
    for way in WAYS:
        spread = spread_of(found[way])
        shares = (spread.robust, spread.plain, spread.within, spread.between)
        figures = [*(f"{each:.1%}" for each in shares), *(f"{spread.needed(kind):.1f}" for kind in KINDS)]
        lines.append(
            f"| `{name}` | {way} | {spread.blocks} | {spread.seconds:.2f} | {' | '.join(figures)} |\n"
        )
    return lines


def fewer_rows(name: str, found: Found) -> list[str]:
    """Return the lines of how many times fewer seconds other ways need than in turn."""
    first, *others = WAYS
    lines = []
    for way in others:
        fewer = times_fewer(found[first], found[way])
        lines.append(f"| `{name}` | {way} | {' | '.join(str(fewer[kind]) for kind in KINDS)} |\n")
    return lines


def planted_rows(name: str, found: Found) -> list[str]:
    """Return the lines of what is found of something planted, one a way."""
    lines = []
    for way in WAYS:
        ratios = [block.log_ratio for run in found[way] for block in run]
        ratio: Ratio = hodges_lehmann(ratios)
        lines.append(f"| {name} | {way} | {len(ratios)} | {ratio} |\n")
    return lines
