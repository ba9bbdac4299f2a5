"""Builds the sdist and the wheel and checks what is in them, for ``wheel.py`` and ``release.py``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What a command may take: the longest installs TensorFlow.
MOST_SECONDS = 900.0


class CheckError(Exception):
    """Something is not as it should be; the message says what, and shows what was said."""


# What is built.


def build(
    folder: Path, source: Path = ROOT, *options: str, environment: Mapping[str, str] | None = None
) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from it; return both.

    Args:
        folder: Where they are to be.
        source: What they are built from.
        options: More of ``python -m build``.
        environment: In place of this process's.
    """
    with step("build"):
        run(
            [sys.executable, "-m", "build", *options, "--outdir", str(folder), str(source)],
            environment=environment,
        )
        (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def check_contents(sdist: Path, wheel: Path) -> None:
    """Check that the index would take both, and that they hold what they should and nothing else."""
    with step("check what is in it"):
        run([sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel)])
        run([sys.executable, "-m", "check_wheel_contents", "--toplevel", "loader_gate", str(wheel)])
        with zipfile.ZipFile(wheel) as file:
            in_wheel = {*file.namelist()}
            licences = [file.read(name) for name in in_wheel if name.endswith(".dist-info/licenses/LICENSE")]
        for name in ("loader_gate/py.typed", "loader_gate/report/page/page.css"):
            expect(name in in_wheel, f"{wheel.name} lacks {name}.")
        expect(licences == [(ROOT / "LICENSE").read_bytes()], f"{wheel.name} has no LICENSE like ours.")
        with tarfile.open(sdist) as archive:
            members = [each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()]
        in_sdist = {name for name in members if "egg-info/" not in name} - {"PKG-INFO", "setup.cfg"}
        if (ROOT / ".git").exists():
            expect_same(f"{sdist.name} against what git keeps", in_sdist, kept_by_git())


def kept_by_git() -> set[str]:
    """Return the files of this checkout that git keeps, or would if they were added."""
    kept = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return {name for name in kept if (ROOT / name).exists()}


# How commands are run, and how it is said what is wrong.


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say what is done, and how long it took."""
    print(f"{name} …", flush=True)
    began = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


def run(
    command: list[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    expected: int = 0,
) -> str:
    """Run a command, and return what it prints; it is ended with all its children if it takes too long.

    Raises:
        CheckError: It took too long, or its exit code is another one than expected.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=MOST_SECONDS)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CheckError(f"{' '.join(command)} has not ended in {MOST_SECONDS:.0f} s.") from error
            raise
    if process.returncode != expected:
        raise CheckError(
            f"{' '.join(command)} ended with exit code {process.returncode}, expected {expected}:\n{said}"
        )
    return said


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, as somebody without settings of their own; return what it prints."""
    identity = ("user.name=Somebody", "user.email=somebody@example.org", "commit.gpgsign=false")
    settings = [part for each in identity for part in ("-c", each)]
    return run(["git", "-C", str(folder), *settings, *arguments]).strip()


def expect(holds: bool, otherwise: str) -> None:
    """Raise an error with a message unless something holds."""
    if not holds:
        raise CheckError(otherwise)


def expect_same(what: str, found: Iterable[str], wanted: Iterable[str]) -> None:
    """Raise an error that names what is missing and what is too much, if anything is."""
    missing, more = sorted({*wanted} - {*found}), sorted({*found} - {*wanted})
    expect(not missing and not more, f"{what}: missing {missing or 'nothing'}, too much {more or 'nothing'}.")
