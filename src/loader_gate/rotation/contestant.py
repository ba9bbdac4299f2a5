"""What is known of one variant during the rotation: its passes, and what has been decided of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loader_gate.registry.kind import kind_named
from loader_gate.rotation.measurement import Bound, Measurement
from loader_gate.statistics.counts import epochs_in_rounds, epochs_per_pass
from loader_gate.verdict.beyond_limit import beyond_limit
from loader_gate.verdict.verdict import unmeasured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.diagnosis.observed import Observed
    from loader_gate.registry.variant import Variant
    from loader_gate.rotation.parts import Parts
    from loader_gate.statistics.estimate import Estimate
    from loader_gate.verdict.change import Change
    from loader_gate.verdict.share import Share
    from loader_gate.verdict.verdict import Verdict
    from loader_gate.worker.timing import PassTiming


@dataclass(eq=False)
class Arm:
    """One side of a variant: head, base, or head on fewer cores.

    Attributes:
        at_base: Whether it is base's.
        bound: The variant on fewer cores, if that is what it runs; it has no verdict.
        passes: Its timed passes, two a block, in order.
        problem: Why it is measured no further; None while it is.
    """

    at_base: bool = False
    bound: Variant | None = None
    passes: list[PassTiming] = field(default_factory=list)
    problem: str | None = None


@dataclass(frozen=True)
class Opened:
    """What a variant's worker said when it was opened and its work was checked; see `Measurement`."""

    kind: str = ""
    build_seconds: float = 0.0
    written_bytes: int = 0
    median_psnr: float | None = None
    not_told_apart: int = 0


@dataclass(frozen=True)
class Decisions:
    """What the looks so far have decided of a variant.

    Attributes:
        planned: How many blocks its budget has room for; None before the first block.
        speedup: The verdict on its speedup alone.
        change: What became of its seconds against base.
        verdict: The verdict of speedup and change together: the variant leaves the rotation.
        seems_slower: Whether head seems to be slower than base, and may turn out so beyond the tolerance.
        more_processes: Whether head and base go on, though their seconds are decided, as head seems to take
            more memory and too few processes have shown it.
    """

    planned: int | None = None
    speedup: Verdict | None = None
    change: Change | None = None
    verdict: Verdict | None = None
    seems_slower: bool = False
    more_processes: bool = False


