"""A plugin for GitHub Actions: what failed or is undecided is shown at the variant's file.

Such an annotation is a line of the log, ``::error file=…,line=…,title=…::message``. Anywhere else, nothing is
printed.
"""

from __future__ import annotations

import ast
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from loader_gate.plugin.items import key_of
from loader_gate.plugin.start import SUITE
from loader_gate.worker.process import module_search_path

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from loader_gate.registry.variant import Variant

ANNOTATIONS = pytest.StashKey[list["Annotation"]]()


@dataclass(frozen=True)
class Annotation:
    """One remark.

    Attributes:
        level: How grave it is.
        title: What it is about, in a few words.
        message: All of it.
        file: The file that it is shown at, relative to the repository; empty if it lies elsewhere.
        line: The line in it.
    """

    level: Literal["error", "warning"]
    title: str
    message: str
    file: str
    line: int

    def __str__(self) -> str:
        """Return it as the line that GitHub looks for."""
        properties = {"file": self.file, "line": str(self.line)} if self.file else {}
        properties["title"] = self.title
        shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
        return f"::{self.level} {shown}::{_data(self.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def place_of(variant: Variant, search_path: Sequence[str], repository: Path) -> tuple[str, int]:
    """Return the file of a variant, relative to a repository, and the line of its loader; imports nothing.

    The file is empty if there is none, or if it lies outside of the repository.

    Args:
        variant: The variant.
        search_path: Where its module is looked for.
        repository: The folder that the repository is checked out to.
    """
    from loader_gate.base.modules import module_file

    top = repository.resolve()
    file = Path(variant.file).resolve() if variant.file else module_file(variant.module, search_path)
    if file is None or not file.is_relative_to(top):
        return "", 1
    lines = [1]
    with suppress(OSError, SyntaxError, ValueError):
        for node in ast.parse(file.read_bytes()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                lines += [node.lineno] * (node.name == variant.function)
            elif isinstance(node, ast.Assign):
                names = [each.id for each in node.targets if isinstance(each, ast.Name)]
                lines += [node.lineno] * (variant.function in names)
    return file.relative_to(top).as_posix(), lines[-1]


def pytest_configure(config: pytest.Config) -> None:
    """Begin with no annotations."""
    config.stash[ANNOTATIONS] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember what the test of a variant has ended with, if that is worth a remark."""
    report = yield
    if call.when == "call" and os.environ.get("GITHUB_ACTIONS") == "true":
        annotation = _annotation(item, call, report)
        if annotation is not None:
            item.config.stash[ANNOTATIONS].append(annotation)
    return report


def _annotation(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> Annotation | None:
    suite, key = item.config.stash[SUITE], key_of(item)
    if key is None:
        return None
    workload, name = key
    result = suite.results.get(workload)
    measurement = None if result is None else result.measurements.get(name)
    status: str = "unmeasured" if measurement is None else measurement.verdict.status
    if report.failed and call.excinfo is not None:
        level: Literal["error", "warning"] = "error"
        message = str(call.excinfo.value) or call.excinfo.typename
        # What is slower than a saved run fails with any verdict.
        status = "slower" if status == "pass" else status
    elif status == "undecided":
        level, message = "warning", suite.sentence(workload, name)
    else:
        return None
    variant = next(each for each in suite.variants if each.name == name)
    repository = Path(os.environ.get("GITHUB_WORKSPACE") or item.config.invocation_params.dir)
    place = place_of(variant, module_search_path(item.config.invocation_params.dir), repository)
    return Annotation(level, f"{name} ({workload}): {status}", message, *place)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Print the annotations below everything else: GitHub takes them out of the log."""
    yield
    for annotation in terminalreporter.config.stash[ANNOTATIONS]:
        terminalreporter.write_line(str(annotation))
