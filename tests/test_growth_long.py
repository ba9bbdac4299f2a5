"""The real command: two sizes are measured by sessions of pytest, and nothing is left, also after Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.sessions import KEPT_OUTPUT, STUCK_SECONDS, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: The smallest trees that have an image of each class; small images, as nothing is decided here.
COMMAND = (
    *("-m", "loader_gate.growth", "--sizes", "80,88", "--rounds", "1", "--budget", "1"),
    *("benchmarks/test_dump.py", "--variant", "resized_jpeg_tfrecord"),
)
SMALL = ("--", "--image-size", "32", "--batch-size", "20")


@pytest.fixture(scope="module")
def sessions(new_sessions: Callable[[], Sessions]) -> Sessions:
    """A place for sessions."""
    return new_sessions()


def test_every_figure_has_an_exponent(sessions: Sessions, tmp_path: Path) -> None:
    """Of the scan and of pytest, and of the variant that a session measures; as a table, and as data."""
    file = tmp_path / "growth.json"
    with sessions.started_python(*COMMAND, "--json", str(file), *SMALL, **KEPT_OUTPUT) as process:
        out, err = process.communicate(timeout=STUCK_SECONDS)
    assert process.returncode == 0, out + err
    data = json.loads(file.read_text(encoding="utf-8"))
    found = {(each["subject"], each["figure"]): each for each in data["growth"]}
    variant = "resized_jpeg_tfrecord: dump"
    assert {*found} == {
        ("", "scan_seconds"),
        ("", "controller_peak_rss_bytes"),
        (variant, "images_per_second"),
        (variant, "first_batch_seconds"),
        (variant, "peak_rss_bytes"),
        (variant, "dump_bytes_per_image"),
    }
    for each in found.values():
        assert {*each["middles"]} == {"80", "88"}
        assert each["exponent"]["high"] is None
    memory = found["", "controller_peak_rss_bytes"]["middles"].values()
    assert all(20e6 < each < 2e9 for each in memory)
    assert data["problems"] == []
    assert "  scan " in out
    assert "Measuring growth: 4/4" in err
    sessions.check_nothing_is_left()


@pytest.mark.usefixtures("signals_heeded")
def test_an_interrupt_leaves_nothing(sessions: Sessions) -> None:
    """Neither the session, nor its workers, nor their folders."""
    with sessions.started_python(*COMMAND, *SMALL, **KEPT_OUTPUT) as process:
        deadline = time.monotonic() + 240
        # The command's own folder, and that of a session which has begun to measure.
        while len(sessions.left_files()) < 2 and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=STUCK_SECONDS)
    assert process.returncode == 130
    assert err.endswith("Interrupted: nothing is left behind.\n")
    sessions.check_nothing_is_left()
