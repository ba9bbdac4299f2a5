"""A session in somebody else's repository: decorated loaders are measured, gated, and compared with git."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.sessions import ROOT, Run, Sessions
from tests.test_against_end_to_end import git

if TYPE_CHECKING:
    from pathlib import Path

    from loader_gate.trees.tree import Tree

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")

#: Epochs that sleep leave the cores to other tests; see `test_against_end_to_end`.
FILES = {
    "conftest.py": 'pytest_plugins = ["loader_gate"]\n',
    "pyproject.toml": """
[tool.loader-gate]
tree = "small"
tree-images = 24
classes = 2
image-size = 32
batch-size = 5
budget = 600
tolerance = 60
variants = ["limit_memory_copy"]
""",
    "fixtures/sleeping.py": "SECONDS = 0.75\n",
    "benchmarks/loaders.py": """
import time
from fixtures.sleeping import SECONDS
from sample_loaders import Epochs

class Sleepy(Epochs):
    def __iter__(self):
        time.sleep(SECONDS)
        yield from super().__iter__()
""",
    "benchmarks/test_loaders.py": """
import loader_gate
from benchmarks.loaders import Epochs, Sleepy

@loader_gate.loading(floor=0.0001)
def sleepy(tree, spec):
    return Sleepy(tree, spec)

@loader_gate.loading(floor=1.2)
def photos(tree, spec):
    return Epochs(tree, spec)

def test_of_theirs():
    pass
""",
}
STRICT = ("-W", "error", "--strict-markers", "--import-mode=importlib")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tree_cache: Path, tiny_tree: Tree) -> Run:
    """One loader sleeps longer since the last commit: in a module that its own module imports."""
    assert len(tiny_tree) == 24
    repository = tmp_path_factory.mktemp("theirs")
    for name, text in FILES.items():
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text(text, encoding="utf-8")
    git(repository, "init", "--quiet")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "First")
    (repository / "fixtures/sleeping.py").write_text("SECONDS = 1.5\n", encoding="utf-8")
    git(repository, "commit", "--quiet", "--all", "--message", "Sleep longer")
    sessions = Sessions(
        tmp_path_factory.mktemp("sessions"), tree_cache, "benchmarks", *STRICT, checkout=repository
    )
    # The package is where these tests import it from, as an installed one is somewhere else.
    sessions.add_to_path(ROOT / "src")
    done = sessions.run("--against=HEAD~1")
    sessions.check_nothing_is_left()
    return done


def test_the_slower_one_fails(run: Run) -> None:
    """By a regression, and no other test of theirs."""
    assert run.code == 1, run.out + run.err
    assert {name for name, failure in run.failures.items() if failure} == {"loading"}
    assert run.out.count("\nFAILED ") == 1
    assert "FAILED benchmarks/test_loaders.py::sleepy[loading]" in run.out
    assert "a regression beyond the tolerance of 60 %" in run.text
    assert run.infos["sleepy"]["change_outcome"] == "regression"


def test_the_others_pass(run: Run) -> None:
    """The floor of its decorator holds, and the books have both loaders."""
    assert set(run.infos) == {"sleepy", "photos"}
    assert run.infos["photos"]["floor"] == 1.2
    assert run.infos["photos"]["verdict"] == "pass"
    assert "2 passed" in run.out


def test_what_is_measured_beside(run: Run) -> None:
    """The baseline and the variants of pyproject.toml are in the table, and no test is theirs."""
    rows = [line.split()[0] for line in run.table if line.split()]
    assert {"keras_image_data_generator", "limit_memory_copy", "photos", "sleepy"} <= {*rows}
