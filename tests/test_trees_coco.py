"""COCO annotations: the class of an image is the category of its largest object that is no crowd."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from loader_gate.progress import Display
from loader_gate.trees.annotations import classes_of
from loader_gate.trees.prepare import prepare_tree
from loader_gate.trees.request import TreeRequest
from loader_gate.trees.tree import Tree, TreeError

Data = dict[str, Any]

#: Reads files of annotations, and says after each how much memory it has held at most.
PEAKS = """
import os, sys
from pathlib import Path
from loader_gate.machine.processes import peak_memory_alone
from loader_gate.trees.annotations import classes_of
for file in sys.argv[1:]:
    assert len(classes_of(Path(file))) == 50
    print(peak_memory_alone(os.getpid()))
"""


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


def said(data: Data, folder: Path) -> dict[str, str]:
    """Write the annotations, and return what they say."""
    path = folder / "instances.json"
    path.write_text(json.dumps(data))
    return classes_of(path)


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
    """The same annotations in another order say the same, whichever list comes first."""
    first = said(data, tmp_path)
    for entries in data.values():
        entries.reverse()
    assert said(dict(reversed(data.items())), tmp_path) == first


def test_annotations_are_parsed_once(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second session does not parse the file again, unless it has changed."""
    first = prepare(data, tmp_path)
    root, path = tmp_path / "images", tmp_path / "instances_train.json"
    request = TreeRequest(image_root=root, coco_annotations=path)
    monkeypatch.setattr("loader_gate.trees.coco.classes_of", None)
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
    ("name", "kept_as"),
    [
        ("./000000000001.jpg", "000000000001.jpg"),
        ("0a/././1.jpg", "0a__1.jpg"),
        (".sub/e.jpg", "_.sub__e.jpg"),
        (f"0{'long' * 40}/{'name' * 50}.jpg", None),
    ],
)
def test_no_image_is_lost(data: Data, tmp_path: Path, name: str, kept_as: str | None) -> None:
    """What nobody would list as a link of that name gets another: `./` is nothing, no name is hidden."""
    file = tmp_path / "images" / name
    file.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(file)
    data["images"][0]["file_name"] = name
    tree = prepare(data, tmp_path)
    assert len(tree) == 4
    assert os.path.realpath(tree.paths[0]) == os.path.realpath(file)
    assert kept_as in (None, Path(tree.paths[0]).name)


