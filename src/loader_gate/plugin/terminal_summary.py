"""What is said at the end: in the terminal, and in the JSON of pytest-benchmark."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from loader_gate.plugin.selection import why_absent
from loader_gate.plugin.settings import options_of
from loader_gate.plugin.start import COMPARISON, CONFIRMED, SUITE, disabled
from loader_gate.plugin.trees import tree_request
from loader_gate.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Generator

    from loader_gate.advice.advice import Advice
    from loader_gate.runs.comparison import ComparedBenchmark

#: The map and the recommendation, made once: free memory changes.
_ADVICE: pytest.StashKey[Advice] = pytest.StashKey()


def _advice(config: pytest.Config) -> Advice | None:
    """Return the map and the recommendation; None if nothing was measured."""
    from loader_gate.advice.advice import advice_of_session

    suite = config.stash[SUITE]
    if _ADVICE not in config.stash and suite.extra_infos:
        tree = next(iter(suite.results.values())).tree
        config.stash[_ADVICE] = advice_of_session(
            suite.extra_infos, tree, tree_request(config), options_of(config)
        )
    return config.stash.get(_ADVICE, None)


def compared_rows(config: pytest.Config) -> list[ComparedBenchmark]:
    """Return what became of each benchmark; nothing if none could be measured."""
    if config.option.collectonly or disabled(config):
        return []
    return config.stash[COMPARISON].rows(why_absent(config))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None]:
    """Print the tables of verdicts and of the comparison, last of all."""
    from pytest_benchmark.session import PerformanceRegression

    from loader_gate.report.article import article_rows
    from loader_gate.report.terminal import article_table, cores_lines
    from loader_gate.scaling.about import about_cores

    # pytest-benchmark has said what it found; the session fails for it, but ends as any other.
    with contextlib.suppress(PerformanceRegression):
        yield
    suite, comparison = config.stash[SUITE], config.stash[COMPARISON]
    for workload in suite.results:
        terminalreporter.section(f"{workload}: speedup over the baseline")
        for line in suite.table(workload, colour=terminalreporter.hasmarkup):
            terminalreporter.write_line(line)
    if about := about_cores(suite.results, suite.settings.place.bindings):
        terminalreporter.section("throughput against cores")
        for line in cores_lines(about, colour=terminalreporter.hasmarkup):
            terminalreporter.write_line(line)
    rows = article_rows(suite.results)
    if rows:
        terminalreporter.section("the article, measured here")
        for line in article_table(rows, colour=terminalreporter.hasmarkup):
            terminalreporter.write_line(line)
    advice = _advice(config)
    which = advice.lines(colour=terminalreporter.hasmarkup) if advice is not None else []
    if which:
        terminalreporter.section("which variant to use")
        for line in which:
            terminalreporter.write_line(line)
    if comparison.wanted and not config.option.collectonly and not disabled(config):
        terminalreporter.section("compared with a saved run")
        for line in comparison.lines(compared_rows(config), colour=terminalreporter.hasmarkup):
            terminalreporter.write_line(line)
    for note in suite.notes:
        terminalreporter.write_line(printable_lines(note))
    for complaint in suite.complaints:
        terminalreporter.write_line(printable_lines(complaint), red=True)


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Leave out what changes from second to second, and say which machine this is."""
    for key in [key for key in machine_info.get("cpu", {}) if key.startswith("hz_")]:
        del machine_info["cpu"][key]
    suite = config.stash[SUITE]
    machine_info["fingerprint"] = suite.machine.fingerprint
    machine_info["description"] = suite.machine.describe()
    machine_info["versions"] = dict(suite.machine.versions)


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Say of the whole run what no single benchmark can."""
    about = config.stash[COMPARISON].as_json(why_absent(config))
    advice = _advice(config)
    of_variants = advice.as_json() if advice is not None else {}
    run = config.stash[CONFIRMED]
    confirms = {} if run is None else {"confirms": run.path.name}
    output_json["loader_gate"] = {**config.stash[SUITE].as_json(), **of_variants, **about, **confirms}
