"""Where the code to compare with comes from: small git repositories, and workers on what is found in them."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

from loader_gate.base import interpreter
from loader_gate.base.base import Base
from loader_gate.base.base import base_of as any_base_of
from loader_gate.base.interpreter import Interpreter, holds_packages, read_interpreter, without_packages
from loader_gate.base.repository import Repository, RevisionError
from loader_gate.machine.temporary import PREFIX
from loader_gate.registry.spec import Spec
from loader_gate.registry.variant import Variant
from loader_gate.same_work.reference import build_reference
from loader_gate.trees.tree import Tree
from loader_gate.worker.limits import WorkerLimits
from loader_gate.worker.origin import Origin
from loader_gate.worker.process import WorkerError, WorkerProcess, module_search_path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")

#: Where base comes from does not depend on whether it runs other code: see `test_unchanged`.
base_of = partial(any_base_of, times_unchanged=True)

SUITE = Path(__file__).resolve().parents[1] / "src"
LOAD = "def load(tree, spec):\n    return []\n"
PHOTOS = """
import numpy as np
from PIL import Image

from {siblings} import turned

KIND = "rival"


def photos(tree, spec):
    height, width = spec.image_size
    images = []
    for path in tree.paths:
        with Image.open(path) as image:
            resized = image.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
            images.append(turned(np.asarray(resized, np.float32) / 255))
    labels = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
    return [(np.stack(images), labels)]
