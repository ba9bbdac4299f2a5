"""What pytest always loads of the plugin: little, as most sessions are none of ours.

A session of ours begins when one of our options is given, or when a benchmark of ours is collected. Only then
is anything else imported, and are the hooks registered that judge and report (see ``start.py``).

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loader_gate.plugin.options import add_options, any_given

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_benchmark.fixture import BenchmarkFixture

    from loader_gate.trees.tree import Tree

#: Where the decorators come from: as long as nobody has imported it, nothing is decorated.
_DECORATORS = "loader_gate.registry.decorators"
#: The modules that know what was collected of ours.
_ITEMS = "loader_gate.plugin.items"
#: The values of ``--benchmark-compare`` and ``--benchmark-compare-fail``, until it is known whose they are.
_HELD_BACK: pytest.StashKey[tuple[object, object]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the options, at once if a conftest.py has loaded the plugin: too late for the hook below."""
    if any(
        Path(getattr(each, "__file__", None) or "").name == "conftest.py"
        for each in pluginmanager.get_plugins()
    ):
        add_options(parser)
        pluginmanager.register(_OptionsAreThere(), "loader_gate options")


class _OptionsAreThere:
    """Stands in the list of plugins for options that are registered."""


@pytest.hookimpl(trylast=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser) -> None:
    """Register the options otherwise, once plugins and conftest.py files have theirs."""
    if not early_config.pluginmanager.has_plugin("loader_gate options"):
        add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Begin a session if one of our options asks for it, before pytest-benchmark reads its own."""
    config.addinivalue_line("markers", "kinds(*names): the kinds of variants that a benchmark measures")
    compared = config.getoption("benchmark_compare", None)
    if isinstance(compared, str) and Path(compared).is_dir():
        raise pytest.UsageError(
            f"--benchmark-compare {compared}: a folder was taken for the run to compare with; put paths "
            f"first, as in `pytest {compared} --benchmark-compare`."
        )
    if any_given(config):
        from loader_gate.plugin.start import begin

        begin(config)
    elif compared:
        # Of a session of ours it is the last accepted run that is compared with, which pytest-benchmark does
        # not know of.
        config.stash[_HELD_BACK] = (compared, config.option.benchmark_compare_fail)
        config.option.benchmark_compare, config.option.benchmark_compare_fail = [], None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Item | pytest.Collector] | None:
    """Make one item a workload of a decorated loader function."""
    if _DECORATORS not in sys.modules:
        return None
    from loader_gate.plugin.items import items_of

    return items_of(collector, name, obj)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a benchmark that takes ``variant`` and ``gate`` once for each variant."""
    marker = metafunc.definition.get_closest_marker("benchmark")
    if marker is None or not {"variant", "gate"} <= set(metafunc.fixturenames):
        return
    from loader_gate.workloads.known import known_workloads

    workload = marker.kwargs.get("group")
    if isinstance(workload, str) and workload in known_workloads():
        from loader_gate.plugin.items import each_variant

        each_variant(metafunc, workload)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add what the command line asks for, and say what is wrong with it, before anything is left out."""
    if _ITEMS in sys.modules or any_given(session.config):
        from loader_gate.plugin.items import complete

        try:
            complete(session, items)
        except pytest.UsageError:
            items.clear()  # pytest goes on to list them
            raise


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let pytest-benchmark compare as it would have, if this is no session of ours."""
    if give_back(session.config):
        compare_anew(session.config)


def give_back(config: pytest.Config) -> bool:
    """Set the options of comparing to what they were given, and return whether they were something else."""
    if _HELD_BACK not in config.stash:
        return False
    config.option.benchmark_compare, config.option.benchmark_compare_fail = config.stash[_HELD_BACK]
    del config.stash[_HELD_BACK]
    return True


def compare_anew(config: pytest.Config) -> None:
    """Let pytest-benchmark read its options of comparing again, if it has read them."""
    books = getattr(config, "_benchmarksession", None)
    if books is not None:
        books.compare = config.option.benchmark_compare
        books.compare_fail = config.option.benchmark_compare_fail
        books.handle_loading()


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_benchmark_compare_machine_info() -> Generator[None]:
    """Let runs of other machines be compared with from any folder."""
    # Before it can warn of another machine, pytest-benchmark fails to shorten the path of a storage that is
    # not below the current folder. The comparison says of both machines what they are.
    with contextlib.suppress(ValueError):
        yield


@pytest.fixture(scope="session")
def loader_gate_tree(request: pytest.FixtureRequest) -> Tree:
    """The tree of decorated loaders, by a name that no fixture of somebody else has."""
    from loader_gate.plugin.trees import provided_tree

    return provided_tree(request.config)


@pytest.fixture(scope="session")
def image_tree(loader_gate_tree: Tree) -> Tree:
    """The tree that the options ask for, built and checked, the same for every test of the session."""
    return loader_gate_tree


@pytest.fixture
def loader_gate_gate(
    request: pytest.FixtureRequest, loader_gate_tree: Tree
) -> Callable[[str, str, BenchmarkFixture], None]:
    """The fixture ``gate`` of decorated loaders, by a name that no fixture of somebody else has."""
    return _gate(request, loader_gate_tree)


@pytest.fixture
def gate(request: pytest.FixtureRequest, image_tree: Tree) -> Callable[[str, str, BenchmarkFixture], None]:
    """Return a function that measures a variant in a workload, enters it into the books, and gates it."""
    return _gate(request, image_tree)


def _gate(request: pytest.FixtureRequest, tree: Tree) -> Callable[[str, str, BenchmarkFixture], None]:
    from loader_gate.plugin.gate import check

    return lambda workload, variant, benchmark: check(request, tree, workload, variant, benchmark)
