"""Sessions that a command of these pages holds, several at once: none of them outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any

from loader_gate.commands import begun
from loader_gate.plugin.interrupts import clean_end_when_told

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

#: What a session that was told to end may take to remove what it has made.
GOING_SECONDS = 20.0
_PAUSE_SECONDS = 0.05
_running: set[subprocess.Popen[bytes]] = set()
_may_start = threading.Lock()
_is_over = threading.Event()


@contextlib.contextmanager
def running(
    command: Sequence[str],
    output: IO[Any] | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a session, and end it, unless it has ended; see `begun` for what it is given.

    Raises:
        InterruptedError: All are being ended.
    """
    with _may_start:
        if _is_over.is_set():
            raise InterruptedError("no more sessions: this command was told to end")
        process = begun(command, output, folder, environment)
        _running.add(process)
    try:
        yield process
    finally:
        _end(process)
        _running.discard(process)


@contextlib.contextmanager
def several_at_once(number: int) -> Iterator[ThreadPoolExecutor]:
    """Give so many threads that hold sessions; whatever ends this early ends those, too.

    Raises:
        SystemExit: See `told_to_end`.
    """
    with told_to_end():
        pool = ThreadPoolExecutor(number)
        try:
            yield pool
        except BaseException:
            with _may_start:
                _is_over.set()
            for process in [*_running]:
                _tell(process, signal.SIGTERM)
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            _is_over.clear()


@contextlib.contextmanager
def told_to_end() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end this command as Ctrl-C does, which tidies up.

    Raises:
        SystemExit: One of them did.
    """
    undo = clean_end_when_told()
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise SystemExit(f"This command was {str(interrupt) or 'interrupted'}.") from None
    finally:
        undo()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a session, and with it what its shell has started; one that has ended by itself is left alone."""
    if process.poll() is None or _is_over.is_set():
        deadline = time.monotonic() + GOING_SECONDS
        _tell(process, signal.SIGTERM)
        while _tell(process, 0) and time.monotonic() < deadline:
            process.poll()
            time.sleep(_PAUSE_SECONDS)
        _tell(process, signal.SIGKILL)
    process.wait()


def _tell(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to a session and what shares its group; return whether there is anybody."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
        return True
    return False
