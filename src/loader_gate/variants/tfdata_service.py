"""tf.data's service: ``tfdata_tuned`` in processes of its own, which hand batches over by gRPC.

A dispatcher deals out the numbers of batches, each to the worker that asks next (dynamic sharding), and
workers make those batches. All are processes of this host, unless ``spec.service`` is the address of a
dispatcher that is there; its workers have to find the files under the same names.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import runpy
import shutil
import socket
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext
    from multiprocessing.process import BaseProcess

    from loader_gate import Spec, Tree

KIND = "streaming"
REQUIRES = "tensorflow"
INSTALL = "pip install tensorflow"
DEFAULT = False
INTERPOLATION = "area"  # as of tfdata_tuned
AUGMENTS = ("crop-flip",)
SHARDS = True
SENT_BYTES = 1  # uint8, which the trainer makes float32

MOST_WORKERS = 2
BATCHES_AHEAD = 2
COMPRESSION = None  # to pack bytes takes longer than to send them
SECONDS_TO_ANSWER = 10.0
#: What the dispatcher and what all are forked from take: TensorFlow once more, which they share. That and the
#: next were their proportional set sizes while they served batches of 32 images of 224x224.
SERVICE_BYTES = 350_000_000
#: What each of its workers adds.
SERVICE_WORKER_BYTES = 50_000_000
#: What a policy promises of each image, by the documentation of TensorFlow's ``ShardingPolicy``.
PROMISED = {
    "OFF": "once a worker",
    "DYNAMIC": "once; at most once if a worker ends",
    "DATA": "once; again from the beginning of its part if a worker ends",
    "FILE": "once, of files that hold records",
}
#: What ends more often is not started anew.
MOST_ENDED = 5
#: The name that this file has in a process of the service.
_SERVED = "__served__"


def predicted_process_bytes(spec: Spec) -> int:
    """Return what the processes of the service take; nothing where it is there already."""
    return 0 if spec.service else SERVICE_BYTES + _workers() * SERVICE_WORKER_BYTES


def _workers() -> int:
    from loader_gate import cores

    return min(MOST_WORKERS, cores())


def load(tree: Tree, spec: Spec) -> Epochs:
    """Start the service, or find the one that is there, and return epochs.

    Raises:
        ValueError: The tree's order is asked for, which dynamic sharding does not keep.
        ConnectionError: Nobody answers at ``spec.service``.
    """
    if not spec.shuffle:
        raise ValueError(
            "dynamic sharding keeps no order, and the tree's was asked for (spec.shuffle is False): use "
            "tfdata_tuned"
        )
    if spec.service:
        require_answer(spec.service)
        return Epochs(tree, spec, spec.service)
    workers = _workers()
    cluster = Cluster(workers)
    epochs = Epochs(tree, spec, cluster.address, workers, cluster)
    weakref.finalize(epochs, cluster.stop)
    return epochs


class Epochs:
    """Epochs that begin anew whenever they are iterated: each is a job of the service."""

    def __init__(
        self,
        tree: Tree,
        spec: Spec,
        address: str,
        workers: int = 1,
        cluster: Cluster | None = None,
        policy: str = "DYNAMIC",
    ) -> None:
        """Prepare.

        Args:
            tree: The images.
            spec: The epoch to deliver.
            address: Of the dispatcher.
            workers: How many share the cores of a host.
            cluster: The service, if it is ours.
            policy: The name of a ``ShardingPolicy``.
        """
        import tensorflow as tf

        images = Images(tree, spec, workers)
        labels = tf.one_hot(tf.constant(tree.labels, tf.int32), len(tree.class_names))

        # Traced once: to build a pipeline anew takes as long as to load a hundred images.
        self._made = tf.function(images.batches, [tf.TensorSpec((), tf.int64)], autograph=False)
        # Only of dynamic sharding is it known how many batches come.
        steps = images.steps if policy == "DYNAMIC" else tf.data.INFINITE_CARDINALITY
        self._finished = tf.function(
            lambda batches: finished(batches, labels, images, steps), autograph=False
        )
        self._images, self._count, self._begun = len(tree), images.count, 0
        self._address, self._cluster, self._policy = address, cluster, policy
        self._augments = images.augments

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Yield every batch of one epoch.

        Raises:
            RuntimeError: Not every image came once: the message has the policy, and what that promises.
        """
        import tensorflow as tf

        policy = tf.data.experimental.service.ShardingPolicy[self._policy]
        number = tf.constant(self._begun, tf.int64)
        batches = distributed(self._made(number), self._address, processing_mode=policy)
        self._begun += 1
        ended, came, again = self._ended(), np.zeros(self._images, bool), 0
        for images, labels, rows in self._finished(batches):
            own = rows.numpy()[:, 0] if self._augments else rows.numpy()
            again = int(came[own].sum())
            if again:
                break
            came[own] = True
            yield (images, labels, rows) if self._augments else (images, labels)
        if again or came.sum() != self._count:
            ended = self._ended() - ended
            twice = f", {again} of them again" if again else ""
            why = f", as {ended} of its processes ended in the middle of the epoch" if ended else ""
            what_to_do = (
                "look into the logs of its workers why one ended"
                if self._policy == "DYNAMIC"
                else "an epoch of each image once takes ShardingPolicy.DYNAMIC"
            )
            raise RuntimeError(
                f"{came.sum()} of {self._count} images came from the tf.data service{twice}{why}: its "
                f"policy, ShardingPolicy.{self._policy}, promises each image {PROMISED[self._policy]}; "
                f"{what_to_do}"
            )

    def _ended(self) -> int:
        return 0 if self._cluster is None else self._cluster.ended


