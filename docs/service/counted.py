"""What each sharding policy delivers, counted: undisturbed, and with a process killed in mid-epoch."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from loader_gate.variants import tfdata_service as service

if TYPE_CHECKING:
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
    import tensorflow as tf

    kind = getattr(tf.data.experimental.service.ShardingPolicy, policy)
    cluster = service.Cluster(WORKERS, **(STATIC if policy in ("DATA", "FILE") else {}))
    images = service.Images(tree, spec, WORKERS)
    came: list[int] = []
    problem: list[str] = []

    def use_up() -> None:
        killed = fault == "none"
        try:
            batches = service.distributed(
                images.batches(tf.constant(0, tf.int64)), cluster.address, processing_mode=kind
            )
            for _, places in batches:
                came.extend(places.numpy().tolist())
                if not killed and len(came) >= len(tree) / 4:
                    killed = True
                    server = cluster.dispatcher if fault == "dispatcher" else cluster.workers[0]
                    os.kill(int(server.process.pid or 0), signal.SIGKILL)
        except Exception as error:  # whatever TensorFlow raises is the answer
            problem.append(in_words(error))

    thread = threading.Thread(target=use_up, daemon=True)
    thread.start()
    thread.join(MOST_SECONDS)
    hung = thread.is_alive()
    times = np.bincount(came, minlength=len(tree))
    cluster.stop()
    return {
        "images": len(tree),
        "once": int((times == 1).sum()),
        "more": int((times > 1).sum()),
        "missing": int((times == 0).sum()),
        "most": int(times.max()),
        "problem": f"no end after {MOST_SECONDS:.0f} s" if hung else "".join(problem),
    }


def in_words(error: Exception) -> str:
    """Return what TensorFlow found, without the way that it took through its processes."""
    line = str(error).strip().splitlines()[0]
    return line.rpartition("Failed to get element: ")[2].partition(": goo.gle")[0].strip()


def as_promised(policy: str, fault: str, found: dict[str, Any]) -> str:
    """Return whether what came is what a policy promises: ``yes`` or ``no``; ``refused`` if nothing came.

    Args:
        policy: The policy.
        fault: What was killed.
        found: As `counted` returns it.
    """
    if found["problem"]:
        return "no" if found["problem"].startswith("no end") else "refused"
    if policy == "OFF":
        whole = found["missing"] == 0 and found["most"] == WORKERS and found["once"] == 0
        return "yes" if whole or (fault == "worker" and found["missing"] == 0) else "no"
    whole = found["once"] == found["images"]
    if fault != "worker":
        return "yes" if whole else "no"
    if policy == "DYNAMIC":
        return "yes" if found["more"] == 0 else "no"
    return "yes" if found["missing"] == 0 else "no"
