"""A disk with room for half a dump, by the real command: what a user sees, with and without the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sessions import SMALL_BUDGET, Run
from tests.test_article_end_to_end import DUMP, IMAGES, Story, sessions_in

if TYPE_CHECKING:
    from pathlib import Path

    from loader_gate.trees.tree import Tree
    from tests.sessions import Sessions


def outgrow_disk(sessions: Sessions) -> list[Run]:
    """A disk with room for half a dump, with and without the guard."""
    options = ("-k", "dump", "--image-size=32", f"--variant={DUMP}", "--disk-limit=147K", SMALL_BUDGET)
    return [
        sessions.run(*options, f"--keep-dumps={sessions.folder / 'kept'}"),
        sessions.run(*options, "--no-guard"),
    ]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory, tree_cache: Path, tiny_tree: Tree) -> Story:
    """The sessions with a dump that does not fit; both fail."""
    assert len(tiny_tree) == IMAGES  # it has been drawn already
    sessions = sessions_in(tmp_path_factory.mktemp("disk"), tree_cache)
    story = Story(sessions, outgrow_disk(sessions))
    for run in story.runs:
        assert run.code == 1, run.out + run.err
        assert run.infos == {}
    return story


def test_a_dump_too_large_is_refused(disk: Story) -> None:
    """Nothing is written: both figures are named before, and the ways out."""
    run = disk.runs[0]
    for part in ("would take 295 KB", "147 KB of the disk (--disk-limit)", "--keep-dumps", "--no-guard"):
        assert part in run.unmeasured[DUMP]
    assert run.unmeasured[DUMP] in run.failures[DUMP]
    assert [file for file in (disk.sessions.folder / "kept").rglob("*") if file.is_file()] == []


def test_a_disk_that_fills_up(disk: Story) -> None:
    """With the guard off the writer is stopped: the verdict says that it was the disk."""
    run = disk.runs[1]
    assert "filled the disk" in run.unmeasured[DUMP]
    assert "147 KB (--disk-limit)" in run.unmeasured[DUMP]
    assert run.unmeasured[DUMP] in run.failures[DUMP]


def test_a_full_disk_is_left_as_it_was(disk: Story) -> None:
    """Not a byte of the dump, nor of anything else, is left in TMPDIR."""
    assert disk.sessions.left_files() == []
