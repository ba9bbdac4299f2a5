"""Sessions of the tf.data service: one of its own, one that is there, and a policy that delivers no epoch."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sessions import SMALL_BUDGET, Run, Sessions, loaders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME, ALL = "tfdata_service", "once_a_worker"
#: Starts a dispatcher, which keeps what it is asked for in a folder, and a worker; ends with its input.
A_SERVICE = """
import sys
from tensorflow.data.experimental import service
config = service.DispatcherConfig(work_dir=sys.argv[1], fault_tolerant_mode=True)
dispatcher = service.DispatchServer(config)
worker = service.WorkerServer(service.WorkerConfig(dispatcher.target.partition("://")[2]))
print(dispatcher.target, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def short() -> Iterator[Path]:
    """A temporary folder with a short name: sockets lie in it, whose names may not be long."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def own(new_sessions: Callable[[], Sessions], short: Path) -> Run:
    """A session that starts what it needs, with a loader that lets each of two workers make all images."""
    sessions = new_sessions()
    sessions.temporary, sessions.environment["TMPDIR"] = short, str(short)
    run = sessions.run("--variant", NAME, "--variant", ALL, *loaders(ALL), SMALL_BUDGET)
    sessions.check_nothing_is_left()
    return run


def test_it_is_measured(own: Run) -> None:
    """Each image came once in every epoch, in new orders."""
    assert own.infos[NAME]["images"] == 24, own.out + own.err
    assert own.infos[NAME]["shuffle_quality"] > 0
    assert "service" not in own.infos[NAME]
    assert NAME not in own.failures


def test_a_policy_that_delivers_no_epoch(own: Run) -> None:
    """It is named, with what it promises and which one promises an epoch."""
    assert {*own.unmeasured} == {ALL}
    for words in (" of 24 images came from", "ShardingPolicy.OFF, promises each image once a worker"):
        assert words in own.unmeasured[ALL]
    assert "takes ShardingPolicy.DYNAMIC" in own.unmeasured[ALL]
    assert own.code == pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    """The address of a dispatcher with one worker, which keeps its journal in the test's folder."""
    command = [sys.executable, "-c", A_SERVICE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def test_a_service_that_is_there(service: str, tmp_path: Path, new_sessions: Callable[[], Sessions]) -> None:
    """It makes the images, and the JSON says which one did; a baseline is the same with and without."""
    sessions = new_sessions()
    run = sessions.run("--variant", NAME, f"--service={service}", SMALL_BUDGET)
    assert run.code == 0, run.out + run.err
    assert run.unmeasured == {}
    assert [info.get("service") for info in run.infos.values()].count(service) == 1
    assert run.infos[NAME]["service"] == service
    # What it has been asked to make: an epoch has a graph of its own.
    assert len([*(tmp_path / "datasets").iterdir()]) > 1
    sessions.check_nothing_is_left()
