"""Workers that are forked from a process which has imported what they need: a second in the place of five.

The process is in ``template.py``; here is the side of the one that asks. Forks of one template have the same
libraries at the same addresses, head as well as base, so that they differ less than processes do.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Protocol

from loader_gate.worker import keras_settings
from loader_gate.worker.origin import Origin, command

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A template has to be ready, and a worker to be there, after so long; else an interpreter is started.
PATIENCE_SECONDS = 60.0
GRACE_SECONDS = 5.0
_IS_LINUX: bool = sys.platform == "linux"


class Forked:
    """A process that a template has forked; of what ``subprocess.Popen`` has, all that `WorkerProcess` needs.

    Attributes:
        pid: Its number.
    """

    def __init__(self, pid: int, told: Connection) -> None:
        """Follow a process.

        Args:
            pid: Its number.
            told: Is told how it ended.
        """
        self.pid = pid
        self._told = told
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return how it ended, as ``Popen.poll`` does; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return how, as ``Popen.wait`` does.

        Raises:
            subprocess.TimeoutExpired: It has not, after so many seconds.
        """
        if self._code is None:
            if not self._told.poll(timeout):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            try:
                self._code = int(self._told.recv_bytes())
            except (EOFError, OSError):  # the template was killed, and so will be what it has forked
                self.kill()
                self._code = -signal.SIGKILL
            self._told.close()
        return self._code

    def kill(self) -> None:
        """Kill it."""
        if self._code is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGKILL)


class Fork(Protocol):
    """Forks a worker."""

    def __call__(
        self, origin: Origin, environment: Mapping[str, str], connection: Connection, stderr: int
    ) -> Forked | None:
        """Return one that will read from its connection what it is to be; None if there is none.

        Args:
            origin: Where it takes its code from.
            environment: Its environment variables.
            connection: What it answers on.
            stderr: The file descriptor that it writes to.
        """


class Templates:
    """The templates of a session: one for what the same Python has imported."""

    def __init__(self) -> None:
        """Begin with none: each is started when somebody needs it."""
        self._templates: dict[tuple[str, ...], _Template] = {}

    def with_imported(self, files: Mapping[str, str] | None) -> Fork | None:
        """Return what forks workers from a process that has imported these packages; None without any.

        Args:
            files: The packages' files, by name, as an earlier worker of the same code has them; None if
                there was none.
        """
        return None if files is None or not _IS_LINUX else partial(self._fork, files)

    def close(self) -> None:
        """End all of them, when the workers have been ended."""
        for template in self._templates.values():
            template.end()

    def _fork(
        self,
        files: Mapping[str, str],
        origin: Origin,
        environment: Mapping[str, str],
        connection: Connection,
        stderr: int,
    ) -> Forked | None:
        # A package that only the worker's own folders would lead to is none that can be shared.
        shared = [
            each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each in origin.search_path
        ]
        settings = [environment.get(each, "") for each in keras_settings.VARIABLES]
        key = (origin.python, *shared, *settings, *files.values())
        if key not in self._templates:
            own = {name: value for name, value in environment.items() if name != "TMPDIR"}
            own["PYTHONPATH"] = os.pathsep.join(shared)
            self._templates[key] = _Template(origin.python, own, files)
        template = self._templates[key]
        forked = template.fork(connection, stderr)
        if forked is None:
            template.end()
        return forked


class _Template:
    """One template, from the side of who asks it."""

    def __init__(self, python: str, environment: Mapping[str, str], files: Mapping[str, str]) -> None:
        """Start it, with the packages to import and their files."""
        self._asks, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                command(python, "template", theirs.fileno(), json.dumps({**files})),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is the parent's to handle
            )

    def fork(self, connection: Connection, stderr: int) -> Forked | None:
        """Return a worker that answers on a connection; None if it cannot be had."""
        told, theirs = Pipe(duplex=False)
        with theirs, contextlib.suppress(EOFError, OSError, ValueError):
            socket.send_fds(self._asks, [b"1"], [connection.fileno(), stderr, theirs.fileno()])
            theirs.close()
            if told.poll(PATIENCE_SECONDS):
                return Forked(int(told.recv_bytes()), told)
        told.close()
        return None

    def end(self) -> None:
        """End it; the workers end by themselves."""
        self._asks.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self._process.kill()
        self._process.wait()
