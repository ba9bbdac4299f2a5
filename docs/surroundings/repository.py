"""Somebody's repository, as small as it can be: two loaders, images, a saved run, and two commits."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from PIL import Image

from docs.file_kinds.pictures import picture

#: What becomes of its loaders wherever all is well.
VERDICTS = {"quick": "pass", "mirrored": "unmeasured"}
IMAGES, CLASSES = 24, 2

LOADERS = """
import loader_gate
import numpy as np
from PIL import Image


class Epochs:
    def __init__(self, tree, spec, step=1):
        height, width = spec.image_size
        images = []
        for path in tree.paths:
            with Image.open(path) as image:
                images.append(np.asarray(image.convert("RGB").resize((width, height), 0))[:, ::step])
        self.images = np.stack(images).astype(np.float32) / 255
        self.labels = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
        self.size, self.random = spec.batch_size, np.random.default_rng(0)

    def __iter__(self):
        order = self.random.permutation(len(self.images))
        for start in range(0, len(order), self.size):
            some = order[start : start + self.size]
            yield self.images[some], self.labels[some]
"""

TESTS = """
import loader_gate
from loaders import Epochs


@loader_gate.loading(floor=0.02)
def quick(tree, spec):
    return Epochs(tree, spec)


@loader_gate.loading(floor=0.02)
def mirrored(tree, spec):
    return Epochs(tree, spec, step=-1)
"""

DUMPING = """
import loader_gate
import numpy as np
from loaders import Epochs


@loader_gate.dump(floor=0.02)
class quick(Epochs):
    KIND = "dump"

    def __init__(self, tree, spec):
        super().__init__(tree, spec)
        np.save(spec.cache_dir / "images.npy", self.images)
"""

PROJECT = """
[tool.loader-gate]
image-root = "images"
image-size = 32
batch-size = 8
budget = 120
hang-after = 600
"""

CONFTEST = """
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
"""
#: What git, Python and pytest keep beside it.
_NOBODYS = {".git", "__pycache__", ".pytest_cache"}
SAVED = ".benchmarks/Linux-CPython-3-64bit/0001_of_a_month_ago.json"


def make(folder: Path) -> None:
    """Make it."""
    files = {
        "loaders.py": LOADERS,
        "test_loaders.py": TESTS,
        "conftest.py": CONFTEST,
        "pyproject.toml": PROJECT,
        SAVED: '{"benchmarks": []}',
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip(), encoding="utf-8")
    for number in range(IMAGES):
        place = folder / "images" / f"class_{number % CLASSES}" / f"{number:02}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number)).save(place, quality=90)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "Begin")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "Go on")


def git(folder: Path, *arguments: str) -> None:
    """Run git there, as nobody in particular, with nobody's settings."""
    names = {
        f"GIT_{who}_{what}": "nobody@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    environment = {**os.environ, **names, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True)  # noqa: S607


def kept(folder: Path) -> dict[Path, tuple[int, str]]:
    """Return size and digest of every file that is somebody's: all but what git and Python keep there."""
    found = {}
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if (
            {".git", "__pycache__", ".pytest_cache"} & {*inside.parts}
            or path.is_symlink()
            or not path.is_file()
        ):
            continue
        data = path.read_bytes()
        found[inside] = (len(data), hashlib.sha256(data).hexdigest())
    return found


def lost_bytes(before: dict[Path, tuple[int, str]], after: dict[Path, tuple[int, str]]) -> int:
    """Return the bytes of files that have changed, or are gone."""
    return sum(about[0] for path, about in before.items() if after.get(path) != about)
