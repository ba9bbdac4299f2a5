"""Loaders as a user might write them, good and bad, without any framework."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from loader_gate import cores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree

Batch = tuple[Any, Any]


class Epochs:
    """Decodes with Pillow, once, and serves every epoch from memory."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Decode every image of ``tree``."""
        height, width = spec.image_size
        self._batch_size = spec.batch_size
        self._labels = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
        self._images = np.empty((len(tree), height, width, 3), np.float32)
        for index, path in enumerate(tree.paths):
            with Image.open(path) as image:
                resized = image.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
                self._images[index] = np.asarray(resized, np.float32) / 255
        self._order = np.random.default_rng(spec.seed)
        self._shuffle = spec.shuffle
        self.epochs = 0

    def __iter__(self) -> Iterator[Batch]:
        """Yield one epoch."""
        self.epochs += 1
        count = len(self._images)
        order = self.of_rank(self._order.permutation(count) if self._shuffle else np.arange(count))
        for start in range(0, len(order), self._batch_size):
            self.before_batch()
            some = order[start : start + self._batch_size]
            yield self._images[some], self._labels[some]

    def of_rank(self, order: Any) -> Any:
        """Return all of an epoch's order; others heed ranks."""
        return order

    def before_batch(self) -> None:
        """Do nothing; others wait or worse."""


#: How long ``sleepy`` sleeps before each batch.
SLEEP_SECONDS = 0.1


class SleepyEpochs(Epochs):
    """Sleeps before each batch."""

    def before_batch(self) -> None:
        """Sleep."""
        time.sleep(SLEEP_SECONDS)


class TroubledEpochs(Epochs):
    """Behaves in its first epoch, which is only checked, and then does what ``trouble`` says."""

    trouble: Any = None

    def before_batch(self) -> None:
        """Get into trouble."""
        if self.epochs > 1:
            type(self).trouble()


def limitless(tree: Tree, spec: Spec) -> Epochs:
    """Return what is right, and claim to be what nobody is held against."""
    return Epochs(tree, spec)


limitless.KIND = "limit"  # type: ignore[attr-defined]


def photos(tree: Tree, spec: Spec) -> Epochs:
    """Return a good loader."""
    return Epochs(tree, spec)


def sleepy(tree: Tree, spec: Spec) -> Epochs:
    """Return the same, slower by a sleep a batch."""
    return SleepyEpochs(tree, spec)


class DividedEpochs(Epochs):
    """Waits for each image, for as many at once as there are cores."""

    def before_batch(self) -> None:
        """Wait for the images of one batch."""
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(time.sleep, [0.02] * self._batch_size))


