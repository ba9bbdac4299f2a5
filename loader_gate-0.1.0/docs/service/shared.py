"""Two trainers at one service: an epoch that they share, coordinated reads, and the cross-trainer cache."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.service.counted import in_words
from loader_gate.machine.processes import cpu_seconds_of_children
from loader_gate.variants import tfdata_service as service

if TYPE_CHECKING:
    from collections.abc import Callable

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree

WORKERS = TRAINERS = 2


def trainers(tree: Tree, spec: Spec, epochs: int) -> dict[str, Any]:
    """Return what two trainers get, each way of sharing, and what the service works for it.

    Args:
        tree: The images.
        spec: The epoch to deliver.
        epochs: How many epochs each takes of an endless dataset.
    """
    images = service.Images(tree, spec, WORKERS)
    steps = images.steps * epochs
    return {
        "one job": _measured(lambda address, number: _one_job(images, address, number)),
        "coordinated reads": _measured(lambda address, number: _in_turn(images, address, number, steps)),
        "each its own": _measured(lambda address, _: _endless(images, address, steps)),
        "cross-trainer cache": _measured(lambda address, number: _cached(images, address, number, steps)),
    }


def _one_job(images: service.Images, address: str, number: int) -> Any:
    del number  # who asks next gets the next batch
    return _distributed(images.batches(_zero()), address, job_name="shared")


def _in_turn(images: service.Images, address: str, number: int, steps: int) -> Any:
    endless = images.batches(_zero()).repeat()
    return _distributed(
        endless, address, "OFF", job_name="turns", consumer_index=number, num_consumers=TRAINERS
    ).take(steps // TRAINERS)


def _endless(images: service.Images, address: str, steps: int) -> Any:
    return _distributed(images.batches(_zero()).repeat(), address, "OFF").take(steps)


def _cached(images: service.Images, address: str, number: int, steps: int) -> Any:
    from tensorflow.data.experimental.service import CrossTrainerCache

    return _distributed(
        images.batches(_zero()).repeat(),
        address,
        "OFF",
        job_name="cached",
        cross_trainer_cache=CrossTrainerCache(trainer_id=f"trainer {number}"),
    ).take(steps)


def _zero() -> Any:
    import tensorflow as tf

    return tf.constant(0, tf.int64)


def _distributed(batches: Any, address: str, policy: str = "DYNAMIC", **settings: Any) -> Any:
    from tensorflow.data.experimental.service import ShardingPolicy

    return service.distributed(batches, address, processing_mode=ShardingPolicy[policy], **settings)


def _measured(dataset: Callable[[str, int], Any]) -> dict[str, Any]:
    """Return what came to each trainer, and the CPU time of the service an image that came to one."""
    cluster = service.Cluster(WORKERS)
    try:
        ready = [dataset(cluster.address, number) for number in range(TRAINERS)]
        before, began = cpu_seconds_of_children(), time.perf_counter()
        with ThreadPoolExecutor(TRAINERS) as pool:
            came = [*pool.map(_places, ready)]
        took, used = time.perf_counter() - began, cpu_seconds_of_children() - before
    except Exception as error:  # whatever TensorFlow raises is the answer
        return {"problem": in_words(error)}
    finally:
        cluster.stop()
    places = [each for each, _ in came]
    total, first = sum(map(len, places)), max(at for _, at in came) - began
    return {
        "images": [len(each) for each in places],
        "in_both": len({*places[0]} & {*places[1]}),
        "first_batch_seconds": first,
        "images_per_second": total / (took - first),
        "service_cpu_ms_per_image": 1000 * used / total,
        "problem": "",
    }


def _places(dataset: Any) -> tuple[list[int], float]:
    """Return the places of all images that come, and when the first of them had."""
    came: list[int] = []
    first = 0.0
    for _, places in dataset:
        first = first or time.perf_counter()
        came += np.asarray(places).tolist()
    return came, first
