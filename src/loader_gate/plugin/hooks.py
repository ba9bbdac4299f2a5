"""The pytest plugin: options, one measuring session a workload, the gate, and the table at the end."""

from __future__ import annotations

import argparse
import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loader_gate.plugin.benchmark_compare import Comparison
from loader_gate.plugin.benchmark_storage import CompareError
from loader_gate.plugin.interrupts import clean_end_on_sigterm
from loader_gate.plugin.selection import asked_for
from loader_gate.plugin.suite import Suite
from loader_gate.plugin.trees import tree_request
from loader_gate.registry.kind import KINDS
from loader_gate.registry.variant import RegistryError
from loader_gate.runs.comparison import parse_tolerance
from loader_gate.sizes import parse_size
from loader_gate.verdict.floors import FloorsError
from loader_gate.verdict.verdict import UndecidedWarning
from loader_gate.workloads.device import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_benchmark.fixture import BenchmarkFixture

    from loader_gate.advice.guide import Guide
    from loader_gate.runs.comparison import Absent, Row
    from loader_gate.runs.saved import Entry, Key
    from loader_gate.trees.tree import Tree

SESSION = pytest.StashKey[Suite]()
COMPARISON = pytest.StashKey[Comparison]()
#: Whether the run that was saved becomes a baseline, in a sentence.
VERDICT = pytest.StashKey[str]()
#: The map and the recommendation, made once: free memory changes.
GUIDE: pytest.StashKey[Guide] = pytest.StashKey()
#: The benchmarks that are going to run, and those that an option such as ``-k`` has taken out.
SELECTED: pytest.StashKey[set[Key]] = pytest.StashKey()
DESELECTED: pytest.StashKey[set[Key]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of measuring and gating."""
    group = parser.getgroup("image loaders", "how fast each way of loading images is")
    group.addoption(
        "--variant",
        action="append",
        default=[],
        metavar="NAME",
        help="measure only this variant and the baseline (may be given again); all takes every one that is "
        "installed, rivals too (default: the article's, the fast ones and the limits)",
    )
    group.addoption(
        "--loader",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="measure your own loader too: takes (tree, spec), returns batches (may be given again)",
    )
    group.addoption(
        "--image-size",
        type=int,
        metavar="PIXELS",
        help="height and width of images (default: 224; training on a CPU 96, on a GPU 256)",
    )
    group.addoption(
        "--batch-size",
        type=int,
        metavar="N",
        help="images a batch (default: 32; training on a GPU 256)",
    )
    group.addoption(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="where training runs: auto (a GPU if TensorFlow sees one, else the CPU), cpu, gpu, emulated (an "
        "accelerator that only waits, 4.14 times as fast as the baseline can feed it), or "
        "emulated:IMAGES_A_SECOND (default: auto)",
    )
    group.addoption(
        "--weights",
        metavar="FILE",
        help="weights of the training workload's MobileNetV2: a file, or imagenet (default: random ones)",
    )
    group.addoption(
        "--memory-limit",
        type=_size,
        metavar="SIZE",
        help="the most memory a worker may hold, such as 1.5G: a smaller machine to live in",
    )
    group.addoption(
        "--disk-limit", type=_size, metavar="SIZE", help="the most a dump may take on disk, such as 800M"
    )
    group.addoption(
        "--no-guard",
        action="store_true",
        help="start variants even if their cache or dump is predicted not to fit",
    )
    group.addoption(
        "--keep-dumps",
        type=Path,
        metavar="DIR",
        help="keep the dumps of the dump workload there, and use those that are (default: remove them)",
    )
    group.addoption("--profile", metavar="NAME", help="which floors (default: picked for this machine)")
    group.addoption(
        "--floor",
        action="append",
        default=[],
        metavar="VARIANT=X",
        help="the smallest speedup allowed for one variant in this run (may be given again)",
    )
    group.addoption(
        "--floors",
        type=Path,
        default=Path(__file__).parents[3] / "benchmarks" / "floors.toml",
        metavar="FILE",
        help="the file that holds the floors (default: the suite's own benchmarks/floors.toml)",
    )
    group.addoption(
        "--update-floors",
        action="store_true",
        help="write the floors this machine supports into the file of floors, instead of gating",
    )
    group.addoption(
        "--against",
        metavar="REV",
        help="compare this checkout with a git revision, variant by variant: a slower one fails",
    )
    group.addoption(
        "--against-python",
        type=Path,
        metavar="PATH",
        help="let the other side of the comparison run on this Python interpreter, such as one with another "
        "TensorFlow",
    )
    group.addoption(
        "--tolerance",
        type=parse_tolerance,
        default=0.03,
        metavar="PERCENT",
        help="the slowdown that is allowed, in percent (default: 3)",
    )
    group.addoption(
        "--gate",
        choices=("strict", "lenient"),
        default="lenient",
        help="whether an undecided variant fails (strict) or warns (lenient, the default)",
    )
    group.addoption(
        "--budget",
        type=float,
        metavar="SECONDS",
        help="the most measuring time a variant may take (default: 60; against a base 90)",
    )
    group.addoption(
        "--hang-after",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="how long a worker may go without a batch before it counts as hung (default: 120)",
    )
    group.addoption(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="write the report of this session, and of the saved runs before it, as one page",
    )
    group.addoption(
        "--accept",
        action="store_true",
        help="the slowdown is meant: accept this run as what later ones are compared with, though it fails",
    )


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def pytest_configure(config: pytest.Config) -> None:
    """Read and check every option, before anything is built or measured."""
    config.addinivalue_line("markers", "kinds(*names): the kinds of variants that a benchmark measures")
    config.add_cleanup(clean_end_on_sigterm())
    compared = config.getoption("benchmark_compare")
    if isinstance(compared, str) and Path(compared).is_dir():
        raise pytest.UsageError(
            f"--benchmark-compare {compared}: a folder was taken for the run to compare with; put paths "
            f"first, as in `pytest {compared} --benchmark-compare`."
        )
    if config.option.report is not None:
        _check_can_report(config.option.report)
    try:
        config.stash[SESSION] = Suite.from_options(
            config.option, config.invocation_params.dir, _disabled(config)
        )
        config.stash[COMPARISON] = Comparison(config.option, config.stash[SESSION].machine)
    except (CompareError, DeviceError, FloorsError, RegistryError) as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[COMPARISON].tell_pytest_benchmark()
    config.stash[SELECTED], config.stash[DESELECTED] = set(), set()


def _check_can_report(path: Path) -> None:
    from loader_gate.report.page.html import ReportError, check_can_write

    try:
        check_can_write(path, "--report")
    except ReportError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_sessionstart(session: pytest.Session) -> None:
    """Find the code to compare with, before anything is collected or measured."""
    suite = session.config.stash[SESSION]
    if suite.against and not session.config.option.collectonly:
        from loader_gate.base.revision import RevisionError

        try:
            suite.open_base()
        except RevisionError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the comparison took."""
    if SESSION in config.stash:
        config.stash[SESSION].close()


def _disabled(config: pytest.Config) -> str:
    """Return why pytest-benchmark will not time anything, or nothing if it will."""
    if _is_worker(config) or config.getoption("dist", "no") != "no":
        return "pytest-xdist runs tests side by side, which would disturb every timing: run without -n"
    if config.getoption("benchmark_disable") and not config.getoption("benchmark_enable"):
        return "--benchmark-disable was given: leave it out to measure"
    return ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a benchmark once for each variant."""
    if {"variant", "gate"} <= set(metafunc.fixturenames):
        about, only = map(metafunc.definition.get_closest_marker, ("benchmark", "kinds"))
        workload = "" if about is None else about.kwargs.get("group", "")
        kinds = KINDS if only is None else only.args
        suite = metafunc.config.stash[SESSION]
        variants = [
            pytest.param(variant.name, marks=_skipped(suite, variant.name))
            for variant in suite.variants
            if suite.takes_part(variant, workload, kinds)
        ]
        metafunc.parametrize("variant", variants)


def _skipped(suite: Suite, name: str) -> list[pytest.MarkDecorator]:
    """Return what skips a variant that is not installed; nothing if it is."""
    return [pytest.mark.skip(reason=f"{name} {suite.absent[name]}")] if name in suite.absent else []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the empty test that pytest makes of a benchmark without any variant."""
    empty = [item for item in items if _workload_of(item) is not None and item.name.endswith("[NOTSET]")]
    if empty:
        config.hook.pytest_deselected(items=empty)
        items[:] = [item for item in items if item not in empty]


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Remember which benchmarks are left out on purpose."""
    for item in items:
        item.config.stash[DESELECTED] |= _keys_of([item])


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember which benchmarks are going to run."""
    session.config.stash[SELECTED] = _keys_of(session.items)


def _keys_of(items: list[pytest.Item]) -> set[Key]:
    return {
        (workload, str(item.callspec.params.get("variant")))
        for item in items
        if isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
        and (workload := _workload_of(item)) is not None
    }


def _why_absent(config: pytest.Config) -> Callable[[Entry], Absent]:
    """Return a function that tells why a benchmark of a saved run has no figures in this session."""
    suite = config.stash[SESSION]
    chosen = {variant.name for variant in suite.variants}
    options = config.option

    def why(then: Entry) -> Absent:
        if then.variant in suite.absent:
            return "not run"
        if then.key in config.stash[SELECTED]:
            return "unmeasured"
        left_out = (
            then.key in config.stash[DESELECTED]
            or (then.variant not in chosen if options.variant else then.key in suite.on_request)
            # Files without a failure are not even collected.
            or config.getoption("lf", False)
            or not asked_for(
                then.node_id,
                config.args,
                config.rootpath,
                config.invocation_params.dir,
                options.ignore or (),
                options.ignore_glob or (),
            )
        )
        return "not run" if left_out else "missing"

    return why


@pytest.fixture
def gate(request: pytest.FixtureRequest, image_tree: Tree) -> Callable[[str, str, BenchmarkFixture], None]:
    """Return a function that measures a variant in a workload, enters it into the books, and gates it."""
    from loader_gate.plugin.trees import showing_progress

    session = request.config.stash[SESSION]
    comparison = request.config.stash[COMPARISON]

    def check(workload: str, variant: str, benchmark: BenchmarkFixture) -> None:
        if workload not in session.results:
            with showing_progress(request.config) as stream:
                session.measure(workload, _selected(request.session, workload), image_tree, stream)
        session.enter(workload, variant, benchmark)
        sentence = session.sentence(workload, variant)
        slower = comparison.enter(benchmark.extra_info, request.node.nodeid)
        if session.fails(workload, variant):
            pytest.fail(f"{sentence} {slower}".rstrip(), pytrace=False)
        if slower:
            pytest.fail(slower, pytrace=False)
        if session.results[workload].measurements[variant].verdict.status == "undecided":
            request.node.warn(UndecidedWarning(sentence))

    return check


def _selected(session: pytest.Session, workload: str) -> list[str]:
    """Return the variants whose test of this workload is going to run."""
    return [
        str(item.callspec.params["variant"])
        for item in session.items
        if isinstance(item, pytest.Function) and _workload_of(item) == workload
    ]


def _workload_of(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("benchmark")
    is_ours = isinstance(item, pytest.Function) and "gate" in item.fixturenames
    return marker.kwargs.get("group") if marker is not None and is_ours else None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None]:
    """Accept the run that was saved if it has not failed, which is known only after all other hooks."""
    config = session.config
    comparison, books = config.stash[COMPARISON], getattr(config, "_benchmarksession", None)
    if books is not None and books.compared_mapping:
        comparison.hide_what_differs(books.compared_mapping, Path(str(books.storage)))
    yield
    if _is_accepted(session):
        problem = comparison.accept()
        terminal = config.pluginmanager.getplugin("terminalreporter")
        if problem and terminal is not None:
            terminal.write_line(problem, red=True)
    if config.option.report is not None and not config.option.collectonly and not _is_worker(config):
        _report(session)


def _report(session: pytest.Session) -> None:
    """Write the report; a session that fails, or was cut short, has one too."""
    from loader_gate.report.make import write_session_report

    config, path = session.config, session.config.option.report
    terminal = config.pluginmanager.getplugin("terminalreporter")
    storage = Path(config.option.benchmark_storage.removeprefix("file://"))
    try:
        write_session_report(path, _as_saved(session), storage)
        words, failed = f"Report: {path}", False
    except OSError as error:
        words, failed = f"--report {path} could not be written: {error}.", True
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if terminal is not None:
        terminal.write_line(words, red=failed)


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
    about["accepted"] = _is_accepted(session) if config.stash.get(VERDICT, "") else None
    ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    about["session"] = {
        "failed": session.exitstatus != pytest.ExitCode.OK,
        "cut_short": not ended,
    }
    return saved


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _is_accepted(session: pytest.Session) -> bool:
    return session.config.stash[COMPARISON].is_accepted(
        passed=session.exitstatus == pytest.ExitCode.OK,
        failed=session.exitstatus == pytest.ExitCode.TESTS_FAILED,
    )


@pytest.hookimpl(specname="pytest_sessionfinish", trylast=True)
def pytest_judge_session(session: pytest.Session, exitstatus: int) -> None:
    """Write floors if asked to; and do not let a run be green that has not done what it should."""
    config = session.config
    suite, comparison = config.stash[SESSION], config.stash[COMPARISON]
    if config.option.update_floors and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        try:
            suite.write_floors()
        except FloorsError as error:
            suite.notes.append(str(error))
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    selected = [item for item in getattr(session, "items", []) if _workload_of(item) is not None]
    if selected and not config.option.collectonly and exitstatus == pytest.ExitCode.OK and not suite.measured:
        suite.notes.append("Nothing was measured, so this run is no success.")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        failures = comparison.failures(_compared(config))
        if getattr(getattr(config, "_benchmarksession", None), "performance_regressions", []):
            failures.append("This run fails, as seconds are beyond --benchmark-compare-fail: see above.")
        if failures:
            suite.notes += failures
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    failed = session.exitstatus != pytest.ExitCode.OK
    config.stash[VERDICT] = comparison.verdict(_is_accepted(session), failed)


def _guide(config: pytest.Config) -> Guide | None:
    """Return the map and the recommendation; None if nothing was measured."""
    from loader_gate.advice.guide import guide_of_session

    session = config.stash[SESSION]
    if GUIDE not in config.stash and session.extra_infos:
        tree = next(iter(session.results.values())).tree
        config.stash[GUIDE] = guide_of_session(session.extra_infos, tree, tree_request(config), config.option)
    return config.stash.get(GUIDE, None)


def _compared(config: pytest.Config) -> list[Row]:
    """Return what became of each benchmark; nothing if none could be measured."""
    if config.option.collectonly or _disabled(config):
        return []
    return config.stash[COMPARISON].rows(_why_absent(config))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None]:
    """Print the tables of verdicts and of the comparison, last of all."""
    from pytest_benchmark.session import PerformanceRegression

    # pytest-benchmark has said what it found; the session fails for it, but ends as any other.
    with contextlib.suppress(PerformanceRegression):
        yield
    session, comparison = config.stash[SESSION], config.stash[COMPARISON]
    for workload in session.results:
        terminalreporter.section(f"{workload}: speedup over the baseline")
        for line in session.table(workload, colour=terminalreporter.hasmarkup):
            terminalreporter.write_line(line)
    article = session.article(colour=terminalreporter.hasmarkup)
    if article:
        terminalreporter.section("the article, measured here")
        for line in article:
            terminalreporter.write_line(line)
    guide = _guide(config)
    which = guide.lines(colour=terminalreporter.hasmarkup) if guide is not None else []
    if which:
        terminalreporter.section("which variant to use")
        for line in which:
            terminalreporter.write_line(line)
    if comparison.wanted and not config.option.collectonly and not _disabled(config):
        terminalreporter.section("compared with a saved run")
        for line in comparison.lines(_compared(config), colour=terminalreporter.hasmarkup):
            terminalreporter.write_line(line)
    if config.stash.get(VERDICT, ""):
        terminalreporter.write_line(config.stash[VERDICT])
    for note in session.notes:
        terminalreporter.write_line(note, red=True)


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Leave out what changes from second to second, and say which machine this is."""
    for key in [key for key in machine_info.get("cpu", {}) if key.startswith("hz_")]:
        del machine_info["cpu"][key]
    session = config.stash[SESSION]
    machine_info["fingerprint"] = session.machine.fingerprint
    machine_info["description"] = session.machine.describe()
    machine_info["versions"] = dict(session.machine.versions)


@pytest.hookimpl(wrapper=True)
def pytest_benchmark_compare_machine_info() -> Generator[None]:
    """Let runs of other machines be compared with from any folder."""
    # Before it can warn of another machine, pytest-benchmark fails to shorten the path of a storage that is
    # not below the current folder. The comparison says of both machines what they are.
    with contextlib.suppress(ValueError):
        yield


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Say of the whole run what no single benchmark can."""
    about = config.stash[COMPARISON].as_json(_why_absent(config))
    guide = _guide(config)
    of_variants = guide.as_json() if guide is not None else {}
    output_json["loader_gate"] = {**config.stash[SESSION].as_json(), **of_variants, **about}
