"""What SIGTERM does to a session, and that nothing is changed for others."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from loader_gate.plugin.interrupts import clean_end_on_sigterm


@pytest.fixture(autouse=True)
def as_python_starts() -> Iterator[None]:
    """Let nobody handle the signal, as when a session begins."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_interrupts() -> None:
    """It is an interrupt, which cleans up; a second one does not cut that short."""
    undo = clean_end_on_sigterm()
    with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    undo()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_another_handler_stays() -> None:
    """Whoever handles the signal already goes on doing so, before and after."""
    seen: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    undo = clean_end_on_sigterm()
    os.kill(os.getpid(), signal.SIGTERM)
    undo()
    os.kill(os.getpid(), signal.SIGTERM)
    assert seen == [signal.SIGTERM] * 2


def test_another_thread_changes_nothing() -> None:
    """Python lets only the main thread handle signals: elsewhere there is nothing to do, and no error."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(clean_end_on_sigterm).result()()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
