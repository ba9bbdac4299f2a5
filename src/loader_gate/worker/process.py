"""The parent's side of a worker: starts it, asks it, notices when it dies or hangs, and ends it."""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil

from loader_gate.machine.gpu import only_the_first
from loader_gate.machine.processes import descendants
from loader_gate.machine.temporary import OwnedFolder, end_processes_in
from loader_gate.machine.topology import bound_to
from loader_gate.registry.variant import Variant
from loader_gate.text import printable
from loader_gate.worker import keras_settings
from loader_gate.worker.epoch import DRAIN
from loader_gate.worker.forked import Fork, Forked
from loader_gate.worker.origin import OWN_FOLDER, Origin, command, environment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from multiprocessing.connection import Connection

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree
    from loader_gate.worker.limits import WorkerLimits

STDERR_LINES = 5
GRACE_SECONDS = 5.0
WATCH_SECONDS = 0.1
#: No answer has so many bytes; any text, taken for the length of a message, says more.
_MOST_BYTES = 2**26
_TENSORFLOW_LOG = re.compile(
    r"[IWE]0000 00:00:|\d{4}-\d\d-\d\d \S+: [IWE] |WARNING: All log messages before absl::"
)
#: What the system does to a process that has more than there is.
_HINTS: dict[int, str] = {
    signal.SIGKILL: ", as the system does when memory runs out",
    signal.SIGBUS: ", as the system does when a mapped file finds no room on its disk",
}
#: How any library spells it, as it is the C library's text.
_NO_ROOM = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
_NO_ANSWER = (
    "sent what is no answer of it: something else writes to its connection, such as a loader to a file "
    "descriptor that it has not opened"
)
#: What Python says, in a thread that nobody waits for, where processes should hand each other memory.
_NAME_TOO_LONG = "AF_UNIX path too long"
_OF_NAMES = (
    "; sockets lie in temporary folders, and their names hold about 100 bytes: set TMPDIR to a shorter path "
    "than {}"
)


class WorkerError(Exception):
    """A worker failed; the message says how, with its last lines of stderr."""


