"""What a loader declares: it is undone, refused by name where it is wrong, and named where it lacks."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from loader_gate.same_work.declared import DeclaredOutput
from tests.test_same_work import Case, case  # noqa: F401 (a fixture)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Floats = np.ndarray


def photos(**declared: Any) -> DeclaredOutput:
    """Return what a loader function ``photos`` with these attributes declares."""
    return DeclaredOutput.of(SimpleNamespace(__name__="photos", **declared))


def normalised(images: Floats) -> Floats:
    """Normalise as torchvision does."""
    changed: Floats = ((images - np.array(MEAN)) / np.array(STD)).astype(np.float32)
    return changed


def channels_first(images: Floats) -> Floats:
    """Return channels first."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def to_bytes(images: Floats) -> Floats:
    """Return uint8."""
    changed: Floats = np.rint(images * 255).astype(np.uint8)
    return changed


#: What a loader does to images, or to one-hot labels, and what it has to declare.
FORMS: dict[str, tuple[Callable[[Floats], Floats], dict[str, Any]]] = {
    "torchvision's Normalize": (normalised, {"MEAN": MEAN, "STD": STD}),
    "channels first": (channels_first, {"LAYOUT": "NCHW"}),
    "both": (lambda images: channels_first(normalised(images)), {"LAYOUT": "NCHW", "MEAN": MEAN, "STD": STD}),
    "Keras' tf mode": (lambda images: images * 2 - 1, {"VALUE_RANGE": (-1, 1)}),
    "0 to 255": (lambda images: images * 255, {"VALUE_RANGE": (0, 255)}),
    "uint8": (to_bytes, {"DTYPE": "uint8"}),
    "float16": (lambda images: images.astype(np.float16), {"DTYPE": "float16"}),
    "a half of all": (lambda images: images * 2 - 1, {"MEAN": 0.5, "STD": 0.5}),
}


@pytest.mark.parametrize("name", FORMS)
def test_is_undone(case: Case, name: str) -> None:  # noqa: F811
    """What is declared passes as if it were plain."""
    change, declared = FORMS[name]
    result = case.check(case.batches(change(case.images)), photos(INTERPOLATION="bilinear", **declared))
    assert result.reason is None
    assert result.lowest_psnr is not None
    assert result.lowest_psnr > 60


@pytest.mark.parametrize("name", [name for name in FORMS if name != "a half of all"])
def test_undeclared(case: Case, name: str) -> None:  # noqa: F811
    """The reason names the very lines to add."""
    change, declared = FORMS[name]
    reason = case.reason(case.batches(change(case.images)), photos(INTERPOLATION="bilinear"))
    for each, value in declared.items():
        written = f'"{value}"' if isinstance(value, str) else f"{value}"
        assert f"photos.{each} = {written}" in reason
    assert reason.count("photos.") == len(declared)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_integer_labels(case: Case, dtype: type, shape: tuple[int, ...]) -> None:  # noqa: F811
    """Of any width, in a row or a column; undeclared, they are named; out of range or one off, refused."""
    index = case.labels.argmax(1).astype(dtype).reshape(shape)
    declared = photos(LABELS="index")
    assert case.check(case.batches(labels=index), declared).reason is None
    assert 'add photos.LABELS = "index" to say so' in case.reason(case.batches(labels=index), photos())
    assert "from 1 to 3, expected 0 to 2: are classes counted from 1" in case.reason(
        case.batches(labels=index + 1, order=[0, 12, 24]), declared
    )
    assert "wrong label" in case.reason(case.batches(labels=(index + 1) % 3), declared)
    assert 'photos.LABELS = "one-hot"' in case.reason(case.batches(), declared)
    floats = case.reason(case.batches(labels=index.astype(np.float32)), declared)
    assert "expected the declared integers of shape (8,) or (8, 1)" in floats


def test_a_torchvision_loader(case: Case) -> None:  # noqa: F811
    """All that it lacks is named at once."""
    images = channels_first(normalised(case.images))
    reason = case.reason(case.batches(images, case.labels.argmax(1)), photos())
    assert reason == (
        "Images of batch 1 have shape (8, 3, 64, 64), expected (batch, 64, 64, 3): are the channels first? "
        'If that is what is meant, add photos.LAYOUT = "NCHW" and photos.MEAN = (0.485, 0.456, 0.406) and '
        'photos.STD = (0.229, 0.224, 0.225) and photos.LABELS = "index" to say so.'
    )


