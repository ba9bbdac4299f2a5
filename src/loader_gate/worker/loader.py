"""A variant's loader function, called and timed."""

from __future__ import annotations

import builtins
import contextlib
import gc
import importlib.util
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loader_gate.registry.kind import DEFAULT_KIND
from loader_gate.same_work.declared import DeclaredOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from loader_gate import Spec, Tree


class Loader:
    """A variant's loader function, called for one tree and one spec.

    Attributes:
        kind: The variant's kind.
        declared: What it says it delivers.
        shards: Whether it says that it heeds ``spec.shard``.
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

        Raises:
            ValueError: It declares something that cannot be checked, or has no epochs of one rank.
        """
        require_shards(holder, spec)
        self.kind = getattr(holder, "KIND", DEFAULT_KIND)
        self.declared = DeclaredOutput.of(holder)
        self.shards = bool(getattr(holder, "SHARDS", False))
        start = time.perf_counter()
        with _timed_imports() as imports:
            batches = function(tree, spec)
        self.build_seconds = time.perf_counter() - start
        self.import_seconds = sum(imports)
        self.batches: Iterable[Any] = batches
        if isinstance(batches, Iterator):
            self.batches = _CalledAnew(
                batches, lambda epoch: function(tree, replace(spec, seed=spec.seed + epoch))
            )


def require_shards(holder: Any, spec: Spec) -> None:
    """Refuse a loader for one rank of several unless it says that it heeds ``spec.shard``.

    Raises:
        ValueError: It does not; the message names it.
    """
    if getattr(spec, "shards", 1) > 1 and not getattr(holder, "SHARDS", False):
        raise ValueError(
            f"{holder.__name__.rpartition('.')[2]} has no epochs of one rank, and that of rank {spec.shard} "
            f"of {spec.shards} was asked for (spec.shard, spec.shards): deliver every spec.shards-th image "
            "of an epoch's order, and declare SHARDS = True"
        )


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

    The loader is called anew for each, on the clock, as its user would have to. It gets another seed, or one
    that draws its order from the seed would draw the same again.
    """

    def __init__(self, first: Iterable[Any], again: Callable[[int], Iterable[Any]]) -> None:
        self._first: Iterable[Any] | None = first
        self._again, self._epoch = again, 0

    def __iter__(self) -> Iterator[Any]:
        first, self._first = self._first, None
        if first is None:
            self._epoch += 1
            return iter(self._again(self._epoch))
        return iter(first)


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
