"""The doctor's real command: what it says in the end, and that nothing is left after Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from loader_gate.doctor.prospects import TOLERANCES
from tests.sessions import ROOT, TESTS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def command(
    tree_cache: Path,
    tmp_path: Path,
    signals_heeded: None,  # noqa: ARG001 (by what is started)
) -> Iterator[subprocess.Popen[str]]:
    """Start the real command, on a loader that needs no TensorFlow, for as short as can be."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {
        **inherited,
        "LOADER_GATE_CACHE": str(tree_cache),
        "TMPDIR": str(temporary),
        "PYTHONPATH": os.pathsep.join(map(str, (TESTS, ROOT / "src"))),
    }
    options = ["--minutes=0.05", "--budget=1", "--tree-images=24", "--image-size=32", "--batch-size=5"]
    options += ["--loader=sample_loaders:photos", f"--json={tmp_path / 'found.json'}"]
    with subprocess.Popen(
        [sys.executable, "-m", "loader_gate.doctor", *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # On one core, libraries start fewer threads, which do nothing here but wait for each other.
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        try:
            yield process
        finally:
            process.kill()


def test_end_to_end(command: subprocess.Popen[str], tmp_path: Path) -> None:
    """It examines this machine, says what to paste, and leaves nothing but the file that was asked for."""
    said, errors = command.communicate(timeout=600)
    assert command.returncode == 0, errors
    data = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert said.splitlines()[-1].strip() == data["options"]
    assert data["options"].startswith("--tolerance ")
    assert data["blocks"] >= 1
    assert {*data["spread"]} == {"photos"}
    assert [row["tolerance"] for row in data["prospects"]][:3] == list(TOLERANCES)
    assert all(row["median_seconds"] > data["durations"]["start"] for row in data["prospects"])
    assert "finds in" in said
    assert "Recording the same code on both sides" in errors
    assert [*(tmp_path / "tmp").iterdir()] == []


def test_ctrl_c(command: subprocess.Popen[str], tmp_path: Path) -> None:
    """It leaves no process and no file."""
    process = psutil.Process(command.pid)
    children: list[psutil.Process] = []
    while command.poll() is None and len(children) < 3:
        time.sleep(0.02)
        children = process.children(recursive=True)
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=600)
    assert command.returncode == 130, errors
    assert errors.splitlines()[-1] == "Interrupted: nothing is known."
    assert "Traceback" not in errors
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert [*(tmp_path / "tmp").iterdir()] == []
    assert not (tmp_path / "found.json").exists()