@dataclass(eq=False)
class Contestant:
    """A variant during the rotation.

    Attributes:
        variant: The variant.
        base: Its arm at base; None where there is nothing to compare with.
        earlier: Log-ratios of head / base of earlier sessions whose evidence counts, two a block, by session.
        head: Its own arm.
        on_fewer_cores: Its arms on fewer cores: in all of its blocks, next to head.
        opened: What its worker said at the start.
        epochs: How many epochs are timed at once.
        rounds: How many times that makes a pass: head and base take turns, so that both are of one moment.
        parts: What part of an epoch makes one, where whole ones are too long.
        baseline_passes: The baseline's passes of the blocks that head took part in, until nobody needed them.
        decisions: What the looks have decided.
        observed: What was seen of it in the end, for why it is as fast as it is; None if nothing was.
    """

    variant: Variant
    base: Arm | None = None
    earlier: Sequence[Sequence[float]] = ()
    head: Arm = field(default_factory=Arm, init=False)
    on_fewer_cores: list[Arm] = field(default_factory=list, init=False)
    opened: Opened = field(default=Opened(), init=False)
    epochs: int = field(default=1, init=False)
    rounds: int = field(default=1, init=False)
    parts: Parts | None = field(default=None, init=False)
    baseline_passes: list[PassTiming] = field(default_factory=list, init=False)
    decisions: Decisions = field(default=Decisions(), init=False)
    observed: Observed | None = field(default=None, init=False)

    def make_passes_of(self, epoch_seconds: float) -> None:
        """Choose how many epochs make a pass, in rounds if it is compared.

        Args:
            epoch_seconds: Seconds of one warm epoch.
        """
        if self.compared_with is None:
            self.epochs = epochs_per_pass(epoch_seconds)
        else:
            self.epochs, self.rounds = epochs_in_rounds(epoch_seconds)

    @property
    def has_written(self) -> bool:
        """Return whether it reads what it has written, such as a dump or an archive of the files."""
        is_dump = kind_named(self.opened.kind or self.variant.kind).writes_dump
        return is_dump or self.opened.written_bytes > 0

    @property
    def blocks(self) -> int:
        """Return how many blocks it has finished."""
        return len(self.head.passes) // 2

    @property
    def verdict(self) -> Verdict | None:
        """Return the verdict, if there is one: a variant whose worker failed is unmeasured."""
        return self.decisions.verdict if self.head.problem is None else unmeasured(self.head.problem)

    @property
    def has_speedup(self) -> bool:
        """Return whether its speedup is decided, whatever else is not: it needs no baseline any more."""
        return self.verdict is not None or self.decisions.speedup is not None

    @property
    def compared_with(self) -> Arm | None:
        """Return base's arm, unless there is none or its worker failed."""
        return self.base if self.base is not None and self.base.problem is None else None

    @property
    def is_compared_further(self) -> bool:
        """Return whether base is still measured beside head."""
        undecided = self.decisions.change is None or self.decisions.more_processes
        return self.compared_with is not None and undecided

    def arms(self) -> list[Arm]:
        """Return its arms: head, what it is compared with, and those on fewer cores."""
        base = [] if self.compared_with is None else [self.compared_with]
        return [self.head, *base, *self._bound()]

    def arms_to_measure(self) -> list[Arm]:
        """Return the arms to measure further: once the change is known, base's is not needed any more."""
        return self.arms() if self.is_compared_further else [self.head, *self._bound()]

    def _bound(self) -> list[Arm]:
        return [arm for arm in self.on_fewer_cores if arm.problem is None]

    def goes_on_with(self, arm: Arm) -> bool:
        """Return whether one of its arms is measured further."""
        return self.verdict is None and arm in self.arms()

    def of(self, arm: Arm) -> Variant:
        """Return the variant as one of its arms runs it."""
        return arm.bound or self.variant

    def named(self, arm: Arm) -> str:
        """Return the name of one of its arms, for people."""
        return f"{self.of(arm).name}{' at base' if arm.at_base else ''}"

    def spent_seconds(self) -> float:
        """Return the measuring time that counts against its budget; see `Pace`."""
        against = self.baseline_passes if self.compared_with is None else self.compared_with.passes
        return sum(cost(timing) for timing in (*self.head.passes, *against))

    def block_seconds(self) -> float:
        """Return how much of its budget one block takes on average."""
        return self.spent_seconds() / self.blocks

    def measurement(self, share: Share | None, headspace: Estimate | None = None) -> Measurement:
        """Return what was learned.

        Args:
            share: The share of its limit, if one bounds it; beyond that it is not measured.
            headspace: How much faster batches that are already there make its epoch, if that is known.
        """
        verdict = self.verdict or unmeasured("the session ended before it was its turn")
        problem = beyond_limit(kind_named(self.opened.kind), share)
        if problem and verdict.status != "unmeasured":
            verdict = unmeasured(problem, verdict.floor)
        return Measurement(
            variant=self.variant,
            kind=self.opened.kind,
            verdict=verdict,
            baseline_passes=tuple(self.baseline_passes),
            variant_passes=tuple(self.head.passes),
            build_seconds=self.opened.build_seconds,
            median_psnr=self.opened.median_psnr,
            base_passes=() if self.compared_with is None else tuple(self.compared_with.passes),
            share=share,
            headspace=headspace,
            written_bytes=self.opened.written_bytes,
            not_told_apart=self.opened.not_told_apart,
            observed=self.observed,
            on_fewer_cores=tuple(
                Bound(self.of(arm).processors, tuple(arm.passes), arm.problem or "")
                for arm in self.on_fewer_cores
            ),
        )


def cost(timing: PassTiming) -> float:
    """Return the measuring time that a pass took, in seconds."""
    return timing.spent_seconds + timing.teardown_seconds * timing.epochs
