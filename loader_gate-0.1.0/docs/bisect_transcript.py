"""Writes the transcript of docs/bisect.md: a slowdown is planted in a scratch repository, and found.

``python -m docs.bisect_transcript`` holds real sessions, which takes some minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from loader_gate.machine.temporary import OwnedFolder
from loader_gate.text import wrapped

PAGE = Path(__file__).with_name("bisect.md")
_BLOCK = re.compile(
    r"(?<=<!-- python -m docs\.bisect_transcript -->\n```text\n).*?(?=^```$)", re.DOTALL | re.MULTILINE
)
_PACKAGE_PARENT = Path(__file__).resolve().parents[1] / "src"

_SETTINGS = "[tool.loader-gate]\ntree-images = 24\nimage-size = 96\nbudget = 20\n"
_LOADER = """import numpy as np
from PIL import Image


def decoded(path, size):
    with Image.open(path) as image:
        image = image.convert("RGB")
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.float32) / 255


class photos:
    def __init__(self, tree, spec):
        self.tree, self.spec = tree, spec
        self.order = np.random.default_rng(spec.seed)

    def __iter__(self):
        labels = np.eye(len(self.tree.class_names), dtype=np.float32)
        order = self.order.permutation(len(self.tree))
        for start in range(0, len(order), self.spec.batch_size):
            some = order[start : start + self.spec.batch_size]
            images = [decoded(self.tree.paths[index], self.spec.image_size[::-1]) for index in some]
            yield np.stack(images), labels[[self.tree.labels[index] for index in some]]
"""
_PLANTED = (
    'image = image.convert("RGB")\n',
    'image = image.convert("RGB").resize((960, 720), Image.Resampling.BICUBIC)\n',
)
_HARMLESS = (
    "        labels = np.eye(len(self.tree.class_names), dtype=np.float32)\n",
    "        classes = len(self.tree.class_names)\n        labels = np.eye(classes, dtype=np.float32)\n",
)
#: What each commit says, and what it edits: a file, what stands there, and what is put in its place.
_COMMITS = (
    ("Load photos", ("photos.py", "", _LOADER)),
    ("Say what this is", ("README.md", "", "Photos, in batches.\n")),
    ("Write down what is measured", ("pyproject.toml", "", _SETTINGS)),
    ("Look sharper when resized", ("photos.py", *_PLANTED)),
    ("Count the classes once", ("photos.py", *_HARMLESS)),
    ("Thank for the photos", ("README.md", "batches.\n", "batches. Thanks to all who took them.\n")),
)
_GATE = ("pytest", "--loader", "photos:photos", "--against", "HEAD~3")
_SEARCH = ("python", "-m", "loader_gate.bisect", "HEAD~3", "HEAD", "--loader", "photos:photos")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the transcript into the page; return the exit code: 1 if the planted commit was not found."""
    parser = argparse.ArgumentParser(prog="python -m docs.bisect_transcript", description=__doc__)
    parser.add_argument(
        "--page", type=Path, default=PAGE, metavar="FILE", help="the page (default: %(default)s)"
    )
    page: Path = parser.parse_args(arguments).page
    with OwnedFolder() as name:
        repository = Path(name).resolve() / "photos"
        planted = _make(repository)
        log = f"$ git log --oneline\n{_git(repository, 'log', '--oneline')}"
        code, said, _ = _run(repository, *_GATE)
        gate = f"$ {' '.join(_GATE)}\n[...]\n{_failure(said)}\n"
        print(f"{log}\n{gate}", flush=True)
        found, said, about = _run(repository, *_SEARCH)
        search = f"$ {' '.join(_SEARCH)}\n{said}"
        print(search, flush=True)
    if code != 1 or found != 0 or planted not in said.partition("The first slow commit: ")[2]:
        print(f"{about}\nThe planted commit was not found: the page stays as it is.", file=sys.stderr)
        return 1
    before = page.read_text(encoding="utf-8")
    after, count = _BLOCK.subn(lambda _: f"{log}\n{gate}\n{search}", before)
    if count != 1:
        print(f"{page} has no place for the transcript.", file=sys.stderr)
        return 1
    page.write_text(after, encoding="utf-8")
    return 0


def _make(repository: Path) -> str:
    """Make the scratch repository, and return the short id of the commit with the slowdown."""
    repository.mkdir()
    _git(repository, "init", "--quiet")
    planted = ""
    for subject, (name, before, after) in _COMMITS:
        file = repository / name
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        file.write_text(text.replace(before, after) if before else after, encoding="utf-8")
        _git(repository, "add", "--all")
        _git(repository, "commit", "--quiet", "--message", subject)
        if before == _PLANTED[0]:
            planted = _git(repository, "rev-parse", "--short", "HEAD").strip()
    return planted


def _failure(said: str) -> str:
    """Return the sentence by which a session failed, in lines."""
    summary = said.partition("short test summary info")[2]
    lines = [line for line in summary.splitlines()[1:] if line and not line.startswith("===")]
    return "\n".join(wrapped(" ".join(lines[:1])))


def _run(repository: Path, *command: str) -> tuple[int, str, str]:
    """Run a command in the repository; return its exit code and what it said on both streams."""
    module = ["-m", "pytest", "-p", "loader_gate", *command[1:]] if command[0] == "pytest" else [*command[1:]]
    path = [str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "GIT_"))
    }
    environment.update({"PYTHONPATH": os.pathsep.join(path), "CI": "true"})  # pytest cuts no sentence there
    done = subprocess.run(
        [sys.executable, *module],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def _git(repository: Path, *arguments: str) -> str:
    program = shutil.which("git") or "git"
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    author = ("-c", "user.name=Somebody", "-c", "user.email=somebody@localhost", "-c", "commit.gpgsign=false")
    command = [program, *author, "-c", "core.hooksPath=/dev/null", *arguments]
    return subprocess.run(command, cwd=repository, env=own, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
