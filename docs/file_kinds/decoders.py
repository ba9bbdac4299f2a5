"""The libraries of the table: each decodes a file to RGB, as the variants that use it do."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from types import MappingProxyType

import numpy as np
from PIL import Image

from docs.file_kinds.pictures import Pixels
from loader_gate.same_work.reference import pooled, resize_bilinear
from loader_gate.same_work.thresholds import CLOSE, PSNR_FLOOR

#: Height and width at which pixels are compared, as the check of a variant does.
SIZE = (64, 64)


def pillow(data: bytes) -> Pixels:
    """Decode as the reference, the baseline and ``torch_pillow`` do."""
    with Image.open(io.BytesIO(data), formats=("BMP", "GIF", "JPEG", "PNG")) as file:
        return np.asarray(file.convert("RGB"))


def tensorflow(data: bytes) -> Pixels:
    """Decode as ``tfdata_no_cache`` and all that is built on it do."""
    import tensorflow as tf

    pixels: Pixels = tf.io.decode_image(data, channels=3, expand_animations=False).numpy()
    return pixels


def simplejpeg(data: bytes) -> Pixels:
    """Decode as ``native_threads`` does: what simplejpeg refuses goes to Pillow."""
    from loader_gate.variants import native_threads

    with Image.open(io.BytesIO(data)) as file:
        width, height = file.size
    pixels: Pixels = native_threads._decoded(data, height, width).copy()
    return pixels


def torchvision(data: bytes) -> Pixels:
    """Decode as ``torch_torchvision`` does: what torchvision refuses goes to Pillow."""
    import torch
    from torchvision.io import decode_image

    try:
        image = decode_image(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode="RGB")
    except RuntimeError:
        with Image.open(io.BytesIO(data)) as file:
            return np.asarray(file.convert("RGB"))
    pixels: Pixels = (image[0] if image.ndim == 4 else image).permute(1, 2, 0).numpy()
    return pixels


def dali(data: bytes) -> Pixels:
    """Decode as ``dali_cpu`` does."""
    from nvidia.dali import Pipeline, fn, types

    pipeline = Pipeline(1, num_threads=1, device_id=None)
    with pipeline:
        file = fn.external_source(source=[[np.frombuffer(data, np.uint8)]])
        pipeline.set_outputs(
            fn.decoders.image(file, device="cpu", output_type=types.RGB, adjust_orientation=False)
        )
    pipeline.build()
    (images,) = pipeline.run()
    return np.array(images.at(0))


def opencv(data: bytes) -> Pixels:
    """Decode as many users' own loaders do."""
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("it returns nothing")
    return np.ascontiguousarray(pixels[..., ::-1])


#: Each library: what has to be installed, and what decodes by it.
DECODERS: Mapping[str, tuple[str, Callable[[bytes], Pixels]]] = MappingProxyType(
    {
        "Pillow": ("PIL", pillow),
        "TensorFlow": ("tensorflow", tensorflow),
        "simplejpeg": ("simplejpeg", simplejpeg),
        "torchvision": ("torchvision", torchvision),
        "DALI": ("nvidia.dali", dali),
        "OpenCV": ("cv2", opencv),
    }
)


def installed() -> list[str]:
    """Return the libraries that are here."""
    return [
        name
        for name, (module, _) in DECODERS.items()
        if find_spec(module.partition(".")[0]) is not None and find_spec(module) is not None
    ]


def given(data: bytes, library: str) -> Pixels | None:
    """Return the pixels that a library gives for a file; None if it refuses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return DECODERS[library][1](data)
        except Exception:
            return None


def same(found: Pixels, expected: Pixels) -> bool:
    """Return whether two decodes of a file are one picture, by the limits that a variant is held to."""
    if found.shape != expected.shape:
        return False
    one, other = (resize_bilinear(each, SIZE).astype(np.float32) for each in (found, expected))
    distance = float(np.sqrt(((pooled(one[np.newaxis]) - pooled(other[np.newaxis])) ** 2).mean()))
    noise = max(1e-6, float(((one - other) ** 2).mean()))
    return distance <= CLOSE and 10 * np.log10(255**2 / noise) >= PSNR_FLOOR["bilinear"]