def test_caffe_mode(case: Case) -> None:  # noqa: F811
    """It is named, though it cannot be declared."""
    images = (case.images * 255)[..., ::-1] - np.array((103.939, 116.779, 123.68), np.float32)
    reason = case.reason(case.batches(images.astype(np.float32)), photos())
    assert 'Keras\' "caffe" mode' in reason
    assert "deliver red, green and blue" in reason


def test_declared_in_vain(case: Case) -> None:  # noqa: F811
    """What is not as declared is told from what is not declared."""
    assert "photos.MEAN = (0.0, 0.0, 0.0)" in case.reason(case.batches(), photos(MEAN=MEAN, STD=STD))
    last = case.reason(case.batches(), photos(LAYOUT="NCHW"))
    assert "expected (batch, 3, 64, 64): are the channels last?" in last
    assert 'photos.LAYOUT = "NHWC"' in last


def test_nothing_to_declare(case: Case) -> None:  # noqa: F811
    """What no declaration mends is not said to be a matter of one."""
    for images in (
        case.images[:, :, ::-1],
        1 - case.images,
        case.images[:, ::2],
        case.images + np.float32(9),
    ):
        assert "photos." not in case.reason(case.batches(images), photos())


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"LAYOUT": "NCWH"}, "photos.LAYOUT is 'NCWH', expected one of 'NHWC', 'NCHW'."),
        ({"LABELS": "sparse"}, "photos.LABELS is 'sparse', expected one of 'one-hot', 'index'."),
        ({"DTYPE": "float8"}, "photos.DTYPE is 'float8', expected one of 'float32', "),
        ({"MEAN": (0.5, 0.5)}, "photos.MEAN is (0.5, 0.5), expected a number, or three"),
        ({"MEAN": "imagenet"}, "photos.MEAN is 'imagenet', expected a number, or three"),
        ({"STD": (0.2, 0, 0.2)}, "photos.STD is (0.2, 0.0, 0.2), expected numbers above 0."),
        ({"STD": float("nan")}, "photos.STD is (nan, nan, nan), expected a number, or three"),
        ({"VALUE_RANGE": 255}, "photos.VALUE_RANGE is 255, expected (black, white)."),
        ({"VALUE_RANGE": (1, 0)}, "photos.VALUE_RANGE is (1.0, 0.0), expected (black, white)"),
        (
            {"VALUE_RANGE": (0, 255), "STD": 0.5},
            "photos.VALUE_RANGE is declared beside photos.MEAN or photos.STD",
        ),
        ({"DTYPE": "uint8", "MEAN": 0.5}, "of uint8 images: expected floats."),
    ],
)
def test_refused_by_name(declared: dict[str, Any], reason: str) -> None:
    """What cannot be checked says so, and what was expected."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 (compared below)
        photos(**declared)
    assert reason in str(error.value)


def test_of_a_module() -> None:
    """In a module nothing comes before the names; uint8 has a range, and a type is as good as its name."""
    module = ModuleType("variant")
    module.DTYPE = np.uint8  # type: ignore[attr-defined]
    assert DeclaredOutput.of(module) == DeclaredOutput(dtype="uint8", value_range=(0, 255))
    assert DeclaredOutput.of(module).prefix == ""
    assert photos(DTYPE=np.dtype("float16")).dtype == "float16"


def test_views_and_pixels() -> None:
    """Channels are moved without a copy, and a few pixels are undone as whole images are."""
    declared = photos(LAYOUT="NCHW", MEAN=MEAN, STD=STD)
    images = np.zeros((2, 3, 4, 5), np.float32)
    last = declared.channels_last(images)
    assert last.shape == (2, 4, 5, 3)
    assert np.shares_memory(last, images)
    assert declared.levels(last[0, :2, 0]) == pytest.approx(np.tile(np.array(MEAN) * 255, (2, 1)), abs=1e-3)
    assert declared.bounds == pytest.approx(((0 - 0.485) / 0.229, (1 - 0.406) / 0.225))
