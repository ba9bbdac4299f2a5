"""What kind of file it is, by its first bytes, and which kinds the libraries that load images read otherwise.

``python -m docs.file_kinds`` decodes a file of each kind by each library; docs/file_kinds.md shows what came
of it, and the tests hold `ODD` to it. Whatever is not in there is the same to all that read it at all.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

#: The libraries that count for what does not say which it uses. `ODD` knows the answers of torchvision and
#: DALI, too, for variants that say so; see `Variant.decoders`.
LIBRARIES = ("Pillow", "TensorFlow", "simplejpeg")

#: What every library reads, as Pillow calls it, after what it begins with.
_READ = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF", b"BM": "BMP"}

#: What has been found in the place of images, after what it begins with, and how to get images of it.
_CONVERT = "convert it to JPEG or PNG"
_GET_IT = "it was saved in the place of an image: get that again"
_OTHERS = (
    (
        b"version https://git-lfs.github.com/spec",
        "a pointer of Git LFS",
        "run `git lfs pull` in its repository",
    ),
    (b"/annex/objects/", "a pointer of git-annex", "run `git annex get .` in its repository"),
    (b"II*\0", "TIFF", _CONVERT),
    (b"MM\0*", "TIFF", _CONVERT),
    (b"\0\0\0\x0cjP  ", "JPEG 2000", _CONVERT),
    (b"\0\0\0\x0cJXL ", "JPEG XL", _CONVERT),
    (b"\xff\x0a", "JPEG XL", _CONVERT),
    (b"\0\0\1\0", "an icon", _CONVERT),
    (b"8BPS", "a picture of Photoshop", _CONVERT),
    (b"%PDF", "PDF", _CONVERT),
    (b"PK\3\4", "a ZIP archive", "unpack it"),
    (b"\x1f\x8b", "packed by gzip", "unpack it"),
    (b"\0\5\x16\7", "what macOS keeps beside a file of another name", "remove it"),
    (b"\xd0\xcf\x11\xe0", "a file of Windows, such as Thumbs.db", "remove it"),
)
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"mif1": "HEIC",
    b"hevc": "HEIC",
}

#: How much of a file's beginning `sniffed` and `odd_kind` look at, for most files.
_HEAD = 512
#: The share of transparent pixels from which on a GIF is another picture where they have no colour.
_FEW = 0.001


@dataclass(frozen=True)
class Odd:
    """A kind of file that not all libraries read alike.

    Attributes:
        name: What it is, with an article.
        otherwise: What a library does that refuses it or reads something else, by the library.
        others: What the others do.
        seen: Names of its samples in docs/file_kinds.
    """

    name: str
    otherwise: Mapping[str, str]
    others: str = "Pillow reads it"
    seen: tuple[str, ...] = field(default=(), compare=False)

    def problem(self, libraries: Collection[str]) -> str | None:
        """Return what some of these libraries do with it that others do not; None if they agree."""
        said = [f"{library} {does}" for library, does in self.otherwise.items() if library in libraries]
        return f"is {self.name}: {'; '.join([*said, self.others])}" if said else None

    def told(self) -> str:
        """Return what it is, without the article's verb, and what any library does that others do not."""
        return f"{self.name}: {'; '.join(f'{library} {does}' for library, does in self.otherwise.items())}"


_REFUSES = {"TensorFlow": "refuses it"}
_BOTH_REFUSE = {**_REFUSES, "DALI": "refuses it"}

#: Every kind that not all libraries read alike, by a word for records.
ODD: Mapping[str, Odd] = MappingProxyType(
    {
        "jpeg-lossless": Odd("a lossless JPEG", _REFUSES, seen=("JPEG, lossless",)),
        "png-grey16": Odd(
            "a PNG of 16 bits of grey",
            {"Pillow": "clips it to white"},
            "TensorFlow scales it",
            ("PNG, 16 bits of grey", "PNG, 12 of 16 bits of grey"),
        ),
        "png-16": Odd(
            "a PNG of 16 bits a sample",
            {"torchvision": "gives numbers of 16 bits"},
            "Pillow gives 8 of them",
            ("PNG, 16 bits of grey and alpha", "PNG, 48 bits", "PNG, 64 bits"),
        ),
        "png-no-end": Odd("a PNG without its end", _BOTH_REFUSE, seen=("PNG, without its end",)),
        "bmp-bits": Odd(
            "a BMP of 1, 4 or 16 bits a pixel",
            _REFUSES,
            seen=("BMP, 1 bit", "BMP, 4 bits", "BMP, 16 bits by masks"),
        ),
        "bmp-16": Odd("a BMP of 16 bits a pixel without masks", _BOTH_REFUSE, seen=("BMP, 16 bits",)),
        "bmp-run-lengths-4": Odd(
            "a BMP of run lengths of 4 bits", _BOTH_REFUSE, seen=("BMP, run lengths of 4 bits",)
        ),
        "bmp-run-lengths": Odd("a BMP of run lengths", _REFUSES, seen=("BMP, run lengths of 8 bits",)),
        "bmp-os2": Odd("a BMP with the header of OS/2", _REFUSES, seen=("BMP, OS/2 header",)),
        "bmp-size": Odd(
            "a BMP with bytes behind its pixels",
            _REFUSES,
            seen=("BMP, bytes behind", "BMP, one byte behind"),
        ),
        "bmp-palette": Odd(
            "a BMP with a palette of colours",
            {"TensorFlow": "takes the numbers of its colours for grey"},
            "Pillow gives the colours",
            ("BMP, 8 bits", "BMP, 8 bits, few colours"),
        ),
        "gif-partial": Odd(
            "a GIF whose first frame is smaller than the picture",
            {"TensorFlow": "gives that frame alone", "DALI": "refuses it"},
            "Pillow gives the whole picture",
            ("GIF, partial first frame",),
        ),
        "gif-transparent": Odd(
            "a GIF with transparent pixels",
            {"TensorFlow": "makes them black", "DALI": "refuses it"},
            "Pillow gives them the colour that they have in the palette",
            ("GIF, transparent",),
        ),
        "gif": Odd(
            "a GIF",
            {"DALI": "refuses it"},
            seen=(
                "GIF",
                "GIF, animated",
                "GIF, partial later frames",
                "GIF, interlaced",
                "GIF, bytes behind its end",
                "GIF, without its end",
                "GIF, animated, cut short",
                "GIF, animated, cut short by some bytes",
                "GIF, animated, cut short behind its first frame",
                "GIF, animated, a later frame damaged",
            ),
        ),
    }
)