class WorkerProcess:
    """One variant in a process, and a process group, of its own.

    Attributes:
        variant: What it runs.
        folder: A folder that goes when the process does, if any: a cache that was begun by a variant that
            failed would take the disk from the others.
        on_alive: Called now and then while a long answer is waited for, and batches come.
    """

    folder: Path | None = None
    on_alive: Callable[[], None] | None = None
    _process: Forked | subprocess.Popen[bytes]

    def __init__(
        self,
        variant: Variant,
        search_path: Iterable[str],
        limits: WorkerLimits,
        *,
        disk_folder: Path | None = None,
        origin: Origin | None = None,
        fork: Fork | None = None,
    ) -> None:
        """Start the process; it imports what it needs while others are started.

        Args:
            variant: What the process will run.
            search_path: Folders in which the worker looks for modules, first to last.
            limits: What it may take: above any, it is killed.
            disk_folder: The folder that it writes to, if that is limited.
            origin: Where a base worker takes its code from, in place of ``search_path``; None is here. The
                harness is from here on both sides: a change of it can never look like one of a loader.
            fork: Forks it, if there is something to fork it from; else an interpreter is started.
        """
        self._origin = origin or Origin((*variant.path, *search_path), sys.executable)
        self.variant, self._limits, self._disk_folder = variant, limits, disk_folder
        self._children: list[psutil.Process] = []
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the worker)
        # A worker that is killed cannot remove its temporary files, such as TensorFlow's generated code.
        self._temporary = OwnedFolder()
        self._connection, theirs = multiprocessing.Pipe()
        environment = environment_for(variant, self._origin, self._temporary.name, limits)
        with theirs, contextlib.ExitStack() as unless_started:
            unless_started.callback(_undo, self._stderr, self._temporary, self._connection)
            forked = fork and fork(self._origin, environment, theirs, self._stderr.fileno())
            with bound_to(variant.processors):  # never forked: none of these goes on in a fresh process
                self._process = forked or _interpreter(self._origin, environment, theirs, self._stderr)
            unless_started.pop_all()
        with contextlib.suppress(OSError):  # it has ended, as the first answer will show
            if forked:
                self._send(environment=environment, search_path=self._origin.search_path)

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        return self._process.pid

    def open(
        self, tree: Tree, spec: Spec, consumer: Mapping[str, Any] = DRAIN, seed: int = 0
    ) -> dict[str, Any]:
        """Import and build the variant; return its ``kind`` and ``build_seconds``.

        Args:
            tree: The images.
            spec: The epoch to deliver.
            consumer: What uses the batches: its ``name`` and settings, see ``worker/epoch.py``.
            seed: Draws which pixels of timed batches are looked at.

        Raises:
            WorkerError: It could not be.
        """
        return self.ask(
            "open",
            module=self.variant.module,
            function=self.variant.function,
            file=self._origin.file or self.variant.file or None,
            built_in=self.variant.is_built_in,
            package=self._origin.package,
            inside=self._origin.inside,
            root=str(tree.root),
            digest=tree.digest,
            spec={**asdict(spec), "cache_dir": str(spec.cache_dir)},
            consumer=dict(consumer),
            seed=seed,
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send one request, and return the answer.

        Raises:
            WorkerError: The worker raised, died, hung or garbled, or an epoch was not what was asked for.
        """
        try:
            self._send(do=do, **arguments)
            while True:
                self._wait()
                answer = _answer(self._connection)
                if answer is None:
                    raise WorkerError(self._explain(_NO_ANSWER))
                if "alive" not in answer:
                    self._note_children()
                    break
                if self.on_alive is not None:
                    self.on_alive()
        except (EOFError, OSError):
            raise WorkerError(self._explain(self._death())) from None
        if any(text in answer.get("error", "") for text in _NO_ROOM):
            raise WorkerError(
                "its worker filled the disk: there is no room for what it writes; free some, set TMPDIR or "
                f"--keep-dumps to a larger disk, or use a smaller tree ({answer['error']})"
            )
        if "error" in answer:
            raise WorkerError(self._explain(f"raised {answer['error']}"))
        if "difference" in answer:
            raise WorkerError(f"it does other work than asked: {answer['difference']}")
        if "not_cold" in answer:
            raise WorkerError(answer["not_cold"])
        return answer

    def _send(self, **message: Any) -> None:
        self._connection.send_bytes(json.dumps(message).encode())

    def _wait(self) -> None:
        """Wait until the worker says something, and watch over it meanwhile."""
        limits = self._limits
        watched = limits.memory_limit is not None or None not in (limits.disk_limit, self._disk_folder)
        hung_at = time.monotonic() + limits.hang_seconds
        while not self._connection.poll(WATCH_SECONDS if watched else min(1.0, limits.hang_seconds)):
            if self._process.poll() is not None and not self._connection.poll():
                raise EOFError  # a child of it may still hold the connection
            if time.monotonic() >= hung_at:
                raise WorkerError(
                    self._explain(f"hung: no batch for {limits.hang_seconds:.0f} s (see --hang-after)")
                )
            self._hold_to_limits()
        self._hold_to_limits()

    def _hold_to_limits(self) -> None:
        """Kill the worker if it has more than it may, as a smaller machine would."""
        problem = self._limits.exceeded(self._process.pid, self._disk_folder)
        if problem:
            self._note_children()
            self._process.kill()
            raise WorkerError(self._explain(problem))

    def _note_children(self) -> None:
        """Remember what the worker has started: a child may leave the group, and outlive the worker."""
        found = []
        for pid in descendants(self._process.pid):
            with contextlib.suppress(psutil.Error):
                found.append(psutil.Process(pid))
        self._children = found or self._children

    def _death(self) -> str:
        """Say how the process ended."""
        try:
            code = self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        if code >= 0:
            return f"exited with status {code}"
        return f"was killed by {_signal_name(-code)}{_HINTS.get(-code, '')}"

    def _explain(self, what: str) -> str:
        """Put the worker's last lines of stderr behind what happened."""
        self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - 16_384))
        lines = self._stderr.read().decode(errors="replace").splitlines()
        words = [line.strip() for line in lines if line.strip() and not _TENSORFLOW_LOG.match(line)]
        said = f"; its last words: {' | '.join(words[-STDERR_LINES:])}" if words else ""
        advice = _OF_NAMES.format(tempfile.gettempdir()) if _NAME_TOO_LONG in said else ""
        return printable(f"its worker {what}{said}{advice}")

    def close(self) -> None:
        """Ask the process to leave by closing the connection; does not wait."""
        if not self._connection.closed:
            # Closing alone would not reach the worker while another thread waits for its answer.
            with contextlib.suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as end:
                end.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def end(self) -> None:
        """Make sure that nothing of the process group is left."""
        if self._stderr.closed:  # it has ended before
            return
        self._note_children()
        self.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for child in self._children:
            with contextlib.suppress(psutil.Error):
                child.kill()  # unless its number is another's by now
        self._process.wait()
        end_processes_in(Path(self._temporary.name), self._stderr)
        self._stderr.close()
        self._temporary.cleanup()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _answer(connection: Connection) -> dict[str, Any] | None:
    """Return what a worker has answered; None if it is no answer.

    Raises:
        EOFError: There is nothing left to read.
        OSError: It cannot be read.
    """
    try:
        answer = json.loads(connection.recv_bytes(_MOST_BYTES))
    except (ValueError, RecursionError):
        return None
    except OSError as error:
        if error.errno is None and not connection.closed:  # the length of the message is none
            return None
        raise
    is_answer = isinstance(answer, dict) and isinstance(answer.get("error", ""), str)
    return answer if is_answer else None


def _undo(stderr: IO[bytes], temporary: OwnedFolder, connection: Connection) -> None:
    """Take back what was made for a process that could not be started."""
    stderr.close()
    temporary.cleanup()
    connection.close()


def _interpreter(
    origin: Origin, environment: Mapping[str, str], connection: Connection, stderr: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a process that answers on a connection."""
    return subprocess.Popen(
        command(origin.python, "serve", connection.fileno()),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=[connection.fileno()],
        start_new_session=True,  # Ctrl-C is the parent's to handle
    )


def _signal_name(number: int) -> str:
    """Return the name of a signal; most real-time ones have none of their own."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if sys.platform == "linux" else f"signal {number}"


def environment_for(variant: Variant, origin: Origin, temporary: str, limits: WorkerLimits) -> dict[str, str]:
    """Return the environment variables of a worker, whose temporary files go to a folder."""
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # Its threads would spin for 30 ms after a product of matrices, when it is others' turn.
        "OPENBLAS_THREAD_TIMEOUT": "20",
        **environment_of(origin.python, origin.search_path),
        "TMPDIR": temporary,
    }
    if variant.is_built_in or limits.trains:
        environment = keras_settings.by_default(environment, limits.backend)
    if limits.see_gpu:  # several workers share one: none may take all of its memory
        return {
            **only_the_first(environment),
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }
    return {
        **environment,
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
        "KERAS_TORCH_DEVICE": "cpu",
    }


def module_search_path(started_in: Path) -> list[str]:
    """Return the folders in which workers look for modules: the user's first, then that of this package.

    An installed package lies beside others, any of which may be called `benchmarks` as the user's own is.
    """
    return list(dict.fromkeys([str(started_in), *(entry for entry in sys.path if entry), OWN_FOLDER]))
