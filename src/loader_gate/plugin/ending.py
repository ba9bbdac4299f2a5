"""The end of a session: what is written, and whether it counts as a success."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loader_gate.plugin.benchmark_storage import save_whole
from loader_gate.plugin.confirming import has_nothing_left
from loader_gate.plugin.items import key_of, to_measure
from loader_gate.plugin.settings import options_of
from loader_gate.plugin.start import COMPARISON, SUITE, is_worker
from loader_gate.plugin.terminal_summary import compared_rows
from loader_gate.text import printable_lines
from loader_gate.verdict.floors import FloorsError

if TYPE_CHECKING:
    from collections.abc import Generator

    from loader_gate.plugin.suite import Suite


#: What becomes of the run that was saved; nothing if it was not.
ACCEPTANCE = pytest.StashKey[str]()
#: What could not be saved, when the session has ended.
_UNSAVED = pytest.StashKey[list[str]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Save, accept, report and tidy up; who interrupts that is told so, and gets no traceback."""
    config = session.config
    comparison, books = config.stash[COMPARISON], getattr(config, "_benchmarksession", None)
    if books is not None and books.compared_mapping:
        comparison.hide_what_differs(books.compared_mapping, Path(str(books.storage)))
    if books is not None:
        config.stash[_UNSAVED] = save_whole(books)
    doing = (
        "wrote what is kept: what was not written by then is not there, and what was there before is as it "
        "was"
    )
    try:
        yield
        _accept(session)
        _report(session)
        doing = "tidied up: all that is kept had been written by then"
        config.stash[SUITE].close()
    except KeyboardInterrupt as interrupt:
        session.exitstatus = pytest.ExitCode.INTERRUPTED
        _write_line(config, f"This session was {str(interrupt) or 'interrupted'} while it {doing}.")


def _accept(session: pytest.Session) -> None:
    """Accept the run that was saved if it has not failed, which is known only after all other hooks."""
    config = session.config
    if _is_accepted(session) and (problems := config.stash[COMPARISON].accept()):
        config.stash[ACCEPTANCE] = ""
        _fail(session)
        for problem in problems:
            _write_line(config, printable_lines(problem))
    if config.stash.get(ACCEPTANCE, ""):
        _write_line(config, printable_lines(config.stash[ACCEPTANCE]), failed=False)


def _fail(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _write_line(config: pytest.Config, words: str, failed: bool = True) -> None:
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None:
        terminal.write_line(words, red=failed)


def _report(session: pytest.Session) -> None:
    """Write the report if it is wanted; a session that fails, or was cut short, has one too."""
    config, path = session.config, options_of(session.config).report
    if path is None or config.option.collectonly or is_worker(config):
        return
    from loader_gate.report.make import write_session_report

    storage = Path(config.option.benchmark_storage.removeprefix("file://"))
    try:
        write_session_report(path, _as_saved(session), storage)
        words, failed = f"Report: {path}", False
    except OSError as error:
        words, failed = f"--report {path} could not be written: {error}.", True
        _fail(session)
    _write_line(config, words, failed)


def _as_saved(session: pytest.Session) -> dict[str, Any]:
    """Return the JSON that pytest-benchmark saves of this session if it is asked to."""
    config, books = session.config, getattr(session.config, "_benchmarksession", None)
    hook, commit = config.hook, config.hook.pytest_benchmark_generate_commit_info(config=config)
    hook.pytest_benchmark_update_commit_info(config=config, commit_info=commit)
    benchmarks = [] if books is None else books.benchmarks
    data = hook.pytest_benchmark_generate_json(
        config=config,
        benchmarks=benchmarks,
        include_data=False,
        machine_info={} if books is None else books.get_machine_info(),
        commit_info=commit,
    )
    hook.pytest_benchmark_update_json(config=config, benchmarks=benchmarks, output_json=data)
    saved: dict[str, Any] = json.loads(json.dumps(data, default=str))
    about = saved["loader_gate"]
    # Only what is kept can be accepted.
    about["accepted"] = _is_accepted(session) if config.stash.get(ACCEPTANCE, "") else None
    ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    about["session"] = {
        "failed": session.exitstatus != pytest.ExitCode.OK,
        "cut_short": not ended,
    }
    return saved


def _is_accepted(session: pytest.Session) -> bool:
    return session.config.stash[COMPARISON].is_accepted(
        passed=session.exitstatus == pytest.ExitCode.OK,
        failed=session.exitstatus == pytest.ExitCode.TESTS_FAILED,
    )


def _has_done_nothing(suite: Suite) -> str:
    """Return why a session is no success although no test of it fails, if that is so."""
    if not any(result.has_figures for result in suite.results.values()):
        return "Nothing was measured, so this run is no success."
    if suite.against and not any(result.is_compared for result in suite.results.values()):
        return "Nothing was compared with base, so this run is no success: see above why."
    return ""


@pytest.hookimpl(specname="pytest_sessionfinish", trylast=True)
def pytest_judge_session(session: pytest.Session, exitstatus: int) -> None:
    """Write floors if asked to; and do not let a run be green that has not done what it should."""
    config = session.config
    suite, comparison = config.stash[SUITE], config.stash[COMPARISON]
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and has_nothing_left(config):
        session.exitstatus = exitstatus = pytest.ExitCode.OK
    if unsaved := config.stash.get(_UNSAVED, []):
        suite.complaints += unsaved
        if exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if options_of(config).update_floors and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        try:
            suite.write_floors()
        except FloorsError as error:
            suite.complaints.append(str(error))
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    items = getattr(session, "items", [])
    # pytest-benchmark's --benchmark-skip marks all: that is no wish of whoever wrote a benchmark.
    is_skipping = config.getoption("benchmark_skip", False)
    selected = [*filter(key_of, items)] if is_skipping else to_measure(items, suite.absent)
    if selected and not config.option.collectonly and exitstatus == pytest.ExitCode.OK:
        nothing = _has_done_nothing(suite)
        if nothing:
            suite.complaints.append(nothing)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        failures = comparison.failures(compared_rows(config))
        if getattr(getattr(config, "_benchmarksession", None), "performance_regressions", []):
            failures.append("This run fails, as seconds are beyond --benchmark-compare-fail: see above.")
        if failures:
            suite.complaints += failures
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    failed = session.exitstatus != pytest.ExitCode.OK
    config.stash[ACCEPTANCE] = "" if unsaved else comparison.acceptance(_is_accepted(session), failed)
