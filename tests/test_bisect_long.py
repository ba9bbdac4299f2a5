"""The real command: a planted commit is found, and nothing is left behind, also after Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sessions import KEPT_OUTPUT, STUCK_SECONDS, TINY_TREE, Sessions
from tests.test_against_end_to_end import git
from tests.test_bisect import add_package, new_environment

if TYPE_CHECKING:
    from loader_gate.trees.tree import Tree

#: Sleeping takes as long on a busy machine, and leaves the cores to other tests.
LOADER = """import time

from sample_loaders import Epochs

PAUSE = 0.05


class photos(Epochs):
    def __iter__(self):
        time.sleep(PAUSE)
        yield from super().__iter__()
"""
SLOWER = ("PAUSE = 0.05", "PAUSE = 0.2")
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository of five commits: one lacks the loader, one cannot import it, the last is slow."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    texts = {
        "Load photos": LOADER,
        "Take it away": "",
        "Break it": f"import no_such_module\n{LOADER}",
        "Mend it": f'"""Photos."""\n{LOADER}',
        "Wait longer": LOADER.replace(*SLOWER),
    }
    for subject, text in texts.items():
        (folder / "loaders.py").write_text(text, encoding="utf-8")
        if not text:
            (folder / "loaders.py").unlink()
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", subject)
    (folder / "loaders.py").write_text("not even Python", encoding="utf-8")
    return folder


@pytest.fixture
def sessions(repository: Path, tmp_path: Path, tree_cache: Path, tiny_tree: Tree) -> Sessions:
    """Return the environment of sessions in it."""
    assert len(tiny_tree) == 24
    (tmp_path / "sessions").mkdir()
    return Sessions(tmp_path / "sessions", tree_cache, ".", checkout=repository)


def searched(sessions: Sessions, *arguments: str) -> tuple[int, str, str]:
    """Search to the end; return the exit code, and what was said in one line and on standard error."""
    command = ("-m", "loader_gate.bisect", "--loader=loaders:photos", "--budget=6", *arguments)
    with sessions.started_python(*command, "--", *TINY_TREE, **KEPT_OUTPUT) as process:
        out, err = process.communicate(timeout=STUCK_SECONDS)
    return process.returncode, " ".join(out.split()), err


def check_untouched(repository: Path, sessions: Sessions) -> None:
    """No process, no folder, no worktree, no bisection; and the user's files are as they were."""
    sessions.check_nothing_is_left()
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert git(repository, "for-each-ref", "refs/bisect") == ""
    assert not [*(repository / ".git").glob("BISECT*")]
    assert git(repository, "status", "--porcelain").split() == ["M", "loaders.py"]
    assert (repository / "loaders.py").read_text(encoding="utf-8") == "not even Python"


def test_the_slow_commit_is_found(repository: Path, sessions: Sessions) -> None:
    """What does not import is skipped, and files that are not committed do not matter."""
    code, out, err = searched(sessions, "HEAD~4", "HEAD")
    assert code == 0, out + err
    assert "only commits are looked at" in out
    assert "HEAD is slower than HEAD~4" in out
    assert "Break it: skipped, its worker raised" in out
    assert "no_such_module" in out
    assert "Mend it: not slower" in out
    slow = git(repository, "rev-parse", "--short", "HEAD").strip()
    assert f"The first slow commit: {slow} Wait longer Its session said: " in out
    assert "How sure: with at most" in out
    assert "Step 1 of about 2, " in err
    check_untouched(repository, sessions)


def test_the_slow_package_is_found(repository: Path, sessions: Sessions, tmp_path: Path) -> None:
    """Each trial is a session against the good environment, with some packages of the bad one."""
    loader = LOADER.replace("PAUSE = 0.05\n", "").replace(
        "import time\n", "import time\n\nfrom made_up import PAUSE\n"
    )
    (repository / "loaders.py").write_text(loader, encoding="utf-8")
    git(repository, "commit", "--quiet", "--all", "--message", "Ask a package how long")
    (repository / "loaders.py").write_text("not even Python", encoding="utf-8")
    pythons = []
    for name, version, pause in (("good", "1.0", 0.05), ("bad", "2.0", 0.2)):
        pythons.append(new_environment(tmp_path / name))
        add_package(tmp_path / name, "made-up", version, {"made_up.py": f"PAUSE = {pause}\n"})
        add_package(tmp_path / name, "other-thing", version, {"other_thing.py": ""})
    code, out, err = searched(sessions, f"--good-python={pythons[0]}", f"--bad-python={pythons[1]}")
    assert code == 0, out + err
    assert "2 packages differ: made-up 1.0 -> 2.0, other-thing 1.0 -> 2.0" in out
    assert "The first slow package: made-up 1.0 -> 2.0" in out
    check_untouched(repository, sessions)


STEPS = """
import sys
from pathlib import Path
from loader_gate.base.repository import Repository
from loader_gate.bisect import commits
from loader_gate.bisect.asked import Asked, places
from loader_gate.bisect.step import Plan, command

here, folder = Path.cwd(), Path(sys.argv[1])
repository = Repository(here)
between = commits.range_between(repository, "HEAD~4", "HEAD~1")
where = places("loaders:photos", here, here)
asked = Asked("photos", "loaders:photos", {}, tuple(sys.argv[2:]), 600.0, ".", *where)
with repository.worktree(between.bad) as worktree:
    commits.start(Repository(worktree), between)
    Plan(asked, between.good, 1.03, folder / "found.jsonl", 1.0, 1, 2).write(folder / "plan.json")
    commits.run(Repository(worktree), command(folder / "plan.json"), (1, 2))
"""


@pytest.mark.usefixtures("signals_heeded")
def test_an_interrupted_step_leaves_nothing(repository: Path, sessions: Sessions, tmp_path: Path) -> None:
    """Neither git, nor its step, nor the step's session, nor the worktree of its base."""
    with sessions.started_python("-c", STEPS, str(tmp_path), *TINY_TREE, **KEPT_OUTPUT) as process:
        deadline = time.monotonic() + 120
        while len(git(repository, "worktree", "list").splitlines()) < 3 and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        time.sleep(1.0)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=STUCK_SECONDS)
    assert "KeyboardInterrupt" in err
    check_untouched(repository, sessions)
