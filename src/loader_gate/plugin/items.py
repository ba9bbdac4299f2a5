"""The pytest items of a session of ours: of decorated loaders, and of what only the command line asks for."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loader_gate.plugin.books import passes_clock
from loader_gate.plugin.start import NO_BOOKS, SUITE, WRONG, begin
from loader_gate.registry.decorators import DeclaredBenchmark, declared_of
from loader_gate.registry.kind import KINDS
from loader_gate.registry.variant import Variant
from loader_gate.workloads.known import known_workloads

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loader_gate.plugin.suite import Suite
    from loader_gate.runs.saved import Key

#: The variant that an item measures, where it is no parameter of a test.
_VARIANT = pytest.StashKey[Variant]()
_DECLARED = pytest.StashKey[DeclaredBenchmark]()
#: The decorated loaders that were found, by the name that they have in this session.
_LOADERS = pytest.StashKey[dict[str, Variant]]()
#: Why the session could not begin in the middle of collecting, where pytest takes no wrong option.
_PROBLEM = pytest.StashKey[str]()


class _CommandLine(pytest.Collector):
    """The parent of items that no file has: what the command line asks for."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        """Return nothing: the items are added to those that were collected."""
        return []


def items_of(
    collector: pytest.Module | pytest.Class, name: str, loader: object
) -> list[pytest.Item | pytest.Collector] | None:
    """Return an item for each workload that a loader was declared a benchmark of; None if it was for none.

    Args:
        collector: What holds the loader.
        name: The loader's name there.
        loader: The loader, or anything else.
    """
    declared = declared_of(loader)
    if not declared:
        return None
    marks = getattr(loader, "pytestmark", [])
    wrong = (
        "a loader is a function of a module, not of a class" if isinstance(collector, pytest.Class) else ""
    )
    if any(mark.name == "parametrize" for mark in marks):
        wrong = "a loader takes (tree, spec) and nothing else, so it cannot be parametrized"
    if wrong:
        raise collector.CollectError(f"{collector.nodeid}::{name}: {wrong}; write one function for each.")
    if not collector.config.pluginmanager.has_plugin("benchmark"):
        raise collector.CollectError(NO_BOOKS)
    variant = _found(collector, name, loader)
    items: list[pytest.Item | pytest.Collector] = []
    for each in declared:
        item = _item(collector, name, each.workload, variant.name, marks, loader)
        item.stash[_VARIANT], item.stash[_DECLARED] = variant, each
        items.append(item)
    return items


def _item(
    parent: pytest.Collector,
    name: str,
    workload: str,
    variant: str,
    marks: Sequence[pytest.Mark] = (),
    shown_at: object = None,
) -> pytest.Function:
    """Return the item that measures a variant in a workload."""

    def measured(gate: Any, benchmark: Any) -> None:
        gate(workload, variant, benchmark)

    about: dict[str, Any] = vars(measured)
    own = [pytest.mark.benchmark(group=workload, timer=passes_clock).mark, *marks]
    if parent.config.pluginmanager.has_plugin("timeout"):
        # The first item measures for all: --budget and --hang-after watch over it.
        own.append(pytest.mark.timeout(0).mark)
    about["pytestmark"] = own
    if inspect.isfunction(shown_at):
        about["place_as"] = shown_at
    item: pytest.Function = pytest.Function.from_parent(parent, name=f"{name}[{workload}]", callobj=measured)
    return item


def _found(collector: pytest.Module | pytest.Class, name: str, loader: object) -> Variant:
    """Return the variant of a decorated loader, under a name that no other one has in this session."""
    found = collector.config.stash.setdefault(_LOADERS, {})
    module, function, file = _home(collector, name, loader)
    for each in found.values():
        if (each.file, each.function) == (str(file), function):
            return each
    own = function if function not in found else f"{module}.{function}"
    root = _import_root(file, module)
    # Whatever the file is called, its imports may begin at the top of the repository.
    path = dict.fromkeys([*([root] if root else []), str(collector.config.rootpath)])
    found[own] = Variant(own, module, function, file=str(file), path=tuple(path))
    return found[own]


def _home(collector: pytest.Module | pytest.Class, name: str, loader: object) -> tuple[str, str, Path]:
    """Return the module, name and file that a loader comes from, or where it is seen if that says nothing."""
    module, own = getattr(loader, "__module__", None), getattr(loader, "__name__", name)
    home = sys.modules.get(str(module))
    file = getattr(home, "__file__", None)
    if file is not None and getattr(home, own, None) is loader:
        return str(module), own, Path(file).resolve()
    module_here: pytest.Module | None = collector.getparent(pytest.Module)
    assert module_here is not None  # noqa: S101 (for mypy)
    return module_here.obj.__name__, name, collector.path.resolve()


def _import_root(file: Path, module: str) -> str:
    """Return the folder that a module is imported from; nothing if its name says nothing of that."""
    inner = file.parent if file.stem == "__init__" else file.with_suffix("")
    parts = tuple(module.split("."))
    root = Path(*inner.parts[: -len(parts)])
    return str(root) if inner.parts[-len(parts) :] == parts and root != Path(file.anchor) else ""


def each_variant(metafunc: pytest.Metafunc, workload: str) -> None:
    """Run a benchmark once for each variant of its kinds."""
    only = metafunc.definition.get_closest_marker("kinds")
    kinds = KINDS if only is None else only.args
    variants: list[Any] = []
    try:
        suite = begin(metafunc.config)
    except pytest.UsageError as error:
        metafunc.config.stash[_PROBLEM] = str(error)
    else:
        variants = [
            pytest.param(each.name, marks=_skipped(suite, each.name))
            for each in suite.variants
            if suite.takes_part(each, workload, kinds)
        ]
    metafunc.parametrize("variant", variants)


def _skipped(suite: Suite, name: str) -> list[pytest.MarkDecorator]:
    """Return what skips a variant that is not installed; nothing if it is."""
    return [pytest.mark.skip(reason=f"{name} {suite.absent[name]}")] if name in suite.absent else []


def complete(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Give the suite the loaders that were collected, and add the items of what the command line asks for.

    Args:
        session: pytest's session.
        items: All items that were collected.

    Raises:
        pytest.UsageError: An option, a setting or the name of a loader is wrong.
    """
    config = session.config
    if _PROBLEM in config.stash:
        raise pytest.UsageError(config.stash[_PROBLEM])
    ours = [item for item in items if key_of(item) is not None]
    if not ours and SUITE not in config.stash:
        return
    suite = begin(config)
    decorated = [item for item in ours if _DECLARED in item.stash]
    by_parameter = [item for item in ours if _DECLARED not in item.stash]
    floors = {
        (each.workload, item.stash[_VARIANT].name): each.floor
        for item in decorated
        if (each := item.stash[_DECLARED]).floor is not None
    }
    loaders = dict.fromkeys(item.stash[_VARIANT] for item in decorated)
    named = [] if by_parameter else suite.named
    ungated = [each for each in named if each.is_built_in and decorated]
    try:
        suite.add_loaders([*loaders], floors, ungated)
    except WRONG as error:
        raise pytest.UsageError(str(error)) from error
    items += _named_items(session, suite, [each for each in named if each not in ungated])
    empty = [item for item in by_parameter if item.name.endswith("[NOTSET]")]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [item for item in items if item not in empty]


def _named_items(session: pytest.Session, suite: Suite, variants: Iterable[Variant]) -> list[pytest.Item]:
    """Return the items of variants that the command line names and no test measures."""
    parent = _CommandLine.from_parent(session, name="loader_gate", nodeid="loader_gate")
    items: list[pytest.Item] = []
    for variant in variants:
        marks = [each.mark for each in _skipped(suite, variant.name)]
        items.append(_item(parent, variant.name, next(iter(known_workloads())), variant.name, marks))
        items[-1].stash[_VARIANT] = variant
    return items


def key_of(item: pytest.Item) -> Key | None:
    """Return the workload and the variant that an item measures; None if it is no benchmark of ours."""
    marker = item.get_closest_marker("benchmark")
    if marker is None or not isinstance(item, pytest.Function) or "gate" not in item.fixturenames:
        return None
    workload = marker.kwargs.get("group")
    if not isinstance(workload, str) or workload not in known_workloads():
        return None
    if _VARIANT in item.stash:
        return workload, item.stash[_VARIANT].name
    params = getattr(getattr(item, "callspec", None), "params", {})
    return (workload, str(params["variant"])) if "variant" in params else None
