"""A plugin of pytest, loaded into each session: waits for a stage, and lets something go wrong there.

What is to happen is told in the environment variable ``LOADER_GATE_FAULT``, as JSON.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from docs.faults.stages import HAPPENED, MOVED, SAID, STARTED, TIMES, VARIABLE, WRITTEN
from docs.faults.stand_ins.sitecustomize import StandIns
from loader_gate.progress import Progress

#: What is on a full disk.
BALLAST = "ballast"
#: Seconds between a stage's first word and a signal, so that it comes when somebody is at work.
LATER = 0.05
#: Stopped for so long, a session misses the answers of its workers.
STOPPED_SECONDS = 3.0
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink")
#: Where these say in which open folder a path begins, as those do that remove a folder with all in it.
_FOLDER_AT = {"os.mkdir": 2, "os.rename": 2, "os.remove": 1, "os.rmdir": 1}


def _path(event: str, arguments: tuple[Any, ...]) -> str:
    """Return the path that something is done to, the first one where there are two."""
    path, at = os.fsdecode(arguments[0]), _FOLDER_AT.get(event)
    if at is None or arguments[at] == -1:
        return path
    with suppress(OSError):  # only Linux says so
        return f"{os.readlink(f'/proc/self/fd/{arguments[at]}')}/{path}"  # noqa: PTH115
    return path


class Fault:
    """One that is going to happen."""

    def __init__(self, stage: str, do: str, folder: str, value: int = 0) -> None:
        """Wait for it.

        Args:
            stage: Where, one of `stages.STAGES`; the beginning if it is empty.
            do: What, the name of a method.
            folder: All that the session writes is in here.
            value: The number of a signal or of an error, where it takes one.
        """
        self._stage, self._value, self._folder = stage, value, folder
        self._happen: Callable[[], None] = getattr(self, do)
        self._has_happened, self._times = False, 0
        self._errors: Callable[[str, tuple[Any, ...]], None] | None = None

    def begin(self) -> None:
        """Look out for the stage."""
        sys.addaudithook(self._audited)
        update = Progress.update

        def said(progress: Progress, completed: float, text: str = "", total: float | None = None) -> None:
            update(progress, completed, text, total)
            if re.search(SAID.get(self._stage, "$^"), f"{progress._title} {text}"):
                self._now()

        Progress.update = said  # type: ignore[method-assign, assignment]
        if not self._stage:
            self._now()

    def _now(self) -> None:
        if not self._has_happened:
            self._has_happened = True
            (Path(self._folder) / HAPPENED).touch()
            self._happen()

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._has_begun(event, arguments):
            self._times += 1
            if self._times == TIMES.get(self._stage, 1):
                self._now()
        if self._errors is not None:
            self._errors(event, arguments)

    def _has_begun(self, event: str, arguments: tuple[Any, ...]) -> bool:
        """Return whether what is going to be done is how the stage is known."""
        if self._stage in STARTED:
            known_by, pattern, at = "subprocess.Popen", STARTED[self._stage], 1
        elif self._happen in (self.fill, self.fail_to_write):
            known_by, pattern, at = "open", WRITTEN.get(self._stage, "$^"), 0
        else:
            known_by, pattern, at = "os.rename", MOVED.get(self._stage, "$^"), 1
        if event != known_by:
            return False
        what = arguments[at]
        text = " ".join(map(str, what)) if isinstance(what, list) else str(what)
        return re.search(pattern, text) is not None

    def _is_write(self, event: str, arguments: tuple[Any, ...]) -> bool:
        """Return whether a file is going to be written, or its folder, of those that the session has."""
        if event == "open":
            writes = isinstance(arguments[2], int) and arguments[2] & _WRITES
            return bool(writes) and self._is_ours(event, arguments)
        return event in _CHANGES and self._is_ours(event, arguments)

    def _is_ours(self, event: str, arguments: tuple[Any, ...]) -> bool:
        is_path = isinstance(arguments[0], str | bytes | os.PathLike)
        return is_path and _path(event, arguments).startswith(self._folder)

    # What may happen.

    def send(self) -> None:
        """Send a signal to this process: at once where it is at work itself, else when others are."""
        if self._stage in (*MOVED, *STARTED):
            os.kill(os.getpid(), self._value)
        else:
            threading.Timer(LATER, os.kill, (os.getpid(), self._value)).start()

    def send_twice(self) -> None:
        """Send it again while the first one is being heeded."""
        self.send()
        again = threading.Timer(5 * LATER, os.kill, (os.getpid(), self._value))
        again.daemon = True
        again.start()

    def stop(self) -> None:
        """Stop this process for a while."""
        wakes = "import os, signal, sys, time; time.sleep({}); os.kill({}, signal.SIGCONT)"
        subprocess.Popen([sys.executable, "-c", wakes.format(STOPPED_SECONDS, os.getpid())])
        os.kill(os.getpid(), signal.SIGSTOP)

    def fill(self) -> None:
        """Leave no room on the disk, which is a small one."""
        with (Path(self._folder) / BALLAST).open("wb", buffering=0) as ballast:
            for size in (2**20, 2**12, 1):
                with suppress(OSError):  # there is no more room for so much
                    while True:
                        ballast.write(bytes(size))

    def fail_to_write(self) -> None:
        """Let nothing be written any more."""

        def fail(event: str, arguments: tuple[Any, ...]) -> None:
            if self._is_write(event, arguments):
                raise OSError(self._value, os.strerror(self._value), _path(event, arguments))

        self._errors = fail

    def fail_to_read(self) -> None:
        """Let no image be read any more."""

        def fail(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "open" and str(arguments[0]).endswith(".jpg") and not arguments[2] & _WRITES:
                raise OSError(self._value, os.strerror(self._value), str(arguments[0]))

        self._errors = fail

    def fail_to_lock(self) -> None:
        """Have no locks, as some file systems have none."""

        def fail(event: str, _: tuple[Any, ...]) -> None:
            if event == "fcntl.flock":
                raise OSError(self._value, os.strerror(self._value))

        self._errors = fail

    def fail_to_start(self) -> None:
        """Let no process be started any more, as where there may be no more of them."""

        def fail(event: str, _: tuple[Any, ...]) -> None:
            if event in ("subprocess.Popen", "os.posix_spawn", "os.fork"):
                raise OSError(self._value, os.strerror(self._value))

        self._errors = fail

    def lose_locks(self) -> None:
        """Remove every file that is locked, as who tidies temporary files does."""
        for pattern in (".owner", "*.lock", ".lock"):
            for file in Path(self._folder).rglob(pattern):
                file.unlink()

    def slow(self) -> None:
        """Let whatever is written take its time."""

        def wait(event: str, arguments: tuple[Any, ...]) -> None:
            if self._is_write(event, arguments):
                time.sleep(self._value / 1000)

        self._errors = wait

    def jump(self) -> None:
        """Set the clock to another day, for whoever asks Python for the time."""
        seconds, nanoseconds, by = time.time, time.time_ns, self._value * 86400
        time.time = lambda: seconds() + by
        time.time_ns = lambda: nanoseconds() + by * 10**9

    def hoard(self) -> None:
        """Take memory until the system ends this process."""
        held = []
        while True:
            held.append(b"x" * 2**24)

    def kill_helpers(self) -> None:
        """Kill every process that this one has started."""
        from loader_gate.machine.processes import descendants

        for pid in descendants(os.getpid()):
            os.kill(pid, self._value)


# By now pytest has put somebody before them who finds all modules of a plugin's package.
sys.meta_path.insert(0, StandIns)
if VARIABLE in os.environ:
    Fault(**json.loads(os.environ[VARIABLE])).begin()
