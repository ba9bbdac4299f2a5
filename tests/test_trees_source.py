"""Real folders: which images a tree of them has, and which subset of those is chosen."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from fixtures.trees import NewFolder, NewTree, write_image
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.source import SourceImage
from loader_gate.trees.subset import choose
from loader_gate.trees.tree import Tree, TreeError


def state(root: Path) -> list[tuple[str, int, int]]:
    """Return names, sizes and times of everything below a folder."""
    paths = sorted(root.rglob("*"))
    return [(str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in (root, *paths)]


def test_in_place(tmp_path: Path, new_folder: NewFolder, new_subset: NewTree) -> None:
    """A tree that needs no change is used where it is; the same files elsewhere have the same digest."""
    trees = [
        new_subset(new_folder("a", x=2, yy=3)),
        new_subset(new_folder("b/train", x=2, yy=3).parent),
    ]
    assert [tree.root for tree in trees] == [tmp_path / "a", tmp_path / "b" / "train"]
    assert trees[0].digest == trees[1].digest
    assert trees[0].class_names == ("x", "yy")
    assert trees[0].labels == (0, 0, 1, 1, 1)
    assert Tree.read(trees[1].root, trees[1].digest) == trees[1]
    assert [tree.name for tree in trees] == ["a", "b"]


@pytest.mark.parametrize("change", ["byte", "name", "class"])
def test_digest_follows_names_and_bytes(change: str, new_folder: NewFolder, new_subset: NewTree) -> None:
    """Any change to a file's bytes, name or class is another tree."""
    root = new_folder("a", x=2, yy=3)
    before = new_subset(root)
    if change == "byte":
        write_image(root / "x" / "000.png", 201)
    else:
        (root / "x" / "000.png").rename(root / ("x/new.png" if change == "name" else "yy/new.png"))
    assert new_subset(root).digest != before.digest


def test_every_kind_that_keras_lists(tmp_path: Path, new_subset: NewTree) -> None:
    """JPEG, PNG, BMP and GIF in any case; text files are no business of ours."""
    for name in ("a.jpg", "b.JPEG", "c.Png", "d.bmp", "e.gif", "f.JPG"):
        write_image(tmp_path / "a" / "x" / name)
    write_image(tmp_path / "a" / "y" / "a.jpg")
    (tmp_path / "a" / "x" / "notes.txt").write_text("hello")
    tree = new_subset(tmp_path / "a")
    assert len(tree) == 7
    assert tree.root == tmp_path / "a"


@pytest.mark.parametrize("extra", [".hidden/a.png", "x/.a.png", "x/.thumbnails/a.png", "x/a.tiff"])
def test_what_keras_would_list_and_we_do_not(
    tmp_path: Path, extra: str, new_folder: NewFolder, new_subset: NewTree
) -> None:
    """Hidden things are left out for every loader, hence by links."""
    root = new_folder("a", x=2, y=2)
    write_image(root / extra)
    tree = new_subset(root)
    assert len(tree) == 4
    assert tree.root.is_relative_to(tmp_path / "cache")


def test_a_class_called_train(tmp_path: Path, new_folder: NewFolder, new_subset: NewTree) -> None:
    """COCO has one: it is not mistaken for the root."""
    tree = new_subset(new_folder("a", plane=2, train=2))
    assert tree.class_names == ("plane", "train")
    links = new_subset(tmp_path / "a", images_per_class=1)
    assert links.class_names == ("plane", "train")


@pytest.mark.parametrize("inside", ["", "train"])
def test_kaggle_names(tmp_path: Path, inside: str, new_subset: NewTree) -> None:
    """cat.0.jpg and dog.1.jpg, in DIR or DIR/train beside test1/, become two class folders of links."""
    root = tmp_path / "a"
    for number in range(3):
        write_image(root / inside / f"cat.{number}.jpg", number)
        write_image(root / inside / f"dog.{number}.jpg", number)
    if inside:
        write_image(root / "test1" / "1.jpg")
    before = state(root)
    tree = new_subset(root)
    assert tree.class_names == ("cat", "dog")
    assert Counter(tree.labels) == {0: 3, 1: 3}
    assert all(Path(path).is_symlink() for path in tree.paths)
    assert {str(Path(path).readlink()) for path in tree.paths} == {
        os.path.realpath(root / inside / f"{kind}.{number}.jpg")
        for kind in ("cat", "dog")
        for number in range(3)
    }
    assert state(root) == before


def test_kaggle_names_and_others(tmp_path: Path, new_subset: NewTree) -> None:
    """A file whose class is anybody's guess is named."""
    for name in ("cat.0.jpg", "dog.0.jpg", "mystery.jpg"):
        write_image(tmp_path / "a" / name)
    with pytest.raises(TreeError, match=r"mystery\.jpg"):
        new_subset(tmp_path / "a")


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


def test_classes_and_images_per_class(tmp_path: Path, new_folder: NewFolder, new_subset: NewTree) -> None:
    """At most so many images of each of so many classes; sources stay as they are."""
    root = new_folder("a", x=5, yy=2, zzz=5)
    before = state(root)
    tree = new_subset(root, classes=2, images_per_class=3)
    assert len(tree.class_names) == 2
    assert all(1 < count <= 3 for count in Counter(tree.labels).values())
    assert tree.root.is_relative_to(tmp_path / "cache")
    assert new_subset(root, classes=2, images_per_class=3) == tree
    assert state(root) == before


def test_links_are_mended(new_folder: NewFolder, new_subset: NewTree) -> None:
    """A tree of links that somebody has thinned out is built anew."""
    root = new_folder("a", x=5, yy=5)
    tree = new_subset(root, tree_images=4)
    Path(tree.paths[0]).unlink()
    assert new_subset(root, tree_images=4) == tree
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
def test_impossible_subsets(
    options: dict[str, object], message: str, new_folder: NewFolder, new_subset: NewTree
) -> None:
    """The message names option, what was asked for and what there is."""
    with pytest.raises(TreeError, match=message):
        new_subset(new_folder("a", x=5, yy=2, zzz=5), **options)


def test_unusable_folders(tmp_path: Path, new_folder: NewFolder, new_subset: NewTree) -> None:
    """Missing, a file, no class, one class, an empty class, folders in a class: a clear error each."""
    with pytest.raises(TreeError, match="nowhere does not exist"):
        new_subset(tmp_path / "nowhere")
    with pytest.raises(TreeError, match="is not a folder"):
        new_subset(write_image(tmp_path / "file.png"))
    (tmp_path / "none").mkdir()
    with pytest.raises(TreeError, match="has no class folder"):
        new_subset(tmp_path / "none")
    with pytest.raises(TreeError, match="only one class, 'x'"):
        new_subset(new_folder("one", x=3))
    (new_folder("empty", x=2, y=2) / "vacant").mkdir()
    with pytest.raises(TreeError, match=r"hold no image(.|\n)*vacant"):
        new_subset(tmp_path / "empty")
    write_image(new_folder("deep", x=2, y=2) / "x" / "images" / "a.png")
    with pytest.raises(TreeError, match=r"lie in class folders(.|\n)*deep/x/images"):
        new_subset(tmp_path / "deep")
