"""What lies between JPEGs and bytes: ways to keep a resized image, their bytes, speed and what they lose.

`python -m docs.half_the_bytes PHOTOS` resizes photographs, keeps them in every way in memory, and makes
float32 batches of them by the threads that the suite's own dumps use. Ways whose package is not installed are
left out by name.
"""

from __future__ import annotations

import argparse
import importlib
import math
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from loader_gate.machine.cores import cores
from loader_gate.registry.spec import Spec
from loader_gate.same_work.detail import detail, differences
from loader_gate.statistics.estimate import Estimate, estimate
from loader_gate.trees.tree import Tree
from loader_gate.variants import yuv420_memory_map
from loader_gate.variants.uint8_memory_map import Batches, to_float

FILE = Path(__file__).with_suffix(".md")
BYTES, YUV = "uint8", "YUV 4:2:0"
BATCH_SIZE = 32
#: Bytes a second of a disk, of which the images a second are foretold: a hard disk or a network's, a cloud's
#: volume or a SATA disk, an NVMe disk.
DISKS = (200e6, 500e6, 2e9)

_own = threading.local()


@dataclass(frozen=True)
class Way:
    """One way to keep an image.

    Attributes:
        name: What is kept.
        encode: Makes what is kept of a uint8 image ``(height, width, 3)``.
        decode: Writes it into a float32 image of that shape, as values in [0, 1].
        requires: Packages that it takes, by the names to import.
    """

    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any, Any], None]
    requires: tuple[str, ...] = ()

    @property
    def absent(self) -> list[str]:
        """Return which packages are not installed."""
        return [each for each in self.requires if find_spec(each) is None]


@dataclass
class Found:
    """What was found out about a way.

    Attributes:
        name: Of it.
        bytes: An image takes, the mean.
        psnr: The median and the lowest PSNR to what was kept, in dB; infinite of equal images.
        detail: The median share of the finest detail of luma that is left, of 1.
        chroma: The same of colours.
        rates: Images a second of each round, all of them in memory; see `Clock`.
    """

    name: str
    bytes: float
    psnr: tuple[float, float]
    detail: float
    chroma: float
    rates: list[float] = field(default_factory=list)

    @property
    def warm(self) -> float:
        """Return images a second in memory."""
        return median(self.rates)

    def cold(self, disk: float) -> float:
        """Return images a second from a disk of so many bytes a second, read while others are decoded."""
        return min(self.warm, disk / self.bytes)


# --- the ways ---------------------------------------------------------------------------------------------


def ways(size: tuple[int, int]) -> list[Way]:
    """Return every way to keep an image of this size."""
    stacked = yuv420_memory_map.shape(size)
    luma = stacked[0] * 2 // 3, stacked[1]
    colour = luma[0] // 2, luma[1] // 2
    kept_yuv = Way(YUV, lambda image: _planes(image, size), yuv420_memory_map.decode, ("cv2",))
    as_bytes = Way(BYTES, lambda image: image, to_float)
    plain, rows = Plain((*size, 3)), Rows([(*size, 3)], (*size, 3))
    yuv, yuv_rows = Plain(stacked), Rows([luma, colour, colour], stacked)
    found = [as_bytes, kept_yuv]
    for codec in _codecs():
        found += [
            _compressed(as_bytes, codec, plain),
            _compressed(as_bytes, codec, rows),
            _compressed(kept_yuv, codec, yuv),
            _compressed(kept_yuv, codec, yuv_rows),
        ]
    return [*found, _qoi(), *_jpegs(), _texture(size)]


def _planes(image: Any, size: tuple[int, int]) -> Any:
    return yuv420_memory_map.to_planes(image.astype(np.float32), size).numpy()


@dataclass(frozen=True)
class _Codec:
    name: str
    requires: str
    compress: Callable[[bytes], bytes]
    decompress: Callable[[bytes], bytes]


def _codecs() -> list[_Codec]:
    def zstd_compress(data: bytes) -> bytes:
        return bytes(importlib.import_module("zstandard").ZstdCompressor(level=1).compress(data))

    def zstd_decompress(data: bytes) -> bytes:
        if not hasattr(_own, "zstd"):  # one must not be used by two threads
            _own.zstd = importlib.import_module("zstandard").ZstdDecompressor()
        return bytes(_own.zstd.decompress(data))

    def lz4_compress(data: bytes) -> bytes:
        return bytes(importlib.import_module("lz4.block").compress(data, mode="high_compression"))

    def lz4_decompress(data: bytes) -> bytes:
        return bytes(importlib.import_module("lz4.block").decompress(data))

    return [
        _Codec("zstd 1", "zstandard", zstd_compress, zstd_decompress),
        _Codec("LZ4 HC", "lz4", lz4_compress, lz4_decompress),
    ]


class Plain:
    """An array's bytes as they are."""

    name = ""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape

    def apart(self, image: Any) -> bytes:
        """Return the bytes to compress, of an array."""
        return bytes(image.tobytes())

    def together(self, data: bytes) -> Any:
        """Return the array again."""
        return np.frombuffer(data, np.uint8).reshape(self._shape)


