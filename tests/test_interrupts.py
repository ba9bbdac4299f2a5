"""What SIGTERM and SIGHUP do to a session, and that nothing is changed for others."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from loader_gate.plugin import interrupts
from loader_gate.plugin.interrupts import clean_end_when_told

TOLD = (signal.SIGTERM, signal.SIGHUP)
told = pytest.mark.parametrize("number", TOLD, ids=lambda number: number.name)


@pytest.fixture(autouse=True)
def as_python_starts() -> Iterator[None]:
    """Let nobody handle the signals, as when a session begins."""
    before = {each: signal.signal(each, signal.SIG_DFL) for each in TOLD}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@told
def test_it_interrupts(number: signal.Signals) -> None:
    """It is an interrupt, which cleans up; neither a second one nor the other cuts that short."""
    undo = clean_end_when_told()
    with pytest.raises(KeyboardInterrupt, match=number.name):
        os.kill(os.getpid(), number)
    for each in TOLD:
        os.kill(os.getpid(), each)
    undo()
    assert [signal.getsignal(each) for each in TOLD] == [signal.SIG_DFL] * 2


@told
def test_another_handler_stays(number: signal.Signals) -> None:
    """Whoever handles the signal already goes on doing so, before and after."""
    seen: list[int] = []
    signal.signal(number, lambda number, _: seen.append(number))
    undo = clean_end_when_told()
    os.kill(os.getpid(), number)
    undo()
    os.kill(os.getpid(), number)
    assert seen == [number] * 2


def test_who_ignores_it_goes_on() -> None:
    """As ``nohup`` lets a command ignore that the terminal is closed."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    undo = clean_end_when_told()
    os.kill(os.getpid(), signal.SIGHUP)
    undo()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_another_thread_changes_nothing() -> None:
    """Python lets only the main thread handle signals: elsewhere there is nothing to do, and no error."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(clean_end_when_told).result()()
    assert [signal.getsignal(each) for each in TOLD] == [signal.SIG_DFL] * 2


def test_ctrl_c_again_and_again() -> None:
    """It interrupts as ever, once: whoever hits it twice does not cut cleaning up short."""
    undo = clean_end_when_told()
    with pytest.raises(KeyboardInterrupt) as caught:
        os.kill(os.getpid(), signal.SIGINT)
    assert str(caught.value) == ""
    for each in (signal.SIGINT, *TOLD, signal.SIGINT):
        os.kill(os.getpid(), each)
    undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_waits_may_interrupt_cleaning_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hang."""
    monkeypatch.setattr(interrupts, "CLEANING_SECONDS", 0.0)
    undo = clean_end_when_told()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    undo()
