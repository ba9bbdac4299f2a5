"""Which saved runs may be compared with: those of sessions that did not fail.

A run is written before its session's end is known, so each is saved as not accepted, and marked as accepted
only after a session that did not fail. Nothing else in its file ever changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from loader_gate.kept_files import alone, replace_whole
from loader_gate.runs.comparison import Absent, SavedFigures, compare_entry, is_doubtful
from loader_gate.runs.saved import Entry, Key


def gone_for_good(
    now: Mapping[Key, Entry], accepted: SavedFigures, why_absent: Callable[[Entry], Absent]
) -> list[Key]:
    """Return the benchmarks of accepted runs that are no longer part of the suite.

    Args:
        now: What this session has measured.
        accepted: What accepted runs have measured.
        why_absent: Tells why a benchmark of a saved run has no figures in this session.
    """
    return [
        key for key, figures in accepted.items() if key not in now and why_absent(figures[0][1]) == "missing"
    ]


def in_doubt(now: Mapping[Key, Entry], accepted: SavedFigures, tolerance: float) -> list[Key]:
    """Return the benchmarks that seem to have become slower, but not certainly.

    Args:
        now: What this session has measured.
        accepted: What accepted runs have measured.
        tolerance: The slowdown that is allowed, as a fraction.
    """
    return [
        key
        for key, entry in now.items()
        if is_doubtful(compare_entry(entry, accepted.get(key, ()), tolerance, len(accepted)), tolerance)
    ]


def acceptance_sentence(accepted: bool, failed: bool) -> str:
    """Return what becomes of a run that is saved.

    Args:
        accepted: Whether later runs are compared with it.
        failed: Whether its session has failed.
    """
    if not accepted:
        return "This run is saved, but not accepted: --benchmark-compare passes it over."
    how = " although it failed (--accept)" if failed else ""
    return f"This run is accepted{how}: --benchmark-compare takes it from now on."


def mark_accepted(path: Path, run_id: str) -> bool:
    """Mark a run as accepted, at once or not at all; return whether it is the run of that id.

    Raises:
        OSError: It cannot be written; the file is as it was.
    """
    target = path.resolve()
    if not target.is_file():  # a pipe or a device
        return False
    with alone(target.parent):
        try:
            text = target.read_text(encoding="utf-8")
            data = json.loads(text) if run_id in text else None
        except ValueError:
            return False
        if not isinstance(data, dict) or data.get("loader_gate", {}).get("run") != run_id:
            return False
        data["loader_gate"]["accepted"] = True
        replace_whole(target, json.dumps(data, ensure_ascii=True, indent=4))
    return True
