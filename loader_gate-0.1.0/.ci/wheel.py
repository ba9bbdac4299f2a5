"""Builds the sdist and the wheel, checks them, and uses the wheel in somebody else's repository.

That repository has folders of its own called ``benchmarks`` and ``fixtures``, settings that turn warnings
into errors, and the plugins that ``pyproject.toml`` calls neighbours. It is made in a temporary folder.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import venv
from collections.abc import Mapping
from pathlib import Path

from distributions import ROOT, CheckError, build, check_contents, expect, git, run, step

BASELINE = "keras_image_data_generator"
#: The only room of ours that may be imported for an ordinary test.
PLUGIN = "loader_gate.plugin"

PROJECT = """
[project]
name = "somebodys"
version = "1"

[tool.pytest.ini_options]
addopts = [
    "-W", "error", "--strict-markers", "--strict-config", "--import-mode=importlib", "-p", "no:cacheprovider",
    "--timeout=600",
]
asyncio_default_fixture_loop_scope = "function"
pythonpath = ["."]
testpaths = ["tests"]

[tool.loader-gate]  # as small as a run can be and still be decided; noise never reaches the tolerance
tree-images = 24
classes = 2
image-size = 64
batch-size = 8
budget = 40
tolerance = 60
variants = ["limit_memory_copy"]  # in the table beside their loaders
"""

CONFTEST = """
from fixtures import sharpness
"""
#: What those add to it who switch off that pytest loads installed plugins.
NAMED = """
pytest_plugins = ["loader_gate"]
"""

#: An option of theirs that has the name of one of ours, in a folder below the root.
CONFTEST_OF_TESTS = """
def pytest_addoption(parser):
    parser.addoption("--device", default="theirs")
"""

#: A package of theirs with a name that is also a folder of ours.
FIXTURES = """
import pytest


@pytest.fixture
def sharpness():
    return 3
"""

#: What their loaders build on, as many a repository has it.
DECODING = """
import numpy as np
from PIL import Image


def batches(tree, spec):
    height, width = spec.image_size
    one_hot = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]
    order = np.random.permutation(len(tree)) if spec.shuffle else np.arange(len(tree))
    for start in range(0, len(order), spec.batch_size):
        batch = order[start : start + spec.batch_size]
        images = []
        for index in batch:
            with Image.open(tree.paths[index]) as image:
                images.append(np.asarray(image.convert("RGB").resize((width, height))))
        yield np.stack(images).astype(np.float32) / 255, one_hot[batch]
"""

LOADERS = """
from benchmarks.decoding import batches


def photos(tree, spec):
    yield from batches(tree, spec)
"""

DEARER = """
import time

from benchmarks.decoding import batches


def photos(tree, spec):
    for batch in batches(tree, spec):
        time.sleep(0.3)
        yield batch
"""

DECORATED = """
import loader_gate

from benchmarks.decoding import batches


@loader_gate.loading(floor=0.05)
def thumbnails(tree, spec):
    yield from batches(tree, spec)
"""

#: An ordinary test, which writes down what was imported for it, and what handles signals.
ORDINARY = """
import json
import os
import signal
import sys
from pathlib import Path


def test_what_pytest_has_imported(sharpness, request):
    assert sharpness == 3
    assert request.config.getoption("--device") == "theirs"
    Path(os.environ["IMPORTED"]).write_text(json.dumps(sorted(sys.modules)))
    ours = {name for name in sys.modules if name.partition(".")[0] == "loader_gate"}
    assert all(name == "loader_gate" or f"{name}.".startswith("loader_gate.plugin.") for name in ours), ours
    assert "tensorflow" not in sys.modules
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""

JOINED = ("--loader=benchmarks.loaders:photos", "--floor=photos=0.05")


