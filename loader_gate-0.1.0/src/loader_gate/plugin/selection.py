"""Which benchmarks are going to run, and why others are not: hooks, and what pytest's arguments tell."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

from loader_gate.plugin.items import key_of, to_measure
from loader_gate.plugin.settings import options_of
from loader_gate.plugin.start import SUITE
from loader_gate.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from loader_gate.runs.comparison import Absent
    from loader_gate.runs.saved import Entry, Key

#: The benchmarks that are going to run, and those that an option such as ``-k`` has taken out.
_SELECTED: pytest.StashKey[set[Key]] = pytest.StashKey()
_DESELECTED: pytest.StashKey[set[Key]] = pytest.StashKey()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Remember which benchmarks are left out on purpose."""
    for item in items:
        item.config.stash.setdefault(_DESELECTED, set()).update(_keys_of([item]))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember which benchmarks are going to run, and find the code that they are compared with."""
    config = session.config
    config.stash[_SELECTED] = _keys_of(session.items)
    suite = config.stash[SUITE]
    if not (config.option.collectonly or session.testsfailed):
        from loader_gate.base.repository import RevisionError
        from loader_gate.session.bindings import CoresError, check_selected

        selected = to_measure(session.items, suite.absent)
        try:
            check_selected(suite.settings.place.bindings, {workload for workload, _ in selected})
            suite.expect(selected)
        except (CoresError, RevisionError) as error:
            raise pytest.UsageError(printable_lines(str(error))) from error


def _keys_of(items: Iterable[pytest.Item]) -> set[Key]:
    return {key for item in items if (key := key_of(item)) is not None}


def decoders(config: pytest.Config) -> tuple[str, ...]:
    """Return the libraries that decode the files of what is going to be measured, as variants say."""
    suite = config.stash[SUITE]
    names = {variant for _, variant in config.stash.get(_SELECTED, ())}
    return suite.settings.decoders(names - {*suite.absent})


def why_absent(config: pytest.Config) -> Callable[[Entry], Absent]:
    """Return a function that tells why a benchmark of a saved run has no figures in this session."""
    suite = config.stash[SUITE]
    chosen = {variant.name for variant in suite.variants}
    options = options_of(config)

    def why(then: Entry) -> Absent:
        if then.variant in suite.absent:
            return "not run"
        if then.key in config.stash.get(_SELECTED, set()):
            return "unmeasured"
        left_out = (
            then.key in config.stash.get(_DESELECTED, set())
            or (then.variant not in chosen if options.variant else then.key in suite.on_request)
            # Files without a failure are not even collected.
            or config.getoption("lf", False)
            or not is_in_arguments(
                then.node_id,
                config.args,
                config.rootpath,
                config.invocation_params.dir,
                options.ignore or (),
                options.ignore_glob or (),
            )
        )
        return "not run" if left_out else "missing"

    return why


def is_in_arguments(
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
