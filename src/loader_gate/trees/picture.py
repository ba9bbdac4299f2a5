"""Draws abstract photographs: textured things with soft edges, lit from one side, with sensor noise.

A flat-noise image decodes slower than a photograph of the same size and a plain gradient faster, so
speedups measured on either would not carry over to real images. These pictures have what a photograph has and
a decoder notices: a 1/f spectrum, edges between things at every scale, colour channels that move together,
smooth skies beside busy ground, and a little noise.

The arithmetic on pixels keeps to ``+ - * /``, square root and comparisons, which round the same on every
processor; whatever rounds differently (FFT, logarithms) is done in float64 first. That keeps the bytes equal
across machines with the same NumPy and Pillow.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

#: The sizes of files follow a log-normal distribution, cut at these quantiles.
_LOW, _HIGH = 0.01, 0.99

#: How far size, shape and colour mode go on from one picture to the next: far from every simple fraction.
_STEPS = ((math.sqrt(5) - 1) / 2, math.sqrt(2) - 1, math.sqrt(3) - 1)


@dataclass(frozen=True)
class Style:
    """What the pictures of one set have in common.

    Attributes:
        mean_bytes: Mean size of the JPEG files.
        spread: Standard deviation of the logarithm of their sizes.
        shapes: Widths and heights in pixels, each as likely as any other, small ones first.
        qualities: Lowest, usual and highest JPEG quality.
        full_colour: Share of images whose colours are not subsampled (4:4:4; the others are 4:2:0).
        busy: Contrast of the texture of a picture of mean bytes a pixel.
        noise: Standard deviation of the sensor noise, in grey levels of 255.
    """

    mean_bytes: int
    spread: float
    shapes: tuple[tuple[int, int], ...]
    qualities: tuple[int, int, int]
    full_colour: float
    busy: float
    noise: float


#: COCO's pictures come from Flickr, which encoded most of them at quality 96 without subsampling. Kaggle's
#: come from Petfinder, in many sizes, with the usual quality and subsampling of the web.
STYLES = {
    "coco": Style(
        mean_bytes=153_000,
        spread=0.38,
        shapes=((640, 480),) * 5 + ((480, 640),) * 2,
        qualities=(85, 95, 98),
        full_colour=0.75,
        busy=0.125,
        noise=1.0,
    ),
    "pets": Style(
        mean_bytes=22_000,
        spread=0.45,
        shapes=(
            (200, 180),
            (180, 240),
            (269, 225),
            (320, 240),
            (300, 360),
            (350, 300),
            (320, 400),
            (400, 320),
            (450, 340),
            (375, 450),
            (499, 333),
            (375, 499),
            (499, 375),
            (499, 375),
            (499, 400),
            (499, 466),
        ),
        qualities=(50, 78, 94),
        full_colour=0.0,
        busy=0.055,
        noise=1.0,
    ),
}


class Plan(NamedTuple):
    """What is settled about a picture before it is drawn: its shape in pixels, its bytes, its colour mode."""

    width: int
    height: int
    target_bytes: float
    full_colour: bool


def plan(style: Style, seed: int, index: int) -> Plan:
    """Settle shape and bytes of picture ``index`` of a set.

    They come from additive sequences with irrational steps and not from independent draws, so that any few
    hundred pictures have the mean size of the whole set, and so do every tenth or eightieth: a class.
    """
    shifts = np.random.default_rng([seed, 1]).random(3)
    size, shape, colour = (
        (index * step + shift) % 1.0 for step, shift in zip(_STEPS, shifts.tolist(), strict=True)
    )
    # Larger pictures make larger files, though not strictly so. With one pixel count it is plain chance.
    areas = {width * height for width, height in style.shapes}
    place = 0.5 * size + 0.5 * shape if len(areas) > 1 else shape
    width, height = style.shapes[min(int(place * len(style.shapes)), len(style.shapes) - 1)]
    return Plan(
        width, height, style.mean_bytes * _relative_size(style.spread, size), colour < style.full_colour
    )


def draw(style: Style, seed: int, index: int) -> NDArray[np.uint8]:
    """Draw one picture.

    Args:
        style: The set it belongs to.
        seed: Seed of the set.
        index: Which picture of the set.

    Returns:
        Pixels of shape ``(height, width, 3)``, RGB.
    """
    rng = np.random.default_rng([seed, 2, index])
    wanted = plan(style, seed, index)
    height, width = wanted.height, wanted.width
    density = wanted.target_bytes / (width * height) / _mean_density(style)
    busy = style.busy * min(density, 2.5) ** 1.4
    texture = _tile(_spectral(rng, height, width, slope=1.15))
    smooth = _tile(_spectral(rng, height, width, slope=1.9))
    image = _background(rng, height, width)
    image += _tinted(rng, texture[:height, :width], 0.5 * busy)
    for radius in _radii(rng, height, width):
        _add_thing(rng, image, texture, smooth, radius, busy)
    # Slow changes across everything, as light makes them: the channels stay correlated.
    image += _tinted(rng, smooth[:height, :width], 0.06)
    np.clip(image, np.float32(0.0), np.float32(1.0), out=image)
    # A film-like curve: shadows and highlights run out gently.
    image *= np.float32(0.4) + image * (np.float32(1.8) - np.float32(1.2) * image)
    # Bright pixels are noisier (photons are counted), and the channels share most of the noise.
    strength = np.float32(style.noise * float(rng.uniform(0.4, 1.6)))
    noise = np.float32(0.6) * rng.standard_normal((3, height, width), dtype=np.float32)
    noise += np.float32(0.8) * rng.standard_normal((height, width), dtype=np.float32)
    noise *= strength * (np.float32(0.5) + np.sqrt(image))
    image *= np.float32(235.0)
    image += noise
    image += np.float32(10.5)
    levels = np.clip(image, np.float32(0.0), np.float32(255.0), out=image).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def encode(style: Style, seed: int, index: int, pixels: NDArray[np.uint8]) -> bytes:
    """Encode a picture as the JPEG whose size is nearest to the planned one.

    Args:
        style: The set it belongs to.
        seed: Seed of the set.
        index: Which picture of the set.
        pixels: What ``draw`` returned for the same three.
    """
    wanted = plan(style, seed, index)
    low, quality, high = style.qualities
    image = Image.fromarray(pixels)
    tried: dict[int, bytes] = {}
    for _ in range(4):
        stream = io.BytesIO()
        image.save(
            stream, "JPEG", quality=quality, subsampling=0 if wanted.full_colour else 2, optimize=False
        )
        tried[quality] = stream.getvalue()
        # Bytes grow about as the quantisation step to the power of -0.65; the step is linear in the quality.
        excess = len(tried[quality]) / wanted.target_bytes
        step = 200.0 - 2.0 * quality
        quality = min(max(round(100.0 - step * excess ** (1 / 0.65) / 2.0), low), high)
        if quality in tried:
            break
    return min(tried.values(), key=lambda data: abs(math.log(len(data) / wanted.target_bytes)))


def write(task: Any) -> str:
    """Draw, encode and write one picture; a worker process calls it.

    Args:
        task: Style name, seed, index and the file to write.

    Returns:
        The content digest of the file.
    """
    from loader_gate.trees.digests import content_digest

    name, seed, index, path = task
    style = STYLES[name]
    data = encode(style, seed, index, draw(style, seed, index))
    Path(path).write_bytes(data)
    return content_digest(data)


@lru_cache
def _mean_density(style: Style) -> float:
    """Return the bytes a pixel of a mean file in a mean shape."""
    return style.mean_bytes / (sum(width * height for width, height in style.shapes) / len(style.shapes))


def _relative_size(spread: float, place: float) -> float:
    """Return the quantile ``place`` of file sizes, relative to their mean."""
    return _quantile(spread, place) / _mean_quantile(spread)


def _quantile(spread: float, place: float) -> float:
    return math.exp(spread * NormalDist().inv_cdf(_LOW + (_HIGH - _LOW) * place))


@lru_cache
def _mean_quantile(spread: float) -> float:
    return sum(_quantile(spread, (step + 0.5) / 1024) for step in range(1024)) / 1024


def _spectral(rng: np.random.Generator, height: int, width: int, slope: float) -> Floats:
    """Return noise whose amplitude falls with frequency to the power of ``slope``; mean 0, deviation 1."""
    rows = np.fft.fftfreq(height)[:, None] * height
    columns = np.fft.rfftfreq(width)[None, :] * width
    frequency = np.sqrt(rows * rows + columns * columns)
    frequency[0, 0] = 1.0
    amplitude = frequency**-slope
    amplitude[0, 0] = 0.0
    spectrum = rng.standard_normal(amplitude.shape) + 1j * rng.standard_normal(amplitude.shape)
    field = np.fft.irfft2(spectrum * amplitude, s=(height, width))
    scaled: Floats = (field / field.std()).astype(np.float32)
    return scaled


def _tile(field: Floats) -> Floats:
    """Repeat a periodic field, so that any window of its size can be cut out as a view."""
    return np.tile(field, (2, 2))


def _colour(rng: np.random.Generator) -> Floats:
    """Draw a colour: mostly grey, as the colours of things are, seldom a strong one; shape ``(3, 1, 1)``."""
    grey = rng.uniform(0.08, 0.92)
    tint = rng.standard_normal(3) * rng.choice([0.03, 0.07, 0.15], p=[0.5, 0.35, 0.15])
    colour: Floats = (grey + tint - tint.mean()).astype(np.float32)[:, None, None]
    return colour


def _tinted(rng: np.random.Generator, field: Floats, contrast: float) -> Floats:
    """Give a grey field a slight tint, so that its three channels are alike but not equal."""
    tint = np.float32(contrast) * (1.0 + 0.12 * rng.standard_normal(3)).astype(np.float32)
    scaled: Floats = tint[:, None, None] * field
    return scaled


def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    """Return the row and the column number of every pixel, to be broadcast."""
    return (
        np.arange(height, dtype=np.float32)[:, None],
        np.arange(width, dtype=np.float32)[None, :],
    )


def _background(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Return a sky-like gradient between two colours, in some direction."""
    rows, columns = _grid(height, width)
    lean = np.float32(rng.uniform(-0.4, 0.4))
    ramp = rows / np.float32(height) + lean * (columns / np.float32(width))
    top, bottom = _colour(rng), _colour(rng)
    gradient: Floats = top + ramp * (bottom - top)
    return gradient


