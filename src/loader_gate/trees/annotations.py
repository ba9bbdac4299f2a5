"""What a COCO instances file says: the category of each image's largest object. It is read as a stream.

A file of two gigabytes would take ten times that as Python objects. Annotations are built one at a time, and
what is kept grows with the number of images.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from loader_gate.trees.listing import listed
from loader_gate.trees.source import duplicates
from loader_gate.trees.tree import IMAGE_SUFFIXES, TreeError, is_image_name

_EXPECTED = (
    "expected a COCO instances file (instances_*.json) with the lists 'images', 'annotations' and "
    "'categories', not one of captions or of panoptic segmentation"
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def classes_of(annotations: Path) -> dict[str, str]:
    """Return the category of each image that has one, by its file name relative to the image folder.

    That is the category of its largest annotation that is no crowd; of two equally large ones, that with the
    lower id counts. What other tools leave out means what COCO's own tools take it to mean: without
    ``iscrowd`` an annotation is no crowd, without ``area`` it has that of its box.

    Args:
        annotations: The file.

    Raises:
        TreeError: It cannot be read, is malformed or lacks something; the message names the entry, what is
            wrong with it and what to change.
    """
    try:
        with annotations.open("rb") as file:
            _refuse_other_files(file, annotations)
            images = _Images(file, annotations)
            largest = _largest(file, annotations, images)
            names = _category_names(file, annotations, largest)
    except OSError as error:
        raise TreeError(f"--coco-annotations {annotations} cannot be read: {error.strerror}.") from error
    return images.categories({image: names[category] for image, (_, category) in largest.items()})


def _refuse_other_files(file: BinaryIO, annotations: Path) -> None:
    head = file.read(64).removeprefix(_BYTE_ORDER_MARK).lstrip()
    if head.startswith(b"version https://git-lfs"):
        raise TreeError(
            f"--coco-annotations {annotations} is a pointer of Git LFS, not the file itself: run `git lfs "
            "pull` in its repository."
        )
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TreeError(
            f"--coco-annotations {annotations} is not valid JSON: it is UTF-16; save it as UTF-8."
        )
    if not head.startswith(b"{"):
        raise TreeError(
            f"{annotations} is not valid JSON of an object ({head[:20].decode(errors='replace')!r} is at its "
            f"beginning); {_EXPECTED}."
        )


def _entries(file: BinaryIO, key: str, annotations: Path) -> Iterator[tuple[str, Any]]:
    """Yield each entry of one of the file's lists, after what to call it in a message."""
    import ijson

    # A list that is not long is taken whole: then nothing behind it has to be read.
    prefix = f"{key}.item" if key == "annotations" else key
    _to_beginning(file)
    count = 0
    try:
        found = ijson.items(file, prefix, use_float=True)
        if prefix == key:
            whole = next(found, None)
            found = iter(whole if isinstance(whole, list) else ())
        for entry in found:
            yield f"{annotations}: {key}[{count}]", entry
            count += 1
    except (ijson.JSONError, ValueError, OverflowError) as error:
        said = " ".join(str(error).split())
        what = "Perhaps its download was cut short"
        if any(word in said for word in ("NaN", "Infinity")):
            what = "JSON has no NaN and no Infinity: write a number, or take the entry out"
        elif "trailing garbage" in said:
            what = "Expected one object, and nothing behind it"
        raise TreeError(
            f"--coco-annotations {annotations} is not valid JSON{_place_of_the_error(file)} ({said}). {what}."
        ) from error
    if not count:
        raise TreeError(f"{annotations} has no list {key!r} with entries; {_EXPECTED}.")


def _to_beginning(file: BinaryIO) -> None:
    file.seek(0)
    if file.read(len(_BYTE_ORDER_MARK)) != _BYTE_ORDER_MARK:
        file.seek(0)


