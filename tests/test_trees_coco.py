"""COCO annotations: the class of an image is the category of its largest object that is no crowd."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from loader_gate.progress import Display
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.tree import Tree, TreeError

Data = dict[str, Any]


def annotation(number: int, image: int, category: int, area: float, iscrowd: int = 0) -> Data:
    """Return one annotation."""
    return {"id": number, "image_id": image, "category_id": category, "area": area, "iscrowd": iscrowd}


@pytest.fixture
def data() -> Data:
    """Six images: two clear ones, one with a crowd too, one with a tie, one with only a crowd, one empty."""
    return {
        "images": [{"id": number, "file_name": f"{number:012}.jpg"} for number in range(1, 7)],
        "categories": [
            {"id": 1, "name": "person"},
            {"id": 18, "name": "dog"},
            {"id": 10, "name": "traffic light"},
            {"id": 90, "name": "toothbrush"},
        ],
        "annotations": [
            annotation(1, 1, 1, 50.5),
            annotation(2, 1, 18, 80),
            annotation(3, 2, 1, 20),
            annotation(4, 3, 1, 9000, iscrowd=1),
            annotation(5, 3, 10, 10),
            annotation(7, 4, 18, 30),
            annotation(6, 4, 1, 30),
            annotation(8, 5, 1, 9000, iscrowd=1),
        ],
    }


def prepare(data: Data | str, folder: Path, **options: Any) -> Tree:
    """Write the annotations, and all images that they name if they are not there, and prepare the tree."""
    root = folder / "images"
    root.mkdir(exist_ok=True)
    if isinstance(data, dict):
        for entry in data.get("images", []):
            name = entry.get("file_name", "") if isinstance(entry, dict) else ""
            plain = isinstance(name, str) and name.startswith("0")
            if plain and not (root / name).is_symlink() and "missing" not in name:
                (root / name).parent.mkdir(exist_ok=True)
                Image.new("RGB", (8, 8)).save(root / name)
    path = folder / "instances_train.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    request = TreeRequest(image_root=root, coco_annotations=path, **options)
    return prepare_tree(request, Display(io.StringIO()), cache=folder / "cache")


def test_largest_object_that_is_no_crowd(data: Data, tmp_path: Path) -> None:
    """Crowds do not count, ties go to the lower id; images and classes with nothing else are left out."""
    tree = prepare(data, tmp_path)
    found = {
        Path(path).name: tree.class_names[label] for path, label in zip(tree.paths, tree.labels, strict=True)
    }
    assert found == {
        "000000000001.jpg": "dog",
        "000000000002.jpg": "person",
        "000000000003.jpg": "traffic light",
        "000000000004.jpg": "person",
    }
    assert tree.class_names == ("dog", "person", "traffic light")
    assert {Path(path).resolve().parent for path in tree.paths} == {tmp_path / "images"}


def test_order_of_the_file_does_not_matter(data: Data, tmp_path: Path) -> None:
    """The same annotations in another order are the same tree."""
    first = prepare(data, tmp_path)
    for entries in data.values():
        entries.reverse()
    assert prepare(data, tmp_path) == first


def test_annotations_are_parsed_once(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second session does not parse the file again, unless it has changed."""
    first = prepare(data, tmp_path)
    root, path = tmp_path / "images", tmp_path / "instances_train.json"
    request = TreeRequest(image_root=root, coco_annotations=path)
    monkeypatch.setattr("loader_gate.trees.coco._load", None)
    assert prepare_tree(request, Display(io.StringIO()), cache=tmp_path / "cache") == first
    path.write_text(json.dumps(data) + " ")
    with pytest.raises(TypeError):
        prepare_tree(request, Display(io.StringIO()), cache=tmp_path / "cache")


def test_subset(data: Data, tmp_path: Path) -> None:
    """Subset options apply to COCO too."""
    tree = prepare(data, tmp_path, images_per_class=1)
    assert len(tree) == 3


def test_images_in_folders(data: Data, tmp_path: Path) -> None:
    """A name with a folder in it stays one file name in the tree."""
    data["images"][0]["file_name"] = "0a/1.jpg"
    tree = prepare(data, tmp_path)
    assert Path(tree.paths[0]).name == "0a__1.jpg"
    assert Path(tree.paths[0]).resolve() == tmp_path / "images" / "0a" / "1.jpg"


