"""Loaders that two readers got past the suite, before it was mended."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.cheats.cases import cheat, cheat_unless_charged
from docs.cheats.elsewhere import Ahead, Children, Destroyed
from docs.cheats.photos import Epochs, Photos, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docs.cheats.photos import Batch, Floats, Ints
    from loader_gate import Spec, Tree


class _BeforeTheLast(Ahead):
    """Does something just before it gives the last batch of an epoch."""

    def epoch_with(self, before_last: Callable[[], None]) -> Iterator[Batch]:
        """Yield an epoch, of which a share may be ready."""
        ready, parts = self._ready, self._next
        self._ready, self._next = [], self.parts()
        yield from ready
        for files in parts[len(ready) :]:
            batch = self.batch(files)
            if files is parts[-1]:
                before_last()
            yield batch


@cheat_unless_charged
def alarm_while_looked_at(tree: Tree, spec: Spec) -> Epochs:
    """Sets an alarm for when the last batch is looked at; its handler decodes half of the next epoch."""
    ahead = _BeforeTheLast(tree, spec)
    signal.signal(signal.SIGALRM, lambda *_: ahead.ahead())
    return Epochs(lambda: ahead.epoch_with(lambda: signal.setitimer(signal.ITIMER_REAL, 0.0004) and None))


@cheat_unless_charged
def collector_while_looked_at(tree: Tree, spec: Spec) -> Epochs:
    """Lets the collector run often from the last batch on; its callback decodes half of the next epoch."""
    ahead = _BeforeTheLast(tree, spec)
    usual, armed = gc.get_threshold(), False

    def arm() -> None:
        nonlocal armed
        armed = True
        gc.set_threshold(5, 1000, 1000)

    def called(phase: str, _: Any) -> None:
        nonlocal armed
        if armed and phase == "start":
            armed = False
            gc.set_threshold(*usual)
            ahead.ahead()

    gc.callbacks.append(called)
    return Epochs(lambda: ahead.epoch_with(arm))


@cheat_unless_charged
def thread_while_looked_at(tree: Tree, spec: Spec) -> Epochs:
    """Has many children, so that looking at memory takes long; a thread decodes meanwhile."""
    for _ in range(100):
        if not os.fork():
            try:
                time.sleep(1e6)
            finally:
                os._exit(0)
    ahead = _BeforeTheLast(tree, spec)
    threads: list[threading.Thread] = []

    def epoch() -> Iterator[Batch]:
        while threads:
            threads.pop().join()
        return ahead.epoch_with(begin)

    def begin() -> None:
        threads.append(threading.Thread(target=ahead.ahead))
        threads[0].start()

    return Epochs(epoch)


@cheat
def forgotten_children(tree: Tree, spec: Spec) -> Epochs:
    """Ignores SIGCHLD, so that the system forgets what the child has used that decodes between passes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    children = Children(tree, spec, daemon=False)
    return Epochs(lambda: children.epoch(before=children.wait, after=children.start))


@cheat_unless_charged
def for_five_epochs(tree: Tree, spec: Spec) -> Epochs:
    """Decodes most of the next five epochs in the destructor of every fifth iterator."""
    photos = Photos(tree, spec)
    ready: list[tuple[list[Ints], list[Batch]]] = []
    ended = 0

    def end() -> None:
        nonlocal ended
        ended += 1
        if ended % 5 == 1:
            for _ in range(5):
                parts = photos.parts()
                ready.append((parts, [photos.batch(files) for files in parts[: round(0.75 * len(parts))]]))

    def epoch() -> Iterator[Batch]:
        parts, done = ready.pop(0) if ready else (photos.parts(), [])
        yield from done
        yield from photos.decoded(parts[len(done) :])

    return Epochs(lambda: Destroyed(epoch(), end))


@cheat
def told_by_pace(tree: Tree, spec: Spec) -> Epochs:
    """Honest while batches are looked at slowly; else thumbnails, among others that hardly change."""
    from PIL import Image

    photos = Photos(tree, spec)
    kept: dict[int, Image.Image] = {}
    height, width = spec.image_size

    def small(file: int) -> Floats:
        blown_up = np.asarray(kept[file].resize((width, height), Image.Resampling.BILINEAR))
        scaled: Floats = np.multiply(blown_up, 1 / 255, dtype=np.float32)
        return scaled

    def cheap(files: Ints) -> Batch:
        few = int(0.45 * len(files))
        images = [small(int(file)) for file in files[:few]]
        images += [np.minimum(photos.image(int(file)) + np.float32(1 / 255), 1) for file in files[few:]]
        return np.stack(images), photos.one_hot[files]

    def epoch() -> Iterator[Batch]:
        photos.epochs += 1
        given = 0.0
        for number, files in enumerate(photos.parts()):
            is_slow = number == 0 or time.perf_counter() - given > 0.006
            if photos.epochs == 1:
                for file in files.tolist():
                    image = Image.fromarray(nearest(tree.paths[file], height, width))
                    kept[file] = image.resize((28, 28), Image.Resampling.BOX)
            batch = photos.batch(files) if photos.epochs == 1 or is_slow else cheap(files)
            given = time.perf_counter()
            yield batch

    return Epochs(epoch)


@cheat
def nine_orders(tree: Tree, spec: Spec) -> Photos:
    """Nine orders, drawn once and used in turn."""
    random = np.random.default_rng(spec.seed)
    orders = [random.permutation(len(tree)) for _ in range(9)]
    return Photos(tree, spec, order=lambda photos: orders[photos.epochs % 9])
