"""The beginning of a session of ours: options are checked, and the hooks registered that judge and report."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest

from loader_gate.plugin.benchmark_storage import CompareError
from loader_gate.plugin.earlier_runs import EarlierRuns
from loader_gate.plugin.hooks import compare_anew, give_back
from loader_gate.plugin.interrupts import clean_end_when_told
from loader_gate.plugin.settings import SettingsError, options_of
from loader_gate.plugin.suite import Suite
from loader_gate.plugin.trees import tree_request
from loader_gate.registry.variant import RegistryError
from loader_gate.runs.confirmation import ConfirmError, EarlierRun, read_earlier_run
from loader_gate.text import printable_lines
from loader_gate.trees.tree import TreeError
from loader_gate.verdict.floors import FloorsError
from loader_gate.workloads.device import DeviceError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

SUITE = pytest.StashKey[Suite]()
COMPARISON = pytest.StashKey[EarlierRuns]()
#: The run that this session goes on with, if it does.
CONFIRMED = pytest.StashKey[EarlierRun | None]()
#: What an option or setting can be wrong by; the message is for the user.
WRONG = (CompareError, ConfirmError, DeviceError, FloorsError, RegistryError, SettingsError, TreeError)
NO_BOOKS = "loader-gate enters what it measures into pytest-benchmark: leave out -p no:benchmark."
_HOOKS = tuple(
    f"loader_gate.plugin.{name}"
    for name in ("selection", "confirming", "terminal_summary", "timeouts", "ending", "annotations")
)


def begin(config: pytest.Config) -> Suite:
    """Begin the session, unless it has begun, and return it.

    Raises:
        pytest.UsageError: An option or a setting is wrong.
    """
    if SUITE in config.stash:
        return config.stash[SUITE]
    if not config.pluginmanager.has_plugin("benchmark"):
        raise pytest.UsageError(NO_BOOKS)
    give_back(config)
    try:
        options = options_of(config)
        tree_request(config).check()
        if options.report is not None:
            _check_can_report(options.report)
        config.stash[CONFIRMED] = _confirmed(options)
        suite = Suite.from_options(options, config.invocation_params.dir, disabled(config))
        comparison = EarlierRuns(options, suite.machine)
    except WRONG as error:
        raise pytest.UsageError(printable_lines(str(error))) from error
    comparison.tell_pytest_benchmark()
    for name in ("benchmark_compare", "benchmark_compare_fail"):
        setattr(config.option, name, getattr(options, name))
    config.stash[SUITE], config.stash[COMPARISON] = suite, comparison
    config.add_cleanup(clean_end_when_told())
    config.add_cleanup(suite.close)
    for name in _HOOKS:
        config.pluginmanager.register(importlib.import_module(name), name)
    compare_anew(config)
    return suite


def _confirmed(options: argparse.Namespace) -> EarlierRun | None:
    """Return the run that this session is to go on with, if it is."""
    if options.confirm is None:
        return None
    if options.against is None or options.against_python is not None:
        raise ConfirmError(
            f"--confirm {options.confirm}: only a comparison with a git revision can go on with an earlier "
            "one; add --against REV, without --against-python."
        )
    return read_earlier_run(options.confirm)


def _check_can_report(path: Path) -> None:
    from loader_gate.report.page.html import ReportError, check_can_write

    try:
        check_can_write(path, "--report")
    except ReportError as error:
        raise pytest.UsageError(printable_lines(str(error))) from error


def disabled(config: pytest.Config) -> str:
    """Return why pytest-benchmark will not time anything, or nothing if it will."""
    if is_worker(config) or config.getoption("dist", "no") != "no":
        return "pytest-xdist runs tests side by side, which would disturb every timing: run without -n"
    if config.getoption("benchmark_disable") and not config.getoption("benchmark_enable"):
        return "--benchmark-disable was given: leave it out to measure"
    return ""


def is_worker(config: pytest.Config) -> bool:
    """Return whether this is a worker process of pytest-xdist."""
    return hasattr(config, "workerinput")
