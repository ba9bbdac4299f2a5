"""The process that one variant lives in: builds it, checks it, and times its passes on request.

``worker/process.py`` starts it with the file descriptor of a connection; requests and answers
are JSON objects. Whatever the variant prints goes to stderr.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib
import importlib.util
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import psutil

import loader_gate
from loader_gate.same_work.check import Declared, check_epoch
from loader_gate.same_work.reference import Reference
from loader_gate.worker.consumers import Consumer, Drain, EmulatedAccelerator, EpochTimes, Model, Tally
from loader_gate.worker.timing import PassTiming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from loader_gate import Spec, Tree

HEARTBEAT_SECONDS = 1.0


class Loader:
    """A variant's loader function, called for one tree and one spec.

    Attributes:
        kind: The variant's kind.
        declared: What it says it delivers.
        build_seconds: What the call took.
        import_seconds: What of that importing modules took, such as TensorFlow.
        batches: Begins a fresh epoch whenever it is iterated.
    """

    def __init__(
        self, function: Callable[[Tree, Spec], Iterable[Any]], holder: Any, tree: Tree, spec: Spec
    ) -> None:
        """Call the loader once, and time it.

        Args:
            function: Takes ``(tree, spec)``, returns batches that end after one epoch.
            holder: What carries the declarations: the variant's module, or the function itself.
            tree: The images.
            spec: The epoch to deliver.
        """
        self.kind = getattr(holder, "KIND", "streaming")
        self.declared = Declared(
            interpolation=getattr(holder, "INTERPOLATION", None),
            dtype=getattr(holder, "DTYPE", "float32"),
            value_range=tuple(getattr(holder, "VALUE_RANGE", (0.0, 1.0))),
        )
        start = time.perf_counter()
        with _timed_imports() as imports:
            batches = function(tree, spec)
        self.build_seconds = time.perf_counter() - start
        self.import_seconds = sum(imports)
        self.batches: Iterable[Any] = batches
        if isinstance(batches, Iterator):
            self.batches = _CalledAnew(batches, lambda: function(tree, spec))


@contextlib.contextmanager
def _timed_imports() -> Iterator[list[float]]:
    """Take the seconds of each import statement of this thread that is not inside another one."""
    seconds: list[float] = []
    importing, thread, depth = builtins.__import__, threading.get_ident(), 0

    def timed(*arguments: Any, **named: Any) -> Any:
        nonlocal depth
        if threading.get_ident() != thread:
            return importing(*arguments, **named)
        start, depth = time.perf_counter(), depth + 1
        try:
            return importing(*arguments, **named)
        finally:
            depth -= 1
            if depth == 0:
                seconds.append(time.perf_counter() - start)

    builtins.__import__ = timed
    try:
        yield seconds
    finally:
        builtins.__import__ = importing


class _CalledAnew:
    """Makes epochs of a loader that returns an iterator (a generator, say), which is spent after one.

    The loader is called anew for each, on the clock, as its user would have to.
    """

    def __init__(self, first: Iterable[Any], again: Callable[[], Iterable[Any]]) -> None:
        self._first: Iterable[Any] | None = first
        self._again = again

    def __iter__(self) -> Iterator[Any]:
        first, self._first = self._first, None
        return iter(self._again() if first is None else first)


def run_pass(
    consumer: Consumer, batches: Iterable[Any], epochs: int, alive: Callable[[], None]
) -> PassTiming:
    """Use up some epochs, and time them.

    Args:
        consumer: Uses up an epoch.
        batches: Begins a fresh epoch whenever it is iterated.
        epochs: How many epochs make the pass.
        alive: Called after each batch.

    Raises:
        ValueError: An epoch was empty, or had other images or labels than the tree.
    """
    gc.collect()
    times: list[EpochTimes] = []
    peaks: list[int] = []
    teardown = 0.0
    cpu_before = _cpu_seconds()
    for _ in range(epochs):
        start = time.perf_counter()
        # The peak is read while child processes of the iterator are still there.
        times.append(consumer.epoch(batches, alive, lambda: peaks.append(_peak_rss_bytes())))
        teardown += time.perf_counter() - start - times[-1].end
    cpu = _cpu_seconds() - cpu_before
    busy = [each.utilisation for each in times if each.utilisation is not None]
    return PassTiming(
        seconds=sum(each.end for each in times) / epochs,
        first_batch_seconds=sum(each.first_batch for each in times) / epochs,
        teardown_seconds=teardown / epochs,
        cpu_seconds=cpu / epochs,
        peak_rss_bytes=max(peaks),
        epochs=epochs,
        accelerator_utilisation=sum(busy) / len(busy) if busy else None,
    )


def _cpu_seconds() -> float:
    """Return CPU seconds of this process, its ended children and its running descendants."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = time.process_time() + ended.ru_utime + ended.ru_stime
    for child in psutil.Process().children(recursive=True):
        try:
            used = child.cpu_times()
        except psutil.Error:  # it ended since it was listed
            continue
        total += used.user + used.system
    return total


