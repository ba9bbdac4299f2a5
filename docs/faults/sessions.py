"""Sessions in which something goes wrong, and what is there afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from docs.faults.stages import HAPPENED, VARIABLE
from docs.faults.surroundings import SMALL_DISK
from docs.held import running
from loader_gate.kept_files import UNFINISHED
from loader_gate.registry.variant import BASELINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docs.faults.cases import Case

PROJECT = Path(__file__).resolve().parents[2]
STAND_INS = Path(__file__).with_name("stand_ins")
#: By this variable, with the folder of a case, all its processes are known.
MARK = "LOADER_GATE_FAULTS_IN"
#: A session that takes longer is stuck.
STUCK_SECONDS = 240.0
#: A process that has been told to end may take so long.
LEAVING_SECONDS = 20.0
TREE = ("--tree=small", "--tree-images=24", "--classes=2")
COMMON = ("--image-size=32", "--batch-size=5", "--budget=3", "--hang-after=60", "--session-seed=1")
_LOADING = ("benchmarks/test_loading.py", "--variant", BASELINE)
_DUMP = ("benchmarks/test_dump.py", "--variant=uint8_memory_map")
#: What each kind of session is given beside a tree; FOLDER stands for the folder of the case.
SESSIONS: dict[str, tuple[str, ...]] = {
    "loading": (*_LOADING, "--loader=loaders:photos", "--floor=photos=0.01"),
    # Processes are started anew after the first block: there has to be room for more than one.
    "against": (*_LOADING, "--loader=loaders:photos", "--against=HEAD", "--compare-unchanged", "--budget=10"),
    "troubled": _LOADING,
    "dump": (*_DUMP, "--floor=dump/uint8_memory_map=0.01"),
    "floors": (
        *(*_LOADING, "--loader=loaders:photos", "--profile=here", "--update-floors", "--floor=photos=0.01"),
        # There is no floor without an interval, and none of that without blocks enough, however busy it is.
        *("--floors=FOLDER/floors.toml", "--budget=60"),
    ),
    "report": (*_LOADING, "--loader=loaders:photos", "--floor=photos=0.01", "--report=FOLDER/report.html"),
    "compared": (
        *(*_LOADING, "--loader=loaders:photos", "--floor=photos=0.01", "--benchmark-compare"),
        "--fail-if-slower",
    ),
}
#: Mounts a small disk over a folder, in which the command runs; what it leaves is put beside it.
_ON_SMALL_DISK = """
disk=$1 size=$2 kept=$3; shift 3
mount -t tmpfs -o size="$size" faults "$disk" && cp -a "$kept/." "$disk" || exit 99
"$@"
code=$?
rm -f "$disk/ballast"
rm -rf "$kept" && cp -a "$disk" "$kept"
exit $code
"""
_SMALL_DISK_SIZE = "24m"


@dataclass(frozen=True)
class Left:
    """What is there after a session.

    Attributes:
        processes: Their command lines.
        folders: Temporary folders, and entries of worktrees in the repository.
        half: Files that are not whole, or were never to stay.
    """

    processes: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    half: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether there is anything."""
        return bool(self.processes or self.folders or self.half)

    def __str__(self) -> str:
        return ", ".join((*self.processes, *self.folders, *self.half))


@dataclass(frozen=True)
class Found:
    """What came of a session.

    Attributes:
        code: Its exit code; negative if a signal ended it.
        said: What it said.
        left: What it left.
        lost: Bytes of files that were there before, and are not any more or hold something else.
        saved: The JSON of its run; empty if there is none.
        reached: Whether what was to go wrong did, if anything was.
    """

    code: int
    said: str
    left: Left
    lost: int = 0
    saved: Mapping[str, Any] = field(default_factory=dict)
    reached: bool = True

    def reason(self, loader: str) -> str:
        """Return what was said of one loader: why it was not measured, or its verdict."""
        for each in self.saved.get("loader_gate", {}).get("unmeasured", []):
            if each["variant"] == loader:
                return str(each["reason"])
        for each in self.saved.get("benchmarks", []):
            if each["extra_info"]["variant"] == loader:
                return str(each["extra_info"]["verdict"])
        return "nothing was said of it"


