"""The house rules that a machine can hold the code to: who imports whom, and how large anything may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import loader_gate

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "loader_gate"
MODULES = {path: ast.parse(path.read_bytes()) for path in sorted(PACKAGE.rglob("*.py"))}

#: What takes long to import, and many who have us installed have no use for.
HEAVY = {"keras", "matplotlib", "plotly", "scipy", "tensorflow", "torch"}
#: How the standard library and psutil say how many there are.
COUNTS_OF_CORES = {"cpu_count", "process_cpu_count", "sched_getaffinity", "cpu_affinity"}
MOST_LINES = 200
MOST_ARGUMENTS = 6


def name_of(path: Path) -> str:
    """Return a module's file, for people."""
    return path.relative_to(PACKAGE).as_posix()


def imports(tree: ast.AST, everywhere: bool) -> Iterator[str]:
    """Yield what a module imports: everywhere in it, or only what importing it imports."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif everywhere:
            yield from imports(node, everywhere)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from imports(node, everywhere)


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield every class with its name for people."""
    for path, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                yield f"{name_of(path)}: {node.name}", node


def test_who_imports_whom() -> None:
    """As `.importlinter` says: a room imports only rooms earlier in the table, and who knows pytest."""
    pytest.importorskip("importlinter.cli", reason="import-linter is not installed")
    # In a process of its own: in this one it may leave streams closed behind it.
    lint = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_loader_may_import_stands_alone() -> None:
    """`--against` imports the public names' homes from base, beside a harness of this checkout."""
    for home in {*loader_gate.HOMES.values()}:
        tree = MODULES[PACKAGE.joinpath(*home.split(".")[1:]).with_suffix(".py")]
        assert [name for name in imports(tree, everywhere=True) if name.startswith("loader_gate")] == []


def test_cores_are_counted_in_one_place() -> None:
    """Whoever asks the system or a library by himself leaves the affinity or the quota out."""
    counted = {
        file.relative_to(ROOT).as_posix(): {
            each.attr if isinstance(each, ast.Attribute) else each.name
            for each in ast.walk(ast.parse(file.read_bytes()))
            if isinstance(each, ast.Attribute | ast.alias)
        }
        & COUNTS_OF_CORES
        for folder in ("src", "benchmarks", "fixtures", "docs")
        for file in sorted((ROOT / folder).rglob("*.py"))
    }
    found = {file: names for file, names in counted.items() if names}
    assert found == {"src/loader_gate/machine/cores.py": {"cpu_count", "sched_getaffinity"}}


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    """Only a variant imports a framework at its top: it is found without being run, and a worker runs it."""
    found = [
        f"{name_of(path)}: {name}"
        for path, tree in MODULES.items()
        if path.parent.name != "variants"
        for name in imports(tree, everywhere=False)
        if name.partition(".")[0] in HEAVY
    ]
    assert found == []


def test_a_room_says_what_it_is_and_nothing_else() -> None:
    """Its `__init__.py` is a docstring of a few lines: whatever is imported has its own module."""
    for path, tree in MODULES.items():
        if path.name != "__init__.py" or path.parent == PACKAGE:
            continue
        words = ast.get_docstring(tree)
        assert words is not None, name_of(path)
        assert len(tree.body) == 1, name_of(path)
        assert len(words.splitlines()) <= 5, name_of(path)


def test_no_class_is_large() -> None:
    """It would do more than one thing."""
    lines = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in classes()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_no_constructor_takes_many_arguments() -> None:
    """They would be settings picked apart; those of a dataclass are data."""
    counts = {}
    for name, node in classes():
        for function in node.body:
            if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                arguments = function.args
                every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
                counts[name] = len(every) - 1
    assert {name: count for name, count in counts.items() if count > MOST_ARGUMENTS} == {}
