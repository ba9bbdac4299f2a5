"""A loader that is faster than what bounds it does other work than its kind says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loader_gate.registry.kind import Kind
    from loader_gate.statistics.estimate import Estimate
    from loader_gate.verdict.share import Share

#: By what share a limit may be wrong. It is a program, too, and another one with the same decoder may do as
#: well or a little better, with threads in the place of processes. Of the variants `native_threads` comes
#: nearest: 0.92 (0.89 to 0.95) of it with photographs, 1.01 (0.99 to 1.03) with the small tree. What is kept
#: decoded comes 2 to 10 times as fast as a decoder decodes, so that nothing is gained by being stricter.
LIMIT_MARGIN = 0.10
#: Too few blocks for an interval are enough to see that something is as many times as fast; and no other
#: means of decoding on the same cores are, so that a rival keeps what it has decoded.
FAR_BEYOND = 2.0


def beyond_limit(kind: Kind, share: Share | None) -> str:
    """Return why a variant cannot be of its kind, and what to declare; nothing if it can.

    Args:
        kind: What it says it is.
        share: What share of its limit it reaches; None if it was held against none.
    """
    is_held = kind.is_held_to_limit or kind.is_held_far_beyond
    # How fast a disk is depends on how it is asked: one program more at once may get more of it.
    if share is None or share.is_of_bytes or not is_held:
        return ""
    margin = LIMIT_MARGIN if kind.is_held_to_limit and share.is_strict else FAR_BEYOND - 1
    if _is_beyond(share.estimate, margin):
        found, what = share.estimate, "is {} times as fast as {}, the most that this machine can do"
    elif share.by_cpu is not None and _is_beyond(share.by_cpu, margin):
        # Of several cores it may have used one, and of what it has decoded it may have kept a part.
        found, what = share.by_cpu, "takes {} times less CPU time than {}, which does nothing else"
    else:
        return ""
    interval = f" ({found.low:.2f} to {found.high:.2f})" if found.low > 0 else ""
    times = f"{found.ratio:.2f}{interval}"
    other_means = '; if it decodes by other means, KIND = "rival"' if kind.is_held_to_limit else ""
    return (
        f"it {what.format(times, share.limit)}: it does other work than a {kind.name} loader. If it keeps "
        f'what it has decoded, declare KIND = "memory" or "dump"{other_means}'
    )


def _is_beyond(share: Estimate, margin: float) -> bool:
    return share.low > 1 + margin or (share.low == 0 and share.ratio > FAR_BEYOND)
