"""Workers that are forked from a template: what they are like, and what happens to bad ones."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.trees.tree import Tree
from loader_gate.worker.forked import Templates
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.process import WorkerError, WorkerProcess, module_search_path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks workers")

NOTHING = Tree(Path(), (), (), (), "")
LOADER = """
import os, random, sys, tempfile, time
import numpy as np

def says(tree, spec):
    raise RuntimeError("|".join([
        str(os.getppid()), tempfile.gettempdir(), os.environ["ASKED_FOR"], str(np.random.random()),
        str(random.random()), str(os.getpgid(0) == os.getpid()), __file__,
    ]))

def quiet(tree, spec):
    import cv2
    return []

def tuned(tree, spec):
    os.environ["OMP_NUM_THREADS"] = "1"
    return quiet(tree, spec)

def lies(tree, spec):
    heap, mapped = bytearray(50_000), np.empty(1_000_000, np.uint8)
    heap = np.frombuffer(heap, np.uint8).ctypes.data
    lies = str(heap % 2**16), str(heap >> 16), str(mapped.ctypes.data >> 12)
    raise RuntimeError("|".join([str(os.getppid()), *lies]))

def leaves(tree, spec):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            (spec.cache_dir / "left").write_text(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    while not (spec.cache_dir / "left").exists():
        time.sleep(0.01)
    os.kill(os.getpid(), 9)

def dies(tree, spec):
    print("last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def templates() -> Iterator[Templates]:
    """Return templates, which are gone in the end."""
    with closing(Templates()) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with loaders that say what their process is like."""
    (tmp_path / "telling.py").write_text(LOADER)
    return tmp_path


@contextmanager
def forked(
    templates: Templates, folder: Path, function: str = "says", imported: dict[str, str] | None = None
) -> Iterator[WorkerProcess]:
    """Fork a worker of a loader."""
    variant = Variant(function, "telling", function)
    fork = templates.with_imported(imported or {})
    worker = WorkerProcess(variant, module_search_path(folder), WorkerLimits(60), fork=fork)
    try:
        yield worker
    finally:
        worker.end()


def said_by(worker: WorkerProcess, spec: Spec) -> list[str]:
    """Return what such a loader says."""
    with pytest.raises(WorkerError, match="raised RuntimeError") as error:
        worker.open(NOTHING, spec)
    return str(error.value).partition("RuntimeError: ")[2].partition(";")[0].split("|")


def test_a_fork_is_what_an_interpreter_would_be(
    templates: Templates, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the environment of now, a temporary folder and a group of its own, and draws as nobody else."""
    spec = Spec((8, 8), 2, shuffle=True, seed=0, cache_dir=tmp_path)
    said = []
    for asked in ("first", "second"):
        monkeypatch.setenv("ASKED_FOR", asked)
        with forked(templates, folder) as worker:
            said.append(said_by(worker, spec))
    (one, other) = said
    assert one[0] == other[0] != str(os.getpid())  # both are of one template
    assert one[1] != other[1]
    assert (one[2], other[2]) == ("first", "second")
    assert one[3] != other[3]
    assert one[4] != other[4]
    assert one[5] == other[5] == "True"
    assert one[6] == str(folder / "telling.py")


def test_what_a_fork_leaves(templates: Templates, folder: Path, tmp_path: Path) -> None:
    """A process of a session of its own is ended with it, though no variable tells whose it is."""
    spec = Spec((8, 8), 2, shuffle=True, seed=0, cache_dir=tmp_path)
    with forked(templates, folder, "leaves") as worker, pytest.raises(WorkerError, match="SIGKILL"):
        worker.open(NOTHING, spec)
    left = int((tmp_path / "left").read_text(encoding="utf-8"))
    deadline = time.monotonic() + 30
    while psutil.pid_exists(left) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(left)


def test_a_fork_that_dies(templates: Templates, folder: Path, tmp_path: Path) -> None:
    """How it ended is known, and so are its last words; the next one is none the worse."""
    spec = Spec((8, 8), 2, shuffle=True, seed=0, cache_dir=tmp_path)
    for _ in range(2):
        with (
            forked(templates, folder, "dies") as worker,
            pytest.raises(WorkerError, match=r"was killed by SIGKILL, .*last words"),
        ):
            worker.open(NOTHING, spec)


def test_nothing_is_left(folder: Path) -> None:
    """Neither the workers, nor the template."""
    before = {*psutil.Process().children(recursive=True)}
    with closing(Templates()) as templates, forked(templates, folder):
        started = {*psutil.Process().children(recursive=True)} - before
        assert len(started) == 2
    deadline = time.monotonic() + 10
    while any(each.is_running() for each in started) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [each for each in started if each.is_running()]


def test_what_is_set_before_an_import_is_not_too_late(
    templates: Templates, folder: Path, tiny_tree: Tree, tmp_path: Path
) -> None:
    """A loader that sets variables, which packages read when they are imported, is never forked."""
    spec = Spec((8, 8), 2, shuffle=True, seed=0, cache_dir=tmp_path)
    with forked(templates, folder, "quiet") as worker:
        assert worker.open(tiny_tree, spec)["imported"]["cv2"].endswith(".py")
    with forked(templates, folder, "tuned") as worker:
        assert worker.open(tiny_tree, spec)["imported"] is None


@pytest.mark.parametrize("imported", [{"numpy": "elsewhere.py"}, {"no_such_module": "nowhere.py"}])
def test_what_cannot_be_shared(
    imported: dict[str, str],
    templates: Templates,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a package would come from elsewhere than it did, an interpreter of its own is started."""
    monkeypatch.setenv("ASKED_FOR", "")
    spec = Spec((8, 8), 2, shuffle=True, seed=0, cache_dir=tmp_path)
    for _ in range(2):
        with forked(templates, folder, imported=imported) as worker:
            assert said_by(worker, spec)[0] == str(os.getpid())


@pytest.mark.parametrize("holes", [0, 200])
def test_memory_lies_elsewhere_in_each(
    holes: int, templates: Templates, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heap and what is mapped: else all of head would lie alike, and all of base, but elsewhere.

    What importing has left free in the heap is at the same places in all.
    """
    monkeypatch.setenv("PYTHONPATH", str(folder))
    heap = folder / "heap.py"
    heap.write_text(f"kept = [bytearray(60_000) for _ in range({2 * holes})]\ndel kept[::2]\n")
    spec = Spec((8, 8), 2, shuffle=True, seed=0, cache_dir=tmp_path)
    said = []
    for _ in range(8):
        with forked(templates, folder, "lies", {"heap": str(heap)}) as worker:
            said.append(said_by(worker, spec))
    template, *places = zip(*said, strict=True)
    assert len({*template}) == 1
    assert str(os.getpid()) not in template
    for of_each in places:
        assert len({*of_each}) >= 4, places
