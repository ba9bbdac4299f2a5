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
        is_limit: Whether it only shows what the machine can do at best: it has no floor of its own, bounds
            other kinds and runs without TensorFlow.
        fills_memory: Whether it holds the decoded images of a whole epoch in memory.
        writes_dump: Whether its first epoch writes a dump, which later ones read.
        may_write: Whether it may write to disk at all: a limit may write the dump that it reads, a rival the
            archive.
        is_frugal: Whether it is worth naming to whoever lacks memory.
    """

    name: str
    needs: tuple[str, ...] = ()
    is_limit: bool = False
    fills_memory: bool = False
    writes_dump: bool = False
    may_write: bool = False
    is_frugal: bool = False


#: Every kind, by name; the first one is that of a variant which says nothing.
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("streaming", is_frugal=True),
            Kind("memory", ("predicted_bytes",), fills_memory=True),
            Kind(
                "dump", ("predicted_bytes", "dump_problem"), writes_dump=True, may_write=True, is_frugal=True
            ),
            Kind("rival", may_write=True),
            Kind("limit", is_limit=True, may_write=True),
        )
    }
)
DEFAULT_KIND = next(iter(KINDS))


def kind_named(name: str) -> Kind:
    """Return a kind; for a name that only a user's loader knows, one that means nothing."""
    return KINDS.get(name, Kind(name))
