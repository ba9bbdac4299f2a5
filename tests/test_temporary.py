"""Temporary folders: one stays while its owner lives, and goes with the next session if that was killed."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from loader_gate.machine.temporary import OwnedFolder, end_processes_in, remove_abandoned

#: Makes a folder, lets a process that is forked twice and heeds nothing live in it, and waits.
OWNER = """
import os, signal, subprocess, sys, time
from loader_gate.machine.temporary import OwnedFolder

folder = OwnedFolder()
code = (
    "import os, signal, sys, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); "
    "[signal.signal(each, signal.SIG_IGN) for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]; "
    "print(os.getpid(), flush=True); time.sleep(600)"
)
subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "TMPDIR": folder.name})
print(folder.name, flush=True)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let temporary files be in a folder of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def runs(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_one_in_use_stays() -> None:
    """Also for a process that holds it itself; and it is gone when it has been left."""
    with OwnedFolder() as name:
        (Path(name) / "file").write_text("here", encoding="utf-8")
        remove_abandoned()
        assert (Path(name) / "file").read_text(encoding="utf-8") == "here"
    assert not Path(name).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_a_kill_leaves_goes(temporary: Path) -> None:
    """The folder, and a process of a session of its own that ignores every signal that asks."""
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        said = [owner.stdout.readline().strip() for _ in range(2)]
        (child,) = (int(each) for each in said if each.isdecimal())
        (folder,) = (Path(each) for each in said if not each.isdecimal())
        remove_abandoned()
        assert folder.is_dir()
        assert runs(child)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdout.close()
    assert folder.parent == temporary
    remove_abandoned()
    assert not folder.exists()
    deadline = time.monotonic() + 30
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(child)


def test_what_cannot_be_removed_goes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else goes at once, also from a folder that may not be written to."""
    owned = OwnedFolder()
    name = Path(owned.name)
    refused, read_only = name / "refused", name / "read_only"
    for folder in (refused, read_only):
        folder.mkdir()
        (folder / "file").touch()
    (name / "link").symlink_to("nowhere")
    read_only.chmod(0o500)
    remove = shutil.rmtree

    def refuse(path: Path | str, ignore_errors: bool) -> None:
        if path != refused:
            remove(path, ignore_errors)

    with monkeypatch.context() as refusing:
        refusing.setattr(shutil, "rmtree", refuse)
        owned.cleanup()
    assert {each.name for each in name.iterdir()} == {"refused", ".owner"}
    remove_abandoned()
    assert not name.exists()


def test_what_the_next_session_cannot_remove_either_goes_later_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """What says whose a folder is goes last of all, whoever removes it."""
    owned = OwnedFolder()
    refused = Path(owned.name) / "refused"
    refused.mkdir()
    remove = shutil.rmtree

    def refuse(path: Path | str, ignore_errors: bool) -> None:
        """Remove what is in a folder, but not the folder "refused"."""
        if path != refused:
            for each in Path(path).iterdir():
                each.unlink() if each.is_file() else remove(each, ignore_errors)

    with monkeypatch.context() as refusing:
        refusing.setattr(shutil, "rmtree", refuse)
        owned.cleanup()
        remove_abandoned()
        assert refused.is_dir()
    remove_abandoned()
    assert not Path(owned.name).exists()


def test_an_interrupt_while_it_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Much takes its time to be removed; all of it goes, and whoever interrupts is heard."""
    owned = OwnedFolder()
    (Path(owned.name) / "dump").mkdir()
    (Path(owned.name) / "dump" / "file").touch()
    remove, interrupts = shutil.rmtree, [KeyboardInterrupt()]

    def interrupted(path: Path | str, ignore_errors: bool) -> None:
        if interrupts:
            raise interrupts.pop()
        remove(path, ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        owned.cleanup()
    assert not Path(owned.name).exists()


def test_what_is_written_while_it_is_removed_goes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is about to end may still write; the next session knows all the same whose it was."""
    owned = OwnedFolder()
    remove = shutil.rmtree

    def written_to(path: str, ignore_errors: bool) -> None:
        remove(path, ignore_errors)
        Path(path).mkdir()
        (Path(path) / "late").touch()

    with monkeypatch.context() as writing:
        writing.setattr(shutil, "rmtree", written_to)
        owned.cleanup()
    assert (Path(owned.name) / "late").exists()
    remove_abandoned()
    assert not Path(owned.name).exists()


def test_an_empty_folder_without_a_lock_goes(temporary: Path) -> None:
    """Its owner was killed between the two last steps, or the two first; with anything in it, it stays."""
    (temporary / "loader-gate-abcd_123").mkdir()
    (temporary / "loader-gate-full_123").mkdir()
    (temporary / "loader-gate-full_123" / "file").touch()
    with OwnedFolder() as name:
        remove_abandoned()
        assert {each.name for each in temporary.iterdir()} == {"loader-gate-full_123", Path(name).name}


def test_what_is_none_of_ours_stays(temporary: Path) -> None:
    """A folder without a lock, a link to a folder that has one, a file."""
    (temporary / "loader-gate-theirs").mkdir()
    (temporary / "loader-gate-file").write_text("", encoding="utf-8")
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".owner").write_text("", encoding="utf-8")
    (temporary / "loader-gate-link").symlink_to(elsewhere)
    before = sorted(temporary.iterdir())
    remove_abandoned()
    assert sorted(temporary.iterdir()) == before
    assert (elsewhere / ".owner").exists()


def test_this_process_goes_on() -> None:
    """It may have been started with that folder itself."""
    end_processes_in(Path(os.environ["TMPDIR"]))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a folder all the same; whether others' are in use nobody knows there, so they stay."""

    def none(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    with OwnedFolder() as name:
        remove_abandoned()
        assert Path(name).is_dir()
    assert not Path(name).exists()


def test_a_disk_that_fails_keeps_no_folder_that_is_nobodys(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a lock the next session would not know that it may be removed."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output error"):
        OwnedFolder()
    assert not [*temporary.iterdir()]
