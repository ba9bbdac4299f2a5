"""Loaders that decode fewer pixels than they deliver, or other ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from docs.cheats.cases import cheat, declares, honest, needing
from docs.cheats.photos import Photos, nearest

if TYPE_CHECKING:
    import numpy.typing as npt

    from docs.cheats.photos import Batch, Decode, Ints
    from loader_gate import Spec, Tree


def opened(path: str, width: int, height: int, mode: str = "RGB") -> Any:
    """Decode a JPEG to the scale (1/8, 1/4, 1/2 or 1) that is nearest above a size; return Pillow's image."""
    from PIL import Image

    image = Image.open(path)
    image.draft(mode, (width, height))
    return image.convert(mode)


def scaled(width: int, height: int, via: tuple[int, int] | None = None) -> Decode:
    """Return what decodes at the scale nearest to a size, may shrink that, and blows it up (bilinear)."""
    from PIL import Image

    def decode(path: str, wanted_height: int, wanted_width: int) -> npt.NDArray[np.uint8]:
        image = opened(path, width, height)
        if via is not None:
            image = image.resize(via, Image.Resampling.BOX)
        return np.asarray(image.resize((wanted_width, wanted_height), Image.Resampling.BILINEAR))

    return decode


@cheat
def decoded_to_80x60(tree: Tree, spec: Spec) -> Photos:
    """Decodes to an eighth (80x60 of 640x480) and blows it up."""
    return Photos(tree, spec, decode=scaled(80, 60))


@cheat
@declares(INTERPOLATION="area")
def declared_80x60(tree: Tree, spec: Spec) -> Photos:
    """The same, declared as "area"."""
    return Photos(tree, spec, decode=scaled(80, 60))


@cheat
def decoded_to_64x64(tree: Tree, spec: Spec) -> Photos:
    """Decodes to a quarter, shrinks that to 64x64 and blows it up."""
    return Photos(tree, spec, decode=scaled(125, 93, via=(64, 64)))


@cheat
def decoded_to_112x112(tree: Tree, spec: Spec) -> Photos:
    """Decodes to a quarter, or to 112x112, and blows it up: half of the resolution."""
    return Photos(tree, spec, decode=scaled(125, 93, via=(112, 112)))


