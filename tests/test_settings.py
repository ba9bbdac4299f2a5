"""Settings in pyproject.toml: read, checked, relative to their file, and overruled by the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from loader_gate.plugin.options import OPTIONS
from loader_gate.plugin.settings import SettingsError, _merged, read_settings

ALL = """
[tool.loader-gate]
image-root = "photos"
coco-annotations = "../a.json"
tree-images = 9
classes = 2
tree-seed = 0
skip-bad-images = true
variants = ["tfdata_no_cache"]
image-size = 96
device = "emulated:900"
weights = "imagenet"
memory-limit = "1.5G"
disk-limit = 800_000_000
tolerance = 2.5
gate = "strict"
budget = 30
floors = "benchmarks/floors.toml"
"""


def read(folder: Path, text: str) -> dict[str, Any]:
    """Return the settings in a file of this text."""
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return read_settings(folder / "pyproject.toml")


def test_every_kind(tmp_path: Path) -> None:
    """They come as the command line would give them."""
    assert read(tmp_path, ALL) == {
        "image-root": tmp_path / "photos",
        "coco-annotations": tmp_path / "../a.json",
        "tree-images": 9,
        "classes": 2,
        "tree-seed": 0,
        "skip-bad-images": True,
        "variants": ["tfdata_no_cache"],
        "image-size": 96,
        "device": "emulated:900",
        "weights": "imagenet",
        "memory-limit": 1_500_000_000,
        "disk-limit": 800_000_000,
        "tolerance": 0.025,
        "gate": "strict",
        "budget": 30.0,
        "floors": tmp_path / "benchmarks" / "floors.toml",
    }


def test_none(tmp_path: Path) -> None:
    """Neither the file nor the table has to be there."""
    assert read_settings(tmp_path / "pyproject.toml") == {}
    assert read(tmp_path, "[tool.other]\nfloors = 3\n") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch_size = 3", "batch_size: there is no such setting; did you mean batch-size"),
        ("zzz = 3", "zzz: there is no such setting; known: image-root, coco-annotations, tree,"),
        ("batch-size = '3'", "batch-size is '3', expected a whole number of at least 1."),
        ("batch-size = 2.5", "batch-size is 2.5, expected a whole number of at least 1."),
        ("batch-size = true", "batch-size is True, expected a whole number of at least 1."),
        ("classes = 1", "classes is 1, expected a whole number of at least 2."),
        ("tree-seed = -1", "tree-seed is -1, expected a whole number of at least 0."),
        ("skip-bad-images = 1", "skip-bad-images is 1, expected true or false."),
        ("variants = 'all'", "variants is 'all', expected a list of strings."),
        ("image-root = 3", "image-root is 3, expected a path, as a string."),
        ("budget = 0", "budget is 0, expected a number above 0 and below a million."),
        ("budget = nan", "budget is nan, expected a number above 0 and below a million."),
        ("gate = 'loose'", "gate is 'loose', expected one of strict, lenient."),
        ("tree = 'medium'", "tree is 'medium', expected one of small, dogs-vs-cats, coco2017."),
        ("memory-limit = 'much'", "memory-limit is 'much', expected a size, such as \"800M\"."),
        ("tolerance = 300", "tolerance is 300, expected a number of percent, such as 3."),
        ("against = 'main'", "against is for the command line only, --against."),
        ("variant = ['x']", "what is measured beside your own loaders is variants."),
        *(
            (f"{name} = true", f"{name} is for the command line only")
            for name in ("update-floors", "accept", "report", "floor", "loader")
        ),
    ],
)
def test_wrong_settings(text: str, message: str, tmp_path: Path) -> None:
    """The message names the file and the key, what was found and what was expected."""
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, f"[tool.loader-gate]\n{text}\n")
    assert str(caught.value).startswith(f"{tmp_path / 'pyproject.toml'}: [tool.loader-gate] ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"), [("tool.loader-gate = 3", "is 3, expected a table"), ("[tool", "pyproject.toml: ")]
)
def test_wrong_file(text: str, message: str, tmp_path: Path) -> None:
    """A file that is no TOML, or has something else in the table's place."""
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, text)


def given(**values: Any) -> argparse.Namespace:
    """Return what a command line gave, and an option of another plugin."""
    nothing = dict.fromkeys((option.dest for option in OPTIONS), None)
    named = {f"loader_gate_{name}": value for name, value in values.items()}
    return argparse.Namespace(**{**nothing, **named}, device="theirs", verbose=1)


def test_who_wins() -> None:
    """The command line, then the file, then what is said nowhere; options of others stay."""
    of_file = {"batch-size": 7, "gate": "strict", "variants": ["uint8_memory"]}
    asked = _merged(given(batch_size=9), of_file)
    assert (asked.batch_size, asked.gate, asked.hang_after, asked.device) == (9, "strict", 120.0, "auto")
    assert (asked.variants, asked.variant, asked.verbose) == (["uint8_memory"], [], 1)
    assert not [name for name in vars(asked) if name.startswith("loader_gate")]


@pytest.mark.parametrize(
    ("on_line", "gone"),
    [
        ({"tree": "small"}, {"image-root", "coco-annotations"}),
        ({"image_root": Path("other")}, {"image-root", "coco-annotations"}),
        ({"images_per_class": 3}, {"tree-images"}),
        ({"device": "emulated"}, {"weights"}),
        ({"device": "cpu"}, set()),
    ],
)
def test_what_cannot_hold_any_more(on_line: dict[str, Any], gone: set[str]) -> None:
    """A setting that contradicts the command line gives way."""
    of_file = {"image-root": Path("p"), "coco-annotations": Path("c"), "tree-images": 9, "weights": "w"}
    asked = _merged(given(**on_line), of_file)
    left = {name for name, value in of_file.items() if getattr(asked, name.replace("-", "_")) == value}
    assert left == {*of_file} - gone
