"""What a variant's figure owes to its neighbours in the rotation: to what ran on the machine before its turn.

The same processes are timed in several companies in turn, in every block, so that each is compared with
another of the same block. Nothing but what came before a pass differs.
"""

from __future__ import annotations

import datetime
import math
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from docs.study.errors import StudyError
from docs.study.record import BATCH_SIZE, HANG_SECONDS, IMAGE_SIZE
from loader_gate.machine.machine import read_machine
from loader_gate.machine.noise import describe_noise, read_noise
from loader_gate.progress import Progress
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import BASELINE
from loader_gate.rotation import schedule
from loader_gate.rotation.runner import Job, Runner
from loader_gate.same_work.reference import build_reference
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.worker.epoch import DRAIN
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerProcess, module_search_path

if TYPE_CHECKING:
    from loader_gate.registry.variant import Variant
    from loader_gate.rotation.contestant import Contestant
    from loader_gate.trees.tree import Tree

VARIANTS = ("tfdata_no_cache", "native_threads", "tfdata_memory_cache", "uint8_memory_map")
IMAGES = 96
MINUTES = 10.0
IDLE_SECONDS = 1.0
#: With fewer, no 95 % interval of signed ranks has an end.
FEWEST_BLOCKS = 6
FILE = "neighbours.md"

Company: TypeAlias = Literal["alone", "in company", "after idling", "idle, then run in"]
COMPANIES: tuple[Company, ...] = get_args(Company)
#: What is compared with what.
PAIRS: tuple[tuple[Company, Company], ...] = (
    ("in company", "alone"),
    ("after idling", "alone"),
    ("idle, then run in", "alone"),
    ("idle, then run in", "after idling"),
)
ABOUT = """\
# What a figure owes to its neighbours in the rotation

Written by `python -m docs.study neighbours`, on {date}. The same processes were timed in each of
these companies in every block, two passes in each, in a drawn order. Ratios are within a block.

- **alone**: in a rotation with the baseline only, so that it waits for one pass of the baseline;
- **in company**: in a rotation of all {many} default variants of `loading`, so that it waits for all of them;
- **after idling**: after {idle:g} s in which nothing of the rotation has run;
- **idle, then run in**: after as long, and one epoch that is not timed.

{blocks} blocks, {images} images, {machine}; {noise}.
Each ratio is the Hodges-Lehmann estimate of its blocks' log-ratios with the 95 % interval of Wilcoxon's
signed ranks (Hollander and Wolfe, "Nonparametric Statistical Methods", chapter 3): a block that others
disturbed has little say. Above 1, seconds are more and a speedup is larger.

| variant | companies | seconds | speedup |
| :-- | :-- | --: | --: |
"""


@dataclass(frozen=True)
class Ratio:
    """A ratio with its 95 % interval.

    Attributes:
        value: The ratio.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return it for a table."""
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


@dataclass
class Timed:
    """Seconds in one company, a figure a block: of a variant, and of the baseline of the same rounds."""

    own: list[float] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)


#: What was timed, by variant and company.
Found: TypeAlias = Mapping[tuple[str, Company], Timed]


