"""Does all of a release that needs no server: checks what is to be released, builds and inspects it.

It is built twice, from copies of what git keeps in different folders and of different days, and has to be the
same byte for byte: then whoever builds that commit can tell whether the index has the same.
``tox run -e release-check`` runs this anywhere, ``.github/workflows/release.yml`` for a tag. What it needs is
in ``release-lock.txt``, with hashes, and nothing else is installed: what builds a release could change it.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from distributions import (
    ROOT,
    CheckError,
    build,
    check_contents,
    expect,
    expect_same,
    git,
    kept_by_git,
    run,
    step,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

#: What the suite needs to run, with hashes: what the bill of materials lists.
RUNTIME = ROOT / ".ci" / "runtime-lock.txt"
UNRELEASED = "unreleased"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do all of it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", help="the tag that is released, such as v1.2.3: the version has to be its")
    parser.add_argument("--output", type=Path, metavar="DIR", help="where to leave what is to be published")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="loader-gate-release-") as name:
        try:
            release(Path(name), options.tag, options.output)
        except CheckError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


def release(folder: Path, tag: str | None, output: Path | None) -> None:
    """Check and build a release.

    Args:
        folder: Where to work.
        tag: Its tag, if it has one yet.
        output: Where to leave ``packages/``, the bill of materials and ``notes.md``; a new folder, if any.

    Raises:
        CheckError: Something is not as it should be.
    """
    expect(output is None or not output.exists(), f"--output {output} is there already: name a new one.")
    version = str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    notes = notes_of((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version, tag)
    # As a build tool reads it that has no clock (https://reproducible-builds.org/specs/source-date-epoch/).
    committed = int(git(ROOT, "log", "-1", "--format=%ct"))
    packages = build_twice(folder, committed)
    for each in packages:
        expect(
            re.split("[-.]tar|-py3", each.name)[0] == f"loader_gate-{version}",
            f"{each.name} is not of version {version}.",
        )
    check_contents(*packages)
    materials = bill_of_materials(folder, version, committed)
    for each in (*packages, materials):
        digest = hashlib.sha256(each.read_bytes()).hexdigest()
        print(f"  {each.name}: {each.stat().st_size:,} bytes, sha256 {digest}")
    if output is not None:
        (output / "packages").mkdir(parents=True)
        for each in packages:
            shutil.copyfile(each, output / "packages" / each.name)
        shutil.copyfile(materials, output / materials.name)
        (output / "notes.md").write_text(notes, encoding="utf-8")
    print(f"Version {version} can be released." if tag else f"Version {version} can be tagged v{version}.")


def notes_of(changelog: str, version: str, tag: str | None) -> str:
    """Return what the changelog says of a version.

    Args:
        changelog: Its text.
        version: The version in ``pyproject.toml``.
        tag: The tag, if the version has one; before that it may be unreleased.

    Raises:
        CheckError: It says nothing of the version, or tag, version and changelog do not agree.
    """
    expect(
        tag in (None, f"v{version}"),
        f"The tag is {tag}, but pyproject.toml has version {version}: expected v{version}.",
    )
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    first, _, said = (sections or [""])[0].partition("\n")
    heading = re.fullmatch(rf"\[{re.escape(version)}\] - (\d{{4}}-\d{{2}}-\d{{2}}|{UNRELEASED})", first)
    if heading is None:
        raise CheckError(
            f"CHANGELOG.md begins with '## {first}', expected '## [{version}] - ' and a date such as "
            f"2026-01-31, or '{UNRELEASED}' before it has a tag: write its section, or change the version in "
            "pyproject.toml."
        )
    if tag is not None and heading[1] == UNRELEASED:
        raise CheckError(
            f"CHANGELOG.md calls {version} {UNRELEASED}: give it the date of today, then tag that."
        )
    expect(
        re.search(r"^- \S", said, flags=re.MULTILINE) is not None,
        f"CHANGELOG.md says nothing of {version}: its section has no line that begins with '- '.",
    )
    return said.strip() + "\n"


def build_twice(folder: Path, committed: int) -> tuple[Path, Path]:
    """Build the sdist and the wheel in two places; return those of one.

    Raises:
        CheckError: They differ.
    """
    built = []
    for number, name in enumerate(("here", "elsewhere/and-on-another-day")):
        source = folder / name / "source"
        for kept in sorted(kept_by_git(), reverse=bool(number)):
            (source / kept).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / kept, source / kept)
            os.utime(source / kept, (committed + number * 86_400,) * 2)
        environment = {
            **os.environ,
            "SOURCE_DATE_EPOCH": str(committed),
            "PYTHONHASHSEED": str(number),  # of sets, too, the order must not show
        }
        # Without isolation: an isolated one would install what is in no lock.
        packages = build(folder / name / "dist", source, "--no-isolation", environment=environment)
        settle(packages[0], committed)
        built.append(packages)
    for one, other in zip(*built, strict=True):
        expect_same(f"the same commit built twice, names of {one.name}", [one.name], [other.name])
        expect(
            one.read_bytes() == other.read_bytes(),
            f"{one.name} is another one each time it is built of the same commit.",
        )
    return built[0]


def settle(sdist: Path, committed: int) -> None:
    """Write an sdist anew, in order and without the times and owners that setuptools leaves in.

    Args:
        sdist: The archive.
        committed: The time that everything in it is of, in seconds since 1970.
    """
    with tarfile.open(sdist) as archive:
        members = [
            (each, b"" if (file := archive.extractfile(each)) is None else file.read())
            for each in sorted(archive.getmembers(), key=lambda each: each.name)
        ]
    text = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=text, mtime=committed) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for each, content in members:
            fresh = tarfile.TarInfo(each.name)
            fresh.type, fresh.size, fresh.mtime = each.type, len(content), committed
            fresh.mode = 0o755 if each.isdir() or each.mode & 0o100 else 0o644
            archive.addfile(fresh, io.BytesIO(content))
    sdist.write_bytes(text.getvalue())


def bill_of_materials(folder: Path, version: str, committed: int) -> Path:
    """Write what the suite is made of and needs to run, as CycloneDX; return the file.

    Raises:
        CheckError: It does not name every requirement that is locked.
    """
    file = folder / "loader_gate.cdx.json"
    with step("write the bill of materials"):
        run(
            [
                *(sys.executable, "-m", "cyclonedx_py", "requirements", str(RUNTIME)),
                *("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "library"),
                *("--output-reproducible", "--output-format", "JSON", "--output-file", str(file)),
            ],
            environment={**os.environ, "SOURCE_DATE_EPOCH": str(committed)},
        )
        written = json.loads(file.read_text(encoding="utf-8"))
    about = written["metadata"]["component"]
    expect(
        (about["name"], about["version"]) == ("loader-gate", version),
        f"{file.name} is of {about['name']} {about['version']}.",
    )
    locked = re.findall(r"^([\w.-]+==[^ ;\\]+)", RUNTIME.read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = [f"{each['name']}=={each['version']}" for each in written["components"]]
    expect_same(f"{file.name} against {RUNTIME.name}", listed, locked)
    return file


if __name__ == "__main__":
    sys.exit(main())
