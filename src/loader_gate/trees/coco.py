"""Classes from a COCO instances file: an image belongs to the category of its largest object.

That rule, over annotations that are not crowds, gives the 117,266 images of train2017.
"""

from __future__ import annotations

import json
import math
import os
import unicodedata
from pathlib import Path
from typing import Any

from loader_gate.trees.cache import FORMAT, usable
from loader_gate.trees.digests import key_digest
from loader_gate.trees.source import Source, SourceImage, duplicates, require_classes, resolved
from loader_gate.trees.tree import IMAGE_SUFFIXES, TreeError, existing_folder, is_image_name, listed


def coco_images(root: Path, annotations: Path, cache: Path) -> Source:
    """Give each image of a flat folder the category of its largest annotation that is no crowd.

    Images without such an annotation are left out. Of two equally large ones, that with the lower id counts.

    Args:
        root: The folder that ``file_name`` is relative to.
        annotations: ``instances_*.json``.
        cache: The cache folder: what a file of hundreds of megabytes says is read from it once.

    Raises:
        TreeError: The JSON is malformed or lacks something, a file name leaves the folder, an image is
            missing, a category's name cannot be that of a folder, or there are fewer than two classes.
    """
    root = existing_folder(root)
    annotations = annotations.expanduser().absolute()
    images = [
        # Folders inside the root become part of the name: a tree has no deeper folders.
        SourceImage(category, name.replace("/", "__"), os.path.join(root, name))  # noqa: PTH118
        for name, category in _classes(annotations, cache).items()
    ]
    _refuse_missing_and_escaping(root, images)
    if twice := duplicates((image.class_name, image.name) for image in images):
        raise TreeError(f"{annotations}: these images of one class would get one name:{listed(twice)}")
    require_classes(images, annotations)
    return Source(root, tuple(sorted(images)), in_place=False)


def _classes(annotations: Path, cache: Path) -> dict[str, str]:
    """Return the category of each image that has one, by its file name; from the cache if it is there."""
    try:
        status = annotations.stat()
    except OSError as error:
        raise TreeError(f"--coco-annotations {annotations} cannot be read: {error.strerror}.") from error
    key = key_digest([FORMAT, os.fspath(annotations), status.st_size, status.st_mtime_ns])
    known = cache / "coco" / f"{key}.json"
    try:
        classes: dict[str, str] = json.loads(known.read_text("utf-8"))
    except (OSError, ValueError):
        classes = _parsed(annotations)
        with usable(known.parent):
            known.parent.mkdir(parents=True, exist_ok=True)
            unfinished = known.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(classes), "utf-8")
            unfinished.replace(known)
    return classes


def _parsed(annotations: Path) -> dict[str, str]:
    data = _load(annotations)
    categories = _categories(data, annotations)
    files = _files(data, annotations)
    classes = {}
    for image_id, category_id in _largest(data, annotations).items():
        if category_id not in categories:
            raise TreeError(
                f"{annotations}: an annotation of image {image_id} has category_id {category_id}, "
                "which 'categories' does not list."
            )
        if image_id in files:
            classes[files[image_id]] = categories[category_id]
    return classes


def _load(annotations: Path) -> dict[str, Any]:
    try:
        data = json.loads(annotations.read_bytes())
    except OSError as error:
        raise TreeError(f"--coco-annotations {annotations} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise TreeError(
            f"--coco-annotations {annotations} is not valid JSON ({error}); expected a COCO instances file. "
            "Perhaps its download was cut short."
        ) from error
    if not isinstance(data, dict):
        raise TreeError(
            f"{annotations} holds a JSON {type(data).__name__}; expected an object with 'images'."
        )
    for key in ("images", "annotations", "categories"):
        if not isinstance(data.get(key), list):
            raise TreeError(
                f"{annotations} has no list {key!r}; expected a COCO instances file (instances_*.json) with "
                "'images', 'annotations' and 'categories'."
            )
    return data


