"""Draws anew where a worker's memory lies.

How fast the same code is depends on where its memory happens to lie (Mytkowicz and others, "Producing wrong
data without doing anything obviously wrong", 2009). All that are forked from one process would have the same
places, and head others than base, by what each has imported: with every block one would be surer of a
difference that is none. Drawn for each process, it is a part of what processes differ by (Curtsinger and
Berger, "Stabilizer", 2013).
"""

from __future__ import annotations

import ctypes
import mmap
from random import SystemRandom
from typing import TypeAlias

Kept: TypeAlias = tuple[mmap.mmap, list[bytearray]]

#: What is drawn moves memory by less than a huge page.
_HUGE_PAGE = 2**21
#: Small enough that the allocator takes it from the heap, and maps nothing for it.
_PIECE = 2**16
#: Pieces of these sizes are what is free taken in, from the largest on.
_SIZES = tuple(_PIECE >> halvings for halvings in range(7))
#: No more bytes of each size are taken: not every library for C moves the end of its heap.
_MOST_FREE = 2**27


def fill_heap() -> list[bytearray]:
    """Take what is free in the heap, and return what has to be kept for as long as workers are forked.

    They would take it before anything else, at places that are the same in all of them, and what each has
    drawn would be taken from it as well. Much of it is free where many modules had to be compiled.
    """
    program_break = ctypes.CDLL(None).sbrk
    program_break.argtypes, program_break.restype = [ctypes.c_ssize_t], ctypes.c_void_p
    taken = []
    for size in _SIZES:
        end = program_break(0)
        for _ in range(_MOST_FREE // size):
            taken.append(bytearray(size))
            if program_break(0) != end:  # nothing of this size was free any more
                break
    return taken


def draw_layout() -> Kept:
    """Take as much of the heap and of mapped memory as is drawn, and return what has to be kept meanwhile.

    What is mapped is never touched, so it takes no memory.
    """
    rng = SystemRandom()
    mapped = mmap.mmap(-1, mmap.PAGESIZE * rng.randint(1, _HUGE_PAGE // mmap.PAGESIZE))
    pieces, rest = divmod(rng.randrange(_HUGE_PAGE), _PIECE)
    return mapped, [bytearray(_PIECE) for _ in range(pieces)] + [bytearray(rest)]
