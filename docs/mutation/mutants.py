"""Lets mutmut change one thing after another in a room, and reads what became of each change."""

from __future__ import annotations

import ast
import difflib
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docs.mutation.rooms import Room

PROJECT = Path(__file__).resolve().parents[2]
PACKAGE = Path("src", "loader_gate")
#: What tests need beside the package.
_NEEDED = ("src", "tests", "fixtures", "benchmarks", "docs", "conftest.py", "pyproject.toml", "README.md")
_SETTINGS = """

[tool.mutmut]
source_paths = ["src"]
only_mutate = {files}
also_copy = ["fixtures", "benchmarks", "docs", "conftest.py", "README.md"]
pytest_add_cli_args = {options}
pytest_add_cli_args_test_selection = {tests}
use_git_change_detection = false
"""
#: What mutmut says of a mutant that a test has noticed; a loop without an end is noticed too.
NOTICED = ("killed", "timeout", "segfault", "suspicious", "caught by type check")
#: And of one that none has; for the rest mutmut has found no answer yet.
UNNOTICED = ("survived", "no tests")
_RESULT = re.compile(r"^ +(\S+)\.(x\S+?)__mutmut_(\d+): (.+)$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Mutant:
    """One change of the code.

    Attributes:
        file: The file that is changed, relative to the package.
        function: The function that is, with its class if it has one: ``Rules.judge``.
        status: What became of it, in mutmut's words.
        line: The line that is changed, from 1.
        before: What stands there, in one line.
        after: What stands there in its place; empty for one that was noticed, of which nobody asks.
    """

    file: str
    function: str
    status: str
    line: int = 0
    before: str = ""
    after: str = ""


def mutate(room: Room, folder: Path, children: int) -> list[Mutant]:
    """Change one thing after another in a room, and run its tests each time.

    Args:
        room: The room.
        folder: Where it is done. What an earlier call has left there is gone on with, and what survived it is
            tried anew.
        children: How many are tried at once.

    Raises:
        subprocess.CalledProcessError: mutmut has failed, or the tests do without any change.
    """
    prepare(room, folder)
    mutmut = [str(Path(sys.executable).with_name("mutmut"))]
    run = [*mutmut, "run", f"--max-children={children}"]
    again = [name for name, status in _results(mutmut, folder).items() if status in UNNOTICED]
    if again:
        subprocess.run([*run, *again], cwd=folder, check=True)
    subprocess.run(run, cwd=folder, check=True)
    return read_mutants(_results(mutmut, folder), folder)


def prepare(room: Room, folder: Path) -> None:
    """Copy what mutmut works on into a folder; it knows by the times of files which have changed."""
    for name in _NEEDED:
        source = PROJECT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.png", "*.svg", "*.gz")
            shutil.copytree(source, folder / name, ignore=ignored, dirs_exist_ok=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    deselected = [f"--deselect=tests/{each}" for each in room.without]
    settings = _SETTINGS.format(
        files=[f"src/loader_gate/{room.name}/{module}.py" for module in room.modules],
        tests=[f"tests/{each}" for each in room.tests],
        options=["-p", "no:cacheprovider", "--benchmark-disable", *deselected],
    )
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(settings)


def _results(mutmut: Sequence[str], folder: Path) -> dict[str, str]:
    """Return the status of each mutant that there is, by its name."""
    if not (folder / "mutants").is_dir():
        return {}
    command = [*mutmut, "results", "--all", "true"]
    said = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {
        f"{module}.{function}__mutmut_{n}": status for module, function, n, status in _RESULT.findall(said)
    }


def read_mutants(statuses: dict[str, str], folder: Path) -> list[Mutant]:
    """Return the mutants of a folder that mutmut has worked in, by what it has said of each."""
    files: dict[str, dict[str, str]] = {}
    found = []
    for name, status in statuses.items():
        dotted, _, mangled = name.rpartition(".")
        path = Path(*dotted.split(".")[1:]).with_suffix(".py").as_posix()
        function = mangled.rpartition("__mutmut_")[0]  # such as x_judge, or xǁRulesǁjudge
        mutant = Mutant(path, function[2:].replace("ǁ", "."), status)
        if status in UNNOTICED:
            if path not in files:
                files[path] = functions_of((folder / "mutants" / PACKAGE / path).read_text(encoding="utf-8"))
            original = files[path][f"{function}__mutmut_orig"]
            offset, before, after = change_of(original, files[path][mangled])
            source = (PROJECT / PACKAGE / path).read_text(encoding="utf-8")
            line = line_of(mutant.function, source) + offset
            mutant = Mutant(path, mutant.function, status, line, before, after)
        found.append(mutant)
    return found


def functions_of(source: str) -> dict[str, str]:
    """Return the source of every function and method, by its name."""
    lines = source.splitlines()
    return {
        node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }


def line_of(function: str, source: str) -> int:
    """Return the line at which a function begins, from 1; 0 if it is not there."""
    *owners, name = function.split(".")
    tree = ast.parse(source)
    for owner in owners:
        classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner)
        tree = ast.Module(next(classes, ast.Module([], [])).body, [])
    return next(
        (node.lineno for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name), 0
    )


def change_of(before: str, after: str) -> tuple[int, str, str]:
    """Return after how many lines of a function it is changed, what stood there and what does now.

    The names of the functions, in their first lines, differ anyway.
    """
    old, new = (_without_name(each).splitlines() for each in (before, after))
    for kind, start, end, new_start, new_end in difflib.SequenceMatcher(None, old, new, False).get_opcodes():
        if kind != "equal":
            return start, _in_one_line(old[start:end]), _in_one_line(new[new_start:new_end])
    return 0, "", ""


def _without_name(function: str) -> str:
    return re.sub(r"\bx\S*?__mutmut_\w+", "", function, count=1)


def _in_one_line(lines: Sequence[str]) -> str:
    return " ".join(" ".join(lines).split())
