"""What a session cannot write is said before it measures; what the system refuses later, in a sentence."""

from __future__ import annotations

import errno
import multiprocessing
import os
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import psutil
import pytest

from loader_gate.kept_files import why_not_written
from loader_gate.machine.lacking import free_descriptors, remedy
from loader_gate.plugin import places
from loader_gate.plugin.hooks import give_streams
from loader_gate.plugin.places import PlaceError, check_places
from loader_gate.plugin.suite import Suite
from loader_gate.session.dump_writer import about_disk
from loader_gate.trees.tree import Tree
from tests.sessions import ONE_LOADER

pytest_plugins = ("pytester",)


def options(**given: Any) -> Namespace:
    """Return what pytest-benchmark's options are by default, but for those given."""
    none = {"benchmark_json": None, "benchmark_autosave": None, "benchmark_save": None}
    return Namespace(**{**none, "benchmark_storage": "file://./.benchmarks", **given})


def test_where_a_file_can_be_written(tmp_path: Path) -> None:
    """The folder has to be there, unless it is made; a file of the system is one to write into."""
    (tmp_path / "file").write_text("")
    assert why_not_written(tmp_path / "run.json") == ""
    assert why_not_written(tmp_path / "no" / "run.json") == f"there is no folder {tmp_path / 'no'}"
    assert why_not_written(tmp_path / "no" / "more" / "run.json", makes_folders=True) == ""
    assert why_not_written(tmp_path / "file" / "run.json") == f"{tmp_path / 'file'} is no folder"
    below = tmp_path / "file" / "more" / "run.json"
    assert why_not_written(below, makes_folders=True) == f"{tmp_path / 'file'} is no folder"
    assert why_not_written(tmp_path) == f"{tmp_path} is a folder"
    assert why_not_written(Path(os.devnull)) == ""


def test_a_folder_that_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one of a read-only clone."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert why_not_written(tmp_path / "run.json") == f"{tmp_path} cannot be written to"


def test_places_of_results(tmp_path: Path) -> None:
    """The option is named; nobody looks at a storage that nothing is saved to."""
    (tmp_path / "file").write_text("")
    check_places(options(benchmark_storage=str(tmp_path / "file")))
    check_places(options(benchmark_storage="elasticsearch+http://host", benchmark_autosave="name"))
    check_places(options(benchmark_storage=f"file://{tmp_path / 'new'}", benchmark_save="name"))
    with pytest.raises(
        PlaceError, match=r"--benchmark-storage .*file is no folder, so .* name another place"
    ):
        check_places(options(benchmark_storage=str(tmp_path / "file"), benchmark_autosave="name"))
    with pytest.raises(PlaceError, match=r"--benchmark-json .*run.json: there is no folder"):
        check_places(options(benchmark_json=tmp_path / "no" / "run.json"))


@pytest.mark.parametrize("set_to", ["/nowhere", None])
def test_nowhere_for_temporary_files(set_to: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named."""

    def none() -> NoReturn:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.delenv("TMPDIR", raising=False)
    if set_to:
        monkeypatch.setenv("TMPDIR", set_to)
    with pytest.raises(PlaceError, match=f"TMPDIR is {set_to or 'not set'}.* set TMPDIR to one"):
        check_places(options())


def test_a_system_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing could be known of any process."""
    monkeypatch.setattr(places, "PROC", tmp_path / "self")
    with pytest.raises(PlaceError, match="/proc is not mounted"):
        check_places(options())
    monkeypatch.setattr(places, "PROC", None)
    check_places(options())


def test_a_system_without_semaphores(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where /dev/shm is read-only: Keras' generator could not be built."""

    def none(_: str) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(multiprocessing, "get_context", none)
    with pytest.raises(PlaceError, match=r"no semaphore can be made \(.*Read-only.*/dev/shm"):
        check_places(options())


def test_closed_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are some all the same, as pytest could not do without; open ones stay."""
    for name in ("stdin", "stdout"):
        monkeypatch.setattr(sys, name, None)
    error = sys.stderr
    give_streams()
    print("said to nobody")
    assert sys.stdin.read() == ""
    assert sys.stderr is error
    for stream in (sys.stdin, sys.stdout):
        stream.close()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "set TMPDIR to a folder on a larger one"),
        (errno.EROFS, "make that writable"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EAGAIN, "ulimit -u"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EIO, "see what is wrong there"),
    ],
)
def test_remedies(number: int, words: str) -> None:
    """Each says what to do."""
    assert words in remedy(OSError(number, os.strerror(number)))


def test_files_that_may_be_opened() -> None:
    """Each that is open is one less."""
    before = free_descriptors()
    with Path(os.devnull).open() as _:
        assert before - free_descriptors() in (1, 0)  # infinity less one is as much


def test_what_the_system_refuses(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails the workload's tests in a sentence with what to do, and shows no code."""

    def full(*_: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device", "/some/where")

    monkeypatch.setattr(Suite, "measure", full)
    monkeypatch.setattr("loader_gate.plugin.trees.provided_tree", lambda _: Tree)
    pytester.makepyfile(**ONE_LOADER)
    said = pytester.runpytest_inprocess("-p", "no:cacheprovider").stdout.str()
    assert "The workload loading could not be measured: [Errno 28] No space left on device" in said
    assert "free some of that disk, or set TMPDIR" in said
    assert "gate.py" not in said
    assert "warning" not in said  # of pytest-benchmark, that its fixture was not used


def test_memory_that_looks_like_a_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That dumps are there is said."""
    mount = SimpleNamespace(mountpoint=str(tmp_path), fstype="tmpfs")
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [mount])
    (note,) = about_disk(tmp_path)
    assert f"Dumps are in memory: {tmp_path} is on tmpfs." in note
    assert "set TMPDIR or --keep-dumps to a folder on a disk" in note
    mount.fstype = "ext4"
    assert about_disk(tmp_path) == ()
