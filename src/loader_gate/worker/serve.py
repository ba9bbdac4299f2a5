"""The process that one variant lives in: builds it, checks it, and times its passes on request.

``worker/process.py`` starts it with the file descriptor of a connection; requests and answers
are JSON objects. Whatever the variant prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import loader_gate
from loader_gate.registry.kind import kind_named
from loader_gate.same_work.check import check_epoch
from loader_gate.same_work.reference import Reference
from loader_gate.worker.code_of_base import require_inside, use_code_of
from loader_gate.worker.consumers.tally import Tally
from loader_gate.worker.epoch import new_consumer
from loader_gate.worker.loader import Loader, import_file, without_collecting
from loader_gate.worker.passes import run_pass, settle

if TYPE_CHECKING:
    from loader_gate import Spec, Tree
    from loader_gate.worker.epoch import Consumer


HEARTBEAT_SECONDS = 1.0


class Worker:
    """Answers requests, one at a time, until the connection closes."""

    def __init__(self, connection: Connection) -> None:
        """Serve on ``connection``."""
        self._connection = connection
        self._requests: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._next_heartbeat = 0.0
        self._loader: Loader
        self._consumer: Consumer
        self._tree: Tree
        self._spec: Spec

    def serve(self) -> None:
        """Answer until the parent closes the connection."""
        threading.Thread(target=self._receive, daemon=True).start()
        while (request := self._requests.get()) is not None:
            try:
                answer = getattr(self, f"do_{request.pop('do')}")(**request)
            except Exception as error:
                with contextlib.suppress(OSError):  # the disk may be full that holds stderr
                    traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            self._send(answer)

    def _receive(self) -> None:
        """Queue requests; end the whole process group when the parent has gone in the middle of one."""
        try:
            while True:
                self._requests.put(json.loads(self._connection.recv_bytes()))
        except (EOFError, OSError):
            self._requests.put(None)
        time.sleep(HEARTBEAT_SECONDS)  # the main thread leaves by itself unless it is busy
        if os.getpgid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    def _send(self, message: dict[str, Any]) -> None:
        self._connection.send_bytes(json.dumps(message).encode())

    def _alive(self) -> None:
        """Tell the parent now and then that batches still come."""
        now = time.perf_counter()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_SECONDS
            self._send({"alive": True})

    @without_collecting()
    def do_open(
        self,
        module: str,
        function: str,
        file: str | None,
        built_in: bool,
        package: str | None,
        inside: str | None,
        root: str,
        digest: str,
        spec: dict[str, Any],
        consumer: dict[str, Any],
    ) -> dict[str, Any]:
        """Import the variant and build it, and what uses its batches.

        A variant of another revision comes from ``package``, with all that it may import, and whatever comes
        from elsewhere than ``inside`` is refused.
        """
        if package is not None:
            use_code_of(Path(package))
        self._tree = loader_gate.Tree.read(Path(root), digest)
        self._spec = loader_gate.Spec(
            image_size=(spec["image_size"][0], spec["image_size"][1]),
            batch_size=spec["batch_size"],
            shuffle=spec["shuffle"],
            seed=spec["seed"],
            cache_dir=Path(spec["cache_dir"]),
        )
        holder: Any = importlib.import_module(module) if file is None else import_file(module, Path(file))
        if inside is not None:
            require_inside(holder, Path(inside))
        load = getattr(holder, function)
        self._loader = Loader(load, holder if built_in else load, self._tree, self._spec)
        is_limit = built_in and kind_named(self._loader.kind).is_limit
        self._consumer = new_consumer(self._tree, self._spec, **({"name": "tally"} if is_limit else consumer))
        settle()
        return {
            "kind": self._loader.kind,
            "build_seconds": self._loader.build_seconds,
            "import_seconds": self._loader.import_seconds,
        }

    def do_check(self, reference: str) -> dict[str, Any]:
        """Hold one epoch against the reference decode; a limit's only has to be a whole one."""
        if isinstance(self._consumer, Tally):
            self._consumer.epoch(self._loader.batches, self._alive, lambda: None)
            settle()
            return {"reason": None, "median_psnr": None}

        def batches() -> Iterator[Any]:
            for batch in self._loader.batches:
                self._alive()
                yield batch

        check = check_epoch(
            batches(), self._tree, self._spec, self._loader.declared, Reference.open(Path(reference))
        )
        settle()
        return {
            "reason": check.reason,
            "median_psnr": check.median_psnr,
            "not_told_apart": check.not_told_apart,
        }

    def do_pass(self, epochs: int) -> dict[str, Any]:
        """Time one pass."""
        return asdict(run_pass(self._consumer, self._loader.batches, epochs, self._alive))


def main() -> None:
    """Serve on the connection that the command line names."""
    connection = Connection(int(sys.argv[1]))
    with contextlib.suppress(OSError):  # if memory runs out, Linux ends a worker, not the session
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    Worker(connection).serve()
    sys.stdout.flush()
    sys.stderr.flush()


if __name__ == "__main__":
    main()
