"""Keeps pytest-timeout from ending the test in which all variants of a workload are measured."""

from __future__ import annotations

from typing import Any

import pytest

from loader_gate.plugin.items import key_of
from loader_gate.plugin.start import SUITE


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> bool | None:
    """Set no timer for a benchmark: the first of a workload takes as long as all, and the others nothing."""
    if key_of(item) is None:
        return None
    note = (
        f"pytest-timeout's {settings.timeout:g} s do not count for benchmarks, as all of a workload are "
        "measured in the first: --budget and --hang-after end them."
    )
    suite = item.config.stash[SUITE]
    if note not in suite.notes:
        suite.notes.append(note)
    return True
