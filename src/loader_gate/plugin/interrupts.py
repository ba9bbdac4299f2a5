"""Lets a session that is told to end, as a cancelled job is, clean up as it does after Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

#: What a cancelled job gets, and what a session gets whose terminal is closed.
_TOLD = (signal.SIGTERM, signal.SIGHUP)
#: So long a second Ctrl-C is not heeded: it would cut cleaning up short, somewhere in pytest.
CLEANING_SECONDS = 10.0


def clean_end_when_told() -> Callable[[], None]:
    """Let SIGTERM and SIGHUP interrupt the main thread, as Ctrl-C does; return a function that undoes it.

    Without this they end Python at once, and temporary folders stay. Once any of the three has, the other two
    do nothing, and another Ctrl-C does nothing for a while. Nothing is changed where somebody else handles or
    ignores a signal already, or where none can be handled: in any thread but the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = dict.fromkeys(_TOLD, signal.SIG_DFL) | {signal.SIGINT: signal.default_int_handler}
    ours = {each: handler for each, handler in before.items() if signal.getsignal(each) == handler}
    for each in ours:
        signal.signal(each, _interrupt)

    def undo() -> None:
        for each, handler in ours.items():
            signal.signal(each, handler)

    return undo


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 (what a handler is given)
    # Cleaning up has begun: another one would only cut it short.
    until = time.monotonic() + CLEANING_SECONDS
    for each in _TOLD:
        if signal.getsignal(each) is _interrupt:
            signal.signal(each, lambda *_: None)
    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.signal(signal.SIGINT, partial(_interrupt_after, until))
    told = () if number == signal.SIGINT else (f"ended by {signal.Signals(number).name}",)
    raise KeyboardInterrupt(*told)


def _interrupt_after(until: float, number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    if time.monotonic() >= until:
        raise KeyboardInterrupt
