"""Files that somebody keeps: whole or not at all, whoever is killed, and whoever else writes."""

from __future__ import annotations

import ast
import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytest_benchmark.storage.file import FileStorage

from loader_gate import kept_files
from loader_gate.history.keeping import import_runs
from loader_gate.kept_files import UNFINISHED, alone, write_whole
from loader_gate.plugin.benchmark_storage import save_whole
from loader_gate.runs.parsing import read_run
from loader_gate.statistics.estimate import Estimate
from loader_gate.verdict.floors_file import write_floors
from tests.sessions import ROOT
from tests.test_floors import MACHINE, TODAY
from tests.test_saved_runs import INFO, write_run

SOURCE = ROOT / "src" / "loader_gate"
#: Modules that write only what goes with the session, or can be made again from what is kept, and why.
OTHERS = {
    "bisect/packages.py": "a temporary environment",
    "bisect/project.py": "a temporary worktree",
    "bisect/step.py": "a temporary folder",
    "commands.py": "the output of a session",
    "gpu_check/sessions.py": "a temporary folder",
    "kept_files.py": "the shared writer",
    "machine/processes.py": "a file of the kernel",
    "pictures.py": "memory, of which the shared writer makes a file",
    "plugin/hooks.py": "the null device",
    "plugin/trees.py": "the null device",
    "same_work/fingerprints.py": "a temporary folder",
    "same_work/reference.py": "a temporary folder",
    "session/dumps.py": "a dump, which is of no use if it is damaged, and known to be",
    "trees/check.py": "the cache",
    "trees/coco.py": "the cache",
    "trees/drawn.py": "the cache",
    "trees/picture.py": "the cache",
    "trees/plain.py": "the cache",
    "trees/pool.py": "a pipe",
    "trees/synthetic.py": "the cache",
    "worker/serve.py": "a file of the kernel",
}


def _writes(node: ast.AST) -> bool:
    """Return whether a call writes a file by itself."""
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in ("open", "fdopen"):
        words = [each.value for each in [*node.args, *(key.value for key in node.keywords)][:3]
                 if isinstance(each, ast.Constant)]  # fmt: skip
        return any(isinstance(word, str) and word[:1] in ("w", "a", "x") and len(word) < 4 for word in words)
    return name in ("write_text", "write_bytes", "savefig", "write_table", "NamedTemporaryFile", "mkstemp")


def test_one_writer_writes_all_that_is_kept() -> None:
    """Only variants, and modules that write nothing which is kept, write by themselves."""
    found = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        if "variants" not in file.parts and any(map(_writes, ast.walk(ast.parse(file.read_bytes()))))
    }
    # In memory first: both hand what they have made to the writer.
    assert found - {"advice/map_picture.py", "history/export.py"} <= {*OTHERS}


def test_what_is_written(tmp_path: Path) -> None:
    """A new file has the rights that any has, an old one keeps its own, and a link stays a link."""
    other, file, link = tmp_path / "other", tmp_path / ("é" * 120), tmp_path / "link"
    other.write_text("")
    write_whole(file, "ä\n")
    assert file.read_bytes() == "ä\n".encode()
    assert file.stat().st_mode == other.stat().st_mode
    file.chmod(0o640)
    link.symlink_to(file)
    write_whole(link, b"\0")
    assert link.is_symlink()
    assert file.read_bytes() == b"\0"
    assert file.stat().st_mode & 0o777 == 0o640
    assert {*tmp_path.iterdir()} == {other, file, link}


def test_what_is_no_plain_file_is_written_into(tmp_path: Path) -> None:
    """A pipe stays one: nothing is moved over it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_bytes)
        write_whole(pipe, "words")
        assert read.result() == b"words"
    assert pipe.is_fifo()
    write_whole(Path(os.devnull), "words")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_an_error_changes_nothing(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, or somebody interrupts: what was there still is, and nothing else."""
    file = tmp_path / "run.json"
    file.write_text("before")

    def fail(_: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)):
        write_whole(file, "after")
    assert file.read_text() == "before"
    assert [*tmp_path.iterdir()] == [file]


#: Ends itself in the middle of writing: when the content is to reach the disk, or when it is to be moved.
KILLED = """
import os, pathlib, signal, sys
from loader_gate.kept_files import write_whole

def end(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[1] == "fsync":
    os.fsync = end
else:
    pathlib.Path.replace = end
write_whole(pathlib.Path(sys.argv[2]), "after" * 1000)
"""


