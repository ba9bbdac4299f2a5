"""A variant in a training script, by import and by copy: both of the page's scripts train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loader_gate import copy_variant
from loader_gate.registry.variant import BASELINE
from tests.test_using_a_variant_end_to_end import BOTH, blocks_of_the_page, python

if TYPE_CHECKING:
    from pathlib import Path

    from loader_gate.trees.tree import Tree


def test_both_ways(tmp_path: Path, tiny_tree: Tree) -> None:
    """The script trains as it stands; another variant with the other imports and call of ``fit``."""
    script, fit, imports = blocks_of_the_page()
    (tmp_path / "imported.py").write_text(script, encoding="utf-8")
    ours = [line for line in script.splitlines() if line.startswith("from loader_gate")]
    assert len(ours) < len(imports.splitlines())
    for line in ours:
        script = script.replace(f"{line}\n", "")
    (call,) = (line for line in script.splitlines() if ".fit(" in line)
    script = imports.replace("tfdata_memory_cache", BASELINE) + script.replace(call, fit)
    (tmp_path / "copied.py").write_text(script, encoding="utf-8")
    assert copy_variant.main([BASELINE, str(tmp_path / "loaders")]) == 0
    said = python(tmp_path, "-c", BOTH, "imported.py", "copied.py", "--", tiny_tree.root)
    imported, copied = said.split("Running copied.py")
    assert "Epoch 2/2" in imported
    assert "Epoch 2/2" in copied
