"""The reference decode: what the images of a tree look like when they are loaded as asked.

A session makes it once, and every variant's first epoch is compared with it. Pillow decodes each file and
converts it to RGB, without EXIF transposition (neither Keras nor tf.data applies it); a GIF gives its first
frame. One decode gives three resizes, because honest loaders differ in how they resize:

* ``nearest``: Pillow's ``NEAREST``, which is what ``ImageDataGenerator`` does;
* ``bilinear``: ``tf.image.resize`` as tf.data pipelines call it: half-pixel centres and no antialiasing;
* ``area``: Pillow's ``HAMMING``, which stands for every antialiased resize and for DCT-scaled decodes. Of
  box, triangle and Hamming it has the best worst case against these, cubic, Lanczos and libjpeg's scaling.

Stored are the pixels of at most :data:`PIXEL_SAMPLE` pictures and, of every picture, a descriptor: the image
mean-pooled to a grid of 8x8, which is enough to tell which file a loaded image came from.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from loader_gate.machine.cores import cores
from loader_gate.trees.tree import Tree, TreeError

#: The resizes there is a reference for.
INTERPOLATIONS = ("nearest", "bilinear", "area")
#: The most pictures whose pixels are kept: 512 of 224x224 take 77 MB an interpolation, on disk.
PIXEL_SAMPLE = 512
#: Rows and columns of a descriptor, at most: three times 192 bytes a picture, 68 MB for 117,266.
GRID = 8

# Pictures are handed out so many at a time, so that an error or Ctrl-C stops the rest soon.
_HANDED_OUT = 128
_SCHEMA = 2
_META = "reference.json"

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reference:
    """The reference decode of one tree at one size, memory-mapped.

    A picture is a distinct file content: hard links and copies of one file are one picture.

    Attributes:
        digest: The digest of the tree it was made from.
        image_size: Height and width, in pixels.
        picture_of: ``(images,)`` int64, the picture of each image of the tree.
        descriptors: For each of :data:`INTERPOLATIONS`, ``(pictures, rows, columns, 3)`` uint8.
        pixels: For each of :data:`INTERPOLATIONS`, ``(sampled, height, width, 3)`` uint8.
        pixel_row: ``(pictures,)`` int64, the row of a picture in ``pixels``, -1 if it was not sampled.
        file_sizes: ``(pictures, 2)`` int64, height and width of each picture in its file, in pixels.
    """

    digest: str
    image_size: tuple[int, int]
    picture_of: Ints
    descriptors: dict[str, Bytes]
    pixels: dict[str, Bytes]
    pixel_row: Ints
    file_sizes: Ints

    @classmethod
    def open(cls, folder: Path) -> Reference:
        """Open a reference that :func:`build_reference` has finished.

        Raises:
            FileNotFoundError: The folder holds no finished reference, or one of another version.
        """
        try:
            meta = json.loads((folder / _META).read_bytes())
        except FileNotFoundError:
            raise FileNotFoundError(f"{folder} holds no reference decode: build it first.") from None
        if meta["schema"] != _SCHEMA:
            found = meta["schema"]
            raise FileNotFoundError(
                f"{folder} holds a reference of schema {found}, expected {_SCHEMA}: delete it."
            )

        def loaded(name: str, mode: Literal["r"] | None = None) -> Any:
            return np.load(folder / f"{name}.npy", mode, allow_pickle=False)

        return cls(
            digest=meta["digest"],
            image_size=(meta["height"], meta["width"]),
            picture_of=loaded("picture_of"),
            descriptors={name: loaded(f"descriptors_{name}", "r") for name in INTERPOLATIONS},
            pixels={name: loaded(f"pixels_{name}", "r") for name in INTERPOLATIONS},
            pixel_row=loaded("pixel_row"),
            file_sizes=loaded("file_sizes"),
        )


def build_reference(
    tree: Tree,
    image_size: tuple[int, int],
    folder: Path,
    on_progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> Reference:
    """Decode every distinct image of a tree once and store the reference in a folder.

    Threads do it: Pillow lets go of the interpreter's lock while it decodes and resizes, so two of them are
    twice as fast as one (measured), and no process has to be started inside pytest.

    Args:
        tree: The images.
        image_size: Height and width, in pixels.
        folder: Where to; its parent is made if need be. A reference of the same tree and size in it is used
            as it is, another one is replaced. It appears only when complete, so a killed build leaves nothing
            that can be opened.
        on_progress: Called in this thread with the pictures done and their number, after every few.
        seed: Draws whose pixels are kept, of more pictures than `PIXEL_SAMPLE`.

    Returns:
        The reference, memory-mapped.

    Raises:
        TreeError: A file cannot be decoded.
        OSError: The folder holds something else, or cannot be written.
    """
    try:
        ready = Reference.open(folder)
    except FileNotFoundError:
        pass
    else:
        if (ready.digest, ready.image_size) == (tree.digest, tuple(image_size)):
            return ready
        del ready
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f"{folder.name}.building-", dir=folder.parent))
    try:
        _write(tree, image_size, building, on_progress, seed)
        if (folder / _META).exists():
            shutil.rmtree(folder)
        try:
            building.rename(folder)
        except OSError:
            # Another session may have put the same in place since; anything else there is not ours to delete.
            if not (folder / _META).exists():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Reference.open(folder)


def _write(
    tree: Tree,
    image_size: tuple[int, int],
    folder: Path,
    on_progress: Callable[[int, int], None] | None,
    seed: int,
) -> None:
    height, width = image_size
    picture_of, first = distinct_pictures(tree.paths)
    count = len(first)
    drawn = np.random.default_rng(seed).choice(count, min(count, PIXEL_SAMPLE), replace=False)
    sampled = np.sort(drawn)
    pixel_row = np.full(count, -1)
    pixel_row[sampled] = np.arange(len(sampled))
    np.save(folder / "picture_of.npy", picture_of)
    np.save(folder / "pixel_row.npy", pixel_row)

    def create(name: str, shape: tuple[int, ...]) -> Bytes:
        file = folder / f"{name}.npy"
        array: Bytes = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
        _reserve(file)
        return array

    grid = (min(GRID, height), min(GRID, width), 3)
    descriptors = {name: create(f"descriptors_{name}", (count, *grid)) for name in INTERPOLATIONS}
    pixels = {name: create(f"pixels_{name}", (len(sampled), height, width, 3)) for name in INTERPOLATIONS}

    file_sizes = np.empty((count, 2), np.int64)

    def decode(picture: int) -> None:
        decoded = _decoded(tree.paths[first[picture]])
        file_sizes[picture] = decoded.height, decoded.width
        for name, image in _resized(decoded, image_size).items():
            descriptors[name][picture] = np.rint(pooled(image[np.newaxis])[0])
            if pixel_row[picture] >= 0:
                pixels[name][pixel_row[picture]] = image

    todo, done = iter(range(count)), 0
    with warnings.catch_warnings(), ThreadPoolExecutor(cores()) as pool:
        # Pillow warns of odd metadata and large images, which pytest may turn into errors; decoding decides.
        warnings.simplefilter("ignore")
        while some := list(islice(todo, _HANDED_OUT)):
            for _ in pool.map(decode, some):
                done += 1
                if on_progress is not None and (done % 16 == 0 or done == count):
                    on_progress(done, count)
    np.save(folder / "file_sizes.npy", file_sizes)
    for array in (*descriptors.values(), *pixels.values()):
        if isinstance(array, np.memmap):
            array.flush()
    meta = {"schema": _SCHEMA, "digest": tree.digest, "height": height, "width": width}
    (folder / _META).write_bytes(json.dumps(meta).encode())


def _reserve(file: Path) -> None:
    """Take the disk space of a sparse file now: writing to a map on a full disk would kill the process."""
    if not hasattr(os, "posix_fallocate"):  # macOS has none
        return
    with file.open("r+b") as opened:
        try:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # not every file system can
                raise


def distinct_pictures(paths: Sequence[str]) -> tuple[Ints, list[int]]:
    """Find the files that are the same: links to one file, and copies of it.

    Only files of equal size are read, the others cannot be copies.

    Args:
        paths: File names.

    Returns:
        The picture of each file, ``(files,)`` int64 numbered from 0 in order of appearance, and the
        position of each picture's first file.
    """
    files = [(path, Path(path).stat()) for path in paths]
    sizes = Counter({(stat.st_dev, stat.st_ino): stat.st_size for _, stat in files}.values())
    contents: dict[tuple[int, int], object] = {}
    numbers: dict[object, int] = {}
    picture_of = np.empty(len(paths), np.int64)
    first: list[int] = []
    for position, (path, stat) in enumerate(files):
        inode = stat.st_dev, stat.st_ino
        if inode not in contents:
            alone = sizes[stat.st_size] == 1
            contents[inode] = inode if alone else hashlib.blake2b(Path(path).read_bytes()).digest()
        content = contents[inode]
        if content not in numbers:
            numbers[content] = len(first)
            first.append(position)
        picture_of[position] = numbers[content]
    return picture_of, first


def decode_image(path: str, image_size: tuple[int, int]) -> dict[str, Bytes]:
    """Decode one file and resize it in each of the ways.

    Args:
        path: The file.
        image_size: Height and width, in pixels.

    Returns:
        For each of :data:`INTERPOLATIONS`, the image: ``(height, width, 3)`` uint8 RGB.

    Raises:
        TreeError: The file cannot be decoded.
    """
    return _resized(_decoded(path), image_size)


def decode_box(
    path: str, box: Sequence[int], image_size: tuple[int, int], interpolations: Sequence[str] = INTERPOLATIONS
) -> dict[str, Bytes]:
    """Decode one file, cut a part out, resize that in each of the ways, and mirror it if that is asked for.

    Args:
        path: The file.
        box: Top, left, height and width of the part in pixels of the file, and 1 if it is mirrored, else 0.
        image_size: Height and width, in pixels.
        interpolations: The ways, of :data:`INTERPOLATIONS`.

    Returns:
        For each of them, the image: ``(height, width, 3)`` uint8 RGB.

    Raises:
        TreeError: The file cannot be decoded.
    """
    top, left, height, width, flipped = box
    part = _decoded(path).crop((left, top, left + width, top + height))
    images = {name: _RESIZE[name](part, image_size) for name in interpolations}
    return {name: image[:, ::-1] for name, image in images.items()} if flipped else images


def _decoded(path: str) -> Image.Image:
    try:
        with Image.open(path) as file:
            image: Image.Image = file.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise TreeError(f"{path} cannot be decoded ({error}): repair it or leave it out.") from error
    return image


def _resized(image: Image.Image, image_size: tuple[int, int]) -> dict[str, Bytes]:
    return {name: resize(image, image_size) for name, resize in _RESIZE.items()}


def _by_pillow(filter_: Image.Resampling, image: Image.Image, size: tuple[int, int]) -> Bytes:
    return np.asarray(image.resize(size[::-1], filter_))


def resize_bilinear(image: Bytes, image_size: tuple[int, int]) -> Bytes:
    """Resize as ``tf.image.resize`` does by default: bilinear, half-pixel centres, no antialiasing.

    Args:
        image: ``(rows, columns, channels)`` uint8.
        image_size: Height and width of the result, in pixels.

    Returns:
        ``(height, width, channels)`` uint8, rounded to the nearest.
    """
    low, high, share = _neighbours(image.shape[0], image_size[0])
    above = np.asarray(image[low], np.float32)
    rows = above + (image[high] - above) * share[:, np.newaxis, np.newaxis]
    low, high, share = _neighbours(image.shape[1], image_size[1])
    left = rows[:, low]
    resized = left + (rows[:, high] - left) * share[:, np.newaxis]
    return np.rint(resized).astype(np.uint8)


_RESIZE: dict[str, Callable[[Image.Image, tuple[int, int]], Bytes]] = {
    "nearest": partial(_by_pillow, Image.Resampling.NEAREST),
    "bilinear": lambda image, size: resize_bilinear(np.asarray(image), size),
    "area": partial(_by_pillow, Image.Resampling.HAMMING),
}


def _neighbours(old: int, new: int) -> tuple[Ints, Ints, Floats]:
    """Return, for each new position on an axis, its two old neighbours and the share of the second."""
    position = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    low = np.floor(position).astype(np.int64)
    return low, np.minimum(low + 1, old - 1), (position - low).astype(np.float32)


def pooled(images: npt.NDArray[np.generic], grid: int = GRID) -> Floats:
    """Mean-pool images to a grid, that of the descriptors if not told otherwise.

    Args:
        images: ``(batch, height, width, 3)`` of any real type.
        grid: Rows and columns, at most.

    Returns:
        ``(batch, rows, columns, 3)`` float32 in the unit of the input.
    """
    # Slices and means, not a matrix product: BLAS threads of a busy machine made that ten times slower.
    rows = np.stack([images[:, cell].mean(1, np.float32) for cell in _cells(images.shape[1], grid)], axis=1)
    cells: Floats = np.stack([rows[:, :, cell].mean(2) for cell in _cells(images.shape[2], grid)], axis=2)
    return cells


def _cells(length: int, grid: int) -> list[slice]:
    """Cut an axis into at most ``grid`` cells of nearly equal length."""
    count = min(grid, length)
    edges = [length * edge // count for edge in range(count + 1)]
    return [slice(*pair) for pair in pairwise(edges)]
