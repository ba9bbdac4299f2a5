"""Lets a session that is told to end, as a cancelled job is, clean up as it does after Ctrl-C."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

#: What a cancelled job gets, and what a session gets whose terminal is closed.
_TOLD = (signal.SIGTERM, signal.SIGHUP)


def clean_end_when_told() -> Callable[[], None]:
    """Let SIGTERM and SIGHUP interrupt the main thread, and return a function that undoes it.

    Without this they end Python at once, and temporary folders stay. Nothing is changed where somebody else
    handles or ignores the signal already, or where none can be handled: in any thread but the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    ours = [each for each in _TOLD if signal.getsignal(each) is signal.SIG_DFL]
    for each in ours:
        signal.signal(each, _interrupt)

    def undo() -> None:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)

    return undo


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 (what a handler is given)
    # Cleaning up has begun: another one would only cut it short.
    for each in _TOLD:
        if signal.getsignal(each) is _interrupt:
            signal.signal(each, lambda *_: None)
    raise KeyboardInterrupt(f"ended by {signal.Signals(number).name}")
