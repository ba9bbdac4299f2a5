"""Processes whose work no figure has: the system forgets what they used, or they have ended (Linux)."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.cheats.cases import cheat, honest
from docs.cheats.elsewhere import Children, windowed
from docs.cheats.photos import Epochs, Photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docs.cheats.photos import Batch, Ints
    from loader_gate import Spec, Tree

_SA_NOCLDWAIT, _PR_SET_CHILD_SUBREAPER = 2, 36


class _SignalAction(ctypes.Structure):
    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ulong * 16),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


def _ignore() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def _want_no_zombies() -> None:
    """Do the same as `_ignore` without ignoring a signal."""
    action = _SignalAction(flags=_SA_NOCLDWAIT)
    ctypes.CDLL(None).sigaction(signal.SIGCHLD, ctypes.byref(action), None)


def _between_passes(children: Children) -> Epochs:
    return Epochs(lambda: children.epoch(before=children.wait, after=children.start))


@cheat
def no_zombies(tree: Tree, spec: Spec) -> Epochs:
    """Lets the system forget what the child has used that decodes between passes, by SA_NOCLDWAIT."""
    _want_no_zombies()
    return _between_passes(Children(tree, spec, daemon=False))


@cheat
def not_adopted(tree: Tree, spec: Spec) -> Epochs:
    """Leaves the process that decodes between passes to init, as that of a daemon: the worker adopts none."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    return _between_passes(Children(tree, spec, daemon=True))


class _Server(Children):
    """A child that is there from the start, and forks one that decodes whenever an epoch ends."""

    def __init__(self, tree: Tree, spec: Spec, forget: Callable[[], None]) -> None:
        super().__init__(tree, spec, daemon=False)
        orders, self._orders = os.pipe()
        if os.fork():
            return
        try:
            os.close(self._orders)
            forget()
            while order := os.read(orders, 8 * len(tree)):
                self._files = [np.frombuffer(order, np.int64)]
                if not os.fork():
                    self.decode()
                    break
        finally:
            os._exit(0)

    def start(self) -> None:
        self._files, self._done[0] = self._next[: len(self._next) // 2], 0
        os.write(self._orders, np.concatenate(self._files).tobytes())


@cheat
def forgetful_server(tree: Tree, spec: Spec) -> Epochs:
    """A server that ignores SIGCHLD, whose children decode half of the next epoch between passes."""
    return _between_passes(_Server(tree, spec, _ignore))


@cheat
def server_without_zombies(tree: Tree, spec: Spec) -> Epochs:
    """The same by SA_NOCLDWAIT."""
    return _between_passes(_Server(tree, spec, _want_no_zombies))


@cheat
def negative_cpu(tree: Tree, spec: Spec) -> Epochs:
    """Ends a child in a pass that has worked before all of them: what it had used is taken off that pass."""
    _want_no_zombies()
    photos, child = Photos(tree, spec), os.fork()
    if not child:
        try:
            while time.process_time() < 1:
                pass
            time.sleep(1e6)
        finally:
            os._exit(0)
    time.sleep(2)

    def epoch() -> Iterator[Batch]:
        if photos.epochs == 4:
            os.kill(child, signal.SIGKILL)
        yield from photos

    return Epochs(epoch)


_OWN: list[Any] = []


def _pool(tree: Tree, spec: Spec) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(4, multiprocessing.get_context("fork"), _begin, (tree, spec))


def _begin(tree: Tree, spec: Spec) -> None:
    _OWN[:] = [Photos(tree, spec), np.ones(100_000_000, np.uint8)]


def _batch(files: Ints) -> Batch:
    batch: Batch = _OWN[0].batch(files)
    return batch


@honest
def four_that_stay(tree: Tree, spec: Spec) -> Epochs:
    """Four processes, each of which holds 100 MB of its own."""
    photos, pool = Photos(tree, spec), _pool(tree, spec)
    return Epochs(lambda: windowed(photos, lambda files: pool.submit(_batch, files)))


@honest
def four_for_an_epoch(tree: Tree, spec: Spec) -> Epochs:
    """The same started for each epoch: they have ended when memory is looked at, and belong to the peak."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        with _pool(tree, spec) as pool:
            yield from windowed(photos, lambda files: pool.submit(_batch, files))

    return Epochs(epoch)