class Place:
    """A folder in which one session after another is held: a small repository, and all that they write to.

    Attributes:
        folder: The folder.
        storage: Saved runs.
        temporary: Temporary files.
    """

    def __init__(self, folder: Path, template: Path | None = None) -> None:
        """Make it.

        Args:
            folder: A folder that is not there yet.
            template: One of these to begin with; a new one if None.
        """
        self.folder = folder
        self.temporary, self.storage = folder / "tmp", folder / "storage"
        if template is not None:
            shutil.copytree(template, folder, symlinks=True)
            return
        self.temporary.mkdir(parents=True)
        project = folder / "project"
        project.mkdir()
        shutil.copy(Path(__file__).with_name("loaders.py"), project)
        for arguments in (
            ("init", "--quiet"),
            ("add", "."),
            ("-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "-m", "Loaders"),
        ):
            subprocess.run(["git", "-C", str(project), *arguments], check=True)  # noqa: S607

    def command(self, case: Case, books: str) -> list[str]:
        """Return the command of a session, whose JSON has this name."""
        named = [
            str(PROJECT / each)
            if each.startswith("benchmarks/")
            else each.replace("FOLDER", str(self.folder))
            for each in (*SESSIONS[case.session], *case.options)
        ]
        tree = () if any(each.startswith("--image-root") for each in named) else TREE
        return [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "docs.faults.inside"),
            # No others: each takes its time to be imported.
            *("-p", "benchmark"),
            *(f"--benchmark-storage={self.storage}", "--benchmark-autosave"),
            *(f"--benchmark-json={self.folder / books}", *COMMON, *tree, *named),
        ]

    def hold(self, case: Case, group: str = "", books: str = "run.json") -> Found:
        """Hold a session, and look what came of it.

        Args:
            case: What is held, and what is to go wrong.
            group: The control group that it is held in, if any.
            books: The name of its JSON.
        """
        for name in (books, HAPPENED):
            (self.folder / name).unlink(missing_ok=True)
        before = self.kept()
        return self.found(case, self.run(case, books, group), before, books)

    def run(self, case: Case, books: str, group: str = "") -> tuple[int, str]:
        """Hold a session, and return its exit code and what it said."""
        command = self.command(case, books)
        beside = self.folder.with_name(f"{self.folder.name}-kept")
        if case.needs == SMALL_DISK:
            shutil.copytree(self.folder, beside, symlinks=True)
            own = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _ON_SMALL_DISK, "sh")
            command = [*own, str(self.folder), _SMALL_DISK_SIZE, str(beside), *command]
        code, said = run_command(command, self.environment(case), self.folder, group)
        if case.needs == SMALL_DISK:
            shutil.rmtree(self.folder)
            beside.rename(self.folder)
        return code, said

    def found(
        self, case: Case, ended: tuple[int, str], before: Mapping[str, tuple[int, str]], books: str
    ) -> Found:
        """Return what came of a session that has ended.

        Args:
            case: What was held.
            ended: What `run` has returned.
            before: What `kept` has returned before.
            books: The name of its JSON.
        """
        left = Left(self._ended(), self._folders(), self._half(before))
        reached = not case.do or (self.folder / HAPPENED).exists()
        return Found(*ended, left, self._lost(before), _json(self.folder / books), reached)

    def environment(self, case: Case) -> dict[str, str]:
        """Return the environment variables of a session."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "TOX", "GITHUB_", "LOADER_GATE_", "GIT_"))
        }
        told = {VARIABLE: json.dumps({**case.do, "folder": str(self.folder)})} if case.do else {}
        return {
            **inherited,
            **told,
            **case.variables,
            MARK: str(self.folder),
            "TMPDIR": str(self.temporary),
            "LOADER_GATE_CACHE": str(self.folder / "cache"),
            "PYTHONPATH": os.pathsep.join(
                map(str, (STAND_INS, self.folder / "project", PROJECT, PROJECT / "src"))
            ),
            "CUDA_VISIBLE_DEVICES": "-1",
            "COLUMNS": "400",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }

    def kept(self) -> dict[str, tuple[int, str]]:
        """Return the size and a digest of each file that somebody keeps, by its path in here."""
        files = [*self.storage.rglob("*.json"), *self.folder.glob("*.*")]
        return {
            str(file.relative_to(self.folder)): (
                file.stat().st_size,
                hashlib.sha256(file.read_bytes()).hexdigest(),
            )
            for file in files
            if file.is_file() and not file.name.endswith(UNFINISHED)
        }

    def _lost(self, before: Mapping[str, tuple[int, str]]) -> int:
        """Return how many bytes of what was kept are gone; what is written anew has to be whole."""
        now = self.kept()
        written_anew = {"floors.toml", "report.html"} & now.keys()
        return sum(size for name, (size, digest) in before.items()
                   if name not in written_anew and now.get(name, (0, ""))[1] != digest)  # fmt: skip

    def _half(self, before: Mapping[str, tuple[int, str]]) -> tuple[str, ...]:
        """Return what is not whole, or was never to stay; what was so before is not looked at."""
        found = [*self.folder.rglob(f"*{UNFINISHED}"), *self.folder.rglob(".building-*")]
        found += [self.folder / name for name in self.kept().keys() - before.keys()
                  if not _is_whole(self.folder / name)]  # fmt: skip
        return tuple(sorted(file.name for file in found))

    def _folders(self) -> tuple[str, ...]:
        entries = (self.folder / "project/.git/worktrees").glob("*")
        return tuple(sorted(each.name for each in (*self.temporary.iterdir(), *entries)))

    def _ended(self) -> tuple[str, ...]:
        """Return the command lines of what still runs, and end it."""
        deadline = time.monotonic() + LEAVING_SECONDS
        while (left := processes_of(self.folder)) and time.monotonic() < deadline:
            time.sleep(0.1)
        said = []
        for process in left:
            with contextlib.suppress(psutil.Error):
                said.append(" ".join(process.cmdline())[:80])
                process.kill()
        return tuple(said)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return what still runs of the sessions of a case: by its variable, or in its folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            inside = process.environ().get(MARK) == str(folder) or process.cwd().startswith(f"{folder}/")
            if inside and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def run_command(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, cgroup: str = ""
) -> tuple[int, str]:
    """Run a command to its end, and return its exit code and what it said."""
    output = folder.with_name(f"output-{uuid.uuid4().hex}")
    joins = [sys.executable, "-m", "docs.faults.surroundings", cgroup] if cgroup else []
    # Into a file: what a session leaves behind would keep a pipe open.
    with (
        output.open("w", encoding="utf-8") as stream,
        running([*joins, *command], stream, folder / "project", environment) as process,
    ):
        try:
            code = process.wait(STUCK_SECONDS)
        except subprocess.TimeoutExpired:
            code = 124
    said = output.read_text(encoding="utf-8", errors="replace")
    output.unlink()
    return code, said.replace(str(folder), "FOLDER")


def _is_whole(file: Path) -> bool:
    if file.suffix == ".html":
        return file.read_text(encoding="utf-8").rstrip().endswith("</html>")
    if file.suffix == ".toml":
        return file.read_text(encoding="utf-8").endswith("\n")
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def _json(file: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document