def main() -> int:
    """Do all of it; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="loader-gate-wheel-") as name:
        folder = Path(name)
        try:
            sdist, wheel = build(folder / "dist")
            check_contents(sdist, wheel)
            python = install(folder / "environment", wheel)
            somebodys = Somebodys(folder, python)
            check_ordinary_tests(somebodys)
            check_a_run(somebodys)
            check_a_dearer_loader(somebodys)
        except CheckError as error:
            print(error, file=sys.stderr)
            return 1
    print("The wheel does what it should in somebody else's repository.")
    return 0


# What is installed.


def install(folder: Path, wheel: Path) -> Path:
    """Install the wheel and its neighbours into an empty environment; return its Python."""
    with step("install"):
        venv.create(folder, with_pip=False, symlinks=True)
        python = folder / "bin" / "python"
        run(
            [
                *(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-compile"),
                *("--constraint", str(ROOT / "constraints.txt")),
                *("--group", f"{ROOT / 'pyproject.toml'}:neighbours", str(wheel)),
            ]
        )
    return python


# Somebody else's repository.


class Somebodys:
    """A repository that is not ours, of two commits, and the environment that it is tested in."""

    def __init__(self, folder: Path, python: Path) -> None:
        """Write the repository.

        Args:
            folder: Where it is to be, and everything that its sessions leave.
            python: Of the environment that has the wheel.
        """
        self.root = folder / "somebodys"
        self.folder = folder
        self._python = python
        files = {
            "pyproject.toml": PROJECT,
            "conftest.py": CONFTEST,
            "benchmarks/__init__.py": "",
            "benchmarks/decoding.py": DECODING,
            "benchmarks/loaders.py": LOADERS,
            "benchmarks/test_loaders.py": DECORATED,
            "fixtures/__init__.py": FIXTURES,
            "tests/conftest.py": CONFTEST_OF_TESTS,
            "tests/test_ordinary.py": ORDINARY,
        }
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.lstrip(), encoding="utf-8")
        git(self.root, "init", "--quiet", "--initial-branch=main")
        git(self.root, "add", ".")
        git(self.root, "commit", "--quiet", "-m", "Begin")
        (self.root / "benchmarks" / "loaders.py").write_text(DEARER.lstrip(), encoding="utf-8")
        git(self.root, "commit", "--quiet", "--all", "-m", "Make a loader dearer")

    def pytest(self, *arguments: str, expected: int = 0, **environment: str) -> str:
        """Run their pytest in the repository's root, and return what it prints.

        Raises:
            CheckError: Its exit code is another one than expected.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "PYTHON", "COV_", "GITHUB_", "TOX_"))
        }
        temporary = self.folder / "temporary"
        temporary.mkdir(exist_ok=True)
        about = {"LOADER_GATE_CACHE": str(self.folder / "cache"), "TMPDIR": str(temporary), **environment}
        command = [str(self._python.with_name("pytest")), *arguments]
        return run(command, cwd=self.root, environment={**kept, **about}, expected=expected)

    def measure(self, *arguments: str, expected: int = 0) -> dict[str, Mapping[str, object]]:
        """Measure both loaders; return what was found of each, by the name of its variant."""
        saved = self.folder / "run.json"
        saved.unlink(missing_ok=True)
        said = self.pytest("benchmarks", *JOINED, f"--benchmark-json={saved}", *arguments, expected=expected)
        expect(saved.exists(), f"pytest-benchmark has saved nothing.\n{said}")
        run = json.loads(saved.read_text(encoding="utf-8"))
        return {
            each["extra_info"]["variant"]: {**each["extra_info"], "said": said} for each in run["benchmarks"]
        }


def check_ordinary_tests(somebodys: Somebodys) -> None:
    """Check that their other tests pay for nothing: all that is imported more is the plugin."""
    imported = somebodys.folder / "imported.json"

    def modules(*arguments: str) -> set[str]:
        began = time.monotonic()
        somebodys.pytest(*arguments, IMPORTED=str(imported))
        print(f"  their tests: {time.monotonic() - began:.1f} s")
        return {*json.loads(imported.read_text(encoding="utf-8"))}

    with step("their ordinary tests, with us and without"):
        conftest = somebodys.root / "conftest.py"
        with_us = modules()
        conftest.write_text(CONFTEST.lstrip() + NAMED, encoding="utf-8")
        named = modules()
        conftest.write_text(CONFTEST.lstrip(), encoding="utf-8")
        without = modules("-p", "no:loader_gate")
        expect(PLUGIN in with_us & named - without, "the plugin was not loaded, so nothing was tested.")
        more = {name for name in with_us - without if name.partition(".")[0] not in sys.stdlib_module_names}
        heavy = {name for name in more if name != "loader_gate" and not f"{name}.".startswith(f"{PLUGIN}.")}
        expect(not heavy, f"their ordinary tests import {', '.join(sorted(heavy))} because of us.")


def check_a_run(somebodys: Somebodys) -> None:
    """Check that both loaders are found and measured, and that a floor out of reach fails."""
    with step("collect and measure"):
        collected = somebodys.pytest("benchmarks", "--collect-only", "-q", *JOINED)
        for name in ("photos", "thumbnails"):
            expect(name in collected, f"{name} was not collected:\n{collected}")
        # The neighbours have pytest-timeout, and all are measured in the first test.
        found = somebodys.measure("--floor=thumbnails=1000", "--timeout=1", expected=1)
        expect_verdicts(found, photos="pass", thumbnails="fail")
        said = str(found["photos"]["said"])
        expect(
            "limit_memory_copy" in said, f"what pyproject.toml wants beside them was not measured.\n{said}"
        )


def check_a_dearer_loader(somebodys: Somebodys) -> None:
    """Check that the loader that a commit makes dearer fails, and no other."""
    with step("compare with the commit before"):
        found = somebodys.measure("--against=HEAD~1", expected=1)
        expect_verdicts(found, photos="fail", thumbnails="pass")
        change = found["photos"].get("change")
        expect(isinstance(change, float) and change > 1, f"photos has changed by {change}, not above 1.")


def expect_verdicts(found: Mapping[str, Mapping[str, object]], **expected: str) -> None:
    """Raise an error that shows the session unless each loader has its verdict."""
    verdicts = {name: each["verdict"] for name, each in found.items() if name != BASELINE}
    said = "".join({str(each["said"]) for each in found.values()})
    expect(verdicts == expected, f"expected {expected}, found {verdicts}.\n{said}")


if __name__ == "__main__":
    sys.exit(main())
