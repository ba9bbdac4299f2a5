"""Keeps pytest-timeout from ending the test in which all variants of a workload are measured."""

from __future__ import annotations

from typing import Any

import pytest

from loader_gate.plugin.items import key_of, to_measure
from loader_gate.plugin.start import SUITE

#: The timeouts that are said not to count.
_SAID: pytest.StashKey[set[float]] = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Say before anything is measured that the timeout of all tests does not count for it."""
    config = session.config
    # What pytest-timeout has made of its option, its setting and its variable.
    seconds = getattr(config, "_env_timeout", None)
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if not seconds or terminal is None or config.option.collectonly or session.testsfailed:
        return
    if to_measure(session.items, config.stash[SUITE].absent):
        config.stash[_SAID] = {seconds}
        terminal.write_line(_note(seconds))


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Set no timer for a benchmark: the first of a workload takes as long as all, and the others nothing."""
    if key_of(item) is None:
        return None
    said = item.config.stash.setdefault(_SAID, set())
    if settings.timeout not in said:  # of a mark
        said.add(settings.timeout)
        item.config.stash[SUITE].notes.append(_note(settings.timeout))
    return True


def _note(seconds: float) -> str:
    return (
        f"pytest-timeout's {seconds:g} s do not count for benchmarks, as all of a workload are measured in "
        "the first: --budget and --hang-after end them."
    )
