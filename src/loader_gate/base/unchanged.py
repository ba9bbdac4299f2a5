"""Whether a loader runs the very same code at base, so that there is nothing to time.

It does if every file of the repository that it imports has the same bytes there and here. What source does
not tell counts as changed: to be wrong in this way costs some minutes, in the other it hides a slowdown.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib.machinery import BYTECODE_SUFFIXES, SOURCE_SUFFIXES, PathFinder
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from loader_gate.base.interpreter import holds_packages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib.machinery import ModuleSpec

#: What finds, runs or starts code by a name that may be made up.
_MADE_UP = {
    "Popen",
    "SourceFileLoader",
    "__import__",
    "check_call",
    "check_output",
    "entry_points",
    "eval",
    "exec",
    "import_module",
    "pkgutil",
    "posix_spawn",
    "run_module",
    "run_path",
    "runpy",
    "spec_from_file_location",
    "subprocess",
    "system",
}
#: Of ``sys``, what says where modules are.
_WHERE = {"meta_path", "path", "path_hooks"}
#: What an interpreter imports as it starts, if it is there.
_AT_START = ("sitecustomize", "usercustomize")
#: The harness is this checkout's on both sides, and so is what a user's loader imports of the suite.
_SUITE = "loader_gate"
#: What no loader runs or reads.
_FOR_PEOPLE = {".md", ".rst"}


class _UnknownError(Exception):
    """It cannot be told from source what runs."""


@dataclass(frozen=True)
class Side:
    """One of both sides.

    Attributes:
        top: The folder that what is compared is checked out to, with all links resolved.
        search_path: Where its workers look for modules.
        variants: The folder of the suite's own variants, if those are compared; nothing else of the suite is.
        hooks: Whether an editable install may find modules too: those of the checkout.
    """

    top: Path
    search_path: Sequence[str] = ()
    variants: Path | None = None
    hooks: bool = False

    def code(self, module: str, file: Path | None) -> dict[str, bytes] | None:
        """Return the files of the repository that importing a module may run, or None if that is not known.

        Args:
            module: Its full name.
            file: Its file, where it is not found by its name.

        Returns:
            The bytes of each file, by its name relative to the top.
        """
        found: dict[str, bytes] = {}
        try:
            waiting = [
                file
                for name in _AT_START
                for file in self._chain(PathFinder.find_spec(name, self._own_path), [])
            ]
            waiting += [file, *_packages_around(file)] if file else self._named(module)
            while waiting:
                each = waiting.pop().resolve()
                name = each.relative_to(self.top).as_posix()
                if name not in found:
                    found[name] = each.read_bytes()
                    if each.suffix in SOURCE_SUFFIXES:
                        waiting += self._imported(each, found[name])
        except (_UnknownError, OSError, SyntaxError, ValueError):
            return None
        return found

    def _imported(self, file: Path, source: bytes) -> Iterator[Path]:
        """Yield the files of the repository that a file's imports may run, wherever in it they are."""
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._named(alias.name)
            elif isinstance(node, ast.ImportFrom):
                # What is imported from a package may be a module of it.
                for alias in node.names:
                    name = f"{node.module}.{alias.name}" if node.module else alias.name
                    files = self._beside(file, node.level, name) if node.level else self._named(name)
                    if alias.name == "*" and files:  # a package may say in words what that is
                        raise _UnknownError
                    yield from files
            if _is_made_up(node):
                raise _UnknownError

    def _named(self, module: str) -> list[Path]:
        """Return the files of the repository that importing a module by its full name runs."""
        first, *rest = module.split(".")
        if first == _SUITE:
            if self.variants is None or rest[:1] != ["variants"] or not rest[1:]:
                return []
            return self._chain(PathFinder.find_spec(rest[1], [str(self.variants)]), rest[2:])
        spec = PathFinder.find_spec(first, self._own_path)
        if spec is None and self.hooks:
            spec = find_spec(first)
            # Found nowhere, it may be where a worker will look; found by a hook, base's will look elsewhere.
            if spec is None or any(self._is_own(each) for each in _places(spec)):
                raise _UnknownError
            return []
        return self._chain(spec, rest)

    @property
    def _own_path(self) -> list[str]:
        return [entry for entry in self.search_path if not holds_packages(entry)]

    def _beside(self, file: Path, level: int, name: str) -> list[Path]:
        """Return the files that a relative import runs, beside those of the packages around the file."""
        first, *rest = name.split(".")
        folder = file.parents[level - 1]
        return [*_packages_around(file), *self._chain(PathFinder.find_spec(first, [str(folder)]), rest)]

    def _chain(self, spec: ModuleSpec | None, rest: Sequence[str]) -> list[Path]:
        """Return the files of a module and of the packages around it that lie in the repository."""
        specs = [spec]
        for name in rest:
            if spec is None or spec.submodule_search_locations is None:
                break
            spec = PathFinder.find_spec(name, [*spec.submodule_search_locations])
            specs.append(spec)
        files = [Path(each.origin).resolve() for each in specs if each and each.has_location and each.origin]
        return [each for each in files if self._is_own(each)]

    def _is_own(self, place: Path) -> bool:
        """Return whether a file or folder is of the repository: an environment inside of it is not."""
        return place.is_relative_to(self.top) and not holds_packages(str(place.relative_to(self.top)))


def _packages_around(file: Path) -> list[Path]:
    """Return the files of the packages that a module lies in."""
    packages = (folder / "__init__.py" for folder in file.parents)
    return [*takewhile(Path.is_file, packages)]


def _places(spec: ModuleSpec) -> list[Path]:
    """Return where a module is: its file, or the folders of a package without one."""
    names = [spec.origin] if spec.has_location and spec.origin else [*(spec.submodule_search_locations or ())]
    return [Path(name).resolve() for name in names]


def _is_made_up(node: ast.AST) -> bool:
    """Return whether a piece of source may run code that no import names."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and node.value.endswith(".py")
    if isinstance(node, ast.Name):
        return node.id in _MADE_UP
    if isinstance(node, ast.Attribute):
        is_where = isinstance(node.value, ast.Name) and node.value.id == "sys" and node.attr in _WHERE
        return is_where or node.attr in _MADE_UP
    return isinstance(node, ast.alias) and not _MADE_UP.isdisjoint(node.name.split("."))


def is_unchanged(here: Side, there: Side, module: str, files: tuple[Path, Path] | None = None) -> bool:
    """Return whether a module runs the same files on both sides; not if that is not known.

    Args:
        here: This checkout.
        there: Base.
        module: The module's full name.
        files: Its file here and there, where it is not found by its name.
    """
    ours, theirs = files or (None, None)
    code = here.code(module, ours)
    return bool(code) and code == there.code(module, theirs)


def has_other_data(changed: Iterable[Path]) -> bool:
    """Return whether anything has changed that is no Python, and that a loader might read.

    In a folder with a dot, such as ``.github`` or ``.benchmarks``, tools keep what is theirs.

    Args:
        changed: The files that have changed, relative to the top of their repository.
    """
    return any(
        name.suffix not in {*SOURCE_SUFFIXES, *BYTECODE_SUFFIXES, *_FOR_PEOPLE}
        and not any(part.startswith(".") for part in name.parts[:-1])
        for name in changed
    )
