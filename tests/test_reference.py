"""The reference decode: its resizes, what it stores, and that nothing half done is opened."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loader_gate.same_work import reference
from loader_gate.same_work.reference import (
    INTERPOLATIONS,
    Reference,
    _neighbours,
    build_reference,
    decode_box,
    decode_image,
    distinct_pictures,
    pooled,
    resize_bilinear,
)
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
    assert told == [(3, 3)]
    assert made.file_sizes.tolist() == [[60, 80]] * 3
    assert {each.dtype for each in (made.picture_of, made.pixel_row, made.file_sizes)} == {np.dtype(np.int64)}


def test_only_files_of_equal_size_are_read(tmp_path: Path) -> None:
    """Those that are a copy of no other by their size need not be: here is one that cannot be."""
    for name, content in (
        ("a", "same size"),
        ("b", "same SIZE"),
        ("c", "same size"),
        ("d", "longer than others"),
    ):
        (tmp_path / name).write_text(content)
    (tmp_path / "folder").mkdir()
    names = ["folder", "d", "a", "b", "c", "d"]
    pictures, first = distinct_pictures([f"{tmp_path / name}" for name in names])
    assert (pictures.tolist(), pictures.dtype) == ([0, 1, 2, 3, 2, 1], np.dtype(np.int64))
    assert first == [0, 1, 2, 3]


def test_equals_a_plain_decode(tree: Tree, tmp_path: Path) -> None:
    """Pixels and grids are those of Pillow's resize."""
    made = build_reference(tree, (16, 24), tmp_path / "ref")
    with Image.open(tree.paths[2]) as image:
        plain = np.asarray(image.resize((24, 16), Image.Resampling.NEAREST))
    assert np.array_equal(made.pixels["nearest"][2], plain)
    grid = plain.reshape(8, 2, 8, 3, 3).mean(axis=(1, 3))
    assert np.abs(made.descriptors["nearest"][2] - grid).max() <= 0.51


@pytest.fixture
def many(tmp_path: Path) -> Tree:
    """Return 35 small images, of one grey level each."""
    for number in range(35):
        Image.new("RGB", (4, 2), (number + 1,) * 3).save(tmp_path / f"{number}.png")
    return tree_of(tmp_path, [f"{number}.png" for number in range(35)])


