"""Looks at one file: whether it is an image that can be used, and of what kind. It knows no other file."""

from __future__ import annotations

import io
import os
import warnings
from typing import TYPE_CHECKING

from loader_gate.trees.digests import content_digest
from loader_gate.trees.kinds import odd_kind, sniffed, what_it_is, why_no_library

if TYPE_CHECKING:
    from PIL.Image import Image

#: What Keras and TensorFlow decode, as Pillow calls it; a TIFF or WebP under another suffix is none of them.
FORMATS = ("BMP", "GIF", "JPEG", "PNG")


def look(item: tuple[str, int | None]) -> tuple[str | None, str, str | None]:
    """Read and decode one file; a worker process calls it.

    Args:
        item: Its path, and the most pixels that it may have; as many as Pillow decodes without a warning if
            None.

    Returns:
        Of a good file its content digest, its kind (a key of `loader_gate.trees.kinds.ODD`, or nothing) and
        None; otherwise None, nothing and what is wrong with it.
    """
    path, most_pixels = item
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path an image is slow
            data = file.read()
    except OSError as error:
        return None, "", f"cannot be read: {error.strerror}"
    if not data:
        return None, "", "is empty (0 bytes)"
    kind, reason = _decoded(data, os.path.splitext(path)[1], most_pixels)  # noqa: PTH122
    return (content_digest(data), kind, None) if reason is None else (None, "", reason)


def _decoded(data: bytes, suffix: str, most_pixels: int | None) -> tuple[str, str | None]:
    """Return the kind of a file, and what is wrong with it."""
    from PIL import Image, UnidentifiedImageError

    if most_pixels is not None:
        Image.MAX_IMAGE_PIXELS = most_pixels
    with warnings.catch_warnings():
        # Odd metadata is only worth a warning to Pillow, and nothing to a loader.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                image.load()
                # All take the first frame of a GIF, whatever has become of those behind it.
                return odd_kind(data, _transparent(image) if image.format == "GIF" else 0.0), None
        except UnidentifiedImageError:
            return "", _unidentified(data, suffix)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            return "", f"has too many pixels: {error} (--most-pixels raises that)"
        except Exception as error:
            return "", f"cannot be decoded: {error or type(error).__name__}"


def _transparent(image: Image) -> float:
    """Return the share of a GIF's first frame that is transparent."""
    number = image.info.get("transparency")
    if not isinstance(number, int) or image.mode not in ("P", "L"):
        return 0.0
    return image.histogram()[number] / (image.width * image.height)


def _unidentified(data: bytes, suffix: str) -> str:
    found = what_it_is(data)
    if found is not None:
        name, remedy = found
        named = f", named {suffix}" if suffix else ""
        return f"is {name}{named}: {remedy}"
    name = sniffed(data) or ""
    if not name:
        return "is not a BMP, GIF, JPEG or PNG image"
    exotic = why_no_library(data)
    return (
        f"is {exotic}, which no loader reads" if exotic else f"is {name}, but damaged: Pillow cannot open it"
    )
