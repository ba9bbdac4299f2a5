"""What is checked before a release: versions, changelog, locks, and an sdist that is the same each time."""

from __future__ import annotations

import gzip
import importlib
import io
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.sessions import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

LOCKS = {name: ROOT / ".ci" / f"{name}-lock.txt" for name in ("release", "runtime")}


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, which is in no package."""
    monkeypatch.syspath_prepend(ROOT / ".ci")
    return importlib.import_module("release")


SECTION = (
    "# Changelog\n\n## [1.2.0] - 2026-01-31\n\n### Added\n\n- A thing.\n\n## [1.1.0] - 2025-01-31\n\n- B.\n"
)


def test_the_notes_of_a_version(release: Any) -> None:
    """They are its section of the changelog, and nothing else."""
    assert release.notes_of(SECTION, "1.2.0", "v1.2.0") == "### Added\n\n- A thing.\n"
    assert release.notes_of(SECTION.replace("2026-01-31", "unreleased"), "1.2.0", None)


@pytest.mark.parametrize(
    ("changelog", "tag", "problem"),
    [
        (SECTION, "v1.2", "The tag is v1.2, but pyproject.toml has version 1.2.0: expected v1.2.0."),
        (SECTION, "1.2.0", "The tag is 1.2.0"),
        (
            SECTION.replace("1.2.0", "1.2.1"),
            None,
            "begins with '## [1.2.1] - 2026-01-31', expected '## [1.2.0]",
        ),
        (SECTION.replace("1.2.0", "1x2.0"), None, "begins with '## [1x2.0]"),
        (SECTION.replace("2026-01-31", "soon"), None, "and a date such as"),
        (SECTION.replace("2026-01-31", "unreleased"), "v1.2.0", "calls 1.2.0 unreleased: give it the date"),
        (SECTION.replace("- A thing.", ""), "v1.2.0", "says nothing of 1.2.0"),
        ("", None, "begins with '## '"),
    ],
)
def test_a_changelog_that_is_not_ready(release: Any, changelog: str, tag: str | None, problem: str) -> None:
    """What is missing is named, and what to write."""
    with pytest.raises(release.CheckError, match=re.escape(problem)):
        release.notes_of(changelog, "1.2.0", tag)


def test_our_changelog_is_ready(release: Any) -> None:
    """Of the version that is in ``pyproject.toml``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert release.notes_of((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), project["version"], None)


def _sdist(path: Path, mtime: int, mode: int, *names: str) -> Path:
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(f"x-1/{name}")
            member.size, member.mtime, member.mode, member.uname = len(name), mtime, mode, f"user {mtime}"
            archive.addfile(member, io.BytesIO(name.encode()))
    path.write_bytes(gzip.compress(text.getvalue(), mtime=mtime))
    return path


def test_an_sdist_is_the_same_on_every_day_and_machine(release: Any, tmp_path: Path) -> None:
    """Times, owners and order go; names, contents and what can be run stay."""
    one = _sdist(tmp_path / "one.tar.gz", 1, 0o664, "a", "b")
    other = _sdist(tmp_path / "other.tar.gz", 2, 0o600, "b", "a")
    assert one.read_bytes() != other.read_bytes()
    for each in (one, other):
        release.settle(each, 1_000_000)
    assert one.read_bytes() == other.read_bytes()
    runs = _sdist(tmp_path / "runs.tar.gz", 1, 0o775, "a", "b")
    release.settle(runs, 1_000_000)
    with tarfile.open(runs) as archive:
        found = {each.name: (each.mode, each.mtime, each.uname) for each in archive.getmembers()}
        assert found == {"x-1/a": (0o755, 1_000_000, ""), "x-1/b": (0o755, 1_000_000, "")}
        assert [archive.extractfile(each).read() for each in found] == [b"a", b"b"]  # type: ignore[union-attr]


def _pins(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^ ;\\\n]+)", text, flags=re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_and_the_tested_versions(name: str) -> None:
    """Each requirement has its own; what ``constraints.txt`` has too is of a version that is there."""
    text = LOCKS[name].read_text(encoding="utf-8")
    for requirement in re.split(r"\n(?=\S)", text.strip()):
        first, *hashes = requirement.splitlines()
        assert re.fullmatch(r"[\w.-]+==[^ ;\\]+( ; .+)? \\", first), first
        assert hashes, first
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", each) for each in hashes), first
    tested = _pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    differing = {
        name: versions for name, versions in _pins(text).items() if not versions <= tested.get(name, versions)
    }
    assert not differing


def test_the_locks_lack_nothing() -> None:
    """What a release is built with, and what the suite needs to run, as ``pyproject.toml`` says."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = settings["dependency-groups"]
    wanted = {
        "runtime": settings["project"]["dependencies"],
        "release": [*groups["distributions"], *(each for each in groups["release"] if isinstance(each, str))],
    }
    for name, requirements in wanted.items():
        needed = {re.split(r"[\[>=;]", each)[0] for each in requirements}
        assert needed <= {*_pins(LOCKS[name].read_text(encoding="utf-8"))}
