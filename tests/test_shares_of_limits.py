"""What share of a limit a variant reaches, and when that is more than its kind can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from loader_gate.registry.kind import kind_named
from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.beyond_limit import FAR_BEYOND, LIMIT_MARGIN, beyond_limit
from loader_gate.verdict.share import Share, share_of_disk, share_of_limit
from loader_gate.worker.timing import PassTiming
from tests.made_up_passes import passes

STREAMING, RIVAL, DUMP = map(kind_named, ("streaming", "rival", "dump"))
SHOULD_DECLARE = 'If it keeps what it has decoded, declare KIND = "memory" or "dump"'


def around(seconds: float) -> Callable[[int], float]:
    """Return seconds that differ a little from block to block."""
    return lambda number: seconds * (1.01 if number % 4 < 2 else 0.99)


def reading(seconds: float, size: int, blocks: int = 4) -> list[PassTiming]:
    """Return passes that have read so many bytes."""
    return [replace(each, read_bytes=size) for each in passes(around(seconds), blocks)]


def share(ratio: float, low: float | None = None, **more: object) -> Share:
    """Return a share of a limit."""
    low = 0.99 * ratio if low is None else low
    return replace(Share("limit_decode", Estimate(ratio, low, 1.01 * ratio, 9)), **more)  # type: ignore[arg-type]


def test_a_share_is_of_images_a_second() -> None:
    """Half the seconds of the limit are twice its images; likewise CPU seconds, where all passes have any."""
    own = [replace(each, cpu_seconds=4 * each.seconds) for each in passes(around(1.0), 4)]
    found = share_of_limit("limit_decode", passes(2.0, 4), own)
    assert (found.limit, found.is_of_bytes, found.is_strict) == ("limit_decode", False, True)
    assert found.estimate.ratio == pytest.approx(2.0, rel=1e-3)
    assert 1.9 < found.estimate.low < 2.0 < found.estimate.high < 2.1
    assert found.by_cpu is not None
    assert found.by_cpu.ratio == pytest.approx(0.5, rel=1e-3)
    assert 0.45 < found.by_cpu.low < 0.5 < found.by_cpu.high < 0.55
    unused = [*own[:-1], replace(own[-1], cpu_seconds=0.0)]
    assert share_of_limit("limit_decode", passes(2.0, 4), unused).by_cpu is None
    idle = [replace(each, cpu_seconds=0.0) for each in passes(2.0, 4)]
    assert share_of_limit("limit_decode", idle, own).by_cpu is None
    brief = [replace(each, cpu_seconds=0.5) for each in passes(2.0, 4)]
    assert share_of_limit("limit_decode", brief, own).by_cpu is not None


def test_a_share_of_a_disk_is_of_bytes_a_second() -> None:
    """A dump of half the bytes, read in half the time, takes all that the disk gives."""
    found = share_of_disk("limit_disk_read", reading(2.0, 2_000_000), reading(1.0, 1_000_000))
    assert found is not None
    assert (found.limit, found.is_of_bytes, found.by_cpu) == ("limit_disk_read", True, None)
    assert found.estimate.ratio == pytest.approx(1.0)
    twice = share_of_disk("limit_disk_read", reading(2.0, 2_000_000), reading(1.0, 2_000_000))
    assert twice is not None
    assert twice.estimate.ratio == pytest.approx(2.0)
    assert share_of_disk("limit_disk_read", reading(2.0, 0), reading(1.0, 1)) is None
    assert (
        share_of_disk("limit_disk_read", reading(2.0, 1), [*reading(1.0, 1)[:-1], *reading(1.0, 0)[:1]])
        is None
    )


@pytest.mark.parametrize(
    ("kind", "found", "is_beyond"),
    [
        (STREAMING, None, False),
        (STREAMING, share(1.2, 1 + LIMIT_MARGIN), False),
        (STREAMING, share(1.2, 1.101), True),
        (STREAMING, share(1.2, 1.101, is_strict=False), False),
        (STREAMING, share(2.5, FAR_BEYOND, is_strict=False), False),
        (STREAMING, share(2.5, 2.01, is_strict=False), True),
        (STREAMING, share(FAR_BEYOND, 0.0), False),
        (STREAMING, share(2.01, 0.0), True),
        (STREAMING, share(2.5, 0.5), False),
        (STREAMING, share(9.0, is_of_bytes=True), False),
        (RIVAL, share(1.9), False),
        (RIVAL, share(2.1), True),
        (DUMP, share(9.0), False),
        (STREAMING, share(0.5, by_cpu=Estimate(1.2, 1.101, 1.3, 9)), True),
        (STREAMING, share(0.5, by_cpu=Estimate(1.2, 1.1, 1.3, 9)), False),
        (RIVAL, share(0.5, by_cpu=Estimate(1.9, 1.8, 2.0, 9)), False),
        (RIVAL, share(0.5, by_cpu=Estimate(2.2, 2.1, 2.3, 9)), True),
    ],
)
def test_who_cannot_be_of_its_kind(kind: object, found: Share | None, is_beyond: bool) -> None:
    """A tenth beyond what bounds it, for a loader that decodes; several times beyond it, for other means."""
    assert bool(beyond_limit(kind, found)) is is_beyond  # type: ignore[arg-type]


def test_what_it_is_told() -> None:
    """How fast it is, by what, and what to declare."""
    rival = '; if it decodes by other means, KIND = "rival"'
    assert beyond_limit(STREAMING, share(1.5, 1.25)) == (
        "it is 1.50 (1.25 to 1.52) times as fast as limit_decode, the most that this machine can do: it does "
        f"other work than a streaming loader. {SHOULD_DECLARE}{rival}"
    )
    assert beyond_limit(STREAMING, share(3.0, 0.0)) == (
        "it is 3.00 times as fast as limit_decode, the most that this machine can do: it does other work "
        f"than a streaming loader. {SHOULD_DECLARE}{rival}"
    )
    assert beyond_limit(RIVAL, share(0.5, by_cpu=Estimate(3.0, 2.5, 3.5, 9))) == (
        "it takes 3.00 (2.50 to 3.50) times less CPU time than limit_decode, which does nothing else: it "
        f"does other work than a rival loader. {SHOULD_DECLARE}"
    )
