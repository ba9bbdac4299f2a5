"""Holds a session of pytest as a user would, and reads what it has found."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from loader_gate.bisect.asked import environment
from loader_gate.bisect.judging import LONGER, Found
from loader_gate.bisect.project import SettingsNotKeptError, with_settings
from loader_gate.commands import last_words, run_to_end
from loader_gate.machine.files import object_of
from loader_gate.machine.temporary import OwnedFolder
from loader_gate.progress import Progress
from loader_gate.registry.variant import BASELINE
from loader_gate.statistics.session_error import SESSION_ERROR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loader_gate.bisect.asked import Asked

#: A session that takes so much longer than ten times its budget hangs.
GRACE_SECONDS = 900.0
#: The floor that every loader clears at once: what is compared here is something else.
_FAR_FLOOR = 0.0001
#: A folder without tests: pytest then has what is measured as its only item.
_EMPTY = "loader-gate-no-tests"


@dataclass(frozen=True)
class Stage:
    """Where sessions are held, and what they compare.

    Attributes:
        asked: What they measure.
        top: The folder of the checkout.
        against: The option that names the good side, without dashes, and its value.
        python: The interpreter that runs pytest.
        stream: Where progress is shown.
    """

    asked: Asked
    top: Path
    against: tuple[str, str]
    python: str = sys.executable
    stream: TextIO | None = None

    def compare(self, tolerance: float, title: str) -> Found:
        """Return what a session finds; if that is undecided, what one more finds that may take longer.

        Args:
            tolerance: The share by which it may be slower than the good side.
            title: What is compared, for people.
        """
        try:
            with with_settings(self.asked.folder(self.top), self.asked.settings):
                first = self._hold(tolerance, self.asked.budget, title)
                if first.outcome != "undecided":
                    return first
                again = self._hold(tolerance, LONGER * self.asked.budget, f"{title}, once more and longer")
        except SettingsNotKeptError as error:
            return Found("unmeasured", None, None, None, str(error), 0.0)
        return replace(again, seconds=first.seconds + again.seconds, sessions=2)

    def _hold(self, tolerance: float, budget: float, title: str) -> Found:
        """Hold one session."""
        asked = self.asked
        with OwnedFolder() as name:
            books, empty = Path(name) / "books.json", self.top / asked.inside / _EMPTY
            empty.mkdir(exist_ok=True)
            # Options of ours come last, and by the names that no other plugin can have taken.
            command = [
                *(self.python, "-m", "pytest", empty.name, "-p", "loader_gate", *asked.options),
                *([_named("loader"), asked.loader] if asked.loader else [_named("variant"), asked.variant]),
                *("-k", f"not {BASELINE}", "-p", "no:cacheprovider"),
                *(_named(self.against[0]), self.against[1], "--benchmark-json", str(books)),
                *(_named("tolerance"), f"{100 * tolerance:.4g}", _named("budget"), f"{budget:g}"),
                *(_named("floor"), f"{asked.variant}={_FAR_FLOOR}"),
            ]
            started = time.monotonic()
            with Progress(title, None, self.stream) as progress:
                said = run_to_end(
                    command,
                    Path(name) / "output",
                    folder=asked.folder(self.top),
                    environment=environment((*asked.search_path(self.top), *asked.other_path)),
                    patience=10 * budget + GRACE_SECONDS,
                    watch=lambda _, seconds: progress.update(seconds),
                )
            found = read(object_of(books), asked.variant)
            if not found.reason:
                found = replace(found, reason=last_words(said) or "the session said nothing")
            reason = found.reason.replace(f"{self.top}{os.sep}", "")
            return replace(found, reason=reason, seconds=time.monotonic() - started)


def _named(option: str) -> str:
    return f"--loader-gate-{option}"


def read(books: Mapping[str, Any], variant: str) -> Found:
    """Return what the JSON of a session says of a variant; without a reason if it says nothing.

    Args:
        books: The JSON.
        variant: The variant's name.
    """
    about = books.get("loader_gate", {})
    error = float(about.get("session_error", SESSION_ERROR))
    for benchmark in books.get("benchmarks", []):
        info = benchmark.get("extra_info", {})
        if info.get("variant") == variant:
            change = info.get("change")
            outcome = info.get("change_outcome")
            if outcome == "unchanged":
                return Found(outcome, None, None, None, "it runs the same code", 0.0, error)
            if outcome is None or change is None:
                notes = " ".join(map(str, about.get("notes", ())))
                reason = str(info.get("reason", "")) if outcome else notes or "it was not compared"
                return Found("unmeasured", None, None, None, reason, 0.0, error)
            ends = info.get("change_low"), info.get("change_high")
            # The floor is ours, and nobody has asked for it.
            floor, _, reason = str(info.get("reason", "")).partition("; ")
            said = reason if floor.startswith("which clears its floor") else f"{floor}; {reason}"
            return Found(outcome, change, *ends, said.removesuffix("; "), 0.0, error)
    unmeasured = (each for each in about.get("unmeasured", []) if each.get("variant") == variant)
    reason = next((str(each.get("reason", "")) for each in unmeasured), "")
    return Found("unmeasured", None, None, None, reason, 0.0, error)
