"""What a loader declares: it is undone, refused by name where it is wrong, and named where it lacks."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from loader_gate.registry.spec import Spec
from loader_gate.same_work.declared import DeclaredOutput
from loader_gate.same_work.undeclared import lines_to_add
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
    assert "remove photos.MEAN and photos.STD to say" in case.reason(
        case.batches(), photos(MEAN=MEAN, STD=STD)
    )
    last = case.reason(case.batches(), photos(LAYOUT="NCHW"))
    assert "expected (batch, 3, 64, 64): are the channels last?" in last
    assert 'photos.LAYOUT = "NHWC"' in last


LEVELS = np.random.default_rng(0).integers(0, 256, (4, 2, 5, 3)).astype(np.float32)
PLAIN = LEVELS / 255
ONE_HOT = np.eye(6, dtype=np.float32)[[0, 5, 3, 1]]
BYTES = {"DTYPE": "uint8"}
CIFAR, CLIP = (
    ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
)

#: Images that are normalised as nobody would guess.
OWN_MEAN, OWN_STD = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
OWN = ((PLAIN - OWN_MEAN) / OWN_STD).astype(np.float32)


def to_add(
    images: Floats,
    labels: Floats = ONE_HOT,
    declared: dict[str, Any] | None = None,
    fits: Callable[[Floats], bool] | None = None,
    of_module: bool = False,
) -> str:
    """Return what is said of a batch of a tree of six classes, at 2x5: whether it is `LEVELS` if not told."""
    holder = ModuleType("variant") if of_module else SimpleNamespace(__name__="photos")
    vars(holder).update(declared or {})

    def are_levels(found: Floats) -> bool:
        assert found.dtype == np.float32
        return np.allclose(found, LEVELS, atol=0.1)

    spec = Spec((2, 5), 4, shuffle=False, seed=0, cache_dir=Path())
    return lines_to_add(images, labels, 6, spec, DeclaredOutput.of(holder), fits or are_levels)


def sentence(*lines: str) -> str:
    """Return the sentence that says to add lines, and to remove those that are names alone."""
    changes: dict[str, list[str]] = {"add": [], "remove": []}
    for each in lines:
        changes["add" if " = " in each else "remove"].append(f"photos.{each}")
    told = " and ".join(f"{verb} {' and '.join(names)}" for verb, names in changes.items() if names)
    return f"If that is what is meant, {told} to say so."


@pytest.mark.parametrize(
    ("images", "declared", "lines"),
    [
        (PLAIN, {}, []),
        (channels_first(PLAIN), {}, ['LAYOUT = "NCHW"']),
        (PLAIN, {"LAYOUT": "NCHW"}, ['LAYOUT = "NHWC"']),
        (LEVELS, {}, ["VALUE_RANGE = (0, 255)"]),
        (PLAIN * 2 - 1, {}, ["VALUE_RANGE = (-1, 1)"]),
        (PLAIN, {"VALUE_RANGE": (-1, 1)}, ["VALUE_RANGE = (0, 1)"]),
        (PLAIN, {"VALUE_RANGE": (0, 255)}, ["VALUE_RANGE = (0, 1)"]),
        (normalised(PLAIN), {}, [f"MEAN = {MEAN}", f"STD = {STD}"]),
        (normalised(PLAIN), {"VALUE_RANGE": (0, 255)}, [f"MEAN = {MEAN}", f"STD = {STD}", "VALUE_RANGE"]),
        (((PLAIN - CIFAR[0]) / CIFAR[1]).astype(np.float32), {}, [f"MEAN = {CIFAR[0]}", f"STD = {CIFAR[1]}"]),
        (((PLAIN - CLIP[0]) / CLIP[1]).astype(np.float32), {}, [f"MEAN = {CLIP[0]}", f"STD = {CLIP[1]}"]),
        (PLAIN, {"MEAN": MEAN, "STD": STD}, ["MEAN", "STD"]),
        (PLAIN, {"STD": STD}, ["STD"]),
        (PLAIN, {"MEAN": MEAN}, ["MEAN"]),
        (channels_first(OWN), {"MEAN": OWN_MEAN, "STD": OWN_STD}, ['LAYOUT = "NCHW"']),
        (PLAIN, {"MEAN": 0.0, "LAYOUT": "NCHW"}, ['LAYOUT = "NHWC"']),
        (LEVELS, {"MEAN": 0.0}, ["VALUE_RANGE = (0, 255)", "MEAN"]),
        (LEVELS.astype(np.uint8), {"MEAN": 0.0}, ['DTYPE = "uint8"', "MEAN"]),
        (LEVELS.astype(np.uint8), {"MEAN": 0.0, "STD": STD}, ['DTYPE = "uint8"', "MEAN", "STD"]),
        (normalised(PLAIN), {"VALUE_RANGE": (0, 1)}, [f"MEAN = {MEAN}", f"STD = {STD}", "VALUE_RANGE"]),
        (
            *(normalised(PLAIN), {**BYTES, "VALUE_RANGE": (0, 255)}),
            ['DTYPE = "float32"', f"MEAN = {MEAN}", f"STD = {STD}", "VALUE_RANGE"],
        ),
        (PLAIN, {**BYTES, "VALUE_RANGE": (0, 255)}, ['DTYPE = "float32"', "VALUE_RANGE = (0, 1)"]),
        (
            *(LEVELS.astype(np.uint8), {"VALUE_RANGE": (0, 1)}),
            ['DTYPE = "uint8"', "VALUE_RANGE = (0, 255)"],
        ),
        (LEVELS, {"MEAN": MEAN}, ["VALUE_RANGE = (0, 255)", "MEAN"]),
        (LEVELS.astype(np.uint8), {"MEAN": MEAN, "STD": STD}, ['DTYPE = "uint8"', "MEAN", "STD"]),
        (LEVELS.astype(np.uint8), {}, ['DTYPE = "uint8"']),
        (LEVELS.astype(np.uint8), {"VALUE_RANGE": (0, 255)}, ['DTYPE = "uint8"']),
        (
            *(LEVELS.astype(np.uint8), {"VALUE_RANGE": (-1, 1)}),
            ['DTYPE = "uint8"', "VALUE_RANGE = (0, 255)"],
        ),
        (PLAIN, BYTES, ['DTYPE = "float32"']),
        (LEVELS, BYTES, ['DTYPE = "float32"', "VALUE_RANGE = (0, 255)"]),
        (PLAIN.astype(np.float64), {}, ['DTYPE = "float64"']),
        # None of the tree: only what is sure.
        (255 - LEVELS, {}, []),
        (channels_first(255 - LEVELS).astype(np.uint8), {}, ['LAYOUT = "NCHW"', 'DTYPE = "uint8"']),
        ((255 - LEVELS).astype(np.uint8), {"MEAN": MEAN, "STD": STD}, ['DTYPE = "uint8"', "MEAN", "STD"]),
    ],
)
def test_which_lines_to_add(images: Floats, declared: dict[str, Any], lines: list[str]) -> None:
    """Those that declare what a batch is, and no others: of a function with its name, of a module without."""
    assert to_add(images, declared=declared) == (sentence(*lines) if lines else "")
    assert to_add(images, declared=declared, of_module=True) == (
        sentence(*lines).replace("photos.", "") if lines else ""
    )
    # Whoever does as told declares what is accepted, and is told no more.
    followed = {name: value for name, value in declared.items() if name not in lines}
    for each in lines:
        name, _, value = each.partition(" = ")
        if value:
            followed[name] = literal_eval(value)
    assert to_add(images, declared=followed) == ""


@pytest.mark.parametrize(
    ("labels", "declared", "line"),
    [
        (ONE_HOT, "one-hot", None),
        (ONE_HOT, "index", "one-hot"),
        (ONE_HOT.astype(np.float64), "index", None),
        (ONE_HOT.astype(np.int64), "one-hot", None),
        (np.array([0, 5, 3, 1]), "index", None),
        (np.array([0, 5, 3, 1]), "one-hot", "index"),
        (np.array([[0], [5], [3], [1]], np.uint8), "one-hot", "index"),
        (np.array([[0, 1], [5, 1], [3, 1], [1, 1]]), "one-hot", None),
        (np.array([0, 5, 3]), "one-hot", None),
        (np.array([0, 5, 3, 1], np.float32), "one-hot", None),
        (np.array([0, 5, 3, 1], np.float32), "index", None),
        (np.array([-1, 5, 3, 1]), "one-hot", None),
        (np.array([0, 6, 3, 1]), "one-hot", None),
    ],
)
def test_which_labels_to_add(labels: Floats, declared: str, line: str | None) -> None:
    """Only what can be labels of the tree is taken for some."""
    lines = [] if line is None else [f'LABELS = "{line}"']
    assert to_add(PLAIN, labels, {"LABELS": declared}) == (sentence(*lines) if lines else "")


@pytest.mark.parametrize(
    "images",
    [
        LEVELS[:0],
        LEVELS[0],
        LEVELS[None],
        LEVELS[:, :, :4],
        LEVELS[:, :1],
        LEVELS[..., :1],
        channels_first(LEVELS)[..., :4],
        LEVELS.astype(np.int64),
        LEVELS.astype(">f4"),
    ],
)
def test_nothing_to_add(images: Floats) -> None:
    """To what is no batch of images of this size, in a type that can be declared."""
    assert to_add(images, ONE_HOT[: len(images)], fits=lambda _: True) == ""


CAFFE = (
    'They are blue, green and red less their means (Keras\' "caffe" mode), which cannot be declared: leave '
    "that to the model, and deliver red, green and blue."
)


def test_what_cannot_be_declared() -> None:
    """Keras' caffe mode, unless it could be something that can be."""
    means = np.array((103.939, 116.779, 123.68), np.float32)
    assert to_add(LEVELS[..., ::-1] - means) == CAFFE
    assert to_add(PLAIN, fits=lambda _: True) == ""


