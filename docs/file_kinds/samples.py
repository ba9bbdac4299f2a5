"""A file of every kind of the table."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
from PIL import Image

from docs.file_kinds import pictures
from docs.file_kinds.pictures import (
    bmp,
    chunk,
    exif,
    gif,
    grey,
    image,
    jpeg,
    picture,
    png,
    png_palette,
    saved,
)


def _jpegs() -> dict[str, Callable[[], bytes]]:
    end = b"\xff\xd9"
    return {
        "JPEG": jpeg,
        "JPEG, 4:4:4": lambda: jpeg(subsampling=0),
        "JPEG, 4:2:2": lambda: jpeg(subsampling=1),
        "JPEG, progressive": lambda: jpeg(progressive=True),
        "JPEG, optimised tables": lambda: jpeg(optimize=True),
        "JPEG, restart markers": lambda: jpeg(restart_marker_blocks=4),
        "JPEG, grey": lambda: saved(image().convert("L"), "JPEG", quality=90),
        "JPEG, CMYK": lambda: saved(image().convert("CMYK"), "JPEG", quality=90),
        "JPEG, YCCK": pictures.ycck,
        "JPEG, RGB": lambda: jpeg(keep_rgb=True),
        "JPEG, without JFIF": lambda: jpeg()[:2] + jpeg()[20:],
        "JPEG, JFIF revision 0": lambda: jpeg().replace(b"JFIF\0\1\1", b"JFIF\0\0\0", 1),
        "JPEG, colour profile": lambda: jpeg(icc_profile=b"profile" * 90),
        "JPEG, arithmetic": partial(pictures.rare, "arithmetic"),
        "JPEG, arithmetic progressive": partial(pictures.rare, "arithmetic progressive"),
        "JPEG, lossless": partial(pictures.rare, "lossless"),
        "JPEG, lossless, 16 bits": partial(pictures.rare, "lossless, 16 bits"),
        "JPEG, 12 bits": partial(pictures.rare, "12 bits"),
        "JPEG, bytes before its end": lambda: jpeg()[:-2] + bytes(range(1, 251)) * 4 + end,
        "JPEG, bytes behind its end": lambda: jpeg() + b"camera=7;" * 40,
        "JPEG, damaged in the middle": lambda: pictures.damaged(jpeg()),
        "JPEG, without its end": lambda: jpeg()[:-2],
        "JPEG, cut short": lambda: jpeg()[:-400],
        "JPEG, zeros in the place of its end": lambda: jpeg()[:-400] + b"\0" * 400,
        **{f"JPEG, Exif orientation {turn}": partial(_turned, turn) for turn in range(1, 9)},
        "JPEG, two pictures (MPO)": lambda: saved(image(), "MPO", save_all=True, append_images=[image(1)]),
    }


def _turned(orientation: int) -> bytes:
    return jpeg(exif=exif(orientation))


def _pngs() -> dict[str, Callable[[], bytes]]:
    rows = np.linspace(0, 255, 128).astype(np.uint8)
    alpha = np.broadcast_to(rows[np.newaxis, :, np.newaxis], (96, 128, 1))
    wide = grey().astype(np.uint16) * 257
    deep = picture().astype(np.uint16) * 257
    levels = np.arange(0, 256, 4, dtype=np.uint8).tobytes()
    return {
        "PNG": lambda: saved(image(), "PNG"),
        "PNG, alpha": lambda: png(np.concatenate([picture(), alpha], axis=2), 8, 6),
        "PNG, grey": lambda: png(grey(), 8, 0),
        "PNG, grey and alpha": lambda: png(np.concatenate([grey(), alpha], axis=2), 8, 4),
        "PNG, 1 bit": lambda: png(grey() >> 7, 1, 0),
        "PNG, 2 bits": lambda: png(grey() >> 6, 2, 0),
        "PNG, 4 bits": lambda: png(grey() >> 4, 4, 0),
        "PNG, 16 bits of grey": lambda: png(wide, 16, 0),
        "PNG, 12 of 16 bits of grey": lambda: png(wide >> 4, 16, 0),
        "PNG, 16 bits of grey and alpha": lambda: png(
            np.concatenate([wide, alpha.astype(np.uint16) * 257], axis=2), 16, 4
        ),
        "PNG, 48 bits": lambda: png(deep, 16, 2),
        "PNG, 64 bits": lambda: png(np.concatenate([deep, alpha.astype(np.uint16) * 257], axis=2), 16, 6),
        "PNG, palette of 1 bit": lambda: png_palette(1),
        "PNG, palette of 2 bits": lambda: png_palette(2),
        "PNG, palette of 4 bits": lambda: png_palette(4),
        "PNG, palette of 8 bits": lambda: png_palette(8),
        "PNG, palette with one transparent": lambda: png_palette(6 + 2, chunk(b"tRNS", b"\xff\xff\xff\0")),
        "PNG, palette with alpha": lambda: png_palette(8, chunk(b"tRNS", levels)),
        "PNG, one transparent grey": lambda: png(grey(), 8, 0, chunk(b"tRNS", struct.pack(">H", 90))),
        "PNG, one transparent colour": lambda: png(
            picture(), 8, 2, chunk(b"tRNS", struct.pack(">HHH", 240, 220, 60))
        ),
        "PNG, interlaced": lambda: png(picture(), 8, 2, interlaced=True),
        "PNG, gamma": lambda: png(picture(), 8, 2, chunk(b"gAMA", struct.pack(">I", 22727))),
        "PNG, animated": lambda: saved(image(), "PNG", save_all=True, append_images=[image(1)]),
        "PNG, a chunk's checksum wrong": lambda: png(
            picture(), 8, 2, b"\0\0\0\4gAMA" + struct.pack(">I", 45455) + b"\0\0\0\0"
        ),
        "PNG, bytes behind its end": lambda: saved(image(), "PNG") + b"camera=7;" * 40,
        "PNG, without its end": lambda: saved(image(), "PNG")[:-12],
        "PNG, damaged in the middle": lambda: pictures.damaged(saved(image(), "PNG")),
        "PNG, cut short": lambda: saved(image(), "PNG")[:-600],
    }


def _bmps() -> dict[str, Callable[[], bytes]]:
    return {
        "BMP": lambda: bmp(24),
        "BMP, 1 bit": lambda: bmp(1),
        "BMP, 4 bits": lambda: bmp(4),
        "BMP, 8 bits": lambda: bmp(8),
        "BMP, 8 bits of grey": lambda: saved(image().convert("L"), "BMP"),
        "BMP, 16 bits": lambda: bmp(16),
        "BMP, 16 bits by masks": lambda: bmp(16, compression=3, masks=(0xF800, 0x7E0, 0x1F)),
        "BMP, 32 bits": lambda: bmp(32),
        "BMP, 32 bits, alpha 0": lambda: bmp(32, alpha=0),
        "BMP, 32 bits by masks": lambda: bmp(32, compression=3, masks=(0xFF0000, 0xFF00, 0xFF)),
        "BMP, run lengths of 8 bits": lambda: bmp(8, compression=1),
        "BMP, run lengths of 4 bits": lambda: bmp(4, compression=2),
        "BMP, top down": lambda: bmp(24, top_down=True),
        "BMP, V5 header": lambda: bmp(24, header=124),
        "BMP, OS/2 header": lambda: bmp(24, header=12),
        "BMP, bytes behind": lambda: bmp(24, behind=b"camera=7;" * 40),
        "BMP, V4 header": lambda: bmp(24, header=108),
        "BMP, 32 bits, V5 header": lambda: bmp(32, header=124),
        "BMP, one byte behind": lambda: bmp(24, behind=b"!"),
        "BMP, 8 bits, few colours": lambda: saved(image().quantize(20), "BMP"),
        "BMP, cut short": lambda: bmp(24)[:-900],
    }


def _gifs() -> dict[str, Callable[[], bytes]]:
    moved = image()
    moved.paste((255, 0, 0), (40, 30, 80, 60))
    return {
        "GIF": lambda: gif(image()),
        "GIF, animated": _animation,
        "GIF, partial later frames": lambda: gif(image(), moved, image(), optimize=True, disposal=1),
        "GIF, partial first frame": pictures.gif_with_partial_first_frame,
        "GIF, transparent": lambda: gif(image(), transparency=2),
        "GIF, interlaced": lambda: gif(image(), interlace=1),
        "GIF, bytes behind its end": lambda: gif(image()) + b"camera=7;" * 40,
        "GIF, without its end": lambda: gif(image())[:-1],
        "GIF, animated, cut short": lambda: _animation()[:-2500],
        "GIF, animated, cut short by some bytes": lambda: _animation()[:-3],
        "GIF, animated, cut short behind its first frame": lambda: _animation()[: len(gif(image()))],
        "GIF, animated, a later frame damaged": lambda: pictures.damaged(_animation()),
        "GIF, cut short": lambda: gif(image())[:-2500],
    }


def _animation() -> bytes:
    return gif(image(), image(1), image(2))


def _others() -> dict[str, Callable[[], bytes]]:
    return {
        "WebP": lambda: saved(image(), "WEBP"),
        "AVIF": lambda: saved(image(), "AVIF"),
        "HEIC": lambda: struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(4000),
        "TIFF": lambda: saved(image(), "TIFF"),
        "JPEG 2000": lambda: saved(image(), "JPEG2000"),
        "icon": lambda: saved(image(), "ICO"),
        "HTML": lambda: b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "SVG": lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>',
        "PDF": lambda: b"%PDF-1.7\n" + bytes(400),
        "pointer of Git LFS": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "empty file": lambda: b"",
        "JPEG, 1x1": lambda: saved(Image.new("RGB", (1, 1), (200, 90, 30)), "JPEG"),
        "PNG, 1x1": lambda: saved(Image.new("RGB", (1, 1), (200, 90, 30)), "PNG"),
        "JPEG, 12x6000": lambda: saved(image().resize((12, 6000)), "JPEG"),
        "PNG, 6000x12": lambda: saved(image().resize((6000, 12)), "PNG"),
        "JPEG, 92 million pixels": lambda: saved(image().convert("L").resize((11_500, 8_000)), "JPEG"),
    }


#: What draws a file of each kind, by its name.
SAMPLES: Mapping[str, Callable[[], bytes]] = MappingProxyType(
    {**_jpegs(), **_pngs(), **_bmps(), **_gifs(), **_others()}
)
