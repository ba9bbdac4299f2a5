"""How much detail images have that were decoded and resized in many ways, and which of them pass the check.

Every way is a loader, and goes through the check that variants go through. Ways that need OpenCV, simplejpeg
or TensorFlow are left out where that is not installed.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from docs.study.errors import StudyError
from loader_gate.registry.spec import Spec
from loader_gate.same_work import thresholds
from loader_gate.same_work.check import SameWork, check_epoch
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.reference import Bytes, Reference, build_reference, resize_bilinear
from loader_gate.trees.tree import Tree

if TYPE_CHECKING:
    from loader_gate.same_work.reference import Floats

FILE = "resolution.md"
SIZES = ("224x224", "96x128")
_BATCH = 32
_R = Image.Resampling

Size = tuple[int, int]
Decode = Callable[[Path, Size], npt.NDArray[Any]]


@dataclass(frozen=True)
class Way:
    """One way of decoding and resizing.

    Attributes:
        name: What it does.
        interpolation: What it is declared to be.
        decode: Returns the image of a file, ``(height, width, 3)`` in grey levels of 255.
        honest: Whether it ought to pass.
    """

    name: str
    interpolation: str | None
    decode: Decode
    honest: bool = True


def rgb(path: Path) -> Image.Image:
    """Return the whole image of a file."""
    with Image.open(path) as file:
        image: Image.Image = file.convert("RGB")
    return image


def scaled(path: Path, size: Size, share: float) -> Image.Image:
    """Return an image decoded by DCT scaling, to no less than this share of the size asked for."""
    with Image.open(path) as file:
        eighths = [1, 2, 4, 8]
        height, width = (share * length for length in size)
        enough = [
            each
            for each in eighths
            if -(-file.height * each // 8) >= height and -(-file.width * each // 8) >= width
        ]
        eighth = enough[0] if enough else 8
        file.draft("RGB", (-(-file.width * eighth // 8), -(-file.height * eighth // 8)))
        image: Image.Image = file.convert("RGB")
    return image


def _pillow(image: Image.Image, size: Size, resampling: Image.Resampling) -> Bytes:
    return np.asarray(image.resize(size[::-1], resampling))


def _by_pillow(resampling: Image.Resampling) -> Decode:
    return lambda path, size: _pillow(rgb(path), size, resampling)


def _dump(image: Bytes, quality: int, subsampling: int = 2) -> Bytes:
    """Return what a JPEG keeps of an image."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file).convert("RGB"))


def _through(small: Callable[[Size], Size], up: str, down: Image.Resampling = _R.BOX) -> Decode:
    """Return what resizes to a smaller size and blows that up."""

    def decode(path: Path, size: Size) -> Bytes:
        less = _pillow(rgb(path), small(size), down)
        if up == "bilinear":
            return resize_bilinear(less, size)
        return _pillow(Image.fromarray(less), size, getattr(_R, up))

    return decode


def _sharpened(small: Callable[[Size], Size], percent: int) -> Decode:
    blown_up = _through(small, "LANCZOS", _R.LANCZOS)

    def decode(path: Path, size: Size) -> Bytes:
        sharp = ImageFilter.UnsharpMask(radius=1, percent=percent, threshold=0)
        return np.asarray(Image.fromarray(blown_up(path, size)).filter(sharp))

    return decode


def _coarse_colour(small: Callable[[Size], Size]) -> Decode:
    """Return what decodes colour at a smaller size than brightness."""

    def decode(path: Path, size: Size) -> Bytes:
        image = rgb(path).convert("YCbCr")
        parts = image.resize(size[::-1], _R.BILINEAR).split()
        colour = image.resize(small(size)[::-1], _R.BOX).resize(size[::-1], _R.BILINEAR).split()
        return np.asarray(Image.merge("YCbCr", (parts[0], *colour[1:])).convert("RGB"))

    return decode


def _part(share: float) -> Callable[[Size], Size]:
    return lambda size: (max(1, round(size[0] * share)), max(1, round(size[1] * share)))


def _exactly(height: int, width: int) -> Callable[[Size], Size]:
    return lambda _: (height, width)