def _field(entry: Any, key: str, kinds: type | tuple[type, ...], where: str) -> Any:
    """Return a field of an entry, or raise a TreeError that says which entry lacks it."""
    if not isinstance(entry, dict):
        raise TreeError(f"{where} is {entry!r:.60}; expected an object.")
    if key not in entry:
        raise TreeError(
            f"{where} (id {entry.get('id')!r:.60}) has no {key!r}; a COCO instances file needs it."
        )
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise TreeError(
            f"{where} (id {entry.get('id')!r:.60}) has {key!r} {value!r:.60}; expected another type."
        )
    return value


def _categories(data: dict[str, Any], annotations: Path) -> dict[int, str]:
    names: dict[int, str] = {}
    for place, entry in enumerate(data["categories"]):
        where = f"{annotations}: categories[{place}]"
        name = str(_field(entry, "name", str, where))
        if problem := _not_a_folder_name(name):
            raise TreeError(
                f"{where}: the category name {name!r} {problem}, so it cannot name a class folder; rename it."
            )
        number = _field(entry, "id", int, where)
        if number in names:
            raise TreeError(f"{where}: the category id {number} occurs twice.")
        names[number] = name
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


def _files(data: dict[str, Any], annotations: Path) -> dict[int, str]:
    """Return the file name of each image, having refused those that leave the folder."""
    files: dict[int, str] = {}
    for place, entry in enumerate(data["images"]):
        where = f"{annotations}: images[{place}]"
        name = str(_field(entry, "file_name", str, where))
        number = _field(entry, "id", int, where)
        parts = name.split("/")
        if (
            "\\" in name
            or ":" in parts[0]
            or "\0" in name
            or not all(part not in ("", "..") for part in parts)
        ):
            raise TreeError(
                f"{where}: file_name {name!r} may lead out of the image folder; expected a name relative to "
                "--image-root, without '..', a leading '/', ':' or a backslash."
            )
        if not is_image_name(parts[-1]):
            raise TreeError(
                f"{where}: file_name {name!r} is no visible image; expected a name that ends in "
                f"one of {', '.join(IMAGE_SUFFIXES)}."
            )
        if number in files:
            raise TreeError(f"{where}: the image id {number} occurs twice.")
        files[number] = name
    if twice := duplicates(files.values()):
        raise TreeError(f"{annotations}: these file names belong to several images:{listed(twice)}")
    return files


def _largest(data: dict[str, Any], annotations: Path) -> dict[int, int]:
    """Return for each image the category of its largest annotation that is no crowd."""
    best: dict[int, tuple[float, int, int]] = {}
    for place, entry in enumerate(data["annotations"]):
        where = f"{annotations}: annotations[{place}]"
        crowd = _field(entry, "iscrowd", int, where)
        if crowd:
            continue
        area = float(_field(entry, "area", (int, float), where))
        if not math.isfinite(area):
            raise TreeError(f"{where}: 'area' is {area}; expected a number of pixels.")
        image = _field(entry, "image_id", int, where)
        candidate = (-area, _field(entry, "id", int, where), _field(entry, "category_id", int, where))
        if image not in best or candidate < best[image]:
            best[image] = candidate
    return {image: category for image, (_, _, category) in best.items()}


def _refuse_missing_and_escaping(root: Path, images: list[SourceImage]) -> None:
    inside = os.path.realpath(root) + os.sep
    paths = sorted(image.path for image in images)
    missing, escaping = [], []
    for path, target in zip(paths, resolved(paths), strict=True):
        if not target.startswith(inside):
            escaping.append(path)
        elif not os.path.lexists(path):
            missing.append(path)
    if escaping:
        raise TreeError(
            f"{len(escaping):,} files are links that lead out of {root}; put the images themselves there:"
            f"{listed(escaping)}"
        )
    if missing:
        raise TreeError(
            f"{len(missing):,} images that the annotations name are missing from {root}; is it the folder "
            f"that they belong to, and complete?{listed(missing)}"
        )