def divided(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that is as many times as fast as there are cores."""
    return DividedEpochs(tree, spec)


def dawdles(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that takes half a second a batch."""
    return type("Dawdles", (Epochs,), {"before_batch": lambda _: time.sleep(0.5)})(tree, spec)  # type: ignore[no-any-return]


def waits(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that never gives a batch."""
    return type("Waits", (Epochs,), {"before_batch": lambda _: time.sleep(600)})(tree, spec)  # type: ignore[no-any-return]


def one_shot(tree: Tree, spec: Spec) -> Iterator[Batch]:
    """Yield one epoch, decoded on the way."""
    yield from Epochs(tree, spec)


def flipped(tree: Tree, spec: Spec) -> Iterator[Batch]:
    """Yield an epoch of mirror images."""
    for images, labels in Epochs(tree, spec):
        yield images[:, :, ::-1], labels


def killed(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader whose process is killed in the middle of a pass, after starting a child."""

    def trouble() -> None:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # orphan of killed()"])
        print("about to be killed", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGKILL)

    return type("Killed", (TroubledEpochs,), {"trouble": staticmethod(trouble)})(tree, spec)  # type: ignore[no-any-return]


def raises(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that raises in the middle of a pass."""

    def trouble() -> None:
        raise OSError("the disk went away")

    return type("Raises", (TroubledEpochs,), {"trouble": staticmethod(trouble)})(tree, spec)  # type: ignore[no-any-return]


def writes_elsewhere(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that writes to sockets that it has not opened, in the middle of a pass."""

    def trouble() -> None:
        for each in Path("/dev/fd").iterdir():
            with suppress(OSError):  # the one that lists them is closed by now
                if stat.S_ISSOCK(os.fstat(int(each.name)).st_mode):
                    os.write(int(each.name), b"Epoch 1 of 3\n")

    return type("WritesElsewhere", (TroubledEpochs,), {"trouble": staticmethod(trouble)})(tree, spec)  # type: ignore[no-any-return]


def fills_the_disk(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that writes a cache, to a disk that is full in the middle of it."""

    def trouble() -> None:
        (spec.cache_dir / "part").write_bytes(b"part of a cache")
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"the rest")

    return type("FillsTheDisk", (TroubledEpochs,), {"trouble": staticmethod(trouble)})(tree, spec)  # type: ignore[no-any-return]


def hangs(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that hangs in the middle of a pass."""

    def trouble() -> None:
        time.sleep(600)

    return type("Hangs", (TroubledEpochs,), {"trouble": staticmethod(trouble)})(tree, spec)  # type: ignore[no-any-return]


def loses_an_image(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that loses the last image of every epoch but the first."""

    class Forgetful(Epochs):
        def __iter__(self) -> Iterator[Batch]:
            for images, labels in super().__iter__():
                yield (images, labels) if self.epochs == 1 else (images[:-1], labels[:-1])

    return Forgetful(tree, spec)


def works_after_the_last(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that takes its time between its last batch and saying that it has ended."""

    class Late(Epochs):
        def __iter__(self) -> Iterator[Batch]:
            yield from super().__iter__()
            time.sleep(4 * SLEEP_SECONDS)

    return Late(tree, spec)


def works_when_destroyed(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader whose iterator takes its time to be destroyed, and uses the CPU meanwhile."""

    class Iteration:
        def __init__(self, batches: Iterator[Batch]) -> None:
            self._batches = batches

        def __iter__(self) -> Iteration:
            return self

        def __next__(self) -> Batch:
            return next(self._batches)

        def __del__(self) -> None:
            burn(4 * SLEEP_SECONDS)

    class Heavy(Epochs):
        def __iter__(self) -> Iterator[Batch]:
            return Iteration(super().__iter__())

    return Heavy(tree, spec)


def burn(seconds: float) -> None:
    """Use so much CPU time of this thread."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def works_on(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader with a thread that works all the time, between epochs too."""
    threading.Thread(target=burn, args=(600.0,), daemon=True).start()
    return Epochs(tree, spec)


def leaves_a_daemon(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader with a process that works all the time, and whose parent is gone."""
    started = subprocess.run(
        [sys.executable, "-c", "import os\nif os.fork() == 0:\n  os.setsid()\n  while True: pass  # daemon"],
        check=True,
    )
    assert started.returncode == 0
    return Epochs(tree, spec)


def ignores_its_children(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that lets the system forget its child processes, and what they have used."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    return Epochs(tree, spec)


def hands_over_sockets(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader whose process hands over what is open, as torch's DataLoader does with its memory."""
    context = multiprocessing.get_context("fork")

    class Handed(Epochs):
        def __iter__(self) -> Iterator[Batch]:
            queue = context.Queue()
            child = context.Process(target=_hand_over, args=(queue,), daemon=True)
            child.start()
            queue.get().close()
            child.terminate()
            child.join()
            yield from super().__iter__()

    return Handed(tree, spec)


def _hand_over(queue: Queue[socket.socket]) -> None:
    with socket.socket() as handed:
        queue.put(handed)
        time.sleep(60)


def a_few_orders(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that goes through three orders, again and again."""

    class Few(Epochs):
        def __iter__(self) -> Iterator[Batch]:
            self._order = np.random.default_rng(self.epochs % 3)
            yield from super().__iter__()

    return Few(tree, spec)


def dies_beside_a_child(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that is killed while a child of it holds its connection, and another one has left."""

    def trouble() -> None:
        subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(600)  # of a session of its own"],
            start_new_session=True,
        )
        if os.fork() == 0:
            time.sleep(600)
        time.sleep(3 * SLEEP_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    return type("Dies", (TroubledEpochs,), {"trouble": staticmethod(trouble)})(tree, spec)  # type: ignore[no-any-return]


def dies_beside_a_nameless_daemon(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that is killed beside a process without a parent, a session or variables of ours."""

    def trouble() -> None:
        daemon = "import os, time\nif os.fork() == 0:\n  os.setsid()\n  time.sleep(600)  # nameless"
        subprocess.run([sys.executable, "-c", daemon], check=True, env={})
        os.kill(os.getpid(), signal.SIGKILL)

    return type("Dies", (TroubledEpochs,), {"trouble": staticmethod(trouble)})(tree, spec)  # type: ignore[no-any-return]


class Lazy:
    """Images that are only made when somebody asks for an array of them."""

    def __init__(self, images: Any) -> None:
        """Keep what they are made of."""
        self._images = images

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self._images)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Make them."""
        time.sleep(SLEEP_SECONDS)
        return np.array(self._images, dtype)


def lazy(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that leaves the work to whoever looks at its images."""

    class LazyEpochs(Epochs):
        def __iter__(self) -> Iterator[Batch]:
            for images, labels in super().__iter__():
                yield Lazy(images), labels

    return LazyEpochs(tree, spec)


not_a_function = 3


class CountedEpochs(Epochs):
    """Writes a line into a file for each epoch that is begun and for each batch that is drawn.

    From the third epoch on, it loses the last image of each batch.
    """

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Decode, and begin with an empty file."""
        super().__init__(tree, spec)
        self._drawn = spec.cache_dir / "drawn"
        self._drawn.write_text("", encoding="utf-8")

    def __iter__(self) -> Iterator[Batch]:
        """Yield one epoch."""
        self._note("epoch")
        for images, labels in super().__iter__():
            yield (images, labels) if self.epochs < 3 else (images[:-1], labels[:-1])

    def before_batch(self) -> None:
        """Note it."""
        self._note("batch")

    def _note(self, what: str) -> None:
        with self._drawn.open("a", encoding="utf-8") as drawn:
            drawn.write(f"{what}\n")


def counted(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that notes what is drawn from it."""
    return CountedEpochs(tree, spec)


def counted_dataset(tree: Tree, spec: Spec) -> Any:
    """Return the same as a ``tf.data.Dataset`` that knows its length and reads ahead."""
    import tensorflow as tf

    epochs = CountedEpochs(tree, spec)
    signature = (
        tf.TensorSpec((None, *spec.image_size, 3), tf.float32),
        tf.TensorSpec((None, len(tree.class_names)), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(lambda: iter(epochs), output_signature=signature)
    batches = -(-len(tree) // spec.batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(batches)).prefetch(tf.data.AUTOTUNE)


def waits_counted(tree: Tree, spec: Spec) -> Epochs:
    """Write a line whenever Keras turns figures of its training into numbers, which waits for the device."""
    from keras.src.callbacks import callback_list

    real = callback_list.python_utils.pythonify_logs

    def counted(logs: Any) -> Any:
        if logs:
            with (spec.cache_dir / "waits").open("a", encoding="utf-8") as file:
                file.write("waited\n")
        return real(logs)

    callback_list.python_utils.pythonify_logs = counted
    return Epochs(tree, spec)


_FIRST_TREE: list[Tree] = []


def always_the_same(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader that reads the images of the first tree, whichever it is asked for."""
    _FIRST_TREE.append(tree)
    return Epochs(_FIRST_TREE[0], spec)


_PINNED: list[mmap.mmap] = []


def pinned(tree: Tree, spec: Spec) -> Epochs:
    """Hold on to a file by a private map, of which nothing may be given back."""
    file = spec.cache_dir / "pinned"
    file.write_bytes(b"x" * 1_000_000)
    with file.open("rb") as opened:
        pages = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    pages.read()
    _PINNED.append(pages)
    return Epochs(tree, spec)


#: How long ``unhurried`` waits for each batch.
UNHURRIED_SECONDS = 0.02


class UnhurriedEpochs(Epochs):
    """Waits a moment before each batch, so that an epoch of many takes seconds."""

    def before_batch(self) -> None:
        """Sleep."""
        time.sleep(UNHURRIED_SECONDS)


def unhurried(tree: Tree, spec: Spec) -> Epochs:
    """Return a loader whose epochs are long."""
    return UnhurriedEpochs(tree, spec)


def begins_alike(tree: Tree, spec: Spec) -> Epochs:
    """Return one whose epochs begin with the same eighth of the images, in another order each time."""

    class Order:
        def __init__(self) -> None:
            self._random = np.random.default_rng(spec.seed)

        def permutation(self, count: int) -> Any:
            begin = np.arange(0, count, 8)
            rest = np.setdiff1d(np.arange(count), begin)
            return np.concatenate([self._random.permutation(begin), self._random.permutation(rest)])

    epochs = UnhurriedEpochs(tree, spec)
    epochs._order = Order()  # type: ignore[assignment]
    return epochs


def once_a_worker(tree: Tree, spec: Spec) -> Any:
    """Lets each of two workers of tf.data's service make all images, so that they come twice."""
    from loader_gate.variants.tfdata_service import Cluster
    from loader_gate.variants.tfdata_service import Epochs as EpochsOfService

    cluster = Cluster(2)
    return EpochsOfService(tree, spec, cluster.address, 2, cluster, "OFF")


class RankEpochs(Epochs):
    """Heeds ranks."""

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Decode every image of ``tree``."""
        super().__init__(tree, spec)
        self._rank, self._ranks = spec.shard, spec.shards

    def of_rank(self, order: Any) -> Any:
        """Return every so manieth of an epoch's order."""
        return order[self._rank :: self._ranks]


def ranks_share(tree: Tree, spec: Spec) -> Epochs:
    """Return epochs that ranks share."""
    return RankEpochs(tree, spec)


def ranks_are_ignored(tree: Tree, spec: Spec) -> Epochs:
    """Return whole epochs for each rank."""
    return Epochs(tree, spec)


def ranks_overlap(tree: Tree, spec: Spec) -> Epochs:
    """Return a part for each rank, of an order of its own."""
    epochs = RankEpochs(tree, spec)
    epochs._order = np.random.default_rng((spec.seed, spec.shard))
    return epochs


def ranks_are_filled_up(tree: Tree, spec: Spec) -> Epochs:
    """Return as many images for each rank, as torch's ``DistributedSampler`` does by default."""

    class FilledUp(RankEpochs):
        def of_rank(self, order: Any) -> Any:
            return super().of_rank(np.resize(order, -len(order) // self._ranks * -self._ranks))

    return FilledUp(tree, spec)


def ranks_fail(tree: Tree, spec: Spec) -> Epochs:
    """Refuse to be one rank of several."""
    if spec.shards > 1:
        raise OSError("there is one rank only")
    return Epochs(tree, spec)


for each in (ranks_share, ranks_are_ignored, ranks_overlap, ranks_are_filled_up, ranks_fail):
    each.SHARDS = True  # type: ignore[attr-defined]
