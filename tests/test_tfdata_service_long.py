"""The service of tf.data: a session of it, faults of its processes, and that nothing of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from docs.service import network
from docs.service.counted import as_promised
from loader_gate.registry.spec import Spec
from loader_gate.same_work.cropped import Crops
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.reference import build_reference
from loader_gate.same_work.shards import union_problem
from loader_gate.trees.tree import Tree
from loader_gate.variants import tfdata_service
from tests.sessions import ROOT, SMALL_BUDGET, STUCK_SECONDS, Sessions
from tests.test_variants_streaming import check_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE, BATCH = (32, 32), 2
#: Seconds for a process to notice that another one has ended, on the slowest machine.
AMPLE_SECONDS = 60
#: Starts a cluster, says that it serves, and waits.
HOLDS_A_CLUSTER = """
import sys, time
from loader_gate.variants.tfdata_service import Cluster
cluster = Cluster(1)
print(cluster.address, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[tfdata_service.Cluster]:
    """A dispatcher and two workers."""
    cluster = tfdata_service.Cluster(2)
    yield cluster
    processes = [cluster.dispatcher, *cluster.workers]
    cluster.stop()
    assert not any(each.process.is_alive() for each in processes)


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    """An epoch of many batches."""
    return Spec(SIZE, BATCH, shuffle=True, seed=3, cache_dir=tmp_path)


def epochs_of(tree: Tree, spec: Spec, cluster: tfdata_service.Cluster) -> tfdata_service.Epochs:
    """Return epochs that a cluster makes."""
    return tfdata_service.Epochs(tree, spec, cluster.address, 2, cluster)


def test_a_session(new_sessions: Callable[[], Sessions]) -> None:
    """It is measured beside the baseline, does the same work, and leaves no process."""
    sessions = new_sessions()
    run = sessions.run("--variant", "tfdata_service", SMALL_BUDGET, f"--hang-after={STUCK_SECONDS}")
    assert run.code == 0, run.out + run.err
    assert run.unmeasured == {}
    info = run.infos["tfdata_service"]
    assert info["images"] == 24
    assert info["shuffle_quality"] > 0.5
    sessions.check_nothing_is_left()


def test_a_service_that_is_there(cluster: tfdata_service.Cluster, tiny_tree: Tree, spec: Spec) -> None:
    """It needs an address only, and epochs come in orders of their own."""
    epochs = tfdata_service.load(tiny_tree, replace(spec, service=cluster.address))
    labels = [np.concatenate([np.asarray(each) for _, each in epochs]).argmax(axis=1) for _ in range(3)]
    for each in labels:
        assert np.bincount(each).tolist() == np.bincount(tiny_tree.labels).tolist()
    assert len({each.tobytes() for each in labels}) > 1


def test_parts(cluster: tfdata_service.Cluster, tiny_tree: Tree, spec: Spec, tmp_path: Path) -> None:
    """Each image is the part that its box says, drawn anew in each epoch."""
    spec = replace(spec, batch_size=5, augment="crop-flip")
    crops = Crops(tiny_tree, spec, DeclaredOutput(tfdata_service.INTERPOLATION), 0)
    crops.begin(build_reference(tiny_tree, SIZE, tmp_path / "reference"))
    check_parts(epochs_of(tiny_tree, spec, cluster), crops)


@pytest.mark.parametrize("batch", [5, 7, 24, 50])
def test_ranks_share_an_epoch(
    batch: int, cluster: tfdata_service.Cluster, tiny_tree: Tree, spec: Spec
) -> None:
    """The union of three is one epoch, epoch by epoch; only their last batch is smaller."""
    spec = replace(spec, batch_size=batch)
    for epoch in range(2):
        places = []
        for rank in range(3):
            images = tfdata_service.Images(tiny_tree, replace(spec, shard=rank, shards=3), 2)
            sizes, came = _drained(images, epoch, cluster.address)
            assert all(each == batch for each in sizes[:-1])
            places.append(came)
        assert union_problem(places, len(tiny_tree)) is None


def _drained(images: tfdata_service.Images, epoch: int, address: str) -> tuple[list[int], Any]:
    """Return the sizes of the batches of an epoch, and the places of its images."""
    import tensorflow as tf

    batches = tfdata_service.distributed(images.batches(tf.constant(epoch, tf.int64)), address)
    labels = tf.zeros((1000, 1))
    places = [np.asarray(each) for _, _, each in tfdata_service.finished(batches, labels, images)]
    return [len(each) for each in places], np.concatenate(places)


def test_the_order_of_files_is_not_to_be_had(tiny_tree: Tree, spec: Spec) -> None:
    """Dynamic sharding keeps none."""
    with pytest.raises(ValueError, match="dynamic sharding keeps no order"):
        tfdata_service.load(tiny_tree, replace(spec, shuffle=False))


def test_a_killed_worker(cluster: tfdata_service.Cluster, tiny_tree: Tree, spec: Spec) -> None:
    """What it held is missing and the policy is named, or nothing is; the next epoch is whole."""
    epochs = epochs_of(tiny_tree, spec, cluster)
    came, problem = _killed(epochs, cluster.workers[0])
    assert came <= len(tiny_tree)
    assert (came == len(tiny_tree)) is (problem is None)
    assert problem is None or "ShardingPolicy.DYNAMIC" in problem
    assert sum(len(images) for images, _ in epochs) == len(tiny_tree)


def test_a_killed_dispatcher(cluster: tfdata_service.Cluster, tiny_tree: Tree, spec: Spec) -> None:
    """It goes on from its journal, and every image comes once."""
    assert _killed(epochs_of(tiny_tree, spec, cluster), cluster.dispatcher) == (len(tiny_tree), None)


def _killed(epochs: tfdata_service.Epochs, server: tfdata_service.Server) -> tuple[int, str | None]:
    """Return how many images came of an epoch in which a process was killed, and what was said of it."""
    came = 0
    try:
        for images, _ in epochs:
            if not came:
                os.kill(int(server.process.pid or 0), signal.SIGKILL)
            came += len(images)
    except RuntimeError as error:
        return came, str(error)
    return came, None


def test_all_ends_with_who_has_started_it() -> None:
    """Killed, it cannot end anything itself: the others notice."""
    command = [sys.executable, "-c", HOLDS_A_CLUSTER]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().startswith("grpc://")
        left = psutil.Process(holder.pid).children(recursive=True)
        assert len(left) >= 3
        holder.kill()
    _, alive = psutil.wait_procs(left, AMPLE_SECONDS)
    assert alive == []


#: Megabits a second of each link.
SLOW = 2.0


@pytest.fixture(scope="module")
def isolated(tiny_tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Return a function that gives what comes over slow links from two hosts, asked for by options."""
    problem = network.unavailable()
    if problem:
        pytest.skip(problem)
    usual = ("--image-size=128", f"--megabits={SLOW}")
    return lambda *options: network.isolated(
        tiny_tree.root, tmp_path_factory.mktemp("hosts"), [*usual, *options]
    )


@pytest.fixture(scope="module")
def over_links(isolated: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """What came of whole epochs."""
    return isolated("--batch-size=4", "--epochs=1", "--milliseconds=2")


@pytest.fixture(scope="module")
def killed_over_links(isolated: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """What came when something was killed in mid-epoch."""
    return isolated("--faults", "--batch-size=2")


def test_bandwidth(over_links: dict[str, Any], tiny_tree: Tree) -> None:
    """Each image comes once, and no faster than links carry it."""
    (link,) = over_links["bandwidth"].values()
    assert link["every_image_once"]
    assert link["bytes_per_image"] > 128 * 128 * 3
    # Of both workers together; a burst goes through at once.
    burst = network.WORKERS * 8 * network.BURST / 1e6
    seconds = len(tiny_tree) / link["images_per_second"]
    assert link["megabits_per_second"] <= network.WORKERS * SLOW + burst / seconds


def test_latency(over_links: dict[str, Any]) -> None:
    """Each image comes once over links that take their time."""
    if over_links["latency"]["problem"]:
        pytest.skip(f"no latency: {over_links['latency']['problem']}")
    assert over_links["latency"]["every_image_once"]


@pytest.mark.parametrize(
    ("fault", "kept"),
    [("none", "yes"), ("dispatcher", "yes"), ("worker", "yes"), ("host", "as far as it came")],
)
def test_killed_across_hosts(fault: str, kept: str, killed_over_links: dict[str, Any]) -> None:
    """An epoch is whole, but for what a killed worker held; without its host it does not end."""
    came = killed_over_links[f"DYNAMIC {fault}"]
    assert as_promised("DYNAMIC", fault, came) == kept, came
    assert (0 < came["killed_after"] < came["images"]) is (fault != "none")
    # The other worker goes on, or both do.
    assert came["once"] > came["killed_after"]
