"""The service across hosts: network namespaces with links of a bandwidth and a latency between them.

`isolated` runs this module in a namespace of its own, which holds trainer and dispatcher. Each worker is a
process in another one, at the other end of a link. All of it goes with the processes: nothing has a name that
could be left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.service import counted
from loader_gate.registry.spec import Spec
from loader_gate.trees.tree import Tree
from loader_gate.variants import tfdata_service as service

if TYPE_CHECKING:
    from subprocess import Popen

WORKERS = 2
PROGRAMS = ("unshare", "nsenter", "ip", "tc")
#: Where a worker serves: nobody else is on its host.
PORT = 5050
#: The dispatcher takes a worker for missing that says nothing for so long.
SILENT_MS = 10_000
#: How often a worker says that it is there.
HEARTBEAT_MS = 1_000
#: An epoch without a worker that does not come back is not waited for any longer.
GONE_SECONDS = 60.0
#: Bytes that may pass at once: more than a packet that the system cuts later, or none would ever pass.
BURST = 2**17


def unavailable() -> str:
    """Return why no host can be made here; nothing if it can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if sys.platform != "linux" or absent:
        return f"network namespaces need Linux and {', '.join(absent) or 'its tools'}"
    done = subprocess.run([*_alone(), "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no network namespace may be made here: {done.stderr.strip()}"


def _alone() -> list[str]:
    return ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def isolated(tree: Path, folder: Path, settings: Sequence[str]) -> dict[str, Any]:
    """Return what `measured` or `faults` finds, in a namespace of its own.

    Args:
        tree: The folder of the tree.
        folder: Where the answer may be written.
        settings: Options of this module.

    Raises:
        RuntimeError: It failed; the message is what it said last.
    """
    output = folder / "network.json"
    command = [*_alone(), sys.executable, "-m", "docs.service.network", str(tree), str(output), *settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"across namespaces: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return found


@dataclass
class Host:
    """Another host, with one worker of the service.

    Attributes:
        process: The worker's process.
        link: The name of our end of the link.
    """

    process: Popen[str]
    link: str

    @classmethod
    def start(cls, number: int, *where: str) -> Host:
        """Start one that waits for its network; in a namespace of its own, if nobody says where."""
        where = where or ("unshare", "--net")
        command = [*where, sys.executable, "-m", "docs.service.network", "--worker", str(number)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return cls(process, f"host{number}")

    def connect(self, number: int, port: int) -> None:
        """Make the link, and let the worker serve the dispatcher at a port of ours."""
        self._said("here")
        inside = [*self._inside(), "ip"]
        _run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self._pid)
        _run("ip", "address", "add", f"{_address(number, 1)}/24", "dev", self.link)
        _run("ip", "link", "set", self.link, "up")
        _run(*inside, "address", "add", f"{_address(number, 2)}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            _run(*inside, "link", "set", link, "up")
        self._serve(port)

    def restart(self, number: int, port: int) -> None:
        """Kill the worker, and start it anew at the same address."""
        with Path(f"/proc/{self._pid}/ns/net").open("rb") as network:  # which keeps the network
            self.end()
            where = "nsenter", f"--net=/proc/{os.getpid()}/fd/{network.fileno()}"
            self.process = Host.start(number, *where).process
            self._said("here")
        self._serve(port)

    def _serve(self, port: int) -> None:
        assert self.process.stdin is not None  # noqa: S101 (for mypy)
        self.process.stdin.write(f"{port}\n")
        self.process.stdin.flush()
        self._said("serves")

    def limit(self, megabits: float) -> None:
        """Let so many megabits a second leave it; 0 is no limit."""
        queue = [*self._inside(), "tc", "qdisc"]
        subprocess.run([*queue, "del", "dev", "eth0", "root"], capture_output=True, check=False)
        if megabits:
            shape = ("tbf", "rate", f"{megabits:g}mbit", "burst", str(BURST), "latency", "100ms")
            _run(*queue, "add", "dev", "eth0", "root", *shape)

    def delay(self, milliseconds: float) -> str:
        """Let packets take so long to it; return why that cannot be, or nothing."""
        command = [
            "tc",
            "qdisc",
            "replace",
            "dev",
            self.link,
            "root",
            "netem",
            "delay",
            f"{milliseconds:g}ms",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said = done.stderr.strip().replace("\n", " ")
        return f"left out: netem is not to be had here ({said})" if said else ""

    def received(self) -> int:
        """Return how many bytes have come from it."""
        said = json.loads(_run("ip", "-json", "-statistics", "link", "show", "dev", self.link))
        return int(said[0]["stats64"]["rx"]["bytes"])

    def end(self) -> None:
        """End the worker; link and namespace go with it."""
        self.process.kill()
        self.process.communicate()

    @property
    def _pid(self) -> str:
        return str(self.process.pid)

    def _inside(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._pid}/ns/net"]

    def _said(self, word: str) -> None:
        assert self.process.stdout is not None  # noqa: S101 (for mypy)
        if self.process.stdout.readline().strip() != word:
            raise RuntimeError("a worker in a namespace ended as it started")


def _address(number: int, end: int) -> str:
    return f"10.77.{number}.{end}"


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _work(number: int) -> None:
    """Serve as a worker, until whoever has started this process ends."""
    from tensorflow.data.experimental.service import WorkerConfig, WorkerServer

    print("here", flush=True)
    dispatcher = f"{_address(number, 1)}:{int(sys.stdin.readline())}"
    address = f"{_address(number, 2)}:{PORT}"
    server = WorkerServer(WorkerConfig(dispatcher, address, PORT, heartbeat_interval_ms=HEARTBEAT_MS))
    print("serves", flush=True)
    sys.stdin.read()
    del server
    os._exit(0)


@dataclass
class Hosts:
    """A dispatcher on this host, and workers on others.

    Attributes:
        dispatcher: Its process; it keeps a journal.
        workers: The other hosts.
    """

    dispatcher: service.Server
    workers: Sequence[Host]

    @classmethod
    @contextmanager
    def start(cls, journal: Path) -> Iterator[Hosts]:
        """Start all of it, and end it in the end.

        Args:
            journal: The folder for what the dispatcher has to remember.
        """
        with ExitStack() as stack:
            _run("ip", "link", "set", "lo", "up")
            workers = [Host.start(number) for number in range(WORKERS)]
            for host in workers:
                stack.callback(host.end)
            settings = {
                "work_dir": str(journal),
                "fault_tolerant_mode": True,
                "worker_timeout_ms": SILENT_MS,
            }
            hosts = cls(service.Server.start("DispatchServer", settings), workers)
            stack.callback(lambda: hosts.dispatcher.kill())
            hosts.dispatcher.wait()
            for number, host in enumerate(workers):
                host.connect(number, hosts.dispatcher.port)
            yield hosts

    @property
    def address(self) -> str:
        """Return the address of the dispatcher."""
        return f"grpc://localhost:{self.dispatcher.port}"

    def kill(self, fault: str) -> None:
        """Kill the dispatcher or a worker, which are started anew, or a worker's host for good."""
        if fault == "host":
            self.workers[0].end()
            return
        if fault == "worker":
            self.workers[0].restart(0, self.dispatcher.port)
            return
        self.dispatcher.kill()
        settings = {**self.dispatcher.settings, "port": self.dispatcher.port}
        self.dispatcher = service.Server.start("DispatchServer", settings)
        self.dispatcher.wait()


def faults(hosts: Hosts, tree: Tree, spec: Spec) -> dict[str, Any]:
    """Return what came of an epoch undisturbed, and with each fault; see `counted.epoch`.

    Args:
        hosts: The service.
        tree: The images.
        spec: The epoch to deliver.
    """
    images = service.Images(tree, spec, WORKERS)
    found = {}
    for fault in (*counted.FAULTS, "host"):
        kill = partial(hosts.kill, fault) if fault != "none" else None
        limit = GONE_SECONDS if fault == "host" else counted.MOST_SECONDS
        found[f"DYNAMIC {fault}"] = counted.epoch(images, hosts.address, "DYNAMIC", kill, limit)
    return found


def measured(
    hosts: Hosts, tree: Tree, spec: Spec, megabits: Sequence[float], milliseconds: float, epochs: int
) -> Any:
    """Return what came over links of each bandwidth, and over slow ones.

    Args:
        hosts: The service.
        tree: The images.
        spec: The epoch to deliver.
        megabits: A second, of each link; 0 is no limit.
        milliseconds: What a packet takes to a worker, of the slow ones.
        epochs: How many are timed of each; one before them is not.
    """
    link = _Link(tree, spec, hosts.address, hosts.workers)
    found: dict[str, Any] = {"bandwidth": {}, "latency": {}}
    for rate in megabits:
        for host in hosts.workers:
            host.limit(rate)
        found["bandwidth"][f"{rate:g}"] = link.epochs(epochs)
    for host in hosts.workers:
        host.limit(0)
    problem = "not asked for"
    if milliseconds:
        problem = "".join({host.delay(milliseconds) for host in hosts.workers})
    found["latency"] = {"problem": problem, "milliseconds": milliseconds}
    if not problem:
        found["latency"] |= link.epochs(epochs)
    return found


class _Link:
    """Epochs over the links to hosts."""

    def __init__(self, tree: Tree, spec: Spec, address: str, hosts: Sequence[Host]) -> None:
        self._images, self._count = service.Images(tree, spec, WORKERS), len(tree)
        self._address, self._hosts, self._begun = address, hosts, 0

    def epochs(self, number: int) -> dict[str, Any]:
        """Return what came in so many epochs, and how fast; of one before them only that."""
        counts, seconds, received = np.zeros(self._count, np.int64), 0.0, 0
        for epoch in range(number + 1):
            before, began = self._received(), time.perf_counter()
            counts += self._epoch()
            if epoch:
                seconds += time.perf_counter() - began
                received += self._received() - before
        return {
            "images_per_second": number * self._count / seconds,
            "megabits_per_second": 8 * received / seconds / 1e6,
            "bytes_per_image": received / number / self._count,
            "every_image_once": bool((counts == number + 1).all()),
        }

    def _epoch(self) -> Any:
        import tensorflow as tf

        self._begun += 1
        batches = self._images.batches(tf.constant(self._begun, tf.int64))
        batches = service.distributed(batches, self._address).take(self._images.steps)
        places = np.concatenate([each.numpy() for _, each in batches])
        return np.bincount(places, minlength=self._count)

    def _received(self) -> int:
        return sum(host.received() for host in self._hosts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure or count, or serve as one of the workers; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.service.network", description=__doc__)
    parser.add_argument("tree", type=Path, nargs="?", help="the folder of a tree")
    parser.add_argument("output", type=Path, nargs="?", help="the file to write, as JSON")
    parser.add_argument("--worker", type=int, metavar="N", help="serve as this worker")
    parser.add_argument("--image-size", type=int, default=224, metavar="PIXELS")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N")
    parser.add_argument("--megabits", type=float, nargs="+", default=[0, 1000, 100, 30], metavar="RATE")
    parser.add_argument("--milliseconds", type=float, default=20, metavar="DELAY")
    parser.add_argument("--epochs", type=int, default=3, metavar="N")
    parser.add_argument(
        "--faults", action="store_true", help="count what comes when something is killed; time nothing"
    )
    options = parser.parse_args(arguments)
    if options.worker is not None:
        _work(options.worker)
        return 0
    size = (options.image_size, options.image_size)
    spec = Spec(size, options.batch_size, shuffle=True, seed=0, cache_dir=options.output.parent)
    tree = Tree.read(options.tree, "")
    with Hosts.start(options.output.parent / "journal") as hosts:
        if options.faults:
            for host in hosts.workers:
                host.limit(options.megabits[0])
            found = faults(hosts, tree, spec)
        else:
            found = measured(hosts, tree, spec, options.megabits, options.milliseconds, options.epochs)
    options.output.write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