def hodges_lehmann(log_ratios: Sequence[float]) -> Ratio:
    """Return the ratio that log-ratios are around, with the interval of Wilcoxon's signed ranks."""
    averages = sorted(
        (one + other) / 2 for place, one in enumerate(log_ratios) for other in log_ratios[place:]
    )
    number, pairs = len(log_ratios), len(averages)
    middle = (averages[(pairs - 1) // 2] + averages[pairs // 2]) / 2
    rank = math.floor(pairs / 2 - 1.96 * math.sqrt(number * (number + 1) * (2 * number + 1) / 24))
    low, high = (averages[rank - 1], averages[-rank]) if rank > 0 else (-math.inf, math.inf)
    return Ratio(math.exp(middle), math.exp(low), math.exp(high))


def ratios(found: Found, variant: str, company: Company, other: Company) -> tuple[Ratio, Ratio]:
    """Return how the seconds and the speedup of a variant differ between two companies."""
    one, two = found[variant, company], found[variant, other]
    seconds = [math.log(a / b) for a, b in zip(one.own, two.own, strict=True)]
    baseline = [math.log(a / b) for a, b in zip(one.baseline, two.baseline, strict=True)]
    speedups = [of_baseline - own for of_baseline, own in zip(baseline, seconds, strict=True)]
    return hodges_lehmann(seconds), hodges_lehmann(speedups)


class Neighbourhood:
    """Variants in one rotation, of which some are timed in several companies."""

    def __init__(self, runner: Runner, contestants: Sequence[Contestant], names: Sequence[str]) -> None:
        """Take processes that are warm.

        Args:
            runner: Runs their passes.
            contestants: The baseline and all default variants.
            names: Of those that are timed in every company.
        """
        self._runner = runner
        self._everyone = contestants
        self._baseline = next(each for each in contestants if each.variant.name == BASELINE)
        self._looked_at = [each for each in contestants if each.variant.name in names]
        self.found: dict[tuple[str, Company], Timed] = {
            (name, company): Timed() for name in names for company in COMPANIES
        }

    def block(self, order: random.Random, idle_seconds: float) -> None:
        """Time every company once.

        Raises:
            StudyError: A variant could not be timed.
        """
        few = [self._baseline, *self._looked_at]
        for company in order.sample(COMPANIES, len(COMPANIES)):
            if company == "alone":
                for each in order.sample(self._looked_at, len(self._looked_at)):
                    self._enter(company, self._round([self._baseline, each], order))
            elif company == "in company":
                self._enter(company, self._round(self._everyone, order))
            else:
                runs_in = company == "idle, then run in"
                self._enter(company, self._round(few, order, idle_seconds, runs_in=runs_in))

    def _enter(self, company: Company, seconds: Mapping[str, float]) -> None:
        for each in self._looked_at:
            name = each.variant.name
            if name in seconds:
                self.found[name, company].own.append(seconds[name])
                self.found[name, company].baseline.append(seconds[BASELINE])

    def _round(
        self,
        contestants: Sequence[Contestant],
        order: random.Random,
        idle_seconds: float = 0.0,
        *,
        runs_in: bool = False,
    ) -> dict[str, float]:
        """Run a block of a rotation; return the geometric mean of each variant's two passes."""
        turns = [contestant for contestant, _ in schedule.turns(contestants, order)]
        logs: dict[str, list[float]] = {each.variant.name: [] for each in turns}
        for contestant in (*turns, *reversed(turns)):
            time.sleep(idle_seconds)
            if runs_in:
                epochs, contestant.epochs = contestant.epochs, 1
                self._seconds(contestant)
                contestant.epochs = epochs
            logs[contestant.variant.name].append(math.log(self._seconds(contestant)))
        return {name: math.exp(fmean(each)) for name, each in logs.items()}

    def _seconds(self, contestant: Contestant) -> float:
        timing = self._runner.run_pass(contestant, contestant.head)
        if timing is None:
            raise StudyError(f"{contestant.variant.name} could not be timed: {contestant.head.problem}")
        return timing.seconds


@dataclass(frozen=True)
class _Workers:
    """Where processes come from; see ``rotation.runner.Workers``."""

    asked: Spec
    search_path: Sequence[str]

    def start(
        self,
        variant: Variant,
        at_base: bool,  # noqa: ARG002 (there is no base)
        imported: Mapping[str, str] | None = None,  # noqa: ARG002 (nothing is renewed)
    ) -> WorkerProcess:
        return WorkerProcess(variant, self.search_path, WorkerLimits(HANG_SECONDS))

    def compares(self, variant: Variant) -> bool:  # noqa: ARG002 (there is no base)
        return False

    def spec(self, variant: Variant, at_base: bool) -> Spec:  # noqa: ARG002 (there is no base)
        return self.asked.for_variant(variant.name)


def measure(names: Sequence[str], images: int, minutes: float, idle_seconds: float, folder: Path) -> None:
    """Time variants in every company, and write what came of it.

    Args:
        names: The variants to look at.
        images: How many images of the small tree.
        minutes: No block begins after so many of them.
        idle_seconds: How long the machine is left alone before a pass.
        folder: Where to write.

    Raises:
        StudyError: There is no such variant, or one could not be timed.
    """
    everyone = [each for each in built_in_variants() if "loading" in each.default and not each.absence()]
    known = [each.name for each in everyone if each.name != BASELINE]
    for name in names:
        if name not in known:
            raise StudyError(f"--variants {name}: expected some of {', '.join(known)}.")
    tree = prepare_tree(TreeRequest(tree="small", tree_images=images))
    before, order = read_noise(), random.Random(0)  # noqa: S311 (an order of passes, no secret)
    with (
        tempfile.TemporaryDirectory(prefix="loader-gate-", ignore_cleanup_errors=True) as temporary,
        Progress("Timing neighbours", None) as progress,
    ):
        runner = runner_of(tree, Path(temporary), progress)
        try:
            contestants = runner.start(everyone)
            runner.warm_up(contestants)
            lost = [f"{each.variant.name}: {each.head.problem}" for each in contestants if each.head.problem]
            if lost:
                raise StudyError(f"Not all could be timed: {'; '.join(lost)}")
            neighbourhood = Neighbourhood(runner, contestants, names)
            until, blocks = time.monotonic() + 60 * minutes, 0
            while blocks < FEWEST_BLOCKS or time.monotonic() < until:
                progress.update(0, f"block {blocks + 1}")
                neighbourhood.block(order, idle_seconds)
                blocks += 1
        finally:
            runner.end()
    about = ABOUT.format(
        date=datetime.datetime.now(datetime.timezone.utc).date(),
        many=len(everyone),
        idle=idle_seconds,
        blocks=blocks,
        images=images,
        machine=read_machine().describe(),
        noise=describe_noise(before, read_noise()),
    )
    (folder / FILE).write_text(about + "".join(rows(neighbourhood.found, names)), encoding="utf-8")


def runner_of(tree: Tree, folder: Path, progress: Progress) -> Runner:
    """Return a runner of variants on a tree, whose reference and caches are in a folder."""
    spec = Spec((IMAGE_SIZE, IMAGE_SIZE), BATCH_SIZE, True, 0, folder / "cache")
    build_reference(tree, spec.image_size, folder / "reference")
    job = Job(tree, folder / "reference", DRAIN)
    return Runner(_Workers(spec, module_search_path(Path.cwd())), job, lambda text: progress.update(0, text))


def rows(found: Found, names: Sequence[str]) -> list[str]:
    """Return the lines of the table."""
    lines = []
    for name in names:
        for company, other in PAIRS:
            seconds, speedup = ratios(found, name, company, other)
            lines.append(f"| `{name}` | {company} / {other} | {seconds} | {speedup} |\n")
    return lines