def _plain_ways() -> Iterator[Way]:
    for name, resampling in (
        ("box", _R.BOX),
        ("triangle", _R.BILINEAR),
        ("Hamming", _R.HAMMING),
        ("cubic", _R.BICUBIC),
        ("Lanczos", _R.LANCZOS),
    ):
        yield Way(f"Pillow, {name}", "area", _by_pillow(resampling))
    yield Way("Pillow, nearest", "nearest", _by_pillow(_R.NEAREST))
    yield Way("bilinear, not antialiased", "bilinear", lambda path, size: resize_bilinear(_array(path), size))
    yield Way(
        "Pillow, triangle, `reducing_gap=2`",
        "area",
        lambda path, size: np.asarray(rgb(path).resize(size[::-1], _R.BILINEAR, reducing_gap=2.0)),
    )
    for name, resize in (
        ("bilinear", resize_bilinear),
        ("box", lambda image, size: _pillow(Image.fromarray(image), size, _R.BOX)),
        ("triangle", lambda image, size: _pillow(Image.fromarray(image), size, _R.BILINEAR)),
    ):
        yield Way(
            f"DCT-scaled to the size or more, then {name}",
            "area",
            lambda path, size, resize=resize: resize(np.asarray(scaled(path, size, 1)), size),  # type: ignore[misc]
        )
    for name, interpolation, resize in (
        ("triangle", "area", lambda path, size: _pillow(rgb(path), size, _R.BILINEAR)),
        ("bilinear", None, lambda path, size: resize_bilinear(_array(path), size)),
        ("nearest", "nearest", lambda path, size: _pillow(rgb(path), size, _R.NEAREST)),
    ):
        yield Way(
            f"{name}, then a JPEG of quality 90",
            interpolation,
            lambda path, size, resize=resize: _dump(resize(path, size), 90),  # type: ignore[misc]
        )
    for quality in (85, 75):
        yield Way(
            f"triangle, then a JPEG of quality {quality}",
            "area",
            lambda path, size, quality=quality: _dump(_pillow(rgb(path), size, _R.BILINEAR), quality),  # type: ignore[misc]
        )
    yield Way("colour at half the size", "area", _coarse_colour(_part(1 / 2)))


def _array(path: Path) -> Bytes:
    return np.asarray(rgb(path))


def _opencv_ways() -> Iterator[Way]:
    import cv2

    for name, interpolation, how in (
        ("linear", "bilinear", cv2.INTER_LINEAR),
        ("area", "area", cv2.INTER_AREA),
    ):
        yield Way(
            f"OpenCV, {name}",
            interpolation,
            lambda path, size, how=how: cv2.resize(_array(path), size[::-1], interpolation=how),  # type: ignore[misc]
        )


def _simplejpeg_ways() -> Iterator[Way]:
    import simplejpeg

    def decode(path: Path, size: Size) -> Bytes:
        fast: Bytes = simplejpeg.decode_jpeg(
            path.read_bytes(),
            min_height=size[0],
            min_width=size[1],
            min_factor=1,
            fastdct=True,
            fastupsample=True,
        )
        return resize_bilinear(fast, size)

    yield Way("DCT-scaled, fast DCT, fast upsampling, then bilinear", "area", decode)


def _tensorflow_ways() -> Iterator[Way]:
    import tensorflow as tf

    def way(name: str, interpolation: str | None, method: str, antialias: bool = False, **how: Any) -> Way:
        def decode(path: Path, size: Size) -> npt.NDArray[Any]:
            image = tf.io.decode_jpeg(path.read_bytes(), channels=3, **how)
            resized: npt.NDArray[Any] = tf.image.resize(
                image, size, method=method, antialias=antialias
            ).numpy()
            return resized

        return Way(f"TensorFlow, {name}", interpolation, decode)

    yield way("nearest", "nearest", "nearest")
    yield way("bilinear", "bilinear", "bilinear")
    yield way(
        "bilinear, fast DCT, no fancy upsampling",
        "bilinear",
        "bilinear",
        dct_method="INTEGER_FAST",
        fancy_upscaling=False,
    )
    yield way("area", "area", "area")
    yield way("cubic, not antialiased", None, "bicubic")
    for method in ("bilinear", "bicubic", "lanczos3", "gaussian", "mitchellcubic"):
        yield way(f"{method}, antialiased", "area", method, antialias=True)


def _coarse_ways() -> Iterator[Way]:
    half = _part(1 / 2)
    for name, decode in (
        ("half the size, blown up (bilinear)", _through(half, "bilinear")),
        ("half the size, blown up (Lanczos)", _through(half, "LANCZOS", _R.LANCZOS)),
        ("half the size, blown up (nearest)", _through(half, "NEAREST")),
        ("half the size, blown up, sharpened by 100 %", _sharpened(half, 100)),
        ("half the size, blown up, sharpened by 300 %", _sharpened(half, 300)),
        ("two thirds of the size, blown up", _through(_part(2 / 3), "bilinear")),
        ("60x80, blown up", _through(_exactly(60, 80), "bilinear")),
        ("64x64, blown up", _through(_exactly(64, 64), "bilinear")),
        ("28x28, blown up", _through(_exactly(28, 28), "bilinear")),
        ("colour at a quarter of the size", _coarse_colour(_part(1 / 4))),
        ("colour at an eighth of the size", _coarse_colour(_part(1 / 8))),
    ):
        yield Way(name, "area", decode, honest=False)
    yield Way(
        "half the size by nearest, blown up (nearest)",
        "nearest",
        _through(half, "NEAREST", _R.NEAREST),
        honest=False,
    )


