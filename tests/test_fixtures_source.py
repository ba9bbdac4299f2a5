"""Real folders: which images a tree of them has, and which subset of those is chosen."""

from __future__ import annotations

import io
import os
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from loader_gate.progress import Display
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.source import SourceImage
from loader_gate.trees.subset import choose
from loader_gate.trees.tree import Tree, TreeError


def image(path: Path, shade: int = 0) -> Path:
    """Write a tiny image of the kind that its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (shade % 256, 40, 90)).save(path)
    return path


def folder_of(root: Path, **classes: int) -> Path:
    """Make class folders with so many images each, no two alike."""
    for name, count in classes.items():
        for number in range(count):
            image(root / name / f"{number:03}.png", len(name) * 40 + number)
    return root


def prepare(root: Path, cache: Path, **options: object) -> Tree:
    """Prepare the tree of a folder."""
    request = TreeRequest(image_root=root, **options)  # type: ignore[arg-type]
    return prepare_tree(request, Display(io.StringIO()), cache=cache)


def state(root: Path) -> list[tuple[str, int, int]]:
    """Return names, sizes and times of everything below a folder."""
    paths = sorted(root.rglob("*"))
    return [(str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in (root, *paths)]


def test_in_place(tmp_path: Path) -> None:
    """A tree that needs no change is used where it is; the same files elsewhere have the same digest."""
    trees = [
        prepare(folder_of(tmp_path / "a", x=2, yy=3), tmp_path / "cache"),
        prepare(folder_of(tmp_path / "b" / "train", x=2, yy=3).parent, tmp_path / "cache"),
    ]
    assert [tree.root for tree in trees] == [tmp_path / "a", tmp_path / "b" / "train"]
    assert trees[0].digest == trees[1].digest
    assert trees[0].class_names == ("x", "yy")
    assert trees[0].labels == (0, 0, 1, 1, 1)
    assert Tree.read(trees[1].root, trees[1].digest) == trees[1]
    assert [tree.name for tree in trees] == ["a", "b"]


@pytest.mark.parametrize("change", ["byte", "name", "class"])
def test_digest_follows_names_and_bytes(tmp_path: Path, change: str) -> None:
    """Any change to a file's bytes, name or class is another tree."""
    root = folder_of(tmp_path / "a", x=2, yy=3)
    before = prepare(root, tmp_path / "cache")
    if change == "byte":
        image(root / "x" / "000.png", 201)
    else:
        (root / "x" / "000.png").rename(root / ("x/new.png" if change == "name" else "yy/new.png"))
    assert prepare(root, tmp_path / "cache").digest != before.digest


def test_every_kind_that_keras_lists(tmp_path: Path) -> None:
    """JPEG, PNG, BMP and GIF in any case; text files are no business of ours."""
    for name in ("a.jpg", "b.JPEG", "c.Png", "d.bmp", "e.gif", "f.JPG"):
        image(tmp_path / "a" / "x" / name)
    image(tmp_path / "a" / "y" / "a.jpg")
    (tmp_path / "a" / "x" / "notes.txt").write_text("hello")
    tree = prepare(tmp_path / "a", tmp_path / "cache")
    assert len(tree) == 7
    assert tree.root == tmp_path / "a"


@pytest.mark.parametrize("extra", [".hidden/a.png", "x/.a.png", "x/.thumbnails/a.png", "x/a.tiff"])
def test_what_keras_would_list_and_we_do_not(tmp_path: Path, extra: str) -> None:
    """Hidden things are left out for every loader, hence by links."""
    root = folder_of(tmp_path / "a", x=2, y=2)
    image(root / extra)
    tree = prepare(root, tmp_path / "cache")
    assert len(tree) == 4
    assert tree.root.is_relative_to(tmp_path / "cache")


def test_a_class_called_train(tmp_path: Path) -> None:
    """COCO has one: it is not mistaken for the root."""
    tree = prepare(folder_of(tmp_path / "a", plane=2, train=2), tmp_path / "cache")
    assert tree.class_names == ("plane", "train")
    links = prepare(tmp_path / "a", tmp_path / "cache", images_per_class=1)
    assert links.class_names == ("plane", "train")


@pytest.mark.parametrize("inside", ["", "train"])
def test_kaggle_names(tmp_path: Path, inside: str) -> None:
    """cat.0.jpg and dog.1.jpg, in DIR or DIR/train beside test1/, become two class folders of links."""
    root = tmp_path / "a"
    for number in range(3):
        image(root / inside / f"cat.{number}.jpg", number)
        image(root / inside / f"dog.{number}.jpg", number)
    if inside:
        image(root / "test1" / "1.jpg")
    before = state(root)
    tree = prepare(root, tmp_path / "cache")
    assert tree.class_names == ("cat", "dog")
    assert Counter(tree.labels) == {0: 3, 1: 3}
    assert all(Path(path).is_symlink() for path in tree.paths)
    assert {str(Path(path).readlink()) for path in tree.paths} == {
        os.path.realpath(root / inside / f"{kind}.{number}.jpg")
        for kind in ("cat", "dog")
        for number in range(3)
    }
    assert state(root) == before


