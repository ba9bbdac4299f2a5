"""The pytest items of a session of ours: of decorated loaders, and of what only the command line asks for."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loader_gate.plugin.books import passes_clock
from loader_gate.plugin.start import COMPARISON, NO_BOOKS, SUITE, WRONG, begin
from loader_gate.registry.decorators import DeclaredBenchmark, declared_of
from loader_gate.registry.kind import KINDS
from loader_gate.registry.variant import Variant
from loader_gate.text import printable_lines
from loader_gate.workloads.known import known_workloads

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from loader_gate.plugin.suite import Suite
    from loader_gate.runs.saved import Key

#: The variant that an item measures, where it is no parameter of a test.
_VARIANT = pytest.StashKey[Variant]()
_DECLARED = pytest.StashKey[DeclaredBenchmark]()
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

    There is none where it is only imported, nor by a second name.

    Args:
        collector: What holds the loader.
        name: The loader's name there.
        loader: The loader, or anything else.
    """
    declared = declared_of(loader)
    if not declared:
        return None
    home = _module_of(collector).obj
    declared = tuple(each for each in declared if each.module == home.__name__)
    in_class = isinstance(collector, pytest.Class)
    names = [each for each, value in vars(home).items() if value is loader]
    if not declared or (names and (in_class or name != _own_name(loader, names, home.__name__))):
        return []
    marks = getattr(loader, "pytestmark", [])
    wrong = "a loader is a function of a module, not of a class" if in_class else ""
    if any(mark.name == "parametrize" for mark in marks):
        wrong = "a loader takes (tree, spec) and nothing else, so it cannot be parametrized"
    if wrong:
        raise collector.CollectError(f"{collector.nodeid}::{name}: {wrong}; write one function for each.")
    if not collector.config.pluginmanager.has_plugin("benchmark"):
        raise collector.CollectError(NO_BOOKS)
    variant = _found(collector, name)
    items: list[pytest.Item | pytest.Collector] = []
    for each in declared:
        item = _item(collector, name, each.workload, variant, marks, loader)
        item.stash[_DECLARED] = each
        items.append(item)
    return items


def _own_name(loader: object, names: Sequence[str], module: str) -> str:
    """Return which of a module's names for a loader is its own: that of its ``def``, else the last."""
    defined = getattr(loader, "__name__", "") if getattr(loader, "__module__", "") == module else ""
    return defined if defined in names else names[-1]


def _item(
    parent: pytest.Collector,
    name: str,
    workload: str,
    variant: Variant,
    marks: Sequence[pytest.Mark] = (),
    shown_at: object = None,
) -> pytest.Function:
    """Return the item that measures a variant in a workload."""

    def measured(loader_gate_gate: Any, benchmark: Any) -> None:
        # By the name that it has once every loader is known.
        loader_gate_gate(workload, item.stash[_VARIANT].name, benchmark)

    about: dict[str, Any] = vars(measured)
    own = [pytest.mark.benchmark(group=workload, timer=passes_clock).mark, *marks]
    if parent.config.pluginmanager.has_plugin("timeout"):
        # The first item measures for all: --budget and --hang-after watch over it.
        own.append(pytest.mark.timeout(0).mark)
    about["pytestmark"] = own
    if inspect.isfunction(shown_at):
        about["place_as"] = shown_at
    item: pytest.Function = pytest.Function.from_parent(parent, name=f"{name}[{workload}]", callobj=measured)
    item.stash[_VARIANT] = variant
    return item


def _found(collector: pytest.Module | pytest.Class, name: str) -> Variant:
    """Return the variant of a decorated loader, named as if no other had its name."""
    file, module = collector.path.resolve(), _module_of(collector).obj.__name__
    root = _import_root(file, module)
    # Whatever the file is called, its imports may begin at the top of the repository.
    path = dict.fromkeys([*([root] if root else []), str(collector.config.rootpath)])
    return Variant(name, module, name, file=str(file), path=tuple(path))


