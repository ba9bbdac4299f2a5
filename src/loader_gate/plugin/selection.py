"""Whether a test of an earlier session was asked for in this one, told from pytest's arguments alone."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path


def asked_for(
    node_id: str,
    arguments: Sequence[str],
    root: Path,
    started_in: Path,
    ignored: Sequence[str] = (),
    ignored_globs: Sequence[str] = (),
) -> bool:
    """Return whether paths and node ids on the command line take a test in that need not exist any more.

    Args:
        node_id: pytest's name of the test, as it was.
        arguments: Paths and node ids to collect; what is no path takes everything in.
        root: pytest's root folder, which node ids begin at.
        started_in: The folder that arguments begin at.
        ignored: Values of ``--ignore``.
        ignored_globs: Values of ``--ignore-glob``.
    """
    file_name, _, inside = node_id.partition("::")
    file = (root / file_name).resolve()

    def is_at_or_under(argument: str) -> bool:
        path = (started_in / argument).resolve()
        return path == file or path in file.parents

    if any(is_at_or_under(each) for each in ignored):
        return False
    if any(fnmatch(str(file), str(started_in / each)) for each in ignored_globs):
        return False
    for argument in arguments:
        path, _, part = argument.partition("::")
        if not (started_in / path).exists():
            if not part:  # such as a package's name with --pyargs
                return True
            continue
        if is_at_or_under(path) and (
            not part or inside == part or inside.startswith((f"{part}[", f"{part}::"))
        ):
            return True
    return False