def test_larger_trees_keep_a_sample_of_pixels(
    many: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every picture has a grid, a seeded sample has pixels."""
    monkeypatch.setattr(reference, "PIXEL_SAMPLE", 20)
    for seed, made in (
        (0, build_reference(many, (2, 4), tmp_path / "ref")),
        (7, build_reference(many, (2, 4), tmp_path / "seven", seed=7)),
    ):
        drawn = np.sort(np.random.default_rng(seed).choice(35, 20, replace=False))
        assert np.flatnonzero(made.pixel_row >= 0).tolist() == drawn.tolist()
        assert made.pixel_row[drawn].tolist() == list(range(20))
        assert set(made.pixel_row.tolist()) == set(range(-1, 20))
        for name in INTERPOLATIONS:
            assert made.pixels[name].shape == (20, 2, 4, 3)
            assert made.pixels[name][:, 1, 3, 2].tolist() == (drawn + 1).tolist()
            assert made.descriptors[name].shape == (35, 2, 4, 3)
            assert made.descriptors[name][:, 1, 3, 2].tolist() == list(range(1, 36))


@pytest.mark.parametrize("handed_out", [16, 128])
def test_what_is_done_is_told(
    many: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handed_out: int
) -> None:
    """After every sixteen pictures and at the end; until then nothing is there that could be opened."""
    monkeypatch.setattr(reference, "_HANDED_OUT", handed_out)
    folder = tmp_path / "new" / "own" / "ref"
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))
        (building,) = folder.parent.iterdir()
        assert building.name.startswith("ref.building-")

    build_reference(many, (8, 8), folder, tell)
    assert told == [(16, 35), (32, 35), (35, 35)]
    assert list(folder.parent.iterdir()) == [folder]
    one = tree_of(tmp_path, ["0.png"])
    build_reference(one, (8, 8), tmp_path / "one", lambda *progress: told.append(progress))
    assert told[3:] == [(1, 1)]


def test_is_mapped_and_not_pickled(many: Tree, tmp_path: Path) -> None:
    """Pixels are read when they are looked at, and cannot be written; no file is code."""
    made = build_reference(many, (8, 8), tmp_path / "ref")
    for array in (*made.pixels.values(), *made.descriptors.values()):
        assert isinstance(array, np.memmap)
        assert not array.flags.writeable
    size = (tmp_path / "ref" / "pixels_area.npy").stat().st_size
    assert size == 128 + 35 * 8 * 8 * 3
    np.save(tmp_path / "ref" / "pixel_row.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Reference.open(tmp_path / "ref")


def test_another_version(many: Tree, tmp_path: Path) -> None:
    """A reference of another version is no finished one, and is replaced."""
    folder = tmp_path / "ref"
    build_reference(many, (8, 8), folder)
    meta = folder / "reference.json"
    assert json.loads(meta.read_text()) == {"schema": 2, "digest": "d", "height": 8, "width": 8}
    meta.write_text('{"schema": 1}')
    with pytest.raises(FileNotFoundError) as raised:
        Reference.open(folder)
    assert f"{raised.value}" == f"{folder} holds a reference of schema 1, expected 2: delete it."
    assert build_reference(many, (8, 8), folder).image_size == (8, 8)


def test_is_made_once(tree: Tree, tmp_path: Path) -> None:
    """The same tree and size is opened, another size is made anew."""
    build_reference(tree, (16, 24), tmp_path / "ref")
    told: list[tuple[int, int]] = []
    build_reference(tree, (16, 24), tmp_path / "ref", lambda *progress: told.append(progress))
    assert told == []
    assert build_reference(tree, (8, 8), tmp_path / "ref").image_size == (8, 8)
    other = tree_of(tmp_path, ["0.png"], "another")
    assert build_reference(other, (8, 8), tmp_path / "ref").digest == "another"


def test_a_broken_file_is_named_and_leaves_nothing(tree: Tree, tmp_path: Path) -> None:
    """A failed build cannot be opened and leaves no folder behind."""
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:200])
    with pytest.raises(TreeError, match=r"2\.png cannot be decoded"):
        build_reference(tree, (16, 24), tmp_path / "made" / "ref")
    assert list((tmp_path / "made").iterdir()) == []
    with pytest.raises(FileNotFoundError) as raised:
        Reference.open(tmp_path / "made" / "ref")
    assert f"{raised.value}" == f"{tmp_path / 'made' / 'ref'} holds no reference decode: build it first."


def test_a_folder_of_something_else_is_left_alone(tree: Tree, tmp_path: Path) -> None:
    """Only a reference is replaced."""
    (tmp_path / "ref").mkdir()
    (tmp_path / "ref" / "thesis.txt").write_text("mine")
    with pytest.raises(OSError, match="ref") as raised:
        build_reference(tree, (16, 24), tmp_path / "ref")
    assert raised.value.errno in (errno.ENOTEMPTY, errno.EEXIST)
    assert (tmp_path / "ref" / "thesis.txt").read_text() == "mine"


def test_the_ways_of_resizing(tmp_path: Path) -> None:
    """Nearest and area are Pillow's, and bilinear has no antialiasing; a part is cut out first."""
    draw(tmp_path / "x.png", 1)
    with Image.open(tmp_path / "x.png") as image:
        whole = image.convert("RGB")
    part = whole.crop((30, 20, 70, 50))
    for box, source in ((None, whole), ((20, 30, 30, 40, 0), part)):
        path = f"{tmp_path / 'x.png'}"
        images = decode_image(path, (15, 20)) if box is None else decode_box(path, box, (15, 20))
        assert list(images) == list(INTERPOLATIONS)
        for name, filter_ in (("nearest", Image.Resampling.NEAREST), ("area", Image.Resampling.HAMMING)):
            assert np.array_equal(images[name], np.asarray(source.resize((20, 15), filter_)))
        assert np.array_equal(images["bilinear"], resize_bilinear(np.asarray(source), (15, 20)))
    mirrored = decode_box(path, (20, 30, 30, 40, 1), (30, 40), ["area"])
    assert list(mirrored) == ["area"]
    assert np.array_equal(mirrored["area"], np.asarray(part)[:, ::-1])


@pytest.mark.parametrize(
    ("old", "new", "resized"),
    [
        ([0, 100], 4, [0, 25, 75, 100]),
        ([0, 100, 50, 200], 2, [50, 125]),
        ([200, 10, 80], 3, [200, 10, 80]),
        ([0, 90, 30], 2, [22, 45]),  # 22.5 is rounded to the even one
        ([7], 3, [7, 7, 7]),
    ],
)
def test_bilinear(old: list[int], new: int, resized: list[int]) -> None:
    """Between the middles of the two nearest pixels, in rows and in columns."""
    image = np.array(old, np.uint8)[:, np.newaxis, np.newaxis] + np.zeros((1, 2, 3), np.uint8)
    expected = np.array(resized, np.uint8)[:, np.newaxis, np.newaxis] + np.zeros((1, 2, 3), np.uint8)
    for found, wanted in (
        (resize_bilinear(image, (new, 2)), expected),
        (resize_bilinear(image.swapaxes(0, 1), (2, new)), expected.swapaxes(0, 1)),
    ):
        assert found.dtype == np.uint8
        assert np.array_equal(found, wanted)


def test_neighbours_take_no_more_memory_than_they_need() -> None:
    """Shares are single floats, as whole images are multiplied by them."""
    low, high, share = _neighbours(3, 4)
    assert (low.tolist(), high.tolist()) == ([0, 0, 1, 2], [1, 1, 2, 2])
    assert share.tolist() == [0, 0.625, 0.375, 0]
    assert (low.dtype, share.dtype) == (np.dtype(np.int64), np.dtype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_pooled(dtype: type[np.generic]) -> None:
    """Cells are as equal as whole pixels allow, and no more than there are pixels."""
    images = np.random.default_rng(0).integers(0, 256, (2, 7, 3, 3)).astype(dtype)
    found = pooled(images, 4)
    assert (found.shape, found.dtype) == ((2, 4, 3, 3), np.dtype(np.float32))
    for row, (start, end) in enumerate([(0, 1), (1, 3), (3, 5), (5, 7)]):
        np.testing.assert_allclose(found[:, row], images[:, start:end].mean(axis=1), rtol=1e-6)
    assert pooled(np.zeros((1, 20, 9, 3))).shape == (1, 8, 8, 3)


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


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_that_cannot_reserve(
    many: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Then nothing is reserved."""

    def cannot(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", cannot, raising=False)
    assert len(build_reference(many, (8, 8), tmp_path / "ref").pixels["area"]) == 35
