"""The check of detail: what is decoded at a smaller size than asked for is told from any honest resize."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from docs.study.__main__ import main
from loader_gate.same_work.check import SameWork
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.detail import detail, differences, steps
from loader_gate.same_work.reference import Bytes, Floats, resize_bilinear
from tests.test_same_work import SIZE, Case, picture

BYTES = DeclaredOutput("area", "uint8", (0, 255))
R = Image.Resampling


@pytest.fixture(scope="module")
def textured(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Return twelve pictures of fine texture, in colour, of several sizes."""
    random = np.random.default_rng(5)
    files: dict[str, np.ndarray | str] = {}
    for number in range(12):
        height, width = ((120, 160), (200, 150), (300, 400))[number % 3]
        colours = random.normal(0, 14, (height // 2, width // 2, 3)).repeat(2, 0).repeat(2, 1)
        coloured = picture(number, 16, height, width) + colours
        files[f"a/{number:02}.png"] = coloured.clip(0, 255).astype(np.uint8)
    return Case(tmp_path_factory.mktemp("textured"), files)


def check(case: Case, change: Callable[[Image.Image], Any], declared: DeclaredOutput = BYTES) -> SameWork:
    """Check what loads every file like this."""
    images = []
    for path in case.tree.paths:
        with Image.open(path) as file:
            images.append(np.asarray(change(file.convert("RGB"))))
    return case.check(case.batches(np.stack(images)), declared)


def dumped(image: Image.Image, quality: int) -> Image.Image:
    """Return what a JPEG keeps of an image."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def blown_up(image: Image.Image, size: tuple[int, int], how: R = R.BILINEAR) -> Image.Image:
    """Return an image that was decoded at a smaller size."""
    return image.resize(size, R.BOX).resize(SIZE, how)


@pytest.mark.parametrize("how", [R.BOX, R.BILINEAR, R.HAMMING, R.BICUBIC, R.LANCZOS])
def test_honest_resizes(textured: Case, how: R) -> None:
    """Every antialiased filter has enough of it."""
    result = check(textured, lambda image: image.resize(SIZE, how))
    assert result.reason is None
    assert result.detail is not None
    assert min(result.detail) > 0.4


def test_honest_dumps(textured: Case) -> None:
    """A JPEG at the size asked for has, though its colours are at half of it."""
    assert check(textured, lambda image: dumped(image.resize(SIZE, R.HAMMING), 90)).reason is None


@pytest.mark.parametrize("size", [(32, 32), (20, 24), (8, 8)])
@pytest.mark.parametrize("how", [R.NEAREST, R.BILINEAR, R.LANCZOS])
def test_blown_up(textured: Case, size: tuple[int, int], how: R) -> None:
    """Half the size and less is told, whatever blows it up."""
    reason = check(textured, lambda image: blown_up(image, size, how)).reason
    assert reason is not None
    assert any(
        told in reason
        for told in ("decoded at a smaller size", "differ from the reference", "look like no file")
    )


def test_half_the_size_is_told_by_its_detail(textured: Case) -> None:
    """Its PSNR is no worse than that of some honest ones."""
    reason = check(textured, lambda image: blown_up(image, (32, 32))).reason
    assert reason is not None
    assert reason.startswith("Images lack detail of the reference for 'area': the median of 12 has ")
    assert reason.endswith("%: are files decoded at a smaller size than asked for and blown up?")


def test_sharpening_and_noise_do_not_help(textured: Case) -> None:
    """They cannot make up what is not there."""
    sharp = ImageFilter.UnsharpMask(1, 200, 0)
    assert (
        check(textured, lambda image: blown_up(image, (32, 32), R.LANCZOS).filter(sharp)).reason is not None
    )
    random = np.random.default_rng(0)

    def noisy(image: Image.Image) -> Bytes:
        noise = random.normal(0, 8, (*SIZE, 1))
        changed: Bytes = (np.asarray(blown_up(image, (32, 32))) + noise).clip(0, 255).astype(np.uint8)
        return changed

    assert "lack detail" in (check(textured, noisy).reason or "")


def test_one_image_of_many(textured: Case) -> None:
    """The lowest counts as well."""
    turn = iter(range(12))
    result = check(
        textured,
        lambda image: blown_up(image, (16, 16)) if next(turn) == 7 else image.resize(SIZE, R.HAMMING),
    )
    assert result.reason is not None
    assert "a/07.png the most" in result.reason


def test_colour(textured: Case) -> None:
    """Colour at half the size is what JPEG files keep; less is told."""

    def coarse(image: Image.Image, size: tuple[int, int]) -> Image.Image:
        fine = image.resize(SIZE, R.BILINEAR).convert("YCbCr").split()
        colour = image.convert("YCbCr").resize(size, R.BOX).resize(SIZE, R.BILINEAR).split()
        return Image.merge("YCbCr", (fine[0], *colour[1:])).convert("RGB")

    assert check(textured, lambda image: coarse(image, (32, 32))).reason is None
    reason = check(textured, lambda image: coarse(image, (16, 16))).reason
    assert reason is not None
    assert "of the colours" in reason
    assert reason.endswith("is colour decoded at a smaller size?")


@pytest.mark.parametrize("how", [R.NEAREST, R.BILINEAR, R.LANCZOS])
@pytest.mark.parametrize("size", [14, 28, 48])
def test_small_files(tmp_path: Path, how: R, size: int) -> None:
    """What is smaller than asked for has no detail to lose, whatever enlarges it."""
    files: dict[str, np.ndarray | str] = {
        f"a/{number:02}.png": np.asarray(Image.fromarray(picture(number, 60)).resize((size, size), R.BOX))
        for number in range(12)
    }
    case = Case(tmp_path, files)
    declared = DeclaredOutput(None, "uint8", (0, 255))
    assert check(case, lambda image: image.resize(SIZE, how), declared).reason is None
    less = check(case, lambda image: image.resize((size // 3,) * 2, R.BOX).resize(SIZE, how), declared)
    assert less.reason is not None


def test_flat_pictures_have_none(tmp_path: Path) -> None:
    """There is nothing to tell, and nothing to say."""
    case = Case(
        tmp_path, {f"a/{shade}.png": np.full((90, 90, 3), shade, np.uint8) for shade in (40, 90, 200)}
    )
    result = case.check(case.batches())
    assert (result.reason, result.detail, result.chroma) == (None, None, None)


def test_equal_and_unlike() -> None:
    """An image has all of its own detail, and none of another's."""
    one, other = (differences(picture(seed, 30), (1, 1)).luma for seed in (1, 2))
    assert detail(one, one) == pytest.approx(1)
    assert detail(one, other) == pytest.approx(0, abs=0.05)


def parts_of(values: Any) -> tuple[Floats, Floats]:
    """Return differences down and across that are both these."""
    return (np.array(values, np.float32),) * 2


def test_the_share_of_detail() -> None:
    """At most 1, whether an image has too little or too much; none of a reference with too little to tell."""
    wanted = parts_of([14, 6, 2, 2])  # of a mean square of 60
    assert [detail(parts_of(np.multiply(wanted[0], by)), wanted) for by in (0.5, 1, 2, -2)] == [
        *(0.5, 1, 0.5),
        -0.5,
    ]
    assert np.isnan(detail(wanted, parts_of([14, 6, 2, 1])))
    assert np.isnan(detail(parts_of([]), parts_of([])))


def mean_of_blocks(planes: np.ndarray, down: int, across: int) -> np.ndarray:
    """Return the mean of each whole block of the last two axes."""
    *others, height, width = planes.shape
    rows, columns = height // down, width // across
    some = planes[..., : rows * down, : columns * across]
    means: np.ndarray = some.reshape(*others, rows, down, columns, across).mean(axis=(-3, -1))
    return means


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.parametrize(
    ("height", "step", "place", "strips"),
    [
        (127, (1, 1), 0.3, [(0, 127)]),
        (130, (1, 1), 0.3, [(14, 30), (78, 94)]),
        (192, (1, 1), 1.0, [(48, 64), (112, 128), (176, 192)]),
        (130, (1, 2), 0.0, [(0, 16), (64, 80)]),
        (255, (2, 1), 0.5, [(0, 255)]),
        (256, (2, 1), 0.3, [(28, 60), (156, 188)]),
        (30, (2, 3), 0.5, [(0, 30)]),
    ],
)
def test_what_is_taken_of_an_image(
    height: int, step: tuple[int, int], place: float, strips: list[tuple[int, int]], dtype: type
) -> None:
    """Second differences of luma, and of red and blue less it at half the size, of these rows."""
    image: np.ndarray = np.random.default_rng(0).integers(0, 256, (height, 17, 3)).astype(dtype)
    some = np.stack([image[begin:end] for begin, end in strips]).astype(np.float64)
    luma = mean_of_blocks(some @ [0.299, 0.587, 0.114], *step)
    red, blue = (mean_of_blocks(some[..., channel], *step) for channel in (0, 2))
    chroma = mean_of_blocks(np.stack([red - luma, blue - luma]), 2, 2)
    found = differences(image, step, place)
    for planes, own in ((luma, found.luma), (chroma, found.chroma)):
        for axis, each in zip((-2, -1), own, strict=True):
            assert each.dtype == np.float32
            np.testing.assert_allclose(each, np.diff(planes, 2, axis), atol=1e-3)


def test_which_rows_are_looked_at() -> None:
    """Of a tall image a few; who knows which may keep those and nothing else, so that they are drawn."""
    whole = picture(1, 30, height=256)
    kept = np.full_like(whole, 128)
    for start in range(0, 256, 64):
        kept[start + 24 : start + 40] = whole[start + 24 : start + 40]
    in_the_middle, elsewhere = (
        detail(differences(kept, (1, 1), place).luma, differences(whole, (1, 1), place).luma)
        for place in (0.5, 0.05)
    )
    assert in_the_middle > 0.95
    assert elsewhere < 0.05 or np.isnan(elsewhere)
    told, untold = (differences(whole, (1, 1), *place).luma for place in ((0.5,), ()))
    assert all(map(np.array_equal, told, untold))


def test_steps() -> None:
    """A file of half the size is looked at in pixels of two by two."""
    assert steps((120, 160), (64, 64)) == (1, 1)
    assert steps((60, 32), (64, 64)) == (1, 2)
    assert steps((28, 28), (224, 224)) == (8, 8)
    assert steps((50, 50), (60, 61)) == (1, 2)


def test_bilinear_of_a_half(textured: Case) -> None:
    """Declared or not, no interpolation of the reference fits."""
    for declared in (None, "nearest", "bilinear", "area"):
        form = DeclaredOutput(declared, "uint8", (0, 255))
        half = check(
            textured, lambda image: resize_bilinear(np.asarray(image.resize((32, 32), R.BOX)), SIZE), form
        )
        assert half.reason is not None


def test_the_table(
    textured: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command measures every way, and refuses what is too few."""
    from docs.study import resolution

    # Importing TensorFlow takes long; ``test_same_work.py`` has its ways.
    monkeypatch.setattr(resolution, "find_spec", lambda name: None if name == "tensorflow" else True)
    (tmp_path / "few" / "a").mkdir(parents=True)
    Image.fromarray(picture(1)).save(tmp_path / "few" / "a" / "x.png")
    few = ["resolution", "--image-root", str(tmp_path / "few"), "--folder", str(tmp_path)]
    assert main(few) == 1
    assert "has 1 images, expected at least ten" in capsys.readouterr().err
    every, missing = resolution.ways()
    assert missing == ["tensorflow"]
    honest, *_, coarse = (each for each in every if "OpenCV" not in each.name)
    found = resolution.row(coarse, resolution.measure(coarse, textured.tree, SIZE, textured.reference))
    assert found.endswith("| no |")
    found = resolution.row(honest, resolution.measure(honest, textured.tree, SIZE, textured.reference))
    assert found.startswith("| Pillow, box | area | ")
    assert found.endswith("| yes |")
