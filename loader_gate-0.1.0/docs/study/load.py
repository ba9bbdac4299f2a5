"""Neighbours: programs that take a set share of the machine while the study measures, the same every time.

This file is run as a program of its own, too, which imports nothing but Python's own modules: what it uses of
the machine is what it was asked to use. It is nobody's child, so that its CPU time counts as that of others;
and it ends as soon as nobody holds its standard input open, be the study killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping

NONE = "none"
#: The share of a core that each neighbour keeps busy.
SHARES: Mapping[str, float] = {"quiet": 0.3, "busy": 1.0}
NEIGHBOURS = (NONE, *SHARES)
#: How often it works, in seconds: what is less than a whole core comes in bursts.
PERIOD_SECONDS = 1.0
#: What it copies: more than caches hold, so that it is memory that it takes of others, and not a core alone.
COPIED_BYTES = 32 * 2**20
_WORKING = b"working"


class NeighbourError(Exception):
    """A neighbour did not work as it should; the message says what to do."""


@contextlib.contextmanager
def beside(neighbour: str) -> Iterator[int | None]:
    """Have a neighbour for a while: give the number of its process, or None if there is to be none.

    It is in a process group of its own, so that Ctrl-C is not its to handle, and has ended afterwards.

    Args:
        neighbour: One of `NEIGHBOURS`.

    Raises:
        NeighbourError: It could not be started, or ended by itself before it should.
    """
    if neighbour == NONE:
        yield None
        return
    # Isolated: else the folder of this file comes first on its path, and its modules hide Python's own.
    program = [sys.executable, "-I", __file__, str(SHARES[neighbour])]
    started = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert started.stdin is not None  # noqa: S101 (both are pipes)
    assert started.stdout is not None  # noqa: S101
    with started.stdin, started.stdout:
        try:
            said = started.stdout.readline().split()
            if said[:1] != [_WORKING]:
                raise NeighbourError(f"the {neighbour} neighbour did not start; see what it says above.")
            yield int(said[1])
            if select.select([started.stdout], [], [], 0)[0]:
                raise NeighbourError(
                    f"the {neighbour} neighbour ended too early: something killed it; start again."
                )
        finally:
            # The group is there as long as anybody is in it: no other can have got its number.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            # The one that we started has ended long ago; the other one's end shows as that of its output.
            started.stdout.read()
            started.wait()


def work(share: float) -> None:
    """Keep a share of a core busy copying memory, for ever.

    Args:
        share: Of CPU time, above 0; 1 never rests.
    """
    source, target = bytes(COPIED_BYTES), memoryview(bytearray(COPIED_BYTES))
    while True:
        began, used = time.monotonic(), time.process_time()
        while time.process_time() - used < share * PERIOD_SECONDS:
            target[:] = source
        # Where others leave it too little, it takes longer for its share, and rests the less.
        if share < 1:
            time.sleep(max(0.0, began + PERIOD_SECONDS - time.monotonic()))


def _end_with_the_study() -> None:
    os.read(0, 1)  # nothing is ever written: this returns when the other end has gone
    os._exit(0)


def _main(share: float) -> None:
    if os.fork():
        os._exit(0)
    threading.Thread(target=_end_with_the_study, daemon=True).start()
    print(_WORKING.decode(), os.getpid(), flush=True)
    work(share)


if __name__ == "__main__":
    _main(float(sys.argv[1]))
