"""What kinds of variants there are, and all that a kind means: nobody else compares their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Kind:
    """What variants of one kind have in common.

    Attributes:
        name: What a module calls it, in ``KIND``.
        needs: Functions that its module has to have beside ``load``.
        is_limit: Whether it only shows what the machine can do at best: it has no floor of its own and bounds
            other kinds.
        fills_memory: Whether it holds the decoded images of a whole epoch in memory.
        writes_dump: Whether its first epoch writes a dump, which later ones read.
        may_write: Whether it may write to disk at all: a limit may write the dump that it reads, a rival the
            archive.
        hands_over_batches: Of a limit: whether it hands over batches, to the consumer that others have, and
            no mere counts of what it has done. It is measured beside all that trains, asked for or not.
        is_frugal: Whether it is worth naming to whoever lacks memory.
        is_held_to_limit: Whether one that is faster than its limit cannot be of this kind: a dump may be
            smaller than what the limit reads, and a rival decode by other means.
        is_held_far_beyond: Whether one that is several times as fast cannot be.
    """

    name: str
    needs: tuple[str, ...] = ()
    is_limit: bool = False
    fills_memory: bool = False
    writes_dump: bool = False
    may_write: bool = False
    hands_over_batches: bool = False
    is_frugal: bool = False
    is_held_to_limit: bool = False
    is_held_far_beyond: bool = False


#: Every kind, by name; the first one is that of a variant which says nothing.
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("streaming", is_frugal=True, is_held_to_limit=True),
            Kind("memory", ("predicted_bytes",), fills_memory=True),
            Kind(
                "dump", ("predicted_bytes", "dump_problem"), writes_dump=True, may_write=True, is_frugal=True
            ),
            Kind("rival", may_write=True, is_held_far_beyond=True),
            Kind("limit", is_limit=True, may_write=True),
            Kind("ready", is_limit=True, hands_over_batches=True),
        )
    }
)
DEFAULT_KIND = next(iter(KINDS))


def kind_named(name: str) -> Kind:
    """Return a kind; for a name that only another revision, or a saved run, knows, one that means nothing."""
    return KINDS.get(name, Kind(name))


def require_kind_of_a_loader(declared: object) -> None:
    """Refuse what a user's loader says of its kind unless a loader may be of that kind: no limit is a loader.

    Raises:
        ValueError: It may not; the message names what it may be.
    """
    allowed = [kind.name for kind in KINDS.values() if not kind.is_limit]
    if declared not in allowed:
        raise ValueError(
            f"its KIND is {declared!r}, and a loader is of one of the kinds {', '.join(allowed)}: take the "
            "line out, or declare the one that it is"
        )
