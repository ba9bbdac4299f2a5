"""A variant in a training script: what it needs can be imported and copied, as the page on it shows."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from loader_gate import copy_variant
from loader_gate.registry.built_in import built_in_variants
from loader_gate.registry.variant import BASELINE
from tests.sessions import ROOT

#: Runs scripts one after the other: starting TensorFlow takes long.
BOTH = """
import runpy, sys
sys.path.insert(0, "")
split = sys.argv.index("--")
scripts, sys.argv[1:] = sys.argv[1:split], sys.argv[split + 1 :]
for script in scripts:
    print("Running", script)
    runpy.run_path(script, run_name="__main__")
    # From now on, nothing of the suite can be imported.
    ours = [name for name in sys.modules if name.split(".")[0] == "loader_gate"]
    sys.modules.update(dict.fromkeys(ours))
"""


def blocks_of_the_page() -> list[str]:
    """Return the page's Python: the script, another way to call ``fit``, and the imports of a copy."""
    page = (ROOT / "docs" / "using-a-variant.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)


def python(folder: Path, *arguments: str | Path) -> str:
    """Run Python in a folder, and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_variant_can_be_copied(tmp_path: Path) -> None:
    """What is copied imports nothing of the suite, and can be imported, as the page imports it."""
    names = [variant.name for variant in built_in_variants()]
    for name in names:
        assert copy_variant.main([name, str(tmp_path / "loaders")]) == 0
    script, _, copied = blocks_of_the_page()
    imported = "".join(
        line for line in script.splitlines(keepends=True) if line.startswith("from loader_gate")
    )
    assert imported
    (tmp_path / "imported.py").write_text(imported, encoding="utf-8")
    imports = "".join(f"from loaders.{name} import load\n" for name in names)
    (tmp_path / "copied.py").write_text(copied + imports, encoding="utf-8")
    python(tmp_path, "-c", BOTH, "imported.py", "copied.py", "--")


def write_project(folder: Path, monkeypatch: pytest.MonkeyPatch, **modules: str) -> None:
    """Make a suite up, of a variant named ``mine`` and other modules; a ``__`` is a dot."""
    monkeypatch.setattr(copy_variant, "_PROJECT", folder)
    modules = {"loader_gate__registry__spec": "", "loader_gate__trees__tree": "", **modules}
    for name, text in modules.items():
        file = folder.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


MINE = "loader_gate.variants.mine"


def test_what_a_variant_builds_on_comes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports of modules, of names, inside functions and over several lines become relative."""
    text = """
import numpy as np
from loader_gate.variants import other
from loader_gate import cores
from loader_gate.variants.other import (
    first,
    second,
)

def load(tree, spec):
    from loader_gate.variants.jpeg import decode
"""
    write_project(
        tmp_path,
        monkeypatch,
        loader_gate__machine__cores="",
        loader_gate__variants__mine=text,
        loader_gate__variants__other="from loader_gate import Tree\n",
        loader_gate__variants__jpeg="from loader_gate.variants.mine import load\n",
    )
    found = copy_variant.copies(MINE)
    assert set(found) == {"__init__.py", "mine.py", "other.py", "jpeg.py", "cores.py", "spec.py", "tree.py"}
    assert found["other.py"] == "from .tree import Tree\n"
    assert found["jpeg.py"] == "from .mine import load\n"
    assert found["mine.py"] == (
        text.replace("from loader_gate.variants import", "from . import")
        .replace("loader_gate.variants.other", ".other")
        .replace("loader_gate.variants.jpeg", ".jpeg")
        .replace("from loader_gate import", "from .cores import")
    )
    ast.parse(found["mine.py"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import loader_gate.variants.jpeg\n", "line 1: write `from … import …`"),
        ("from loader_gate.variants.tree import cut\n", "would both become tree.py"),
    ],
)
def test_what_cannot_be_copied(
    text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused, with what to do."""
    write_project(tmp_path, monkeypatch, loader_gate__variants__mine=text, loader_gate__variants__tree="")
    with pytest.raises(copy_variant.CopyError, match=problem):
        copy_variant.copies(MINE)


def test_a_copy_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A module that is there already and is another one stays, and nothing is written beside it."""
    changed = tmp_path / "tree.py"
    changed.write_text("# mine\n", encoding="utf-8")
    assert copy_variant.main([BASELINE, str(tmp_path)]) == 1
    assert f"{changed} is there already" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["tree.py"]
    assert changed.read_text(encoding="utf-8") == "# mine\n"