def _radii(rng: np.random.Generator, height: int, width: int) -> list[float]:
    """Draw sizes of things by the power law that natural scenes follow, large ones mostly behind."""
    smallest, largest = 6.0, 0.45 * min(height, width)
    small, large = int(rng.integers(8, 70)), int(rng.integers(5, 11))
    place = rng.random(small)
    radii = np.concatenate(
        [
            smallest / np.sqrt(1.0 - place * (1.0 - (smallest / largest) ** 2)),
            # A few large things in every picture, or else some would be nothing but specks on a gradient.
            rng.uniform(0.35, 1.0, large) * largest,
        ]
    )
    order = np.argsort(-radii * rng.uniform(0.3, 1.0, small + large))
    ordered: list[float] = radii[order].tolist()
    return ordered


def _add_thing(
    rng: np.random.Generator, image: Floats, texture: Floats, smooth: Floats, radius: float, contrast: float
) -> None:
    """Lay one thing over the picture: an ellipse, block or polygon with a soft edge and its own texture."""
    height, width = image.shape[1:]
    centre_y, centre_x = float(rng.uniform(0, height)), float(rng.uniform(0, width))
    reach = radius * 1.3 + 2.0
    top, bottom = max(int(centre_y - reach), 0), min(int(centre_y + reach) + 1, height)
    left, right = max(int(centre_x - reach), 0), min(int(centre_x + reach) + 1, width)
    rows, columns = _grid(bottom - top, right - left)
    rows += np.float32(top - centre_y)
    columns += np.float32(left - centre_x)
    shift_y, shift_x = int(rng.integers(height)), int(rng.integers(width))
    window = (slice(shift_y, shift_y + bottom - top), slice(shift_x, shift_x + right - left))
    distance = _distance(rng, rows, columns, radius)
    distance += smooth[window] * np.float32(rng.uniform(0.0, 0.12) * radius)
    # What is out of focus has a softer edge.
    softness = np.float32(rng.choice([0.8, 1.5, 5.0], p=[0.5, 0.35, 0.15]))
    cover = np.clip(np.float32(0.5) - distance / softness, np.float32(0.0), np.float32(1.0))
    light = rng.standard_normal(2) * 0.16 / radius
    relief = texture[window] * np.float32(contrast * float(rng.choice([0.1, 0.5, 1.0, 1.6])))
    relief += rows * np.float32(light[0]) + columns * np.float32(light[1])
    colour = _colour(rng)
    if radius < 0.1 * min(height, width):
        # Details mostly resemble what they are part of; without this they look like confetti.
        behind = image[:, int(centre_y), int(centre_x)][:, None, None]
        colour = behind + np.float32(0.4) * (colour - behind)
    patch = image[:, top:bottom, left:right]
    surface = _tinted(rng, relief, 1.0)
    surface += colour
    surface -= patch
    surface *= cover
    patch += surface


def _distance(rng: np.random.Generator, rows: Floats, columns: Floats, radius: float) -> Floats:
    """Return how far outside (positive) or inside (negative) a shape each pixel is, in pixels, about."""
    angle = float(rng.uniform(0.0, math.pi))
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    along, across = rows * cos + columns * sin, columns * cos - rows * sin
    stretch = np.float32(rng.uniform(1.0, 2.5))
    size = np.float32(radius)
    kind = int(rng.integers(3))
    distance: Floats
    if kind == 0:
        distance = np.sqrt(along * along + across * across * (stretch * stretch)) - size
        distance /= np.sqrt(stretch)
        return distance
    if kind == 1:
        distance = np.maximum(np.abs(along) - size, np.abs(across) - size / stretch)
        return distance
    distance = along - size
    corners = int(rng.integers(3, 7))
    for corner in range(1, corners):
        turn = 2.0 * math.pi * corner / corners + float(rng.uniform(-0.3, 0.3))
        side = along * np.float32(math.cos(turn)) + across * np.float32(math.sin(turn))
        np.maximum(distance, side - size * np.float32(rng.uniform(0.5, 1.0)), out=distance)
    return distance
