"""What README and docs say exists, works, and is said of the right thing."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from loader_gate import Spec, Tree
from loader_gate.plugin.options import OPTIONS
from loader_gate.plugin.settings import read_settings
from loader_gate.same_work.declared import DeclaredOutput
from tests.sessions import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / "docs" / name / "README.md" for name in ("cheats", "faults")),
)

#: Options of other programs that the docs name.
OF_OTHERS = {"--unshallow", "--cap-add", "--no-deps", "--group"}  # git, docker, pip

#: Paths in somebody else's repository.
THEIRS = {
    ".github/workflows/loaders.yml",
    ".github/workflows/loaders-comment.yml",
    "benchmarks/test_loaders.py",
    "tests/test_NAME.py",
}


@dataclass(frozen=True)
class Block:
    """What stands between two fences.

    Attributes:
        page: Where it stands.
        line: Of the page, on which it begins.
        language: As the fence names it.
        text: Without the fences.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def _blocks(*languages: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE):
            if match[1] in languages:
                name = page.relative_to(ROOT).as_posix()
                found.append(Block(name, text.count("\n", 0, match.start()) + 1, match[1], match[2]))
    return found


def _prose(page: Path) -> str:
    """Return a page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def _spans(page: Path) -> list[str]:
    """Return what a page shows as code within its sentences."""
    return re.findall(r"`([^`]+)`", _prose(page))


# Python.


@pytest.mark.parametrize("block", _blocks("python"), ids=str)
def test_python_compiles(block: Block) -> None:
    """What is shown can be pasted; part of a function may be indented."""
    compile(textwrap.dedent(block.text), str(block), "exec")


@pytest.mark.parametrize(
    ("page", "name", "needs"),
    [
        ("README.md", "photos", ""),
        ("docs/variants.md", "in_memory", ""),
        ("docs/variants.md", "torch_photos", "torch"),
    ],
)
def test_a_loader_loads(page: str, name: str, needs: str, tiny_tree: Tree, tmp_path: Path) -> None:
    """It gives every image under its label, in the size, type and range that it should, epoch by epoch."""
    if needs:
        pytest.importorskip(needs)
    (block,) = (each for each in _blocks("python") if each.page == page and f"def {name}(" in each.text)
    names: dict[str, Any] = {}
    exec(compile(block.text, str(block), "exec"), names)  # noqa: S102 (the docs are ours)
    loader = names[name]
    spec = Spec(image_size=(32, 24), batch_size=10, shuffle=True, seed=0, cache_dir=tmp_path)
    generator, batches = getattr(loader, "__code__", SimpleNamespace(co_flags=0)).co_flags & 0x20, None
    for _ in range(2):
        batches = loader(tiny_tree, spec) if batches is None or generator else batches
        epoch = [(np.asarray(images), np.asarray(labels)) for images, labels in batches]
        images, labels = (np.concatenate(each) for each in zip(*epoch, strict=True))
        assert [len(each) for each, _ in epoch] == [10, 10, 4]
        assert images.shape == (24, 32, 24, 3)
        assert images.dtype == getattr(loader, "DTYPE", "float32")
        low, high = DeclaredOutput.of(loader).bounds
        assert low <= images.min() < images.max() <= high
        assert labels.dtype == np.float32
        assert labels.sum(axis=0).tolist() == np.bincount(tiny_tree.labels).tolist()


# TOML.


@pytest.mark.parametrize("block", _blocks("toml"), ids=str)
def test_toml_parses(block: Block) -> None:
    """What is shown can be pasted."""
    assert tomllib.loads(block.text)


def test_settings_are_accepted(tmp_path: Path) -> None:
    """A table for ``pyproject.toml`` has only settings that there are, of the kind that they are."""
    shown = [block for block in _blocks("toml") if "[tool.loader-gate]" in block.text]
    assert shown
    for block in shown:
        file = tmp_path / "pyproject.toml"
        file.write_text(block.text, encoding="utf-8")
        assert read_settings(file)


def test_every_setting_is_told_of() -> None:
    """The table of settings has all that there are, and no other."""
    table = _table(ROOT / "docs" / "gating-your-repository.md", "## Settings")
    assert {*table} == {"variants", *(option.name for option in OPTIONS if option.in_file)}


def test_floors_are_accepted(tmp_path: Path) -> None:
    """A file of floors can be used as it is shown."""
    (block,) = (each for each in _blocks("toml") if "[profiles." in each.text)
    file = tmp_path / "floors.toml"
    file.write_text(block.text, encoding="utf-8")
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", f"--floors={file}", "--profile=my-ci"]
    command = [sys.executable, "-m", "pytest", "benchmarks/test_loading.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# Commands and options.


@cache
def _help(program: str) -> str:
    """Return what a program says of itself, with all of its commands."""
    module, *command = program.split()
    if module == "pytest":
        called = [sys.executable, "-m", module, "--help"]
        said = subprocess.run(called, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    else:
        is_package = hasattr(importlib.import_module(module), "__path__")
        main = importlib.import_module(f"{module}.__main__" if is_package else module).main
        with redirect_stdout(StringIO()) as output, pytest.raises(SystemExit, match=r"^0$"):
            main([*command, "--help"])
        said = output.getvalue()
    commands = re.search(r"^  [A-Z]+\n((?: {4}.+\n)+)", said, flags=re.MULTILINE)
    names = re.findall(r"^    ([\w-]+)(?:  |$)", commands[1], flags=re.MULTILINE) if commands else []
    return said + "".join(_help(f"{program} {name}") for name in names)


def _options(text: str) -> set[str]:
    return {*re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text)}


def _commands() -> Iterable[tuple[Block, list[str]]]:
    for block in _blocks("sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            for command in line.split(" && "):
                yield block, shlex.split(command, comments=True)


def test_every_command_takes_its_options() -> None:
    """A line of a shell names only options that its program has."""
    seen = set()
    for block, words in _commands():
        program = "" if not words else words[2] if words[:2] == ["python", "-m"] else words[0]
        if program == "pytest" or program.startswith(("loader_gate.", "docs.")):
            seen.add(program)
            # What follows a lone -- is handed on to pytest.
            end = words.index("--") if "--" in words else len(words)
            for name, part in ((program, words[:end]), ("pytest", words[end:])):
                unknown = _options(" ".join(part)) - _options(_help(name))
                assert not unknown, f"{block}: {name} has no {', '.join(sorted(unknown))}"
    assert {"pytest", "loader_gate.history", "loader_gate.report"} <= seen


def test_every_option_exists() -> None:
    """An option that a sentence names is one of pytest's here, or of our commands."""
    # Long names are shown by --help only where the short ones are taken.
    long = {f"--loader-gate-{option.name}" for option in OPTIONS}
    known = OF_OTHERS | long | _options("".join(map(_help, ["pytest", *_modules()])))
    unknown = {
        f"{page.name}: {each}"
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for each in _options(" ".join(_spans(page))) - known
    }
    assert not unknown


