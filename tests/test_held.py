"""`docs/held.py`: no session outlives the command that holds it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Holds two sessions, of a shell that starts another process, and has a third one to hold after them.
COMMAND = """
import signal
from docs.held import running, several_at_once

# Where the tests run in a shell's background, it is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def hold():
    with running(["sh", "-c", "echo $$; sleep 600; true"]) as process:
        process.wait()

with several_at_once(2) as pool:
    for job in [pool.submit(hold) for _ in range(3)]:
        job.result()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_sessions_end_with_their_command(number: signal.Signals) -> None:
    """At once, with what they have started and without a traceback; no other one is begun."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        shells = [psutil.Process(int(command.stdout.readline())) for _ in range(2)]
        deadline = time.monotonic() + 30
        while not all(shell.children() for shell in shells) and time.monotonic() < deadline:
            time.sleep(0.01)
        sessions = [each for shell in shells for each in (shell, *shell.children())]
        assert len(sessions) == 4
        command.send_signal(number)
        try:
            said, complaint = command.communicate(timeout=60)
        finally:
            command.kill()
    how = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    assert (command.returncode, said, complaint) == (1, "", f"This command was {how}.\n")
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in sessions)
