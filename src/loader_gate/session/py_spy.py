"""Runs py-spy, the sampling profiler: it looks at a process from outside, and sees native frames too."""

from __future__ import annotations

import contextlib
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from loader_gate.machine.temporary import OwnedFolder

#: Samples a second. Each stops the process, for some milliseconds where a library as large as TensorFlow has
#: to be looked through: with more of them, what sleeps meanwhile would seem to take less than it does.
RATE = 100
#: It reads the symbols of all libraries before it begins, and may be late with its samples.
PATIENCE_SECONDS = 60.0
_NATIVE = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")
_ATTACH = {
    "linux": (
        "let it look into processes of yours: `sudo sysctl kernel.yama.ptrace_scope=0`, or for a container "
        "`docker run --cap-add SYS_PTRACE`"
    ),
    "darwin": "macOS lets only root look into other processes: run the session with sudo",
}


class ProfilerError(Exception):
    """There is no profile; the message says why, and what to do."""


def found() -> str:
    """Return the program.

    Raises:
        ProfilerError: It is not installed.
    """
    program = shutil.which("py-spy", path=sysconfig.get_path("scripts")) or shutil.which("py-spy")
    if program is None:
        raise ProfilerError('py-spy is not installed: pip install "loader-gate[profile]"')
    return program


def record(program: str, pid: int, seconds: float) -> str:
    """Return the collapsed stacks of a process, and of those that it starts, in so many seconds.

    Args:
        program: py-spy.
        pid: The process.
        seconds: How long to look.

    Raises:
        ProfilerError: It could not look.
    """
    with OwnedFolder() as folder:
        stacks = Path(folder) / "stacks"
        command = [
            *(program, "record", "--pid", str(pid), "--output", str(stacks), "--format", "raw"),
            *("--rate", str(RATE), "--duration", str(max(1, round(seconds)))),
            *("--subprocesses", "--idle", "--threads", "--full-filenames", *(["--native"] * _NATIVE)),
        ]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds + PATIENCE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProfilerError(f"py-spy could not look: {error}") from error
        with contextlib.suppress(OSError):
            text = stacks.read_text(encoding="utf-8", errors="replace")
            if text:
                return text
        raise ProfilerError(_in_words(done.stdout.decode(errors="replace")))


def _in_words(said: str) -> str:
    """Return why py-spy has written nothing, and what to do, from what it said."""
    if any(words in said.lower() for words in ("permission denied", "operation not permitted", "root")):
        return f"py-spy may not look: {_ATTACH.get(sys.platform, 'run the session as root')}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f"py-spy could not look: {lines[-1] if lines else 'it said nothing'}"
