"""Runs one function over many items in worker processes, and survives their death.

The workers are plain interpreters that speak JSON lines over pipes. Against ``multiprocessing`` that has
three merits here: they never import the parent's ``__main__`` (which may be pytest or a script without a
guard), they end by themselves when the parent is killed (their input ends), and one that is killed by what it
decodes costs that item only.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from loader_gate.machine.cores import cores

#: What is said where no process can be started, which is no item's fault: what cannot be done, and why.
UNSTARTED = (
    "{}, as no process can be started for it ({}): raise the limits of open files and processes "
    "(`ulimit -n`, `ulimit -u`), or set TMPDIR to a folder with room."
)
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from loader_gate.trees.pool import serve; serve(sys.argv[2])"
)


@dataclass(frozen=True)
class Failure:
    """An item for which the function raised, or whose worker died.

    Attributes:
        reason: One line: the exception, or the signal or exit code of the worker.
        died: Whether the worker process died.
        unstarted: Whether none could be started, which says nothing of the item.
    """

    reason: str
    died: bool
    unstarted: bool = False


@contextmanager
def results(
    function: str, items: Sequence[Any], workers: int | None = None
) -> Iterator[Iterator[tuple[int, Any]]]:
    """Give the results of ``function`` over ``items``, computed in parallel, as they come.

    Leaving the block, for whatever reason, ends the workers.

    Args:
        function: ``module:name`` of a function of one argument; item and result must be plain JSON data.
        items: The arguments.
        workers: How many processes; as many as there are processors if None, never more than items.

    Yields:
        An iterator over pairs of an item's place in ``items`` and its result, or a Failure.
    """
    count = max(1, min(workers or cores(), len(items), 32))
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for place in range(len(items)):
        todo.put(place)
    done: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
    stop = threading.Event()
    feeders = [_Feeder(function, items, todo, done, stop) for _ in range(count if items else 0)]
    try:
        for feeder in feeders:
            feeder.start()
        yield (done.get() for _ in range(len(items)))
    finally:
        stop.set()
        for feeder in feeders:
            feeder.kill()
        for feeder in feeders:
            if feeder.ident is not None:
                feeder.join()


class _Feeder(threading.Thread):
    """Feeds one worker process with items, and starts another when it has died."""

    def __init__(
        self,
        function: str,
        items: Sequence[Any],
        todo: queue.SimpleQueue[int],
        done: queue.SimpleQueue[tuple[int, Any]],
        stop: threading.Event,
    ) -> None:
        super().__init__(name="trees-pool", daemon=True)
        self._function, self._items, self._todo, self._done = function, items, todo, done
        self._stop_event = stop
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        try:
            while not self._stop_event.is_set():
                try:
                    place = self._todo.get_nowait()
                except queue.Empty:
                    return
                try:
                    answer = self._ask(self._items[place])
                except Exception as error:
                    # Whatever happens here has to reach the reader, who would wait for ever otherwise.
                    unstarted = self._process is None and isinstance(error, OSError)
                    answer = Failure(f"{type(error).__name__}: {error}", died=True, unstarted=unstarted)
                self._done.put((place, answer))
        finally:
            self._close()
            if self._errors is not None:
                self._errors.close()

    def kill(self) -> None:
        """End the worker now; safe from another thread."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def _ask(self, item: Any) -> Any:
        with self._lock:
            if self._stop_event.is_set():
                return Failure("stopped", died=True)
            errors = self._errors = self._errors or tempfile.TemporaryFile()  # noqa: SIM115 (run closes it)
            if self._process is None:
                self._process = _start(self._function, errors)
            process = self._process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a worker process without pipes")
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(item).encode() + b"\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if line.endswith(b"\n"):
            answer = json.loads(line)
            return answer["result"] if "result" in answer else Failure(answer["error"], died=False)
        return Failure(_death(self._close(), errors), died=True)

    def _close(self) -> int:
        """End the worker by ending its input, and return its exit code (negative: the signal)."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return 0
        with suppress(BrokenPipeError):
            process.communicate()
        return process.returncode


def _start(function: str, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    home = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", _START, home, function],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )


def _death(code: int, errors: IO[bytes]) -> str:
    errors.seek(0)
    said = errors.read().decode(errors="replace").strip().splitlines()
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"its worker process {how}" + (f" ({said[-1]})" if said else "")


def serve(function: str) -> None:
    """Be a worker: answer each line of standard input with one line, until the input ends."""
    # Control-C reaches every process of the terminal; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    module, _, name = function.partition(":")
    # What the function or a library prints must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    call = getattr(importlib.import_module(module), name)
    for answer in _answers(call, sys.stdin.buffer):
        with suppress(BrokenPipeError):
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()


def _answers(call: Any, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            yield {"result": call(json.loads(line))}
        except Exception as error:  # noqa: PERF203 - one bad item must not end the others
            yield {"error": f"{type(error).__name__}: {error}"}
