"""Measures how fast each way of loading images is, and stops the change that makes it slower.

A loader imports from here what it needs: `Tree` (the images), `Spec` (the epoch to deliver), `cores()`, and
`random_box()` if it augments.
As the pytest plugin ``loader_gate``, there once it is installed, it brings options, fixtures and hooks;
what ``@loader_gate.loading``, ``.training`` or ``.dump`` decorates is a benchmark.

PYTEST_DONT_REWRITE (whoever imports this before pytest does is not warned of it)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loader_gate.machine.cores import cores as cores
    from loader_gate.registry.boxes import random_box as random_box
    from loader_gate.registry.decorators import dump as dump
    from loader_gate.registry.decorators import loading as loading
    from loader_gate.registry.decorators import training as training
    from loader_gate.registry.spec import Spec as Spec
    from loader_gate.trees.tree import Tree as Tree

__all__ = ["Spec", "Tree", "cores", "dump", "loading", "random_box", "training"]

#: What pytest loads with this module.
pytest_plugins = ("loader_gate.plugin.hooks",)

#: The module of each name that a loader runs on. None is imported before it is asked for: ordinary tests ask
#: for none.
HOMES = {
    "Spec": "loader_gate.registry.spec",
    "Tree": "loader_gate.trees.tree",
    "cores": "loader_gate.machine.cores",
    "random_box": "loader_gate.registry.boxes",
}
#: The same of what declares a benchmark, which no loader runs on.
_DECORATORS = dict.fromkeys(("dump", "loading", "training"), "loader_gate.registry.decorators")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    home = HOMES.get(name) or _DECORATORS.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
