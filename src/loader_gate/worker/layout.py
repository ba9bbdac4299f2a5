"""Draws anew where a worker's memory lies.

How fast the same code is depends on where its memory happens to lie (Mytkowicz and others, "Producing wrong
data without doing anything obviously wrong", 2009). All that are forked from one process would have the same
places, and head others than base, by what each has imported: with every block one would be surer of a
difference that is none. Drawn for each process, it is a part of what processes differ by (Curtsinger and
Berger, "Stabilizer", 2013).
"""

from __future__ import annotations

import mmap
from random import SystemRandom
from typing import TypeAlias

Kept: TypeAlias = tuple[mmap.mmap, list[bytearray]]

#: What is drawn moves memory by less than a huge page.
_HUGE_PAGE = 2**21
#: Small enough that the allocator takes it from the heap, and maps nothing for it.
_PIECE = 2**16


def draw_layout() -> Kept:
    """Take as much of the heap and of mapped memory as is drawn, and return what has to be kept meanwhile.

    What is mapped is never touched, so it takes no memory.
    """
    rng = SystemRandom()
    mapped = mmap.mmap(-1, mmap.PAGESIZE * rng.randint(1, _HUGE_PAGE // mmap.PAGESIZE))
    pieces, rest = divmod(rng.randrange(_HUGE_PAGE), _PIECE)
    return mapped, [bytearray(_PIECE) for _ in range(pieces)] + [bytearray(rest)]