def test_a_tree_that_lost_an_image(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree is held against what it was made of, whatever it was that lost an image."""
    monkeypatch.setattr("loader_gate.trees.coco._flat_name", lambda name: f".{name}")
    with pytest.raises(
        TreeError, match=r"not what it was made of(.|\n)*dog/\.000000000001\.jpg is not in it"
    ):
        prepare({**data, "images": [*data["images"], {"id": 9, "file_name": "0.jpg"}]}, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.jpg",
        "/etc/secret.jpg",
        "a/../../b.jpg",
        "..\\secret.jpg",
        "C:/a.jpg",
        "a//b.jpg",
        "",
        "http://x/a.jpg",
    ],
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
    with pytest.raises(TreeError, match="25 of 29 images that the annotations name are missing") as caught:
        prepare(data, tmp_path)
    assert str(caught.value).count("missing1") == 20
    assert "and 5 more" in str(caught.value)
    assert "--skip-bad-images" in str(caught.value)


def test_missing_images_can_be_left_out(data: Data, tmp_path: Path) -> None:
    """They are said by name, the rest is measured, and a subset is chosen of what is there."""
    for number in range(100, 130):
        data["images"].append({"id": number, "file_name": f"missing{number}.jpg"})
        data["annotations"].append(annotation(number, number, 1, 1))
    assert len(prepare(data, tmp_path, skip_bad_images=True, tree_images=3)) == 3
    root, path, said = tmp_path / "images", tmp_path / "instances_train.json", io.StringIO()
    request = TreeRequest(image_root=root, coco_annotations=path, skip_bad_images=True)
    display = Display(said)
    assert len(prepare_tree(request, display, cache=tmp_path / "cache")) == 4
    assert "left out 30 of 34 images" in said.getvalue()
    assert f"{root / 'missing100.jpg'} is missing" in display.notices[0]


def test_all_images_are_missing(data: Data, tmp_path: Path) -> None:
    """Then it is another folder: leaving them out would leave nothing, and the folder above may be meant."""
    for entry in data["images"]:
        entry["file_name"] = f"images/missing{entry['id']}.jpg"
    with pytest.raises(TreeError, match=f"4 of 4 images .* give --image-root {tmp_path}"):
        prepare(data, tmp_path, skip_bad_images=True)


@pytest.mark.parametrize("name", ["", " ", ".", "..", ".git", "a/b", "a\\b", "a\nb", "a\0b"])
def test_category_names_that_are_no_folder_names(data: Data, tmp_path: Path, name: str) -> None:
    """They are refused by name."""
    data["categories"][0]["name"] = name
    with pytest.raises(TreeError, match=r"categories\[0\]: the category name") as caught:
        prepare(data, tmp_path)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: [each.pop("iscrowd") for each in data["annotations"] if not each["iscrowd"]],
        lambda data: [each.update(iscrowd=bool(each["iscrowd"])) for each in data["annotations"]],
        lambda data: [each.update(bbox=[3, 4, each.pop("area"), 1]) for each in data["annotations"]],
        lambda data: [each.update(segmentation=[[1, 2.5, 3]], bbox=None) for each in data["annotations"]],
        lambda data: data.update(info={"categories": [1]}, licenses=[], videos=[{"id": 1}]),
    ],
)
def test_what_other_tools_write(data: Data, tmp_path: Path, change: Callable[[Data], object]) -> None:
    """No crowd if nothing is said, false is 0, a box has an area; nobody minds what else is said."""
    expected = said(data, tmp_path)
    change(data)
    assert said(data, tmp_path) == expected


def test_unused_categories_do_no_harm(data: Data, tmp_path: Path) -> None:
    """Whatever they are called, and however they are numbered."""
    expected = said(data, tmp_path)
    data["categories"] += [
        {"id": 200, "name": "a/b"},
        {"id": 201, "name": "dog"},
        {"id": 202},
        {"id": 202, "name": "twice"},
        {"id": "text", "name": ""},
    ]
    assert said(data, tmp_path) == expected


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b" \n"])
def test_marks_before_the_object(data: Data, tmp_path: Path, before: bytes) -> None:
    """A byte order mark, or space, is nothing."""
    expected = said(data, tmp_path)
    path = tmp_path / "instances.json"
    path.write_bytes(before + path.read_bytes())
    assert classes_of(path) == expected


def edit(change: Callable[[Data], object]) -> Callable[[Data], object]:
    """Say for the type checker what the lambdas below are."""
    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (edit(lambda data: data.pop("annotations")), "has no list 'annotations'"),
        (edit(lambda data: data["images"][2].pop("file_name")), r"images\[2\] \(id 3\) has no 'file_name'"),
        (
            edit(lambda data: data["annotations"][1].pop("area")),
            r"annotations\[1\] \(id 2\) has no 'area', and 'bbox' None",
        ),
        (
            edit(lambda data: data["annotations"][0].update(area="5")),
            "'area' '5'; expected a number: write it",
        ),
        (edit(lambda data: data["annotations"][0].update(area=-5)), "has the area -5"),
        (
            edit(lambda data: data["annotations"][1].update(area=float("nan"))),
            r"in annotations\[1\] .* JSON has no NaN .*: write a number",
        ),
        (edit(lambda data: data["annotations"][0].update(iscrowd="0")), "'iscrowd' '0'; expected 0 or 1"),
        (
            edit(lambda data: data["annotations"][0].pop("category_id")),
            "has no 'category_id'.* not one of capt",
        ),
        (
            edit(lambda data: data["images"][0].update(id="img-1")),
            "'id' 'img-1'; expected a whole number: numb",
        ),
        (
            edit(lambda data: data["annotations"][0].update(image_id="1")),
            "'image_id' '1'; expected a whole nu",
        ),
        (
            edit(lambda data: data["annotations"][0].update(category_id=1.0)),
            "'category_id' 1.0; expected a wh",
        ),
        (
            edit(lambda data: data["categories"][0].update(id="1")),
            "category_id 1, .* it has the text '1': wr",
        ),
        (
            edit(lambda data: data["annotations"][2].update(image_id=77)),
            r"annotations\[2\] \(id 3\) has image_id 77, which 'images' does not list; list that image",
        ),
        (edit(lambda data: data["images"][0].update(file_name="a\\1.jpg")), "Windows wrote it: expected '/'"),
        (
            edit(lambda data: data["images"][0].update(file_name="s3://b/1.jpg")),
            "is a URL: expected the name",
        ),
        (
            edit(lambda data: data["images"][0].update(file_name="/data/1.jpg")),
            "it is absolute: expected the r",
        ),
        (
            edit(lambda data: data["images"][0].update(coco_url=data["images"][0].pop("file_name"))),
            "has no 'file_name'; add it: it is the last part of 'coco_url'",
        ),
        (edit(lambda data: data["annotations"][2].update(category_id=7)), "category_id 7"),
        (edit(lambda data: data["images"].append(5)), r"images\[6\] is 5; expected an object"),
        (edit(lambda data: data["images"][1].update(id=1)), "the image id 1 occurs twice"),
        (
            edit(lambda data: data["images"][1].update(file_name="000000000001.jpg")),
            r"images\[1\]: file_name '000000000001.jpg' belongs to several .* also that of images\[0\]",
        ),
        (edit(lambda data: data["images"][1].update(file_name="a.tif")), "'a.tif' is no visible image"),
        (edit(lambda data: data["categories"][1].update(id=1)), "the category id 1 occurs twice"),
        (edit(lambda data: data["categories"][1].update(name="person")), "have the same name"),
        (edit(lambda data: data["annotations"].clear()), "has no list 'annotations' with entries"),
        (edit(lambda data: data.update(annotations={"1": 2})), "has no list 'annotations' with entries"),
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
        ('{"images": [{"id": 1, "file_name": "a.jpg"}, {"id"', r"is not valid JSON, in images\[1\]"),
        ("[]", "is not valid JSON of an object"),
        ('{"id": 1}\n{"id": 2}', "Expected one object, and nothing behind it"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    ],
)
def test_not_a_coco_file(tmp_path: Path, text: str, message: str) -> None:
    """Cut short, or something else altogether."""
    with pytest.raises(TreeError, match=message):
        prepare(text, tmp_path)


def test_memory_does_not_grow_with_the_annotations(tmp_path: Path) -> None:
    """A file of 60 MB of outlines takes little more than one of the same images with few."""
    outline = json.dumps([[number / 7 for number in range(600)]])
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(50)]
    files = {}
    for count in (50, 6000):
        files[count] = tmp_path / f"{count}.json"
        with files[count].open("w", encoding="utf-8") as file:
            file.write(f'{{"images": {json.dumps(images)}, "annotations": [')
            for number in range(count):
                one = json.dumps(annotation(number, number % 50, 1, number))
                file.write(f'{"," if number else ""}{one[:-1]}, "segmentation": {outline}}}')
            file.write('], "categories": [{"id": 1, "name": "person"}]}')
    size = files[6000].stat().st_size
    assert size > 60_000_000
    growth = subprocess.run(
        [sys.executable, "-c", PEAKS, *map(str, files.values())], capture_output=True, text=True, check=True
    )
    few, many = map(int, growth.stdout.split())
    assert few > 0
    assert many - few < size / 10