@cheat
def half_the_rows(tree: Tree, spec: Spec) -> Photos:
    """Every second row, twice."""

    def decode(path: str, height: int, width: int) -> npt.NDArray[np.uint8]:
        return nearest(path, height // 2, width).repeat(2, axis=0)

    return Photos(tree, spec, decode=decode)


@cheat
def some_at_64x64(tree: Tree, spec: Spec) -> Photos:
    """One image in three, always the same ones, at 64x64."""
    coarse = scaled(125, 93, via=(64, 64))
    chosen = {*tree.paths[::3]}

    def decode(path: str, height: int, width: int) -> npt.NDArray[np.uint8]:
        return (coarse if path in chosen else nearest)(path, height, width)

    return Photos(tree, spec, decode=decode)


@cheat
def noise_for_detail(tree: Tree, spec: Spec) -> Photos:
    """64x64 blown up, with noise on top in the place of the detail that is missing."""
    coarse, random = scaled(125, 93, via=(64, 64)), np.random.default_rng(0)

    def decode(path: str, height: int, width: int) -> npt.NDArray[np.float32]:
        noise = random.normal(0, 4, (height, width, 1)).astype(np.float32)
        return np.clip(coarse(path, height, width) + noise, 0, 255)

    return Photos(tree, spec, decode=decode)


@cheat
def sharpened_112x112(tree: Tree, spec: Spec) -> Photos:
    """112x112 blown up and sharpened, so that there is as much contrast as there should be."""
    from PIL import Image, ImageFilter

    def decode(path: str, height: int, width: int) -> npt.NDArray[np.uint8]:
        image = opened(path, 125, 93).resize((112, 112), Image.Resampling.BOX)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(image.filter(ImageFilter.UnsharpMask(radius=2, percent=120, threshold=0)))

    return Photos(tree, spec, decode=decode)


def _luminance_with(colours: tuple[int, int], path: str, height: int, width: int) -> npt.NDArray[np.uint8]:
    from PIL import Image

    size = (width, height)
    luminance = opened(path, 10_000, 10_000, "L").resize(size, Image.Resampling.NEAREST)
    small = opened(path, 80, 60).convert("YCbCr").resize(colours, Image.Resampling.BOX)
    _, blue, red = small.resize(size, Image.Resampling.BILINEAR).split()
    return np.asarray(Image.merge("YCbCr", (luminance, blue, red)).convert("RGB"))


@cheat
def chroma_of_28x28(tree: Tree, spec: Spec) -> Photos:
    """Luminance is decoded as it should be, colours to 28x28."""
    return Photos(tree, spec, decode=partial(_luminance_with, (28, 28)))


@cheat
def one_colour_for_all(tree: Tree, spec: Spec) -> Photos:
    """Luminance alone, tinted with one mean colour for the whole image."""
    return Photos(tree, spec, decode=partial(_luminance_with, (1, 1)))


@cheat
def bottom_third_mirrored(tree: Tree, spec: Spec) -> Photos:
    """The lower third is not decoded but mirrored from what is above it."""

    def decode(path: str, height: int, width: int) -> npt.NDArray[np.uint8]:
        image, third = nearest(path, height, width), height // 3
        return np.concatenate(
            (image[: height - third], image[height - third - 1 : height - 2 * third - 1 : -1])
        )

    return Photos(tree, spec, decode=decode)


@cheat
def without_a_border(tree: Tree, spec: Spec) -> Photos:
    """Leaves out a border of a twelfth and stretches the rest, as a cheaper crop does."""

    def decode(path: str, height: int, width: int) -> npt.NDArray[np.uint8]:
        rows, columns = height // 12, width // 12
        return nearest(path, height + 2 * rows, width + 2 * columns)[
            rows : rows + height, columns : columns + width
        ]

    return Photos(tree, spec, decode=decode)


def _resized(resampling: str, smallest: tuple[int, int] = (10_000, 10_000)) -> Decode:
    from PIL import Image

    def decode(path: str, height: int, width: int) -> npt.NDArray[np.uint8]:
        image = opened(path, *smallest)
        return np.asarray(image.resize((width, height), Image.Resampling[resampling]))

    return decode


@honest
def dct_scaled(tree: Tree, spec: Spec) -> Photos:
    """Decodes at the smallest scale that is no smaller than the target: half of 640x480, all of 500x375."""
    height, width = spec.image_size
    return Photos(tree, spec, decode=_resized("BILINEAR", (width, height)))


@honest
@declares(INTERPOLATION="area")
def antialiased(tree: Tree, spec: Spec) -> Photos:
    """Antialiased and declared so: blurred beside what `nearest` gives."""
    return Photos(tree, spec, decode=_resized("BOX"))


@honest
def lanczos(tree: Tree, spec: Spec) -> Photos:
    """A sharper filter than any of the reference's."""
    return Photos(tree, spec, decode=_resized("LANCZOS"))


class _Corrected(Photos):
    """Multiplies the colours of a batch by a matrix."""

    def batch(self, files: Ints) -> Batch:
        images, labels = super().batch(files)
        return (images.reshape(-1, 3) @ np.eye(3, dtype=np.float32)).reshape(images.shape), labels


@honest
def colour_matrix(tree: Tree, spec: Spec) -> Photos:
    """Corrects colours by NumPy's product of matrices, whose threads spin for a while after it."""
    return _Corrected(tree, spec)


@honest
def bicubic(tree: Tree, spec: Spec) -> Photos:
    """Antialiased by a cubic filter, as torchvision can."""
    return Photos(tree, spec, decode=_resized("BICUBIC"))


@needing("cv2")
def bilinear_not_antialiased(tree: Tree, spec: Spec) -> Photos:
    """OpenCV's usual resize, which leaves out pixels."""
    import cv2

    def decode(path: str, height: int, width: int) -> npt.NDArray[np.uint8]:
        image = np.asarray(opened(path, 10_000, 10_000))
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[no-any-return]

    return Photos(tree, spec, decode=decode)


@needing("simplejpeg")
def fast_and_rough(tree: Tree, spec: Spec) -> Photos:
    """libjpeg-turbo's fast DCT and plain upsampling of colours, at the scale nearest above the target."""
    import simplejpeg
    from PIL import Image

    def decode(path: str, height: int, width: int) -> npt.NDArray[np.uint8]:
        with open(path, "rb") as file:  # noqa: PTH123 (as fast as it can)
            levels = simplejpeg.decode_jpeg(
                file.read(), fastdct=True, fastupsample=True, min_height=height, min_width=width
            )
        return np.asarray(Image.fromarray(levels).resize((width, height), Image.Resampling.BILINEAR))

    return Photos(tree, spec, decode=decode)