class Rows:
    """Each row as its difference to the one above, of each plane; NumPy adds rows up as fast as it copies."""

    name = ", differences of rows"

    def __init__(self, planes: Sequence[tuple[int, ...]], shape: tuple[int, ...]) -> None:
        self._shapes, self._shape = planes, shape
        self._ends = np.cumsum([math.prod(plane) for plane in planes])

    def apart(self, image: Any) -> bytes:
        """Return the bytes to compress, of an array."""
        return b"".join(
            np.diff(plane, axis=0, prepend=np.zeros_like(plane[:1])).tobytes() for plane in self._each(image)
        )

    def together(self, data: bytes) -> Any:
        """Return the array again."""
        gaps = np.frombuffer(data, np.uint8)
        out = np.empty_like(gaps)
        for some, to in zip(self._each(gaps), self._each(out), strict=True):
            np.add.accumulate(some, axis=0, dtype=np.uint8, out=to)
        return out.reshape(self._shape)

    def _each(self, image: Any) -> list[Any]:
        parts = np.split(image.reshape(-1), self._ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True)]


def _compressed(way: Way, codec: _Codec, form: Plain | Rows) -> Way:
    return Way(
        f"{way.name}, {codec.name}{form.name}",
        lambda image: codec.compress(form.apart(way.encode(image))),
        lambda data, out: way.decode(form.together(codec.decompress(data)), out),
        (*way.requires, codec.requires),
    )


def _qoi() -> Way:
    return Way(
        "QOI",
        lambda image: importlib.import_module("qoi").encode(image),
        lambda data, out: to_float(importlib.import_module("qoi").decode(data), out),
        ("qoi",),
    )


def _jpegs() -> Iterator[Way]:
    def encode(image: Any, **options: Any) -> bytes:
        file = BytesIO()
        Image.fromarray(image).save(file, "JPEG", optimize=True, **options)
        return file.getvalue()

    def decode(data: bytes, out: Any) -> None:
        to_float(importlib.import_module("simplejpeg").decode_jpeg(data), out)

    def jpeg(name: str, **options: Any) -> Way:
        return Way(f"JPEG {name}", lambda image: encode(image, **options), decode, ("simplejpeg",))

    yield jpeg("90, 4:2:0", quality=90, subsampling="4:2:0")
    yield jpeg("95, 4:2:0", quality=95, subsampling="4:2:0")
    yield jpeg("95, 4:2:0, a restart a row", quality=95, subsampling="4:2:0", restart_marker_rows=1)
    yield jpeg("95, 4:4:4", quality=95, subsampling="4:4:4")
    yield jpeg("98, 4:4:4", quality=98, subsampling="4:4:4")


def _texture(size: tuple[int, int]) -> Way:
    height, width = size

    def encode(image: Any) -> bytes:
        opaque = np.dstack([image, np.full(size, 255, np.uint8)])
        return bytes(importlib.import_module("etcpak").compress_bc1(opaque.tobytes(), width, height))

    def decode(data: bytes, out: Any) -> None:
        pixels = importlib.import_module("texture2ddecoder").decode_bc1(data, width, height)
        to_float(np.frombuffer(pixels, np.uint8).reshape(height, width, 4)[..., 2::-1], out)

    return Way("BC1, a graphics card's texture", encode, decode, ("etcpak", "texture2ddecoder"))


# --- measuring --------------------------------------------------------------------------------------------


def resized(paths: Sequence[str], size: tuple[int, int]) -> list[Any]:
    """Return photographs as uint8 images ``(height, width, 3)``, antialiased."""
    images = []
    for path in paths:
        with Image.open(path) as file:
            images.append(np.array(file.convert("RGB").resize(size[::-1], Image.Resampling.BILINEAR)))
    return images


def looked_at(way: Way, images: Sequence[Any], kept: Sequence[Any]) -> Found:
    """Return what a way takes and loses."""
    psnr, lumas, chromas = [], [], []
    for image, item in zip(images, kept, strict=True):
        out = np.empty(image.shape, np.float32)
        way.decode(item, out)
        error = float(np.mean((out * 255 - image) ** 2))
        psnr.append(10 * math.log10(255**2 / error) if error > 1e-6 else math.inf)
        own, wanted = differences(out * 255, (1, 1)), differences(image, (1, 1))
        lumas.append(detail(own.luma, wanted.luma))
        chromas.append(detail(own.chroma, wanted.chroma))
    size = sum(item.nbytes if isinstance(item, np.ndarray) else len(item) for item in kept) / len(kept)
    return Found(
        way.name, size, (median(psnr), min(psnr)), float(np.nanmedian(lumas)), float(np.nanmedian(chromas))
    )


