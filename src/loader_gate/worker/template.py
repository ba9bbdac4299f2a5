"""The process that workers are forked from: it has imported what they need, and nothing that is measured.

``worker/forked.py`` starts it with the file descriptor of a socket. For each byte that comes it forks a
worker, which gets the descriptors that come with it: its connection, and its standard error. The third one is
told the worker's number and, when it has ended, how. The template itself never builds or runs anything.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import warnings
from multiprocessing.connection import Connection

import numpy as np

from loader_gate.machine.processes import adopt_orphans, children
from loader_gate.worker.layout import fill_heap
from loader_gate.worker.loader import without_collecting
from loader_gate.worker.serve import serve

#: A connection, standard error, and who wants to know how the worker ended.
DESCRIPTORS = 3


class Template:
    """Forks workers, one after another, and waits for those that have ended."""

    def __init__(self, asked: socket.socket) -> None:
        """Fork whenever ``asked``."""
        self._asked = asked
        self._told: dict[int, Connection] = {}
        self._own: set[int] = set()
        self._ended, self._wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fork(self) -> Connection | None:
        """Fork until nobody can ask any more, and return None; in each worker, return its connection."""
        # Where a worker has died, what it has started becomes ours, and is no use to anybody.
        adopt_orphans()
        self._own = {*children(os.getpid())}
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes)
        with selectors.DefaultSelector() as selector:
            selector.register(self._asked, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj != self._asked:
                        self._wait()
                        continue
                    byte, descriptors, _, _ = socket.recv_fds(self._asked, 1, DESCRIPTORS)
                    if not byte:
                        return None
                    if not self._fork(*descriptors):
                        self._become(descriptors[1])
                        return Connection(descriptors[0])

    def _fork(self, connection: int, stderr: int, told: int) -> int:
        """Fork; return the number of the worker, or 0 if this is it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy has threads, which it ends and starts anew around a fork
            worker = os.fork()
        if worker:
            os.close(connection)
            os.close(stderr)
            self._told[worker] = Connection(told, readable=False)
            self._tell(worker, worker)
        else:
            os.close(told)
        return worker

    def _become(self, stderr: int) -> None:
        """Let go of what is the template's, in a worker."""
        os.setsid()  # Ctrl-C is the parent's to handle
        os.dup2(stderr, sys.stderr.fileno())
        os.close(stderr)
        signal.set_wakeup_fd(-1)
        os.close(self._wakes)
        os.close(self._ended)
        self._asked.close()
        for other in self._told.values():
            other.close()

    def _wait(self) -> None:
        """Wait for the workers that have ended, and tell how they did."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._ended, 4096)
        for worker in [*self._told]:
            ended, status = os.waitpid(worker, os.WNOHANG)
            if ended:
                self._tell(worker, os.waitstatus_to_exitcode(status))
                self._told.pop(worker).close()
        for orphan in {*children(os.getpid())} - self._own - self._told.keys():
            with contextlib.suppress(ProcessLookupError, PermissionError, ChildProcessError):
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, os.WNOHANG)  # if it goes later, there will be another signal

    def _tell(self, worker: int, number: int) -> None:
        with contextlib.suppress(OSError):  # nobody wants to know any more
            self._told[worker].send_bytes(str(number).encode())


def _import(files: dict[str, str]) -> None:
    """Import modules; leave if one comes from another file than it should, or cannot be imported."""
    with without_collecting():
        for name, file in files.items():
            if importlib.import_module(name).__file__ != file:
                sys.exit(f"{name} does not come from {file}")
    gc.collect()
    gc.freeze()  # or each worker would copy what the collector of garbage looks at


def _settle_in(environment: dict[str, str], search_path: list[str]) -> None:
    """Let a worker be what it would be had it been started by itself."""
    os.environ.update(environment)  # what packages have set when they were imported stays
    sys.path[:] = [*search_path, *sys.path]
    tempfile.tempdir = None  # as the environment says
    np.random.seed()  # whoever draws from it would draw what others do


def main() -> None:
    """Serve on the socket that the command line names, with the modules and files that it lists, as JSON."""
    template = Template(socket.socket(fileno=int(sys.argv[1])))
    _import(json.loads(sys.argv[3]))
    filled = fill_heap()
    connection = template.fork()
    if connection is not None:
        _settle_in(**json.loads(connection.recv_bytes()))
        serve(connection)
        atexit._run_exitfuncs()
        os._exit(0)  # to take TensorFlow apart would take a third of a second
    del filled


if __name__ == "__main__":
    main()
