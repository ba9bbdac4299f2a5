"""Copies a variant out of the suite: a package that needs nothing of it.

``python -m loader_gate.copy_variant tfdata_no_cache loaders``
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path

from loader_gate import HOMES
from loader_gate.kept_files import write_whole
from loader_gate.registry.built_in import built_in_variants
from loader_gate.text import printable

#: The folder that holds the package.
_PROJECT = Path(__file__).resolve().parents[1]
#: What every variant is given.
_ALWAYS = (HOMES["Spec"], HOMES["Tree"])
_OURS = "loader_gate"


class CopyError(Exception):
    """A variant cannot be copied; the message says why and what to do."""


def copies(module: str) -> dict[str, str]:
    """Return the files that a variant needs, as text by name, with imports of each other in place of ours.

    Args:
        module: The variant's module.

    Raises:
        CopyError: Two modules would have one file, or one imports ours in a way that cannot be replaced.
    """
    files: dict[str, str] = {"__init__.py": '"""Loaders, copied from loader-gate."""\n'}
    sources: dict[str, str] = {}
    waiting = [module, *_ALWAYS]
    while waiting:
        name = waiting.pop()
        file = f"{name.rpartition('.')[2]}.py"
        if sources.get(file) == name:
            continue
        if file in files:
            raise CopyError(f"{sources[file]} and {name} would both become {file}: rename one of them.")
        sources[file] = name
        files[file], imported = _replaced(name)
        waiting += imported
    return files


def _replaced(name: str) -> tuple[str, list[str]]:
    """Return a module's text with relative imports, and the modules of ours that it imports."""
    path = _PROJECT.joinpath(*name.split(".")).with_suffix(".py")
    text = path.read_text(encoding="utf-8")
    lines, imported = text.splitlines(keepends=True), []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import) and any(_is_ours(alias.name) for alias in node.names):
            raise CopyError(f"{path}, line {node.lineno}: write `from … import …`, which can be replaced.")
        if not isinstance(node, ast.ImportFrom) or not _is_ours(node.module or ""):
            continue
        source = str(node.module)
        line = node.lineno - 1
        if source == _OURS:  # of a name there, only its home is copied
            indent = lines[line][: node.col_offset]
            homes = [HOMES[alias.name] for alias in node.names]
            imported += homes
            lines[line] = "".join(
                f"{indent}from .{home.rpartition('.')[2]} import {_named(alias)}\n"
                for home, alias in zip(homes, node.names, strict=True)
            )
            continue
        if source == f"{_OURS}.variants":  # the names are modules themselves
            imported += [f"{source}.{alias.name}" for alias in node.names]
            target = "."
        else:
            imported.append(source)
            target = f".{source.rpartition('.')[2]}"
        lines[line] = lines[line].replace(f"from {source} import", f"from {target} import", 1)
    return "".join(lines), imported


def _named(alias: ast.alias) -> str:
    return alias.name if alias.asname is None else f"{alias.name} as {alias.asname}"


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == _OURS


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy a variant; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m loader_gate.copy_variant",
        description="Copy a variant into a package of your own, which needs nothing of this suite.",
    )
    modules = {variant.name: variant.module for variant in built_in_variants()}
    parser.add_argument("variant", metavar="VARIANT", choices=modules, help=", ".join(modules))
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the package's folder; may be new")
    options = parser.parse_args(arguments)
    try:
        files = copies(modules[options.variant])
        options.folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            file = options.folder / name
            if file.exists() and name != "__init__.py" and file.read_text(encoding="utf-8") != text:
                raise CopyError(
                    f"{file} is there already and is another one: remove it, or take a new folder."
                )
        for name, text in files.items():
            file = options.folder / name
            if not file.exists():
                write_whole(file, text)
    except (CopyError, OSError, UnicodeDecodeError) as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    print(f"{options.folder}: {', '.join(sorted(files))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