class Clock:
    """Makes batches by the threads of the suite's dumps, of any way, into memory that is used again."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Prepare to make images of this size."""
        self._way: Way | None = None
        spec = Spec(size, BATCH_SIZE, shuffle=False, seed=0, cache_dir=Path())
        self._batches = Batches(spec, self._fill)

    def _fill(self, item: Any, out: Any) -> None:
        if self._way is not None:
            self._way.decode(item, out)

    def rate(self, way: Way, kept: Sequence[Any], count: int) -> float:
        """Return images a CPU second of so many images, times the cores: what idle ones would do.

        By the clock, whatever else runs would count. What is not seen so is that a package holds the
        interpreter's lock while it decodes.
        """
        self._way = way
        items = islice(enumerate(cycle(kept)), count)
        begun = time.process_time()
        made = sum(len(images) for _, images in self._batches.of(items))
        return made * cores() / (time.process_time() - begun)


def measured(
    images: Sequence[Any], size: tuple[int, int], rounds: int, count: int
) -> tuple[list[Found], str]:
    """Measure every way that is there, in a random order in each round; return what was left out, too."""
    every = ways(size)
    there = [way for way in every if not way.absent]
    kept = {way.name: [way.encode(image) for image in images] for way in there}
    found = {way.name: looked_at(way, images, kept[way.name]) for way in there}
    clock = Clock(size)
    for number in range(rounds + 1):
        for way in random.sample(there, len(there)):
            images_a_second = clock.rate(way, kept[way.name], count)
            if number:  # the first is to warm up
                found[way.name].rates.append(images_a_second)
    absent = sorted({name for way in every for name in way.absent})
    return list(found.values()), f" Left out, for want of {', '.join(absent)}." if absent else ""


# --- the table --------------------------------------------------------------------------------------------


def best(found: Sequence[Found]) -> dict[str, str]:
    """Return for each way that is the fastest at some speed of a disk, at which, in MB a second."""
    speeds = [10 ** (exponent / 50) for exponent in range(50, 201)]  # 10 MB/s to 10 GB/s
    # Where several are as fast as their disk or processor lets them be, the smaller one counts.
    winners = [max(found, key=lambda one: (one.cold(1e6 * mb), -one.bytes)).name for mb in speeds]
    told = {}
    for name in dict.fromkeys(winners):
        at = [mb for mb, winner in zip(speeds, winners, strict=True) if winner == name]
        low = "" if at[0] == speeds[0] else f"{at[0]:,.0f}"
        high = "" if at[-1] == speeds[-1] else f"{at[-1]:,.0f}"
        told[name] = f"{low} to {high}" if low and high else f"up to {high}" if high else f"from {low}"
    return told


def table(found: Sequence[Found], size: tuple[int, int]) -> str:
    """Return the table, the largest first."""
    base = next(one for one in found if one.name == BYTES)
    fastest = best(found)
    disks = " | ".join(f"{disk / 1e6:,.0f} MB/s" for disk in DISKS)
    lines = [
        "| kept | bytes | of float32 | PSNR, median and lowest | detail, colours | images/s "
        f"| to {BYTES} (95 % CI) | {disks} | fastest at, MB/s |",
        "| --- " * (8 + len(DISKS)) + "|",
    ]
    for one in sorted(found, key=lambda one: -one.bytes):
        share = one.bytes / (12 * math.prod(size))
        lost = "all" if math.isinf(one.psnr[1]) else f"{one.psnr[0]:.1f} and {one.psnr[1]:.1f} dB"
        cold = " | ".join(f"{one.cold(disk):,.0f}" for disk in DISKS)
        lines.append(
            f"| {one.name} | {one.bytes:,.0f} | {share:.1%} | {lost} | {one.detail:.2f}, {one.chroma:.2f} "
            f"| {one.warm:,.0f} | {_ratio(one, base)} | {cold} | {fastest.get(one.name, '')} |"
        )
    return "\n".join(lines) + "\n"


def _ratio(one: Found, base: Found) -> str:
    if one is base:
        return "1"
    logs = [math.log(rate / other) for rate, other in zip(one.rates, base.rates, strict=True)]
    known: Estimate = estimate(logs, 0.05)
    return f"{known.ratio:.2f} ({known.low:.2f}–{known.high:.2f})"


def main(arguments: list[str]) -> int:
    """Write the table; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.half_the_bytes", description=__doc__)
    parser.add_argument("photos", type=Path, help="a tree of photographs")
    parser.add_argument("--image-size", type=int, default=224, help="height and width, in pixels")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--images", type=int, default=960, help="a round makes of each way")
    options = parser.parse_args(arguments)
    size = (options.image_size, options.image_size)
    paths = Tree.read(options.photos).paths
    found, absent = measured(resized(paths, size), size, options.rounds, options.images)
    text = (
        "# Ways to keep an image\n\n"
        f"{len(paths)} photographs at {size[0]}x{size[1]}, {cores()} cores, by "
        f"`python -m docs.half_the_bytes PHOTOS --rounds {options.rounds} --images {options.images}`."
        f"{absent}\n\n{table(found, size)}"
    )
    FILE.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
