"""What comes out of a rotation: one measurement a variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loader_gate.registry.variant import Variant
    from loader_gate.verdict.share import Share
    from loader_gate.verdict.verdict import Verdict
    from loader_gate.worker.timing import PassTiming


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
        written_bytes: What it had written to disk when it was built, such as an archive of the files.
        not_told_apart: Images of the checked epoch that might as well be files of another label.
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
    written_bytes: int = 0
    not_told_apart: int = 0