@pytest.mark.parametrize("stage", ["fsync", "replace"])
def test_a_killed_writer_changes_nothing(stage: str, tmp_path: Path) -> None:
    """What was there is whole; what it began is removed by who writes next, and holds nobody up."""
    file = tmp_path / "run.json"
    file.write_text("before")
    done = subprocess.run([sys.executable, "-c", KILLED, stage, str(file)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(UNFINISHED)]
    write_whole(file, "after")
    assert file.read_text() == "after"
    assert [*tmp_path.iterdir()] == [file]


def test_who_never_ends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that is stopped while it writes stops no other for ever; the folder is named."""
    monkeypatch.setattr(kept_files, "WAIT_SECONDS", 0.05)
    holder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="another session has been writing there") as caught:
            write_whole(tmp_path / "run.json", "after")
        assert caught.value.filename == str(tmp_path)
    finally:
        os.close(holder)
    write_whole(tmp_path / "run.json", "after")


def test_a_folder_without_locks_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have none; unfinished files of others are left alone there."""

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    theirs = tmp_path / f".theirs{UNFINISHED}"
    theirs.write_text("")
    write_whole(tmp_path / "run.json", "after")
    assert {*tmp_path.iterdir()} == {theirs, tmp_path / "run.json"}


def test_floors_of_sessions_at_once_are_all_there(tmp_path: Path) -> None:
    """Each reads the file and writes it back: neither's floors are lost."""
    path, start, many = tmp_path / "floors.toml", threading.Barrier(4), 4

    def measure(session: int) -> None:
        start.wait()
        for low in (2.0, 3.0, 4.0):
            measured = {f"variant_{session}": Estimate(low, low, low, 9)}
            write_floors(path, "mine", "loading", measured, MACHINE, TODAY)

    with ThreadPoolExecutor(many) as sessions:
        [*sessions.map(measure, range(many))]
    text = path.read_text(encoding="utf-8")
    assert all(f"variant_{session} = 3.6" in text for session in range(many)), text
    assert [*tmp_path.iterdir()] == [path]


def test_runs_saved_at_once_have_a_number_each(tmp_path: Path) -> None:
    """Also those that pytest-benchmark saves under one name: neither is written over the other."""
    start = threading.Barrier(6)

    def save(session: int) -> None:
        logger = SimpleNamespace(info=lambda *_, **__: None)
        storage = FileStorage(tmp_path, logger=logger, default_machine_id="here")
        books = SimpleNamespace(
            storage=storage, json=tmp_path / "run.json", logger=logger, handle_saving=None
        )
        save_whole(books)
        start.wait()
        books.storage.save({"session": session}, "mine")
        books.save_json({"session": session})

    with ThreadPoolExecutor(6) as sessions:
        [*sessions.map(save, range(6))]
    saved = sorted((tmp_path / "here").iterdir())
    assert [each.name for each in saved] == [f"000{number}_mine.json" for number in range(1, 7)]
    assert len({each.read_text() for each in saved}) == 6
    assert (tmp_path / "run.json").read_text().startswith('{\n    "session": ')


def test_imports_at_once_are_all_there(tmp_path: Path) -> None:
    """Two take the next free number of one storage, one after the other."""
    storage, start = tmp_path / "storage", threading.Barrier(4)
    storage.mkdir()
    folders = []
    for number in range(4):
        folders.append(tmp_path / f"{number}" / "Linux-CPython-3.11-64bit")
        folders[-1].mkdir(parents=True)
        write_run(folders[-1] / "0001_run.json", INFO, run=f"run {number}")

    def take(folder: Path) -> None:
        start.wait()
        import_runs(storage, [folder])

    with ThreadPoolExecutor(4) as sessions:
        [*sessions.map(take, folders)]
    found = sorted(storage.glob("*/*.json"))
    assert [each.name for each in found] == [f"000{number}_run.json" for number in range(1, 5)]
    assert {read_run(each).run_id for each in found} == {f"run {number}" for number in range(4)}


def test_alone_means_one_after_the_other(tmp_path: Path) -> None:
    """Two threads are never both in."""
    inside: list[int] = []

    def enter(number: int) -> None:
        with alone(tmp_path):
            inside.append(number)
            time.sleep(0.001)
            assert inside == [number]
            inside.remove(number)

    with ThreadPoolExecutor(8) as threads:
        [*threads.map(enter, range(40))]


def test_a_disk_that_fills_up_while_it_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-benchmark goes on to its tables; what could not be written is said, and nothing is half."""
    logger = SimpleNamespace(info=lambda *_, **__: None)
    storage = FileStorage(tmp_path, logger=logger, default_machine_id="here")
    books = SimpleNamespace(storage=storage, json=tmp_path / "run.json", logger=logger, handle_saving=None)
    problems = save_whole(books)
    books.storage.save({"session": 1}, "mine")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.json")}

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    books.save_json({"session": 2})
    books.storage.save({"session": 2}, "mine")
    assert len(problems) == 2
    assert all("This run could not be saved: --benchmark-" in each for each in problems)
    assert all("No space left on device" in each for each in problems)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_no_process_that_tells_what_machine_it_is() -> None:
    """pytest-benchmark starts programs before it saves: that it may not is said, and its tables come."""

    def handle_saving() -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    books = SimpleNamespace(storage=None, json=None, handle_saving=handle_saving)
    problems = save_whole(books)
    books.handle_saving()
    (problem,) = problems
    assert problem.startswith("This run could not be saved: [Errno")
    assert "`ulimit -u`" in problem
