"""The page of what came of it, and the reasons why what no test notices changes nothing."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docs.mutation.mutants import NOTICED, UNNOTICED, Mutant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

_INTRODUCTION = """\
# Mutation testing

Whether the tests of what judges would notice a mistake in it. [mutmut](https://mutmut.readthedocs.io) changes
one thing after another in a module, a comparison, a number, an argument, and runs the tests of that function:
one of them has to fail. Only fast tests of pure functions are asked (`docs/mutation/rooms.py` says which),
none that holds a session or simulates thousands: what those find has to be found in milliseconds, too.

`tox run -e mutation` does it and writes this page; `tox run -e mutation -- verdict` does one room, and leaves
the rest of the page as it was. Each change that no test notices is listed, and why: most change nothing that
anybody can see. The reasons are in `docs/mutation/reasons.toml`. **A change that no test notices and that has
no reason there makes the command exit 1**, and so does a reason for a change that is noticed. Modules that
are not listed have not been tried.

"""
_HEAD = """\
| module | changes | noticed | explained | open | noticed, of all |
| --- | --: | --: | --: | --: | --: |
"""
_UNEXPLAINED = "**open**"


@dataclass(frozen=True)
class Reason:
    """Why a change that no test notices is none, or is not worth a test.

    Attributes:
        file: The file that is changed, relative to the package.
        function: The function that is.
        before: What stands there, in one line.
        after: What stands there in its place; empty for anything.
        reason: Why.
    """

    file: str
    function: str
    before: str
    after: str
    reason: str

    def is_of(self, mutant: Mutant) -> bool:
        """Return whether it is the reason of a mutant."""
        mine, its = (self.file, self.function, self.before), (mutant.file, mutant.function, mutant.before)
        return mine == its and self.after in ("", mutant.after)


def read_reasons(file: Path) -> list[Reason]:
    """Return the reasons of a file.

    Raises:
        KeyError: One has no ``file``, ``function``, ``before`` or ``reason``.
    """
    tables = tomllib.loads(file.read_text(encoding="utf-8")).get("unnoticed", [])
    return [
        Reason(each["file"], each["function"], each["before"], each.get("after", ""), each["reason"])
        for each in tables
    ]


def unexplained(mutants: Iterable[Mutant], reasons: Sequence[Reason]) -> list[Mutant]:
    """Return those that no test has noticed, or that were not tried, and that have no reason."""
    return [
        each
        for each in mutants
        if each.status not in NOTICED
        and not (each.status in UNNOTICED and any(reason.is_of(each) for reason in reasons))
    ]


def outdated(mutants: Sequence[Mutant], reasons: Iterable[Reason]) -> list[Reason]:
    """Return the reasons, of the mutated files, for what is no change any more, or is noticed now."""
    files = {each.file for each in mutants}
    unnoticed = [each for each in mutants if each.status in UNNOTICED]
    return [each for each in reasons if each.file in files and not any(map(each.is_of, unnoticed))]


def section(room: str, mutants: Sequence[Mutant], reasons: Sequence[Reason]) -> str:
    """Return the part of the page that is about a room."""
    lines = [f"## {room}", "", _HEAD.rstrip()]
    by_file = {each.file: [one for one in mutants if one.file == each.file] for each in mutants}
    lines += [_row(f"`{file}`", by_file[file], reasons) for file in sorted(by_file)]
    lines.append(_row("**all**", mutants, reasons))
    unnoticed = [each for each in mutants if each.status not in NOTICED]
    if unnoticed:
        lines += ["", "| where | change | why no test notices it |", "| --- | --- | --- |"]
    for each in sorted(dict.fromkeys(unnoticed), key=lambda mutant: (mutant.file, mutant.line)):
        reason = next((reason.reason for reason in reasons if reason.is_of(each)), _UNEXPLAINED)
        lines.append(f"| `{each.file}:{each.line}` | {_code(each.before)} → {_code(each.after)} | {reason} |")
    return "\n".join(lines) + "\n"


def _row(name: str, mutants: Sequence[Mutant], reasons: Sequence[Reason]) -> str:
    noticed = sum(each.status in NOTICED for each in mutants)
    still_open = len(unexplained(mutants, reasons))
    explained = len(mutants) - noticed - still_open
    share = f"{100 * noticed / len(mutants):.1f} %"
    return f"| {name} | {len(mutants)} | {noticed} | {explained} | {still_open} | {share} |"


def _code(text: str) -> str:
    shown = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    shown = shown.replace("|", "\\|").replace("`", "'")
    return f"`{shown}`" if shown else "nothing"


def with_section(page: str, room: str, text: str, rooms: Sequence[str]) -> str:
    """Return the page with the part about a room put in the place of an earlier one, in the rooms' order."""
    _, *parts = f"\n{page}".split("\n## ")
    sections = {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}
    sections[room] = text
    return _INTRODUCTION + "\n".join(sections[each] for each in rooms if each in sections)
