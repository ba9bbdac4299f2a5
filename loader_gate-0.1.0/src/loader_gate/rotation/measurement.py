"""What comes out of a rotation: one measurement a variant."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate.diagnosis.observed import Observed
    from loader_gate.registry.variant import Variant
    from loader_gate.statistics.estimate import Estimate
    from loader_gate.verdict.share import Share
    from loader_gate.verdict.verdict import Verdict
    from loader_gate.worker.timing import PassTiming


@dataclass(frozen=True)
class Bound:
    """What one session learned of one variant on fewer cores.

    Attributes:
        processors: The numbers of those that it was bound to.
        passes: Its passes, two a block, of the first blocks of its variant.
        problem: Why it was measured no further; empty if it was.
    """

    processors: tuple[int, ...]
    passes: tuple[PassTiming, ...]
    problem: str = ""


@dataclass(frozen=True)
class Measurement:
    """What one session learned of one variant.

    Attributes:
        variant: The variant.
        kind: Its kind, as its module says; empty if it never said so.
        verdict: The verdict and its reason.
        baseline_passes: The baseline's passes, two a block, of the blocks that the variant took part in.
        variant_passes: The variant's own, of the same blocks in the same order.
        build_seconds: What calling the loader function took, once.
        median_psnr: Of the checked epoch against the reference decode, in dB; None if it was not checked.
        base_passes: The variant's passes at base, of the first of these blocks; empty without a base.
        share: What share of its limit it reaches; None if no limit bounds it.
        headspace: How many times as fast an epoch is with batches that are already there; None if that was
            not measured.
        written_bytes: What it had written to disk when it was built, such as an archive of the files.
        not_told_apart: Images of the checked epoch that might as well be files of another label.
        observed: What was seen of it in the end, for why it is as fast as it is; None if nothing was.
        on_fewer_cores: The same on fewer cores, of those that were asked for.
    """

    variant: Variant
    kind: str
    verdict: Verdict
    baseline_passes: tuple[PassTiming, ...]
    variant_passes: tuple[PassTiming, ...]
    build_seconds: float
    median_psnr: float | None
    base_passes: tuple[PassTiming, ...] = ()
    share: Share | None = None
    headspace: Estimate | None = None
    written_bytes: int = 0
    not_told_apart: int = 0
    observed: Observed | None = None
    on_fewer_cores: tuple[Bound, ...] = ()

    @property
    def batch_seconds(self) -> dict[str, float] | None:
        """Return medians over passes of percentiles of the time to the next batch, and the longest of all.

        It is None if no pass knows of any; see `PassTiming`.
        """
        known = [timing.batch_seconds for timing in self.variant_passes if timing.batch_seconds is not None]
        if not known:
            return None
        percentiles = {name: median(each[name] for each in known) for name in ("p50", "p95", "p99")}
        return {**percentiles, "longest": max(each["longest"] for each in known)}

    @property
    def shuffle_quality(self) -> float | None:
        """Return how far orders are from ones drawn at random, the median over passes; None if unknown."""
        known = [
            timing.shuffle_quality for timing in self.variant_passes if timing.shuffle_quality is not None
        ]
        return median(known) if known else None

    @property
    def part_of_epoch(self) -> float | None:
        """Return what share of an epoch the timed batches of a pass are; None if passes are whole epochs."""
        return share_of_epoch(self.variant_passes)

    @property
    def is_of_parts(self) -> bool:
        """Return whether passes are parts of epochs, its own or the baseline's."""
        return any(timing.part is not None for timing in (*self.variant_passes, *self.baseline_passes))

    @property
    def cores_used(self) -> float:
        """Return how many cores a pass keeps busy: threads work on while a batch is looked at."""
        return median(
            timing.cpu_seconds / (timing.seconds + timing.look_seconds) for timing in self.variant_passes
        )


def share_of_epoch(passes: Sequence[PassTiming]) -> float | None:
    """Return what share of an epoch the timed batches of a pass are; None of whole epochs, or no passes."""
    shares = [timing.part.timed_share for timing in passes if timing.part is not None]
    return median(shares) if shares else None
