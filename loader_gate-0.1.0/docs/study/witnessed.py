"""Loaders that note down what the kernel says that each of their epochs has used; see ``witness.py``.

They all do the same work, in processes of several kinds. Each holds some memory from the start on, as a
loader with a cache does, which the processes that it forks share.
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap
import multiprocessing
import os
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.pool import Pool
from typing import Any

import numpy as np
from PIL import Image

from docs.study.groups import cpu_seconds_of_group
from loader_gate import Spec, Tree, cores

Batch = tuple[Any, Any]
#: What an epoch has used is a line of this file, in the folder of the loader.
FILE = "witnessed.jsonl"
HELD_BYTES = 256 * 2**20


class Work:
    """What an epoch consists of, batch by batch.

    Attributes:
        spec: The epoch that is asked for.
        held: Some memory.
        shared: Where processes that are forked may leave an epoch's images.
    """

    def __init__(self, tree: Tree, spec: Spec) -> None:
        """Hold some memory."""
        self._tree, self.spec = tree, spec
        self._one_hot = np.eye(len(tree.class_names), dtype=np.float32)
        self._random = np.random.default_rng(spec.seed)
        self.held = np.ones(HELD_BYTES, np.uint8)
        shape = (len(tree), *spec.image_size, 3)
        self.shared = np.frombuffer(mmap.mmap(-1, 4 * math.prod(shape)), np.float32).reshape(shape)

    def batches(self) -> list[list[int]]:
        """Return which images each batch of the next epoch has."""
        order, size = self._random.permutation(len(self._tree)).tolist(), self.spec.batch_size
        return [order[start : start + size] for start in range(0, len(order), size)]

    def decoded(self, batch: list[int]) -> Batch:
        """Return a batch: images and labels."""
        images = np.empty((len(batch), *self.spec.image_size, 3), np.float32)
        self._decode(batch, images)
        return images, self._labels(batch)

    def share(self, number: int, batch: list[int]) -> int:
        """Decode a batch, in any process, for `taken`; return its number."""
        self._decode(batch, self.shared[number * self.spec.batch_size :])
        return number

    def taken(self, number: int, batch: list[int]) -> Batch:
        """Return a batch that has been decoded."""
        start = number * self.spec.batch_size
        return self.shared[start : start + len(batch)].copy(), self._labels(batch)

    def _decode(self, batch: list[int], images: Any) -> None:
        height, width = self.spec.image_size
        for index, number in enumerate(batch):
            with Image.open(self._tree.paths[number]) as image:
                resized = image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
            np.divide(resized, 255, out=images[index], dtype=np.float32)

    def _labels(self, batch: list[int]) -> Any:
        return self._one_hot[[self._tree.labels[number] for number in batch]]


#: What the processes of a pool work on: they have it by being forked.
_works: list[Work] = []


def _share(todo: tuple[int, list[int]]) -> int:
    return _works[-1].share(*todo)


class Witnessed:
    """Epochs, of which each notes down what it has used, and how many cores the loader counts on."""

    def __init__(self, work: Work, deliver: Callable[[], Iterator[Batch]]) -> None:
        """Let ``deliver`` begin an epoch each time that it is called."""
        self._work, self._deliver = work, deliver

    def __iter__(self) -> Iterator[Batch]:
        """Yield one epoch."""
        before, of_others = cpu_seconds_of_group(), 0.0
        for batch in self._deliver():
            given = time.thread_time()
            yield batch
            of_others += time.thread_time() - given  # whoever takes the batches may look at them
        used = cpu_seconds_of_group() - before - of_others
        with (self._work.spec.cache_dir / FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"cpu_seconds": used, "cores": cores()}) + "\n")


def threads(tree: Tree, spec: Spec) -> Witnessed:
    """Decode in threads of this process."""
    work, pool = Work(tree, spec), ThreadPoolExecutor(cores())
    return Witnessed(work, lambda: pool.map(work.decoded, work.batches()))


def forked(tree: Tree, spec: Spec) -> Witnessed:
    """Decode in processes that are forked for each epoch, and have ended when it has."""

    def deliver() -> Iterator[Batch]:
        with multiprocessing.get_context("fork").Pool(cores()) as pool:
            yield from _by_pool(work, pool)
            pool.close()
            pool.join()

    work = Work(tree, spec)
    _works.append(work)
    return Witnessed(work, deliver)


def kept(tree: Tree, spec: Spec) -> Witnessed:
    """Decode in processes that are forked once, and kept."""
    work = Work(tree, spec)
    _works.append(work)
    pool = multiprocessing.get_context("fork").Pool(cores())
    return Witnessed(work, lambda: _by_pool(work, pool))


def _by_pool(work: Work, pool: Pool) -> Iterator[Batch]:
    batches = work.batches()
    for number in pool.imap(_share, enumerate(batches)):
        yield work.taken(number, batches[number])


def daemons(tree: Tree, spec: Spec) -> Witnessed:
    """Decode in processes that have left ours by a double fork, and end with the epoch."""
    work = Work(tree, spec)

    def deliver() -> Iterator[Batch]:
        batches, number = work.batches(), cores()
        done, ours = os.pipe()

        def decode(first: int) -> None:
            for each in range(first, len(batches), number):
                os.write(ours, struct.pack("i", work.share(each, batches[each])))

        for first in range(number):
            _daemon(partial(decode, first))
        os.close(ours)
        with open(done, "rb") as file:  # noqa: PTH123 (of a descriptor)
            ready: set[int] = set()
            waiting = 0
            while packed := file.read(4):
                ready.add(*struct.unpack("i", packed))
                while waiting in ready:
                    yield work.taken(waiting, batches[waiting])
                    waiting += 1

    return Witnessed(work, deliver)


def _daemon(run: Callable[[], None]) -> None:
    """Run something in a process that is no child of ours."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    with contextlib.suppress(BaseException):
        os.setsid()
        if not os.fork():
            run()
    os._exit(0)


def torch_kept(tree: Tree, spec: Spec) -> Witnessed:
    """Decode in a DataLoader's workers, which are kept."""
    return _torch(tree, spec, kept=True)


def torch_anew(tree: Tree, spec: Spec) -> Witnessed:
    """Decode in a DataLoader's workers, which are started for each epoch."""
    return _torch(tree, spec, kept=False)


def _torch(tree: Tree, spec: Spec, kept: bool) -> Witnessed:
    import torch
    from torch.utils.data import DataLoader

    work = Work(tree, spec)

    class Images:
        def __len__(self) -> int:
            return len(tree)

        def __getitems__(self, numbers: list[int]) -> Any:
            images, labels = work.decoded(numbers)
            return torch.from_numpy(images), torch.from_numpy(labels)

    loader = DataLoader(
        Images(),
        batch_size=spec.batch_size,
        shuffle=True,
        num_workers=cores(),
        collate_fn=lambda batch: batch,
        persistent_workers=kept,
    )
    # A copy, so that the memory that is shared with its workers is given back here, and not by who takes it.
    return Witnessed(work, lambda: ((images.numpy().copy(), labels.numpy()) for images, labels in loader))
