"""Throughput against cores, from the option to the tables: a loader that scales, and one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loader_gate import cores
from loader_gate.machine.cores import processors
from loader_gate.registry.variant import BASELINE
from loader_gate.report.summary import summary
from tests.sessions import ONLY_BASELINE, Run, Sessions, loaders

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(processors() is None or cores() < 2, reason="needs affinity, and two cores")


@pytest.fixture(scope="module")
def sessions(new_sessions: Callable[[], Sessions]) -> Sessions:
    """A place for sessions."""
    return new_sessions()


@pytest.fixture(scope="module")
def run(sessions: Sessions) -> Run:
    """One session on one core and on all."""
    report = f"--report={sessions.folder / 'report.html'}"
    return sessions.run(*ONLY_BASELINE, *loaders("divided", "sleepy"), "--cores=1", "--budget=6", report)


@pytest.fixture(scope="module")
def found(run: Run) -> dict[str, dict[str, Any]]:
    """What is said of each variant."""
    assert run.code == 0, run.out + run.err
    return {each["variant"]: each for each in run.saved["loader_gate"]["cores"]["variants"]}


def test_each_is_measured_on_one_core_and_on_all(found: dict[str, dict[str, Any]]) -> None:
    """The loader itself is told of its cores, as it is what `cores` counts."""
    assert {*found} == {BASELINE, "divided", "sleepy"}
    for each in found.values():
        assert [(point["cores"], point["problem"]) for point in each["points"]] == [(1, ""), (cores(), "")]
    wide, alone = (found[name]["points"][-1]["speedup"] for name in ("divided", "sleepy"))
    assert wide["high"] > wide["value"] > 1.4 > alone["value"] > 0.7
    assert found["divided"]["serial_share"]["value"] < 0.5 < found["sleepy"]["serial_share"]["value"]


def test_tests_are_what_they_were(run: Run, found: dict[str, dict[str, Any]]) -> None:
    """No number of cores is a test of its own, and none is gated."""
    assert {*run.junit} == {*run.infos} == {*found}
    assert run.failures == {}


def test_tables(run: Run) -> None:
    """The terminal, the Markdown and the page have them."""
    table = run.out.partition("throughput against cores")[2]
    rows = [line.split()[:2] for line in table.splitlines()]
    assert ["divided", "1"] in rows
    assert ["divided", str(cores())] in rows
    assert "Throughput against cores" in summary(run.saved)
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert 'id="cores"' in page
    assert 'id="images-by-cores"' in page


def test_nothing_is_left(run: Run, sessions: Sessions) -> None:
    """Workers on fewer cores end with the others, and so do their folders."""
    assert run.code == 0
    sessions.check_nothing_is_left()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cores=1,1",), "--cores 1,1: 1 is there twice"),
        (("--cores=1", "--against=HEAD"), "leave --cores or --against out"),
        (
            ("--cores=1", "benchmarks/test_training.py", "--deselect=benchmarks/test_loading.py"),
            "no test of it is selected",
        ),
    ],
)
def test_what_is_refused(options: tuple[str, ...], words: str, sessions: Sessions) -> None:
    """Before anything is built, in one sentence."""
    refused = sessions.run(*ONLY_BASELINE, *options)
    assert refused.code == pytest.ExitCode.USAGE_ERROR
    assert words in refused.text + " ".join(refused.err.split())
