"""What users' loaders are called over many runs: a loader may have another name in each.

In a session a loader has its function's name, unless two share that. So one loader need not have one name in
two runs, and one name need not be that of one loader. Runs say which function of which module each was; those
of earlier versions do not, and are taken by the name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from loader_gate.runs.saved import Entry, SavedRun


def named_alike(runs: Sequence[SavedRun], now: Mapping[str, str] | None = None) -> list[SavedRun]:
    """Return runs in which each loader has one name, and no other loader has it.

    Args:
        runs: Newest first: a loader goes by the name that it has had last.
        now: Names that loaders have since, by ``MODULE:FUNCTION``.
    """
    names = dict(now or {})
    for run in runs:
        for entry in run.entries:
            if entry.loader and entry.loader not in names:
                names[entry.loader] = entry.loader if entry.variant in names.values() else entry.variant
    return [_renamed(run, names) for run in runs]


def _renamed(run: SavedRun, names: Mapping[str, str]) -> SavedRun:
    entries = tuple(_called(each, names.get(each.loader, each.variant)) for each in run.entries)
    if entries == run.entries:
        return run
    keys = {then.key: since.key for then, since in zip(run.entries, entries, strict=True)}
    return replace(run, entries=entries, doubtful=frozenset(keys.get(each, each) for each in run.doubtful))


def _called(entry: Entry, name: str) -> Entry:
    return entry if entry.variant == name else replace(entry, variant=name)
