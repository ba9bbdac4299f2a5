"""Sessions of the suite as a user would run them, and what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import psutil
import pytest

from loader_gate.registry.variant import BASELINE

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent

#: A session ends as soon as everything is decided: this much is for a machine that is busy with other things.
AMPLE_BUDGET = "--budget=600"

#: Where nothing is to be decided.
SMALL_BUDGET = "--budget=1"

#: The options of a tree that costs little; `tiny_tree` has been drawn by them.
TINY_TREE = ("--tree=small", "--tree-images=24", "--classes=2", "--image-size=32", "--batch-size=5")

ONLY_BASELINE = ("--variant", BASELINE)

#: Files of a repository with one loader, as `pytester.makepyfile` takes them.
ONE_LOADER = {
    "conftest": 'pytest_plugins = ["loader_gate"]',
    "test_it": """
        import loader_gate

        @loader_gate.loading
        def photos(tree, spec): ...
        """,
}

#: What a process says is read when it has ended.
KEPT_OUTPUT: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

#: Seconds after which a session counts as stuck, on the slowest machine.
STUCK_SECONDS = 1200


def loaders(*names: str) -> list[str]:
    """Return the options that let sample loaders join."""
    return [f"--loader=sample_loaders:{name}" for name in names]


@dataclass(frozen=True)
class Run:
    """What a session left.

    Attributes:
        code: Its exit code.
        out: What it said on standard output.
        err: The same on standard error.
        folder: Where it wrote its files.
        saved: The JSON of ``--benchmark-json``; empty if nothing was measured.
        junit: The failure of each test in the JUnit XML, by variant; empty if it passed.
    """

    code: int
    out: str
    err: str
    folder: Path
    saved: dict[str, Any]
    junit: dict[str, str]

    @property
    def infos(self) -> dict[str, dict[str, Any]]:
        """The ``extra_info`` of each benchmark, by variant."""
        return {each["extra_info"]["variant"]: each["extra_info"] for each in self.saved["benchmarks"]}

    @property
    def unmeasured(self) -> dict[str, str]:
        """The reason of each variant that was not measured."""
        return {each["variant"]: each["reason"] for each in self.saved["loader_gate"]["unmeasured"]}

    @property
    def failures(self) -> dict[str, str]:
        """The failure of each test that has one, by variant."""
        return {name: failure for name, failure in self.junit.items() if failure}

    @property
    def text(self) -> str:
        """What it said, in one line: sentences are wrapped anywhere."""
        return " ".join(self.out.split())

    @property
    def table(self) -> list[str]:
        """The lines of the suite's own table of loading, and what is said below it up to pytest's summary."""
        lines = self.out.partition("short test summary info")[0].splitlines()[:-1]
        start = next(number for number, line in enumerate(lines) if "loading: speedup over" in line)
        return lines[start + 1 :]

    def verdict(self, variant: str) -> str:
        """The last word of a variant's row in the table."""
        return next(line.split()[-1] for line in self.table if line.split()[:1] == [variant])


class Sessions:
    """Runs the suite in the repository, with every folder that it writes to a test's own.

    Attributes:
        checkout: The repository.
        environment: The environment variables of sessions.
        folder: Where they write their files.
        temporary: Where they put temporary ones.
    """

    def __init__(
        self, folder: Path, tree_cache: Path, tests: str, *options: str, checkout: Path = ROOT
    ) -> None:
        """Prepare the folders.

        Args:
            folder: An empty folder.
            tree_cache: Where trees are kept.
            tests: The file or folder that pytest runs.
            options: Of every session.
            checkout: The repository to run in.
        """
        self.checkout = checkout
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self._saved, self._junit = folder / "run.json", folder / "junit.xml"
        self._command = [
            *("-m", "pytest", tests, "-p", "no:cacheprovider"),
            *(f"--benchmark-storage={folder / 'storage'}", f"--benchmark-json={self._saved}"),
            *(f"--junitxml={self._junit}", *options),
        ]
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))
        }
        self.environment = {
            **inherited,
            "LOADER_GATE_CACHE": str(tree_cache),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": os.pathsep.join(map(str, (TESTS, TESTS / "without", checkout / "src"))),
            "CUDA_VISIBLE_DEVICES": "-1",
            "COLUMNS": "100",
            "TERM": "xterm",
        }

    def add_to_path(self, folder: Path) -> None:
        """Let sessions import from one more folder."""
        self.environment["PYTHONPATH"] += f"{os.pathsep}{folder}"

    def started(self, *options: str, **settings: Any) -> AbstractContextManager[subprocess.Popen[str]]:
        """Start a session, and end it if it does not end by itself."""
        return self.started_python(*self._command, *options, **settings)

    @contextmanager
    def started_python(self, *command: str, **settings: Any) -> Iterator[subprocess.Popen[str]]:
        """Start Python in the repository, and end it if it does not end by itself."""
        with subprocess.Popen(
            [sys.executable, *command],
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            text=True,
            **settings,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *options: str) -> Run:
        """Run a session to its end."""
        for file in (self._saved, self._junit):
            file.unlink(missing_ok=True)
        with self.started(*options, **KEPT_OUTPUT) as process:
            out, err = process.communicate(timeout=STUCK_SECONDS)
        return Run(process.returncode, out, err, self.folder, _json(self._saved), _failures(self._junit))

    def left_files(self) -> list[str]:
        """Return what sessions have left in the folder for temporary files."""
        return sorted(file.name for file in self.temporary.iterdir())

    def left_processes(self) -> list[str]:
        """Return the processes that a session has started and that are still there."""
        left = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):  # it has ended, or belongs to somebody else
                if process.environ().get("TMPDIR", "").startswith(str(self.temporary)):
                    left.append(" ".join(process.cmdline()))
        return left

    def check_nothing_is_left(self) -> None:
        """No process, no folder: a killed process takes a moment to go."""
        deadline = time.monotonic() + 120
        while (left := self.left_processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == [], left
        folders = list(self.temporary.glob("loader-gate-*"))
        assert folders == [], folders


def _json(file: Path) -> dict[str, Any]:
    if not file.exists() or file.stat().st_size == 0:  # nothing was measured
        return {}

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is no JSON")

    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
    return found


def _failures(junit: Path) -> dict[str, str]:
    cases = ET.parse(junit).iter("testcase") if junit.exists() else ()  # noqa: S314 (our own file)
    return {
        case.attrib["name"].partition("[")[2].rstrip("]"): failure.attrib["message"]
        if (failure := case.find("failure")) is not None
        else ""
        for case in cases
    }