@pytest.mark.parametrize(
    "name",
    ["../secret.jpg", "/etc/secret.jpg", "a/../../b.jpg", "..\\secret.jpg", "C:/a.jpg", "a//b.jpg", ""],
)
def test_names_that_leave_the_folder(data: Data, tmp_path: Path, name: str) -> None:
    """They are refused by name, whether or not there is such a file."""
    data["images"][1]["file_name"] = name
    with pytest.raises(
        TreeError, match=r"images\[1\]: file_name .* may lead out of the image folder"
    ) as caught:
        prepare(data, tmp_path)
    assert repr(name) in str(caught.value)


def test_links_that_leave_the_folder(data: Data, tmp_path: Path) -> None:
    """A link out of the folder is an escape too; one inside is not."""
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.jpg")
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "inside.jpg")
    link = tmp_path / "images" / "000000000001.jpg"
    link.symlink_to(tmp_path / "images" / "inside.jpg")
    assert len(prepare(data, tmp_path)) == 4
    link.unlink()
    link.symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(TreeError, match=r"lead out of(.|\n)*000000000001\.jpg"):
        prepare(data, tmp_path)


def test_missing_images(data: Data, tmp_path: Path) -> None:
    """The first 20 and the count."""
    for number in range(100, 125):
        data["images"].append({"id": number, "file_name": f"missing{number}.jpg"})
        data["annotations"].append(annotation(number, number, 1, 1))
    with pytest.raises(TreeError, match="25 images that the annotations name are missing") as caught:
        prepare(data, tmp_path)
    assert str(caught.value).count("missing1") == 20
    assert "and 5 more" in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", ".", "..", ".git", "a/b", "a\\b", "a\nb", "a\0b"])
def test_category_names_that_are_no_folder_names(data: Data, tmp_path: Path, name: str) -> None:
    """They are refused by name."""
    data["categories"][0]["name"] = name
    with pytest.raises(TreeError, match=r"categories\[0\]: the category name") as caught:
        prepare(data, tmp_path)
    assert repr(name) in str(caught.value)


def edit(change: Callable[[Data], object]) -> Callable[[Data], object]:
    """Say for the type checker what the lambdas below are."""
    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit(lambda data: data.pop("annotations")), "has no list 'annotations'"),
        (edit(lambda data: data["images"][2].pop("file_name")), r"images\[2\] \(id 3\) has no 'file_name'"),
        (edit(lambda data: data["annotations"][1].pop("area")), r"annotations\[1\] \(id 2\) has no 'area'"),
        (edit(lambda data: data["annotations"][1].pop("iscrowd")), "has no 'iscrowd'"),
        (edit(lambda data: data["annotations"][0].update(area="5")), "'area' '5'; expected another type"),
        (edit(lambda data: data["annotations"][0].update(area=float("nan"))), "'area' is nan"),
        (edit(lambda data: data["annotations"][2].update(category_id=7)), "category_id 7"),
        (edit(lambda data: data["images"].append(5)), r"images\[6\] is 5; expected an object"),
        (edit(lambda data: data["images"][1].update(id=1)), "the image id 1 occurs twice"),
        (
            edit(lambda data: data["images"][1].update(file_name="000000000001.jpg")),
            "belong to several images",
        ),
        (edit(lambda data: data["images"][1].update(file_name="a.tif")), "'a.tif' is no visible image"),
        (edit(lambda data: data["categories"][1].update(id=1)), "the category id 1 occurs twice"),
        (edit(lambda data: data["categories"][1].update(name="person")), "have the same name"),
        (edit(lambda data: data["annotations"].clear()), "no class"),
    ],
)
def test_malformed_annotations(
    data: Data, tmp_path: Path, change: Callable[[Data], object], message: str
) -> None:
    """The message names the entry and what is wrong with it."""
    change(data)
    with pytest.raises(TreeError, match=message):
        prepare(data, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[]", "holds a JSON list"),
        ("\udcff".encode("utf-8", "replace").decode(), "JSON"),
    ],
)
def test_not_a_coco_file(tmp_path: Path, text: str, message: str) -> None:
    """Cut short, or something else altogether."""
    with pytest.raises(TreeError, match=message):
        prepare(text, tmp_path)
