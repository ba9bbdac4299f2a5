"""What runs the same code at base: told from source, in small git repositories, and never by mistake."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loader_gate.base.base import base_of
from loader_gate.machine.temporary import PREFIX
from loader_gate.plugin.suite import _base_of as suite_base_of
from loader_gate.registry.variant import Variant
from loader_gate.worker.process import module_search_path
from tests.test_base import built_in, commit, git, write

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")

Change = Callable[[Path], object]

PHOTOS = """
import numpy as np

from package import decoding
from package.sizes import SIZE


def photos(tree, spec):
    from late import turned

    return [turned(decoding.decoded(path, SIZE)) for path in tree.paths]
"""
LOADER = Variant("photos", "photos", "photos")


@pytest.fixture(autouse=True)
def _git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # a hook may run the tests
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a repository with a loader, and what it imports in all ways that source tells."""
    top = tmp_path / "project"
    top.mkdir()
    git(top, "init", "--quiet", "--initial-branch=main")
    write(top / "photos.py", PHOTOS)
    write(top / "package" / "__init__.py", "")
    write(top / "package" / "decoding.py", "from .inner import opened\n\n\ndef decoded(path, size): ...\n")
    write(top / "package" / "inner" / "__init__.py", "from ..paths import opened\n")
    write(top / "package" / "paths.py", "def opened(path): ...\n")
    write(top / "package" / "sizes.py", "SIZE = 224\n")
    write(top / "late.py", "def turned(image):\n    return image\n")
    write(top / "training.py", "import photos\n")
    write(top / "README.md", "Photographs.\n")
    write(top / "settings.yaml", "quality: 90\n")
    commit(top, "Load photographs")
    return top


def is_timed(project: Path, loader: Variant = LOADER, *, times_unchanged: bool = False) -> bool:
    """Return whether a loader is timed against HEAD; else it has to count as unchanged."""
    path = [str(project), *sys.path]
    with base_of("HEAD", None, [loader], path, times_unchanged=times_unchanged) as base:
        assert base.unchanged == (frozenset() if base.origins else {loader.name})
        return bool(base.origins)


@pytest.mark.parametrize("asked", [None, True])
def test_the_option(project: Path, asked: bool | None) -> None:
    """Of a session, ``--compare-unchanged``."""
    options = argparse.Namespace(against="HEAD", against_python=None, compare_unchanged=asked)
    with suite_base_of(options, [LOADER], [str(project), *sys.path]) as base:
        assert bool(base.origins) == bool(asked)


def append(name: str, text: str = "\n# Slower.\n") -> Change:
    """Return a change that adds to a file."""

    def change(top: Path) -> None:
        file = top / name
        write(file, (file.read_text(encoding="utf-8") if file.exists() else "") + text)

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: None, id="nothing"),
        pytest.param(append("README.md"), id="readme"),
        pytest.param(append("docs/guide.rst"), id="new page"),
        pytest.param(append(".github/workflows/gate.yml", "on: push\n"), id="workflow"),
        pytest.param(append("data/.benchmarks/0001_run.json", "{}\n"), id="saved run"),
        pytest.param(append("package/__pycache__/sizes.cpython-311.pyc"), id="compiled"),
        pytest.param(append("training.py"), id="what imports it"),
        pytest.param(append("package/unused.py"), id="a module beside"),
        pytest.param(append("tests/test_photos.py", "import subprocess\n"), id="a test"),
    ],
)
def test_same_code(project: Path, change: Change) -> None:
    """What the loader does not run may change."""
    change(project)
    assert not is_timed(project)
    assert is_timed(project, times_unchanged=True)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(append("photos.py"), id="loader"),
        pytest.param(append("package/__init__.py"), id="package"),
        pytest.param(append("package/decoding.py"), id="module of a package"),
        pytest.param(append("package/inner/__init__.py"), id="relative"),
        pytest.param(append("package/paths.py"), id="relative, above"),
        pytest.param(append("package/sizes.py"), id="name of a module"),
        pytest.param(append("late.py"), id="within a function"),
        pytest.param(append("numpy.py"), id="shadows a package"),
        pytest.param(append("sitecustomize.py"), id="imported at the start"),
        pytest.param(append("settings.yaml"), id="data"),
        pytest.param(append("labels.txt"), id="new data"),
        pytest.param(append(".env"), id="settings"),
        pytest.param(lambda top: (top / "settings.yaml").unlink(), id="data gone"),
        pytest.param(lambda top: (top / "late.py").rename(top / "package" / "late.py"), id="moved"),
    ],
)
def test_other_code(project: Path, change: Change) -> None:
    """What it runs or may read is seen, also what is not committed, or not known to git."""
    change(project)
    assert is_timed(project)


