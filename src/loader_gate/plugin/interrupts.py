"""Lets a session that is told to end, as a cancelled job is, clean up as it does after Ctrl-C."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def clean_end_on_sigterm() -> Callable[[], None]:
    """Let SIGTERM interrupt the main thread, and return a function that undoes it.

    Without this, SIGTERM ends Python at once, and temporary folders stay. Nothing is changed where somebody
    else handles the signal already, or where it cannot be handled: in any other thread than the main one.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return lambda: None
    signal.signal(signal.SIGTERM, _interrupt)

    def undo() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    return undo


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 (what a handler is given)
    # Cleaning up has begun: a second one would only cut it short.
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise KeyboardInterrupt("ended by SIGTERM")