def test_every_option_is_told_of() -> None:
    """No option of ours is known to ``--help`` alone."""
    _, _, ours = _help("pytest").partition("\nimage loaders:")
    ours = re.split(r"\n\n|\n(?=\S)", ours.partition("\n")[2])[0]
    told = _options("".join(page.read_text(encoding="utf-8") for page in PAGES))
    named = {*re.findall(r"^  (--[a-z-]+)", ours, flags=re.MULTILINE)}
    assert len(named) > 20
    assert not named - told


def _modules() -> set[str]:
    """Return every module that README and docs run."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "CHANGELOG.md")
    return {*re.findall(r"python -m ((?:loader_gate|docs)\.[\w.]+\w)", text)}


def test_every_module_runs() -> None:
    """What follows ``python -m`` is a command."""
    modules = _modules()
    assert {"loader_gate.history", "loader_gate.report", "loader_gate.copy_variant"} <= modules
    for name in modules:
        assert _help(name).startswith("usage: ")


def test_every_environment_of_tox_exists() -> None:
    """What follows ``tox run -e`` is an environment with a description."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    settings = (ROOT / "tox.ini").read_text(encoding="utf-8")
    named = {*re.findall(r"tox run -e ([\w-]+)", text)}
    assert {"bench", "lint", "test", "wheel"} <= named
    for name in named:
        assert f"[testenv:{name}]\ndescription = " in settings


# Files and links.


def test_every_file_exists() -> None:
    """A path that is named is there."""
    folders = r"(?:src|docs|benchmarks|fixtures|tests|\.github|\.ci)/"
    missing = set()
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        for path in re.findall(rf"(?<![\w./-]){folders}[\w./-]*", page.read_text(encoding="utf-8")):
            path = path.rstrip(".")
            if path not in THEIRS and not (ROOT / path).exists():
                missing.add(f"{page.name}: {path}")
    assert not missing


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link is to a file, and its anchor to a heading of it."""
    prose = _prose(page)
    links = [*re.findall(r"\]\(([^)\s]+)\)", prose), *re.findall(r'src="([^"]+)"', prose)]
    for link in links:
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target), link


def test_every_page_is_linked() -> None:
    """README leads to each page of the docs, itself or by another page."""
    todo, seen = [ROOT / "README.md"], set()
    while todo:
        page = todo.pop()
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s:]+\.md)", _prose(page))
        todo += [each for each in ((page.parent / link).resolve() for link in links) if each not in seen]
    assert {*PAGES} - seen <= {ROOT / "CHANGELOG.md"}


def _table(page: Path, heading: str) -> Mapping[str, str]:
    """Return the table of two columns below a heading, by what is code in the first."""
    text = page.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \| (.+?) \|", text, flags=re.MULTILINE)
    return {name: meaning for names, meaning in rows for name in re.findall(r"`([^`]+)`", names)}


def test_the_rooms() -> None:
    """The table of rooms names all that there are, and what each is for is in its ``__init__.py``."""
    house = ROOT / "src" / "loader_gate"
    rooms = {folder.name for folder in house.iterdir() if (folder / "__init__.py").exists()}
    assert {*_table(ROOT / "docs" / "architecture.md", "## Rooms")} == rooms
    for room in rooms:
        assert importlib.import_module(f"loader_gate.{room}").__doc__
