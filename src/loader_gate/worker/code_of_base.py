"""Lets a worker run a loader of another revision, with all that a loader may import from there."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import loader_gate

if TYPE_CHECKING:
    from types import ModuleType


def use_code_of(package: Path) -> None:
    """Import all that a variant may import from another revision: the variants, and each public name's home.

    The rest of ``loader_gate`` stays, and so do third-party packages: only what loaders run on is compared.

    Args:
        package: The folder of the other ``loader_gate``.
    """
    homes = _loaded("loader_gate.at_base", package / "__init__.py").HOMES
    loader_gate.HOMES.update(homes)
    for name in {*homes.values()}:
        _put_in_place(name, package.joinpath(*name.split(".")[1:]).with_suffix(".py"))
    _put_in_place("loader_gate.variants", package / "variants" / "__init__.py")


def _put_in_place(name: str, file: Path) -> None:
    """Import a module from this file, unless that has been done."""
    held = sys.modules.get(name)
    if held is not None and held.__file__ == str(file):
        return
    module = _loaded(name, file)
    parent, _, last = name.rpartition(".")
    setattr(importlib.import_module(parent), last, module)


def _loaded(name: str, file: Path) -> ModuleType:
    folders = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    assert spec is not None  # noqa: S101 (for mypy)
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where a dataclass looks for the module that it is in
    spec.loader.exec_module(module)
    return module


def require_inside(holder: Any, folder: Path) -> None:
    """Refuse a module that was imported from elsewhere than the revision that it is to be of."""
    file = getattr(holder, "__file__", None)
    if file is None or not Path(file).resolve().is_relative_to(folder.resolve()):
        raise ImportError(
            f"{holder.__name__} came from {file}, not from the revision checked out to {folder}; is it "
            "installed? An editable install that hooks into imports goes before any path: install it with "
            "`pip install --config-settings editable_mode=compat -e`, or uninstall it and set PYTHONPATH"
        )