"""
STRAIGHT = "def turned(image):\n    return image\n"
MIRRORED = "def turned(image):\n    return image[:, ::-1]\n"


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody, wherever the tests run."""
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")
    command = ["git", *who, "-C", str(folder), *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()


def commit(folder: Path, subject: str) -> str:
    """Commit everything in a folder; return the commit's id."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", subject)
    return git(folder, "rev-parse", "HEAD")


def write(file: Path, text: str) -> Path:
    """Write a file, and the folders around it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def built_in(name: str) -> Variant:
    """Return a variant of the suite."""
    return Variant(name, f"loader_gate.variants.{name}")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let worktrees be made in a folder of the test's own, where the user's git settings do not reach."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):  # a hook may run the tests
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return folder


@pytest.fixture
def new_repository(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that makes an empty repository."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        git(folder, "init", "--quiet", "--initial-branch=main")
        return folder

    return make


@pytest.fixture
def suite(new_repository: Callable[[str], Path]) -> Path:
    """Return a repository of the suite's packages with two more variants, all committed."""
    folder = new_repository("suite")
    shutil.copytree(SUITE, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    write(folder / ".gitignore", "__pycache__/\n")
    lines = "\n".join(f"FIRST_{number} = {number}" for number in range(20))
    write(folder / "src/loader_gate/variants/first.py", f"{lines}\n{LOAD}")
    write(
        folder / "src/loader_gate/variants/second.py", f"from loader_gate.variants import first\n\n\n{LOAD}"
    )
    commit(folder, "Begin")
    return folder


@pytest.fixture
def project(new_repository: Callable[[str], Path]) -> Path:
    """Return a user's repository: a loader of mirror images, and then one of images as they are."""
    folder = new_repository("project")
    write(folder / "my_package/__init__.py", "")
    write(folder / "my_package/loaders.py", PHOTOS.format(siblings="my_package.turning"))
    write(folder / "my_package/turning.py", MIRRORED)
    commit(folder, "Mirror")
    write(folder / "my_package/turning.py", STRAIGHT)
    commit(folder, "Do not mirror")
    return folder


PHOTOS_LOADER = Variant("photos", "my_package.loaders", "photos")


@contextmanager
def of_loader(
    project: Path, revision: str, loader: Variant = PHOTOS_LOADER, root: str = ""
) -> Iterator[Base]:
    """Find the base of a user's loader, as a session started in its repository does."""
    with base_of(revision, None, [loader], module_search_path(project / root)) as base:
        yield base


def left_over(repository: Path, temporary: Path) -> list[str]:
    """Return what there is of worktrees."""
    entries = repository / ".git" / "worktrees"
    found = [path.name for path in temporary.iterdir()]
    return found + ([path.name for path in entries.iterdir()] if entries.is_dir() else [])


def test_a_built_in_variant(suite: Path, temporary: Path) -> None:
    """Its module comes from a worktree of the suite's repository, which is gone in the end."""
    first = suite / "src/loader_gate/variants/first.py"
    before = first.read_text(encoding="utf-8")
    write(first, f"{before}\nFASTER = True\n")
    latest = commit(suite, "Make the first faster")
    search_path = [str(suite), *module_search_path(suite)]
    with base_of("HEAD~1", None, [built_in("first")], search_path, package_parent=suite / "src") as base:
        origin = base.origins["first"]
        assert origin.package is not None
        folder = Path(origin.package)
        assert (folder / "variants/first.py").read_text(encoding="utf-8") == before
        assert origin == Origin(tuple(search_path), sys.executable, str(folder), str(folder / "variants"))
        assert base.revision == git(suite, "rev-parse", "HEAD~1") != latest
        assert base.description == f"HEAD~1 ({base.revision[:7]} Begin)"
        assert not base.missing
        assert not base.deleted
        assert len(left_over(suite, temporary)) == 2
    assert not left_over(suite, temporary)


def test_a_folder_inside_a_repository(new_repository: Callable[[str], Path], suite: Path) -> None:
    """A suite that is part of a larger repository is found at the same place of the worktree."""
    larger = new_repository("larger")
    shutil.copytree(suite / "src", larger / "tools/suite")
    commit(larger, "Begin")
    with base_of("HEAD", None, [built_in("first")], [], package_parent=larger / "tools/suite") as base:
        folder = Path(base.origins["first"].package or "")
        assert folder.parts[-3:] == ("tools", "suite", "loader_gate")
        assert (folder / "variants" / "first.py").is_file()


def test_new_deleted_and_renamed_variants(suite: Path) -> None:
    """Each is named, with what has become of it; an uncommitted one counts."""
    variants = suite / "src/loader_gate/variants"
    (variants / "first.py").rename(variants / "best.py")
    (variants / "second.py").unlink()
    write(variants / "fresh.py", "import os\n\n\ndef load(tree, spec): return os.listdir(tree.root)\n")
    wanted = [built_in(name) for name in ("tfdata_no_cache", "best", "fresh")]
    with base_of("main", None, wanted, [], package_parent=suite / "src") as base:
        called = f"main ({base.revision[:7]})"
        assert [*base.origins] == ["tfdata_no_cache"]
        assert base.missing == {
            "best": f"looks renamed from first, which {called} has: give it that name again to compare",
            "fresh": f"is new: {called} has no src/loader_gate/variants/fresh.py",
        }
        assert base.deleted == {
            "first": "looks renamed to best",
            "second": f"is deleted: {called} has src/loader_gate/variants/second.py, this checkout has not",
        }


@pytest.mark.parametrize("root", ["", "src"])
def test_a_loader_in_its_own_repository(
    root: str, new_repository: Callable[[str], Path], temporary: Path
) -> None:
    """Folders of its repository on the search path turn to the worktree's, whatever the layout."""
    folder = new_repository("project")
    package = folder / root / "my_package"
    write(package / "__init__.py", "")
    write(package / "loaders.py", "def photos(tree, spec): return [1]\n")
    commit(folder, "Begin")
    write(package / "loaders.py", "def photos(tree, spec): return [2]\n")  # not committed: this is head
    search_path = [*module_search_path(folder), str(folder / root)]
    with base_of("HEAD", None, [PHOTOS_LOADER], search_path) as base:
        origin = base.origins["photos"]
        top = Path(origin.inside or "")
        assert origin.search_path[0] == str(top / root)
        assert str(folder) not in origin.search_path
        assert str(SUITE) in origin.search_path
        assert "[1]" in (top / root / "my_package/loaders.py").read_text(encoding="utf-8")
        assert origin.package is None
    assert not left_over(folder, temporary)


def test_a_venv_in_the_repository_stays(project: Path) -> None:
    """Installed packages and what git does not track have no other revision."""
    kept = [str(project / name) for name in (".venv/lib/python3.11/site-packages", "build")]
    for name in kept:
        write(Path(name) / "some_library.py", "")
    write(project / ".gitignore", ".venv\nbuild\n")
    with base_of("HEAD~1", None, [PHOTOS_LOADER], [str(project), *kept]) as base:
        top, *others = base.origins["photos"].search_path
        assert top == base.origins["photos"].inside
        assert others == kept


def test_both_repositories(suite: Path, project: Path, temporary: Path) -> None:
    """The same revision is resolved in each, and both are named."""
    with base_of(
        "HEAD",
        None,
        [built_in("first"), PHOTOS_LOADER],
        module_search_path(project),
        package_parent=suite / "src",
    ) as base:
        assert [*base.origins] == ["first", "photos"]
        assert base.revision == git(suite, "rev-parse", "HEAD")
        for part in ("Begin in suite", "Do not mirror in project"):
            assert part in base.description
        assert len(left_over(suite, temporary)) == 3
    assert not left_over(suite, temporary)
    assert not left_over(project, temporary)


def test_a_revision_that_the_suite_does_not_know(suite: Path, project: Path) -> None:
    """A team gates its own code by its own revisions; the suite's variants are named as not compared."""
    latest = git(project, "rev-parse", "HEAD")
    with base_of(
        latest,
        None,
        [built_in("first"), PHOTOS_LOADER],
        module_search_path(project),
        package_parent=suite / "src",
    ) as base:
        assert [*base.origins] == ["photos"]
        assert base.revision == latest
        assert "stays as it is" in base.missing["first"]
        assert "knows no such revision" in base.missing["first"]


def test_an_installed_suite(project: Path, tmp_path: Path) -> None:
    """Nothing is said of the suite's variants: nobody expects them to be compared."""
    write(tmp_path / "installed/loader_gate/variants/__init__.py", "")
    wanted = [built_in("first"), PHOTOS_LOADER]
    search_path = module_search_path(project)
    with base_of("HEAD", None, wanted, search_path, package_parent=tmp_path / "installed") as base:
        assert [*base.origins] == ["photos"]
        assert not base.missing


def test_a_new_function(project: Path) -> None:
    """A function that its module lacked is missing, and those gone since are named, as it may be renamed."""
    loaders = project / "my_package/loaders.py"
    write(loaders, loaders.read_text(encoding="utf-8").replace("def photos", "def pictures"))
    loader = Variant("pictures", "my_package.loaders", "pictures")
    with of_loader(project, "main", loader) as base:
        assert not base.origins
        assert re.fullmatch(
            r"is new: my_package.loaders of main .* but has photos, .*", base.missing["pictures"]
        )
        assert base.revision == git(project, "rev-parse", "main")


@pytest.mark.parametrize(
    "code",
    ["from my_package.other import *", "pictures = make()", "globals()['pictures'] = 3", "def broken(:"],
)
def test_a_function_that_may_be_there(code: str, project: Path) -> None:
    """Only a function that is certainly not there is called new; else the worker finds out."""
    write(project / "my_package/loaders.py", f"{code}\n")
    commit(project, "Be odd")
    with of_loader(project, "HEAD", Variant("pictures", "my_package.loaders", "pictures")) as base:
        assert not base.missing


def test_a_new_and_a_renamed_module(project: Path) -> None:
    """A module that base lacks is new, unless a file that is gone is much the same."""
    package = project / "my_package"
    (package / "loaders.py").rename(package / "moved.py")
    write(package / "fresh.py", "import os\n\n\ndef fresh(tree, spec): return []\n")
    git(project, "add", "--all")
    variants = [
        PHOTOS_LOADER,
        Variant("moved", "my_package.moved", "photos"),
        Variant("fresh", "my_package.fresh", "fresh"),
    ]
    write(package / "loaders.py", "def photos(tree, spec): return []\n")
    git(project, "add", "--all")
    with base_of("HEAD", None, variants, [str(project)]) as base:
        assert [*base.origins] == ["photos"]
        assert base.missing["fresh"].startswith("is new: HEAD (")
        assert base.missing["moved"].startswith("is new: HEAD (")
    (package / "loaders.py").unlink()
    write(package / "kept.py", "def kept(tree, spec): return []\n")
    with base_of("HEAD", None, variants[1:], [str(project)]) as base:
        assert not base.origins
        assert base.missing["moved"].startswith("looks renamed: it was my_package/loaders.py in HEAD")


def test_an_untracked_loader(project: Path) -> None:
    """It has no base, and is told how to come by one."""
    write(project / "scratch.py", "def fast(tree, spec): return []\n")
    loader = Variant("fast", "scratch", "fast")
    with base_of("HEAD", None, [PHOTOS_LOADER, loader], [str(project)]) as base:
        assert [*base.origins] == ["photos"]
        assert "git does not track" in base.missing["fast"]
        assert "add and commit" in base.missing["fast"]
    with of_loader(project, "HEAD", loader) as base:
        assert [*base.missing] == ["fast"]
        assert base.description == f"HEAD ({base.revision[:7]} Do not mirror)"
        (remark,) = base.remarks()
        assert remark.startswith(f"Nothing is compared with {base.description}: fast has no base: ")
    with pytest.raises(RevisionError, match="knows no such revision"):
        of_loader(project, "no-such", loader).__enter__()
    package = Variant("fast", "namespace", "fast")
    (project / "namespace").mkdir()
    with pytest.raises(RevisionError, match="nothing to compare with: fast has no base: namespace has no"):
        of_loader(project, "HEAD", package).__enter__()


def test_an_unknown_revision(suite: Path, tmp_path: Path) -> None:
    """The error says how to get it, as far as the repository knows."""
    with pytest.raises(RevisionError, match=r"--against no-such: .*suite knows no such.*git log --all"):
        base_of("no-such", None, [built_in("first")], [], package_parent=suite / "src").__enter__()
    git(suite, "branch", "feature")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", suite.as_uri(), str(clone))
    with pytest.raises(RevisionError, match="git fetch origin no-such"):
        base_of("no-such", None, [built_in("first")], [], package_parent=clone / "src").__enter__()
    with pytest.raises(RevisionError, match="give origin/feature, which it does know"):
        base_of("feature", None, [built_in("first")], [], package_parent=clone / "src").__enter__()


def test_a_shallow_clone(suite: Path, tmp_path: Path) -> None:
    """The error says how to get the history, on one's machine and in GitHub Actions."""
    write(suite / "README.md", "More.\n")
    commit(suite, "Say more")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", "1", suite.as_uri(), str(clone))
    with pytest.raises(RevisionError, match=r"shallow.*git fetch --unshallow.*fetch-depth: 0"):
        base_of("HEAD~1", None, [built_in("first")], [], package_parent=clone / "src").__enter__()


def test_no_repository(tmp_path: Path, project: Path) -> None:
    """A suite or loader that is in none is told to be a checkout, even if installed inside another one."""
    installed = project / ".venv/lib/site-packages"
    write(project / ".gitignore", ".venv\n")
    for folder in (tmp_path / "installed", installed):
        write(folder / "src/loader_gate/variants/__init__.py", "")
        with pytest.raises(RevisionError, match=r"is no git checkout.*a clone of it"):
            base_of("main", None, [built_in("first")], [], package_parent=folder / "src").__enter__()
    write(tmp_path / "alone/scratch.py", "def fast(tree, spec): return []\n")
    with pytest.raises(RevisionError, match=r"scratch\.py, which holds scratch:fast, lies in no git"):
        of_loader(tmp_path / "alone", "main", Variant("fast", "scratch", "fast")).__enter__()


def test_a_base_without_variants(suite: Path) -> None:
    """A revision from before the suite is refused."""
    tree = git(suite, "mktree", "--missing")
    first = git(suite, "commit-tree", tree, "-m", "Before all")
    with pytest.raises(RevisionError, match=r"has no src/loader_gate/variants, .* give a later revision"):
        base_of(first, None, [built_in("first")], [], package_parent=suite / "src").__enter__()


@pytest.mark.parametrize("revision", ["", " ", "-f", "--upload-pack=touch x"])
def test_a_revision_like_an_option(revision: str, suite: Path) -> None:
    """Git never sees it."""
    with pytest.raises(RevisionError, match="expected a git revision"):
        base_of(revision, None, [built_in("first")], [], package_parent=suite / "src").__enter__()


def test_without_git(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RevisionError, match="no git on PATH"):
        base_of("main", None, [built_in("first")], [], package_parent=suite / "src").__enter__()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_worktrees_go_after_an_exception(error: type[BaseException], suite: Path, temporary: Path) -> None:
    """Nothing is left, even if the worktree has been damaged or filled meanwhile."""

    def fail(prepare: Callable[[Path], object]) -> None:
        with base_of("main", None, [built_in("first")], [], package_parent=suite / "src") as base:
            prepare(Path(base.origins["first"].inside or "").parents[2])
            raise error

    for prepare in (
        lambda top: write(top / "src/loader_gate/variants/__pycache__/first.pyc", ""),
        lambda top: (top / ".git").unlink(),
        shutil.rmtree,
    ):
        with pytest.raises(error):
            fail(prepare)
        assert not left_over(suite, temporary)


def test_where_no_process_can_be_started_any_more(suite: Path, temporary: Path) -> None:
    """The folder goes, and git's entry of it with the next session."""

    def full(*_: Any, **__: Any) -> NoReturn:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    base = base_of("main", None, [built_in("first")], [], package_parent=suite / "src")
    with pytest.MonkeyPatch.context() as system, base:
        system.setattr(subprocess, "Popen", full)
    assert not [*temporary.glob(f"{PREFIX}*")]
    with base_of("main", None, [built_in("first")], [], package_parent=suite / "src"):
        pass
    assert not left_over(suite, temporary)


def test_what_a_kill_leaves_goes_with_the_next_session(suite: Path, temporary: Path, tmp_path: Path) -> None:
    """An entry of ours whose folder has gone is removed; a user's own on a drive taken out is not."""
    for folder in (temporary / f"{PREFIX}lost" / "base", tmp_path / "on-a-drive"):
        git(suite, "worktree", "add", "--quiet", "--detach", str(folder))
        shutil.rmtree(folder)
    (temporary / f"{PREFIX}lost").rmdir()
    with base_of("main", None, [built_in("first")], [], package_parent=suite / "src"):
        pass
    assert left_over(suite, temporary) == ["on-a-drive"]


def test_two_sessions_at_once(suite: Path, temporary: Path) -> None:
    """Each has a worktree of its own, and the end of one leaves the other's alone."""
    one = base_of("main", None, [built_in("first")], [], package_parent=suite / "src")
    two = base_of("main", None, [built_in("first")], [], package_parent=suite / "src")
    first, second = one.__enter__(), two.__enter__()
    folders = [Path(base.origins["first"].inside or "") for base in (first, second)]
    assert folders[0] != folders[1]
    one.__exit__(None, None, None)
    assert not folders[0].exists()
    assert (folders[1] / "first.py").is_file()
    assert git(folders[1], "status", "--short") == ""
    two.__exit__(None, None, None)
    assert not left_over(suite, temporary)


def test_no_hook_runs(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does the user's hook run, nor does one that runs pytest turn git to its own repository."""
    hook = write(suite / ".git/hooks/post-checkout", f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    with base_of("main", None, [built_in("first")], [], package_parent=suite / "src"):
        pass
    assert not (tmp_path / "ran").exists()


def test_large_files_without_git_lfs(suite: Path) -> None:
    """They stay pointers: no loader's code is among them, and git-lfs may not be installed."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    write(suite / ".gitattributes", "*.bin filter=lfs -text\n")
    write(suite / "weights.bin", pointer)
    git(suite, "add", ".")
    git(suite, "commit", "--quiet", "--message", "Add weights")
    for key in ("clean", "smudge", "process"):
        git(suite, "config", f"filter.lfs.{key}", "no-such-program")
    git(suite, "config", "filter.lfs.required", "true")
    with base_of("HEAD", None, [built_in("first")], [], package_parent=suite / "src") as base:
        package = base.origins["first"].package
        assert package is not None
        top = Path(package).parents[1]
        assert (top / "weights.bin").read_text() == pointer


def test_a_repository_that_is_a_worktree_itself(suite: Path, tmp_path: Path) -> None:
    """A checkout made with `git worktree` can be compared as well."""
    git(suite, "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    with base_of("HEAD", None, [built_in("first")], [], package_parent=tmp_path / "linked" / "src") as base:
        assert [*base.origins] == ["first"]
    assert [path.name for path in (suite / ".git/worktrees").iterdir()] == ["linked"]


def test_paths_of_any_name(new_repository: Callable[[str], Path]) -> None:
    """Blanks, accents and git's own signs in a path mean nothing."""
    folder = new_repository("größe [a] *")
    write(folder / "scratch.py", "def fast(tree, spec): return []\n")
    commit(folder, "Begin")
    assert Repository.holding(folder) == Repository(folder.resolve())
    with of_loader(folder, "HEAD", Variant("fast", "scratch", "fast")) as base:
        assert [*base.origins] == ["fast"]


def test_our_own_interpreter(tmp_path: Path) -> None:
    """To name it changes nothing, by whichever link of its venv."""
    search_path = module_search_path(tmp_path)
    with base_of(None, Path(sys.executable), [PHOTOS_LOADER], search_path) as base:
        assert base.origins == {"photos": Origin(tuple(search_path), sys.executable)}
        assert (base.revision, dict(base.missing)) == ("", {})
        assert base.description.startswith(f"this checkout under {sys.executable}")


def test_another_interpreter(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the code of the checkout, but none of our packages; its versions are said."""
    other = Interpreter("/another/python", False, {"python": "3.12.1", "numpy": "2.0.0"})
    monkeypatch.setattr("loader_gate.base.base.read_interpreter", lambda *_: other)
    search_path = [str(project), *module_search_path(tmp_path)]
    for revision in (None, "HEAD~1"):
        with base_of(revision, Path("python"), [PHOTOS_LOADER], search_path) as base:
            origin = base.origins["photos"]
            assert origin.python == "/another/python"
            assert origin.search_path[0] == (origin.inside or str(project))
            assert {str(SUITE), str(tmp_path)} < set(origin.search_path)
            assert not any("site-packages" in entry for entry in origin.search_path)
            assert base.description.endswith("under /another/python (python 3.12.1, numpy 2.0.0)")


def test_what_another_interpreter_may_see(tmp_path: Path) -> None:
    """Our standard library and installed packages fit only our own Python."""
    installed = [entry for entry in sys.path if "site-packages" in entry]
    library = str(Path(os.__file__).parent)
    for entry in (*installed, library, f"{library}/lib-dynload", "/home/me/.local/lib/python3/site-packages"):
        assert holds_packages(entry)
    assert without_packages([str(tmp_path), library]) == (str(tmp_path),)


def test_an_interpreter_without_packages(tmp_path: Path) -> None:
    """What it lacks is named, with the line that installs it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    with pytest.raises(RevisionError) as raised:
        base_of(None, python, [PHOTOS_LOADER], module_search_path(tmp_path)).__enter__()
    message = str(raised.value)
    assert message.startswith(f"--against-python {python}: it lacks what workers need: numpy (")
    assert message.endswith(f"Install with `{python} -m pip install numpy pillow psutil scipy`.")
    with pytest.raises(RevisionError, match="pip install numpy pillow psutil scipy keras tensorflow`"):
        base_of(None, python, [built_in("first")], []).__enter__()


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts from the folder that pytest was started in, and a tilde is home."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, program in {"python": "here/python", "../python": "python", "~/python": "home/python"}.items():
        with pytest.raises(RevisionError) as raised:
            read_interpreter(Path(name), [], [])
        assert f"--against-python {name}: {tmp_path / program} does not exist" in str(raised.value)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (None, "does not exist"),
        ("", "is a folder"),
        ("#!/bin/sh\necho hello\n", "does not run as a Python does"),
        ("#!/bin/sh\necho broken >&2; exit 3\n", "does not run as a Python does: broken"),
        ('#!/bin/sh\necho \'{"version": [3, 8, 1], "prefix": "/", "problems": {}}\'\n', "is Python 3.8.1"),
    ],
)
def test_no_interpreter(code: str | None, reason: str, tmp_path: Path) -> None:
    """Anything else is refused, with what it is."""
    python = tmp_path / "python"
    if code:
        write(python, code).chmod(0o755)
    elif code is not None:
        python.mkdir()
    with pytest.raises(RevisionError, match=reason):
        read_interpreter(python, [], [])


def test_an_interpreter_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given up."""
    python = write(tmp_path / "python", "#!/bin/sh\nexec sleep 600\n")
    python.chmod(0o755)
    monkeypatch.setattr(interpreter, "_PATIENCE_SECONDS", 0.2)
    with pytest.raises(RevisionError, match="timed out"):
        read_interpreter(python, [], [])


@pytest.fixture
def reference(tiny_tree: Tree, tmp_path: Path) -> str:
    """Return the folder of the reference decode of the tiny tree."""
    build_reference(tiny_tree, (32, 48), tmp_path / "reference")
    return str(tmp_path / "reference")


@contextmanager
def opened(variant: Variant, project: Path, tree: Tree, origin: Origin | None) -> Iterator[WorkerProcess]:
    """Open a worker, of head if there is no origin."""
    worker = WorkerProcess(variant, module_search_path(project), WorkerLimits(60.0), origin=origin)
    try:
        worker.open(tree, Spec((32, 48), 24, shuffle=False, seed=0, cache_dir=project))
        yield worker
    finally:
        worker.end()


def test_workers_of_both_sides(project: Path, tiny_tree: Tree, reference: str) -> None:
    """Base's images are mirrored, as they were then; head's are not: all modules are of their own side."""
    with of_loader(project, "HEAD~1") as base:
        with opened(PHOTOS_LOADER, project, tiny_tree, base.origins["photos"]) as worker:
            assert "mirror" in worker.ask("check", reference=reference)["reason"]
            assert worker.ask("pass", epochs=1)["seconds"] > 0
        with opened(PHOTOS_LOADER, project, tiny_tree, None) as worker:
            assert not worker.ask("check", reference=reference)["reason"]


def test_workers_of_a_built_in_variant(suite: Path, tiny_tree: Tree, reference: str) -> None:
    """Its siblings come from base too, and the harness does not."""
    variants = suite / "src/loader_gate/variants"
    code = PHOTOS.format(siblings="loader_gate.variants.turning").replace("def photos", "def load")
    write(variants / "photos.py", code)
    write(variants / "turning.py", MIRRORED)
    write(variants / "__init__.py", "raise SystemExit('of base')\n")
    write(suite / "src/loader_gate/worker/serve.py", "raise SystemExit('the harness of base')\n")
    commit(suite, "Mirror")
    with (
        pytest.raises(WorkerError, match="of base"),
        base_of(
            "HEAD", None, [built_in("photos")], module_search_path(suite), package_parent=suite / "src"
        ) as base,
        opened(built_in("photos"), suite, tiny_tree, base.origins["photos"]),
    ):
        pass
    write(variants / "__init__.py", "")
    commit(suite, "Do not exit")
    with (
        base_of(
            "HEAD", None, [built_in("photos")], module_search_path(suite), package_parent=suite / "src"
        ) as base,
        opened(built_in("photos"), suite, tiny_tree, base.origins["photos"]) as worker,
    ):
        assert "mirror" in worker.ask("check", reference=reference)["reason"]


def test_a_loader_in_the_suites_own_folder(suite: Path, tiny_tree: Tree, reference: str) -> None:
    """A worktree that holds another harness on its path does not bring it in."""
    write(suite / "my_loaders.py", PHOTOS.format(siblings="my_turning"))
    write(suite / "my_turning.py", MIRRORED)
    write(suite / "src/loader_gate/worker/serve.py", "raise SystemExit('the harness of base')\n")
    write(suite / "src/loader_gate/trees/tree.py", "raise SystemExit('the harness of base')\n")
    commit(suite, "Mirror")
    write(suite / "my_turning.py", STRAIGHT)
    loader = Variant("photos", "my_loaders", "photos")
    with (
        base_of("HEAD", None, [loader], module_search_path(suite), package_parent=suite / "src") as base,
        opened(loader, suite, tiny_tree, base.origins["photos"]) as worker,
    ):
        assert base.origins["photos"].search_path[0] == base.origins["photos"].inside
        assert "mirror" in worker.ask("check", reference=reference)["reason"]


def test_code_from_elsewhere_is_refused(project: Path, tiny_tree: Tree, tmp_path: Path) -> None:
    """A worker that imports head's module for base says so, whatever hook is to blame."""
    origin = Origin(tuple(module_search_path(project)), sys.executable, None, str(tmp_path / "base"))
    with (
        pytest.raises(WorkerError, match=r"my_package.loaders came from .*project.*editable"),
        opened(PHOTOS_LOADER, project, tiny_tree, origin),
    ):
        pass