def sniffed(data: bytes) -> str | None:
    """Return the format that a file is of, as Pillow calls it, if it is one that every library reads."""
    return next((name for begin, name in _READ.items() if data.startswith(begin)), None)


def what_it_is(data: bytes) -> tuple[str, str] | None:
    """Return what a file is that no image of the four formats is, and what to do; None if nobody knows."""
    head = data[:_HEAD]
    for begin, name, remedy in _OTHERS:
        if head.startswith(begin):
            return name, remedy
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP", _CONVERT
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a film or picture of the MPEG family"), _CONVERT
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "HTML", _GET_IT
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return "SVG", _CONVERT
    if text.startswith((b"<?xml", b"{")):
        return "a message in XML or JSON", _GET_IT
    return None


def why_no_library(data: bytes) -> str | None:
    """Return what it is about a file of the four formats that no library reads it; None if it is damaged."""
    _, bits = _jpeg_frame(data)
    return None if bits in (0, 8) else f"a JPEG of {bits} bits a sample"


def odd_kind(data: bytes, transparent: float = 0.0) -> str:
    """Return the kind of a file that Pillow has decoded, a key of `ODD`; empty if all read it alike.

    Args:
        data: The whole file.
        transparent: The share of pixels of its first frame that are transparent; of a GIF only.
    """
    if data.startswith(b"\xff\xd8"):
        return "jpeg-lossless" if _jpeg_frame(data)[0] == 0xC3 else ""
    if data.startswith(b"\x89PNG"):
        return _odd_png(data)
    if data.startswith(b"BM"):
        return _odd_bmp(data)
    return _odd_gif(data, transparent) if data.startswith(b"GIF8") else ""


def _jpeg_frame(data: bytes) -> tuple[int, int]:
    """Return the marker of a JPEG's frame, and the bits of a sample; zeros if there is none."""
    at = 2 if data.startswith(b"\xff\xd8") else len(data)
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 < len(data):
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker, data[at + 4]
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0


def _odd_png(data: bytes) -> str:
    depth, colour = data[24], data[25]
    if (depth, colour) == (16, 0):
        return "png-grey16"
    if data.rfind(b"IEND\xaeB`\x82") < 0:
        return "png-no-end"
    return "png-16" if depth == 16 else ""


def _odd_bmp(data: bytes) -> str:
    start, header = struct.unpack_from("<II", data, 10)
    if header < 40:
        return "bmp-os2"
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if bits not in (8, 24, 32):
        return {(16, 0): "bmp-16", (4, 2): "bmp-run-lengths-4"}.get((bits, compression), "bmp-bits")
    if compression in (1, 2):
        return "bmp-run-lengths"
    if start + (bits * width + 31) // 32 * 4 * abs(height) != len(data):
        return "bmp-size"
    if bits == 8:
        greys = b"".join(bytes((level, level, level)) for level in range(256))
        palette = data[14 + header : start]
        colours = b"".join(palette[at : at + 3] for at in range(0, len(palette) - 3, 4))
        return "" if colours == greys[: len(colours)] else "bmp-palette"
    return ""


def _odd_gif(data: bytes, transparent: float) -> str:
    frame = _first_frame(data)
    if frame is not None and frame != (0, 0, *struct.unpack_from("<HH", data, 6)):
        return "gif-partial"
    return "gif-transparent" if transparent > _FEW else "gif"


def _first_frame(data: bytes) -> tuple[int, ...] | None:
    """Return left, top, width and height of a GIF's first frame; None if it cannot be found."""
    at = 13 + (3 * (2 << (data[10] & 7)) if data[10] & 0x80 else 0)
    while at + 10 <= len(data):
        if data[at] == 0x2C:
            return struct.unpack_from("<HHHH", data, at + 1)
        if data[at] != 0x21:
            return None
        at += 2
        while at < len(data) and data[at]:  # blocks of data, each after its length
            at += 1 + data[at]
        at += 1
    return None
