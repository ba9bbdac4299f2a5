"""The real command against a git revision, in a throw-away repository: who fails, and what is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from loader_gate.registry.variant import BASELINE
from tests.sessions import AMPLE_BUDGET, ONLY_BASELINE, ROOT, TINY_TREE, Run, Sessions

if TYPE_CHECKING:
    from pathlib import Path

    from loader_gate.trees.tree import Tree

SLOWED = "ours"
FILE = f"{SLOWED}.py"
#: Beside other programs, such as other tests, a change waits for half a minute of measuring, and every six
#: blocks start processes anew, which takes long. Epochs that sleep fill that time with few blocks, and leave
#: the cores to the other tests.
LOADER = """import time

from sample_loaders import Epochs

SLEEP_SECONDS = 0.75


class OurEpochs(Epochs):
    def __iter__(self):
        time.sleep(SLEEP_SECONDS)
        yield from super().__iter__()


ours = OurEpochs
"""
OPTIONS = (*TINY_TREE, *ONLY_BASELINE, f"--loader={SLOWED}:{SLOWED}", f"--floor={SLOWED}=0.0001")
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def git(repository: Path, *arguments: str) -> str:
    """Run git, and return what it prints."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    plain = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    command = ["git", *plain, "-c", "core.hooksPath=/dev/null", *arguments]
    return subprocess.run(command, cwd=repository, env=own, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository of three commits: the suite and a loader, an edit of a README, a slower loader."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("benchmarks", "fixtures", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conftest.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    module = folder / FILE
    module.write_text(LOADER, encoding="utf-8")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The suite")
    with (folder / "README.md").open("a", encoding="utf-8") as readme:
        readme.write("\nOne more line.\n")
    git(folder, "commit", "--quiet", "--all", "--message", "Edit the README")
    git(folder, "tag", "edited")
    module.write_text(LOADER.replace("0.75", "1.5"), encoding="utf-8")
    git(folder, "commit", "--quiet", "--all", "--message", "Sleep longer before every epoch")
    return folder


@pytest.fixture(scope="module")
def sessions(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, tree_cache: Path, tiny_tree: Tree
) -> Sessions:
    """Return a place for sessions in that repository."""
    assert len(tiny_tree) == 24
    folder = tmp_path_factory.mktemp("sessions")
    return Sessions(folder, tree_cache, "benchmarks/test_loading.py", *OPTIONS, checkout=repository)


@pytest.fixture(scope="module")
def slower(sessions: Sessions) -> Run:
    """The last commit against the one before."""
    return sessions.run("--against=HEAD~1", "--tolerance=60", AMPLE_BUDGET)


def test_exactly_the_slower_variant_fails(slower: Run) -> None:
    """By a regression beyond the tolerance; the baseline, whose code is the same, is not even timed."""
    assert slower.code == 1, slower.out + slower.err
    assert set(slower.failures) == {SLOWED}
    assert "a regression beyond the tolerance of 60 %" in slower.failures[SLOWED]
    assert slower.infos[SLOWED]["change_outcome"] == "regression"
    assert slower.infos[SLOWED]["change_low"] > 1
    assert slower.infos[BASELINE]["change_outcome"] == "unchanged"


def test_the_function_that_sleeps_is_named(slower: Run) -> None:
    """Head and base are profiled by themselves, and what was not slower is not."""
    if "Not profiled:" in slower.text:
        pytest.skip(slower.text[slower.text.index("Not profiled:") :][:200])
    (gained,) = slower.infos[SLOWED]["profile_gained"]
    assert gained["file"] == FILE
    assert gained["function"].endswith("__iter__")
    words = (
        f"Gained most, in a profile apart from that: {gained['milliseconds_an_image']:.3g} ms an image in "
    )
    assert slower.infos[SLOWED]["reason"].endswith(f"{words}{gained['function']} ({FILE}:{gained['line']})")
    assert f"Where the time of {SLOWED} goes: wait " in slower.text
    assert "profile_stages" not in slower.infos[BASELINE]


def test_what_is_compared(slower: Run, repository: Path) -> None:
    """The JSON says with what, and has the passes of both sides: only of what runs other code."""
    revision = git(repository, "rev-parse", "edited^{commit}").strip()
    info = slower.infos[SLOWED]
    assert info["base_revision"] == revision
    assert info["change_low"] <= info["change"] <= info["change_high"]
    assert len(info["base_seconds"]) >= 8
    assert set(info["changes"]) >= {"seconds", "CPU seconds", "first batch", "peak memory"}
    info = slower.infos[BASELINE]
    assert (info["change_outcome"], info["change"], info["base_seconds"]) == ("unchanged", None, [])
    assert info["verdict"] == "pass"
    assert "--compare-unchanged" in slower.text


def test_the_table_of_changes(slower: Run) -> None:
    """It names base by revision and subject, and fits a page."""
    assert "Base: HEAD~1 (" in slower.text
    assert "Edit the README)" in slower.text
    rows = [line.split() for line in slower.table if line.split()[:1] == [SLOWED]]
    assert [row[-1] for row in rows[:2]] == ["fail", "regression"]  # behind them is the map
    assert max(map(len, slower.table)) <= 100


def test_nothing_is_left(slower: Run, sessions: Sessions, repository: Path) -> None:
    """No worktree, neither on disk nor in git's books."""
    assert slower.code == 1
    sessions.check_nothing_is_left()
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_an_unknown_revision(sessions: Sessions, slower: Run) -> None:
    """It is an error of usage before anything is measured."""
    assert slower.code == 1
    run = sessions.run("--against=no-such-thing")
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert "--against no-such-thing" in run.out + run.err
    assert run.saved == {}
