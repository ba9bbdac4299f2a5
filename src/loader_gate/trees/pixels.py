"""The most pixels that Pillow decodes: its guard against files that are small and fill the memory."""

from __future__ import annotations

import os

#: Tells workers how many an image may have; not set where Pillow's own limit holds.
VARIABLE = "LOADER_GATE_MOST_PIXELS"


def allow_pixels(most: int | None) -> None:
    """Let this process, and those that it starts from now on, decode images of so many pixels.

    Args:
        most: How many; nothing is done if None.
    """
    if most is not None:
        os.environ[VARIABLE] = str(most)
        allow_pixels_as_told()


def allow_pixels_as_told() -> None:
    """Let this process decode images of as many pixels as the one that has started it, if that was told."""
    most = os.environ.get(VARIABLE)
    if most is not None:
        from PIL import Image

        Image.MAX_IMAGE_PIXELS = int(most)
