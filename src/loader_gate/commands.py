"""What our commands share: pytest's options among their own, and running it to its end.

It imports no room.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

#: How long a session that was told to end may take to remove what it has made.
END_SECONDS = 60.0


def run_to_end(
    command: Sequence[str],
    output: Path,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    patience: float = math.inf,
    watch: Callable[[int, float], None],
    every: float = 1.0,
) -> str:
    """Return what a command said on both of its streams.

    An interrupt of this process, as by Ctrl-C, tells the command to end and waits for that.

    Args:
        command: The program and its arguments.
        output: A file to keep meanwhile what it says.
        folder: The folder that it starts in; this process' if None.
        environment: Its environment variables; this process' if None.
        patience: After so many seconds it is told to end.
        watch: Called now and then with its process id and the seconds since its start.
        every: How many seconds pass between two such calls.
    """
    with output.open("wb") as stream:
        process = begun(command, stream, folder, environment)
        started = time.monotonic()
        try:
            while process.poll() is None and time.monotonic() - started < patience:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(every)
                watch(process.pid, time.monotonic() - started)
        finally:
            hung = _end(process)
    said = output.read_text(encoding="utf-8", errors="replace")
    return f"{said}\nit did not end in {patience:.0f} s" if hung else said


def begun(
    command: Sequence[str],
    output: IO[Any] | None = None,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command that hears of no Ctrl-C by itself: it is told to end once, by us alone.

    Args:
        command: The program and its arguments.
        output: What it says on both of its streams goes there; to our own if None.
        folder: The folder that it starts in; this process' if None.
        environment: Its environment variables; this process' if None.
    """
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def split_at_dashes(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments before a lone ``--``, which are ours, and those after it, which are pytest's."""
    end = given.index("--") if "--" in given else len(given)
    return [*given[:end]], [*given[end + 1 :]]


def last_words(said: str, lines: int = 3) -> str:
    """Return the last lines of what a command said, in one line; nothing if it said nothing."""
    return " | ".join([line.strip() for line in said.splitlines() if line.strip()][-lines:])


def _end(process: subprocess.Popen[bytes]) -> bool:
    """End a command that has not ended, and return whether there was any need: pytest ends its workers."""
    if process.poll() is not None:
        return False
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return True