def test_kaggle_names_and_others(tmp_path: Path) -> None:
    """A file whose class is anybody's guess is named."""
    for name in ("cat.0.jpg", "dog.0.jpg", "mystery.jpg"):
        image(tmp_path / "a" / name)
    with pytest.raises(TreeError, match=r"mystery\.jpg"):
        prepare(tmp_path / "a", tmp_path / "cache")


def made_up(**classes: int) -> list[SourceImage]:
    """Return images that exist in name only."""
    return [
        SourceImage(name, f"{n}.jpg", f"{name}/{n}.jpg")
        for name, count in classes.items()
        for n in range(count)
    ]


def counts(images: tuple[SourceImage, ...]) -> dict[str, int]:
    """Return the number of images of each class."""
    return dict(Counter(image.class_name for image in images))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (116, {"a": 100, "b": 15, "c": 1}),
        (58, {"a": 50, "b": 7, "c": 1}),
        (12, {"a": 10, "b": 1, "c": 1}),
        (3, {"a": 1, "b": 1, "c": 1}),
    ],
)
def test_each_class_keeps_its_share(number: int, expected: dict[str, int]) -> None:
    """In proportion, to the image, and never without any."""
    assert counts(choose(made_up(a=100, b=15, c=1), TreeRequest(tree_images=number))) == expected


def test_choice_is_seeded() -> None:
    """The same seed chooses the same, another one otherwise; in the tree's order."""
    images = made_up(a=100, b=100, c=100)
    first = choose(images, TreeRequest(tree_images=30))
    assert first == choose(images[::-1], TreeRequest(tree_images=30))
    assert first != choose(images, TreeRequest(tree_images=30, tree_seed=1))
    assert list(first) == sorted(first)
    assert set(first) < set(choose(images, TreeRequest(tree_images=60)))
    chosen = [counts(choose(images, TreeRequest(classes=2, tree_seed=seed))) for seed in range(20)]
    assert {tuple(choice) for choice in chosen} == {("a", "b"), ("a", "c"), ("b", "c")}


def test_classes_and_images_per_class(tmp_path: Path) -> None:
    """At most so many images of each of so many classes; sources stay as they are."""
    root = folder_of(tmp_path / "a", x=5, yy=2, zzz=5)
    before = state(root)
    tree = prepare(root, tmp_path / "cache", classes=2, images_per_class=3)
    assert len(tree.class_names) == 2
    assert all(1 < count <= 3 for count in Counter(tree.labels).values())
    assert tree.root.is_relative_to(tmp_path / "cache")
    assert prepare(root, tmp_path / "cache", classes=2, images_per_class=3) == tree
    assert state(root) == before


def test_links_are_mended(tmp_path: Path) -> None:
    """A tree of links that somebody has thinned out is built anew."""
    root = folder_of(tmp_path / "a", x=5, yy=5)
    tree = prepare(root, tmp_path / "cache", tree_images=4)
    Path(tree.paths[0]).unlink()
    assert prepare(root, tmp_path / "cache", tree_images=4) == tree
    assert Path(tree.paths[0]).is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 4}, "--classes is 4, but .* has 3 classes"),
        ({"tree_images": 13}, "--tree-images is 13, but there are 12 images"),
        ({"tree_images": 2}, "--tree-images is 2, fewer than the 3 classes"),
        ({"tree_images": 2, "classes": 3}, "fewer than --classes 3"),
        ({"tree": "small"}, "--tree small asks for a synthetic tree"),
        ({"coco_annotations": Path("nowhere.json")}, r"--coco-annotations nowhere\.json does not exist"),
    ],
)
def test_impossible_subsets(tmp_path: Path, options: dict[str, object], message: str) -> None:
    """The message names option, what was asked for and what there is."""
    with pytest.raises(TreeError, match=message):
        prepare(folder_of(tmp_path / "a", x=5, yy=2, zzz=5), tmp_path / "cache", **options)


def test_unusable_folders(tmp_path: Path) -> None:
    """Missing, a file, no class, one class, an empty class, folders in a class: a clear error each."""
    cache = tmp_path / "cache"
    with pytest.raises(TreeError, match="nowhere does not exist"):
        prepare(tmp_path / "nowhere", cache)
    with pytest.raises(TreeError, match="is not a folder"):
        prepare(image(tmp_path / "file.png"), cache)
    (tmp_path / "none").mkdir()
    with pytest.raises(TreeError, match="has no class folder"):
        prepare(tmp_path / "none", cache)
    with pytest.raises(TreeError, match="only one class, 'x'"):
        prepare(folder_of(tmp_path / "one", x=3), cache)
    (folder_of(tmp_path / "empty", x=2, y=2) / "vacant").mkdir()
    with pytest.raises(TreeError, match=r"hold no image(.|\n)*vacant"):
        prepare(tmp_path / "empty", cache)
    image(folder_of(tmp_path / "deep", x=2, y=2) / "x" / "images" / "a.png")
    with pytest.raises(TreeError, match=r"hold folders(.|\n)*deep/x"):
        prepare(tmp_path / "deep", cache)