def _place_of_the_error(file: BinaryIO) -> str:
    """Return in which entry of a file the error is, in words."""
    import ijson

    _to_beginning(file)
    inside, count = "", 0
    with suppress(ijson.JSONError, ValueError, OverflowError):
        for prefix, event, _ in ijson.parse(file):
            if event == "start_array" and "." not in prefix:
                inside, count = prefix, 0
            elif event == "end_map" and prefix == f"{inside}.item":
                count += 1
    return f", in {inside}[{count}]" if inside else ""


_KINDS = {int: "a whole number", float: "a number", str: "a text"}


def _field(entry: Any, key: str, kind: type, where: str, remedy: str = "") -> Any:
    """Return a field of an entry, or raise a TreeError that says which entry lacks it and what to do."""
    if not isinstance(entry, dict):
        raise TreeError(f"{where} is {entry!r:.60}; expected an object.")
    if key not in entry:
        raise TreeError(f"{_named(where, entry)} has no {key!r}; {remedy or _EXPECTED}.")
    value = entry[key]
    accepted = (int, float) if kind is float else kind
    if isinstance(value, bool) or not isinstance(value, accepted):
        change = f": {remedy}" if remedy else ""
        raise TreeError(f"{_named(where, entry)} has {key!r} {value!r:.60}; expected {_KINDS[kind]}{change}.")
    return value


def _named(where: str, entry: dict[str, Any]) -> str:
    return f"{where} (id {entry['id']!r:.60})" if "id" in entry else where


class _Images:
    """The images of a file: their numbers, and the file names of those that are needed."""

    def __init__(self, file: BinaryIO, annotations: Path) -> None:
        self._annotations = annotations
        self._names: dict[int, tuple[int, str]] = {}
        for place, (where, entry) in enumerate(_entries(file, "images", annotations)):
            number = _field(
                entry, "id", int, where, "number the images, and let 'image_id' of annotations say the same"
            )
            lacking = "add it, relative to --image-root"
            if isinstance(entry, dict) and "coco_url" in entry:  # LVIS
                lacking = "add it: it is the last part of 'coco_url', for the folder that holds these images"
            name = _field(entry, "file_name", str, where, lacking)
            if number in self._names:
                raise TreeError(
                    f"{where}: the image id {number} occurs twice, it is also that of "
                    f"images[{self._names[number][0]}]; number the images anew, or take one of them out."
                )
            self._names[number] = (place, name)

    def __contains__(self, number: int) -> bool:
        return number in self._names

    def categories(self, found: dict[int, str]) -> dict[str, str]:
        """Return a category of each file, of those of each image that has one."""
        categories: dict[str, str] = {}
        places: dict[str, int] = {}
        for number, category in found.items():
            place, written = self._names[number]
            where = f"{self._annotations}: images[{place}]"
            name = _checked(written, where)
            if name in places:
                raise TreeError(
                    f"{where}: file_name {written!r} belongs to several images, it is also that of "
                    f"images[{places[name]}]; give their annotations one image_id, and take one image out."
                )
            places[name] = place
            categories[name] = category
        return categories


def _checked(written: str, where: str) -> str:
    """Return a file name without what means nothing, having refused one that leaves the folder."""
    remedy = "expected a name relative to --image-root, without '..', a leading '/', ':' or a backslash"
    if "\\" in written:
        remedy = "Windows wrote it: expected '/' in the place of '\\\\', and a name relative to --image-root"
    elif "://" in written:
        remedy = "it is a URL: expected the name that the file has below --image-root"
    elif written.startswith("/"):
        remedy = "it is absolute: expected the rest of it that comes after --image-root"
    parts = written.split("/")
    if any("\ud800" <= each <= "\udfff" for each in written):
        remedy = "it holds half a character: expected the name in UTF-8"
        raise TreeError(f"{where}: file_name {written!r} cannot be that of a file; {remedy}.")
    leaves = "\\" in written or ":" in parts[0] or "\0" in written
    if leaves or any(part in ("", "..") for part in parts):
        raise TreeError(f"{where}: file_name {written!r} may lead out of the image folder; {remedy}.")
    parts = [part for part in parts if part != "."]
    if not parts or not is_image_name(parts[-1]):
        raise TreeError(
            f"{where}: file_name {written!r} is no visible image; expected a name that ends in one of "
            f"{', '.join(IMAGE_SUFFIXES)} and does not begin with a dot: rename or convert the file, or take "
            "the entry out."
        )
    return "/".join(parts)


