"""``--confirm``: hooks of a session that goes on with what an earlier one has left undecided, or failed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from loader_gate.plugin.books import SCHEMA
from loader_gate.plugin.items import key_of, to_measure
from loader_gate.plugin.settings import options_of
from loader_gate.plugin.start import CONFIRMED, SUITE
from loader_gate.runs.confirmation import ConfirmError, EarlierRun
from loader_gate.runs.parsing import checkout_of
from loader_gate.runs.saved import WorkKey
from loader_gate.text import printable_lines
from loader_gate.workloads.known import workload

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from loader_gate.plugin.suite import Suite
    from loader_gate.runs.saved import Key
    from loader_gate.trees.tree import Tree

#: What the session would have measured, but for the earlier one, which has decided it.
_LEFT_OUT: pytest.StashKey[list[Key]] = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the earlier session has decided, when all else that is left out is known."""
    run = config.stash[CONFIRMED]
    ours = {item: key for item in items if (key := key_of(item)) is not None}
    if run is None or not ours:
        return
    problem = _why_in_vain(run, [*ours.values()])
    if problem:
        items.clear()  # pytest goes on to list them
        raise pytest.UsageError(printable_lines(f"--confirm {run.path}: {problem}."))
    left_out = [item for item, key in ours.items() if key not in run.left_open]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    suite = config.stash[SUITE]
    suite.settings = replace(suite.settings, earlier=run.left_open, fewest_comparisons=run.comparisons)
    config.stash[_LEFT_OUT] = [key for key in dict.fromkeys(ours.values()) if key not in run.left_open]
    suite.notes += _about(run, [*ours.values()])


def _why_in_vain(run: EarlierRun, selected: Collection[Key]) -> str:
    """Return why a session that goes on with a run would be green in vain; empty if it would not."""
    if not {*selected} & {*run.benchmarks, *run.left_open}:
        return "it has none of the benchmarks that are selected here"
    # What had no test in that session could be selected in none.
    left_open = [key for key in run.left_open if key in run.benchmarks]
    if left_open and not {*selected} & {*run.left_open}:
        return f"nothing of what it has left open is selected here: {_named(left_open)}"
    return ""


def _about(run: EarlierRun, selected: Collection[Key]) -> list[str]:
    """Return what there is to say of what this session goes on with, and of what it leaves out."""
    name, goes_on = run.path.name, [key for key in selected if key in run.left_open]
    parts = {
        f"Going on with {name}, its passes of head and base included": goes_on,
        f"Decided in {name}, and left out here": [
            key for key in selected if key in run.benchmarks and key not in run.left_open
        ],
        f"Not in {name}, and left out here": [
            key for key in selected if key not in run.benchmarks and key not in run.left_open
        ],
        f"Left open by {name}, and not selected here": [key for key in run.left_open if key not in selected],
    }
    nothing = (
        [] if goes_on else [f"There is nothing to go on with: {name} has decided what is selected here."]
    )
    return [*(f"{words}: {_named(keys)}." for words, keys in parts.items() if keys), *nothing]


def _named(keys: Iterable[Key]) -> str:
    return ", ".join(dict.fromkeys("/".join(key) for key in keys))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse an earlier session of another comparison, as far as that shows before there is a tree."""
    config = session.config
    run, suite = config.stash[CONFIRMED], config.stash[SUITE]
    if _LEFT_OUT not in config.stash or run is None or suite.settings.place.not_timed:
        return
    if config.option.collectonly or session.testsfailed:
        return
    selected, left_out = to_measure(session.items, suite.absent), config.stash[_LEFT_OUT]
    if not selected:  # nothing is measured, but what has decided that has to be the same
        suite.expect(left_out)
    hook = config.hook
    commit = hook.pytest_benchmark_generate_commit_info(config=config)
    hook.pytest_benchmark_update_commit_info(config=config, commit_info=commit)
    try:
        run.check_comparison(checkout_of(commit), suite.base_revision, options_of(config).tolerance)
        run.check_work({key: _work_now(suite, run, key) for key in (*selected, *left_out)})
        run.check_measured(selected)
    except ConfirmError as error:
        raise pytest.UsageError(printable_lines(str(error))) from error


def is_of_other_tree(config: pytest.Config, name: str, tree: Tree) -> str:
    """Return why the earlier session was another one, if it was of another tree, which no option tells.

    Args:
        config: pytest's configuration.
        name: The workload that is about to be measured.
        tree: The images.
    """
    run = config.stash[CONFIRMED]
    if run is None:
        return ""
    known = {key: each for key, each in run.benchmarks.items() if key[0] == name}
    try:
        run.check_work(
            {key: (replace(each.work, tree=tree.digest), each.loader) for key, each in known.items()}
        )
    except ConfirmError as error:
        return str(error)
    return ""


def has_nothing_left(config: pytest.Config) -> bool:
    """Return whether the earlier session has decided all that would have been measured."""
    return bool(config.stash.get(_LEFT_OUT, []))


def _work_now(suite: Suite, run: EarlierRun, key: Key) -> tuple[WorkKey, str]:
    """Return the key of the work of a benchmark, on the tree of then, and its loader; see `check_work`."""
    then = run.benchmarks.get(key)
    if then is None:
        return next(iter(run.benchmarks.values())).work, ""
    work = workload(key[0], suite.settings.workload_options)
    device = "emulated" if work.is_emulated and work.device is None else str(work.device or "none")
    variant = next(each for each in suite.variants if each.name == key[1])
    now = replace(
        then.work,
        image_size=str(work.image_size[0]),
        batch_size=str(work.batch_size),
        augment=work.augment,
        device=device,
        backend=work.backend or WorkKey.backend,
        arithmetic=work.arithmetic,
        schema=str(SCHEMA),
        cache="cold" if work.is_cold else WorkKey.cache,
        service=variant.service_in(suite.settings.service) or WorkKey.service,
    )
    return now, "" if variant.is_built_in else variant.floor_key