def ways() -> tuple[list[Way], list[str]]:
    """Return every way, the honest ones first, and the modules that some lack."""
    found, missing = [*_plain_ways()], []
    for module, more in (
        ("cv2", _opencv_ways),
        ("simplejpeg", _simplejpeg_ways),
        ("tensorflow", _tensorflow_ways),
    ):
        if find_spec(module) is None:
            missing.append(module)
        else:
            found += more()
    return [*found, *_coarse_ways()], missing


def measure(way: Way, tree: Tree, size: Size, reference: Reference) -> SameWork:
    """Check one way as the check does a variant."""
    spec = Spec(size, _BATCH, shuffle=False, seed=0, cache_dir=Path())
    labels = np.eye(len(tree.class_names), dtype=np.float32)[list(tree.labels)]

    def batches() -> Iterator[tuple[Floats, Floats]]:
        for start in range(0, len(tree), _BATCH):
            images = [way.decode(Path(path), size) for path in tree.paths[start : start + _BATCH]]
            yield np.stack(images).clip(0, 255).astype(np.float32), labels[start : start + _BATCH]

    return check_epoch(
        batches(), tree, spec, DeclaredOutput(way.interpolation, value_range=(0, 255)), reference
    )


def row(way: Way, found: SameWork) -> str:
    """Return a way's row of the table."""

    def pair(values: Sequence[float | None] | None, digits: int) -> str:
        if values is None or None in values:
            return "– | –"
        return " | ".join(f"{value:.{digits}f}" for value in values)

    passed = "yes" if found.reason is None else "no"
    mark = "" if (found.reason is None) == way.honest else " (!)"
    cells = (
        way.name,
        found.interpolation or "–",
        pair((found.lowest_psnr, found.median_psnr), 1),
        pair(found.detail, 2),
        pair(found.chroma, 2),
        f"{passed}{mark}",
    )
    return f"| {' | '.join(cells)} |"


def write(root: Path, sizes: Sequence[str], folder: Path) -> None:
    """Measure every way on a tree of images, and write the table.

    Raises:
        StudyError: There are fewer than ten images.
        TreeError: It is no tree.
    """
    tree = Tree.read(root)
    if len(tree) < 10:
        raise StudyError(f"--image-root {root} has {len(tree)} images, expected at least ten.")
    every, missing = ways()
    for module in missing:
        print(f"{module} is not installed: its ways are left out.", file=sys.stderr)
    tables: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for text in sizes:
            height, _, width = text.partition("x")
            size = (int(height), int(width))
            reference = build_reference(tree, size, Path(temporary) / text)
            tables[text] = [row(way, measure(way, tree, size, reference)) for way in every]
            print(f"{text}: {len(every)} ways", file=sys.stderr, flush=True)
    (folder / FILE).write_text(_page(tree, reference, tables), encoding="utf-8")


def _page(tree: Tree, reference: Reference, tables: Mapping[str, Sequence[str]]) -> str:
    heights, widths = reference.file_sizes.T
    median = thresholds.DETAIL_MEDIAN_FLOOR
    head = f"""# What resolution the check tells

`python -m docs.study resolution --image-root DIR` writes this page. Every way of decoding and resizing is
a loader of float32 images here, and goes through the check that variants go through. The images are
{len(tree)}, {widths.min()} to {widths.max()} pixels wide and {heights.min()} to {heights.max()} high.

`src/loader_gate/same_work/detail.py` says what detail is. The limits are in `thresholds.py` beside it: of
the reference's detail every image has to have {thresholds.DETAIL_FLOOR:g} and the median image {median:g},
of chroma's {thresholds.CHROMA_FLOOR:g} and {thresholds.CHROMA_MEDIAN_FLOOR:g}. An image whose reference has
too little of it does not count. (!) marks what passes, or does not, against our will: in a long and narrow
picture DCT scaling is bound by the shorter side, and a bilinear resize of the other skips pixels; and
bilinear is held to 30 dB, so that nearest is not taken for it, which a JPEG of fine texture may not reach.
"""
    columns = ["way", "compared with", "PSNR, lowest", "median", "detail, lowest", "median"]
    columns += ["chroma, lowest", "median", "passes"]
    lines = [head]
    for size, rows in tables.items():
        lines += [f"## {size}", "", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}", *rows, ""]
    return "\n".join(lines)
