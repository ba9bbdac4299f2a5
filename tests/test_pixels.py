"""Pixels against a made-up reference: which images are compared, what is found, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loader_gate.same_work import pixels as module
from loader_gate.same_work.pixels import Compared, Pixels, psnr_of
from loader_gate.same_work.recognition import Match
from loader_gate.same_work.reference import INTERPOLATIONS, Bytes, Ints, Reference
from loader_gate.same_work.thresholds import ENOUGH, PSNR_FLOOR
from loader_gate.same_work.words import DifferenceError
from loader_gate.trees.tree import Tree


def texture(seed: int, height: int = 16, width: int = 16) -> Bytes:
    """Return a dark picture of fine texture, in grey and in colours at half the size."""
    random = np.random.default_rng(seed)
    grey = random.integers(0, 18, (height, width, 1))
    colours = random.integers(0, 18, (height // 2, width // 2, 3)).repeat(2, 0).repeat(2, 1)
    drawn: Bytes = (grey + colours).astype(np.uint8)
    return drawn


PICTURES = np.stack([texture(seed) for seed in range(10)])


def made(
    pictures: Bytes = PICTURES,
    names: Sequence[str] = ("area",),
    others: dict[str, Bytes] | None = None,
    rows: Sequence[int] | None = None,
    file_sizes: Any = None,
    files: int | None = None,
    **options: Any,
) -> Pixels:
    """Return what compares with these pictures.

    Args:
        pictures: Of all interpolations.
        names: The interpolations that count.
        others: The pictures of some interpolations, where they are others.
        rows: Where each picture is, -1 if it was not sampled.
        file_sizes: The pictures' heights and widths in their files; as they are if None.
        files: So many files are the first picture; each is another one if None.
        options: Of `Pixels`.
    """
    count, height, width, _ = pictures.shape
    pictures_of: Ints = np.arange(count) if files is None else np.zeros(files, np.int64)
    every = dict.fromkeys(INTERPOLATIONS, pictures) | (others or {})
    sizes = np.full((count, 2), (height, width)) if file_sizes is None else np.array(file_sizes)
    row = np.arange(count) if rows is None else np.array(rows)
    reference = Reference("digest", (height, width), pictures_of, every, every, row, sizes)
    paths = tuple(f"/tree/a/{number}.jpg" for number in range(len(pictures_of)))
    tree = Tree(Path("/tree"), paths, (0,) * len(paths), ("a",), "digest")
    return Pixels(tree, reference, names, **options)


def add(pixels: Pixels, image: Any, file: int = 0, pictures: Sequence[int] | None = None) -> None:
    """Compare an image with the picture of a file, or with several."""
    match = Match(file, True, np.array([file] if pictures is None else pictures))
    pixels.add(np.asarray(image, np.float32), match)


def best(pixels: Pixels) -> Compared:
    """Return what was found, of which there has to be something."""
    found = pixels.best()
    assert found is not None
    return found


def reason(pixels: Pixels) -> str:
    """Return what is wrong."""
    with pytest.raises(DifferenceError) as difference:
        pixels.check()
    return str(difference.value)


def test_psnr() -> None:
    """Of a difference everywhere, or at one pixel; what is hardly there is none."""
    black, image = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.float32)
    assert psnr_of(image, black) == psnr_of(image + 0.0025, black) == 100
    for off in (10, 0.0026):
        assert psnr_of(image + off, black) == pytest.approx(20 * math.log10(255 / off))
    assert psnr_of(image + 10, black + np.uint8(20)) == pytest.approx(20 * math.log10(255 / 10))
    image[1, 2, 0] = -255
    assert psnr_of(image, black) == pytest.approx(10 * math.log10(48))


def test_what_is_found() -> None:
    """PSNR, and the shares of luma's and chroma's detail, of each image in turn."""
    pixels = made()
    assert pixels.best() is None
    pixels.check()
    luma = PICTURES[1] @ np.array([0.299, 0.587, 0.114])[:, np.newaxis]
    for file, image in (
        (0, PICTURES[0]),
        (1, 0.75 * luma + 0.25 * (PICTURES[1] - luma)),
        (2, PICTURES[2] / 2),
    ):
        add(pixels, image, file)
    pixels.check()
    found = best(pixels)
    assert found.interpolation == "area"
    half = 10 * math.log10(255**2 / np.mean((PICTURES[2] / 2) ** 2))
    assert found.psnr[[0, 2]].tolist() == pytest.approx([100, half])
    assert found.detail.tolist() == pytest.approx([1, 0.75, 0.5])
    assert found.chroma.tolist() == pytest.approx([1, 0.25, 0.5])
    assert {found.psnr.dtype, found.detail.dtype, found.chroma.dtype} == {np.dtype(np.float32)}


def test_which_are_compared() -> None:
    """Those of whose pictures all have pixels, of the nearest of them."""
    pixels = made(rows=[1, 0, -1, *range(3, 10)])
    add(pixels, PICTURES[1], 0)
    add(pixels, PICTURES[2], 2)
    add(pixels, PICTURES[2], 0, [0, 2])
    add(pixels, PICTURES[5], 4, [4, 5, 6])
    assert best(pixels).psnr.tolist() == [100, 100]
    pixels.check()


def test_so_many_look_alikes_are_tried() -> None:
    """An image that is none of the first 64 may be one of the others; of 64, it is none."""
    pictures = np.stack([texture(seed) for seed in range(65)])
    pixels = made(pictures)
    add(pixels, pictures[0] + 30, 0, range(65))
    assert pixels.best() is None
    add(pixels, pictures[63], 0, range(65))
    add(pixels, pictures[0] + 30, 0, range(64))
    assert best(pixels).psnr.tolist() == pytest.approx([100, 18.6], abs=0.1)


def test_a_share_of_many_files() -> None:
    """Of all files whose pictures have pixels, about as many are compared as was asked for."""
    few, every = made(PICTURES[:1], files=2000, most=2), made(PICTURES[:1], files=20, most=20)
    for _ in range(100):
        add(few, PICTURES[0])
        add(every, PICTURES[0])
    found = few.best()
    assert found is None or len(found.psnr) < 20
    assert len(best(every).psnr) == 100


def test_enough_that_are_far() -> None:
    """After 64 the rest is not compared."""
    pixels = made()
    for _ in range(ENOUGH + 5):
        add(pixels, PICTURES[0] + 30)
    assert len(best(pixels).psnr) == ENOUGH


def test_far() -> None:
    """How many are, and which is the furthest."""
    pixels = made(names=["bilinear"], others={"nearest": PICTURES[::-1], "area": PICTURES[::-1]})
    for file, far in ((4, 0), (3, 15), (5, 0), (2, 20), (6, 10)):
        add(pixels, PICTURES[file] + far, file)
    assert reason(pixels) == (
        "Pixels of 3 of 5 compared images differ from the reference for 'bilinear', a/2.jpg the most: "
        f"{20 * math.log10(255 / 20):.1f} dB, expected 30 or more."
    )


@pytest.mark.parametrize(
    ("declared", "fitting", "told"),
    [
        ("nearest", ["bilinear"], "bilinear"),
        ("nearest", ["area"], "area"),
        ("bilinear", ["nearest", "area"], "nearest"),
        ("bilinear", ["area"], "area"),
        ("area", ["nearest"], "nearest"),
        ("area", [], None),
    ],
)
def test_another_interpolation(declared: str, fitting: list[str], told: str | None) -> None:
    """It is told if it fits all that are far."""
    loud = 5 * PICTURES
    others = {name: loud if name in fitting else loud[:, ::-1] for name in INTERPOLATIONS}
    if "area" in fitting[1:]:  # and less well
        others["area"] = loud + np.uint8(1)
    pixels = made(loud, [declared], others)
    add(pixels, loud[3] + 2, 3)
    add(pixels, loud[7] + 4, 7)
    worst = min(
        (psnr_of(loud[file].astype(np.float32) + off, loud[file, ::-1]), off)
        for file, off in ((3, 2), (7, 4))
    )
    hint = f": is it {told!r}, at {20 * math.log10(255 / worst[1]):.1f} dB?"
    assert reason(pixels).endswith(hint if told else " or more.")
    add(pixels, 255 - loud[5], 5)
    assert reason(pixels).endswith(" or more.")


def test_the_interpolation_that_fits_best() -> None:
    """By how much it is above its own floor."""
    others = {"nearest": PICTURES, "bilinear": PICTURES + np.uint8(3), "area": PICTURES + np.uint8(6)}
    pixels = made(names=INTERPOLATIONS, others=others)
    for file in range(3):
        add(pixels, PICTURES[file] + 5, file)
    found = best(pixels)  # 2 off is 42.1 dB, of 30 for bilinear; 1 off is 48.1 dB, of 22 for area
    assert (found.interpolation, found.psnr.tolist()) == ("area", pytest.approx([48.13] * 3, abs=0.01))
    assert found.detail.tolist() == pytest.approx([1] * 3)
    pixels = made(names=["nearest", "area"], others={"area": PICTURES // 2})
    add(pixels, PICTURES[0] / 10, 0)
    nearest = psnr_of(PICTURES[0].astype(np.float32) / 10, PICTURES[0] // 2)
    assert best(pixels).psnr.tolist() == pytest.approx([nearest])


def test_an_interpolation_that_has_no_problem() -> None:
    """It goes before one that is nearer, but lacks detail; if all have one, the nearest is told of."""
    smooth = np.full_like(PICTURES, 17)
    for names in (["nearest", "area"], ["area", "nearest"]):
        pixels = made(names=names, others={"nearest": PICTURES, "area": smooth + np.uint8(9)})
        add(pixels, smooth[0])
        assert best(pixels).interpolation == "area"
        pixels.check()
        pixels = made(names=names, others={"nearest": PICTURES, "area": smooth + np.uint8(100)})
        add(pixels, smooth[0])
        assert best(pixels).interpolation == "nearest"
        assert "compared images lack detail of the reference for 'nearest'" in reason(pixels)


def test_no_interpolation_fits_all() -> None:
    """Where each image fits one, none is the furthest and none is told."""
    pixels = made(names=["nearest", "area"], others={"nearest": PICTURES + np.uint8(40)})
    add(pixels, PICTURES[0] + 37, 0)
    add(pixels, PICTURES[1], 1)
    assert reason(pixels) == (
        "Pixels of 1 of 2 compared images differ from the reference for 'area': "
        f"{20 * math.log10(255 / 37):.1f} dB, expected 22 or more."
    )


def test_detail_of_many() -> None:
    """The median of eight decides, of seven the least; who it is is said, and what is flat does not count."""
    flat = np.full_like(PICTURES[:1], 9)
    shares = [0.4, 0.4, -0.05, 0.3, 0.45, 0.4, 0.4, 0.6]
    for number, expected in (
        (7, "1 of 7 compared images lack {}: a/3.jpg the most, it has 0% of the finest, expected {} or more"),
        (
            8,
            "Images lack {}: the median of 8 has 40% of the finest, expected {} or more, "
            "and a/3.jpg the least, 0%",
        ),
    ):
        pixels = made(np.concatenate([flat, PICTURES]))
        add(pixels, flat[0])
        for file, share in enumerate(shares[:number], 1):
            add(pixels, PICTURES[file - 1] * share, file)
        assert reason(pixels) == (
            expected.format("detail of the reference for 'area'", "20%" if number == 7 else "50%")
            + ": are files decoded at a smaller size than asked for and blown up?"
        )


def test_detail_of_colours() -> None:
    """It is told apart from that of luma, with limits of its own."""
    luma = PICTURES @ np.array([0.299, 0.587, 0.114])[:, np.newaxis]
    colour = PICTURES - luma
    for number, share, expected in (
        (
            3,
            0.03,
            "3 of 3 compared images lack {}: a/0.jpg the most, it has 2% of the finest, expected 4% or more",
        ),
        (
            8,
            0.15,
            "Images lack {}: the median of 8 has 15% of the finest, expected 20% or more, "
            "and a/0.jpg the least, 14%",
        ),
    ):
        pixels = made()
        for file in range(number):
            add(pixels, luma[file] + (share if file else share - 0.01) * colour[file], file)
        assert reason(pixels) == (
            expected.format("detail of the colours of the reference for 'area'")
            + ": is colour decoded at a smaller size?"
        )
    pixels = made()
    for file in range(7):
        add(pixels, luma[file] + 0.15 * colour[file], file)
    pixels.check()


def test_limits_may_be_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has just as much as is expected, or is just as near, has enough."""
    for floor in ("DETAIL_FLOOR", "CHROMA_FLOOR"):
        monkeypatch.setattr(module, floor, 0.5)
    pixels = made()
    for file in range(8):  # half of it is exact
        add(pixels, PICTURES[file] / 2, file)
    pixels.check()
    add(pixels, PICTURES[8] / 4, 8)
    assert reason(pixels).startswith("1 of 9 compared images lack detail")
    for name in ("area", "bilinear"):
        monkeypatch.setitem(PSNR_FLOOR, name, 100.0)
    pixels = made(others={"bilinear": PICTURES[::-1]})
    add(pixels, PICTURES[0], 0)
    pixels.check()
    assert best(pixels).detail.tolist() == pytest.approx([1])
    add(pixels, PICTURES[7], 2)
    assert reason(pixels).startswith("Pixels of 1 of 2 compared images differ")
    assert reason(pixels).endswith(": is it 'bilinear', at 100.0 dB?")


