"""Loaders that work where no clock runs: at the end, in a destructor, between passes, in other processes.

Half of the next epoch is decoded ahead: the pass stays long enough to be one epoch, and takes half as long.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import multiprocessing
import os
import queue
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.cheats.cases import cheat_unless_charged, honest, needing
from docs.cheats.photos import Epochs, Photos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docs.cheats.photos import Batch, Ints
    from loader_gate import Spec, Tree


def _nothing() -> None:
    pass


class Ahead(Photos):
    """Decodes a share of the next epoch ahead, when it is told to."""

    def __init__(self, tree: Tree, spec: Spec, share: float = 0.5) -> None:
        super().__init__(tree, spec)
        self._share, self._next = share, self.parts()
        self._ready: list[Batch] = []

    def ahead(self) -> None:
        """Decode a share of the next epoch."""
        many = round(self._share * len(self._next))
        self._ready = [self.batch(files) for files in self._next[:many]]

    def epoch(self, before: Callable[[], None] = _nothing, after: Callable[[], None] = _nothing) -> Any:
        """Yield an epoch, of which a share may be ready; call what is given before and after it."""
        before()
        ready, parts = self._ready, self._next
        self._ready, self._next = [], self.parts()
        yield from ready
        yield from self.decoded(parts[len(ready) :])
        after()


@cheat_unless_charged
def after_the_last_batch(tree: Tree, spec: Spec) -> Epochs:
    """A generator that decodes half of the next epoch when it is asked for a batch after the last one."""
    ahead = Ahead(tree, spec)
    return Epochs(lambda: ahead.epoch(after=ahead.ahead))


@cheat_unless_charged
def in_its_finally(tree: Tree, spec: Spec) -> Epochs:
    """The same in the ``finally`` of a generator, which may run when the generator is closed."""
    ahead = Ahead(tree, spec)

    def epoch() -> Iterator[Batch]:
        try:
            yield from ahead.epoch()
        finally:
            ahead.ahead()

    return Epochs(epoch)


@cheat_unless_charged
def behind_the_last(tree: Tree, spec: Spec) -> Epochs:
    """Decodes all of the next epoch after the last batch: no batch is waited for, only the end."""
    ahead = Ahead(tree, spec, share=1)
    return Epochs(lambda: ahead.epoch(after=ahead.ahead))


class Destroyed:
    """An iterator that does something when it is destroyed."""

    def __init__(self, batches: Iterator[Batch], at_end: Callable[[], None]) -> None:
        self._batches, self._at_end = batches, at_end

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        return next(self._batches)

    def __del__(self) -> None:
        self._at_end()


@cheat_unless_charged
def in_its_destructor(tree: Tree, spec: Spec) -> Epochs:
    """An iterator that decodes half of the next epoch in ``__del__``."""
    ahead = Ahead(tree, spec)
    return Epochs(lambda: Destroyed(ahead.epoch(), ahead.ahead))


@cheat_unless_charged
def in_a_cycle(tree: Tree, spec: Spec) -> Epochs:
    """Leaves a reference cycle whose destructor does it, when the collector next runs: before a pass."""
    ahead = Ahead(tree, spec)

    def leave() -> None:
        cycle: Any = Destroyed(iter(()), ahead.ahead)
        cycle.itself = cycle

    return Epochs(lambda: ahead.epoch(after=leave))


class _Dropped(tuple[Any, Any]):
    """A pair that does something when it is destroyed."""

    at_end: Callable[[], None]

    def __del__(self) -> None:
        self.at_end()


@cheat_unless_charged
def when_a_batch_is_dropped(tree: Tree, spec: Spec) -> Epochs:
    """Decodes the next batch in the destructor of an earlier one, while whoever had that looks at it."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        ready: list[_Dropped] = []
        parts = photos.parts()

        def decode() -> None:
            if parts:
                ready.append(_Dropped(photos.batch(parts.pop(0))))
                ready[-1].at_end = decode

        for _ in range(2):  # one is held while the next is asked for
            decode()
        while ready:
            yield ready.pop(0)
            if not ready:
                decode()

    return Epochs(epoch)


@cheat_unless_charged
def before_the_first_batch(tree: Tree, spec: Spec) -> Epochs:
    """Decodes everything in ``__iter__``: what only times batches sees nothing of it."""
    photos = Photos(tree, spec)
    return Epochs(lambda: iter([*photos]))


@cheat_unless_charged
def when_garbage_is_collected(tree: Tree, spec: Spec) -> Epochs:
    """Does it in a callback of the collector, which the harness runs before a pass."""
    ahead, is_due = Ahead(tree, spec), threading.Event()

    def collected(phase: str, _: object) -> None:
        if phase == "stop" and is_due.is_set():
            is_due.clear()
            ahead.ahead()

    gc.callbacks.append(collected)
    return Epochs(lambda: ahead.epoch(before=is_due.clear, after=is_due.set))


