"""Says how far something is: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

#: Seconds between two lines where there is no terminal.
LINE_SECONDS = 15.0


class Progress:
    """Shows how much of one job is done, from ``with`` to the end of its block.

    On a terminal this is a bar that is redrawn; elsewhere (a log file, CI) a plain line at most every 15 s
    and one at the end: ``title: 120/256, 0:12 elapsed, about 0:14 left - text``.
    """

    def __init__(
        self,
        title: str,
        total: float | None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is shown before the block starts.

        Args:
            title: What is being done, in a few words.
            total: How much there is to do, in any unit; None if that is not known.
            stream: Where to show it; standard error if None.
            clock: Returns seconds; another one in tests.
        """
        self._title = title
        self._total = total
        self._stream = stream
        self._clock = clock
        self._completed = 0.0
        self._text = ""
        self._started = self._last_line = 0.0
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        """Start the clock, and the bar if there is a terminal."""
        self._started = self._last_line = self._clock()
        self._stream = self._stream or sys.stderr
        if self._stream.isatty():
            self._bar = _new_bar(self._stream, self._clock)
            self._task = self._bar.add_task(self._title, total=self._total, text="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the last state; after an error it says that the job stopped there."""
        if self._bar is not None:
            self._bar.stop()
        else:
            self._write_line(stopped=kind is not None)

    def update(self, completed: float, text: str = "", total: float | None = None) -> None:
        """Say that ``completed`` of the total is done, and in ``text`` what goes on now.

        Args:
            completed: How much is done.
            text: What goes on now.
            total: How much there is to do, where that is known only now.
        """
        self._completed, self._text = completed, text
        self._total = self._total if total is None else total
        if self._bar is not None:
            self._bar.update(self._task, completed=completed, text=text, total=self._total)
        elif self._clock() - self._last_line >= LINE_SECONDS:
            self._write_line()

    def _write_line(self, stopped: bool = False) -> None:
        if self._stream is None:
            return
        self._last_line = self._clock()
        elapsed = self._last_line - self._started
        done = "" if self._total is None else f"{_number(self._completed)}/{_number(self._total)}, "
        at = "stopped at " if stopped else ""
        line = f"{self._title}: {at}{done}{minutes_and_seconds(elapsed)} elapsed"
        if not stopped and self._total is not None and 0 < self._completed < self._total:
            left = elapsed * (self._total - self._completed) / self._completed
            line += f", about {minutes_and_seconds(left)} left"
        self._stream.write(f"{line} - {self._text}\n" if self._text else f"{line}\n")
        self._stream.flush()


class Display:
    """Where a long job tells people what it does: progress, and single lines that they should not miss."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Remember the stream; standard error if None."""
        self._stream = stream
        self.notices: list[str] = []

    def progress(self, title: str, total: float | None) -> Progress:
        """Return a progress display for one job."""
        return Progress(title, total, self._stream)

    def say(self, line: str, keep: bool = False) -> None:
        """Write one line at once.

        Args:
            line: A sentence, without the line's end.
            keep: Also remember it in ``notices``, to be repeated where people look at the end.
        """
        if keep:
            self.notices.append(line)
        stream = self._stream or sys.stderr
        stream.write(f"{line}\n")
        stream.flush()


def _new_bar(stream: TextIO, clock: Callable[[], float]) -> Bar:
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.fields[text]}", markup=False),
        console=Console(file=stream),
        get_time=clock,
        # The streams belong to pytest: rich must not put its own in their place.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def minutes_and_seconds(seconds: float) -> str:
    """Return seconds as people read them, such as 1:05 or 2:00:00."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
