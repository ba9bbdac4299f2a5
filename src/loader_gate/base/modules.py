"""What a module is and which names it has, without importing it; and which file it was renamed from."""

from __future__ import annotations

import ast
import pkgutil
from contextlib import suppress
from difflib import SequenceMatcher
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loader_gate.registry.variant import Variant


#: The share of equal lines from which a file counts as another one renamed. Git's own 0.5 is too little:
#: two variants that differ only in their cache share 0.48.
LEAST_EQUAL_LINES = 0.6


def modules_in(folder: Path) -> dict[str, Path]:
    """Return the files of the modules and packages in a folder, by name."""
    return {
        info.name: folder / info.name / "__init__.py" if info.ispkg else folder / f"{info.name}.py"
        for info in pkgutil.iter_modules([str(folder)])
    }


def module_file(module: str, search_path: Iterable[str], *, hooks: bool = True) -> Path | None:
    """Return a module's file, without importing it or a package around it.

    Args:
        module: Its full name.
        search_path: Where to look first.
        hooks: Whether one that an editable install knows counts too: such are of this checkout.
    """
    first, *rest = module.split(".")
    spec = PathFinder.find_spec(first, [*search_path])
    if spec is None and hooks:
        spec = find_spec(first)
    for name in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        # By its last name: under its full one, its package would have to be imported.
        spec = PathFinder.find_spec(name, [*spec.submodule_search_locations])
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    return Path(spec.origin).resolve()


def import_roots(variant: Variant, search_path: Sequence[str]) -> list[str]:
    """Return the folders that have to be on the search path for a user's loader to be found."""
    if variant.file:
        return [*variant.path]
    file = None if variant.is_built_in else module_file(variant.module, search_path)
    if file is None:
        return []
    inner = file.parent if file.name.startswith("__init__.") else file
    return [str(inner.parents[len(variant.module.split(".")) - 1])]


def renamed_from(new: Path, candidates: Iterable[Path]) -> Path | None:
    """Return the file that another one was most likely renamed from, if any is alike enough."""
    lines = _lines(new)
    best, best_share = None, LEAST_EQUAL_LINES
    for candidate in candidates:
        matcher = SequenceMatcher(None, _lines(candidate), lines, autojunk=False)
        if matcher.real_quick_ratio() < best_share or matcher.quick_ratio() < best_share:
            continue
        share = matcher.ratio()
        if share >= best_share:
            best, best_share = candidate, share
    return best


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def names_in(file: Path) -> set[str] | None:
    """Return every name that a module may have, or None if that cannot be told without running it."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
    made_up = {"*", "__getattr__", "globals", "setattr"}
    called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return None if made_up & (names | called) else names


def said_of(file: Path, function: str, name: str) -> str:
    """Return the text that a module gives one of its functions, as ``FUNCTION.NAME = "…"``; else nothing."""
    said: object = ""
    with suppress(OSError, SyntaxError, ValueError):
        for node in ast.parse(file.read_bytes()).body:
            if isinstance(node, ast.Assign) and f"{function}.{name}" in map(ast.unparse, node.targets):
                said = ast.literal_eval(node.value)
    return said if isinstance(said, str) else ""


def public_functions(file: Path) -> set[str]:
    """Return the public functions of a module."""
    tree = ast.parse(file.read_bytes())
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    }
