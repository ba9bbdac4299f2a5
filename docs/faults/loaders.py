"""Loaders that get into trouble, each at a stage of its worker, beside one that never does.

A file of its own, which each session has in a repository of its own: it imports nothing of ours.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loader_gate import Spec, Tree

#: A process that is forked twice, has a session of its own, and heeds nothing that asks it to end.
DAEMON = (
    "import os, signal, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); "
    "[signal.signal(each, signal.SIG_IGN) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]; "
    "time.sleep(600)"
)
#: What a batch takes: a pass is a few epochs then, and hardly any work.
BATCH_SECONDS = 0.02


class Epochs:
    """Decodes with Pillow, once, and serves every epoch from memory.

    Attributes:
        epochs: How many have been begun.
    """

    def __init__(self, tree: Tree, spec: Spec, trouble: Callable[[int], None]) -> None:
        """Decode every image of ``tree``; ``trouble`` is told the number of each epoch, before each batch."""
        height, width = spec.image_size
        self._labels = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
        self._images = np.empty((len(tree), height, width, 3), np.float32)
        for index, path in enumerate(tree.paths):
            with Image.open(path) as image:
                resized = image.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
                self._images[index] = np.asarray(resized, np.float32) / 255
        self._order, self._batch_size = np.random.default_rng(spec.seed), spec.batch_size
        self._trouble = trouble
        self.epochs = 0

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """Yield one epoch."""
        self.epochs += 1
        order = self._order.permutation(len(self._images))
        for start in range(0, len(order), self._batch_size):
            self._trouble(self.epochs)
            time.sleep(BATCH_SECONDS)
            some = order[start : start + self._batch_size]
            yield self._images[some], self._labels[some]


def _send(number: int) -> None:
    os.kill(os.getpid(), number)


def _fail(error: BaseException) -> None:
    raise error


def _leave_a_daemon() -> None:
    subprocess.run([sys.executable, "-c", DAEMON], check=True)


def _die_beside_a_daemon() -> None:
    _leave_a_daemon()
    _send(signal.SIGKILL)


def _die_beside_a_nameless_daemon() -> None:
    """As above, of one that does not even have our environment variables."""
    subprocess.run([sys.executable, "-c", DAEMON], check=True, env={})
    _send(signal.SIGKILL)


def _take_all_memory() -> None:
    held = []
    while True:
        held.append(bytearray(os.urandom(2**20)) * 16)


#: By name, what may happen to a loader.
TROUBLES: dict[str, Callable[[], None]] = {
    "killed": partial(_send, signal.SIGKILL),
    "terminated": partial(_send, signal.SIGTERM),
    "hung_up": partial(_send, signal.SIGHUP),
    "real_time": partial(_send, signal.SIGRTMIN + 5 if sys.platform == "linux" else signal.SIGUSR1),
    "segfault": partial(_send, signal.SIGSEGV),
    "bus_error": partial(_send, signal.SIGBUS),
    "stopped": partial(_send, signal.SIGSTOP),
    "hangs": partial(time.sleep, 600),
    "exits": partial(os._exit, 3),
    "io_error": partial(_fail, OSError(errno.EIO, os.strerror(errno.EIO), "image.jpg")),
    "full_disk": partial(_fail, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "cache")),
    "read_only": partial(_fail, OSError(errno.EROFS, os.strerror(errno.EROFS), "cache")),
    "no_memory": partial(_fail, MemoryError()),
    "interrupted": partial(_fail, KeyboardInterrupt()),
    "leaves": partial(_fail, SystemExit(4)),
    "hoards": _take_all_memory,
    "daemon": _leave_a_daemon,
    "dies_beside_daemon": _die_beside_a_daemon,
    "dies_beside_nameless": _die_beside_a_nameless_daemon,
}
#: By name, the epoch in which it does; of "built" none: before there is any.
STAGES = {"built": 0, "checked": 1, "timed": 3}


def _troubled(trouble: Callable[[], None], at: int, tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that gets into trouble once, in an epoch or before there is any."""
    done: list[int] = []

    def happen(epoch: int) -> None:
        if epoch >= at and not done:
            done.append(epoch)
            trouble()

    happen(0)
    return Epochs(tree, spec, happen)


def photos(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that nothing happens to."""
    return Epochs(tree, spec, lambda _: None)


def dumped(tree: Tree, spec: Spec, trouble: str = "") -> Epochs:
    """Return a loader whose first epoch writes a dump; it may get into trouble half-way through that."""
    file = spec.cache_dir / "dump"
    is_written = file.exists()

    def write(epoch: int) -> None:
        if epoch > 1 or is_written:
            return
        with file.open("ab") as dump:
            dump.write(bytes(10_000))
        if trouble and file.stat().st_size >= 30_000:
            TROUBLES[trouble]()

    return Epochs(tree, spec, write)


def _add_all() -> None:
    """Give this module a loader for each trouble at each stage, such as ``killed_timed``."""
    for name, trouble in TROUBLES.items():
        for stage, at in STAGES.items():
            globals()[f"{name}_{stage}"] = partial(_troubled, trouble, at)


_add_all()