def test_files_that_are_smaller() -> None:
    """Detail is looked at in pixels of the smallest file that an image may be."""
    fine = np.stack([texture(seed, 64, 64) for seed in range(2)])
    coarse = fine.reshape(2, 32, 2, 32, 2, 3).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    for sizes, share in (([[64, 64], [64, 64]], 0.2), ([[64, 64], [32, 32]], 1), ([[64, 32], [32, 64]], 1)):
        pixels = made(fine, file_sizes=sizes)
        add(pixels, coarse[0], 0, [0, 1])
        assert best(pixels).detail[0] == pytest.approx(share, abs=0.01)
    pixels = made(fine, file_sizes=[[64, 64], [64, 32]])
    across = fine.reshape(2, 64, 32, 2, 3).mean(3).repeat(2, 2)
    add(pixels, across[1], 1)
    assert best(pixels).detail[0] == pytest.approx(1, abs=0.01)


def test_where_rows_are_looked_at() -> None:
    """In the middle of each 64, if not told otherwise."""
    tall = np.stack([texture(0, 128)])
    torn = tall[0].astype(np.float32)
    torn[24:40] = torn[88:104] = 17
    for place, share in ((None, 0), (0.0, 1), (1.0, 1)):
        pixels = made(tall) if place is None else made(tall, place=place)
        add(pixels, torn)
        assert best(pixels).detail.tolist() == pytest.approx([share], abs=1e-6)
