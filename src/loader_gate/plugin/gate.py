"""What the fixture ``gate`` does: the first test of a workload measures, each says what came of its own."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from loader_gate.machine.lacking import remedy
from loader_gate.plugin.books import leave_out
from loader_gate.plugin.confirming import is_of_other_tree
from loader_gate.plugin.items import to_measure
from loader_gate.plugin.start import COMPARISON, SUITE
from loader_gate.plugin.trees import showing_progress
from loader_gate.text import printable_lines
from loader_gate.trees.tree import TreeError
from loader_gate.verdict.verdict import UndecidedWarning
from loader_gate.workloads.device import DeviceError

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from loader_gate.plugin.suite import Suite
    from loader_gate.runs.saved import Key
    from loader_gate.trees.tree import Tree

#: Why a benchmark is slower than a saved run, or nothing, of each that is in the books.
_SLOWER = pytest.StashKey[dict["Key", str]]()


def check(
    request: pytest.FixtureRequest, tree: Tree, workload: str, variant: str, benchmark: BenchmarkFixture
) -> None:
    """Measure a workload if that is still to do, enter a variant into the books, and gate it.

    Args:
        request: Of the test.
        tree: The images.
        workload: The workload.
        variant: The variant's name.
        benchmark: pytest-benchmark's fixture.
    """
    suite, slower = request.config.stash[SUITE], request.config.stash.setdefault(_SLOWER, {})
    if workload not in suite.results:
        try:
            _measure(request, suite, tree, workload)
        finally:
            if workload not in suite.results:
                leave_out(benchmark)
    key = workload, variant
    if key in slower:  # the test runs again
        leave_out(benchmark)
    else:
        suite.enter(workload, variant, benchmark)
        slower[key] = request.config.stash[COMPARISON].enter(benchmark.extra_info, request.node.nodeid)
    sentence = suite.sentence(workload, variant)
    if suite.fails(workload, variant):
        pytest.fail(f"{sentence} {slower[key]}".rstrip(), pytrace=False)
    if slower[key]:
        pytest.fail(slower[key], pytrace=False)
    if suite.results[workload].measurements[variant].verdict.status == "undecided":
        # Under `-W error` it would fail what only --gate strict may fail; the table says it all the same.
        with suppress(UndecidedWarning):
            request.node.warn(UndecidedWarning(sentence))


def _measure(request: pytest.FixtureRequest, suite: Suite, tree: Tree, workload: str) -> None:
    """Measure a workload; end the test, or the session, with why it could not be."""
    problem = is_of_other_tree(request.config, workload, tree)
    if problem:
        pytest.exit(printable_lines(problem), returncode=pytest.ExitCode.USAGE_ERROR)
    try:
        with showing_progress(request.config) as stream:
            suite.measure(workload, _selected(suite, request.session, workload), tree, stream)
    except OSError as error:
        problem = f"{error}: {remedy(error)}."
    except (DeviceError, TreeError) as error:  # such as a file that could be read when the tree was checked
        problem = str(error)
    if problem:
        reason = printable_lines(f"The workload {workload} could not be measured: {problem}")
        pytest.fail(reason, pytrace=False)


def _selected(suite: Suite, session: pytest.Session, workload: str) -> list[str]:
    """Return the variants whose test of this workload is going to run."""
    return [variant for each, variant in to_measure(session.items, suite.absent) if each == workload]
