"""What each sharding policy delivers, counted: undisturbed, and with a process killed in mid-epoch."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.variants import tfdata_service as service

if TYPE_CHECKING:
    from collections.abc import Callable

    from loader_gate.registry.spec import Spec
    from loader_gate.trees.tree import Tree

WORKERS = 2
FAULTS = ("none", "worker", "dispatcher")
#: Static policies want to know their workers beforehand.
STATIC = {"worker_addresses": ["localhost:%port%"] * WORKERS}
#: An epoch that takes longer hangs.
MOST_SECONDS = 300.0


def policies(tree: Tree, spec: Spec) -> dict[str, Any]:
    """Return what came of an epoch under each policy and fault; of a policy that is refused, of one only."""
    found: dict[str, Any] = {}
    for policy in service.PROMISED:
        for fault in FAULTS:
            came = found[f"{policy} {fault}"] = counted(tree, spec, policy, fault)
            if as_promised(policy, fault, came) == "refused":
                break
    return found


def counted(tree: Tree, spec: Spec, policy: str, fault: str) -> dict[str, Any]:
    """Return how often images came in one epoch.

    Args:
        tree: The images.
        spec: The epoch to deliver.
        policy: The name of a ``ShardingPolicy``.
        fault: What is killed when a fourth of an epoch has come: ``worker``, ``dispatcher`` or ``none``.
    """
    cluster = service.Cluster(WORKERS, **(STATIC if policy in ("DATA", "FILE") else {}))

    def kill() -> None:
        server = cluster.dispatcher if fault == "dispatcher" else cluster.workers[0]
        os.kill(int(server.process.pid or 0), signal.SIGKILL)

    try:
        return epoch(
            service.Images(tree, spec, WORKERS), cluster.address, policy, kill if fault != "none" else None
        )
    finally:
        cluster.stop()


def epoch(
    images: service.Images,
    address: str,
    policy: str,
    kill: Callable[[], None] | None,
    most_seconds: float = MOST_SECONDS,
) -> dict[str, Any]:
    """Return how often images came in one epoch of a service.

    Args:
        images: What the service makes.
        address: Of its dispatcher.
        policy: The name of a ``ShardingPolicy``.
        kill: Called once, when a fourth of the epoch has come.
        most_seconds: An epoch that takes longer hangs.
    """
    import tensorflow as tf

    kind = getattr(tf.data.experimental.service.ShardingPolicy, policy)
    came: list[int] = []
    problem: list[str] = []
    killed_after: list[int] = []

    def use_up() -> None:
        try:
            batches = service.distributed(
                images.batches(tf.constant(0, tf.int64)), address, processing_mode=kind
            )
            for _, places in batches:
                came.extend(places.numpy().tolist())
                if kill is not None and not killed_after and len(came) >= images.count / 4:
                    killed_after.append(len(came))
                    kill()
        except Exception as error:  # whatever TensorFlow raises is the answer
            problem.append(in_words(error))

    thread = threading.Thread(target=use_up, daemon=True)
    thread.start()
    thread.join(most_seconds)
    hung = thread.is_alive()
    times = np.bincount(came, minlength=images.count)
    return {
        "images": images.count,
        "once": int((times == 1).sum()),
        "more": int((times > 1).sum()),
        "missing": int((times == 0).sum()),
        "most": int(times.max()),
        "killed_after": sum(killed_after),
        "problem": f"no end after {most_seconds:.0f} s" if hung else "".join(problem),
    }


def in_words(error: Exception) -> str:
    """Return what TensorFlow found, without the way that it took through its processes."""
    line = str(error).strip().splitlines()[0]
    return line.rpartition("Failed to get element: ")[2].partition(": goo.gle")[0].strip()


def as_promised(policy: str, fault: str, found: dict[str, Any]) -> str:
    """Return whether what came is what a policy promises: ``yes`` or ``no``.

    It is ``refused`` if nothing came, and ``as far as it came`` without an end for want of a host.

    Args:
        policy: The policy.
        fault: What was killed.
        found: As `counted` returns it.
    """
    if found["problem"].startswith("no end"):
        return "as far as it came" if fault == "host" and found["more"] == 0 else "no"
    if found["problem"]:
        return "refused" if found["missing"] == found["images"] else "no"
    if policy == "OFF":
        whole = found["missing"] == 0 and found["most"] == WORKERS and found["once"] == 0
        return "yes" if whole or (fault == "worker" and found["missing"] == 0) else "no"
    whole = found["once"] == found["images"]
    if fault not in ("worker", "host"):
        return "yes" if whole else "no"
    if policy == "DYNAMIC":
        return "yes" if found["more"] == 0 else "no"
    return "yes" if found["missing"] == 0 else "no"