def _module_of(collector: pytest.Module | pytest.Class) -> pytest.Module:
    module: pytest.Module | None = collector.getparent(pytest.Module)
    assert module is not None  # noqa: S101 (for mypy)
    return module


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
        (each.workload, item.stash[_VARIANT].floor_key): each.floor
        for item in decorated
        if (each := item.stash[_DECLARED]).floor is not None
    }
    loaders = dict.fromkeys(item.stash[_VARIANT] for item in decorated)
    known = known_workloads()
    first, of_decorated = (
        next(iter(known)),
        dict.fromkeys(each.stash[_DECLARED].workload for each in decorated),
    )
    named = [] if by_parameter else suite.named
    of_suite = [each for each in named if each.is_built_in and decorated]
    beside = [
        (variant, workload)
        for variant in of_suite
        for workload in of_decorated
        if variant.takes_part_in(known[workload])
    ]
    # What has to keep a floor needs a test that can fail.
    gated = [each for each in beside if suite.settings.gating.own_floor(each[1], each[0]) is not None]
    ungated = dict.fromkeys(variant for variant, workload in beside if (variant, workload) not in gated)
    try:
        suite.add_loaders([*loaders], floors, [*ungated])
    except WRONG as error:
        raise pytest.UsageError(printable_lines(str(error))) from error
    by_key = {each.floor_key: each for each in suite.variants}
    config.stash[COMPARISON].name_loaders(
        {key: each.name for key, each in by_key.items() if not each.is_built_in}
    )
    for item in decorated:
        item.stash[_VARIANT] = by_key[item.stash[_VARIANT].floor_key]
    _refuse_renamed(by_parameter, suite)
    alone = [
        (by_key[each.floor_key], first)
        for each in named
        if each not in of_suite and each.takes_part_in(known[first])
    ]
    items += _named_items(session, suite, [*gated, *alone])
    empty = [item for item in by_parameter if item.name.endswith("[NOTSET]")]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [item for item in items if item not in empty]


def _refuse_renamed(by_parameter: Iterable[pytest.Item], suite: Suite) -> None:
    """Refuse a decorated loader that another one's name has to change for, when that has its test already."""
    names = {*suite.absent, *(each.name for each in suite.variants)}
    for item in by_parameter:
        key = key_of(item)
        if key is not None and key[1] not in names and not item.name.endswith("[NOTSET]"):
            raise pytest.UsageError(
                f"{item.nodeid}: a decorated loader is named {key[1]}, too; rename one of the two functions, "
                "or measure them in two sessions."
            )


def _named_items(
    session: pytest.Session, suite: Suite, wanted: Iterable[tuple[Variant, str]]
) -> list[pytest.Item]:
    """Return the items of variants, each in a workload, that the command line names and no test measures."""
    parent = _CommandLine.from_parent(session, name="loader_gate", nodeid="loader_gate")
    items: list[pytest.Item] = []
    for variant, workload in wanted:
        marks = [each.mark for each in _skipped(suite, variant.name)]
        items.append(_item(parent, variant.name, workload, variant, marks))
    return items


def key_of(item: pytest.Item) -> Key | None:
    """Return the workload and the variant that an item measures; None if it is no benchmark of ours."""
    marker = item.get_closest_marker("benchmark")
    if marker is None or not isinstance(item, pytest.Function):
        return None
    workload = marker.kwargs.get("group")
    if not isinstance(workload, str) or workload not in known_workloads():
        return None
    if _VARIANT in item.stash:
        return workload, item.stash[_VARIANT].name
    params = getattr(getattr(item, "callspec", None), "params", {})
    by_parameter = "gate" in item.fixturenames and "variant" in params
    return (workload, str(params["variant"])) if by_parameter else None


def to_measure(items: Iterable[pytest.Item], absent: Collection[str]) -> list[Key]:
    """Return what items measure, without those that a mark skips.

    Args:
        items: Items, of which some may be no benchmarks of ours.
        absent: Variants that are not installed: that they are skipped is for the suite to say.
    """
    return [
        key
        for item in items
        if (key := key_of(item)) is not None and (key[1] in absent or not _is_skipped(item))
    ]


def _is_skipped(item: pytest.Item) -> bool:
    """Return whether a mark skips an item, as far as that can be told without evaluating a string."""
    for mark in item.iter_markers():
        conditions = [*mark.args, *([mark.kwargs["condition"]] if "condition" in mark.kwargs else [])]
        holds = any(each is True for each in conditions)
        if mark.name == "skip" or (mark.name == "skipif" and holds):
            return True
        not_run = mark.name == "xfail" and mark.kwargs.get("run", True) is False
        if not_run and (holds or not conditions) and not item.config.getoption("runxfail"):
            return True
    return False