def _peak_rss_bytes() -> int:
    """Return the sum of the peak resident sizes of this process and its running descendants."""
    peak = _peak_of(os.getpid())
    for child in psutil.Process().children(recursive=True):
        peak += _peak_of(child.pid)
    return peak


def _peak_of(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # no /proc, or the process has ended
        if pid != os.getpid():
            return 0
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(fields.get("VmHWM", "0 kB").split()[0]) * 1024


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Look for no garbage while modules are imported: what they make stays, and TensorFlow makes a lot.

    A loader that turns collecting off, or gives it other thresholds, has its way.
    """
    usual = gc.get_threshold()
    gc.set_threshold(0, *usual[1:])
    try:
        yield
    finally:
        if gc.get_threshold() == (0, *usual[1:]):
            gc.set_threshold(*usual)


def _settle() -> None:
    """Leave what was there before the passes out of them."""
    gc.collect()
    # What there is now stays: without it, the collection before a pass looks through the whole of TensorFlow,
    # which takes as long as a short pass.
    gc.freeze()
    _reset_peak_rss()


def _reset_peak_rss() -> None:
    """Let the peak begin anew, so that the check of the first epoch does not count (Linux only)."""
    with contextlib.suppress(OSError):  # the peak then includes the check's own memory
        Path("/proc/self/clear_refs").write_text("5")


def use_code_of(package: Path) -> None:
    """Import all that a variant may import from another revision: the variants, and each public name's home.

    The rest of ``loader_gate`` stays, and so do third-party packages: only what loaders run on is compared.

    Args:
        package: The folder of the other ``loader_gate``.
    """
    homes = _loaded("loader_gate.at_base", package / "__init__.py").HOMES
    loader_gate.HOMES.update(homes)
    for name in {*homes.values()}:
        _put_in_place(name, package.joinpath(*name.split(".")[1:]).with_suffix(".py"))
    _put_in_place("loader_gate.variants", package / "variants" / "__init__.py")


def _put_in_place(name: str, file: Path) -> None:
    """Import a module from this file, unless that has been done."""
    held = sys.modules.get(name)
    if held is not None and held.__file__ == str(file):
        return
    sys.modules[name] = module = _loaded(name, file)
    parent, _, last = name.rpartition(".")
    setattr(importlib.import_module(parent), last, module)


def _loaded(name: str, file: Path) -> ModuleType:
    folders = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    assert spec is not None  # noqa: S101 (for mypy)
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def import_file(name: str, file: Path) -> ModuleType:
    """Import a module from its file: by its name if that leads there, so that imports inside it work.

    Args:
        name: The name that pytest knows the module by, which may lead elsewhere or nowhere.
        file: The file.
    """
    spec = None
    with contextlib.suppress(ImportError, ValueError):  # nothing of that name, or no package around it
        spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin is not None and Path(spec.origin).resolve() == file.resolve():
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None  # noqa: S101 (for mypy)
    assert spec.loader is not None  # noqa: S101
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _require_inside(holder: Any, folder: Path) -> None:
    """Refuse a module that was imported from elsewhere than the revision that it is to be of."""
    file = getattr(holder, "__file__", None)
    if file is None or not Path(file).resolve().is_relative_to(folder.resolve()):
        raise ImportError(
            f"{holder.__name__} came from {file}, not from the revision checked out to {folder}; is it "
            "installed? An editable install that hooks into imports goes before any path: install it with "
            "`pip install --config-settings editable_mode=compat -e`, or uninstall it and set PYTHONPATH"
        )


class Worker:
    """Answers requests, one at a time, until the connection closes."""

    def __init__(self, connection: Connection) -> None:
        """Serve on ``connection``."""
        self._connection = connection
        self._requests: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._next_heartbeat = 0.0
        self._loader: Loader
        self._consumer: Consumer
        self._tree: Tree
        self._spec: Spec

    def serve(self) -> None:
        """Answer until the parent closes the connection."""
        threading.Thread(target=self._receive, daemon=True).start()
        while (request := self._requests.get()) is not None:
            try:
                answer = getattr(self, f"do_{request.pop('do')}")(**request)
            except Exception as error:
                with contextlib.suppress(OSError):  # the disk may be full that holds stderr
                    traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            self._send(answer)

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

    def _send(self, message: dict[str, Any]) -> None:
        self._connection.send_bytes(json.dumps(message).encode())

    def _alive(self) -> None:
        """Tell the parent now and then that batches still come."""
        now = time.perf_counter()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_SECONDS
            self._send({"alive": True})

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
    ) -> dict[str, Any]:
        """Import the variant and build it, and what uses its batches.

        A variant of another revision comes from ``package``, with all that it may import, and whatever comes
        from elsewhere than ``inside`` is refused.
        """
        if package is not None:
            use_code_of(Path(package))
        self._tree = loader_gate.Tree.read(Path(root), digest)
        self._spec = loader_gate.Spec(
            image_size=(spec["image_size"][0], spec["image_size"][1]),
            batch_size=spec["batch_size"],
            shuffle=spec["shuffle"],
            seed=spec["seed"],
            cache_dir=Path(spec["cache_dir"]),
        )
        holder: Any = importlib.import_module(module) if file is None else import_file(module, Path(file))
        if inside is not None:
            _require_inside(holder, Path(inside))
        load = getattr(holder, function)
        self._loader = Loader(load, holder if built_in else load, self._tree, self._spec)
        is_limit = built_in and self._loader.kind == "limit"
        self._consumer = Tally(self._tree) if is_limit else self._new_consumer(**consumer)
        _settle()
        return {
            "kind": self._loader.kind,
            "build_seconds": self._loader.build_seconds,
            "import_seconds": self._loader.import_seconds,
        }

    def _new_consumer(self, name: str, **settings: Any) -> Consumer:
        if name == "model":
            return Model(self._tree, self._spec, **settings)
        if name == "emulated":
            return EmulatedAccelerator(self._tree, self._spec, **settings)
        return Drain(self._tree)

    def do_check(self, reference: str) -> dict[str, Any]:
        """Hold one epoch against the reference decode; a limit's only has to be a whole one."""
        if isinstance(self._consumer, Tally):
            self._consumer.epoch(self._loader.batches, self._alive, lambda: None)
            _settle()
            return {"reason": None, "median_psnr": None}

        def batches() -> Iterator[Any]:
            for batch in self._loader.batches:
                self._alive()
                yield batch

        check = check_epoch(
            batches(), self._tree, self._spec, self._loader.declared, Reference.open(Path(reference))
        )
        _settle()
        return asdict(check)

    def do_pass(self, epochs: int) -> dict[str, Any]:
        """Time one pass."""
        return asdict(run_pass(self._consumer, self._loader.batches, epochs, self._alive))


def main() -> None:
    """Serve on the connection that the command line names."""
    connection = Connection(int(sys.argv[1]))
    with contextlib.suppress(OSError):  # if memory runs out, Linux ends a worker, not the session
        Path("/proc/self/oom_score_adj").write_text("1000")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    Worker(connection).serve()
    sys.stdout.flush()
    sys.stderr.flush()


if __name__ == "__main__":
    main()
