"""The process that one variant lives in: builds it, checks it, and times its passes on request.

``worker/process.py`` starts it with the file descriptor of a connection; requests and answers
are JSON objects. Whatever the variant prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import loader_gate
from loader_gate.machine.processes import adopt_orphans, let_be_traced
from loader_gate.registry.kind import DEFAULT_KIND, kind_named, require_kind_of_a_loader
from loader_gate.registry.spec import AUGMENTS
from loader_gate.same_work.check import check_epoch
from loader_gate.same_work.cropped import Crops, check_crops, is_augmented
from loader_gate.same_work.fingerprints import Fingerprints
from loader_gate.same_work.reference import Reference
from loader_gate.same_work.words import DifferenceError
from loader_gate.text import in_words
from loader_gate.trees.pixels import allow_pixels_as_told
from loader_gate.worker.code_of_base import require_inside, use_code_of
from loader_gate.worker.cold import ColdStart, NotColdError
from loader_gate.worker.epoch import new_consumer
from loader_gate.worker.layout import draw_layout
from loader_gate.worker.loader import Loader, import_file, without_collecting
from loader_gate.worker.lock_probe import LockProbe
from loader_gate.worker.operations import is_of_tfdata, recorded
from loader_gate.worker.part import Part, left_over
from loader_gate.worker.passes import Passes, settle
from loader_gate.worker.ranks import ranks_problem
from loader_gate.worker.rehearsal import Rehearsal
from loader_gate.worker.stopwatch import Stopwatch

if TYPE_CHECKING:
    from loader_gate import Spec, Tree
    from loader_gate.same_work.check import SameWork

HEARTBEAT_SECONDS = 1.0
#: A first epoch of a limit is left after so long.
LONGEST_LIMIT_SECONDS = 10.0
#: Packages that take seconds to import, and start nothing that a fork would lack.
HEAVY = ("tensorflow", "keras", "torch", "cv2")
#: Environment variables that they set when they are imported.
SET_BY_HEAVY = {
    "ENABLE_RUNTIME_UPTIME_TELEMETRY",
    "HDF5_PLUGIN_PATH",
    "LD_LIBRARY_PATH",
    "TF2_BEHAVIOR",
    "TPU_ML_PLATFORM",
    "TPU_ML_PLATFORM_VERSION",
}


class Parent:
    """The other end of the connection: what it asks for, and what it is told."""

    def __init__(self, connection: Connection) -> None:
        """Talk on ``connection``, and listen from now on."""
        self._connection = connection
        self._requests: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._next_heartbeat = 0.0
        threading.Thread(target=self._receive, daemon=True).start()

    def next_request(self) -> dict[str, Any] | None:
        """Wait for the next request; None when the connection is closed."""
        return self._requests.get()

    def _receive(self) -> None:
        """Queue requests; end the whole process group when the parent has gone in the middle of one."""
        try:
            while True:
                self._requests.put(json.loads(self._connection.recv_bytes()))
        except (EOFError, OSError):
            self._requests.put(None)
        time.sleep(HEARTBEAT_SECONDS)  # the main thread leaves by itself unless it is busy
        if os.getpgid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    def send(self, message: dict[str, Any]) -> None:
        """Tell it something."""
        self._connection.send_bytes(json.dumps(message).encode())

    def alive(self) -> None:
        """Tell it now and then that batches still come."""
        now = time.perf_counter()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_SECONDS
            self.send({"alive": True})


class Worker:
    """Answers requests, one at a time, until the connection closes."""

    def __init__(self, connection: Connection) -> None:
        """Serve on ``connection``."""
        self._parent = Parent(connection)
        self._loader: Loader
        self._fingerprints: Fingerprints | None
        self._passes: Passes
        self._stopwatch = Stopwatch()
        self._probe: LockProbe | None = None
        self._rehearsal: Rehearsal | None = None
        self._cold_start: ColdStart
        self._tree: Tree
        self._spec: Spec

    def serve(self) -> None:
        """Answer until the parent closes the connection."""
        while (request := self._next_request()) is not None:
            try:
                answer = getattr(self, f"do_{request.pop('do')}")(**request)
            except DifferenceError as difference:
                answer = {"difference": str(difference)}
            except NotColdError as error:
                answer = {"not_cold": str(error)}
            except Exception as error:
                with contextlib.suppress(OSError):  # the disk may be full that holds stderr
                    traceback.print_exc()
                answer = {"error": in_words(error)}
            self._parent.send(answer)

    def _next_request(self) -> dict[str, Any] | None:
        with self._stopwatch.waiting():
            return self._parent.next_request()

    @without_collecting()
    def do_open(
        self,
        module: str,
        function: str,
        file: str | None,
        built_in: bool,
        package: str | None,
        inside: str | None,
        root: str,
        digest: str,
        spec: dict[str, Any],
        consumer: dict[str, Any],
        seed: int,
    ) -> dict[str, Any]:
        """Import the variant and build it, and what uses its batches.

        A variant of another revision comes from ``package``, with all that it may import, and whatever comes
        from elsewhere than ``inside`` is refused.
        """
        allow_pixels_as_told()
        environment = dict(os.environ)
        if package is not None:
            use_code_of(Path(package))
        self._tree = loader_gate.Tree.read(Path(root), digest)
        self._spec = _spec(spec)
        holder: Any = importlib.import_module(module) if file is None else import_file(module, Path(file))
        if inside is not None:
            require_inside(holder, Path(inside))
        load = getattr(holder, function)
        if not built_in:
            require_kind_of_a_loader(getattr(load, "KIND", DEFAULT_KIND))
        self._build = partial(Loader, load, holder if built_in else load)
        self._loader = self._build(self._tree, self._spec)
        self._cold_start = ColdStart(self._tree.paths, str(self._spec.cache_dir))
        declared = self._loader.declared
        traits = kind_named(self._loader.kind)
        is_limit = built_in and traits.is_limit
        if is_limit and not traits.hands_over_batches:
            consumer = {"name": "tally"}
        kind = Crops if is_augmented(self._spec) else Fingerprints
        self._fingerprints = None if is_limit else kind(self._tree, self._spec, declared, seed)
        self._passes = Passes(
            new_consumer(self._tree, self._spec, declared, **consumer),
            self._loader.batches,
            self._fingerprints,
            self._stopwatch,
            shuffle=self._spec.shuffle,
            alive=self._parent.alive,
        )
        with self._stopwatch.set_aside():
            settle()
        self._stopwatch.forget_idle()  # it was being built
        return {
            "kind": self._loader.kind,
            "build_seconds": self._loader.build_seconds,
            "import_seconds": self._loader.import_seconds,
            "imported": _imported(environment),
            "is_of_tfdata": is_of_tfdata(self._loader.batches),
        }

    def do_check(
        self, reference: str, fingerprints: str | None = None, batches: int | None = None
    ) -> dict[str, Any]:
        """Hold one epoch against the reference decode, and remember what its images look like.

        A limit's epoch only has to be a whole one. The answer says, too, how long the worker has been idle
        since its last pass, and the CPU seconds that it used meanwhile.

        Args:
            reference: The folder of the reference decode.
            fingerprints: Where to keep what is remembered, for `do_recall`; nowhere if not said.
            batches: Look only at so many, of an epoch that has more; it is remembered already what its images
                look like.
        """
        if self._fingerprints is None:
            # Of a long epoch, a part shows that it runs: there is nothing to hold it against.
            self._passes.run(epochs=1, part=Part(len(self._tree), seconds=LONGEST_LIMIT_SECONDS))
            return {"reason": None, "median_psnr": None}

        def taken() -> Iterator[Any]:
            for batch in islice(self._loader.batches, batches):
                self._parent.alive()
                yield batch

        with self._stopwatch.set_aside():
            idle = self._stopwatch.idle_seconds, self._stopwatch.idle_cpu_seconds
            decoded = Reference.open(Path(reference))
            if batches is None:
                self._fingerprints.begin(decoded)
            check = _checked(taken(), self._fingerprints, decoded, learn=batches is None)
            judge = self._passes.order_problem if batches is None else self._passes.part_problem
            reason = check.reason or judge(check.order)
            if reason is None and fingerprints is not None:
                self._fingerprints.save(Path(fingerprints))
                if self._loader.shards:
                    reason = ranks_problem(self._build, self._fingerprints, self._parent.alive)
            settle()
        if batches is not None:
            left_over(self._stopwatch)
        return {
            "reason": reason,
            "median_psnr": check.median_psnr,
            "not_told_apart": check.not_told_apart,
            "idle": idle,
        }

    def do_recall(self, reference: str, fingerprints: str) -> dict[str, Any]:
        """Remember what images look like that another process of the same code has delivered."""
        if self._fingerprints is not None:
            self._fingerprints.hold_against(Reference.open(Path(reference)))
            self._fingerprints.load(Path(fingerprints))
        return {}

    def do_rehearse(self, root: str, spec: dict[str, Any], is_plain: bool) -> dict[str, Any]:
        """Build the loader once more, on another tree, and let it have its first epoch there."""
        self._probe = self._probe or LockProbe()
        self._rehearsal = None  # what it holds may be as large as what the next one does
        with self._stopwatch.set_aside():
            gc.collect()
            self._probe.forget_forked()
            tree = loader_gate.Tree.read(Path(root), "")
            loader = self._build(tree, _spec(spec))
            self._rehearsal = Rehearsal(loader, tree, self._parent.alive, is_plain)
        return {}

    def do_observe(self, seconds: float) -> dict[str, Any]:
        """Use up epochs of what was rehearsed; see `Rehearsal.observe`."""
        assert self._rehearsal is not None  # noqa: S101 (it has been asked for)
        assert self._probe is not None  # noqa: S101
        with self._stopwatch.set_aside():
            return self._rehearsal.observe(seconds, self._probe)

    def do_pass(self, epochs: int, cold: bool = False, part: dict[str, Any] | None = None) -> dict[str, Any]:
        """Time one pass: of whole epochs, or of a `Part` of one, whose settings are given.

        A cold one begins with nothing of its data in the page cache, and has one epoch.
        """
        asked = None if part is None else Part(len(self._tree), **part)
        if not cold:
            return asdict(self._passes.run(epochs, asked))
        with self._stopwatch.set_aside():
            cached = self._cold_start.evict()
        return {**asdict(self._passes.run(1, asked)), "cached_share": cached}

    def do_record(self, seconds: float) -> dict[str, Any]:
        """Record what tf.data does for so many seconds, see ``operations.py``."""
        return recorded(self._loader.batches, seconds, self._parent.alive)

    def do_be_traced(self) -> dict[str, Any]:
        """Let a profiler look into this process."""
        let_be_traced()
        return {}


def _checked(batches: Iterator[Any], prints: Fingerprints, decoded: Reference, *, learn: bool) -> SameWork:
    """Return what the check of an epoch finds: of whole pictures, or of parts of them."""
    if isinstance(prints, Crops):
        return check_crops(batches, prints)
    told = prints.learn if learn else None
    return check_epoch(batches, prints.tree, prints.spec, prints.declared, decoded, told)


def _spec(spec: dict[str, Any]) -> Spec:
    """Return a spec that has come as JSON.

    Raises:
        DifferenceError: It asks for what loaders of this revision cannot know of.
    """
    augment = spec.get("augment", AUGMENTS[0])
    if augment != AUGMENTS[0] and not hasattr(loader_gate.Spec, "augment"):
        raise DifferenceError(f"this revision's loader_gate.Spec knows nothing of --augment {augment}")
    height, width = spec["image_size"]
    whole = {**spec, "image_size": (height, width), "cache_dir": Path(spec["cache_dir"])}
    # That of another revision may have fewer fields.
    return loader_gate.Spec(**{each.name: whole[each.name] for each in fields(loader_gate.Spec)})


def _imported(environment: dict[str, str]) -> dict[str, str] | None:
    """Return the files of heavy packages that are imported, by name.

    None if the loader has set a variable that they may have read then: in a process that is forked from one
    that has imported them, it would come too late.

    Args:
        environment: The environment variables before the loader was imported.
    """
    changed = {name for name, _ in {*environment.items()} ^ {*os.environ.items()}}
    if not changed <= SET_BY_HEAVY:
        return None
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in HEAVY}
    return {name: file for name, file in files.items() if file}


def serve(connection: Connection) -> None:
    """Answer on a connection until the parent closes it."""
    with contextlib.suppress(OSError):  # if memory runs out, Linux ends a worker, not the session
        Path("/proc/self/oom_score_adj").write_text("1000")
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever has started pytest may ignore it
    adopt_orphans()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    layout = draw_layout()
    Worker(connection).serve()
    del layout
    sys.stdout.flush()
    sys.stderr.flush()


def main() -> None:
    """Serve on the connection whose file descriptor the command line names."""
    serve(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
