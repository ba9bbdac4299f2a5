"""The reference decode: its resizes, what it stores, and that nothing half done is opened."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loader_gate.same_work import reference
from loader_gate.same_work.reference import INTERPOLATIONS, Reference, build_reference
from loader_gate.trees.tree import Tree, TreeError


def draw(path: Path, seed: int, size: tuple[int, int] = (60, 80)) -> None:
    """Write an image of gradients, a disc and texture."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : size[0], 0 : size[1]] / max(size)
    pixels = 128 + 90 * np.sin(
        random.uniform(1, 5, 3) * x[..., None]
        + random.uniform(1, 5, 3) * y[..., None]
        + random.uniform(0, 6, 3)
    )
    pixels[(x - random.random()) ** 2 + (y - random.random()) ** 2 < 0.04] = random.uniform(0, 255, 3)
    pixels += random.normal(0, 5, (*size, 1))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def tree_of(root: Path, names: list[str], digest: str = "d") -> Tree:
    """Return a tree of one class."""
    return Tree(root, tuple(str(root / name) for name in names), (0,) * len(names), ("a",), digest)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return six images: three drawn, two links and one copy."""
    for seed in range(3):
        draw(tmp_path / f"{seed}.png", seed)
    os.link(tmp_path / "0.png", tmp_path / "3.png")
    os.link(tmp_path / "1.png", tmp_path / "4.png")
    shutil.copy(tmp_path / "1.png", tmp_path / "5.png")
    return tree_of(tmp_path, [f"{number}.png" for number in range(6)])


def test_links_and_copies_are_one_picture(tree: Tree, tmp_path: Path) -> None:
    """A tree of hard links costs a decode a file, not one a name."""
    told: list[tuple[int, int]] = []
    made = build_reference(tree, (16, 24), tmp_path / "ref", lambda done, total: told.append((done, total)))
    assert made.picture_of.tolist() == [0, 1, 2, 0, 1, 1]
    assert made.pixels["nearest"].shape == (3, 16, 24, 3)
    assert told[-1] == (3, 3)


def test_equals_a_plain_decode(tree: Tree, tmp_path: Path) -> None:
    """Pixels and grids are those of Pillow's resize."""
    made = build_reference(tree, (16, 24), tmp_path / "ref")
    with Image.open(tree.paths[2]) as image:
        plain = np.asarray(image.resize((24, 16), Image.Resampling.NEAREST))
    assert np.array_equal(made.pixels["nearest"][2], plain)
    grid = plain.reshape(8, 2, 8, 3, 3).mean(axis=(1, 3))
    assert np.abs(made.descriptors["nearest"][2] - grid).max() <= 0.51


def test_larger_trees_keep_a_sample_of_pixels(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every picture has a grid, a seeded sample has pixels."""
    monkeypatch.setattr(reference, "PIXEL_SAMPLE", 2)
    made = build_reference(tree, (16, 24), tmp_path / "ref")
    again = build_reference(tree, (16, 24), tmp_path / "again")
    assert [len(made.pixels[name]) for name in INTERPOLATIONS] == [2, 2, 2]
    assert sorted(made.pixel_row.tolist()) == [-1, 0, 1]
    assert made.pixel_row.tolist() == again.pixel_row.tolist()
    assert [len(made.descriptors[name]) for name in INTERPOLATIONS] == [3, 3, 3]


def test_is_made_once(tree: Tree, tmp_path: Path) -> None:
    """The same tree and size is opened, another size is made anew."""
    build_reference(tree, (16, 24), tmp_path / "ref")
    told: list[tuple[int, int]] = []
    build_reference(tree, (16, 24), tmp_path / "ref", lambda *progress: told.append(progress))
    assert told == []
    assert build_reference(tree, (8, 8), tmp_path / "ref").image_size == (8, 8)


def test_a_broken_file_is_named_and_leaves_nothing(tree: Tree, tmp_path: Path) -> None:
    """A failed build cannot be opened and leaves no folder behind."""
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:200])
    with pytest.raises(TreeError, match=r"2\.png cannot be decoded"):
        build_reference(tree, (16, 24), tmp_path / "made" / "ref")
    assert list((tmp_path / "made").iterdir()) == []
    with pytest.raises(FileNotFoundError, match="no reference decode"):
        Reference.open(tmp_path / "made" / "ref")


def test_a_folder_of_something_else_is_left_alone(tree: Tree, tmp_path: Path) -> None:
    """Only a reference is replaced."""
    (tmp_path / "ref").mkdir()
    (tmp_path / "ref" / "thesis.txt").write_text("mine")
    with pytest.raises(OSError, match="ref"):
        build_reference(tree, (16, 24), tmp_path / "ref")
    assert (tmp_path / "ref" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    """Grey, palette, alpha and CMYK files are decoded to three channels."""
    name = "x.jpg" if mode == "CMYK" else "x.png"
    Image.new(mode, (20, 10), 40 if mode in "LP" else None).save(tmp_path / name)
    made = build_reference(tree_of(tmp_path, [name]), (4, 4), tmp_path / "ref")
    assert made.pixels["area"].shape == (1, 4, 4, 3)
    assert made.descriptors["area"].shape == (1, 4, 4, 3)


def test_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    """Keras and tf.data do not turn images either."""
    half = np.zeros((32, 32, 3), np.uint8)
    half[:16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(half).save(tmp_path / "x.jpg", exif=exif)
    made = build_reference(tree_of(tmp_path, ["x.jpg"]), (8, 8), tmp_path / "ref")
    assert made.pixels["nearest"][0, 0].min() > 200
    assert made.pixels["nearest"][0, 7].max() < 50


def test_a_full_disk_is_an_error_before_anything_is_decoded(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map of a sparse file would end the whole process with SIGBUS; nothing of the reference is left."""

    def is_full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", is_full, raising=False)
    told: list[int] = []
    with pytest.raises(OSError, match="No space left"):
        build_reference(tree, (16, 24), tmp_path / "own" / "ref", lambda done, _: told.append(done))
    assert told == []
    assert list((tmp_path / "own").iterdir()) == []
