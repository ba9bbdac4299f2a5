"""One session in one surrounding: how it is held, and whether what it did is right."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from docs.cases.row import RIGHT, SKIPPED, WRONG, Row
from docs.held import running
from docs.surroundings.repository import VERDICTS, kept, lost_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A session that takes longer is stuck, on the slowest machine.
STUCK_SECONDS = 1200.0
#: What a killed process may take to go.
GOING_SECONDS = 20.0
#: What nobody wants to read; the last one is a line of what pytest shows of a test that raised.
_CRASH = re.compile(
    r"Traceback \(most recent call last\)|INTERNALERROR|Segmentation fault|^E  .*", re.MULTILINE
)
_MARK = "LOADER_GATE_TRIAL"
#: Variables of whoever runs this that would be one more surrounding.
_LEFT_OUT = ("PYTEST_", "COV_", "GITHUB_", "TOX_", "KERAS_", "LOADER_GATE_")


@dataclass(frozen=True)
class Trial:
    """One surrounding, and what is right in it.

    Attributes:
        name: What it is.
        before: Shell commands that make it, in the repository's folder and, if mounts are needed, where they
            are seen by nobody else.
        pytest: More arguments of pytest.
        python: Arguments of the interpreter, before them.
        environment: Variables to set; None takes one away.
        files: Files of the repository to write, by name.
        after: Shell commands that end it.
        needs: What has to be there: ``mounts``, ``root``, ``cgroups``, or the name of a module.
        said: The sentence that ends the session at once; empty where all is measured as anywhere else.
        also: What is said beside that, where all is measured.
        verdicts: What becomes of the loaders.
        silent: Whether nothing can be said: then the books alone count.
        benchmark: Whether pytest-benchmark is there.
        whole: Whether TensorFlow itself is in it, and no stand-in of what the baseline needs.
    """

    name: str
    before: str = ""
    pytest: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    after: str = ""
    needs: tuple[str, ...] = ()
    said: str = ""
    also: str = ""
    verdicts: Mapping[str, str] = field(default_factory=lambda: VERDICTS)
    silent: bool = False
    benchmark: bool = True
    whole: bool = False


@dataclass(frozen=True)
class Ended:
    """What a session left.

    Attributes:
        code: Its exit code; None if it did not end.
        text: All that it said.
        books: The JSON of ``--benchmark-json``; empty if there is none.
        bytes_lost: Of the repository's files.
        left: The command lines of processes that were still there.
        litter: Names of temporary folders that were.
    """

    code: int | None
    text: str
    books: Mapping[str, Any]
    bytes_lost: int = 0
    left: tuple[str, ...] = ()
    litter: tuple[str, ...] = ()


def row_of(group: str, trial: Trial, ended: Ended) -> Row:
    """Return what is to be thought of a session."""
    problem, said = judge(trial, ended)
    return Row(
        group, trial.name, WRONG if problem else RIGHT, problem or said, ended.bytes_lost, len(ended.left)
    )


def judge(trial: Trial, ended: Ended) -> tuple[str, str]:
    """Return what is wrong, or nothing; and what the session has said or found."""
    text = " ".join(ended.text.split())
    if ended.code is None:
        return f"it did not end; its last words: {text[-300:]}", ""
    crash = _CRASH.search(ended.text)
    if crash is not None:
        return f"{crash[0]}: {' '.join(ended.text[crash.end() :].split())[:400]}", ""
    if ended.bytes_lost or ended.left or ended.litter:
        return f"lost {ended.bytes_lost} bytes, left {[*ended.left, *ended.litter]}", ""
    if trial.said:
        found = re.search(trial.said, text)
        if found is None or ended.code == 0:
            return f"expected “{trial.said}”, but exit code {ended.code}: {text[-500:]}", ""
        return "", f"stops: {found[0]}"
    found_verdicts = verdicts_of(ended.books)
    # With --stepwise, pytest ends with 2 where a test has failed.
    codes = (0,) if {*trial.verdicts.values()} == {"pass"} else (1, 2)
    if found_verdicts != trial.verdicts or (ended.code not in codes and not trial.silent):
        return f"exit code {ended.code}, {found_verdicts or 'no verdicts'}: {text[-500:]}", ""
    also = re.search(trial.also, text)
    if also is None:
        return f"“{trial.also}” was not said: {text[-500:]}", ""
    measured = "measured" if trial.whole else "measured, beside a stand-in for TensorFlow"
    return "", f"{measured}; says: {also[0]}" if trial.also else measured


def verdicts_of(books: Mapping[str, Any]) -> dict[str, str]:
    """Return the verdict of each loader that the repository has."""
    found = {
        each["extra_info"]["variant"]: each["extra_info"]["verdict"] for each in books.get("benchmarks", ())
    }
    for each in books.get("loader_gate", {}).get("unmeasured", ()):
        found[each["variant"]] = "unmeasured"
    return {name: verdict for name, verdict in found.items() if name in VERDICTS}


def held(trial: Trial, group: str, template: Path, work: Path) -> Row:
    """Hold a session, and return what came of it.

    Args:
        trial: The surrounding.
        group: Of the row.
        template: The repository, which is copied.
        work: An empty folder for the copy, temporary files, and all that the session writes.
    """
    missing = [each for each in trial.needs if not has(each)]
    if missing:
        return Row(group, trial.name, SKIPPED, f"needs {', '.join(missing)}")
    folder = work / "repository"
    shutil.copytree(template, folder, symlinks=True)
    for name, text in trial.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.lstrip(), encoding="utf-8")
    for name in ("tmp", "out", "cache"):
        (work / name).mkdir()
    work.chmod(0o755)
    before, mark = kept(folder), uuid.uuid4().hex
    code, text = _run(trial, folder, work, mark)
    left = tuple(_left(mark))
    if trial.after:
        subprocess.run(["sh", "-c", trial.after], cwd=folder, check=False)  # noqa: S607
    ended = Ended(
        code,
        text,
        _books(work / "out" / "run.json"),
        lost_bytes(before, kept(folder)),
        left,
        tuple(each.name for each in (work / "tmp").glob("loader-gate-*")),
    )
    row = row_of(group, trial, ended)
    return replace(row, said=row.said.replace(str(work), "$WORK"))


def _run(trial: Trial, folder: Path, work: Path, mark: str) -> tuple[int | None, str]:
    """Run pytest, and return its exit code and what it said; None if it is stuck."""
    books = ("-p", "benchmark", "--benchmark-json", str(work / "out" / "run.json"))
    command = [
        *(sys.executable, *trial.python, "-m", "pytest", "-p", "loader_gate"),
        *(*(books if trial.benchmark else ("-p", "no:benchmark")), *trial.pytest),
    ]
    unshare = [*_unshare(), "--mount"] if "mounts" in trial.needs else []
    shell = ["sh", "-c", f'set -e\n{trial.before}\nexec "$@"', "sh"]
    output = work / "said"
    with (
        output.open("wb") as stream,
        running([*unshare, *shell, *command], stream, folder, _environment(trial, work, mark)) as process,
    ):
        try:
            code: int | None = process.wait(STUCK_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
    return code, output.read_text(encoding="utf-8", errors="replace")


def _environment(trial: Trial, work: Path, mark: str) -> dict[str, str]:
    here = Path(__file__).resolve().parent
    stand_in = [] if trial.whole else [str(here / "stand_in")]
    plugins = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    found: dict[str, str | None] = {
        **{name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)},
        "PYTHONPATH": os.pathsep.join([*stand_in, str(here.parents[1] / "src"), *plugins]),
        # Each trial names the plugins that it is about.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "LOADER_GATE_CACHE": str(work / "cache"),
        "TMPDIR": str(work / "tmp"),
        "CUDA_VISIBLE_DEVICES": "-1",
        "COLUMNS": "100",
        "WORK": str(work),
        _MARK: mark,
        **trial.environment,
    }
    return {name: value for name, value in found.items() if value is not None}


def _left(mark: str) -> Iterator[str]:
    """Yield the processes of a session that do not go, once it has ended."""
    deadline = time.monotonic() + GOING_SECONDS
    while (left := [*_marked(mark)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    for process in left:
        with contextlib.suppress(psutil.Error):
            yield " ".join(process.cmdline())[:200]
            process.kill()


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it has ended, or is somebody else's
            if process.environ().get(_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _books(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


# What there is on this machine.


def has(need: str) -> bool:
    """Return whether this machine has what a trial needs."""
    if need == "mounts":
        return bool(_unshare())
    if need == "root":
        return sys.platform == "linux" and os.geteuid() == 0
    if need == "cgroups":
        return has("root") and any(
            Path("/sys/fs/cgroup", each).exists() for each in ("cpu/cpu.shares", "cgroup.subtree_control")
        )
    return find_spec(need) is not None


@cache
def _unshare() -> tuple[str, ...]:
    """Return the command that gives mounts of its own; nothing if this user may have none."""
    program = shutil.which("unshare")
    for more in ((), ("--map-root-user",)) if program else ():
        command = (str(program), *more)
        tried = subprocess.run([*command, "--mount", "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return command
    return ()
