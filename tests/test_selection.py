"""Which tests a command line asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from loader_gate.plugin.selection import is_in_arguments


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["benchmarks"], True),
        (["benchmarks/"], True),
        (["."], True),
        (["benchmarks/test_loading.py"], False),
        (["benchmarks/test_loading.py", "benchmarks"], True),
        (["benchmarks/test_training.py::test_epoch"], True),
        (["benchmarks/test_training.py::test_epoch[one]"], True),
        (["benchmarks/test_training.py::test_epoch[other]"], False),
        (["benchmarks/test_training.py::test_ep"], False),
        (["a.package"], True),
    ],
)
def test_is_in_arguments(arguments: list[str], expected: bool, tmp_path: Path) -> None:
    """A test that is gone would have been collected from these arguments, or not."""
    (tmp_path / "benchmarks").mkdir()
    for name in ("test_loading.py", "test_training.py"):
        (tmp_path / "benchmarks" / name).touch()
    node_id = "benchmarks/test_training.py::test_epoch[one]"
    assert is_in_arguments(node_id, arguments, tmp_path, tmp_path) is expected
    assert not is_in_arguments(
        node_id, arguments, tmp_path, tmp_path, ignored=["benchmarks/test_training.py"]
    )
    assert not is_in_arguments(node_id, arguments, tmp_path, tmp_path, ignored_globs=["*/test_tr*.py"])