@cheat_unless_charged
def on_a_timer(tree: Tree, spec: Spec) -> Epochs:
    """Sets an alarm when an epoch ends, whose handler does it in the main thread while that waits."""
    ahead = Ahead(tree, spec)
    signal.signal(signal.SIGALRM, lambda *_: ahead.ahead())
    return Epochs(lambda: ahead.epoch(before=lambda: _alarm(0), after=lambda: _alarm(0.03)))


def _alarm(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _by_thread(ahead: Ahead) -> Epochs:
    threads: list[threading.Thread] = []

    def wait() -> None:
        while threads:
            threads.pop().join()

    def start() -> None:
        threads.append(threading.Thread(target=ahead.ahead, daemon=True))
        threads[-1].start()

    return Epochs(lambda: ahead.epoch(before=wait, after=start))


@cheat_unless_charged
def thread_between_passes(tree: Tree, spec: Spec) -> Epochs:
    """Starts a thread when an epoch ends, which decodes half of the next one between the passes."""
    return _by_thread(Ahead(tree, spec))


@cheat_unless_charged
def a_little_between_passes(tree: Tree, spec: Spec) -> Epochs:
    """The same with one batch of the next epoch."""
    return _by_thread(Ahead(tree, spec, share=1 / 4))


@cheat_unless_charged
def queue_across_epochs(tree: Tree, spec: Spec) -> Epochs:
    """A thread that fills a queue of half an epoch, and does not know where an epoch ends."""
    photos = Photos(tree, spec)
    many = len(photos.parts())
    batches: queue.Queue[Batch] = queue.Queue(max(1, many // 2))

    def fill() -> None:
        while True:
            for files in photos.parts():
                batches.put(photos.batch(files))

    threading.Thread(target=fill, daemon=True).start()

    def epoch() -> Iterator[Batch]:
        for _ in range(many):
            yield batches.get()

    return Epochs(epoch)


class Children(Ahead):
    """Lets a child process decode ahead, into memory that is shared with it."""

    def __init__(self, tree: Tree, spec: Spec, daemon: bool) -> None:
        super().__init__(tree, spec)
        self._daemon = daemon
        shape = (len(tree), *spec.image_size, 3)
        self._shared = np.frombuffer(mmap.mmap(-1, 4 * int(np.prod(shape))), np.float32).reshape(shape)
        self._done = mmap.mmap(-1, 1)
        self._files: list[Ints] = []

    def start(self) -> None:
        """Begin to decode half of the next epoch in a child."""
        self._files, self._done[0] = self._next[: len(self._next) // 2], 0
        child = os.fork()
        if child:
            if self._daemon:
                os.waitpid(child, 0)
            return
        try:
            if self._daemon:
                os.setsid()
                if os.fork():
                    return
            self.decode()
        finally:
            os._exit(0)

    def decode(self) -> None:
        """Decode what has been begun, in a child."""
        for place, file in enumerate(np.concatenate(self._files).tolist()):
            self._shared[place] = self.image(file)
        self._done[0] = 1

    def wait(self) -> None:
        """Take over what the child has decoded."""
        if not self._files:
            return
        while not self._done[0]:
            time.sleep(0.002)
        start, self._ready = 0, []
        for files in self._files:
            self._ready.append((self._shared[start : start + len(files)].copy(), self.one_hot[files]))
            start += len(files)
        self._files = []
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


@cheat_unless_charged
def child_between_passes(tree: Tree, spec: Spec) -> Epochs:
    """Forks a child when an epoch ends, which decodes half of the next one between the passes."""
    children = Children(tree, spec, daemon=False)
    return Epochs(lambda: children.epoch(before=children.wait, after=children.start))


@cheat_unless_charged
def daemon_between_passes(tree: Tree, spec: Spec) -> Epochs:
    """The same by a process that is no descendant of the worker: forked twice, in a session of its own."""
    children = Children(tree, spec, daemon=True)
    return Epochs(lambda: children.epoch(before=children.wait, after=children.start))


def _serve(tree: Tree, spec: Spec, batches: Any) -> None:
    photos = Photos(tree, spec)
    while True:
        for files in photos.parts():
            batches.put(photos.batch(files))


@cheat_unless_charged
def server_from_the_start(tree: Tree, spec: Spec) -> Epochs:
    """A process that is started when the loader is built, and keeps half an epoch of batches ready."""
    many = -(-len(tree) // spec.batch_size)
    context = multiprocessing.get_context("fork")
    batches = context.Queue(max(1, many // 2))
    context.Process(target=_serve, args=(tree, spec, batches), daemon=True).start()

    def epoch() -> Iterator[Batch]:
        for _ in range(many):
            yield batches.get()

    return Epochs(epoch)


@cheat_unless_charged
def ready_when_built(tree: Tree, spec: Spec) -> Iterator[Batch]:
    """An iterator whose images have all been decoded before it is returned: no iteration takes any time."""
    return iter(list(Photos(tree, spec)))


@cheat_unless_charged
def higher_priority(tree: Tree, spec: Spec) -> Photos:
    """Raises its own priority, where it may."""
    with contextlib.suppress(OSError):
        os.nice(-10)
    return Photos(tree, spec)


@honest
def cheap_finally(tree: Tree, spec: Spec) -> Epochs:
    """A generator that closes a file in its ``finally``, as a reader of archives does."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        archive = open(tree.paths[0], "rb")  # noqa: PTH123, SIM115 (that is what it shows)
        try:
            yield from photos
        finally:
            archive.close()

    return Epochs(epoch)


@honest
def generator_function(tree: Tree, spec: Spec) -> Iterator[Batch]:
    """A generator, which is spent after an epoch and called anew for the next one."""
    # Called anew, it would draw the same order again, so the order is drawn from elsewhere.
    photos = Photos(tree, spec)
    photos.random = np.random.default_rng()
    yield from photos


@honest
def thread_that_stops(tree: Tree, spec: Spec) -> Epochs:
    """A thread that reads two batches ahead and ends with its epoch."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        parts = photos.parts()
        batches: queue.Queue[Batch] = queue.Queue(2)

        def fill() -> None:
            for files in parts:
                batches.put(photos.batch(files))

        thread = threading.Thread(target=fill)
        thread.start()
        for _ in parts:
            yield batches.get()
        thread.join()

    return Epochs(epoch)


def windowed(photos: Photos, submit: Callable[[Ints], Future[Batch]]) -> Iterator[Batch]:
    """Yield an epoch whose batches are asked for four ahead."""
    pending: list[Future[Batch]] = []
    for files in photos.parts():
        pending.append(submit(files))
        if len(pending) > 4:
            yield pending.pop(0).result()
    for decoding in pending:
        yield decoding.result()


@honest
def pool_of_threads(tree: Tree, spec: Spec) -> Epochs:
    """Two threads that stay from epoch to epoch, and sleep in between."""
    photos, pool = Photos(tree, spec), ThreadPoolExecutor(2)
    return Epochs(lambda: windowed(photos, lambda files: pool.submit(photos.batch, files)))


_PHOTOS: list[Photos] = []


def _batch_in_child(files: Ints) -> Batch:
    return _PHOTOS[0].batch(files)


@honest
def pool_of_processes(tree: Tree, spec: Spec) -> Epochs:
    """Two processes that stay from epoch to epoch, and sleep in between."""
    photos, pool = Photos(tree, spec), _pool(tree, spec)
    return Epochs(lambda: windowed(photos, lambda files: pool.submit(_batch_in_child, files)))


@honest
def processes_for_an_epoch(tree: Tree, spec: Spec) -> Epochs:
    """Two processes that are started when an epoch begins, and ended when it ends."""
    photos = Photos(tree, spec)

    def epoch() -> Iterator[Batch]:
        with _pool(tree, spec) as pool:
            yield from windowed(photos, lambda files: pool.submit(_batch_in_child, files))

    return Epochs(epoch)


def _pool(tree: Tree, spec: Spec) -> ProcessPoolExecutor:
    _PHOTOS[:] = [Photos(tree, spec)]
    return ProcessPoolExecutor(2, multiprocessing.get_context("fork"))


def _tfdata(tree: Tree, spec: Spec) -> Any:
    import tensorflow as tf

    def decode(path: Any, label: Any) -> tuple[Any, Any]:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.image.resize(image, spec.image_size) / 255, tf.one_hot(label, len(tree.class_names))

    files = tf.data.Dataset.from_tensor_slices((list(tree.paths), list(tree.labels)))
    if spec.shuffle:
        files = files.shuffle(len(tree), seed=spec.seed)
    return files.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(spec.batch_size)


@needing("tensorflow")
def tfdata_autotuned(tree: Tree, spec: Spec) -> Any:
    """A tf.data pipeline with AUTOTUNE, whose iterator takes long to be destroyed."""
    import tensorflow as tf

    return _tfdata(tree, spec).prefetch(tf.data.AUTOTUNE)


@needing("tensorflow")
def tfdata_as_numpy(tree: Tree, spec: Spec) -> Any:
    """The same as NumPy's arrays, which are views of tensors."""
    import tensorflow as tf

    dataset = _tfdata(tree, spec).prefetch(tf.data.AUTOTUNE)
    return Epochs(lambda: dataset.as_numpy_iterator())


class _Rows:
    """A torch dataset of single images."""

    def __init__(self, photos: Photos) -> None:
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos.tree)

    def __getitem__(self, file: int) -> Batch:
        return self._photos.image(file), self._photos.one_hot[file]


def _torch(tree: Tree, spec: Spec, persistent: bool) -> Any:
    from torch.utils.data import DataLoader

    rows: Any = _Rows(Photos(tree, spec))
    return DataLoader(
        rows, spec.batch_size, shuffle=spec.shuffle, num_workers=2, persistent_workers=persistent
    )


@needing("torch")
def torch_workers(tree: Tree, spec: Spec) -> Any:
    """A torch DataLoader with two workers for each epoch."""
    return _torch(tree, spec, persistent=False)


@needing("torch")
def torch_persistent_workers(tree: Tree, spec: Spec) -> Any:
    """A torch DataLoader with two workers that stay from epoch to epoch."""
    return _torch(tree, spec, persistent=True)