@pytest.mark.parametrize(
    "line",
    [
        "import importlib\n\nfast = importlib.import_module('fa' + 'st')\n",
        "fast = __import__('fast')\n",
        "from runpy import run_path\n",
        "exec(open('fast').read())\n",
        "import subprocess\n\nsubprocess.run(['python', '-m', 'fast'])\n",
        "import os\n\nos.system('python fast')\n",
        "CONFIGURATION = 'configurations/fast.py'\n",
        "from package.paths import *\n",
        "import sys\n\nsys.path.insert(0, 'lib')\n",
        "import found_nowhere\n",
        "from importlib.metadata import entry_points\n",
        "from missing syntax\n",
    ],
)
def test_what_source_does_not_tell(project: Path, line: str) -> None:
    """A loader that may run code by a name that is made up counts as changed, whatever has changed."""
    append("package/sizes.py", line)(project)
    commit(project, "Make up a name")
    append("README.md")(project)
    assert is_timed(project)


def test_ignored_files_are_of_both_sides(project: Path) -> None:
    """What git is to ignore, such as a cache, is no change of the code."""
    write(project / ".gitignore", "cache/\n")
    commit(project, "Ignore a cache")
    write(project / "cache" / "index.json", "{}")
    assert not is_timed(project)


def test_an_environment_inside_of_the_repository(project: Path) -> None:
    """Packages are installed: they are the same on both sides."""
    packages = project / ".venv" / "lib" / "python3" / "site-packages"
    write(packages / "PIL.py", "")
    write(project / ".gitignore", ".venv/\n")
    append("late.py", "import PIL\n")(project)
    commit(project, "Use a package")
    write(packages / "PIL.py", "import subprocess\n")
    with base_of("HEAD", None, [LOADER], [str(project), str(packages)]) as base:
        assert base.unchanged == {"photos"}


def test_a_loader_in_a_file(project: Path) -> None:
    """It is found by its file, and what it imports in its own folder."""
    file = write(
        project / "tests" / "test_speed.py", "from helper import load\n\n\ndef speed(tree, spec): ...\n"
    )
    write(project / "tests" / "helper.py", "def load(): ...\n")
    commit(project, "Test its speed")
    loader = Variant("speed", "test_speed", "speed", file=str(file), path=(str(file.parent),))
    assert not is_timed(project, loader)
    append("tests/helper.py")(project)
    assert is_timed(project, loader)
    git(project, "checkout", "--quiet", "tests/helper.py")
    append("tests/__init__.py")(project)
    assert is_timed(project, loader)


def test_another_interpreter_is_other_code(project: Path) -> None:
    """Another TensorFlow, say, may be slower with the same source."""
    with base_of("HEAD", Path(sys.executable), [LOADER], module_search_path(project)) as base:
        assert base.unchanged == {"photos"}  # it is the same one
    with base_of(None, Path(sys.executable), [LOADER], module_search_path(project)) as base:
        assert set(base.origins) == {"photos"}


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Make a repository with a suite of three variants, of which one imports another."""
    top = tmp_path / "suite"
    variants = top / "src" / "loader_gate" / "variants"
    top.mkdir()
    git(top, "init", "--quiet", "--initial-branch=main")
    load = "def load(tree, spec):\n    return []\n"
    write(variants.parent / "__init__.py", "import importlib\n")
    for home in ("registry/spec.py", "registry/boxes.py", "trees/tree.py", "machine/cores.py"):
        write(variants.parent / home, "")
    write(variants / "__init__.py", "")
    write(variants / "first.py", load)
    write(variants / "second.py", f"from loader_gate.variants.first import load as other\n\n{load}")
    write(variants / "third.py", f"from loader_gate import cores\n\n{load}")
    commit(top, "Three variants")
    return top


@pytest.mark.parametrize(
    ("changed", "timed"),
    [
        ("README.md", set()),
        ("floors.toml", set()),
        ("src/loader_gate/worker/serve.py", set()),
        ("src/loader_gate/variants/first.py", {"first", "second"}),
        ("src/loader_gate/variants/second.py", {"second"}),
        ("src/loader_gate/variants/third.py", {"third"}),
        ("src/loader_gate/variants/__init__.py", {"first", "second", "third"}),
        ("src/loader_gate/machine/cores.py", {"first", "second", "third"}),
        ("src/loader_gate/__init__.py", {"first", "second", "third"}),
        ("src/loader_gate/variants/sizes.json", {"first", "second", "third"}),
    ],
)
def test_variants_of_the_suite(suite: Path, changed: str, timed: set[str]) -> None:
    """They run each other, and the homes of the public names; the harness is the same on both sides."""
    append(changed, "\n")(suite)
    variants = [built_in(name) for name in ("first", "second", "third")]
    with base_of("HEAD", None, variants, [], package_parent=suite / "src") as base:
        assert set(base.origins) == timed
        assert base.unchanged == {"first", "second", "third"} - timed
        assert base.remarks() == []


def test_worktrees_go(project: Path) -> None:
    """Also where nothing is timed at base."""
    assert not is_timed(project)
    assert PREFIX not in git(project, "worktree", "list")