def _largest(file: BinaryIO, annotations: Path, images: _Images) -> dict[int, tuple[str, Any]]:
    """Return, by image, the category id of its largest annotation that is no crowd, and which that is."""
    best: dict[int, tuple[tuple[float, int], str, Any]] = {}
    for where, entry in _entries(file, "annotations", annotations):
        if _is_crowd(entry, where):
            continue
        category = _field(entry, "category_id", int, where)
        image = _field(entry, "image_id", int, where, "write the 'id' of one of 'images'")
        rank = (-_area(entry, where), _field(entry, "id", int, where, "number the annotations"))
        if image not in images:
            raise TreeError(
                f"{_named(where, entry)} has image_id {image}, which 'images' does not list; list that "
                "image, or take its annotations out."
            )
        if image not in best or rank < best[image][0]:
            best[image] = (rank, where, category)
    return {image: (where, category) for image, (_, where, category) in best.items()}


def _is_crowd(entry: Any, where: str) -> bool:
    crowd = entry.get("iscrowd", 0) if isinstance(entry, dict) else 0
    if not isinstance(crowd, int):  # a bool is one
        raise TreeError(f"{_named(where, entry)} has 'iscrowd' {crowd!r:.60}; expected 0 or 1.")
    return bool(crowd)


def _area(entry: dict[str, Any], where: str) -> float:
    if "area" in entry:
        area = float(_field(entry, "area", float, where, "write it without quotes, in pixels"))
    else:
        box = entry.get("bbox")
        if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
            raise TreeError(
                f"{_named(where, entry)} has no 'area', and 'bbox' {box!r:.60}; expected one of them, a box "
                "as [left, top, width, height] in pixels."
            )
        area = float(box[2]) * float(box[3]) if min(box[2:]) >= 0 else -1.0
    if not (math.isfinite(area) and area >= 0):
        raise TreeError(
            f"{_named(where, entry)} has the area {area:g} (bbox {entry.get('bbox')!r:.60}); expected a "
            "number of pixels, 0 or more: write that, or take the entry out."
        )
    return area


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _category_names(file: BinaryIO, annotations: Path, largest: dict[int, tuple[str, Any]]) -> dict[int, str]:
    """Return the name of each category that an image has; nothing else is asked of the others."""
    used = {category: where for where, category in largest.values()}
    names: dict[int, str] = {}
    texts = set()
    for where, entry in _entries(file, "categories", annotations):
        number = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(number, str):
            texts.add(number)
        if isinstance(number, bool) or not isinstance(number, int) or number not in used:
            continue
        name = str(_field(entry, "name", str, where, "add it"))
        if problem := _not_a_folder_name(name):
            raise TreeError(
                f"{where}: the category name {name!r} {problem}, so it cannot name a class folder; rename it."
            )
        if number in names:
            raise TreeError(f"{where}: the category id {number} occurs twice; number the categories anew.")
        names[number] = name
    for number, where in used.items():
        if number not in names:
            hint = (
                f"it has the text {str(number)!r}: write that without quotes"
                if str(number) in texts
                else "list the category, or take these annotations out"
            )
            raise TreeError(f"{where} has category_id {number}, which 'categories' does not list; {hint}.")
    if twice := duplicates(names.values()):
        raise TreeError(f"{annotations}: several categories have the same name; rename them:{listed(twice)}")
    return names


def _not_a_folder_name(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if "/" in name or "\\" in name:
        return "contains a path separator"
    if name.startswith("."):
        return "is hidden or means another folder"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return "contains a control character"
    if len(name.encode("utf-8")) > 200:
        return "is too long"
    return None
