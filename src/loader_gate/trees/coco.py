"""Images of a flat folder, with their classes from a COCO instances file.

An image belongs to the category of its largest object. That rule, over annotations that are not crowds, gives
the 117,266 images of train2017.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from loader_gate.trees.annotations import classes_of
from loader_gate.trees.cache import FORMAT, usable
from loader_gate.trees.digests import content_digest, key_digest
from loader_gate.trees.listing import listed
from loader_gate.trees.source import Source, SourceImage, duplicates, require_classes, resolved
from loader_gate.trees.tree import TreeError, existing_folder

#: Part of the key of what was read from a file: raise it when that would be read in another way.
_READING = 2

#: The most bytes of a file name that every file system takes.
_LONGEST_NAME = 255


def coco_images(root: Path, annotations: Path, cache: Path, skip_missing: bool = False) -> Source:
    """Give each image of a flat folder the category of its largest annotation that is no crowd.

    Images without such an annotation are left out.

    Args:
        root: The folder that ``file_name`` is relative to.
        annotations: ``instances_*.json``.
        cache: The cache folder: what a file of hundreds of megabytes says is read from it once.
        skip_missing: Whether images that are not there are left out.

    Raises:
        TreeError: The JSON is malformed or lacks something, a file name leaves the folder, an image is
            missing, a category's name cannot be that of a folder, or there are fewer than two classes.
    """
    root = existing_folder(root)
    annotations = annotations.expanduser().absolute()
    images = [
        SourceImage(category, _flat_name(name), os.path.join(root, name))  # noqa: PTH118
        for name, category in _classes(annotations, cache).items()
    ]
    missing = _missing(root, images)
    _refuse_missing(root, missing, len(images), skip_missing)
    if twice := duplicates((image.class_name, image.name) for image in images):
        raise TreeError(
            f"{annotations}: these images of one class would get one name, as '/' becomes '__'; rename one "
            f"of each:{listed(twice)}"
        )
    left = [image for image in images if image.path not in missing]
    require_classes(left, annotations)
    return Source(root, tuple(sorted(left)), in_place=False, left_out=dict.fromkeys(missing, "is missing"))


def _flat_name(name: str) -> str:
    """Return the name of an image in its class folder: a tree has no deeper folders.

    Folders inside the root become part of it. It never begins with a dot: nobody lists hidden files.
    """
    flat = name.replace("/", "__")
    flat = f"_{flat}" if flat.startswith(".") else flat
    if len(os.fsencode(flat)) > _LONGEST_NAME:
        suffix = Path(flat).suffix
        flat = f"{content_digest(os.fsencode(flat))}{suffix}"
    return flat


def _classes(annotations: Path, cache: Path) -> dict[str, str]:
    """Return the category of each image that has one, by its file name; from the cache if it is there."""
    try:
        status = annotations.stat()
    except OSError as error:
        raise TreeError(f"--coco-annotations {annotations} cannot be read: {error.strerror}.") from error
    key = key_digest([FORMAT, _READING, os.fspath(annotations), status.st_size, status.st_mtime_ns])
    known = cache / "coco" / f"{key}.json"
    try:
        classes: dict[str, str] = json.loads(known.read_text("utf-8"))
    except (OSError, ValueError):
        classes = classes_of(annotations)
        with usable(known.parent):
            known.parent.mkdir(parents=True, exist_ok=True)
            unfinished = known.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(classes), "utf-8")
            unfinished.replace(known)
    return classes


def _missing(root: Path, images: list[SourceImage]) -> dict[str, None]:
    """Return the paths of images that are not there, in order, having refused those that leave the root."""
    real = Path(os.path.realpath(root))
    # git-annex keeps the files of a checkout in its repository, and links to them.
    inside = (
        f"{real}{os.sep}",
        *(f"{folder / '.git' / 'annex'}{os.sep}" for folder in (real, *real.parents)),
    )
    paths = sorted(image.path for image in images)
    missing: dict[str, None] = {}
    escaping = []
    for path, target in zip(paths, resolved(paths), strict=True):
        if not target.startswith(inside):
            escaping.append(path)
        elif not os.path.lexists(path):
            missing[path] = None
    if escaping:
        raise TreeError(
            f"{len(escaping):,} files are links that lead out of {root}; put the images themselves there:"
            f"{listed(escaping)}"
        )
    return missing


def _refuse_missing(root: Path, missing: dict[str, None], images: int, skip: bool) -> None:
    if not missing or (skip and len(missing) < images):
        return
    # A file may say images/1.jpg while the root is that very folder.
    within = {os.path.relpath(path, root).partition("/")[0] for path in missing}
    above = within == {root.name}
    hint = (
        f"their names begin with the name of that folder: give --image-root {root.parent}"
        if above
        else "is it the folder that they belong to, and complete? They are left out with --skip-bad-images"
    )
    raise TreeError(
        f"{len(missing):,} of {images:,} images that the annotations name are missing from {root}; {hint}:"
        f"{listed(list(missing))}"
    )