@pytest.mark.parametrize(("extreme", "is_told"), [(-8, False), (-7.5, True), (262.5, True), (263, False)])
def test_how_far_a_filter_overshoots(extreme: float, is_told: bool) -> None:
    """Less than eight grey levels: what has more is nothing that it could be."""
    images = LEVELS.copy()
    images[0, 0, 0, 0] = extreme
    told = sentence("VALUE_RANGE = (0, 255)") if is_told else ""
    assert to_add(images, fits=lambda levels: levels[0, 0, 0, 0] == extreme) == told
    mean = np.float32(103.939)
    images[0, 0, 0, 2], images[0, 0, 0, 0] = images[0, 0, 0, 0], 0
    less = images[..., ::-1] - np.array((103.939, 116.779, 123.68), np.float32)
    assert less[0, 0, 0, 0] + mean == np.float32(extreme)
    assert to_add(less, fits=lambda levels: levels[0, 0, 0, 2] == extreme) == (CAFFE if is_told else "")


def test_bytes_are_from_0_to_255() -> None:
    """There are no levels below 0 in them, so that nobody is told to declare a range with some."""
    dark = np.zeros((4, 2, 5, 3), np.uint8)
    assert to_add(dark, fits=lambda levels: bool((levels == 127.5).all())) == sentence('DTYPE = "uint8"')


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
        (
            {"INTERPOLATION": "cubic"},
            "photos.INTERPOLATION is 'cubic', expected one of 'nearest', 'bilinear', 'area'.",
        ),
        (
            {"DTYPE": "float8"},
            "photos.DTYPE is 'float8', expected one of 'float32', 'float16', 'bfloat16', 'float64', 'uint8'.",
        ),
        (
            {"DTYPE": 8},
            "photos.DTYPE is '8', expected one of 'float32', 'float16', 'bfloat16', 'float64', 'uint8'.",
        ),
        *(
            (
                {name: value},
                f"photos.{name} is {value!r}, expected a number, or three: of red, green and blue.",
            )
            for name, value in (
                ("MEAN", (0.5, 0.5)),
                ("MEAN", (0.5, 0.5, 0.5, 0.5)),
                ("MEAN", "imagenet"),
                ("MEAN", None),
                ("STD", (1, 1, float("inf"))),
            )
        ),
        ({"STD": (0.2, 0, 0.2)}, "photos.STD is (0.2, 0.0, 0.2), expected numbers above 0."),
        (
            {"STD": float("nan")},
            "photos.STD is (nan, nan, nan), expected a number, or three: of red, green and blue.",
        ),
        ({"VALUE_RANGE": 255}, "photos.VALUE_RANGE is 255, expected (black, white)."),
        ({"VALUE_RANGE": (0, 1, 2)}, "photos.VALUE_RANGE is (0, 1, 2), expected (black, white)."),
        *(
            (
                {"VALUE_RANGE": (1, white)},
                f"photos.VALUE_RANGE is (1.0, {white}), expected (black, white), black the lower.",
            )
            for white in (0.0, 1.0)
        ),
        *(
            (
                {"VALUE_RANGE": (0, 255), **beside},
                "photos.VALUE_RANGE is declared beside photos.MEAN or photos.STD: expected one or the other, "
                "as these are of images of 0 to 1.",
            )
            for beside in ({"STD": 0.5}, {"MEAN": 0.5})
        ),
        (
            {"DTYPE": "uint8", "MEAN": 0.5},
            "photos.MEAN or photos.STD is declared of uint8 images: expected floats.",
        ),
    ],
)
def test_refused_by_name(declared: dict[str, Any], reason: str) -> None:
    """What cannot be checked says so, and what was expected."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 (compared below)
        photos(**declared)
    assert str(error.value) == reason


def test_all_that_is_declared() -> None:
    """Each name is read, and one that is not there has its default."""
    plain, changed = photos(), photos(MEAN=np.float32(0.5), STD=2, LAYOUT="NCHW", LABELS="index")
    assert plain == DeclaredOutput(None, "float32", (0, 1), (0, 0, 0), (1, 1, 1), "NHWC", "one-hot")
    assert changed == DeclaredOutput(mean=(0.5,) * 3, std=(2,) * 3, layout="NCHW", labels="index")
    assert (plain.prefix, changed.prefix) == ("photos.", "photos.")
    assert photos(INTERPOLATION="area", DTYPE="float64", VALUE_RANGE=[-1, 1]) == DeclaredOutput(
        "area", "float64", (-1, 1)
    )
    assert photos(MEAN=MEAN) == DeclaredOutput(mean=MEAN)
    assert photos(STD=STD) == DeclaredOutput(std=STD)
    numbers = (*photos(MEAN=0, STD=1).mean, *photos(VALUE_RANGE=(0, 255)).value_range)
    assert all(type(each) is float for each in numbers)


def test_a_loader_without_a_name() -> None:
    """It is called one."""
    with pytest.raises(ValueError, match=r"^loader\.LAYOUT is 'NCWH', expected"):
        DeclaredOutput.of(SimpleNamespace(LAYOUT="NCWH"))


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


@pytest.mark.parametrize(
    ("declared", "white", "black"),
    [
        (DeclaredOutput(), 1, 0),
        (DeclaredOutput(value_range=(-1, 1)), 1, -1),
        (DeclaredOutput(value_range=(0, 255)), 255, 0),
        (photos(MEAN=0.5), 0.5, -0.5),
        (photos(STD=0.5), 2, 0),
        (photos(MEAN=(0.25, 0, 0), STD=(1, 1, 0.5)), (0.75, 1, 2), (-0.25, 0, 0)),
        (DeclaredOutput(value_range=(-1, 1), mean=(0, 0.5, 0)), (1, 0.5, 1), (-1, -1.5, -1)),
    ],
)
def test_grey_levels(declared: DeclaredOutput, white: Any, black: Any) -> None:
    """Black is 0, white 255 and what is in the middle 127.5, channel by channel."""
    white, black = (np.full(3, each, np.float32) for each in (white, black))
    for dtype in (np.float32, np.float64):
        levels = declared.levels(np.stack([black, (black + white) / 2, white]).astype(dtype))
        assert levels.dtype == np.float32
        assert levels.tolist() == [[0.0] * 3, [127.5] * 3, [255.0] * 3]
    assert declared.bounds == (min(black), max(white))


def test_classes() -> None:
    """Of each image one, in whichever form."""
    one_hot = np.eye(4, dtype=np.float32)[[3, 0, 2]]
    column = np.array([[3], [0], [2]], np.uint8)
    for declared, labels in (("one-hot", one_hot), ("index", column), ("index", column[:, 0])):
        found = DeclaredOutput(labels=declared).classes(labels)
        assert (found.dtype.name, found.tolist()) == ("int64", [3, 0, 2])


def test_axes_in_words() -> None:
    """Height and width are filled in by who knows them."""
    assert photos().image_axes == "(batch, {0}, {1}, 3)"
    assert photos(LAYOUT="NCHW").image_axes == "(batch, 3, {0}, {1})"