class Images:
    """The epochs of a tree as the service makes them: batches of bytes, each image with its row.

    A row is the image's place in the tree; of a part, which begins with that, its row of ``boxes``.

    Attributes:
        spec: The epoch to deliver.
        augments: Whether images are parts.
        count: How many images it has.
        steps: How many batches.
    """

    def __init__(self, tree: Tree, spec: Spec, workers: int) -> None:
        """Prepare.

        Args:
            tree: The images.
            spec: The epoch to deliver.
            workers: How many share the cores of a host.
        """
        import tensorflow as tf

        from loader_gate import cores

        self.spec, self._images = spec, len(tree)
        self.augments = spec.augment == "crop-flip"
        self.count = len(range(spec.shard, len(tree), spec.shards))
        self.steps = math.ceil(self.count / spec.batch_size)
        self._paths = tf.constant(list(tree.paths))
        self._threads = max(1, cores() // workers)

    def batches(self, epoch: Any) -> Any:
        """Return a ``tf.data.Dataset`` of batches: uint8 images and their rows.

        What is dealt out are numbers of batches: one at a time, images would take a call each. All workers
        draw the same permutation of the tree, by its number, and without a list of it.

        Args:
            epoch: Its number, an int64 tensor.
        """
        import tensorflow as tf

        from loader_gate.variants.tfdata_tuned import decoded, resized_part

        spec = self.spec

        def places(batch: Any) -> Any:
            own = tf.range(batch * spec.batch_size, tf.minimum((batch + 1) * spec.batch_size, self.count))
            own = own * spec.shards + spec.shard
            seed = tf.stack([tf.constant(spec.seed, tf.int64), epoch])
            return tf.data.Dataset.from_tensor_slices(
                tf.random.experimental.index_shuffle(own, seed, max_index=self._images - 1)
            )

        def example(place: Any) -> tuple[Any, Any]:
            data, row = tf.io.read_file(self._paths[place]), place
            if self.augments:
                # Whoever makes this image of this epoch, and makes it again, draws the same.
                seed = tf.stack([epoch * self._images + place, tf.constant(spec.seed, tf.int64)])
                image, row = resized_part(data, tf.cast(place, tf.int32), seed, spec)
            else:
                image = tf.image.resize(decoded(data, spec), spec.image_size)
            return tf.cast(tf.round(image), tf.uint8), row

        dataset = (
            tf.data.Dataset.range(self.steps)
            .flat_map(places)
            .map(example, num_parallel_calls=self._threads, deterministic=False)
            .batch(spec.batch_size)
            .prefetch(1)
        )
        options = tf.data.Options()
        options.autotune.enabled = False
        options.threading.private_threadpool_size = self._threads
        options.threading.max_intra_op_parallelism = 1
        return dataset.with_options(options)


def distributed(batches: Any, address: str, **settings: Any) -> Any:
    """Return a dataset that the service at an address makes.

    Args:
        batches: What it makes.
        address: Of the dispatcher.
        **settings: Of ``tf.data.experimental.service.distribute``.
    """
    from tensorflow.data.experimental import service

    settings = {"processing_mode": service.ShardingPolicy.DYNAMIC, "compression": COMPRESSION, **settings}
    return batches.apply(service.distribute(service=address, **settings))


def finished(batches: Any, labels: Any, images: Images, steps: int | None = None) -> Any:
    """Return batches as they are delivered: float32 images, labels, and rows.

    They are counted, as the service says only once a second whether an epoch has ended.

    Args:
        batches: What comes from the service; the smaller batch may be any one of them.
        labels: ``(images, classes)``, those of all images of the tree.
        images: What the service makes of them.
        steps: After how many batches the epoch ends; as many as of ``images`` if None.
    """
    import tensorflow as tf

    def example(pixels: Any, rows: Any) -> tuple[Any, Any, Any]:
        places = rows[:, 0] if images.augments else rows
        return tf.cast(pixels, tf.float32) * (1 / 255), tf.gather(labels, places), rows

    dataset = (
        batches.take(images.steps if steps is None else steps)
        .rebatch(images.spec.batch_size)
        .map(example, num_parallel_calls=1)
        .prefetch(BATCHES_AHEAD)
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def require_answer(address: str) -> None:
    """Refuse the address of a service that nobody answers at: TensorFlow would ask for an hour.

    Args:
        address: Such as ``grpc://host:5050``.

    Raises:
        ConnectionError: Nobody does.
    """
    host, _, port = address.partition("://")[2].rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise ConnectionError(
            f"--service {address}: nobody answers there ({error.strerror or error}), expected the dispatcher "
            "of a tf.data service: start it there, or leave --service out to have one started here"
        ) from error


@dataclass
class Server:
    """A process of the service.

    Attributes:
        kind: ``DispatchServer`` or ``WorkerServer``.
        settings: Of TensorFlow's ``DispatcherConfig`` or ``WorkerConfig``.
        process: The process.
        answer: Says its port when it serves.
        port: That port; 0 before.
    """

    kind: str
    settings: Mapping[str, Any]
    process: BaseProcess
    answer: connection.Connection
    port: int = 0

    @classmethod
    def start(cls, kind: str, settings: Mapping[str, Any]) -> Server:
        """Start one; it is asked for its port later, so that several may start at once.

        Args:
            kind: As above.
            settings: As above.
        """
        context = _context()
        answer, theirs = context.Pipe(duplex=False)
        # This file, not this module: under its name another revision of it may be found there.
        process = context.Process(
            target=runpy.run_path,
            args=(__file__, {"SERVED": (kind, dict(settings), theirs)}, _SERVED),
            daemon=True,
        )
        process.start()
        theirs.close()
        return cls(kind, settings, process, answer)

    def wait(self) -> None:
        """Wait until it serves.

        Raises:
            RuntimeError: It has ended instead.
        """
        try:
            self.port = int(self.answer.recv_bytes())
        except EOFError:
            self.process.join()
            raise RuntimeError(
                f"a process of the tf.data service ended with status {self.process.exitcode} as it started; "
                "what it said is above"
            ) from None

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.join()


class Cluster:
    """A dispatcher and its workers on this host; what ends before its time is started anew.

    They end with the process that has started them, however that ends.
    """

    def __init__(self, workers: int, **settings: Any) -> None:
        """Start all of it, and wait until it serves.

        Args:
            workers: How many workers.
            **settings: More of TensorFlow's ``DispatcherConfig``.
        """
        self.ended = 0
        self._folder = Path(tempfile.mkdtemp(prefix="tf-data-service-"))
        journal = {"work_dir": str(self._folder), "fault_tolerant_mode": True}
        self.dispatcher = Server.start("DispatchServer", {**journal, **settings})
        import tensorflow  # noqa: F401 (meanwhile, and not after the others)

        self.dispatcher.wait()
        self.workers = [self._new_worker() for _ in range(workers)]
        for worker in self.workers:
            worker.wait()
        self._stops, self._wakes = connection.Pipe(duplex=False)
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._watcher.start()

    @property
    def address(self) -> str:
        """Return the address of the dispatcher."""
        return f"grpc://localhost:{self.dispatcher.port}"

    def stop(self) -> None:
        """End all of it."""
        self._wakes.close()
        self._watcher.join()
        for server in (*self.workers, self.dispatcher):
            server.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _new_worker(self) -> Server:
        address = f"localhost:{self.dispatcher.port}"
        return Server.start("WorkerServer", {"dispatcher_address": address})

    def _watch(self) -> None:
        """Start anew what ends, until `stop`."""
        while self.ended <= MOST_ENDED:
            running = {each.process.sentinel: each for each in (self.dispatcher, *self.workers)}
            ready = connection.wait([*running, self._stops])
            if self._stops in ready:
                return
            for server in (running[each] for each in running if each in ready):
                self.ended += 1
                self._renew(server)

    def _renew(self, server: Server) -> None:
        """Start a process anew at the same port, where all look for it."""
        server.process.join()
        again = Server.start(server.kind, {**server.settings, "port": server.port})
        if server is self.dispatcher:
            self.dispatcher = again
        else:
            self.workers[self.workers.index(server)] = again
        again.wait()


def _context() -> ForkServerContext:
    """Return what starts processes: forks of one that has imported TensorFlow, which takes seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow"])
    return context


def _serve(kind: str, settings: Mapping[str, Any], answer: connection.Connection) -> None:
    """Serve in this process until the one that has started it ends."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # it belongs to who trains
    from tensorflow.data.experimental import service

    if kind == "DispatchServer":
        server = service.DispatchServer(service.DispatcherConfig(**settings))
        address = server.target
    else:
        server = service.WorkerServer(service.WorkerConfig(**settings))
        address = server._address
    answer.send_bytes(address.rpartition(":")[2].encode())
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(0)  # to stop in order, it would wait for others


if __name__ == _SERVED:
    _serve(*globals()["SERVED"])
