"""Measures how fast each way of loading images is, and stops the change that makes it slower.

A loader imports from here what it needs: `Tree` (the images), `Spec` (the epoch to deliver), `cores()`. As a
pytest plugin, ``pytest_plugins = ["loader_gate"]``, it brings the options, fixtures and hooks.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loader_gate.machine.cores import cores as cores
    from loader_gate.registry.spec import Spec as Spec
    from loader_gate.trees.tree import Tree as Tree

__all__ = ["Spec", "Tree", "cores"]

#: The module that each name lives in. None is imported before it is asked for: ordinary tests ask for none.
HOMES = {
    "Spec": "loader_gate.registry.spec",
    "Tree": "loader_gate.trees.tree",
    "cores": "loader_gate.machine.cores",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(HOMES[name]), name)
