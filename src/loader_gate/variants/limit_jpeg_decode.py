"""A limit: decoding the tree's JPEGs alone, by libjpeg-turbo in one process a core.

Nothing is read, resized, made float or handed over. A picture is decoded as a loader in a hurry may: by the
fast transform, and at a half, a quarter or an eighth of its size if it is then still as large as the images
that were asked for. Fractions in between, such as 5/8, take longer than the whole picture.

With ``--augment crop-flip`` it is as small as leaves a random part of it as large as the images. The whole is
decoded, as by most loaders; one that decodes the part only may be faster.
"""

from __future__ import annotations

import math
from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from loader_gate import cores, random_box
from loader_gate.variants.limit_read_files import Crew

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loader_gate import Spec, Tree

KIND = "limit"
DECODERS = "simplejpeg"
AUGMENTS = ("crop-flip",)
BOUNDS = ("streaming", "rival")
REQUIRES = "simplejpeg"
INSTALL = 'pip install "loader-gate[fast]"'

#: What files a process has read it keeps, so that it only decodes in later epochs. All together keep so many
#: bytes: what one has read, another one may have to read as well.
MOST_KEPT = 512_000_000

_kept: dict[str, bytes] = {}
_room = MOST_KEPT // cores()
_random = Random()  # noqa: S311 (it hides nothing)


def decode(height: int, width: int, paths: Sequence[str]) -> int:
    """Decode some files, as small as they may be; return how many."""
    import simplejpeg

    for path in paths:
        with suppress(ValueError):  # it is no JPEG, or one of printing colours
            simplejpeg.decode_jpeg(
                _bytes_of(path),
                fastdct=True,
                fastupsample=True,
                min_height=height,
                min_width=width,
                min_factor=2,
            )
    return len(paths)


def decode_for_parts(height: int, width: int, paths: Sequence[str]) -> int:
    """Decode some files, as small as they may be for a random part of each; return how many."""
    import simplejpeg

    for path in paths:
        with suppress(ValueError):  # as above
            data = _bytes_of(path)
            rows, columns, _, _ = simplejpeg.decode_jpeg_header(data)
            _, _, rows_of, columns_of, _ = random_box(rows, columns, _random)
            simplejpeg.decode_jpeg(
                data,
                fastdct=True,
                fastupsample=True,
                min_height=math.ceil(height * rows / rows_of),
                min_width=math.ceil(width * columns / columns_of),
                min_factor=2,
            )
    return len(paths)


def _bytes_of(path: str) -> bytes:
    global _room
    data = _kept.get(path)
    if data is None:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (a Path takes as long as a small file)
            data = file.read()
        if len(data) <= _room:
            _kept[path] = data
            _room -= len(data)
    return data


def can_bound(tree: Tree) -> bool:
    """Return whether nearly all files are JPEGs, by their names: others are not decoded."""
    jpegs = sum(path.lower().endswith((".jpg", ".jpeg")) for path in tree.paths)
    return jpegs >= 0.99 * len(tree)


def load(tree: Tree, spec: Spec) -> Crew:
    """Return epochs of counts of pictures; those that are no JPEGs are left out."""
    work = decode_for_parts if spec.augment == "crop-flip" else decode
    return Crew(partial(work, *spec.image_size), tree.paths)
